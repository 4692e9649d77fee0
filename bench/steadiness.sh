#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How steady the landmarks of a face are from frame to frame, and how fast they come: faceflow beside MediaPipe's face landmarker.
#
#   bench/steadiness.sh [--bundle FILE.task] [--faces N] [--limit N] [--set OPTIONS]... CLIP... > table.md
#
# MediaPipe runs as users of its package for the web run it, in a headless Chromium (other_tools/mediapipe.py). Its models come as a bundle,
# face_landmarker.task, which no package holds: --bundle or FACE_LANDMARKER names it; without it there is no row of MediaPipe. --faces (4)
# is how many it looks for; with 1 it smooths by itself, with more it does not. Each --set is a run of faceflow with these options; without
# any there are four. BUILD names the build folder (build/release). Installs Chromium
# through apt (sudo when not root), and the package through npm.
set -Eeuo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
faceflow=${BUILD:-$root/build/release}/faceflow
bundle=${FACE_LANDMARKER:-}
faces=4
limit=0
sets=()
clips=()

say() { echo "steadiness: $*" >&2; }
usage() { sed -n 's/^#   //p' "${BASH_SOURCE[0]}" >&2; exit 2; }
while (($#)); do
    case $1 in
        --bundle | --faces | --limit | --set)
            (($# > 1)) || usage
            case $1 in
                --bundle) bundle=$2 ;;
                --faces) faces=$2 ;;
                --limit) limit=$2 ;;
                --set) sets+=("$2") ;;
            esac
            shift 2
            ;;
        -*) usage ;;
        *) clips+=("$1"); shift ;;
    esac
done
((${#clips[@]})) || usage
((${#sets[@]})) || sets=("--detect auto" "--detect always" "--detect-every 5" "--smooth")
[[ -x $faceflow ]] || { say "$faceflow is missing; run make build first"; exit 1; }
for clip in "${clips[@]}"; do
    [[ -e $clip ]] || { say "there is no $clip"; exit 1; }
done
if [[ -n $bundle && ! -e $bundle ]]; then
    say "there is no $bundle"
    exit 1
fi

packages=(ffmpeg python3-numpy)
if [[ -n $bundle ]]; then
    packages+=(chromium)
else
    say "no MediaPipe: neither --bundle nor FACE_LANDMARKER names its face_landmarker.task"
fi
# shellcheck source=bench/packages.sh
source "$root/bench/packages.sh"
install_packages "${packages[@]}"

work=$(mktemp -d "${TMPDIR:-/tmp}/faceflow-steadiness-XXXXXX")
trap 'rm -rf "$work"' EXIT
for c in "${!clips[@]}"; do
    clip=${clips[c]}
    runs=()
    for s in "${!sets[@]}"; do
        say "$(basename "$clip"): faceflow ${sets[s]}"
        into=$work/$c-$s
        # shellcheck disable=SC2086  # options are words
        if "$faceflow" run "$clip" --no-video --format ndjson --limit "$limit" --quiet ${sets[s]} --out "$into" >&2; then
            echo "faceflow ${sets[s]}" >"$into/name.txt"
            runs+=("$into")
        else
            say "left out: faceflow ${sets[s]}"
        fi
    done
    if [[ -n $bundle ]]; then
        say "$(basename "$clip"): MediaPipe"
        into=$work/$c-mediapipe
        if /usr/bin/python3 "$root/bench/other_tools/mediapipe.py" "$clip" "$into" --bundle "$bundle" --faces "$faces" \
            --limit "$limit"; then
            version=$(sed -n 's/.*"version": "\([^"]*\)".*/\1/p' "$into/summary.json")
            own=
            ((faces > 1)) || own=", its own smoothing"
            echo "MediaPipe tasks-vision $version (wasm, CPU, numFaces $faces$own)" >"$into/name.txt"
            runs+=("$into")
        else
            say "left out: MediaPipe"
        fi
    fi
    ((${#runs[@]})) || { say "nothing ran on $clip"; exit 1; }
    /usr/bin/python3 "$root/bench/steadiness/faces.py" "$clip" "${runs[@]}"
done
