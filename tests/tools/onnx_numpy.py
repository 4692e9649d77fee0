# SPDX-License-Identifier: Apache-2.0
"""ONNX graphs in plain numpy and double precision: each node by what its operator says, to hold other engines to."""

import itertools

import numpy as np
from onnx import helper, numpy_helper


def run(model, inputs):
    """Every tensor of the graph by name, for these inputs."""
    values = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    values |= {name: np.asarray(v, np.float64) for name, v in inputs.items()}
    for node in model.graph.node:
        given = [values[name] if name else None for name in node.input]
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        values[node.output[0]] = OPERATORS[node.op_type](*given, **attributes)
    return values


def conv(x, w, b=None, group=1, kernel_shape=None, pads=(0, 0, 0, 0), strides=(1, 1), dilations=(1, 1)):
    assert tuple(dilations) == (1, 1) and group in (1, len(w))
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    height, width = ((x.shape[2 + i] - w.shape[2 + i]) // strides[i] + 1 for i in (0, 1))
    y = np.zeros((len(x), len(w), height, width))
    for i, j in itertools.product(range(w.shape[2]), range(w.shape[3])):
        seen = x[:, :, i :: strides[0], j :: strides[1]][:, :, :height, :width]
        tap = w[:, :, i, j].astype(np.float64)
        y += seen * tap[:, 0, None, None] if group > 1 else np.einsum("oi,nihw->nohw", tap, seen, optimize=True)
    return y if b is None else y + b[:, None, None]


def batch_normalization(x, scale, bias, mean, variance, epsilon=1e-5, momentum=0.9):
    scale, bias, mean, variance = (v.astype(np.float64)[:, None, None] for v in (scale, bias, mean, variance))
    return (x - mean) / np.sqrt(variance + epsilon) * scale + bias


def max_pool(x, kernel_shape, strides, pads=(0, 0, 0, 0)):
    assert list(kernel_shape) == list(strides) == [2, 2] and not any(pads)
    return x.reshape(*x.shape[:2], x.shape[2] // 2, 2, x.shape[3] // 2, 2).max((3, 5))


def resize(x, roi, scales, mode, coordinate_transformation_mode, nearest_mode=b"round_prefer_floor"):
    assert scales.tolist() == [1, 1, 2, 2]
    if mode == b"nearest":
        assert coordinate_transformation_mode == b"asymmetric" and nearest_mode == b"floor"
        return x.repeat(2, 2).repeat(2, 3)
    assert mode == b"linear" and coordinate_transformation_mode == b"half_pixel"
    for axis in (2, 3):
        size = x.shape[axis]
        at = (np.arange(2 * size) + 0.5) / 2 - 0.5
        low = np.floor(at)
        part = (at - low).reshape([-1 if i == axis else 1 for i in range(4)])
        low, high = (np.clip(low + i, 0, size - 1).astype(int) for i in (0, 1))
        x = x.take(low, axis) * (1 - part) + x.take(high, axis) * part
    return x


def grid_sample(x, grid, mode, padding_mode, align_corners):
    assert (mode, padding_mode, align_corners) == (b"bilinear", b"zeros", 1)
    height, width = x.shape[2:]
    at = (grid + 1) / 2 * [width - 1, height - 1]
    low = np.floor(at)
    part = at - low
    y = np.zeros((*x.shape[:2], *grid.shape[1:3]))
    for i, j in itertools.product((0, 1), (0, 1)):
        column, row = (low[..., k] + (j, i)[k] for k in (0, 1))
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        weight = inside * np.where(j, part[..., 0], 1 - part[..., 0]) * np.where(i, part[..., 1], 1 - part[..., 1])
        column, row = (np.where(inside, v, 0).astype(int) for v in (column, row))
        for n in range(len(x)):
            y[n] += x[n][:, row[n], column[n]] * weight[n]
    return y


def slice_(x, starts, ends, axes=None, steps=None):
    axes = range(len(starts)) if axes is None else axes
    cut = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts, ends, [1] * len(starts) if steps is None else steps):
        cut[axis] = slice(start, end, step)
    return x[tuple(cut)]


def pad(x, pads, value=None, mode=b"constant"):
    assert mode == b"constant" and not value
    return np.pad(x, list(zip(pads[: x.ndim], pads[x.ndim :])))


def reshape(x, shape):
    return x.reshape([x.shape[i] if s == 0 else s for i, s in enumerate(shape)])


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def divide(a, b):
    with np.errstate(divide="ignore", invalid="ignore"):
        return a / b


def reduce_by(function):
    return lambda x, axes, keepdims=1: function(x, axis=tuple(axes), keepdims=bool(keepdims))


OPERATORS = {
    "Add": np.add, "And": np.logical_and, "BatchNormalization": batch_normalization,
    "Cast": lambda x, to: x.astype(np.float64), "Concat": lambda *x, axis: np.concatenate(x, axis), "Conv": conv,
    "Div": divide, "Equal": np.equal, "Gather": lambda x, i, axis=0: x.take(i, axis),
    "GreaterOrEqual": np.greater_equal, "GridSample": grid_sample, "LessOrEqual": np.less_equal, "MatMul": np.matmul,
    "MaxPool": max_pool, "Mul": np.multiply, "Neg": np.negative,
    "PRelu": lambda x, slope: np.where(x < 0, x * slope, x), "Pad": pad, "Reciprocal": lambda x: 1 / x,
    "ReduceL2": reduce_by(lambda x, **how: np.sqrt((x * x).sum(**how))), "ReduceMax": reduce_by(np.max),
    "ReduceMean": reduce_by(np.mean), "ReduceMin": reduce_by(np.min), "ReduceSum": reduce_by(np.sum),
    "Relu": lambda x: np.maximum(x, 0), "Reshape": reshape, "Resize": resize, "Shape": lambda x: np.array(x.shape),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)), "Slice": slice_, "Softmax": softmax, "Sqrt": np.sqrt, "Sub": np.subtract,
    "Transpose": lambda x, perm: x.transpose(perm), "Where": np.where,
}  # fmt: skip
