#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The report of a card's first day, on devices that are there on every machine, and from a build that was carried elsewhere.

    gpu_report_test.py BUILD [unittest options]
"""
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
BUILD = None
STEPS = ["doctor", "unit tests", "conformance suite", "flows", "run", "decoding", "kernels", "compare", "cameras", "ablations of fused",
         "ablations of threaded", "ablations of shared", "ablations of cached", "ablations of copied", "compute-sanitizer"]


@unittest.skipUnless(DEMO.exists(), "assets/demo.mp4 is missing; tools/setup.sh makes it")
class GpuReport(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="faceflow-report-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.clip = self.dir / "short.mp4"
        subprocess.run(["ffmpeg", "-v", "error", "-i", DEMO, "-t", "0.6", "-c", "copy", self.clip], check=True, stdin=subprocess.DEVNULL)

    def report(self, *args, root=ROOT, build=None, **more):
        out = self.dir / "out"
        done = subprocess.run([root / "tools" / "gpu_report.sh", "--build", build or BUILD, "--clip", self.clip, "--quick", "--out", out,
                               *map(str, args)], capture_output=True, text=True, timeout=400, **more)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        document = json.loads((out / "report.json").read_text())
        self.assertEqual(done.returncode, 1 if document["failed"] else 0)
        self.assertEqual(document["failed"], sum(s["status"] == "failed" for s in document["steps"]))
        return document, (out / "report.md").read_text()

    def statuses(self, document):
        return {s["name"]: s["status"] for s in document["steps"]}

    def test_every_step_that_needs_no_card_is_as_expected(self):
        document, text = self.report("--device", "emulated")
        self.assertEqual(self.statuses(document), {**dict.fromkeys(STEPS, "ok"), "compute-sanitizer": "not run"}, document)
        for step in document["steps"]:
            self.assertIn(f"| {step['name']} | {step['expected']} |", text)
        for figure in ("kernels.svg", "compare/compare.svg", "cameras.svg", "compare-fused/compare.svg"):
            self.assertIn(f"]({figure})", text)
            self.assertIn("<svg", (self.dir / "out" / figure).read_text())
        for line in ("| letterbox/NV12 |", "## Ablations of copied", "| 1 |"):
            self.assertIn(line, text)

    def test_a_carried_build_runs_where_there_is_nothing_but_it_and_its_assets(self):
        there = self.dir / "there"
        (there / "bin").mkdir(parents=True)
        for file in BUILD.iterdir():
            if file.is_file() and (os.access(file, os.X_OK) or file.suffix == ".so"):
                shutil.copy(file, there / "bin")
        for folder in ("assets", "models", "tools"):
            (there / folder).symlink_to(ROOT / folder)
        few = self.dir / "few"  # no cmake, no git
        few.mkdir()
        for program in ("bash", "dirname", "env"):
            (few / program).symlink_to(shutil.which(program))
        document, _ = self.report("--device", "cpu", "--root", there, root=there, build=there / "bin",
                                  env={"PATH": str(few), "FACEFLOW_MODELS": "/nowhere"})
        steps = [s for s in STEPS if s != "decoding"]  # a CPU has no decoder of its own
        self.assertEqual(self.statuses(document), {**dict.fromkeys(steps, "ok"), "compute-sanitizer": "not run"}, document)

    def test_what_fails_is_reported_and_the_rest_goes_on(self):
        broken = self.dir / "broken"
        broken.mkdir()
        for name in ("faceflow", "faceflow-stage", "faceflow_bench_gpu"):
            (broken / name).symlink_to(BUILD / name)
        (broken / "faceflow_bench_scaling").write_text("#!/bin/sh\nsleep 100\n")
        (broken / "faceflow_bench_scaling").chmod(0o755)
        document, text = self.report("--device", "cpu", "--minutes", 0.6, build=broken)
        seen = {s["name"]: s for s in document["steps"]}
        self.assertEqual([seen[n]["status"] for n in ("doctor", "run", "kernels")], ["ok", "ok", "ok"], document)
        self.assertEqual(seen["unit tests"]["status"], "failed")
        self.assertIn("No such file", seen["unit tests"]["saw"])
        self.assertEqual(seen["cameras"]["status"], "failed")
        self.assertIn("was ended", seen["cameras"]["saw"])
        self.assertEqual(seen["ablations of copied"]["saw"], "not begun: the time is up")
        self.assertIn("steps failed", text)

    def test_without_a_card_every_step_on_it_says_so(self):
        if subprocess.run([BUILD / "faceflow_bench_gpu", "--seconds", "0"], capture_output=True).returncode == 0:
            self.skipTest("there is a CUDA device")
        document, _ = self.report()
        for step in document["steps"]:
            if step["name"] not in ("unit tests", "compute-sanitizer"):
                self.assertEqual(step["status"], "failed", step)
                self.assertIn("no CUDA device", step["saw"])


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
