#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who runs the models: kernels of faceflow's own without ONNX Runtime, and what is said where that is asked for. For builds with it and without.

    inference_test.py FACEFLOW [unittest options]
"""
import os
import pathlib
import subprocess
import tempfile
import unittest

from support import Case, FACEFLOW, ROOT, faceflow

MODELS = ROOT / "models"
PICTURE = ROOT / "tests" / "data" / "goldens" / "crop0.png"
QUICK = ("--no-video", "--detector", "blazeface")
BUILT_IN = "this build has no ONNX Runtime" not in faceflow("doctor").stdout if FACEFLOW else False
# As old as no ONNX Runtime that faceflow can be built with.
OLD_LIBRARY = """
static const void *api(unsigned version) { (void)version; return 0; }
static const char *version(void) { return "1.2.3"; }
static const struct { const void *(*api)(unsigned); const char *(*version)(void); } base = {api, version};
const void *OrtGetApiBase(void) { return &base; }
"""


def libraries_of(*args):
    """Which libraries the loader opened for a run."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([FACEFLOW, *map(str, args)], env=os.environ | {"LD_DEBUG": "files", "LD_DEBUG_OUTPUT": folder + "/opened"},
                              capture_output=True, text=True, timeout=300)
        return done, "".join(file.read_text(errors="replace") for file in pathlib.Path(folder).iterdir())


class Inference(Case):
    def run_by(self, inference, *more, program=FACEFLOW, env=None):
        return subprocess.run([program, "run", PICTURE, "--out", self.dir / "out", "--device", "cpu", "--inference", inference, *QUICK, *more],
                              env=os.environ | (env or {}), capture_output=True, text=True, timeout=300)

    def test_the_default_opens_no_library_of_onnx_runtime(self):
        done, opened = libraries_of("run", PICTURE, "--out", self.dir / "out", "--device", "cpu", *QUICK)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("libavcodec", opened, "the watching works")
        self.assertNotIn("onnxruntime", opened)

    def test_those_of_cards_are_refused_on_the_cpu(self):
        for inference in ("cuda", "tensorrt"):
            done = self.run_by(inference)
            self.assertEqual(done.returncode, 2 if BUILT_IN else 1, done.stderr)
            self.assertRegex(done.stderr, rf"\Afaceflow: --inference {inference}\b[^\n]*(take|use) (--inference )?native[^\n]*\n\Z")
            self.assertFalse((self.dir / "out").exists(), "nothing was begun")

    @unittest.skipIf(BUILT_IN, "this build has ONNX Runtime")
    def test_a_build_without_it_says_so_before_anything_is_opened(self):
        done = faceflow("run", self.dir / "no such file", "--out", self.dir / "out", "--inference", "onnxruntime")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"\Afaceflow: --inference onnxruntime: this build has no ONNX Runtime \(`make setup [^\n]*--inference native, the default\n\Z")
        self.assertFalse((self.dir / "out").exists())
        self.assertRegex(faceflow("doctor").stdout, r"(?m)^-- +onnx runtime +this build has no ONNX Runtime.*native")

    @unittest.skipIf(BUILT_IN, "this build has ONNX Runtime")
    def test_a_build_without_it_says_how_a_model_gets_a_plan(self):
        for file in MODELS.glob("*.onnx"):
            (self.dir / file.name).symlink_to(file)
        (self.dir / "catalogue.toml").symlink_to(MODELS / "catalogue.toml")
        done = self.run_by("auto", "--models", self.dir)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertRegex(done.stderr, r"\Afaceflow: there is no plan [^\n]*tools/make_plan.py[^\n]*this build has no ONNX Runtime[^\n]*\n\Z")

    @unittest.skipUnless(BUILT_IN, "this build has no ONNX Runtime")
    def test_it_is_opened_where_it_is_asked_for(self):
        done, opened = libraries_of("run", PICTURE, "--out", self.dir / "out", "--device", "cpu", "--inference", "onnxruntime", *QUICK)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("onnxruntime", opened)
        self.assertRegex(faceflow("doctor").stdout, r"(?m)^ok +onnx runtime +1\.\d+\.\d+ in /.*, providers: .*CPUExecutionProvider")

    @unittest.skipUnless(BUILT_IN, "this build has no ONNX Runtime")
    def test_a_library_that_is_missing_or_too_old_is_an_error_that_says_what_to_do(self):
        program = self.dir / "faceflow"
        program.write_bytes(pathlib.Path(FACEFLOW).read_bytes().replace(b"libonnxruntime.so", b"libonnxruntime.no"))
        program.chmod(0o755)
        models = {"FACEFLOW_MODELS": str(MODELS)}
        done = self.run_by("onnxruntime", program=program, env=models)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"\Afaceflow: --inference onnxruntime: ONNX Runtime cannot be loaded: libonnxruntime\.no\.1: [^\n]*LD_LIBRARY_PATH[^\n]*\n\Z")
        self.assertFalse((self.dir / "out").exists())
        self.assertEqual(self.run_by("native", program=program, env=models).returncode, 0, "the default needs none")

        (self.dir / "old.c").write_text(OLD_LIBRARY)
        for name in ("no.1", "so.1"):
            subprocess.run(["cc", "-shared", "-fPIC", "-o", self.dir / f"libonnxruntime.{name}", self.dir / "old.c"], check=True)
        done = self.run_by("onnxruntime", program=program, env=models | {"LD_LIBRARY_PATH": str(self.dir)})
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"libonnxruntime\.no\.1 is ONNX Runtime 1\.2\.3, older than 1\.\d+")
        done = self.run_by("onnxruntime", env={"LD_LIBRARY_PATH": str(self.dir)})
        self.assertEqual(done.returncode, 0, "the one that it was built with serves: " + done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
