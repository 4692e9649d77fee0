#!/usr/bin/env bash
# Measures everything into bench/results/: the whole run, its parts, and other tools beside it.
#
#   bench/run.sh [--no-tools]
#
# BUILD names the build folder (build/release); what is not built there yet is built. Other tools are installed through
# apt; --no-tools leaves them out.
set -Eeuo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
build=${BUILD:-build/release}
results=bench/results
mkdir -p "$results"

if [[ ! -e $build/CMakeCache.txt ]]; then
    [[ $build == build/release ]] || { echo "bench: $build is not configured" >&2; exit 1; }
    cmake --preset release
fi
cmake --build "$build" --target faceflow_bench_end_to_end faceflow_bench_kernels faceflow_bench_memory faceflow_bench_recovery faceflow_cli -j"$(nproc)"

echo "bench: a whole run and its parts"
"$build/faceflow_bench_end_to_end" --rounds 15 --json "$results/end_to_end.json" | tee "$results/end_to_end.md"

echo "bench: kernels"
"$build/faceflow_bench_kernels" --benchmark_min_time=0.2 --benchmark_repetitions=3 \
    --benchmark_enable_random_interleaving=true --benchmark_out="$results/kernels.json" --benchmark_out_format=json >/dev/null
/usr/bin/python3 bench/kernels_table.py "$results/kernels.json" | tee "$results/kernels.md"

echo "bench: the memory flow itself"
"$build/faceflow_bench_memory" --benchmark_min_time=0.2 --benchmark_repetitions=3 \
    --benchmark_enable_random_interleaving=true --benchmark_out="$results/memory.json" --benchmark_out_format=json >/dev/null
/usr/bin/python3 bench/kernels_table.py "$results/memory.json" | tee "$results/memory.md"

echo "bench: what the end of a stage process costs"
"$build/faceflow_bench_recovery" --json "$results/recovery.json" | tee "$results/recovery.md"

if [[ ${1:-} != --no-tools ]]; then
    echo "bench: other tools"
    FACEFLOW=$build/faceflow bench/compare_tools.sh
    echo "bench: frames from one process to another"
    BUILD=$build bench/handoff.sh
fi
echo "bench: written to $results:" "$(cd "$results" && ls)"
