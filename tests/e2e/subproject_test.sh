#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds and runs programs that have faceflow as a part of their own project: by add_subdirectory, and by FetchContent from a folder.
# (find_package is installed_package_test.sh's.) What faceflow's own build has compiled comes from the compiler's cache; without one
# that would take as long as that build, so nothing is tested.
#   subproject_test.sh BUILD_FOLDER
set -euo pipefail
build=$1
command -v ccache >/dev/null || { echo "SKIPPED: ccache is not installed"; exit 77; }
cached() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }
source=$(cached CMAKE_HOME_DIRECTORY)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One object says whether the cache has them all: a build with other settings of the cache does not fill it for this one.
probe() {
    CCACHE_STATSLOG=$work/stats cmake --build "$1" --target faceflow/CMakeFiles/faceflow_core.dir/src/core/names.cpp.o >/dev/null
    grep -q cache_hit "$work/stats" || { echo "SKIPPED: the compiler's cache has not what the build compiled"; exit 77; }
}

# configure NAME TARGET...: the project in $work/NAME, with what makes objects the same as those of the build.
configure() {
    cmake -S "$work/$1" -B "$work/$1/build" -G Ninja -DCMAKE_BUILD_TYPE="$(cached CMAKE_BUILD_TYPE)" -DFACEFLOW_WERROR=ON \
        -DFACEFLOW_CUDA=OFF -DFACEFLOW_ONNXRUNTIME=OFF -DCMAKE_CXX_COMPILER="$(cached CMAKE_CXX_COMPILER)" \
        -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DFACEFLOW_SOURCE="$source" >"$work/$1/log" 2>&1 ||
        { cat "$work/$1/log" >&2; exit 1; }
    [[ $1 != part ]] || probe "$work/$1/build"
    cmake --build "$work/$1/build" -j2 --target "${@:2}" >"$work/$1/log" 2>&1 || { tail -50 "$work/$1/log" >&2; exit 1; }
}

mkdir "$work/part" "$work/fetched"
cp "$source/examples/from_memory.cpp" "$work/part/main.cpp"
cat >"$work/part/CMakeLists.txt" <<'EOF'
cmake_minimum_required(VERSION 3.25)
project(outside LANGUAGES C CXX)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
add_subdirectory(${FACEFLOW_SOURCE} faceflow EXCLUDE_FROM_ALL)
add_executable(outside main.cpp)
target_link_libraries(outside PRIVATE faceflow::faceflow)
install(TARGETS outside)
EOF
cp "$source/examples/viewer.c" "$work/fetched/"
cat >"$work/fetched/CMakeLists.txt" <<'EOF'
cmake_minimum_required(VERSION 3.25)
project(outside LANGUAGES C CXX)
include(FetchContent)
FetchContent_Declare(faceflow SOURCE_DIR ${FACEFLOW_SOURCE})
FetchContent_MakeAvailable(faceflow)
add_executable(viewer viewer.c)
target_link_libraries(viewer PRIVATE faceflow::client)
EOF

configure part outside
ffmpeg -v error -i "$source/tests/data/goldens/crop0.png" -vf "pad=400:400:104:104" -pix_fmt rgb24 "$work/face.ppm"
output=$("$work/part/build/outside" "$work/face.ppm")
echo "$output"
grep -q '^face at' <<<"$output" || { echo "the program found no face" >&2; exit 1; }
# Its install is its own: nothing of faceflow's comes along unasked.
cmake --install "$work/part/build" --prefix "$work/prefix" >/dev/null
installed=$(cd "$work/prefix" && find . -type f)
[[ $installed == ./bin/outside ]] || { echo "installed beside the program: $installed" >&2; exit 1; }

configure fetched viewer
XDG_RUNTIME_DIR=$work "$work/fetched/build/viewer" >/dev/null 2>"$work/said" && exit 1
grep -q 'no process listens' "$work/said" || { echo "the viewer says: $(<"$work/said")" >&2; exit 1; }
