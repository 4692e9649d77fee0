# SPDX-License-Identifier: Apache-2.0
"""Finds the blocks of a network in its ONNX graph, and writes them as a plan: see src/inference/plan.hpp.

    graph        an ONNX graph to walk backwards, from a tensor to what makes it
    blocks       convolutions with what belongs to them: norms, activations, pooled or enlarged maps that are added
    detectors    the outputs of RetinaFace and BlazeFace
    mesh         the outputs of a mesh
    attention    where the attention mesh looks again, and how its points are put together
    mixer        the network that makes blendshapes of landmarks, as one step
    file         the plan as bytes, and back

It needs numpy and onnx only.
"""


class PlanError(Exception):
    """The graph is not made of the blocks that a plan knows; the message names the node and what was expected."""
