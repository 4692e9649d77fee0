# SPDX-License-Identifier: Apache-2.0
"""What tests of the command line share: the program, the demo clip and a folder for each test."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "assets" / "demo.mp4"
SCHEMAS = ROOT / "docs" / "schema"
CHECK = ROOT / "tests" / "tools" / "check_schema.py"
FACEFLOW = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else None  # the program, named first on the command line
SMALL = pathlib.Path(FACEFLOW or "").with_name("small.mp4")  # the demo clip at 640x360, which the build makes beside the program


def faceflow(*args, timeout=300, **more):
    return subprocess.run([FACEFLOW, *map(str, args)], capture_output=True, text=True, timeout=timeout, **more)


def ffmpeg(*args):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, args)], check=True, stdin=subprocess.DEVNULL)


def probe(file, stream, entries):
    """What ffprobe says of them, a line each; counts frames, and takes no error."""
    done = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-select_streams", stream, "-show_entries", entries, "-of", "csv=p=0", file],
                          capture_output=True, text=True)
    assert done.stderr == "", done.stderr
    return [line.rstrip(",") for line in done.stdout.split()]


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="faceflow-e2e-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def run_ok(self, *args, **more):
        done = faceflow("run", *args, "--out", self.dir / "out", **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def run_fails(self, code, *args, says=()):
        done = faceflow("run", *args, "--out", self.dir / "out", "--detector", "blazeface")
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        for text in says:
            self.assertIn(text, done.stderr)
        left = [p.name for p in (self.dir / "out").glob("**/*")] if (self.dir / "out").exists() else []
        self.assertEqual(left, [], "nothing half-written is left behind")
        return done

    def lines(self):
        with open(self.dir / "out" / "faces.ndjson") as f:
            return [json.loads(line) for line in f]

    def summary(self):
        return json.loads((self.dir / "out" / "summary.json").read_text())


class Times(Case):
    """Of tests that look at when frames are shown."""

    def pts(self):
        return [row["pts"] for row in self.lines()]

    def check_times(self, expected, tolerance=0.002):
        pts = self.pts()
        self.assertEqual(len(pts), len(expected))
        for found, right in zip(pts, expected):
            self.assertAlmostEqual(found, right, delta=tolerance)

    def check_video(self, frames):
        self.assertEqual(probe(self.dir / "out" / "annotated.mp4", "v", "stream=nb_read_frames"), [str(frames)])
