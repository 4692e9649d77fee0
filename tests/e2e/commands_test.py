#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Commands that run no video: version, doctor, models, completion, manual.

    commands_test.py FACEFLOW [unittest options]
"""
import json
import pathlib
import subprocess
import tempfile
import unittest

from support import Case, faceflow

MODELS = pathlib.Path(__file__).resolve().parents[2] / "models"


class Commands(Case):
    def test_engines_are_not_announced_where_they_cannot_be_built(self):
        done = faceflow("models", "build-engines", "--device", "cpu")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"\Afaceflow: TensorRT's engines are for CUDA devices, and this run is on cpu\n\Z")

    def test_version_help_and_no_arguments(self):
        self.assertRegex(faceflow("--version").stdout, r"^faceflow \d+\.\d+\.\d+")
        self.assertIn("run", faceflow("--help").stdout)
        self.assertIn("--detect-every", faceflow("run", "--help").stdout)
        self.assertEqual(faceflow().returncode, 2)

    def test_doctor_finds_what_a_run_needs(self):
        done = faceflow("doctor")
        self.assertIn("onnx runtime", done.stdout)
        self.assertIn("ffmpeg", done.stdout)

    def test_models_list_and_verify(self):
        self.assertIn("Apache-2.0", faceflow("models", "list").stdout)
        listed = faceflow("models", "verify").stdout
        for file in ("onnx", "plan"):
            self.assertRegex(listed, rf"(?m)^ok +face_landmark_with_attention +/.*/face_landmark_with_attention\.{file}$")

    def test_models_verify_holds_each_plan_to_the_model_beside_it(self):
        def said_of(name, plan):
            folder = pathlib.Path(tempfile.mkdtemp(dir=self.dir))
            for file in ("catalogue.toml", f"{name}.onnx"):
                (folder / file).symlink_to(MODELS / file)
            if plan is not None:
                (folder / f"{name}.plan").write_bytes(plan)
            done = faceflow("models", "--models", folder, "verify")
            lines = [line for line in done.stdout.splitlines() if f" {name} " in line]
            self.assertEqual(len(lines), 2, done.stdout)
            self.assertRegex(lines[0], "^ok ")
            return done, lines[1]

        own = (MODELS / "face_detection_full_range.plan").read_bytes()
        done, line = said_of("face_detection_full_range", own)
        self.assertRegex(line, r"^ok .*face_detection_full_range\.plan$")
        _, line = said_of("face_detection_full_range", None)
        self.assertRegex(line, r"^no plan .*only ONNX Runtime can run this model$")
        for name, plan in (("face_detection_full_range", own[:-4]), ("face_landmark_with_attention", own)):
            done, line = said_of(name, plan)
            self.assertRegex(line, rf"^CHANGED .*{name}\.plan")
            self.assertEqual(done.returncode, 1)
            self.assertIn("models missing or different from the catalogue", done.stderr)

    def test_completions_are_valid_shell(self):
        for shell in ("bash",):
            script = self.dir / shell
            script.write_text(faceflow("completion", shell).stdout)
            self.assertEqual(subprocess.run([shell, "-n", script]).returncode, 0)
        self.assertIn("--detect-every", faceflow("completion", "zsh").stdout)

    def test_manual_is_a_manual_page(self):
        text = faceflow("manual").stdout
        self.assertTrue(text.startswith(".TH FACEFLOW 1"))
        self.assertIn("EXIT STATUS", text)

    def test_manual_knows_what_rows_hold(self):
        self.assertIn("| `landmarks` | px | 3 |", faceflow("manual", "fields").stdout)
        schema = json.loads(faceflow("manual", "schema").stdout)
        self.assertEqual(list(schema["$defs"]["face"]["properties"])[0], "track")
        self.assertEqual(faceflow("manual", "weather").returncode, 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
