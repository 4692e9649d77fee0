# SPDX-License-Identifier: Apache-2.0
"""The network that makes blendshapes of landmarks, as one step: an MLP-Mixer.

Its products are 1x1 convolutions of a map [N, channels, 1, tokens], or turned, [N, tokens, 1, channels].
"""

import numpy as np

from .graph import attribute, expect

_TURNED = [0, 3, 2, 1]
_CHANNELS_FIRST = [0, 3, 1, 2]


class _Reader:
    """Walks the graph backwards. An engine computes all of the step by itself, so every node is checked."""

    def __init__(self, graph, builder):
        self.graph, self.builder = graph, builder
        self.epsilon = None

    def turned(self, name, order=_TURNED):
        node = self.graph.node(name, "Transpose")
        expect(list(attribute(node, "perm", [])) == order, node, f"dimensions in the order {order}")
        return node.input[0]

    def product(self, name):
        """What is multiplied, the matrix [inputs][outputs] and the bias."""
        node = self.graph.node(name, "Conv")
        conv = self.builder.convolution(name)
        plain = conv.kernel == conv.group == conv.stride == 1 and not any(conv.pads)
        expect(plain, node, "a product with a matrix")
        return node.input[0], conv.weights[:, :, 0, 0].T, conv.bias

    def perceptron(self, name, what):
        """What two products with a Relu between them read, and the matrices and biases of both."""
        acted, second, second_bias = self.product(name)
        name, first, first_bias = self.product(self.graph.node(acted, "Relu").input[0])
        return name, {f"{what}_in": first, f"{what}_in_bias": first_bias,
                      f"{what}_out": second, f"{what}_out_bias": second_bias}  # fmt: skip

    def mean(self, name, axis):
        node = self.graph.node(name, "ReduceMean")
        over = list(attribute(node, "axes", [])), attribute(node, "keepdims", 1)
        expect(over == ([axis], 1), node, f"the mean over dimension {axis}, which stays")
        return node.input[0]

    def squared(self, name):
        node = self.graph.node(name, "Mul")
        expect(node.input[0] == node.input[1], node, "a square")
        return node.input[0]

    def norm(self, name):
        """What is normed over its channels, x * f - mean * f with f = rsqrt(variance + epsilon) * gain; and the gain."""
        graph, node = self.graph, self.graph.node(name, "Add")
        scaled, shift = (graph.node(i, "Mul") for i in node.input)
        x, factor = scaled.input
        negative = graph.node(shift.input[0], "Neg")
        expect(shift.input[1] == factor and self.mean(negative.input[0], 1) == x, node, "a norm without a shift")
        gain = graph.node(factor, "Mul")
        variance = graph.node(graph.back(gain.input[0], "Reciprocal", "Sqrt"), "Add")
        self._check_variance(variance, x, negative.input[0])
        value = graph.constant(gain, 1)
        expect(value.shape == (value.size, 1, 1), gain, "a number for each channel")
        return x, value.ravel()

    def _check_variance(self, node, x, mean):
        difference = self.graph.node(self.squared(self.mean(node.input[0], 1)), "Sub")
        expect([*difference.input] == [x, mean], difference, "the difference to the mean of the norm")
        epsilon = self.graph.scalar(node, 1)
        expect(epsilon > 0 and self.epsilon in (None, epsilon), node, "the same small number in every norm")
        self.epsilon = epsilon

    def layer(self, name):
        """What a layer reads, and its values."""
        last = self.graph.node(name, "Add")
        normed, channel_values = self.perceptron(last.input[0], "channel")
        middle, channel_norm = self.norm(normed)
        expect(last.input[1] == middle, last, "the same map to be normed and added")
        first = self.graph.node(middle, "Add")
        turned, token_values = self.perceptron(self.turned(first.input[0]), "token")
        x, token_norm = self.norm(self.turned(turned))
        expect(first.input[1] == x, first, "the same map to be normed and added")
        return x, {"token_norm": token_norm, **token_values, "channel_norm": channel_norm, **channel_values}

    def first_token(self, name):
        """What the constant token is put in front of (as zeros that it is added to), the token, and all of them."""
        add = self.graph.node(name, "Add")
        padded = self.graph.node(add.input[0], "Pad")
        pads = self.graph.constant(padded, 1).tolist()
        one = pads == [0, 0, 0, 1, 0, 0, 0, 0] and attribute(padded, "mode", b"constant") == b"constant"
        expect(one and len(padded.input) == 2, padded, "a token of zeros in front")
        added = self.graph.constant(add, 1)
        shaped = added.ndim == 3 and added.shape[1] == 1 and not added[:, :, 1:].any()
        expect(shaped, add, "a constant in place of the first token")
        return padded.input[0], added[:, 0, 0], added.shape[2]

    def points(self, name, count, each):
        """The number that the normalised points are multiplied with."""
        graph, scaled = self.graph, self.graph.node(name, "Mul")
        form = graph.node(self.turned(scaled.input[0], _CHANNELS_FIRST), "Reshape")
        expect(graph.constant(form, 1).tolist() == [0, 1, count, each], form, "the points as one row")
        divided = graph.node(form.input[0], "Div")
        centred = graph.node(divided.input[0], "Sub")
        middle = centred.input[0] == graph.input == self.mean(centred.input[1], 1)
        expect(middle, centred, "the points less their mean")
        length = graph.node(graph.back(self.mean(divided.input[1], 1), "Sqrt"), "ReduceSum")
        over = graph.constant(length, 1).tolist(), attribute(length, "keepdims", 1)
        expect(over == ([2], 1), length, "the sum over the numbers of each point")
        expect(self.squared(length.input[0]) == centred.output[0], length, "the lengths of the centred points")
        return graph.scalar(scaled, 1)


    def head(self, name):
        """The map whose first token the output is made of, and that product."""
        while (form := self.graph.made_by(name, "Reshape")) is not None:
            expect(self.graph.constant(form, 1).tolist()[0] == 0, form, "the batch to stay as it is")
            name = form.input[0]
        name, matrix, bias = self.product(self.graph.node(name, "Sigmoid").input[0])
        kept, cut = None, self.graph.node(name, "Slice")
        while cut is not None:
            (start,), (end,), axis = (self.graph.constant(cut, i, [1]).tolist() for i in (1, 2, 3))
            expect(len(cut.input) == 4 and (start, axis) == (0, [3]) and end > 0, cut, "the first of the tokens")
            kept, name = min(end, kept or end), cut.input[0]
            cut = self.graph.made_by(name, "Slice")
        expect(kept == 1, self.graph.node(name), "the first token alone to be used")
        return name, matrix, bias


