#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The one command for the first card: builds with CUDA, runs the tests that need a device, compares the flows, measures kernels
# and how many cameras the card holds, and writes one report. No network, no root, some twenty minutes beside the build.
#
#   tools/gpu_report.sh [--build DIR] [options of tools/gpu_report.py: --device, --out, --clip, --minutes, --only, --quick]
#
# With --build, or where there is no cmake, what is built there (build/cuda) is run as it is, wherever it was built. The exit status is 0 when
# nothing failed.
set -Eeuo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=
rest=()
while (($#)); do
    case $1 in
        --build) build=${2:?--build needs a folder}; shift 2 ;;
        --build=*) build=${1#*=}; shift ;;
        *) rest+=("$1"); shift ;;
    esac
done
if [[ -z $build ]]; then
    build=$root/build/cuda
    if command -v cmake >/dev/null; then
        export PATH=$PATH:/usr/local/cuda/bin
        (cd "$root" && cmake --preset cuda && cmake --build "$build" -j"$(nproc)") >&2
    fi
fi
exec /usr/bin/python3 "$root/tools/gpu_report.py" --root "$root" --build "$build" "${rest[@]}"
