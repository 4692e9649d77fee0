#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Puts what the tools found side by side: compare_tools.sh calls it with the folder of their outputs.

    score.py FOLDER RESULTS_FOLDER CLIP WIDTH HEIGHT

In the demo clip each quarter of the picture holds one face. Where exactly is taken from faceflow's default detector, which
is first held to that. A face counts as found when a box's centre lies within its box and their areas differ by less
than 5 times; every other box, a second one on the same face too, is a false one.
"""
import json
import pathlib
import platform
import subprocess
import sys

folder, results = map(pathlib.Path, sys.argv[1:3])
clip, width, height = sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
ALL = 4
TOOLS = [  # file, name, what it delivers, threads, note
    ("faceflow_retinaface", "faceflow (RetinaFace)", "boxes, 5 + 478 points, tracks, pose", "all"),
    ("faceflow_blazeface", "faceflow (BlazeFace)", "boxes, 5 + 478 points, tracks, pose", "all"),
    ("opencv_haar", "OpenCV 4.6 Haar cascade", "boxes", "all"),
    ("dlib_hog", "dlib 19.24 HOG", "boxes", "1"),
    ("dlib_68", "dlib 19.24 HOG + 68 points", "boxes, 68 points", "1"),
    ("mediapipe", "MediaPipe face landmarker (wasm on the CPU, Chromium)", "478 points", "browser's"),
]


def of_folder(name):
    rows = []
    for line in (folder / name / "faces.ndjson").read_text().splitlines():
        rows.append([f["box"] for f in json.loads(line)["faces"]])
    summary = json.loads((folder / name / "summary.json").read_text())
    return rows, {"frames": summary["frames"], "seconds": summary["seconds"]}


def of_lines(name):
    lines = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    return [line["boxes"] for line in lines[:-1]], lines[-1]


def centre(box):
    return box[0] + box[2] / 2, box[1] + box[3] / 2


def same(box, truth):
    x, y = centre(box)
    inside = truth[0] <= x <= truth[0] + truth[2] and truth[1] <= y <= truth[1] + truth[3]
    return inside and 0.2 < box[2] * box[3] / (truth[2] * truth[3]) < 5


def one_in_each_quarter(boxes):
    quarters = {(x > width / 2, y > height / 2) for x, y in map(centre, boxes)}
    return len(boxes) == ALL and len(quarters) == ALL


truth, _ = of_folder("faceflow_retinaface")
good = [i for i, boxes in enumerate(truth) if one_in_each_quarter(boxes)]
if len(good) < 0.98 * len(truth):
    sys.exit("score: the reference does not have one face in each quarter: this works for the demo clip alone")

rows = []
for file, name, gives, threads in TOOLS:
    try:
        frames, clock = of_folder(file) if (folder / file).is_dir() else of_lines(file)
    except (OSError, IndexError, KeyError):
        print(f"score: nothing from {name}", file=sys.stderr)
        continue
    found = false = 0
    for i in good:
        hits = sum(any(same(b, t) for b in frames[i]) for t in truth[i])
        found += hits
        false += len(frames[i]) - hits
    seconds = clock["seconds"] / clock["frames"]
    rows.append({"tool": name, "delivers": gives, "threads": threads, "fps": 1 / seconds, "ms_per_frame": seconds * 1e3,
                 "found_per_frame": found / len(good), "false_per_frame": false / len(good)})

cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
           platform.machine())
cores = int(subprocess.run(["nproc"], capture_output=True, text=True, check=True).stdout)
out = {"clip": pathlib.Path(clip).name, "width": width, "height": height, "frames": len(truth),
       "frames_scored": len(good), "machine": f"{cores} cores, {cpu}", "tools": rows}
results.mkdir(parents=True, exist_ok=True)
(results / "tools.json").write_text(json.dumps(out, indent=2) + "\n")
first = rows[0]["fps"]
table = [f"First {len(truth)} frames of {out['clip']} ({width}x{height}, 4 faces in each), {out['machine']}, one run of "
         "`bench/compare_tools.sh`.", "",
         "| tool | delivers | threads | fps | ms a frame | faceflow is faster by | faces found, of 4 | false faces a frame |",
         "| --- | --- | --- | --- | --- | --- | --- | --- |"]
for r in rows:
    faster = "" if r is rows[0] else f"{first / r['fps']:.1f}x"
    table.append(f"| {r['tool']} | {r['delivers']} | {r['threads']} | {r['fps']:.1f} | {r['ms_per_frame']:.1f} | {faster} "
                 f"| {r['found_per_frame']:.2f} | {r['false_per_frame']:.2f} |")
(results / "tools.md").write_text("\n".join(table) + "\n")
print("\n".join(table))
