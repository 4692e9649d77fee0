#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Gives RetinaFace's published ONNX file dynamic dimensions.

The graph (mnet.25_v2.onnx of the npm package retinaface) was exported for one 640x640 picture, but no node depends on
that: sizes inside are read from the tensors. Only the declared shapes of its input and outputs say 640, so only those
are edited; nodes and weights keep their bytes.

The weights are published for non-commercial research. This project therefore never stores or ships them.
"""

import argparse
import os
import sys

import onnx

STRIDES = (8, 16, 32)


class UnexpectedModel(Exception):
    """The file is not the RetinaFace export that this script knows."""


def set_dims(value, dims):
    """Replaces the declared shape of a graph input or output; a name is a dynamic dimension."""
    shape = value.type.tensor_type.shape
    if len(shape.dim) != len(dims):
        raise UnexpectedModel(f"{value.name} has {len(shape.dim)} dimensions, expected {len(dims)}")
    for dim, new in zip(shape.dim, dims):
        dim.Clear()
        if isinstance(new, str):
            dim.dim_param = new
        else:
            dim.dim_value = new


def make_dynamic(model):
    """Declares N, H and W of the input, and N and the grid sizes of the outputs, as dynamic."""
    graph = model.graph
    if [value.name for value in graph.input] != ["data"] or len(graph.output) != 3 * len(STRIDES):
        raise UnexpectedModel("expected one input 'data' and nine outputs")
    set_dims(graph.input[0], ["N", 3, "H", "W"])
    for value in graph.output:
        stride = value.name.rpartition("_stride")[2]
        if stride not in map(str, STRIDES):
            raise UnexpectedModel(f"output {value.name} names no known stride")
        channels = value.type.tensor_type.shape.dim[1].dim_value
        set_dims(value, ["N", channels, f"H{stride}", f"W{stride}"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help="mnet.25_v2.onnx")
    parser.add_argument("target", help="file to write")
    options = parser.parse_args()
    try:
        model = onnx.load(options.source)
        make_dynamic(model)
        onnx.checker.check_model(model)
        partial = options.target + ".partial"
        with open(partial, "wb") as file:
            file.write(model.SerializeToString(deterministic=True))
        os.replace(partial, options.target)
    except (OSError, UnexpectedModel, onnx.checker.ValidationError) as error:
        sys.exit(f"prepare_retinaface: {options.source}: {error}")
    except Exception as error:  # protobuf's DecodeError lives in a module that moved between releases
        if type(error).__name__ != "DecodeError":
            raise
        sys.exit(f"prepare_retinaface: {options.source}: not an ONNX file ({error})")


if __name__ == "__main__":
    main()
