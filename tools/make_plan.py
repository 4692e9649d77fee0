#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Finds the blocks of a network in its ONNX graph and writes them as a plan, for faceflow's own engines.

    tools/make_plan.py MODEL.onnx MODEL.plan

src/inference/plan.hpp says what a plan is. The same model gives the same bytes; tests/tools/plan_test.py holds the
committed plans to that, and each to what its graph computes.
"""

import argparse
import hashlib
import os
import pathlib
import sys

import onnx

from plan import PlanError, detectors, mesh, mixer
from plan.blocks import Builder, input_of
from plan.file import Plan
from plan.graph import Graph

# The outputs that tell a network, the colours that its graph takes (none: it takes points), and what builds the steps.
NETWORKS = (
    ({"landmarks", "score"}, (0, 1), mesh.build),
    ({"blendshapes"}, None, mixer.build),
    ({"boxes", "scores"}, (-1, 1), detectors.build),
    ({f"{what}_stride{s}" for what in ("boxes", "scores") for s in (8, 16)}, (-1, 1), detectors.build),
    ({f"face_rpn_{what}_stride{s}" for what in ("cls_prob_reshape", "bbox_pred", "landmark_pred") for s in (32, 16, 8)},
     (0, 255), detectors.build),
)  # fmt: skip


def make(data):
    """The bytes of the plan of the network in these bytes of an ONNX file."""
    try:
        graph = Graph(onnx.load_from_string(data))
    except Exception as error:  # protobuf's DecodeError lives in a module that moved between releases
        if type(error).__name__ != "DecodeError":
            raise
        raise PlanError(f"not an ONNX file ({error})") from error
    known = next((n for n in NETWORKS if n[0] == set(graph.outputs)), None)
    if known is None:
        outputs = ", ".join(graph.outputs)
        raise PlanError(f"outputs {outputs}: expected those of RetinaFace, BlazeFace, a mesh or the blendshapes")
    _, colours, build = known
    height, width = graph.points_size() if colours is None else graph.picture_size()
    first, scale, bias = (graph.input, 1, 0) if colours is None else input_of(graph, *colours)
    plan = Plan(hashlib.sha256(data).hexdigest(), graph.input, height, width, scale, bias)
    build(graph, Builder(graph, plan, first))
    plan.input["multiple"] = max((m.get("down", 1) for m in plan.maps), default=1)
    return plan.to_bytes()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path, help="the ONNX file")
    parser.add_argument("plan", type=pathlib.Path, help="file to write; an engine looks for it beside the model")
    options = parser.parse_args()
    try:
        data = make(options.model.read_bytes())
        partial = options.plan.with_suffix(".partial")
        partial.write_bytes(data)
        os.replace(partial, options.plan)
    except (PlanError, OSError) as error:
        sys.exit(f"make_plan: {options.model}: {error}")


if __name__ == "__main__":
    main()
