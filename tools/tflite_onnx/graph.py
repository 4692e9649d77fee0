# SPDX-License-Identifier: Apache-2.0
"""An ONNX graph under construction: names, nodes and constants."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from . import ConversionError

OPSET = 16  # GridSample came with 16
IR_VERSION = 8


class GraphBuilder:
    """Collects nodes in execution order. Names follow from the order alone, so the same input gives the same bytes."""

    def __init__(self):
        self._casts = []
        self._nodes = []
        self._initializers = []
        self._inputs = []
        self._outputs = []
        self._known = {}
        self._count = 0

    def _name(self, stem):
        self._count += 1
        return f"{stem}_{self._count}"

    def input(self, name, shape):
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape]))
        return name

    def output(self, name, shape):
        """Declares a graph output; a node must already write to `name`."""
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape]))

    def node(self, kind, inputs, output=None, **attributes):
        """Appends a node with one output and returns that output's name."""
        output = output or self._name(kind.lower())
        self._nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, value):
        """A float constant. Stored as float16 behind a Cast where no bit is lost: half the size, the same numbers."""
        value = np.ascontiguousarray(value, np.float32)
        half = value.astype(np.float16)
        if value.size < 16 or not np.array_equal(half.astype(np.float32), value):
            return self.exact(value)
        stored = self.exact(half)
        name = stored + "_float"
        if name not in self._known:
            self._known[name] = name
            self._casts.append(helper.make_node("Cast", [stored], [name], name=name, to=TensorProto.FLOAT))
        return name

    def exact(self, value):
        """A constant stored as it is; equal ones are stored once."""
        value = np.asarray(value)
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self._known:
            self._known[key] = self._name("const")
            self._initializers.append(numpy_helper.from_array(value, self._known[key]))
        return self._known[key]

    def ints(self, *values):
        return self.exact(np.array(values, np.int64))

    def slice(self, value, axis, start, end):
        return self.node("Slice", [value, self.ints(start), self.ints(end), self.ints(axis)])

    def gather(self, value, axis, indices):
        return self.node("Gather", [value, self.ints(*indices)], axis=axis)

    def reshape(self, value, shape, output=None):
        """Reshapes all but the batch."""
        return self.node("Reshape", [value, self.ints(0, *shape)], output)

    def _live(self):
        """The nodes that an output depends on, in order, and the names they use."""
        needed = {value.name for value in self._outputs}
        kept = []
        for node in reversed(self._casts + self._nodes):
            if node.output[0] in needed:
                kept.append(node)
                needed.update(node.input)
        return kept[::-1], needed

    def build(self, name):
        nodes, needed = self._live()
        initializers = [value for value in self._initializers if value.name in needed]
        graph = helper.make_graph(nodes, name, self._inputs, self._outputs, initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="faceflow")
        model.ir_version = IR_VERSION
        try:
            onnx.checker.check_model(model)
        except onnx.checker.ValidationError as error:
            raise ConversionError(f"damaged file: it gives no valid graph ({error})") from error
        return model
