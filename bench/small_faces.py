#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How many faces of a known size faceflow finds in pictures, and what a picture costs.

    bench/small_faces.py CLIP... [--sizes 12,16,20,24,32,48] [--pictures N] [--size 1920x1080] [--faceflow PROGRAM] [-- OPTIONS...]

Faces come from the clips: found at full size, cut out with their surroundings, scaled so that the longer side of their box has SIZE pixels,
and put on a grid over a blurred frame of a clip, one size per picture. A face is found if a box overlaps its own by 0.4 (intersection over
union). OPTIONS go to `faceflow run`: the detector's size and tiles. Faces come only from the clips: the table says how the sizes of faces
compare, not how well strangers are found.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image, ImageFilter

HERE = pathlib.Path(__file__).resolve().parent

parser = argparse.ArgumentParser()
parser.add_argument("clips", nargs="+", type=pathlib.Path)
parser.add_argument("--sizes", default="12,16,20,24,32,48")
parser.add_argument("--pictures", type=int, default=6, help="per size")
parser.add_argument("--size", default="1920x1080", help="of a picture")
parser.add_argument("--faceflow", default=str(HERE.parent / "build/release/faceflow"))
own = sys.argv[1:sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
given = parser.parse_args(own)
options = sys.argv[len(own) + 2:]
width, height = map(int, given.size.split("x"))
random = np.random.default_rng(1)


def run(inputs, out, *more):
    subprocess.run([given.faceflow, "run", *map(str, inputs), "--no-video", "--format", "ndjson", "--quiet", "--out", str(out), *more], check=True)
    return [json.loads(line) for line in (out / "faces.ndjson").read_text().splitlines()]


def cut_out(work):
    """Faces with half their size around them: (picture, longer side of the box in it)."""
    faces = []
    for number, clip in enumerate(given.clips):
        frames = work / f"clip{number}"
        frames.mkdir()
        subprocess.run(["ffmpeg", "-v", "error", "-i", clip, "-vf", "fps=1.5", "-frames:v", "20", frames / "%03d.png"], check=True)
        for row in run([frames], work / f"found{number}"):
            picture = Image.open(row["input"]).convert("RGB")
            for face in row["faces"]:
                x, y, w, h = face["box"]
                longer = max(w, h)
                if face["score"] < 0.9 or longer < 60:
                    continue
                cx, cy = x + w / 2, y + h / 2
                faces.append((picture.crop(tuple(int(v) for v in (cx - longer, cy - longer, cx + longer, cy + longer))), longer, w / longer, h / longer))
    return faces, picture.resize((width, height)).filter(ImageFilter.GaussianBlur(width / 40))


def compose(faces, background, size):
    """A picture of faces of that size, and their boxes."""
    picture, boxes = background.copy(), []
    step = max(3 * size, 96)
    for top in range(step // 2, height - step, step):
        for left in range(step // 2, width - step, step):
            cut, longer, w, h = faces[random.integers(len(faces))]
            scale = size / longer
            small = cut.resize((max(1, round(cut.width * scale)), max(1, round(cut.height * scale))), Image.LANCZOS)
            x, y = left + int(random.integers(step // 4 + 1)), top + int(random.integers(step // 4 + 1))
            mask = Image.new("L", small.size, 0)
            edge = max(1, small.width // 8)
            mask.paste(255, (edge, edge, small.width - edge, small.height - edge))
            picture.paste(small, (x, y), mask.filter(ImageFilter.GaussianBlur(edge / 2)))
            cx, cy = x + small.width / 2, y + small.height / 2
            boxes.append((cx - w * size / 2, cy - h * size / 2, w * size, h * size))
    return picture, boxes


def overlap(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(w, 0) * max(h, 0)
    return both / (a[2] * a[3] + b[2] * b[3] - both)


with tempfile.TemporaryDirectory(prefix="faceflow-small-") as folder:
    work = pathlib.Path(folder)
    faces, background = cut_out(work)
    print(f"{len(faces)} faces of {len(given.clips)} clips in pictures of {width}x{height}; options: {' '.join(options) or 'none'}\n")
    print("| size, px | faces | found | false | s per picture |\n| --- | --- | --- | --- | --- |")
    for size in map(int, given.sizes.split(",")):
        pictures, wanted = work / f"size{size}", []
        pictures.mkdir()
        for number in range(given.pictures):
            picture, boxes = compose(faces, background, size)
            picture.save(pictures / f"{number:03}.png")
            wanted.append(boxes)
        begun = time.monotonic()
        rows = run([pictures], work / f"out{size}", "--max-faces", "1000", "--min-presence", "0", *options)
        took = time.monotonic() - begun
        found = false = 0
        for row, boxes in zip(rows, wanted):
            got = [f["box"] for f in row["faces"]]
            hits = sum(any(overlap(g, b) > 0.4 for g in got) for b in boxes)
            found += hits
            false += sum(not any(overlap(g, b) > 0.4 for b in boxes) for g in got)
        total = sum(map(len, wanted))
        print(f"| {size} | {total} | {found / total:.2f} | {false} | {took / len(wanted):.2f} |", flush=True)
