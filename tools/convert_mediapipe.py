#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Converts MediaPipe's face models from the npm packages to ONNX.

    tools/convert_mediapipe.py                    writes all three to models/
    tools/convert_mediapipe.py --out DIR NAME...

The result is a pure function of the packages' bytes. tests/tools/convert_test.py holds models/ to it. A plan in models/ is made
from the ONNX file beside it: tools/make_plan.py has to write it again when that has changed.
"""

import argparse
import os
import pathlib
import sys

from tflite_onnx import ConversionError, attention, packages
from tflite_onnx.model import Model
from tflite_onnx.operators import Converter


def detector(converter):
    converter.output("reshaped_regressor_face_4", "boxes", [2304, 16])
    converter.output("reshaped_classifier_face_4", "scores", [2304])


def mesh(converter):
    converter.output("conv2d_21", "landmarks", [468, 3])
    converter.output("conv2d_31", "score", [1])


def attention_mesh(converter):
    attention.refine(converter)
    converter.output("conv_faceflag", "score", [1])


def read_detector():
    return packages.read(packages.DETECTION_PACKAGE, "face_detection_full_range.tflite")


# name of the model: where its TFLite file comes from, and which outputs it gets
MODELS = {
    "face_detection_full_range": (read_detector, detector),
    "face_landmark": (lambda: packages.packed_mesh_asset("face_landmark.tflite"), mesh),
    "face_landmark_with_attention": (
        lambda: packages.packed_mesh_asset("face_landmark_with_attention.tflite"),
        attention_mesh,
    ),
}


def convert(name):
    """The bytes of the ONNX file called `name`."""
    read, add_outputs = MODELS[name]
    converter = Converter(Model(read()))
    converter.run()
    add_outputs(converter)
    return converter.graph.build(name).SerializeToString(deterministic=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MODELS)}; all if none is given")
    parser.add_argument("--out", type=pathlib.Path, default=packages.ROOT / "models", help="folder to write to")
    options = parser.parse_args()
    unknown = set(options.names) - set(MODELS)
    if unknown:
        parser.error(f"no model called {', '.join(sorted(unknown))}")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        for name in options.names or MODELS:
            data = convert(name)
            target = options.out / f"{name}.onnx"
            partial = target.with_suffix(".partial")
            partial.write_bytes(data)
            os.replace(partial, target)
            print(f"{target}: {len(data)} bytes")
    except (ConversionError, OSError) as error:
        sys.exit(f"convert_mediapipe: {error}")


if __name__ == "__main__":
    main()
