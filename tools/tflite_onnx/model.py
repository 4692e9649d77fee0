# SPDX-License-Identifier: Apache-2.0
"""What a TFLite file holds, as far as MediaPipe's face models need it."""

from dataclasses import dataclass

import numpy as np

from . import ConversionError, flatbuffer, flexbuffer

# From the TFLite schema: tensor types and operators by number. Others are refused by number.
_DTYPES = {0: np.float32, 1: np.float16, 2: np.int32, 4: np.int64}
_BUILTINS = {
    0: "ADD", 2: "CONCATENATION", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 6: "DEQUANTIZE", 14: "LOGISTIC",
    17: "MAX_POOL_2D", 18: "MUL", 19: "RELU", 22: "RESHAPE", 23: "RESIZE_BILINEAR", 32: "CUSTOM", 34: "PAD",
    39: "TRANSPOSE", 40: "MEAN", 41: "SUB", 42: "DIV", 45: "STRIDED_SLICE", 54: "PRELU", 59: "NEG", 74: "SUM",
    75: "SQRT", 76: "RSQRT", 99: "SQUARED_DIFFERENCE",
}  # fmt: skip


@dataclass
class Tensor:
    name: str
    shape: list  # TFLite's: NHWC for images, batch 1
    data: np.ndarray  # None unless constant


@dataclass
class Operator:
    kind: str  # the builtin's name, or the custom operator's
    inputs: list
    outputs: list
    builtin_options: flatbuffer.Table
    custom_options: bytes

    def number(self, index, fmt, default=0):
        """A field of the builtin options."""
        return self.builtin_options.number(index, fmt, default) if self.builtin_options else default

    def options(self):
        return flexbuffer.options(self.custom_options)


def _kind(code):
    # Numbers beyond 127 were added in a second field; the larger of the two counts.
    number = max(code.number(0, "b"), code.number(3, "i"))
    if number not in _BUILTINS:
        raise ConversionError(f"operator {number} of the TFLite schema is not supported")
    if _BUILTINS[number] != "CUSTOM":
        return _BUILTINS[number]
    version = code.number(2, "i", 1)
    if version != 2:
        raise ConversionError(f"custom operator {code.text(1)} has version {version}, only 2 is supported")
    return code.text(1)


def _tensor(table, buffers):
    name, kind, buffer = table.text(3), table.number(1, "b"), table.number(2, "I")
    if kind not in _DTYPES:
        raise ConversionError(f"tensor {name} has type {kind} of the TFLite schema, which is not supported")
    if table.table(6) is not None:
        raise ConversionError(f"tensor {name} is sparse, which is not supported")
    if buffer >= len(buffers):
        raise ConversionError(f"damaged file: tensor {name} has buffer {buffer} of {len(buffers)}")
    shape = table.vector(0, np.int32).tolist()
    raw = buffers[buffer].vector(0, np.uint8)
    if not raw.size:
        return Tensor(name, shape, None)
    dtype = np.dtype(_DTYPES[kind])
    if raw.size != int(np.prod(shape)) * dtype.itemsize:
        raise ConversionError(f"damaged file: tensor {name} of shape {shape} has {raw.size} bytes")
    return Tensor(name, shape, np.frombuffer(raw.tobytes(), dtype).reshape(shape))


class Model:
    """A TFLite model of one subgraph and one input."""

    def __init__(self, data):
        table = flatbuffer.root(data, b"TFL3")
        kinds = [_kind(code) for code in table.tables(1)]
        subgraphs = table.tables(2)
        if len(subgraphs) != 1:
            raise ConversionError(f"{len(subgraphs)} subgraphs, only one is supported")
        graph = subgraphs[0]
        buffers = table.tables(4)
        self.tensors = [_tensor(tensor, buffers) for tensor in graph.tables(0)]
        inputs = graph.vector(1, np.int32).tolist()
        self.outputs = graph.vector(2, np.int32).tolist()
        self.operators = [self._operator(operator, kinds) for operator in graph.tables(3)]
        self._check_indices(inputs + self.outputs)
        if len(inputs) != 1:
            raise ConversionError(f"{len(inputs)} inputs, only one is supported")
        self.input = inputs[0]
        self.producer = {output: operator for operator in self.operators for output in operator.outputs}

    def _operator(self, table, kinds):
        code = table.number(0, "I")
        if code >= len(kinds):
            raise ConversionError(f"damaged file: operator code {code} of {len(kinds)}")
        inputs = [i for i in table.vector(1, np.int32).tolist() if i >= 0]  # -1: an optional input left out
        outputs = table.vector(2, np.int32).tolist()
        self._check_indices(inputs + outputs)
        return Operator(kinds[code], inputs, outputs, table.table(4), table.vector(5, np.uint8).tobytes())

    def _check_indices(self, indices):
        if any(not 0 <= i < len(self.tensors) for i in indices):
            raise ConversionError(f"damaged file: a tensor index among {indices} is not below {len(self.tensors)}")

    def constant(self, index):
        """The value of a constant tensor, also one stored as float16 and dequantized at run time; else None."""
        if self.tensors[index].data is not None:
            return self.tensors[index].data
        producer = self.producer.get(index)
        if producer is None or producer.kind != "DEQUANTIZE":
            return None
        stored = self.constant(producer.inputs[0])
        return None if stored is None else stored.astype(np.float32)

    def shape(self, index):
        return self.tensors[index].shape
