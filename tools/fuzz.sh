#!/usr/bin/env bash
# Builds the fuzz targets with clang and runs each for SECONDS (60). What it finds lies in build/fuzz/findings.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-60}
cmake --preset fuzz >/dev/null
cmake --build build/fuzz -j"$(nproc)" --target faceflow_fuzz
mkdir -p build/fuzz/findings
for binary in build/fuzz/faceflow_fuzz_*; do
    name=${binary##*_fuzz_}
    corpus=build/fuzz/corpus/$name
    mkdir -p "$corpus"
    echo "fuzz: $name for $seconds s"
    if ! "$binary" -max_total_time="$seconds" -max_len=8192 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/findings/$name-" "$corpus" ${FACEFLOW_FUZZ_SEEDS:-tests/fuzz/seeds/$name} >"build/fuzz/$name.log" 2>&1; then
        tail -40 "build/fuzz/$name.log" >&2
        echo "fuzz: $name failed; the input is in build/fuzz/findings" >&2
        exit 1
    fi
    sed -n 's/^stat::number_of_executed_units: */fuzz: executed /p' "build/fuzz/$name.log"
done
