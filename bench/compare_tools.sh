#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The speed of faceflow beside other face tools that Debian and npm can install: same clip, same machine, one run.
#
#   bench/compare_tools.sh [FRAMES]     the first FRAMES (150) of assets/demo.mp4
#
# FACEFLOW names the program to measure (build/release/faceflow), FACE_LANDMARKER MediaPipe's bundle of models, face_landmarker.task, which
# no package holds. Installs the other tools' Debian packages, some 500 MB
# with Chromium, through apt (sudo when not root). A tool that cannot be had or run is left out, and said so. Writes
# bench/results/tools.{md,json}.
set -Eeuo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
frames=${1:-150}
clip=$root/assets/demo.mp4
faceflow=${FACEFLOW:-$root/build/release/faceflow}
sources=$root/bench/other_tools
landmarks=/usr/share/dlib/shape_predictor_68_face_landmarks.dat
cascade=/usr/share/opencv4/haarcascades/haarcascade_frontalface_default.xml
packages=(g++ pkg-config ffmpeg libopencv-objdetect-dev libopencv-imgproc-dev opencv-data libdlib-dev libdlib-data chromium)

say() { echo "compare_tools: $*" >&2; }
for needed in "$faceflow" "$clip"; do
    [[ -e $needed ]] || { say "$needed is missing; run make build first"; exit 1; }
done

# shellcheck source=bench/packages.sh
source "$root/bench/packages.sh"
install_packages "${packages[@]}"

work=$(mktemp -d "${TMPDIR:-/tmp}/faceflow-tools-XXXXXX")
trap 'rm -rf "$work"' EXIT
IFS=, read -r width height < <(ffprobe -v error -select_streams v:0 -show_entries stream=width,height -of csv=p=0 "$clip")
gray() { ffmpeg -nostdin -v error -i "$clip" -frames:v "$frames" -f rawvideo -pix_fmt gray -; }
# What faceflow does not use of this machine's instructions, the others get.
build() { g++ -std=c++17 -O3 -march=native -DNDEBUG -o "$work/$1" "$sources/$1.cpp" "${@:2}"; }

for detector in retinaface blazeface; do
    say "faceflow, $detector"
    "$faceflow" run "$clip" --no-video --format ndjson --limit "$frames" --detector "$detector" --quiet \
        --out "$work/faceflow_$detector"
done

say "OpenCV"
opencv_include=$(pkg-config --cflags-only-I opencv4 2>/dev/null || echo -I/usr/include/opencv4)
# shellcheck disable=SC2086  # flags are words
if build opencv_haar $opencv_include -lopencv_objdetect -lopencv_imgproc -lopencv_core; then
    gray | "$work/opencv_haar" "$width" "$height" "$cascade" >"$work/opencv_haar.jsonl" || say "OpenCV failed"
fi

say "dlib"
# shellcheck disable=SC2046
if build dlib_hog $(pkg-config --cflags --libs dlib-1 2>/dev/null || echo -ldlib); then
    gray | "$work/dlib_hog" "$width" "$height" >"$work/dlib_hog.jsonl" || say "dlib failed"
    if [[ -e $landmarks ]]; then
        gray | "$work/dlib_hog" "$width" "$height" "$landmarks" >"$work/dlib_68.jsonl" || say "dlib's landmarks failed"
    fi
fi

if [[ -n ${FACE_LANDMARKER:-} ]]; then
    say "MediaPipe in Chromium"
    /usr/bin/python3 "$sources/mediapipe.py" "$clip" "$work/mediapipe" --bundle "$FACE_LANDMARKER" --limit "$frames" ||
        say "MediaPipe failed"
else
    say "no MediaPipe: FACE_LANDMARKER does not name its face_landmarker.task"
fi

/usr/bin/python3 "$sources/score.py" "$work" "$root/bench/results" "$clip" "$width" "$height"
