# SPDX-License-Identifier: Apache-2.0
"""TFLite operators as ONNX nodes.

Tensors of four dimensions (images) are held as NCHW, all others as TFLite has them. The batch dimension is dynamic
everywhere: shapes that nodes need are given without it.
"""

import functools

import numpy as np

from . import ConversionError, attention
from .graph import GraphBuilder

_CHANNELS_FIRST = (0, 3, 1, 2)
_CHANNELS_LAST = (0, 2, 3, 1)
_SAME, _VALID = 0, 1
_NONE, _RELU = 0, 1

# What Python and numpy raise where the operands of an operator do not fit together: no model that is whole does that.
_MISFIT = (IndexError, KeyError, ValueError, ZeroDivisionError, RecursionError)

# Operators that are one node of the same meaning
_UNARY = {"LOGISTIC": "Sigmoid", "NEG": "Neg", "RELU": "Relu", "SQRT": "Sqrt"}
_BINARY = {"ADD": "Add", "DIV": "Div", "SUB": "Sub"}

# Weights of the identity convolution that stands for channel padding; above it, Pad is no slower and far smaller.
_LARGEST_IDENTITY = 128 * 128


class _Options:
    """Field numbers of the builtin options, from the TFLite schema."""

    PADDING, STRIDE_W, STRIDE_H = 0, 1, 2
    CONV_ACTIVATION, CONV_DILATION_W, CONV_DILATION_H = 3, 4, 5
    DEPTHWISE_ACTIVATION, DEPTHWISE_DILATION_W, DEPTHWISE_DILATION_H = 4, 5, 6
    POOL_WIDTH, POOL_HEIGHT, POOL_ACTIVATION = 3, 4, 5
    BINARY_ACTIVATION = 0
    CONCAT_AXIS, CONCAT_ACTIVATION = 0, 1
    REDUCE_KEEP = 0
    RESIZE_ALIGN_CORNERS, RESIZE_HALF_PIXEL = 2, 3
    SLICE_ELLIPSIS, SLICE_NEW_AXIS, SLICE_SHRINK = 2, 3, 4


def same_padding(size, kernel, stride):
    """What TFLite pads before and after for SAME: the odd pixel goes after, so strides of 2 pad (0, 1) or (1, 2)."""
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


