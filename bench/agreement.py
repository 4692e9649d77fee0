#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How near faceflow's v2 landmarks and blendshapes are to those of MediaPipe's face landmarker, on the same clip.

    bench/agreement.py CLIP --bundle face_landmarker.task [--limit N] [--faces N] [--faceflow PROGRAM]

Runs both over the clip (MediaPipe as other_tools/mediapipe.py says) and pairs faces by place. Landmarks in % of the distance between the
outer corners of the eyes; blendshapes are shares. Both follow faces by their own rules, so regions differ by some pixels.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
EYES = 33, 263  # outer corners

parser = argparse.ArgumentParser()
parser.add_argument("clip", type=pathlib.Path)
parser.add_argument("--bundle", type=pathlib.Path, required=True)
parser.add_argument("--limit", type=int, default=0)
parser.add_argument("--faces", type=int, default=4)
parser.add_argument("--faceflow", default=str(HERE.parent / "build/release/faceflow"))
given = parser.parse_args()


def frames_of(folder):
    rows = map(json.loads, (folder / "faces.ndjson").read_text().splitlines())
    return {row["sequence"]: row["faces"] for row in rows}


def points(face):
    return np.asarray(face["landmarks"], dtype=np.float64)[:, :2]


def pairs(ours, theirs):
    for sequence, faces in ours.items():
        for face in faces:
            p = points(face)
            eyes = np.hypot(*(p[EYES[0]] - p[EYES[1]]))
            others = [(np.hypot(*(points(o).mean(axis=0) - p.mean(axis=0))), o) for o in theirs.get(sequence, [])]
            if others and (nearest := min(others, key=lambda o: o[0]))[0] < eyes / 2:
                yield p, points(nearest[1]), eyes, face["blendshapes"], nearest[1]["blendshapes"]


with tempfile.TemporaryDirectory(prefix="faceflow-agreement-") as work:
    ours, theirs = pathlib.Path(work) / "faceflow", pathlib.Path(work) / "mediapipe"
    subprocess.run([given.faceflow, "run", given.clip, "--landmarks", "v2", "--no-video", "--format", "ndjson", "--quiet", "--limit",
                    str(given.limit), "--out", ours], check=True, stdout=sys.stderr)
    subprocess.run(["/usr/bin/python3", HERE / "other_tools/mediapipe.py", given.clip, theirs, "--bundle", given.bundle, "--blendshapes",
                    "--faces", str(given.faces), "--limit", str(given.limit)], check=True, stdout=sys.stderr)
    found = list(pairs(frames_of(ours), frames_of(theirs)))
if not found:
    sys.exit("agreement: no face that both found")
distances = np.array([100 * np.median(np.hypot(*(a - b).T)) / eyes for a, b, eyes, _, _ in found])
differences = {name: np.array([abs(x[name] - y[name]) for *_, x, y in found]) for name in found[0][3]}
worst = sorted(differences, key=lambda name: -np.median(differences[name]))[:5]
everything = np.concatenate(list(differences.values()))
print(f"{len(found)} faces that both found in {given.clip.name}:\n")
print("| | median | 95 % |\n| --- | --- | --- |")
print(f"| landmarks of a face (median of its points), % of the eye distance | {np.median(distances):.2f} | {np.percentile(distances, 95):.2f} |")
print(f"| all blendshapes | {np.median(everything):.4f} | {np.percentile(everything, 95):.4f} |")
for name in worst:
    print(f"| {name} | {np.median(differences[name]):.4f} | {np.percentile(differences[name], 95):.4f} |")
