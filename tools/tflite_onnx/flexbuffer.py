# SPDX-License-Identifier: Apache-2.0
"""Reads the flexbuffer maps in which custom operators keep their options: numbers and vectors of numbers."""

from . import ConversionError
from .flatbuffer import read

_NULL, _INT, _UINT, _FLOAT = range(4)
_KEY = 4
_MAP = 9
_VECTOR, _VECTOR_INT, _VECTOR_UINT, _VECTOR_FLOAT = range(10, 14)
_BOOL = 26
_ELEMENT = {_VECTOR_INT: _INT, _VECTOR_UINT: _UINT, _VECTOR_FLOAT: _FLOAT}
_FORMATS = {_INT: "bhiq", _UINT: "BHIQ", _FLOAT: " efd"}


def _number(data, position, kind, width):
    return read(data, position, _FORMATS[kind][width.bit_length() - 1])


def _back(data, position, width):
    """Follows an offset, which always points backwards."""
    return position - _number(data, position, _UINT, width)


def _text(data, position):
    end = data.find(b"\0", position)
    if position < 0 or end < 0:
        raise ConversionError("damaged options: a key does not end")
    return data[position:end].decode("ascii", "replace")


def _value(data, position, width, packed):
    """The value at `position`; `packed` is its type and, for what lies elsewhere, the width there."""
    kind, inner = packed >> 2, 1 << (packed & 3)
    if kind == _NULL:
        return None
    if kind in (_INT, _UINT, _FLOAT):
        return _number(data, position, kind, width)
    if kind == _BOOL:
        return bool(_number(data, position, _UINT, width))
    start = _back(data, position, width)
    if kind == _MAP:
        return _map(data, start, inner)
    if kind == _VECTOR or kind in _ELEMENT:
        count = _number(data, start - inner, _UINT, inner)
        types = start + count * inner
        return [
            _value(data, start + i * inner, inner, _ELEMENT[kind] << 2 if kind in _ELEMENT else read(data, types + i, "B"))
            for i in range(count)
        ]
    raise ConversionError(f"options hold a value of flexbuffer type {kind}, which no known operator uses")


def _map(data, start, width):
    count = _number(data, start - width, _UINT, width)
    keys = _back(data, start - 3 * width, width)
    key_width = _number(data, start - 2 * width, _UINT, width)
    types = start + count * width
    result = {}
    for i in range(count):
        name = _text(data, _back(data, keys + i * key_width, key_width))
        result[name] = _value(data, start + i * width, width, read(data, types + i, "B"))
    return result


def options(data):
    """The options of a custom operator as a dict."""
    if len(data) < 3:
        raise ConversionError("damaged options: too short")
    width = data[-1]
    if width not in (1, 2, 4, 8):
        raise ConversionError(f"damaged options: root of {width} bytes")
    result = _value(data, len(data) - 2 - width, width, data[-2])
    if not isinstance(result, dict):
        raise ConversionError("damaged options: the root is no map")
    return result
