#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds models/ to what tools/convert_mediapipe.py makes of the npm packages, and what it makes of the face landmarker's
bundle to what the TFLite files compute; feeds the readers damaged files."""

import functools
import hashlib
import io
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile

import numpy as np
import onnx

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import convert_mediapipe  # noqa: E402
import extract_mesh  # noqa: E402
import onnx_numpy  # noqa: E402
import tflite_numpy  # noqa: E402
from tflite_onnx import ConversionError, flexbuffer, packages  # noqa: E402
from tflite_onnx.model import Model  # noqa: E402
from tflite_onnx.operators import Converter, same_padding  # noqa: E402

HAVE_PACKAGES = (ROOT / "node_modules" / packages.MESH_PACKAGE).is_dir()
BUNDLE = ROOT.parent / "shared/models/face_landmarker.task"
needs_bundle = unittest.skipUnless(BUNDLE.is_file(), f"{BUNDLE} is absent")
needs_packages = unittest.skipUnless(HAVE_PACKAGES, "node_modules is absent: run tools/setup.sh")


def convert_bytes(data):
    Converter(Model(data)).run()


@functools.cache
def bundled():
    """The files that the bundle gives."""
    return convert_mediapipe.convert_bundle(BUNDLE.read_bytes())


def repacked(change):
    """A bundle whose members, by name, are changed by that function."""
    with zipfile.ZipFile(BUNDLE) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()


@needs_packages
class CommittedModels(unittest.TestCase):
    def assert_same_bytes(self, name):
        committed = (ROOT / "models" / f"{name}.onnx").read_bytes()
        self.assertTrue(convert_mediapipe.convert(name) == committed, f"models/{name}.onnx is out of date")

    def test_face_detection_full_range(self):
        self.assert_same_bytes("face_detection_full_range")

    def test_face_landmark(self):
        self.assert_same_bytes("face_landmark")

    def test_face_landmark_with_attention(self):
        self.assert_same_bytes("face_landmark_with_attention")


@needs_packages
class CommittedMeshData(unittest.TestCase):
    def test_is_what_the_generator_writes(self):
        self.assertTrue(extract_mesh.generate() == extract_mesh.TARGET.read_text(encoding="utf-8"), "out of date")


@needs_bundle
class Bundle(unittest.TestCase):
    def test_gives_the_same_bytes_again(self):
        again = convert_mediapipe.convert_bundle(BUNDLE.read_bytes())
        self.assertEqual([*again], [*bundled()])
        for name, data in bundled().items():
            self.assertTrue(data == again[name], name)

    def test_gives_graphs_that_are_valid(self):
        declared = {
            "face_landmarks_v2": ("input", [3, 256, 256], {"landmarks": [478, 3], "score": [1]}),
            "face_blendshapes": ("points", [146, 2], {"blendshapes": [52]}),
            "face_detection_short_range": ("input", [3, 128, 128], {
                "scores_stride8": [512], "scores_stride16": [384],
                "boxes_stride8": [512, 16], "boxes_stride16": [384, 16],
            }),
        }  # fmt: skip
        for name, (taken, size, given) in declared.items():
            model = onnx.load_from_string(bundled()[f"{name}.onnx"])
            onnx.checker.check_model(model, full_check=True)
            shapes = {v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
                      for v in (*model.graph.input, *model.graph.output)}  # fmt: skip
            self.assertEqual(shapes, {k: ["N", *v] for k, v in {taken: size, **given}.items()})

    def test_gives_plans_of_all(self):
        names = [name.removesuffix(".onnx") for name in bundled() if name.endswith(".onnx")]
        self.assertEqual([*bundled()], [f"{name}.{kind}" for name in names for kind in ("onnx", "plan")])

    def both(self, name, member, given, held):
        """What the TFLite file gives for each of these, by name, and what the graph gives for all at once."""
        with zipfile.ZipFile(BUNDLE) as archive:
            source = Model(archive.read(member))
        model = onnx.load_from_string(bundled()[f"{name}.onnx"])
        graph = onnx_numpy.run(model, {model.graph.input[0].name: held})
        return [tflite_numpy.outputs(source, g[None]) for g in given], graph

    def assert_close(self, values, wanted):
        error = np.abs(values - wanted.reshape(values.shape)).max() / np.abs(wanted).max()
        self.assertLess(error, 1e-6)  # not a number is not less

    def test_mesh_computes_the_same(self):
        pictures = np.random.default_rng(1).uniform(0, 1, (2, 256, 256, 3))
        wanted, graph = self.both(
            "face_landmarks_v2", "face_landmarks_detector.tflite", pictures, pictures.transpose(0, 3, 1, 2)
        )
        for i, each in enumerate(wanted):
            self.assert_close(graph["landmarks"][i], each["Identity"])
            self.assert_close(graph["score"][i], each["Identity_1"])

    def test_blendshapes_compute_the_same(self):
        points = np.random.default_rng(2).normal(100, 40, (2, 146, 2))
        wanted, graph = self.both("face_blendshapes", "face_blendshapes.tflite", points, points)
        for i, each in enumerate(wanted):
            self.assert_close(graph["blendshapes"][i], each["StatefulPartitionedCall:0"])
        self.assertGreater(np.abs(np.diff(graph["blendshapes"], axis=0)).max(), 1e-3)

    def test_detector_computes_the_same(self):
        pictures = np.random.default_rng(3).uniform(-1, 1, (2, 128, 128, 3))
        wanted, graph = self.both(
            "face_detection_short_range", "face_detector.tflite", pictures, pictures.transpose(0, 3, 1, 2)
        )
        for i, each in enumerate(wanted):
            for what, name in (("scores", "classificators"), ("boxes", "regressors")):
                joined = np.concatenate([graph[f"{what}_stride{s}"][i] for s in (8, 16)])
                self.assert_close(joined, each[name])


class OtherBundles(unittest.TestCase):
    def assert_refused(self, data, why, any_version=True):
        with self.assertRaisesRegex(ConversionError, why):
            convert_mediapipe.convert_bundle(data, any_version)

    def test_no_zip_file(self):
        for data in (b"", b"TFL3" * 100):
            self.assert_refused(data, "not a whole bundle: File is not a zip file", any_version=False)

    @needs_bundle
    def test_a_part_of_the_bundle(self):
        self.assert_refused(BUNDLE.read_bytes()[:-1000], "not a whole bundle", any_version=False)

    @needs_bundle
    def test_another_version(self):
        same = repacked(lambda members: None)
        self.assert_refused(same, "unknown bundle: its SHA-256 is [0-9a-f]{64}, expected 64184e22", any_version=False)
        self.assertTrue(convert_mediapipe.convert_bundle(same, any_version=True) == bundled())

    @needs_bundle
    def test_a_member_is_missing(self):
        for name in ("face_detector.tflite", "face_landmarks_detector.tflite", "face_blendshapes.tflite"):
            self.assert_refused(repacked(lambda members: members.pop(name)), f"the bundle holds no {name}")

    @needs_bundle
    def test_a_damaged_member_of_the_archive(self):
        data = bytearray(BUNDLE.read_bytes())
        data[1_000_000] ^= 1
        self.assert_refused(bytes(data), "not a whole bundle: Bad CRC-32 for file 'face_landmarks_detector.tflite'")

    @needs_bundle
    def test_a_damaged_model(self):
        def cut(members):
            members["face_blendshapes.tflite"] = members["face_blendshapes.tflite"][:-1000]

        self.assert_refused(repacked(cut), "face_blendshapes.tflite: damaged file")

    @needs_bundle
    def test_random_damage_gives_a_conversion_error_or_models(self):
        chance = random.Random(2)
        with zipfile.ZipFile(BUNDLE) as archive:
            data = archive.read("face_blendshapes.tflite")
        for _ in range(60):
            damaged = bytearray(data)
            for _ in range(3):
                # Structure lies at both ends of the file, weights between them.
                at = chance.randrange(40000)
                damaged[at if chance.random() < 0.2 else len(data) - 1 - at] = chance.choice((0, 1, 2, 255))
            try:
                convert_mediapipe.convert_bundled("face_blendshapes", bytes(damaged))
            except ConversionError:
                pass


class DamagedModels(unittest.TestCase):
    def test_empty_file(self):
        with self.assertRaisesRegex(ConversionError, "not a TFL3 file"):
            Model(b"")

    def test_other_format(self):
        with self.assertRaisesRegex(ConversionError, "not a TFL3 file: its identifier is b'PNG!'"):
            Model(b"\x89\0\0\0PNG!" + bytes(64))

    def test_root_beyond_the_end(self):
        with self.assertRaisesRegex(ConversionError, "damaged file: needs 4 bytes at offset 4096"):
            Model(struct.pack("<I4s", 4096, b"TFL3"))

    def test_vtable_before_the_start(self):
        with self.assertRaisesRegex(ConversionError, "damaged file: needs 2 bytes at offset -"):
            Model(struct.pack("<I4si", 8, b"TFL3", 1000))

    @needs_packages
    def test_any_truncation(self):
        data = packages.packed_mesh_asset("face_landmark.tflite")
        for size in [8, 100, 1000, len(data) // 2, len(data) - 4000]:
            with self.subTest(size=size), self.assertRaises(ConversionError):
                convert_bytes(data[:size])

    @needs_packages
    def test_random_damage_gives_a_conversion_error_or_a_model(self):
        data = packages.packed_mesh_asset("face_landmark.tflite")
        chance = random.Random(1)
        for _ in range(200):
            damaged = bytearray(data)
            # Structure lies at both ends of the file, weights between them.
            for _ in range(3):
                at = chance.randrange(40000)
                damaged[at if chance.random() < 0.2 else len(data) - 1 - at] = chance.choice((0, 1, 2, 255))
            try:
                convert_bytes(bytes(damaged))
            except ConversionError:
                pass


class DamagedOptions(unittest.TestCase):
    def test_too_short(self):
        with self.assertRaisesRegex(ConversionError, "too short"):
            flexbuffer.options(b"\0")

    def test_root_is_no_map(self):
        with self.assertRaisesRegex(ConversionError, "no map"):
            flexbuffer.options(bytes([7, 1 << 2, 1]))

    def test_offset_before_the_start(self):
        with self.assertRaises(ConversionError):
            flexbuffer.options(bytes([200, 9 << 2, 1]))


class Rules(unittest.TestCase):
    def test_same_padding_puts_the_odd_pixel_after(self):
        self.assertEqual(same_padding(192, 3, 2), (0, 1))
        self.assertEqual(same_padding(192, 5, 2), (1, 2))
        self.assertEqual(same_padding(48, 3, 1), (1, 1))
        self.assertEqual(same_padding(48, 2, 2), (0, 0))


class CommandLine(unittest.TestCase):
    def run_tool(self, *arguments):
        script = ROOT / "tools" / "convert_mediapipe.py"
        run = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True)
        self.assertNotIn("Traceback", run.stderr)
        return run

    def test_unknown_model_is_a_message(self):
        run = self.run_tool("no_such")
        self.assertEqual(run.returncode, 2)
        self.assertIn("no model called no_such", run.stderr)

    def test_a_bundle_needs_a_folder(self):
        run = self.run_tool("--task", "no_such.task")
        self.assertEqual(run.returncode, 2)
        self.assertIn("--task needs --out", run.stderr)

    def test_a_bundle_that_is_absent_or_none_is_one_line(self):
        with tempfile.TemporaryDirectory() as folder:
            other = pathlib.Path(folder, "other.task")
            other.write_bytes(b"no archive")
            for task in (other, other.with_name("absent.task")):
                run = self.run_tool("--task", task, "--out", pathlib.Path(folder, "out"))
                self.assertEqual(run.returncode, 1)
                self.assertRegex(run.stderr, "^convert_mediapipe: .*\n$")
            self.assertEqual([*pathlib.Path(folder).iterdir()], [other])

    @needs_bundle
    def test_writes_what_a_bundle_gives(self):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder, "models")
            run = self.run_tool("--task", BUNDLE, "--out", out)
            self.assertEqual((run.returncode, run.stderr), (0, ""))
            self.assertTrue({file.name: file.read_bytes() for file in out.iterdir()} == bundled())
            for name, data in bundled().items():
                sha256 = hashlib.sha256(data).hexdigest()
                self.assertIn(f"{out / name}: {len(data)} bytes, sha256 {sha256}\n", run.stdout)


if __name__ == "__main__":
    np.seterr(all="ignore")  # damaged weights overflow
    unittest.main()