class Converter:
    """Turns one model into one ONNX graph.

    PRELU and channel padding become convolutions that compute the same numbers: ONNX Runtime's CPU keeps those in its
    blocked layout, which is several times faster.
    """

    def __init__(self, model):
        self.model = model
        self.graph = GraphBuilder()
        self.values = {}
        self._rules = {
            "CONCATENATION": self._concatenation, "CONV_2D": self._conv, "DEPTHWISE_CONV_2D": self._depthwise,
            "MAX_POOL_2D": self._max_pool, "MEAN": self._mean, "MUL": self._mul, "PAD": self._pad,
            "PRELU": self._prelu, "RESHAPE": self._reshape, "RESIZE_BILINEAR": self._resize, "RSQRT": self._rsqrt,
            "SQUARED_DIFFERENCE": self._squared_difference, "STRIDED_SLICE": self._strided_slice, "SUM": self._sum,
            "TRANSPOSE": self._transpose,
        }  # fmt: skip
        self._rules |= {kind: functools.partial(self._unary, name) for kind, name in _UNARY.items()}
        self._rules |= {kind: functools.partial(self._binary, name) for kind, name in _BINARY.items()}
        self._rules |= {kind: functools.partial(rule, self) for kind, rule in attention.RULES.items()}

    def run(self, input_name="input"):
        """Converts every operator; afterwards `values` has a name for every tensor that is computed."""
        shape = self.model.shape(self.model.input)
        if len(shape) < 2 or shape[0] != 1:
            raise ConversionError(f"the input has shape {shape}, expected a batch of 1")
        held = [shape[3], shape[1], shape[2]] if len(shape) == 4 else shape[1:]
        self.values[self.model.input] = self.graph.input(input_name, held)
        for position, operator in enumerate(self.model.operators):
            try:
                self._convert(operator)
            except _MISFIT as error:
                raise ConversionError(f"damaged file: operator {position}, {operator.kind}: {error}") from error

    def _convert(self, operator):
        if operator.kind == "DEQUANTIZE" and self.model.constant(operator.outputs[0]) is not None:
            return  # Model.constant looks through it
        if operator.kind not in self._rules:
            raise ConversionError(f"operator {operator.kind} is not supported here")
        self.values[operator.outputs[0]] = self._rules[operator.kind](operator)

    def output(self, source, name, shape):
        """Makes the output tensor called `source` the graph's output `name`, in `shape` behind the batch."""
        self._output_of(self.tensor_named(source), name, shape)

    def output_parts(self, source, names, shapes):
        """Makes each part that the output tensor called `source` joins an output of its own."""
        joined = self.model.producer.get(self.tensor_named(source))
        if joined is None or joined.kind != "CONCATENATION" or len(joined.inputs) != len(names):
            raise ConversionError(f"output {source} does not join {len(names)} tensors")
        for index, name, shape in zip(joined.inputs, names, shapes):
            self._output_of(index, name, shape)

    def _output_of(self, index, name, shape):
        held = self.model.shape(index)
        if index not in self.values or int(np.prod(held)) != int(np.prod(shape)):
            raise ConversionError(f"output {self.model.tensors[index].name} has shape {held}, which is no {shape}")
        self.graph.reshape(self._flat_order(index), shape, name)
        self.graph.output(name, shape)

    def tensor_named(self, name):
        """An output tensor by name: their order in the file means nothing."""
        for index in self.model.outputs:
            if self.model.tensors[index].name == name:
                return index
        raise ConversionError(f"the model has no output {name}")

    def operand(self, operator, position):
        """The name of the computed value that is an operator's input."""
        index = operator.inputs[position] if position < len(operator.inputs) else None
        if index not in self.values:
            raise ConversionError(f"input {position} of a {operator.kind} is not computed before it")
        return self.values[index]

    def constant(self, index):
        value = self.model.constant(index)
        if value is None:
            raise ConversionError(f"tensor {self.model.tensors[index].name} should be constant")
        return value

    def _is_image(self, index):
        return len(self.model.shape(index)) == 4

    def _axis(self, index, axis):
        """Where dimension `axis` of a tensor is held."""
        shape = self.model.shape(index)
        axis = axis + len(shape) if axis < 0 else axis
        if not 0 < axis < len(shape):
            raise ConversionError(f"axis {axis} of a tensor of shape {shape}: expected one behind the batch")
        return _CHANNELS_LAST[axis] if len(shape) == 4 else axis

    def _flat_order(self, index):
        """The value with its numbers in TFLite's order, for a reshape."""
        value = self.values[index]
        if not self._is_image(index):
            return value
        _, height, width, channels = self.model.shape(index)
        if height * width == 1 or channels == 1:
            return value  # the same order in both layouts
        return self.graph.node("Transpose", [value], perm=_CHANNELS_LAST)

    def _activation(self, value, kind):
        if kind == _NONE:
            return value
        if kind == _RELU:
            return self.graph.node("Relu", [value])
        raise ConversionError(f"fused activation {kind} is not supported")

    def _window(self, operator, kernel):
        """Strides and ONNX pads of a sliding window. Never auto_pad: its SAME would need the input's size."""
        strides = [operator.number(_Options.STRIDE_H, "i"), operator.number(_Options.STRIDE_W, "i")]
        if operator.number(_Options.PADDING, "b") == _VALID:
            return strides, [0, 0, 0, 0]
        sizes = self.model.shape(operator.inputs[0])[1:3]
        before, after = zip(*map(same_padding, sizes, kernel, strides))
        return strides, [*before, *after]

    def _convolve(self, operator, weights, group, activation, dilations):
        """A convolution with `weights` as ONNX wants them: [out, in / group, height, width]."""
        if any(operator.number(field, "i", 1) != 1 for field in dilations):
            raise ConversionError("dilated convolutions are not supported")
        kernel = list(weights.shape[2:])
        strides, pads = self._window(operator, kernel)
        inputs = [self.operand(operator, 0), self.graph.constant(weights)]
        if len(operator.inputs) > 2:
            inputs.append(self.graph.constant(self.constant(operator.inputs[2])))
        value = self.graph.node("Conv", inputs, kernel_shape=kernel, strides=strides, pads=pads, group=group)
        return self._activation(value, operator.number(activation, "b"))

    def _conv(self, operator):
        weights = self.constant(operator.inputs[1]).transpose(0, 3, 1, 2)
        group = self.model.shape(operator.inputs[0])[3] // weights.shape[1]
        dilations = (_Options.CONV_DILATION_W, _Options.CONV_DILATION_H)
        return self._convolve(operator, weights, group, _Options.CONV_ACTIVATION, dilations)

    def _depthwise(self, operator):
        weights = self.constant(operator.inputs[1]).transpose(3, 0, 1, 2)
        group = self.model.shape(operator.inputs[0])[3]
        dilations = (_Options.DEPTHWISE_DILATION_W, _Options.DEPTHWISE_DILATION_H)
        return self._convolve(operator, weights, group, _Options.DEPTHWISE_ACTIVATION, dilations)

    def _pointwise(self, value, weights, group):
        return self.graph.node("Conv", [value, self.graph.constant(weights)], kernel_shape=[1, 1], group=group)

    def _max_pool(self, operator):
        kernel = [operator.number(_Options.POOL_HEIGHT, "i"), operator.number(_Options.POOL_WIDTH, "i")]
        strides, pads = self._window(operator, kernel)
        value = self.operand(operator, 0)
        value = self.graph.node("MaxPool", [value], kernel_shape=kernel, strides=strides, pads=pads)
        return self._activation(value, operator.number(_Options.POOL_ACTIVATION, "b"))

    def _unary(self, kind, operator):
        return self.graph.node(kind, [self.operand(operator, 0)])

    def _rsqrt(self, operator):
        return self.graph.node("Reciprocal", [self.graph.node("Sqrt", [self.operand(operator, 0)])])

    def _squared_difference(self, operator):
        difference = self.graph.node("Sub", [self.operand(operator, 0), self.operand(operator, 1)])
        return self.graph.node("Mul", [difference, difference])

    def _reduced(self, operator):
        """The axes that a reduction goes over, which stay with a size of 1."""
        if not operator.number(_Options.REDUCE_KEEP, "B"):
            raise ConversionError(f"{operator.kind} is supported only where it keeps its dimensions")
        axes = self.constant(operator.inputs[1]).ravel().tolist()
        return [self._axis(operator.inputs[0], axis) for axis in axes]

    def _mean(self, operator):
        return self.graph.node("ReduceMean", [self.operand(operator, 0)], axes=self._reduced(operator), keepdims=1)

    def _sum(self, operator):
        axes = self.graph.ints(*self._reduced(operator))  # an input here, where a mean has an attribute
        return self.graph.node("ReduceSum", [self.operand(operator, 0), axes], keepdims=1)

    def _prelu(self, operator):
        value = self.operand(operator, 0)
        slope = self.constant(operator.inputs[1])
        if slope.ndim != 3 or slope.shape[:2] != (1, 1):
            raise ConversionError(f"PRELU slopes of shape {slope.shape} are not one for each channel")
        slope = slope.reshape(-1, 1, 1)
        # a x + (1 - a) max(x, 0), each factor a depthwise 1x1 convolution
        weights, group = slope.reshape(-1, 1, 1, 1), len(slope)
        positive = self.graph.node("Relu", [value])
        parts = [self._pointwise(value, weights, group), self._pointwise(positive, 1 - weights, group)]
        return self.graph.node("Add", parts)

    def _pad(self, operator):
        value, pads = self.operand(operator, 0), self.constant(operator.inputs[1])
        if pads.shape != (4, 2) or pads[:3].any() or pads[3, 0]:
            raise ConversionError(f"PAD of {pads.tolist()}: only channels at the end are supported")
        before, after = (self.model.shape(i)[3] for i in (operator.inputs[0], operator.outputs[0]))
        if before * after > _LARGEST_IDENTITY:
            return self.graph.node("Pad", [value, self.graph.ints(*pads[list(_CHANNELS_FIRST)].T.ravel())])
        return self._pointwise(value, np.eye(after, before).reshape(after, before, 1, 1), 1)

    def _binary(self, kind, operator):
        operands = []
        for index in operator.inputs:
            if index in self.values:
                if self._is_image(index) != self._is_image(operator.outputs[0]):
                    raise ConversionError(f"{operator.kind} of an image and a tensor of other dimensions")
                operands.append(self.values[index])
                continue
            operands.append(self.graph.constant(self._beside(operator.outputs[0], self.constant(index))))
        activation = operator.number(_Options.BINARY_ACTIVATION, "b")
        return self._activation(self.graph.node(kind, operands), activation)

    def _beside(self, index, value):
        """A constant in the layout of the tensor that it is combined with."""
        if value.size == 1 or not self._is_image(index):
            return value
        value = value.reshape((1,) * (4 - value.ndim) + value.shape)
        if value.shape[0] != 1:
            raise ConversionError(f"a constant of shape {value.shape} beside an image: expected a batch of 1")
        return value.transpose(_CHANNELS_FIRST)[0]

    def _mul(self, operator):
        if attention.is_matrix(self, operator.inputs[0]):
            return attention.scale_matrix(self, operator)
        return self._binary("Mul", operator)

    def _reshape(self, operator):
        target = self.model.shape(operator.outputs[0])
        value = self._flat_order(operator.inputs[0])
        if len(target) == 4 and target[1:3] == [1, 1]:
            return self.graph.reshape(value, [target[3], 1, 1])
        value = self.graph.reshape(value, target[1:])
        return self.graph.node("Transpose", [value], perm=_CHANNELS_FIRST) if len(target) == 4 else value

    def _transpose(self, operator):
        index, order = operator.inputs[0], self.constant(operator.inputs[1]).tolist()
        if order[0] != 0 or sorted(order) != [*range(len(self.model.shape(index)))]:
            raise ConversionError(f"TRANSPOSE by {order}: the batch has to stay first")
        if len(order) == 4:
            order = [_CHANNELS_LAST[order[axis]] for axis in _CHANNELS_FIRST]
        return self.graph.node("Transpose", [self.operand(operator, 0)], perm=order)

    def _concatenation(self, operator):
        axis = operator.number(_Options.CONCAT_AXIS, "i")
        held = self._axis(operator.outputs[0], axis)
        if self.model.constant(operator.inputs[0]) is not None:
            value = self._put_in_front(operator, axis, held)
        else:
            operands = [self.operand(operator, i) for i in range(len(operator.inputs))]
            value = self.graph.node("Concat", operands, axis=held)
        return self._activation(value, operator.number(_Options.CONCAT_ACTIVATION, "b"))

    def _put_in_front(self, operator, axis, held):
        """Zeros in front of a tensor, and a constant added there: a Concat would need it once for each of the batch."""
        if len(operator.inputs) != 2:
            raise ConversionError("CONCATENATION of a constant is supported with one tensor behind it only")
        front, shape = self.constant(operator.inputs[0]), self.model.shape(operator.outputs[0])
        pads, behind = [0] * 2 * len(shape), [(0, 0)] * len(shape)
        pads[held], behind[axis] = front.shape[axis], (0, shape[axis] - front.shape[axis])
        whole = np.pad(front, behind)
        if [*whole.shape] != shape:
            raise ConversionError(f"CONCATENATION to {shape} of a constant of shape {front.shape}")
        value = self.graph.node("Pad", [self.operand(operator, 1), self.graph.ints(*pads)])
        return self.graph.node("Add", [value, self.graph.constant(self._beside(operator.outputs[0], whole))])

    def _resize(self, operator):
        source, target = (self.model.shape(i) for i in (operator.inputs[0], operator.outputs[0]))
        align, half = (
            operator.number(field, "B") for field in (_Options.RESIZE_ALIGN_CORNERS, _Options.RESIZE_HALF_PIXEL)
        )
        mode = "align_corners" if align else "half_pixel" if half else "asymmetric"
        # Scales, not sizes: sizes would fix the batch.
        scales = np.array([1, 1, target[1] / source[1], target[2] / source[2]], np.float32)
        inputs = [self.operand(operator, 0), "", self.graph.exact(scales)]
        return self.graph.node("Resize", inputs, mode="linear", coordinate_transformation_mode=mode)

    def _strided_slice(self, operator):
        """Cuts from the beginning of each dimension. Taking the one picture out of a batch of 1 keeps the batch."""
        source, target = (self.model.shape(i) for i in (operator.inputs[0], operator.outputs[0]))
        begin, _, steps = (self.constant(i) for i in operator.inputs[1:4])
        special = [operator.number(field, "i") for field in (_Options.SLICE_ELLIPSIS, _Options.SLICE_NEW_AXIS)]
        shrunk = operator.number(_Options.SLICE_SHRINK, "i")
        if begin.any() or (steps != 1).any() or any(special) or shrunk not in (0, 1):
            raise ConversionError("STRIDED_SLICE is supported only from the beginning, without gaps")
        target = [1, *target] if shrunk else target
        if len(target) != len(source) or target[0] != source[0] or any(t > s for s, t in zip(source, target)):
            raise ConversionError(f"STRIDED_SLICE of {source} to {target} is not supported")
        value = self.operand(operator, 0)
        for axis in range(1, len(source)):
            if target[axis] < source[axis]:
                value = self.graph.slice(value, self._axis(operator.inputs[0], axis), 0, target[axis])
        return value
