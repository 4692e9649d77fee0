#!/usr/bin/env bash
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
for file in share/man/man1/faceflow.1 share/bash-completion/completions/faceflow share/zsh/site-functions/_faceflow; do
    [[ -s $prefix/$file ]] || { echo "$file is missing or empty" >&2; exit 1; }
done

mkdir "$work/program"
cp "$source/examples/from_memory.cpp" "$work/program/main.cpp"
cat >"$work/program/CMakeLists.txt" <<'EOF'
cmake_minimum_required(VERSION 3.25)
project(outside LANGUAGES CXX)
find_package(faceflow REQUIRED)
add_executable(outside main.cpp)
target_link_libraries(outside PRIVATE faceflow::faceflow)
EOF
cmake -S "$work/program" -B "$work/program/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_CXX_COMPILER="$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")" \
    -DCMAKE_CXX_FLAGS="$(grep -q '^FACEFLOW_SANITIZE:STRING=.' "$build/CMakeCache.txt" && sed -n 's/^FACEFLOW_SANITIZE:STRING=/-fsanitize=/p' "$build/CMakeCache.txt")" >/dev/null
cmake --build "$work/program/build" >/dev/null

ffmpeg -v error -i "$source/tests/data/goldens/crop0.png" -vf "pad=400:400:104:104" -pix_fmt rgb24 "$work/face.ppm"
output=$("$work/program/build/outside" "$work/face.ppm")
echo "$output"
grep -q '^face at' <<<"$output" || { echo "the program outside of the tree found no face" >&2; exit 1; }
