#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds models/ to what tools/convert_mediapipe.py makes of the npm packages, and feeds the readers damaged files."""

import pathlib
import random
import struct
import subprocess
import sys
import unittest

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import convert_mediapipe  # noqa: E402
import extract_mesh  # noqa: E402
from tflite_onnx import ConversionError, flexbuffer, packages  # noqa: E402
from tflite_onnx.model import Model  # noqa: E402
from tflite_onnx.operators import Converter, same_padding  # noqa: E402

HAVE_PACKAGES = (ROOT / "node_modules" / packages.MESH_PACKAGE).is_dir()
needs_packages = unittest.skipUnless(HAVE_PACKAGES, "node_modules is absent: run tools/setup.sh")


def convert_bytes(data):
    Converter(Model(data)).run()


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
    def test_unknown_model_is_a_message(self):
        script = ROOT / "tools" / "convert_mediapipe.py"
        run = subprocess.run([sys.executable, script, "no_such"], capture_output=True, text=True)
        self.assertEqual(run.returncode, 2)
        self.assertIn("no model called no_such", run.stderr)
        self.assertNotIn("Traceback", run.stderr)


if __name__ == "__main__":
    np.seterr(all="ignore")  # damaged weights overflow
    unittest.main()
