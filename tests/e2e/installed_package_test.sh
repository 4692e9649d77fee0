#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs a build into a prefix, moves the prefix, and builds and runs a program outside of the tree against it.
#   installed_package_test.sh BUILD_FOLDER
set -euo pipefail
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$build/CMakeCache.txt")

cmake --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/moved"
prefix=$work/moved

"$prefix/bin/faceflow" --version
FACEFLOW_MODELS='' "$prefix/bin/faceflow" models list | grep -q "$prefix/share/faceflow/models/face_landmark_with_attention.onnx" ||
    { echo "the installed tool does not use the installed models" >&2; exit 1; }
for file in share/faceflow/models/face_landmark_with_attention.plan share/man/man1/faceflow.1 share/bash-completion/completions/faceflow share/zsh/site-functions/_faceflow; do
    [[ -s $prefix/$file ]] || { echo "$file is missing or empty" >&2; exit 1; }
done

mkdir "$work/program"
cp "$source/examples/from_memory.cpp" "$work/program/main.cpp"
cat >"$work/program/CMakeLists.txt" <<'EOF'
cmake_minimum_required(VERSION 3.25)
project(outside LANGUAGES C CXX)
find_package(faceflow REQUIRED)
add_executable(outside main.cpp)
target_link_libraries(outside PRIVATE faceflow::faceflow)
add_executable(viewer viewer.c)
target_link_libraries(viewer PRIVATE faceflow::client)
EOF
cp "$source/examples/viewer.c" "$work/program/"
cmake -S "$work/program" -B "$work/program/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_CXX_COMPILER="$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")" \
    -DCMAKE_CXX_FLAGS="$(grep -q '^FACEFLOW_SANITIZE:STRING=.' "$build/CMakeCache.txt" && sed -n 's/^FACEFLOW_SANITIZE:STRING=/-fsanitize=/p' "$build/CMakeCache.txt")" >/dev/null
cmake --build "$work/program/build" >/dev/null

ffmpeg -v error -i "$source/tests/data/goldens/crop0.png" -vf "pad=400:400:104:104" -pix_fmt rgb24 "$work/face.ppm"
output=$("$work/program/build/outside" "$work/face.ppm")
echo "$output"
grep -q '^face at' <<<"$output" || { echo "the program outside of the tree found no face" >&2; exit 1; }

# The client alone, through pkg-config, without CMake.
export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name faceflow-client.pc)")
library=$(pkg-config --variable=libdir faceflow-client)
# shellcheck disable=SC2046  # a list of words
g++ -std=c++17 "$source/examples/recorder.cpp" $(pkg-config --cflags --libs faceflow-client) -Wl,-rpath,"$library" -o "$work/recorder"
output=$("$work/recorder" "$work/none.y4m" "$work/nobody.sock" 2>&1) && exit 1
grep -q 'no process listens' <<<"$output" || { echo "the recorder says: $output" >&2; exit 1; }
XDG_RUNTIME_DIR=$work "$work/program/build/viewer" >/dev/null 2>"$work/said" && exit 1
grep -q 'no process listens' "$work/said" || { echo "the viewer says: $(<"$work/said")" >&2; exit 1; }
LD_LIBRARY_PATH=$library PYTHONPATH=$prefix/share/faceflow/python /usr/bin/python3 -c 'import faceflow_client; faceflow_client._load()'
