#!/usr/bin/python3
"""Gives RetinaFace's published ONNX file dynamic dimensions.

The graph (mnet.25_v2.onnx of the npm package retinaface) was exported for one 640x640 picture, but no node depends on
that: sizes inside are read from the tensors. Only the declared shapes of its input and outputs say 640, so only those
are edited; nodes and weights keep their bytes.

With --gpu a variant for GPUs: each Concat joins parts of one size, the larger ones cut up by Slice, the same numbers. ONNX
Runtime's Concat of parts of different sizes sends tables up from host memory in every run, which a CUDA graph cannot hold.

The weights are published for non-commercial research. This project therefore never stores or ships them.
"""

import argparse
import os
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper

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


def channels_of(graph, name):
    """How many channels a tensor has that a batch normalisation makes: as many as that has scales."""
    for node in graph.node:
        if node.op_type == "BatchNormalization" and node.output[0] == name:
            for value in graph.initializer:
                if value.name == node.input[1]:
                    return value.dims[0]
    raise UnexpectedModel(f"{name} does not come from a batch normalisation")


def join_equal_parts(graph, concat):
    """Nodes and constants that do what the concat does, with parts as large as its smallest input."""
    if [a.i for a in concat.attribute if a.name == "axis"] != [1]:
        raise UnexpectedModel(f"{concat.name} does not join channels")
    sizes = [channels_of(graph, name) for name in concat.input]
    part = min(sizes)
    if any(size % part for size in sizes):
        raise UnexpectedModel(f"{concat.name} joins {sizes} channels, no multiples of {part}")
    nodes, constants, parts = [], {}, []

    def constant(value):
        name = f"{concat.name}_{value}"
        constants[name] = numpy_helper.from_array(np.array([value], np.int64), name)
        return name

    for name, size in zip(concat.input, sizes):
        if size == part:
            parts.append(name)
            continue
        for first in range(0, size, part):
            cut = f"{concat.name}_part_{len(parts)}"
            nodes.append(
                helper.make_node("Slice", [name, constant(first), constant(first + part), constant(1)], [cut], name=cut)
            )
            parts.append(cut)
    nodes.append(helper.make_node("Concat", parts, concat.output, name=concat.name, axis=1))
    return nodes, constants.values()


def make_plain(model):
    """Replaces each Concat."""
    graph, nodes = model.graph, []
    for node in graph.node:
        if node.op_type != "Concat":
            nodes.append(node)
            continue
        made, constants = join_equal_parts(graph, node)
        nodes.extend(made)
        graph.initializer.extend(constants)
    if len(nodes) == len(graph.node):
        raise UnexpectedModel("there is no Concat to replace")
    del graph.node[:]
    graph.node.extend(nodes)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help="mnet.25_v2.onnx")
    parser.add_argument("target", help="file to write")
    parser.add_argument("--gpu", action="store_true", help="the variant for GPUs, which joins equal parts alone")
    options = parser.parse_args()
    try:
        model = onnx.load(options.source)
        make_dynamic(model)
        if options.gpu:
            make_plain(model)
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
