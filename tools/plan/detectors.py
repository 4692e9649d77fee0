# SPDX-License-Identifier: Apache-2.0
"""The outputs of detectors: 1x1 convolutions of a map, all that look at the same one in one step."""

import numpy as np

from .graph import attribute, expect


def _form(graph, output):
    """The convolution behind an output, and how its channels lie there."""
    name = output
    while (node := graph.made_by(name, "Reshape")) is not None and graph.made_by(node.input[0], "Reshape", "Conv"):
        name = node.input[0]
    node = graph.node(name, "Conv", "Reshape")
    if node.op_type == "Conv":
        return name, {}
    order = graph.node(node.input[0], "Transpose")
    perm = list(attribute(order, "perm"))
    if perm == [0, 2, 3, 1]:
        name = order.input[0]
        graph.node(name, "Conv")
        return name, {"interleaved": True}
    expect(perm == [0, 3, 1, 2], order, "channels to go last, or first again")
    soft = graph.node(order.input[0], "Softmax")
    expect(attribute(soft, "axis", -1) in (-1, 3), soft, "the softmax of the last dimension")
    first = graph.node(soft.input[0], "Transpose")
    expect(list(attribute(first, "perm")) == [0, 2, 3, 1], first, "channels to go last")
    halves = graph.node(first.input[0], "Reshape")
    expect(graph.constant(halves, 1).tolist()[:2] == [0, 2], halves, "channels in two halves")
    return halves.input[0], {"pairs": True}


def build(graph, builder):
    plan, heads = builder.plan, {}
    for output in graph.outputs:
        name, form = _form(graph, output)
        conv = builder.convolution(name)
        expect(conv.kernel == 1 and conv.group == 1 and conv.padded_to_size(), conv.node, "a 1x1 convolution")
        planar = not form and conv.outputs > 1
        expect(not planar or name == output, conv.node, "one plane of the output for each channel")
        heads.setdefault(conv.node.input[0], []).append((conv, output, form))
    for source in heads:
        builder.map_of(source)
    for source, parts in heads.items():
        parts.sort(key=lambda part: graph.position[id(part[0].node)])
        x = builder.map_of(source)
        convs = [conv for conv, _, _ in parts]
        fields = {"inputs": builder.channels(x), "outputs": sum(c.outputs for c in convs)}
        for conv in convs:
            expect(conv.inputs_each == fields["inputs"], conv.node, f"{fields['inputs']} channels in {source}")
        weights = np.concatenate([c.weights[:, :, 0, 0] for c in convs]).T
        plan.step(
            "head", x=x, **fields,
            weights=plan.weights(weights), bias=plan.weights(np.concatenate([c.bias for c in convs])),
            parts=[
                {"name": output, "y": plan.vector(output, conv.outputs), "channels": conv.outputs, **form}
                for conv, output, form in parts
            ],
        )  # fmt: skip
