# SPDX-License-Identifier: Apache-2.0
"""An ONNX graph, walked backwards: from a tensor to the node that makes it."""

import numpy as np
from onnx import helper, numpy_helper

from . import PlanError


class Graph:
    def __init__(self, model):
        graph = model.graph
        self.constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        self.producer, self.uses = {}, {}
        for node in graph.node:
            # Weights may be kept as halves behind a Cast.
            if node.op_type == "Cast" and node.input[0] in self.constants:
                self.constants[node.output[0]] = self.constants[node.input[0]].astype(np.float32)
                continue
            for name in node.output:
                self.producer[name] = node
            if node.op_type == "Shape":
                continue  # asks for no values
            for name in filter(None, node.input):
                self.uses[name] = self.uses.get(name, 0) + 1
        self.position = {id(node): i for i, node in enumerate(graph.node)}
        inputs = [v for v in graph.input if v.name not in self.constants]
        if len(inputs) != 1:
            raise PlanError(f"the graph has {len(inputs)} inputs, expected one")
        self.input = inputs[0].name
        self.input_shape = [d.dim_value or d.dim_param for d in inputs[0].type.tensor_type.shape.dim]
        self.outputs = [v.name for v in graph.output]

    def picture_size(self):
        """Rows and columns of the input, a picture; 0 and 0 if it may have any size."""
        if len(self.input_shape) != 4 or self.input_shape[1] != 3:
            raise PlanError(f"input {self.input} is {self.input_shape}, expected [N, 3, height, width]")
        height, width = (v if isinstance(v, int) else 0 for v in self.input_shape[2:])
        if (height == 0) != (width == 0):
            raise PlanError(f"input {self.input} is {self.input_shape}: expected both sides to be fixed, or neither")
        return height, width

    def points_size(self):
        """How many points the input has, and of how many numbers."""
        if len(self.input_shape) != 3 or not all(isinstance(v, int) and v > 0 for v in self.input_shape[1:]):
            raise PlanError(f"input {self.input} is {self.input_shape}, expected [N, points, numbers]")
        return tuple(self.input_shape[1:])

    def node(self, name, *kinds):
        """What makes `name`, which must be of one of `kinds`."""
        node = self.producer.get(name)
        if node is None or (kinds and node.op_type not in kinds):
            found = f"made by {describe(node)}" if node is not None else "an input or a constant"
            raise PlanError(f"{name} is {found}, expected {' or '.join(kinds) or 'a node'}")
        return node

    def made_by(self, name, *kinds):
        """What makes `name`, or None if that is of another kind."""
        node = self.producer.get(name)
        return node if node is not None and node.op_type in kinds else None

    def back(self, name, *kinds):
        """Goes back from `name` along first inputs through nodes of these kinds; where that leads."""
        for kind in kinds:
            name = self.node(name, kind).input[0]
        return name

    def constant(self, node, index, shape=None):
        name = node.input[index] if index < len(node.input) else ""
        if name not in self.constants:
            raise PlanError(f"{describe(node)}: input {index} is {name or 'absent'}, expected a constant")
        value = self.constants[name]
        if shape is not None and value.shape != tuple(shape):
            raise PlanError(f"{describe(node)}: {name} is {list(value.shape)}, expected {list(shape)}")
        return value

    def scalar(self, node, index):
        value = self.constant(node, index)
        if value.size != 1:
            raise PlanError(f"{describe(node)}: input {index} has {value.size} values, expected one")
        return float(value.reshape(()))

    def used_once(self, name):
        return self.uses.get(name, 0) == 1 and name not in self.outputs


def describe(node):
    return f"{node.op_type} {node.name or node.output[0]}"


def attribute(node, name, default=None):
    for a in node.attribute:
        if a.name == name:
            return helper.get_attribute_value(a)
    return default


def expect(ok, node, what):
    if not ok:
        raise PlanError(f"{describe(node)}: expected {what}")
