# SPDX-License-Identifier: Apache-2.0
"""Convolutions, each with what belongs to it, as steps of a plan.

Everything works backwards: asked for a tensor, a builder finds the block that ends in it, asks for what that block
reads, and then appends the block's step. So steps come in an order in which each reads what is there already.
"""

import numpy as np

from . import PlanError
from .graph import attribute, expect


class Convolution:
    """A convolution as the graph has it, with the norm after it folded in."""

    def __init__(self, node, weights, bias):
        self.node = node
        self.weights, self.bias = weights, bias
        self.outputs, self.inputs_each, self.kernel, width = weights.shape
        self.group = attribute(node, "group", 1)
        strides, pads = attribute(node, "strides", [1, 1]), attribute(node, "pads", [0, 0, 0, 0])
        self.stride, self.pads = strides[0], list(pads)
        square = self.kernel == width and strides[0] == strides[1] and pads[0] == pads[1] and pads[2] == pads[3]
        square = square and attribute(node, "auto_pad", b"NOTSET") == b"NOTSET"
        expect(square, node, "a kernel as wide as high, padded alike")
        expect(list(attribute(node, "dilations", [1, 1])) == [1, 1], node, "no dilation")

    @property
    def depthwise(self):
        return self.group == self.outputs and self.inputs_each == 1 and self.outputs > 1

    @property
    def pad(self):
        return self.pads[0]

    def widen(self):
        """Makes a 2x2 kernel that halves its input a 3x3 one, with taps of zero on padding below and to the right."""
        if (self.kernel, self.stride, self.pads) == (2, 2, [0, 0, 0, 0]):
            self.weights = np.pad(self.weights, ((0, 0), (0, 0), (0, 1), (0, 1)))
            self.kernel, self.pads = 3, [0, 0, 1, 1]

    def padded_to_size(self):
        """Whether the output is as large as the input, or half of it each way with a stride of 2."""
        before, after = self.pads[0], self.pads[2]
        if self.kernel == 1:
            return self.stride == 1 and before == after == 0
        half = self.kernel // 2
        if self.stride == 1:
            return before == after == half
        return self.stride == 2 and before in (half - 1, half) and after == half


