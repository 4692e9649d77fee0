# SPDX-License-Identifier: Apache-2.0
"""Plans in plain numpy and double precision, for one picture or set of points: what src/inference/plan.hpp says, and
nothing else."""

import itertools

import numpy as np


class Run:
    """`maps` (rows, columns, channels) and `vectors`, by the names that the plan gives them."""

    def __init__(self, head, weights, numbers, colours):
        self._plan, self._weights, self._numbers = head, weights, numbers
        self._input = colours * head["input"]["scale"] + head["input"]["bias"]
        self._maps, self._vectors = [None] * len(head["maps"]), [None] * len(head["vectors"])
        for step in head["steps"]:
            getattr(self, "_" + step["kind"])(step)
        self.maps = {m["name"]: v for m, v in zip(head["maps"], self._maps)}
        self.vectors = {v["name"]: values for v, values in zip(head["vectors"], self._vectors)}

    def _at(self, where, *shape):
        return self._weights[where[0] : where[0] + where[1]].astype(np.float64).reshape(shape)

    def _numbers_at(self, where):
        return self._numbers[where[0] : where[0] + where[1]]

    def _size(self, y):
        m = self._plan["maps"][y]
        height, width = self._input.shape[:2]
        return (height // m["down"], width // m["down"]) if "down" in m else (m["height"], m["width"])

    @staticmethod
    def _taps(x, kernel, stride, pad, size):
        """For each place of a kernel what it sees."""
        height, width = size
        room = np.zeros((stride * height + kernel, stride * width + kernel, x.shape[2]))
        room[pad : pad + x.shape[0], pad : pad + x.shape[1]] = x
        for i, j in itertools.product(range(kernel), repeat=2):
            yield (i, j), room[i : i + stride * height : stride, j : j + stride * width : stride]

    def _convolution(self, s):
        x = self._input if s["x"] < 0 else self._maps[s["x"]]
        size, kernel, stride, inputs, outputs = self._size(s["y"]), s["kernel"], s["stride"], s["inputs"], s["outputs"]
        assert x.shape[2] == inputs
        if s.get("pool_first"):
            x = pooled(x)
        if s.get("depthwise"):
            weights = self._at(s["depthwise_weights"], 3, 3, inputs)
            x = sum(seen * weights[at] for at, seen in self._taps(x, 3, stride, s["pad"], size))
            x = x + self._at(s["depthwise_bias"], inputs)
            x = np.maximum(x, 0) if s["depthwise_relu"] else x
            y = x @ self._at(s["weights"], inputs, outputs)
        else:
            weights = self._at(s["weights"], kernel, kernel, inputs, outputs)
            y = sum(seen @ weights[at] for at, seen in self._taps(x, kernel, stride, s["pad"], size))
        y = y + self._at(s["bias"], outputs)
        if s.get("joined_first"):
            y = self._joined(s, y)
        if s["act"] == "relu":
            y = np.maximum(y, 0)
        elif s["act"] == "prelu":
            y = np.where(y < 0, y * self._at(s["slopes"], outputs), y)
        if "join" in s and not s["joined_first"]:
            y = self._joined(s, y)
        if self._maps[s["y"]] is None:
            self._maps[s["y"]] = np.full((*size, self._plan["maps"][s["y"]]["channels"]), np.nan)
        self._maps[s["y"]][..., s["into"] : s["into"] + outputs] = y

    def _joined(self, s, y):
        x = self._maps[s["joined"]]
        x = {"same": lambda x: x, "pooled": pooled, "doubled": doubled, "smoothed": smoothed}[s["join"]](x)
        y = y.copy()
        y[..., : x.shape[2]] += x
        return y

    def _head(self, s):
        y = self._maps[s["x"]] @ self._at(s["weights"], s["inputs"], s["outputs"]) + self._at(s["bias"], s["outputs"])
        first = 0
        for part in s["parts"]:
            channels = part["channels"]
            assert self._plan["vectors"][part["y"]]["length"] == channels
            v = y[..., first : first + channels]
            first += channels
            if part.get("pairs"):
                e = np.exp(v)
                v = e / (e + np.roll(e, channels // 2, 2))
            self._vectors[part["y"]] = (v if part.get("interleaved") else v.transpose(2, 0, 1)).ravel()

    def _dense(self, s):
        weights = self._at(s["weights"], s["inputs"], s["outputs"])
        self._vectors[s["y"]] = self._maps[s["x"]].ravel() @ weights + self._at(s["bias"], s["outputs"])

    def _mixer(self, s):
        tokens, channels = s["tokens"], s["channels"]
        points = self._input - self._input.mean(0)
        points = points / np.hypot(*points.T).mean() * s["scale"]
        x = points.T @ self._at(s["embed_points"], s["points"], tokens - 1)
        x = (x + self._at(s["embed_points_bias"], tokens - 1)).T
        x = x @ self._at(s["embed_channels"], 2, channels) + self._at(s["embed_channels_bias"], channels)
        x = np.concatenate([self._at(s["first"], 1, channels), x])
        for layer in s["layers"]:
            normed = normalised(x, s["epsilon"]) * self._at(layer["token_norm"], channels)
            x = x + self._perceptron(layer, "token", normed.T, tokens, s["token_hidden"]).T
            normed = normalised(x, s["epsilon"]) * self._at(layer["channel_norm"], channels)
            x = x + self._perceptron(layer, "channel", normed, channels, s["channel_hidden"])
        logits = x[0] @ self._at(s["head"], channels, s["outputs"]) + self._at(s["head_bias"], s["outputs"])
        self._vectors[s["y"]] = 1 / (1 + np.exp(-logits))

    def _perceptron(self, layer, what, x, width, hidden):
        inner = x @ self._at(layer[f"{what}_in"], width, hidden) + self._at(layer[f"{what}_in_bias"], hidden)
        outer = np.maximum(inner, 0) @ self._at(layer[f"{what}_out"], hidden, width)
        return outer + self._at(layer[f"{what}_out_bias"], width)

    def _attention(self, s):
        x, side = self._maps[s["x"]], s["side"]
        scale = x.shape[1] / self._input.shape[1]
        points = self._vectors[s["base"]][: 3 * 468].reshape(468, 3)[:, :2] * scale
        grid, transforms = self._at(s["grid"], 4, side * side), []
        for head in s["heads"]:
            line = points[head["to"]] - points[head["from"]]
            length = np.hypot(*line)
            c, n = line / length if length else (1, 0)
            axes = np.array([[c, -n], [n, c]])
            turned = points[self._numbers_at(head["spans"])] @ axes
            high, low = turned.max(0), turned.min(0)
            linear = axes * (high - low) * (s["margin"] / side)
            offset = axes @ ((high + low) / 2) - linear @ [side / 2, side / 2]
            transform = np.column_stack([linear, [0, 0], offset])
            transforms.append(transform.ravel())
            self._maps[head["y"]] = sampled(x, (transform @ grid - 0.5).T).reshape(side, side, -1)
        self._vectors[s["transforms"]] = np.concatenate(transforms)
        self._scale = scale

    def _landmarks(self, s):
        base = self._vectors[s["base"]]
        mesh, transforms = base[: 3 * 468].reshape(468, 3), self._vectors[s["transforms"]].reshape(-1, 2, 4)
        y = np.full((478, 3), np.nan)
        rest = self._numbers_at(s["rest"])
        y[rest >= 0] = mesh[rest[rest >= 0]]
        for head in s["heads"]:
            transform, targets = transforms[head["head"]], self._numbers_at(head["targets"])
            points = self._vectors[head["x"]].reshape(-1, 2) @ transform[:, :2].T + transform[:, 3] / self._scale
            y[targets[targets >= 0], :2] = points[targets >= 0]
        y[:468, 2] = mesh[:, 2]
        for i, around in enumerate(s["iris"]):
            y[468 + 5 * i : 473 + 5 * i, 2] = mesh[self._numbers_at(around), 2].mean()
        self._vectors[s["landmarks"]], self._vectors[s["score"]] = y.ravel(), base[1404:1405]


def normalised(x, epsilon):
    """Each token less the mean of its channels, over their standard deviation."""
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + epsilon)


def pooled(x):
    return x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).max((1, 3))


def doubled(x):
    return x.repeat(2, 0).repeat(2, 1)


def smoothed(x):
    """A quarter of the one neighbour and three of the other; the outermost have none on one side."""
    for axis in (0, 1):
        last = x.shape[axis] - 1
        before, after = (x.take(np.clip(np.arange(last + 1) + i, 0, last), axis) for i in (-1, 1))
        halves = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis + 1)
        x = halves.reshape([2 * n if i == axis else n for i, n in enumerate(x.shape)])
    return x


def sampled(x, places):
    """Bilinear samples at these (column, row); 0 beyond the centres of the outermost pixels."""
    height, width = x.shape[:2]
    inside = ((places >= 0) & (places <= [width - 1, height - 1])).all(1)
    low = np.clip(np.floor(places), 0, [width - 2, height - 2]).astype(int)
    part = places - low
    y = 0
    for i, j in itertools.product((0, 1), (0, 1)):
        weight = (part[:, 0] if j else 1 - part[:, 0]) * (part[:, 1] if i else 1 - part[:, 1])
        y = y + x[low[:, 1] + i, low[:, 0] + j] * weight[:, None]
    return y * inside[:, None]
