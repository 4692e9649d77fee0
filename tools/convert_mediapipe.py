#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Converts MediaPipe's face models to ONNX, from the npm packages or from the face landmarker's bundle.

    tools/convert_mediapipe.py                    writes the packages' three to models/
    tools/convert_mediapipe.py --out DIR NAME...
    tools/convert_mediapipe.py --task face_landmarker.task --out DIR    writes the bundle's three, and their plans

The result is a pure function of the packages' or the bundle's bytes. tests/tools/convert_test.py holds models/ to it.
A plan in models/ is made from the ONNX file beside it: tools/make_plan.py has to write it again when that has changed.
"""

import argparse
import hashlib
import os
import pathlib
import sys

try:
    import make_plan
    from plan import PlanError
    from tflite_onnx import ConversionError, attention, packages
    from tflite_onnx.model import Model
    from tflite_onnx.operators import Converter
except ModuleNotFoundError as missing:
    sys.exit(f"convert_mediapipe: Python has no {missing.name}: install python3-numpy and python3-onnx")


def detector(converter):
    converter.output("reshaped_regressor_face_4", "boxes", [2304, 16])
    converter.output("reshaped_classifier_face_4", "scores", [2304])


def mesh(converter):
    converter.output("conv2d_21", "landmarks", [468, 3])
    converter.output("conv2d_31", "score", [1])


def attention_mesh(converter):
    attention.refine(converter)
    converter.output("conv_faceflag", "score", [1])


def whole_mesh(converter):
    converter.output("Identity", "landmarks", [478, 3])
    converter.output("Identity_1", "score", [1])  # the third output, whether the tongue is out, has no use here


def blendshapes(converter):
    converter.output("StatefulPartitionedCall:0", "blendshapes", [52])


def short_range_detector(converter):
    """The anchors of each stride by themselves, in their order: the model only joins them at its very end."""
    strides, anchors = (8, 16), (512, 384)
    converter.output_parts("classificators", [f"scores_stride{s}" for s in strides], [[n] for n in anchors])
    converter.output_parts("regressors", [f"boxes_stride{s}" for s in strides], [[n, 16] for n in anchors])


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


# name of the model: its file in the bundle, the name of its input, and which outputs it gets
BUNDLED = {
    "face_landmarks_v2": ("face_landmarks_detector.tflite", "input", whole_mesh),
    "face_blendshapes": ("face_blendshapes.tflite", "points", blendshapes),
    "face_detection_short_range": ("face_detector.tflite", "input", short_range_detector),
}


def convert_model(name, data, input_name, add_outputs):
    """The bytes of an ONNX file, from those of a TFLite file."""
    converter = Converter(Model(data))
    converter.run(input_name)
    add_outputs(converter)
    return converter.graph.build(name).SerializeToString(deterministic=True)


def convert(name):
    """The bytes of the ONNX file called `name`."""
    read, add_outputs = MODELS[name]
    return convert_model(name, read(), "input", add_outputs)


def convert_bundle(data, any_version=False):
    """The bytes of each file that a bundle gives, by name."""
    members = packages.bundle(data, [member for member, *_ in BUNDLED.values()], any_version)
    files = {}
    for name, (member, *_) in BUNDLED.items():
        files |= convert_bundled(name, members[member])
    return files


def convert_bundled(name, data):
    """The ONNX file called `name`, and its plan, of the TFLite file's bytes."""
    member, input_name, add_outputs = BUNDLED[name]
    try:
        model = convert_model(name, data, input_name, add_outputs)
        return {f"{name}.onnx": model, f"{name}.plan": make_plan.make(model)}
    except (ConversionError, PlanError) as error:
        raise ConversionError(f"{member}: {error}") from error


def write(target, data):
    partial = target.with_suffix(".partial")
    partial.write_bytes(data)
    os.replace(partial, target)
    print(f"{target}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MODELS)}; all if none is given")
    parser.add_argument("--task", type=pathlib.Path, metavar="FILE", help="convert this face_landmarker.task instead")
    parser.add_argument("--any", action="store_true", help="accept a bundle whose SHA-256 is not the known one")
    parser.add_argument("--out", type=pathlib.Path, help="folder to write to; without --task it is models/ by default")
    options = parser.parse_args()
    if options.task and (options.names or not options.out):
        parser.error("--task needs --out, and takes no NAME")
    if options.any and not options.task:
        parser.error("--any needs --task")
    unknown = set(options.names) - set(MODELS)
    if unknown:
        parser.error(f"no model called {', '.join(sorted(unknown))}")
    try:
        if options.task:
            files = convert_bundle(options.task.read_bytes(), options.any)
        else:
            files = {f"{name}.onnx": convert(name) for name in options.names or MODELS}
        out = options.out or packages.ROOT / "models"
        out.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            write(out / name, data)
    except (ConversionError, OSError) as error:
        sys.exit(f"convert_mediapipe: {error}")


if __name__ == "__main__":
    main()
