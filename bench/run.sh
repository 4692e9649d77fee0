#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures everything into bench/results/: the whole run, its parts, the flows, and other tools beside it.
#
#   bench/run.sh [--no-tools | PART...]
#
# Parts, all unless some are named: end_to_end kernels cpu_engine memory compare recovery tools steadiness handoff. The last three
# install other tools through apt and npm; --no-tools leaves them out. FACE_LANDMARKER names MediaPipe's bundle of models, for tools
# and steadiness. compare also draws docs/images/compare.svg.
#
# BUILD names the build folder (build/release); what is not built there yet is built. RESULTS names another folder for all of
# compare, its figure too, and COMPARE_FRAMES (300) how many frames it takes: to try it.
set -Eeuo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
build=${BUILD:-build/release}
results=bench/results
all=(end_to_end kernels cpu_engine memory compare recovery tools steadiness handoff)
parts=("$@")
((${#parts[@]})) || parts=("${all[@]}")
[[ ${parts[0]} != --no-tools ]] || parts=(end_to_end kernels cpu_engine memory compare recovery "${parts[@]:1}")
for part in "${parts[@]}"; do
    [[ " ${all[*]} " == *" $part "* ]] || { echo "bench: unknown part $part; there are: ${all[*]}" >&2; exit 2; }
done
mkdir -p "$results"

if [[ ! -e $build/CMakeCache.txt ]]; then
    [[ $build == build/release ]] || { echo "bench: $build is not configured" >&2; exit 1; }
    cmake --preset release
fi
cmake --build "$build" --target faceflow_bench_cpu_engine faceflow_bench_end_to_end faceflow_bench_kernels faceflow_bench_memory faceflow_bench_recovery faceflow_cli -j"$(nproc)"

end_to_end() {
    echo "bench: a whole run and its parts"
    "$build/faceflow_bench_end_to_end" --rounds 15 --json "$results/end_to_end.json" | tee "$results/end_to_end.md"
}

# PROGRAM NAME: of Google Benchmark.
benchmark() {
    "$build/$1" --benchmark_min_time=0.2 --benchmark_repetitions=3 --benchmark_enable_random_interleaving=true \
        --benchmark_out="$results/$2.json" --benchmark_out_format=json >/dev/null
    /usr/bin/python3 bench/kernels_table.py "$results/$2.json" | tee "$results/$2.md"
}

kernels() {
    echo "bench: kernels"
    benchmark faceflow_bench_kernels kernels
}

cpu_engine() {
    echo "bench: the CPU's own kernels beside ONNX Runtime"
    "$build/faceflow_bench_cpu_engine" --benchmark_min_time=1 | tee "$results/cpu_engine.txt"
}

memory() {
    echo "bench: the memory flow itself"
    benchmark faceflow_bench_memory memory
}

compare() {
    echo "bench: the five flows"
    local into=${RESULTS:-$results} figure=${RESULTS:-docs/images} made
    made=$(mktemp -d "${TMPDIR:-/tmp}/faceflow-compare-XXXXXX")
    mkdir -p "$into"
    "$build/faceflow" compare assets/demo.mp4 --device emulated --limit "${COMPARE_FRAMES:-300}" --out "$made" --quiet
    mv "$made"/compare.{md,json} "$into/"
    mv "$made/compare.svg" "$figure/"
    rm -r "$made"
}

recovery() {
    echo "bench: what the end of a stage process costs"
    "$build/faceflow_bench_recovery" --json "$results/recovery.json" | tee "$results/recovery.md"
}

tools() {
    echo "bench: other tools"
    FACEFLOW=$build/faceflow bench/compare_tools.sh
}

steadiness() {
    echo "bench: steadiness"
    BUILD=$build bench/steadiness.sh assets/demo.mp4 | tee "$results/steadiness.md"
}

handoff() {
    echo "bench: frames from one process to another"
    BUILD=$build bench/handoff.sh
}

for part in "${parts[@]}"; do
    "$part"
done
echo "bench: written to $results:" "$(cd "$results" && ls)"