def _sizes(step):
    """What shape each value of a layer has."""
    tokens, token_hidden, channels, channel_hidden = (
        step[k] for k in ("tokens", "token_hidden", "channels", "channel_hidden")
    )
    return {
        "token_norm": (channels,), "token_in": (tokens, token_hidden), "token_in_bias": (token_hidden,),
        "token_out": (token_hidden, tokens), "token_out_bias": (tokens,),
        "channel_norm": (channels,), "channel_in": (channels, channel_hidden), "channel_in_bias": (channel_hidden,),
        "channel_out": (channel_hidden, channels), "channel_out_bias": (channels,),
    }  # fmt: skip


def build(graph, builder):
    plan, reader, layers = builder.plan, _Reader(graph, builder), []
    count, each = plan.input["height"], plan.input["width"]
    name, head, head_bias = reader.head("blendshapes")
    end = graph.node(name, "Add")
    while graph.made_by(graph.node(name, "Add").input[0], "Pad") is None:
        name, values = reader.layer(name)
        layers.insert(0, values)
    expect(layers, end, "a layer at least")
    name, first, tokens = reader.first_token(name)
    name, embed_channels, embed_channels_bias = reader.product(name)
    name, embed_points, embed_points_bias = reader.product(reader.turned(name))
    scale = reader.points(reader.turned(name), count, each)

    channels, outputs = head.shape
    step = {"y": plan.vector("blendshapes", outputs), "points": count, "tokens": tokens, "channels": channels,
            "token_hidden": layers[0]["token_in"].shape[1], "channel_hidden": layers[0]["channel_in"].shape[1],
            "outputs": outputs, "scale": scale, "epsilon": reader.epsilon}  # fmt: skip
    shapes = embed_points.shape, embed_channels.shape, first.shape
    expect(shapes == ((count, tokens - 1), (each, channels), (channels,)), end, "embeddings that fit the tokens")
    for values in layers:
        expect({k: v.shape for k, v in values.items()} == _sizes(step), end, "layers of one size, which fit the tokens")
    values = {"embed_points": embed_points, "embed_points_bias": embed_points_bias, "embed_channels": embed_channels,
              "embed_channels_bias": embed_channels_bias, "first": first}  # fmt: skip
    step |= {k: plan.weights(v) for k, v in values.items()}
    step["layers"] = [{k: plan.weights(v) for k, v in values.items()} for values in layers]
    plan.step("mixer", **step, head=plan.weights(head), head_bias=plan.weights(head_bias))
