#!/usr/bin/env bash
# Formatting, layers and clang-tidy. clang-tidy needs the compile commands of a release build, and looks again only at
# files that changed since they last passed (any changed header counts for all).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
generated=src/vision/mesh_data.cpp
passed=$root/.cache/tidy
compile_commands=build/release/compile_commands.json

# tool NAME: the version the configuration is written for, else the default one.
tool() { command -v "$1-14" || command -v "$1" || { echo "lint: $1 is missing; run tools/setup.sh" >&2; exit 1; }; }
clang_format=$(tool clang-format)
clang_tidy=$(tool clang-tidy)

# files GLOB...: of the repository, new ones too, without the generated file and those just deleted.
files() {
    local file
    git ls-files --cached --others --exclude-standard -- "$@" | sort -u | while read -r file; do
        if [[ $file != "$generated" && -f $file ]]; then echo "$file"; fi
    done
}

failed=0
report() {
    echo "lint: $1 failed" >&2
    failed=1
}

files '*.hpp' '*.h' '*.cpp' '*.cu' | xargs -r "$clang_format" --dry-run -Werror || report clang-format
tools/check_layers.py || report layers

if [[ ! -f $compile_commands ]]; then
    echo "lint: no $compile_commands; run make build" >&2
    exit 1
fi

mkdir -p "$passed"
common=$({ cat .clang-tidy "$compile_commands" && files '*.hpp' '*.h' '*.inc' | xargs -r cat; } | sha256sum)
stamp() { { echo "$common" && cat "$1"; } | sha256sum | cut -d' ' -f1; }

# One process a file, two at a time.
run_tidy() {
    local output
    if output=$("$clang_tidy" -p build/release --quiet --extra-arg=-Wno-unknown-warning-option "$1" 2>/dev/null); then
        touch "$2"
    else
        printf '%s\n' "$output" >&2
        return 1
    fi
}
export -f run_tidy
export clang_tidy

checked=0
work=()
while read -r file; do
    # Sources of a device that this build leaves out have no compile command.
    grep -qF "/$file\"" "$compile_commands" || continue
    checked=$((checked + 1))
    key=$(stamp "$file")
    [[ -f $passed/$key ]] || work+=("$file" "$passed/$key")
done < <(files 'src/*.cpp')
if ((${#work[@]})); then
    printf '%s\0' "${work[@]}" | xargs -0 -n2 -P2 bash -c 'run_tidy "$@"' _ || report clang-tidy
fi

((failed == 0)) || exit 1
echo "lint: ok ($checked files, clang-tidy on $((${#work[@]} / 2)) that changed)"
