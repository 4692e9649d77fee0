#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the fuzz targets (of the asan preset) and runs each for SECONDS (60), one a core. What it finds lies in build/asan/fuzz.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export seconds=${1:-60} found=build/asan/fuzz
cmake --preset asan >/dev/null
cmake --build build/asan -j"$(nproc)" --target faceflow_fuzz

fuzz() {
    local name=${1##*_fuzz_}
    local corpus=$found/corpus/$name log=$found/$name.log
    mkdir -p "$corpus"
    if ! "$1" -max_total_time="$seconds" -max_len=8192 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$found/$name-" "$corpus" "tests/fuzz/seeds/$name" >"$log" 2>&1; then
        tail -40 "$log" >&2
        echo "fuzz: $name failed; the input is in $found" >&2
        return 1
    fi
    sed -n "s/^stat::number_of_executed_units: */fuzz: $name, $seconds s: executed /p" "$log"
}
export -f fuzz
printf '%s\0' build/asan/faceflow_fuzz_* | xargs -0 -n1 -P"$(nproc)" bash -euo pipefail -c 'fuzz "$@"' _
