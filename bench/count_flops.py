#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Counts what a run of each model costs: multiply-adds, bytes of weights and of tensors, from the ONNX graphs alone.

    bench/count_flops.py [--json]

A multiply-add is two FLOPs. Other arithmetic counts one FLOP for each element that it writes: it is a few percent.
`tensors` is what nodes write, once, at 4 bytes an element: the traffic that a runtime has which fuses nothing, and so
an upper bound.
"""
import argparse
import json
import pathlib
import sys

import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

ROOT = pathlib.Path(__file__).resolve().parent.parent
# (name, file, the input that a run gives it)
MODELS = [
    ("retinaface_mnet25", "assets/models/retinaface_mnet25.onnx", (1, 3, 384, 640)),
    ("face_detection_full_range", "models/face_detection_full_range.onnx", (1, 3, 192, 192)),
    ("face_landmark_with_attention", "models/face_landmark_with_attention.onnx", (1, 3, 192, 192)),
    ("face_landmark", "models/face_landmark.onnx", (1, 3, 192, 192)),
]
NO_ARITHMETIC = {"Reshape", "Transpose", "Concat", "Slice", "Gather", "Identity", "Cast", "Shape", "Unsqueeze", "Squeeze",
                 "Flatten", "Pad", "Constant", "ConstantOfShape", "Split", "Expand", "Tile", "Dropout", "Resize"}


def elements(shape):
    n = 1
    for d in shape:
        n *= d
    return n


def fixed(model, shape):
    """The model with its dynamic input dimensions set and stale output shapes dropped, so that all shapes follow."""
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert len(dims) == len(shape), "the model has another layout"
    for dim, value in zip(dims, shape):
        dim.ClearField("dim_param")
        dim.dim_value = value
    for out in model.graph.output:
        out.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    # ONNX's inference does not follow a crop to the shape of another tensor (Slice up to what Shape says): done here, one by one.
    while True:
        model = shape_inference.infer_shapes(model, data_prop=True)
        known = known_shapes(model.graph)
        shape_of = {n.output[0]: n.input[0] for n in model.graph.node if n.op_type == "Shape"}
        crop = next((n for n in model.graph.node if n.op_type == "Slice" and n.output[0] not in known
                     and shape_of.get(n.input[2]) in known), None)
        if crop is None:
            return model
        told = [v for v in model.graph.value_info if v.name != crop.output[0]]
        del model.graph.value_info[:]
        model.graph.value_info.extend(told)
        model.graph.value_info.append(helper.make_tensor_value_info(
            crop.output[0], TensorProto.FLOAT, known[shape_of[crop.input[2]]]))


def known_shapes(graph):
    """Of every tensor but the constants, as far as each dimension is known."""
    shapes = {}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        kind = value.type.tensor_type
        # No shape is an unknown one, not that of a scalar.
        if kind.HasField("shape") and all(d.HasField("dim_value") for d in kind.shape.dim):
            shapes[value.name] = tuple(d.dim_value for d in kind.shape.dim)
    return shapes


def count(path, shape):
    model = fixed(onnx.load(path), shape)
    graph = model.graph
    weights = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    shapes = {name: array.shape for name, array in weights.items()}
    shapes.update(known_shapes(graph))
    # fp16 weights are cast to fp32 when the session is made; shapes of constants come from their values.
    for node in graph.node:
        if node.op_type == "Constant":
            for a in node.attribute:
                if a.name == "value":
                    shapes[node.output[0]] = tuple(a.t.dims)

    macs = other = written = 0
    unknown = []
    for node in graph.node:
        if node.op_type == "Constant" or all(i in weights for i in node.input if i):
            if node.op_type == "Cast":
                shapes.setdefault(node.output[0], shapes[node.input[0]])
            continue
        out = [shapes.get(o) for o in node.output if o]
        if any(s is None for s in out):
            unknown.append(node.op_type)
            continue
        size = sum(elements(s) for s in out)
        written += size
        if node.op_type == "Conv":
            macs += elements(out[0]) * elements(shapes[node.input[1]][1:])
        elif node.op_type == "ConvTranspose":
            macs += elements(shapes[node.input[0]]) * elements(shapes[node.input[1]][1:])
        elif node.op_type == "Gemm":
            k = shapes[node.input[0]][0 if any(a.name == "transA" and a.i for a in node.attribute) else 1]
            macs += elements(out[0]) * k
        elif node.op_type == "MatMul":
            macs += elements(out[0]) * shapes[node.input[0]][-1]
        elif node.op_type not in NO_ARITHMETIC:
            other += size
    return {
        "input": list(shape),
        "macs": macs,
        "flops": 2 * macs + other,
        "weight_bytes": 4 * sum(w.size for w in weights.values() if w.dtype.kind == "f"),
        "tensor_bytes": 4 * written,
        "file_bytes": pathlib.Path(path).stat().st_size,
        "nodes_of_unknown_shape": sorted(set(unknown)),
    }


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", action="store_true", help="JSON rather than a table")
    as_json = arguments.parse_args().json
    figures = {}
    for name, file, shape in MODELS:
        if (ROOT / file).exists():
            figures[name] = count(ROOT / file, shape)
        else:
            print(f"{file} is missing; run tools/setup.sh", file=sys.stderr)
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    print("| model | input | M multiply-adds | MFLOP | weights, KB | tensors, KB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, f in figures.items():
        print(f"| {name} | {'x'.join(map(str, f['input']))} | {f['macs'] / 1e6:.1f} | {f['flops'] / 1e6:.1f} "
              f"| {f['weight_bytes'] / 1e3:.0f} | {f['tensor_bytes'] / 1e3:.0f} |")
    for name, f in figures.items():
        if f["nodes_of_unknown_shape"]:
            print(f"{name}: not counted, shape unknown: {', '.join(f['nodes_of_unknown_shape'])}", file=sys.stderr)


if __name__ == "__main__":
    main()
