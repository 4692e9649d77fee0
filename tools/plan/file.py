# SPDX-License-Identifier: Apache-2.0
"""A plan as bytes, laid out as src/inference/plan.hpp says."""

import json
import struct

import numpy as np

from . import PlanError

MAGIC = b"ffplan1\n"
_ALIGNED = 64  # bytes


class Plan:
    """Maps, vectors and steps as they stand in the file; weights and numbers as they come."""

    def __init__(self, model_sha256, name, height, width, scale, bias):
        self.model_sha256 = model_sha256
        self.input = {"name": name, "height": height, "width": width, "multiple": 1, "scale": scale, "bias": bias}
        self.maps, self.vectors, self.steps = [], [], []
        self._weights, self._weight_count = [], 0
        self._numbers = []

    def map(self, name, channels, size):
        self.maps.append({"name": name, "channels": channels, **size})
        return len(self.maps) - 1

    def vector(self, name, length):
        self.vectors.append({"name": name, "length": length})
        return len(self.vectors) - 1

    def step(self, kind, **fields):
        self.steps.append({"kind": kind, **fields})

    def weights(self, values):
        """Puts these where an engine finds them; the slice that says where."""
        values = np.ascontiguousarray(values, "<f4")
        if not np.isfinite(values).all():
            raise PlanError("a weight of the model is not a finite number")
        offset = self._weight_count
        data = values.tobytes()
        data += bytes(-len(data) % _ALIGNED)
        self._weights.append(data)
        self._weight_count += len(data) // 4
        return [offset, values.size]

    def numbers(self, values):
        offset = len(self._numbers)
        self._numbers.extend(int(v) for v in values)
        return [offset, len(self._numbers) - offset]

    def to_bytes(self):
        text = json.dumps(
            {
                "model_sha256": self.model_sha256,
                "input": self.input,
                "maps": self.maps,
                "vectors": self.vectors,
                "steps": self.steps,
                "weights": self._weight_count,
                "numbers": len(self._numbers),
            },
            separators=(",", ":"),
        ).encode()
        head = MAGIC + struct.pack("<II", len(text), 0) + text
        numbers = np.array(self._numbers, "<i4").tobytes()
        return head + bytes(-len(head) % _ALIGNED) + b"".join(self._weights) + numbers


def read(data):
    """The JSON object of a plan, its weights and its numbers."""
    if data[:8] != MAGIC:
        raise PlanError("not a plan")
    size = struct.unpack_from("<I", data, 8)[0]
    head = json.loads(data[16 : 16 + size])
    start = -(-(16 + size) // _ALIGNED) * _ALIGNED
    weights = np.frombuffer(data, "<f4", head["weights"], start)
    numbers = np.frombuffer(data, "<i4", head["numbers"], start + weights.nbytes)
    return head, weights, numbers
