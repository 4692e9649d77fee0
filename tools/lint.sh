#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Formatting, layers and clang-tidy. clang-tidy needs the compile commands of a release build, and looks again only at
# files that changed since they last passed (any changed header counts for all).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
generated=src/vision/mesh_data.cpp
passed=$root/.cache/tidy
compile_commands=${COMPILE_COMMANDS:-build/release/compile_commands.json}

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

# Sources that are compiled alike go together, up to ten in a batch: most of the time is spent on headers, once a batch. What depends
# on being alone is looked at elsewhere: -Wshadow by the release build's own compiler, and using-declarations that are not used, since
# another source of the batch might use them, here once more.
batches=build/release/tidy
run_tidy() {
    local batch=$1 output source shared=(--quiet --extra-arg=-Wno-unknown-warning-option)
    local sources=()
    read -ra sources <<<"$2"
    if ! output=$("$clang_tidy" -p "$batches" "${shared[@]}" --config-file=.clang-tidy --extra-arg=-Wno-shadow "$batch" 2>/dev/null); then
        printf '%s\n' "$output" >&2
        return 1
    fi
    for source in "${sources[@]}"; do
        grep -qE '^ *using [A-Za-z_:]+::[A-Za-z_]+;' "$source" || continue
        if ! output=$("$clang_tidy" -p build/release "${shared[@]}" --checks='-*,misc-unused-using-decls' "$source" 2>/dev/null); then
            printf '%s\n' "$output" >&2
            return 1
        fi
    done
    for source in "${sources[@]}"; do touch "$passed/$(stamp "$source")"; done
}
export -f run_tidy stamp
export clang_tidy batches passed common

checked=0
work=()
while read -r file; do
    # Sources of a device that this build leaves out have no compile command.
    grep -qF "/$file\"" "$compile_commands" || continue
    checked=$((checked + 1))
    [[ -f $passed/$(stamp "$root/$file") ]] || work+=("$file")
done < <(files 'src/*.cpp')
if ((${#work[@]})); then
    printf '%s\n' "${work[@]}" | tools/tidy_batches.py "$compile_commands" "$batches" 10 | tr '\t\n' '\0\0' |
        xargs -0 -n2 -P2 bash -euo pipefail -c 'run_tidy "$@"' _ || report clang-tidy
fi

((failed == 0)) || exit 1
echo "lint: ok ($checked files, clang-tidy on ${#work[@]} that changed)"
