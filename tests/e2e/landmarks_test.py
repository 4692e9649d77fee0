#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`faceflow models import` and `--landmarks v2`: the mesh of MediaPipe's face landmarker and its blendshapes.

    landmarks_test.py FACEFLOW [unittest options]
"""
import csv
import json
import os
import statistics
import subprocess
import sys
import unittest

from support import CHECK, DEMO, ROOT, SCHEMAS, Case, faceflow, ffmpeg

BUNDLE = ROOT.parent / "shared" / "models" / "face_landmarker.task"
EYES = 33, 263  # outer corners


class Imports(Case):
    """Without the bundle."""

    def setUp(self):
        super().setUp()
        self.home = {**os.environ, "HOME": str(self.dir), "XDG_DATA_HOME": ""}

    def test_a_run_without_the_model_says_how_to_make_it(self):
        done = faceflow("run", DEMO, "--landmarks", "v2", "--out", self.dir / "out", env=self.home)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("faceflow models import face_landmarker.task", done.stderr)

    def test_models_that_nobody_has_brought_are_not_missing(self):
        done = faceflow("models", "verify", env=self.home)
        self.assertRegex(done.stdout, r"none +face_blendshapes +`faceflow models import face_landmarker.task` makes it")
        self.assertNotIn("MISSING  face_", done.stdout)

    def test_another_file_gives_an_error_and_no_model(self):
        wrong = self.dir / "wrong.task"
        for content in (b"", b"PK\3\4 no archive", bytes(100_000)):
            wrong.write_bytes(content)
            done = faceflow("models", "import", wrong, "--out", self.dir / "models", env=self.home)
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("face_landmarker.task", done.stderr)
            self.assertNotIn("Traceback", done.stderr)
            self.assertEqual(list((self.dir / "models").iterdir()), [])
        missing = faceflow("models", "import", self.dir / "none.task", env=self.home)
        self.assertNotEqual(missing.returncode, 0)
        self.assertNotIn("Traceback", missing.stderr)


@unittest.skipUnless(BUNDLE.is_file(), f"{BUNDLE} is absent")
@unittest.skipUnless(DEMO.exists(), "assets/demo.mp4 is missing; tools/setup.sh makes it")
class Landmarks(Case):
    def setUp(self):
        super().setUp()
        self.models = self.dir / "models"
        done = faceflow("models", "import", BUNDLE, "--out", self.models)
        self.assertEqual(done.returncode, 0, done.stderr)

    def follow(self, *args):
        self.run_ok(DEMO, "--models", self.models, "--no-video", "--limit", 30, *args)
        return self.lines()

    def test_all_flows_give_the_same_rows_with_blendshapes(self):
        rows = {}
        for flow in ("fused", "threaded", "shared", "cached"):
            self.follow("--landmarks", "v2", "--flow", flow, "--format", "ndjson")
            rows[flow] = (self.dir / "out" / "faces.ndjson").read_bytes()
        self.assertEqual(len(set(rows.values())), 1)
        faces = [f for line in self.lines() for f in line["faces"]]
        self.assertEqual(len(faces), 4 * 30)
        for face in faces:
            self.assertEqual(len(face["blendshapes"]), 52)
            self.assertTrue(all(0 <= v <= 1 for v in face["blendshapes"].values()))

    def test_a_model_of_another_version_is_refused(self):
        model = self.models / "face_blendshapes.onnx"
        model.write_bytes(model.read_bytes() + b"\0")
        done = faceflow("run", DEMO, "--models", self.models, "--landmarks", "v2", "--limit", 2, "--out", self.dir / "out")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("faceflow models import face_landmarker.task", done.stderr)

    def test_landmarks_lie_where_those_of_the_attention_mesh_do(self):
        v2, attention = self.follow("--landmarks", "v2"), self.follow()
        off = []
        for a, b in zip(v2, attention):
            self.assertEqual([f["track"] for f in a["faces"]], [f["track"] for f in b["faces"]])
            for x, y in zip(a["faces"], b["faces"]):
                self.assertNotIn("blendshapes", y)
                p, q = ([complex(*point[:2]) for point in f["landmarks"]] for f in (x, y))
                eyes = abs(q[EYES[0]] - q[EYES[1]])
                off.append(statistics.median(abs(i - k) for i, k in zip(p, q)) / eyes)
        self.assertLess(statistics.median(off), 0.03)

    def test_onnx_runtime_computes_the_same(self):
        own = self.follow("--landmarks", "v2")
        done = faceflow("run", DEMO, "--models", self.models, "--no-video", "--limit", 30, "--landmarks", "v2", "--inference",
                        "onnxruntime", "--out", self.dir / "out")
        if "no ONNX Runtime" in done.stderr:
            self.skipTest("this build has no ONNX Runtime")
        self.assertEqual(done.returncode, 0, done.stderr)
        for a, b in zip(own, self.lines()):
            for x, y in zip(a["faces"], b["faces"]):
                self.assertLess(max(abs(i - k) for i, k in zip(x["landmarks"][1], y["landmarks"][1])), 0.05)
                for name, value in x["blendshapes"].items():
                    self.assertAlmostEqual(value, y["blendshapes"][name], delta=0.002, msg=name)

    def test_the_short_range_detector_finds_a_large_face_where_the_others_do(self):
        picture = self.dir / "near.png"
        ffmpeg("-i", DEMO, "-vf", "crop=540:540:280:0", "-frames:v", 1, picture)
        boxes = {}
        for name in ("retinaface", "blazeface-short"):
            for flow in ("fused", "shared"):
                self.run_ok(picture, "--models", self.models, "--no-video", "--detector", name, "--flow", flow)
                face, = self.lines()[0]["faces"]
                self.assertEqual(boxes.setdefault(name, face["box"]), face["box"])
        near, far = (box[0] + box[2] / 2 for box in boxes.values())
        self.assertLess(abs(near - far), 0.1 * boxes["retinaface"][2])

    def test_tables_and_schema_have_the_blendshapes(self):
        rows = self.follow("--landmarks", "v2", "--format", "csv,ndjson")
        with open(self.dir / "out" / "faces.csv", newline="") as f:
            records = list(csv.DictReader(f))
        face = rows[0]["faces"][0]
        self.assertEqual(float(records[0]["jawOpen"]), face["blendshapes"]["jawOpen"])
        done = subprocess.run([sys.executable, CHECK, SCHEMAS / "faces.schema.json", self.dir / "out" / "faces.ndjson"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        models = {m["id"] for m in json.loads((self.dir / "out" / "summary.json").read_text())["models"]}
        self.assertGreaterEqual(models, {"face_landmarks_v2", "face_blendshapes"})


if __name__ == "__main__":
    unittest.main()
