# SPDX-License-Identifier: Apache-2.0
"""TFLite graphs in plain numpy and double precision: each operator by what TFLite's reference says, in its own layout.

Shares the parser with tools/tflite_onnx, and nothing else: it is what the conversion is held to.
"""

import itertools

import numpy as np

SAME = 0


def run(model, value):
    """Every tensor that is computed, by index, for one picture or one set of points."""
    values = {model.input: np.asarray(value, np.float64)}
    for operator in model.operators:
        given = [values[i] if i in values else model.constant(i) for i in operator.inputs]
        if model.constant(operator.outputs[0]) is None:
            given = [g.astype(np.float64) if g.dtype.kind == "f" else g for g in given]
            made = OPERATORS[operator.kind](operator, *given)
            assert [*made.shape] == model.shape(operator.outputs[0]), operator.kind
            values[operator.outputs[0]] = made
    return values


def outputs(model, value):
    """The outputs by name."""
    values = run(model, value)
    return {model.tensors[i].name: values[i] for i in model.outputs}


def activated(value, kind):
    assert kind in (0, 1)
    return np.maximum(value, 0) if kind else value


def window(operator, x, kernel, fill=0.0):
    """For each place of a kernel what it sees, at each place of the output."""
    padding, strides = operator.number(0, "b"), (operator.number(2, "i"), operator.number(1, "i"))
    sizes, room = [], [(0, 0)] * 4
    for axis, (side, stride) in enumerate(zip(kernel, strides), 1):
        have = x.shape[axis]
        sizes.append(-(-have // stride) if padding == SAME else (have - side) // stride + 1)
        missing = max((sizes[-1] - 1) * stride + side - have, 0)
        room[axis] = missing // 2, missing - missing // 2
    x = np.pad(x, room, constant_values=fill)
    for i, j in itertools.product(range(kernel[0]), range(kernel[1])):
        rows = slice(i, i + (sizes[0] - 1) * strides[0] + 1, strides[0])
        columns = slice(j, j + (sizes[1] - 1) * strides[1] + 1, strides[1])
        yield (i, j), x[:, rows, columns]


def conv(operator, x, w, b):
    y = sum(seen @ w[:, i, j].T for (i, j), seen in window(operator, x, w.shape[1:3]))
    return activated(y + b, operator.number(3, "b"))


def depthwise(operator, x, w, b):
    assert operator.number(3, "i") == 1  # one output for each channel
    y = sum(seen * w[0, i, j] for (i, j), seen in window(operator, x, w.shape[1:3]))
    return activated(y + b, operator.number(4, "b"))


def max_pool(operator, x):
    kernel = operator.number(4, "i"), operator.number(3, "i")
    y = np.max([seen for _, seen in window(operator, x, kernel, -np.inf)], 0)
    return activated(y, operator.number(5, "b"))


def reshape(operator, x, shape=None):
    return x.reshape(operator.builtin_options.vector(0, np.int32) if shape is None else shape)


def strided_slice(operator, x, begin, end, steps):
    begins, ends, *unknown, shrunk = (operator.number(i, "i") for i in range(5))
    assert not any(unknown)
    cut = []
    for axis in range(x.ndim):
        first = None if begins >> axis & 1 else begin[axis]
        last = None if ends >> axis & 1 else end[axis]
        cut.append(begin[axis] if shrunk >> axis & 1 else slice(first, last, steps[axis]))
    return x[tuple(cut)]


def combined(function):
    return lambda operator, a, b: activated(function(a, b), operator.number(0, "b"))


def reduced(function):
    return lambda operator, x, axes: function(x, axis=tuple(axes.ravel()), keepdims=bool(operator.number(0, "B")))


OPERATORS = {
    "ADD": combined(np.add), "CONCATENATION": lambda o, *x: np.concatenate(x, o.number(0, "i")), "CONV_2D": conv,
    "DEPTHWISE_CONV_2D": depthwise, "DIV": combined(np.divide), "LOGISTIC": lambda o, x: 1 / (1 + np.exp(-x)),
    "MAX_POOL_2D": max_pool, "MEAN": reduced(np.mean), "MUL": combined(np.multiply), "NEG": lambda o, x: -x,
    "PAD": lambda o, x, pads: np.pad(x, pads), "PRELU": lambda o, x, slope: np.where(x < 0, x * slope, x),
    "RELU": lambda o, x: np.maximum(x, 0), "RESHAPE": reshape,
    "RSQRT": lambda o, x: 1 / np.sqrt(x), "SQRT": lambda o, x: np.sqrt(x),
    "SQUARED_DIFFERENCE": lambda o, a, b: (a - b) ** 2, "STRIDED_SLICE": strided_slice, "SUB": combined(np.subtract),
    "SUM": reduced(np.sum), "TRANSPOSE": lambda o, x, order: x.transpose(order),
}  # fmt: skip
