# SPDX-License-Identifier: Apache-2.0
"""Reads flatbuffer tables by field number. Every access is checked: a damaged file gives a ConversionError."""

import struct

import numpy as np

from . import ConversionError


def read(data, position, fmt):
    """One little-endian number of struct format `fmt` at `position`."""
    size = struct.calcsize(fmt)
    if position < 0 or position + size > len(data):
        raise ConversionError(f"damaged file: needs {size} bytes at offset {position}, has {len(data)} in all")
    return struct.unpack_from("<" + fmt, data, position)[0]


class Table:
    """A flatbuffer table: fields are found through its vtable, and an absent one has a default."""

    def __init__(self, data, position):
        self._data = data
        self._position = position
        self._vtable = position - read(data, position, "i")
        self._vtable_size = read(data, self._vtable, "H")

    def _field(self, index):
        """Where field `index` lies, or None if the table does not have it."""
        slot = 4 + 2 * index
        if slot + 2 > self._vtable_size:
            return None
        offset = read(self._data, self._vtable + slot, "H")
        return self._position + offset if offset else None

    def _target(self, index):
        """Where the offset in field `index` points to, or None."""
        field = self._field(index)
        return None if field is None else field + read(self._data, field, "I")

    def number(self, index, fmt, default=0):
        field = self._field(index)
        return default if field is None else read(self._data, field, fmt)

    def table(self, index):
        target = self._target(index)
        return None if target is None else Table(self._data, target)

    def vector(self, index, dtype):
        """A vector of numbers as an array; empty if absent."""
        target = self._target(index)
        if target is None:
            return np.empty(0, dtype)
        count = read(self._data, target, "I")
        end = target + 4 + count * np.dtype(dtype).itemsize
        if end > len(self._data):
            raise ConversionError(f"damaged file: a vector at offset {target} ends at {end} of {len(self._data)}")
        return np.frombuffer(self._data, dtype, count, target + 4)

    def text(self, index):
        try:
            return self.vector(index, np.uint8).tobytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise ConversionError(f"damaged file: a name is not UTF-8 ({error})") from None

    def tables(self, index):
        target = self._target(index)
        if target is None:
            return []
        count = read(self._data, target, "I")
        if count > len(self._data) // 4:
            raise ConversionError(f"damaged file: {count} entries claimed at offset {target}")
        slots = (target + 4 + 4 * i for i in range(count))
        return [Table(self._data, slot + read(self._data, slot, "I")) for slot in slots]


def root(data, identifier):
    """The root table of a file with a four-byte file identifier."""
    if len(data) < 8 or data[4:8] != identifier:
        raise ConversionError(f"not a {identifier.decode()} file: its identifier is {bytes(data[4:8])!r}")
    return Table(data, read(data, 0, "I"))