class Builder:
    def __init__(self, graph, plan, input_tensor):
        self.graph, self.plan = graph, plan
        self.input_tensor = input_tensor  # what the first convolution sees
        self._maps = {}
        fixed = plan.input["height"] > 0
        self._input_size = {k: plan.input[k] for k in ("height", "width")} if fixed else {"down": 1}

    def add_map(self, name, channels, size):
        self._maps[name] = self.plan.map(name, channels, size)
        return self._maps[name]

    def size(self, x):
        if x < 0:
            return self._input_size
        return {k: v for k, v in self.plan.maps[x].items() if k in ("down", "height", "width")}

    def smaller(self, x, by, node):
        """The size of a map that is `by` times smaller than x each way."""
        size = self.size(x)
        if "down" in size:
            return {"down": size["down"] * by}
        expect(size["height"] % by == 0 and size["width"] % by == 0, node, f"a map whose size is a multiple of {by}")
        return {"height": size["height"] // by, "width": size["width"] // by}

    def channels(self, x):
        return 3 if x < 0 else self.plan.maps[x]["channels"]

    def map_of(self, name):
        """The map that equals this tensor; its steps are appended if they are not there yet. -1 for the input."""
        if name == self.input_tensor:
            return -1
        if name not in self._maps:
            self._build(name)
        return self._maps[name]

    def _build(self, name):
        act, inner = self._activation(name)
        concat = self.graph.made_by(inner, "Concat")
        if concat is None:
            self._maps[name] = self._emit(self._block(name), name, None, 0)
            return
        expect(attribute(concat, "axis") == 1, concat, "channels to be joined")
        expect(act is None or act["act"] == "relu", concat, "Relu after it, or nothing")
        products = [self.convolution(self._activation(part)[1]) for part in concat.input]
        expect(None not in products, concat, "convolutions to be joined")
        into, y, total = 0, None, sum(p.outputs for p in products)
        for part in concat.input:
            expect(self.graph.used_once(part), concat, f"{part} to be used by nothing else")
            block = self._block(part)
            if act:
                expect(not block["act"], concat, f"no activation before the one after it in {part}")
                block["act"] = act
            y = self._emit(block, name, y, into, total)
            into += block["outputs"]
        self._maps[name] = y

    def _activation(self, name):
        """Its fields and what it is applied to; None and `name` itself where `name` is made by no activation."""
        graph, node = self.graph, self.graph.producer.get(name)
        if node is None:
            return None, name
        if node.op_type == "Relu":
            return {"act": "relu"}, node.input[0]
        if node.op_type == "PRelu":
            return {"act": "prelu", "slopes": graph.constant(node, 1).reshape(-1)}, node.input[0]
        return self._split_prelu(node) or (None, name)

    def _split_prelu(self, node):
        """PRelu as s * x + (1 - s) * relu(x), each product a depthwise 1x1 convolution."""
        if node.op_type != "Add":
            return None
        scaled = [self._channel_scale(i) for i in node.input]
        if None in scaled:
            return None
        for (s, x), (t, y) in (scaled, scaled[::-1]):
            relu = self.graph.made_by(y, "Relu")
            if relu is not None and relu.input[0] == x:
                expect(np.allclose(s + t, 1, atol=1e-5), node, "the slopes of both halves to add up to 1")
                return {"act": "prelu", "slopes": s}, x
        return None

    def _channel_scale(self, name):
        conv = self.graph.made_by(name, "Conv")
        if conv is None or len(conv.input) > 2 or not self.graph.used_once(name):
            return None
        weights = self.graph.constants.get(conv.input[1])
        if weights is None or weights.shape[1:] != (1, 1, 1) or attribute(conv, "group", 1) != len(weights):
            return None
        return weights.reshape(-1).astype(np.float32), conv.input[0]

    def convolution(self, name):
        """The convolution whose (normed) output `name` is, or None."""
        graph, norm = self.graph, self.graph.made_by(name, "BatchNormalization")
        node = graph.made_by(norm.input[0] if norm is not None else name, "Conv")
        if node is None:
            return None
        weights = graph.constant(node, 1).astype(np.float64)
        expect(weights.ndim == 4, node, "weights of four dimensions")
        bias = np.zeros(len(weights))
        if len(node.input) > 2 and node.input[2]:
            bias = graph.constant(node, 2, [len(weights)]).astype(np.float64)
        if norm is not None:
            expect(graph.used_once(node.output[0]), node, "only its norm to use it")
            given = (graph.constant(norm, i, [len(weights)]) for i in range(1, 5))
            scale, shift, mean, variance = (v.astype(np.float64) for v in given)
            factor = scale / np.sqrt(variance + attribute(norm, "epsilon", 1e-5))
            weights, bias = weights * factor[:, None, None, None], (bias - mean) * factor + shift
        return Convolution(node, weights, bias)

    def _block(self, name):
        """What a block that ends in `name` is made of; all that it reads has its steps by then."""
        act, inner = self._activation(name)
        product = self.convolution(inner)
        joined, joined_first = None, False
        if product is None:
            add = self.graph.node(inner, "Conv", "BatchNormalization", "Add")
            inner, joined, late = self._operands(add, act)
            if late:
                act, inner = self._activation(inner)
            product = self.convolution(inner)
            joined_first = act is not None and not late
        block = self._product(product)
        block["act"] = act
        if joined is not None:
            block["joined"], block["join"] = self._view(joined)
            block["joined_first"] = joined_first
        return block

    def _operands(self, add, act):
        """Of the two that are added: the convolution, what joins it, and whether its activation comes before that."""
        names = [i for i in add.input if self.graph.used_once(i)]
        bare = [n for n in names if self.convolution(n) is not None and not self._is_padding(n)]
        if len(bare) == 2:  # a block, and a projection of what it reads
            bare.sort(key=lambda n: not self._reads_depthwise(n))
        acted = [n for n in names if act is None and self.convolution(self._activation(n)[1]) is not None]
        chosen = (bare or acted)[:1]
        expect(chosen, add, "a convolution that nothing else reads to be added to a map")
        other = add.input[1] if add.input[0] == chosen[0] else add.input[0]
        return chosen[0], other, not bare

    def _reads_depthwise(self, name):
        x = self._activation(self.convolution(name).node.input[0])[1]
        conv = self.convolution(x)
        return conv is not None and conv.depthwise

    def _product(self, conv):
        """The fields of a convolution but for what is added, and its activation."""
        node = conv.node
        expect(conv.group == 1, node, "a 1x1 convolution after a depthwise one, and no groups otherwise")
        conv.widen()
        expect(conv.kernel in (1, 3, 5), node, f"a kernel of 1, 3 or 5, not {conv.kernel}")
        expect(conv.padded_to_size(), node, "an output of the input's size, or of half of it with a stride of 2")
        block = {"node": node, "inputs": conv.inputs_each, "outputs": conv.outputs, "kernel": conv.kernel,
                 "stride": conv.stride, "pad": conv.pad, "bias": conv.bias,
                 "weights": conv.weights.transpose(2, 3, 1, 0)}  # fmt: skip
        name = node.input[0]
        if conv.kernel == 1:
            act, inner = self._activation(name)
            depthwise = self.convolution(inner)
            pool = self.graph.made_by(name, "MaxPool")
            if depthwise is not None and depthwise.depthwise:
                name = self._depthwise(block, depthwise, act, name)
            elif pool is not None:
                block["pool_first"], name = True, self._pooled(pool)
        block["x"] = self.map_of(name)
        expect(conv.kernel < 5 or block["x"] < 0, node, "a kernel of 5 on the input alone")
        have = self.channels(block["x"])
        expect(have == block["inputs"], node, f"{block['inputs']} channels in {name}, which has {have}")
        return block

    def dense(self, names, vector=None):
        """One product of all of a map, for outputs that follow each other in one vector."""
        plan, convs = self.plan, [self.convolution(n) for n in names]
        for name, conv in zip(names, convs):
            if conv is None:
                raise PlanError(f"{name}: expected a convolution")
        x = self.map_of(convs[0].node.input[0])
        size = self.size(x)
        for conv in convs:
            fits = conv.kernel == size.get("height") == size.get("width") and conv.inputs_each == self.channels(x)
            same = self.map_of(conv.node.input[0]) == x and not any(conv.pads)
            expect(fits and same, conv.node, "a kernel as large as the map, and the same map")
        weights = np.concatenate([c.weights for c in convs]).transpose(2, 3, 1, 0)
        inputs, outputs = weights.size // weights.shape[3], weights.shape[3]
        y = plan.vector(vector or "+".join(names), outputs)
        plan.step("dense", x=x, y=y, inputs=inputs, outputs=outputs, weights=plan.weights(weights),
                  bias=plan.weights(np.concatenate([c.bias for c in convs])))  # fmt: skip
        return y

    def _depthwise(self, block, conv, act, name):
        node = conv.node
        expect(act is None or act["act"] == "relu", node, "Relu after it, or nothing")
        expect(self.graph.used_once(name), node, "only a 1x1 convolution to use it")
        expect(conv.kernel == 3 and conv.padded_to_size(), node, "a 3x3 kernel, a stride of 1 or 2, and padding for it")
        block["depthwise_relu"] = act is not None
        block["stride"], block["pad"] = conv.stride, conv.pad
        block["depthwise_weights"] = conv.weights[:, 0].transpose(1, 2, 0)
        block["depthwise_bias"] = conv.bias
        return node.input[0]

    def _pooled(self, pool):
        whole = (attribute(pool, "kernel_shape"), attribute(pool, "strides"), attribute(pool, "pads", [0] * 4))
        expect(tuple(map(list, whole)) == ([2, 2], [2, 2], [0] * 4), pool, "the larger of each 2 x 2")
        return pool.input[0]

    def _is_padding(self, name):
        """Whether all that makes `name` is channels of zero behind those of its input."""
        graph, node = self.graph, self.graph.producer.get(name)
        if node is not None and node.op_type == "Pad":
            pads = graph.constant(node, 1).tolist()
            behind = len(pads) == 8 and not any(p for i, p in enumerate(pads) if i != 5)
            expect(behind, node, "channels to be padded, at their end")
            expect(attribute(node, "mode", b"constant") == b"constant", node, "zeros as padding")
            expect(len(node.input) < 3 or not node.input[2] or graph.scalar(node, 2) == 0, node, "zeros as padding")
            return True
        if node is None or node.op_type != "Conv" or attribute(node, "group", 1) != 1:
            return False
        weights = graph.constant(node, 1)
        identity = weights.shape[2:] == (1, 1) and np.array_equal(weights[:, :, 0, 0], np.eye(*weights.shape[:2]))
        return identity and not (len(node.input) > 2 and graph.constant(node, 2).any())

    def _view(self, name):
        """The map that is added, and how it is brought to size."""
        graph, how = self.graph, "same"
        while True:
            node = graph.producer.get(name)
            if self._is_padding(name):
                name = node.input[0]
            elif how == "same" and node is not None and node.op_type == "MaxPool":
                how, name = "pooled", self._pooled(node)
            elif how == "same" and node is not None and node.op_type in ("Resize", "Slice"):
                how, name = self._enlarged(node)
            else:
                break
        x = self.map_of(name)
        if x < 0:
            raise PlanError(f"{name}: expected a map to be added, not the input")
        return x, how

    def _enlarged(self, node):
        if node.op_type == "Slice":  # cuts what it enlarges to the size of what it is added to
            expect(not self.graph.constant(node, 1).any(), node, "to cut from the beginning")
            shape = self.graph.made_by(node.input[2], "Shape")
            expect(shape is not None and len(node.input) == 3, node, "to cut to the shape of another tensor")
            node = self.graph.node(node.input[0], "Resize")
        scales = self.graph.constant(node, 2).tolist()
        expect(scales == [1, 1, 2, 2], node, "twice the size each way")
        mode = attribute(node, "mode", b"nearest"), attribute(node, "coordinate_transformation_mode", b"half_pixel")
        if mode == (b"linear", b"half_pixel"):
            return "smoothed", node.input[0]
        expect(mode == (b"nearest", b"asymmetric") and attribute(node, "nearest_mode") == b"floor", node,
               "nearest values from the corner, or bilinear ones with half-pixel centres")  # fmt: skip
        return "doubled", node.input[0]

    def _emit(self, block, name, y, into, channels=None):
        plan, act = self.plan, block["act"] or {"act": "none"}
        pooled = block.get("pool_first", False)
        size = self.smaller(block["x"], 2 if pooled else block["stride"], block["node"])
        if y is None:
            y = self.plan.map(name, channels or block["outputs"], size)
        expect(self.size(y) == size, block["node"], f"the size of the other parts of {name}")
        fields = {"x": block["x"], "y": y, "into": into}
        fields |= {k: block[k] for k in ("kernel", "stride", "pad", "inputs", "outputs")}
        if pooled:
            fields["pool_first"] = True
        if "depthwise_weights" in block:
            fields |= {"depthwise": True, "depthwise_relu": block["depthwise_relu"]}
            fields |= {k: plan.weights(block[k]) for k in ("depthwise_weights", "depthwise_bias")}
        fields |= {"weights": plan.weights(block["weights"]), "bias": plan.weights(block["bias"]), "act": act["act"]}
        if "slopes" in act:
            expect(act["slopes"].size == block["outputs"], block["node"], "a slope for each channel")
            fields["slopes"] = plan.weights(act["slopes"])
        if "joined" in block:
            self._check_joined(block, y)
            fields |= {k: block[k] for k in ("join", "joined", "joined_first")}
        plan.step("convolution", **fields)
        return y

    def _check_joined(self, block, y):
        node, joined, how = block["node"], block["joined"], block["join"]
        expect(self.channels(joined) <= block["outputs"], node, "a map of no more channels to be added")
        if how in ("same", "pooled"):
            fits = self.smaller(joined, 2 if how == "pooled" else 1, node) == self.size(y)
        else:
            fits = self.smaller(y, 2, node) == self.size(joined)
        expect(fits, node, f"the map that is added ({how}) to fit in size")


def input_of(graph, low, high):
    """What the first convolution sees, and the scale and bias that make it of colours in 0..1.

    The graph's input is in low..high; what the graph subtracts and multiplies first is folded in.
    """
    name, scale, bias = graph.input, high - low, low
    consumers = {node.input[0]: node for node in graph.producer.values() if node.op_type in ("Sub", "Mul")}
    while name in consumers and len(consumers[name].input) == 2:
        node = consumers[name]
        value = graph.scalar(node, 1)
        expect(graph.used_once(name), node, "nothing else to use the input")
        if node.op_type == "Sub":
            bias -= value
        else:
            scale, bias = scale * value, bias * value
        name = node.output[0]
    return name, scale, bias
