#!/usr/bin/env python3
"""Commands that run no video: version, doctor, models, completion, manual.

    commands_test.py FACEFLOW [unittest options]
"""
import subprocess
import unittest

from support import Case, faceflow


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
        self.assertIn("face_landmark_with_attention", faceflow("models", "verify").stdout)

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


if __name__ == "__main__":
    unittest.main(verbosity=2)
