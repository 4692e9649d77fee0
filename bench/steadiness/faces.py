#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How steady the landmarks of faces are, from runs over the same clip: steadiness.sh calls it with a folder for each run.

    faces.py CLIP FOLDER...     each with faces.ndjson, summary.json and name.txt

A face's change from one frame to the next is what is left of it when the face before is moved, turned and scaled onto it as well as
can be: the median over landmarks of their distances, in % of the distance between the outer corners of the eyes. Every run is measured
on the same pairs of frames: those in which all runs have the face.
"""
import json
import pathlib
import platform
import re
import subprocess
import sys

import numpy as np

POINTS = 468  # what every model has; the irises behind them only some
EYES = 33, 263  # outer corners
MEMORY = 30  # frames after which a face that comes back is another one
LEAST = 0.1  # share of the frames that a face is in; rarer ones are left out
MISSED = 0.5  # share of a face's frames; a run that has fewer of them does not take them from the others


class found_face:
    def __init__(self, landmarks):
        points = np.asarray(landmarks, dtype=np.float64)[:POINTS, :2]
        self.at = points.mean(axis=0)
        self.z = (points[:, 0] - self.at[0]) + 1j * (points[:, 1] - self.at[1])
        self.eyes = abs(self.z[EYES[0]] - self.z[EYES[1]])


def change(before, after):
    """In %. Complex numbers: a rotation and a scale are one factor, and this one has the least squares."""
    factor = np.vdot(before.z, after.z) / np.vdot(before.z, before.z)
    return 100 * np.median(abs(factor * before.z - after.z)) / after.eyes


class one_run:
    def __init__(self, folder):
        self.name = (folder / "name.txt").read_text().strip()
        self.summary = json.loads((folder / "summary.json").read_text())
        self.frames = {}
        for line in (folder / "faces.ndjson").read_text().splitlines():
            row = json.loads(line)
            self.size = row["width"], row["height"]
            self.frames[row["sequence"]] = [found_face(f["landmarks"]) for f in row["faces"] if f.get("landmarks")]
        every = re.search(r"--detect-every[ =](\d+)", self.name)
        self.every = int(every[1]) if every else 0


def pairs_of(known, faces):
    """(index in known, index in faces): nearest first, each once, and no farther away than the eyes are from each other."""
    near = sorted((np.hypot(*(a.at - b.at)), i, k) for i, a in known for k, b in enumerate(faces))
    taken, used = {}, set()
    eyes = {i: a.eyes for i, a in known}
    for distance, i, k in near:
        if distance <= eyes[i] and i not in taken and k not in used:
            taken[i] = k
            used.add(k)
    return taken.items()


def people_of(run):
    """For each person {sequence: face}, by place alone: no tool's tracks. From left to right, and those above each other downwards."""
    people, last = [], []
    for sequence, faces in sorted(run.frames.items()):
        matches = dict(pairs_of([(i, f) for i, (s, f) in enumerate(last) if sequence - s <= MEMORY], faces))
        for k in set(range(len(faces))) - set(matches.values()):
            matches[len(people)] = k
            people.append({})
            last.append(None)
        for i, k in matches.items():
            people[i][sequence] = faces[k]
            last[i] = sequence, faces[k]
    people = [p for p in people if len(p) >= LEAST * len(run.frames)]

    def place(person):
        x, y = np.median([f.at for f in person.values()], axis=0) / run.size
        return int(8 * x), y

    return sorted(people, key=place)


def assigned(run, people):
    """The same people as another run found them."""
    theirs = [{} for _ in people]
    for sequence, faces in run.frames.items():
        for i, k in pairs_of([(i, p[sequence]) for i, p in enumerate(people) if sequence in p], faces):
            theirs[i][sequence] = faces[k]
    return theirs


def after_detections(values, every):
    """Changes into and out of the frames with a detection, over the others."""
    if not every:
        return "–"
    near = [v for s, v in values.items() if s % every in (0, 1)]
    rest = [v for s, v in values.items() if s % every not in (0, 1)]
    return f"{np.mean(near) / np.mean(rest):.2f}" if near and rest else "–"


def table(head, rows):
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def machine():
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    cores = subprocess.run(["nproc"], capture_output=True, text=True, check=True).stdout.strip()
    return f"{cores} cores, {cpu}"


def period_of(runs):
    """N of the first --detect-every N that leaves frames away from detections; 0 without one."""
    return next((n for run in runs if (n := run.every) >= 3), 0)


clip, runs = pathlib.Path(sys.argv[1]), [one_run(pathlib.Path(f)) for f in sys.argv[2:]]
period = period_of(runs)
people = people_of(runs[0])
seen = [assigned(r, people) for r in runs]
details, means = [], [[] for _ in runs]
for i, person in enumerate(people):
    have = [len(seen[r][i]) >= MISSED * len(person) for r in range(len(runs))]
    common = set.intersection(*[set(seen[r][i]) for r in range(len(runs)) if have[r]])
    pairs = [s for s in sorted(common) if s - 1 in common]
    rows = []
    for r, run in enumerate(runs):
        share = f"{100 * len(seen[r][i]) / len(run.frames):.1f} %"
        if not have[r] or not pairs:
            means[r].append("–")
            rows.append([run.name, share, "–", "–", "–"])
            continue
        values = {s: change(seen[r][i][s - 1], seen[r][i][s]) for s in pairs}
        x = list(values.values())
        means[r].append(f"{np.mean(x):.3f}")
        rows.append([run.name, share, f"{np.mean(x):.3f}", f"{np.percentile(x, 95):.3f}", after_detections(values, period)])
    x, y = np.median([f.at for f in person.values()], axis=0) / runs[0].size * 100
    details.append((f"Face {i + 1}, {x:.0f} % from the left and {y:.0f} % from the top, {len(pairs)} pairs of frames:", rows))

width, height = runs[0].size
print(f"{len(runs[0].frames)} frames of {clip.name} ({width}x{height}), {machine()}, one run of `bench/steadiness.sh`. "
      "Change from frame to frame in % of the distance between the outer corners of the eyes, mean:\n")
speeds = [[f"{r.summary['fps']:.1f}", f"{r.summary['frames'] / r.summary['own_seconds']:.1f}" if "own_seconds" in r.summary else "–"]
          for r in runs]
table(["run", *[f"face {i + 1}" for i in range(len(people))], "frames/s", "frames/s, detectForVideo alone"],
      [[r.name, *means[k], *speeds[k]] for k, r in enumerate(runs)])
around = f"around every {period}th frame / others" if period else "around detections / others"
for title, rows in details:
    print(title + "\n")
    table(["run", "frames with it", "mean", "95th percentile", around], rows)
