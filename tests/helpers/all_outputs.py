#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a model that also gives what lies between its layers: every map of its plan that is a tensor of its graph.

    tests/helpers/all_outputs.py MODEL.onnx MODEL.plan OUT.onnx
"""

import json
import struct
import sys

import onnx


def main():
    model_path, plan_path, out_path = sys.argv[1:]
    with open(plan_path, "rb") as f:
        data = f.read()
    (length,) = struct.unpack_from("<I", data, 8)
    plan = json.loads(data[16 : 16 + length])
    model = onnx.load(model_path)
    made = {name for node in model.graph.node for name in node.output}
    have = {o.name for o in model.graph.output}
    # Some vectors are several tensors, one behind the other.
    names = [m["name"] for m in plan["maps"]] + [n for v in plan["vectors"] for n in v["name"].split("+")]
    for name in names:
        if name in made - have:
            model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    onnx.save(model, out_path)


if __name__ == "__main__":
    main()
