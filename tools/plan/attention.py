# SPDX-License-Identifier: Apache-2.0
"""The attention mesh: a base of 468 landmarks, squares of a map that are looked at again, and how both are joined."""

import numpy as np

from .graph import attribute, expect

MESH, WITH_IRISES = 468, 478
_IRIS = 5


class _Square:
    """What one GridSample looks at: checked node by node, since an engine computes it by itself."""

    def __init__(self, graph, sample, map_size, scale):
        self.output, self.source = sample.output[0], sample.input[0]
        how = attribute(sample, "mode"), attribute(sample, "padding_mode"), attribute(sample, "align_corners")
        expect(how == (b"bilinear", b"zeros", 1), sample, "bilinear samples, zeros outside, aligned corners")
        where = graph.node(graph.back(sample.input[1], "Reshape", "Transpose"), "Where")
        last = graph.node(where.input[1], "Sub")
        scaled = graph.node(last.input[0], "Mul")
        centred = graph.node(scaled.input[0], "Sub")
        steps = 2 / (np.array([map_size["width"], map_size["height"]]) - 1)
        expect(np.allclose(graph.constant(scaled, 1).ravel(), steps) and graph.scalar(last, 1) == 1
               and graph.scalar(centred, 1) == 0.5 and graph.scalar(where, 2) < -1, where,
               "samples half a pixel before the grid, 0 beyond the outermost centres")  # fmt: skip
        product = graph.node(centred.input[0], "MatMul")
        self.grid = graph.constant(product, 1)
        self.transform = product.input[0]
        self._read_transform(graph, scale)

    def _read_transform(self, graph, scale):
        joined = graph.node(self.transform, "Concat")
        expect(attribute(joined, "axis") == 2 and len(joined.input) == 3, joined, "a linear part, zeros and an offset")
        linear = graph.node(joined.input[0], "Mul")
        axes, extent = linear.input[0], graph.node(linear.input[1], "Mul")
        margin = graph.constant(extent, 1).ravel()
        side = int(round(np.sqrt(self.grid.shape[1])))
        expect(len(set(margin)) == 1 and self.grid.shape == (4, side * side), extent, "a square")
        self.side, self.margin = side, float(margin[0]) * side
        self._check_offset(graph, joined, linear, axes, side)
        span = graph.node(extent.input[0], "Sub")
        high, low = graph.node(span.input[0], "ReduceMax"), graph.node(span.input[1], "ReduceMin")
        turned = graph.node(high.input[0], "MatMul")
        expect(low.input[0] == high.input[0] and turned.input[1] == axes, span, "the extent of the turned landmarks")
        chosen = graph.node(turned.input[0], "Gather")
        self.spans, points = graph.constant(chosen, 1), chosen.input[0]
        turn = graph.node(graph.back(axes, "Reshape"), "MatMul")
        across = graph.node(turn.input[0], "Where")
        level = np.allclose(graph.constant(turn, 1, [2, 4]), [[1, 0, 0, 1], [0, -1, 1, 0]])
        level = level and graph.constant(across, 1).ravel().tolist() == [1, 0]
        expect(level, turn, "the line between two landmarks to lie level")
        unit = graph.node(across.input[2], "Div")
        length = graph.node(unit.input[1], "ReduceL2")
        ends = graph.node(unit.input[0], "Sub")
        expect(length.input[0] == unit.input[0], unit, "a line divided by its length")
        self.to, self.origin = (self._landmark(graph, name, points) for name in ends.input)
        self._check_points(graph, points, scale)

    @staticmethod
    def _check_offset(graph, joined, linear, axes, side):
        offset = graph.node(joined.input[2], "Add")
        centre, corner = (graph.node(i, "MatMul") for i in offset.input)
        half = graph.constant(corner, 1).ravel()
        expect(corner.input[0] == linear.output[0] and centre.input[0] == axes and np.allclose(half, -side / 2), offset,
               "the centre of the square, less half of it")  # fmt: skip
        middle = graph.node(graph.back(centre.input[1], "Transpose"), "Mul")
        expect(graph.scalar(middle, 1) == 0.5, middle, "the middle between both ends")
        zero = graph.node(joined.input[1], "Mul")
        expect(graph.scalar(zero, 1) == 0, zero, "a column of zeros")

    @staticmethod
    def _landmark(graph, name, points):
        node = graph.node(name, "Gather")
        index = graph.constant(node, 1, [1])
        expect(node.input[0] == points, node, "a landmark of those that it spans")
        return int(index[0])

    def _check_points(self, graph, points, scale):
        cut = graph.node(points, "Slice")
        plane = [graph.constant(cut, i).tolist() for i in (1, 2, 3)] == [[0], [2], [2]]
        expect(plane, cut, "x and y of each landmark")
        scaled = graph.node(cut.input[0], "Mul")
        in_pixels = abs(graph.scalar(scaled, 1) - scale) < 1e-6
        expect(in_pixels, scaled, f"landmarks in pixels of the map, {scale} of the input's")
        self.base = graph.back(scaled.input[0], "Reshape")


def _leaf(graph, name):
    """From points in the picture back to the dense product behind them, and the transform that brought them there."""
    while (node := graph.made_by(name, "Reshape")) is not None:
        name = node.input[0]
    moved = graph.node(name, "Add")
    turned = graph.node(moved.input[0], "MatMul")
    linear = graph.node(graph.back(turned.input[1], "Transpose"), "Slice")
    shift = graph.node(graph.back(moved.input[1], "Transpose"), "Slice")
    columns = [[graph.constant(n, i).tolist() for i in (1, 2, 3)] for n in (linear, shift)]
    expect(columns == [[[0], [2], [2]], [[3], [4], [2]]] and linear.input[0] == shift.input[0], moved,
           "points turned and shifted by one transform")  # fmt: skip
    scaled = graph.node(linear.input[0], "Mul")
    return graph.node(turned.input[0], "Reshape").input[0], scaled.input[0], graph.constant(scaled, 1)


class _Landmarks:
    """How the output is put together: from which tables, and which row of them each landmark takes."""

    def __init__(self, graph, output):
        joined = graph.node(output, "Concat")
        expect(attribute(joined, "axis") == 2 and len(joined.input) == 2, joined, "x and y, then z")
        plane, depth = (graph.node(i, "Gather") for i in joined.input)
        self.node, self.rows = joined, graph.constant(plane, 1, [WITH_IRISES])
        tables = graph.node(plane.input[0], "Concat")
        self.base, self.refined = graph.back(tables.input[0], "Slice", "Reshape"), tables.input[1:]
        depths = graph.node(depth.input[0], "Concat")
        want = list(range(MESH)) + [MESH] * _IRIS + [MESH + 1] * _IRIS
        expect(graph.constant(depth, 1).tolist() == want, depth, "each landmark's own depth, and one for each iris")
        expect(len(depths.input) == 3 and graph.back(depths.input[0], "Slice", "Reshape") == self.base, depths,
               "the depths of the base, and two means")  # fmt: skip
        self.irises = []
        for name in depths.input[1:]:
            chosen = graph.node(graph.back(name, "ReduceMean"), "Gather")
            expect(chosen.input[0] == depths.input[0], chosen, "depths of the base")
            self.irises.append(graph.constant(chosen, 1))


def _targets(landmarks, leaves):
    """For each leaf where its points go, and for each landmark which of the base it is; -1 for none."""
    rows, rest = landmarks.rows, np.full(WITH_IRISES, -1)
    targets = [np.full(leaf["points"], -1) for leaf in leaves]
    for landmark, row in enumerate(rows):
        if row < MESH:
            rest[landmark] = row
            continue
        at, which = int(row) - MESH, 0
        while which < len(leaves) and at >= leaves[which]["points"]:
            at, which = at - leaves[which]["points"], which + 1
        once = which < len(leaves) and targets[which][at] < 0
        expect(once, landmarks.node, "each refined point to be used once at most")
        targets[which][at] = landmark
    return targets, rest


def build(graph, builder):
    plan = builder.plan
    landmarks = _Landmarks(graph, "landmarks")
    score = graph.back("score", "Reshape")
    base = builder.dense([landmarks.base, score])
    expect(plan.vectors[base]["length"] == 3 * MESH + 1, landmarks.node, f"a base of {MESH} landmarks and a score")

    samples = [n for n in graph.producer.values() if n.op_type == "GridSample"]
    expect(samples, landmarks.node, "a map to be sampled")
    x = builder.map_of(samples[0].input[0])
    size = builder.size(x)
    squares = [_Square(graph, n, size, size["width"] / plan.input["width"]) for n in samples]
    transforms = plan.vector("+".join(s.transform for s in squares), 8 * len(squares))
    first, heads = squares[0], []
    for square, sample in zip(squares, samples):
        alike = square.source == first.source and square.side == first.side and square.margin == first.margin
        alike = alike and np.array_equal(square.grid, first.grid) and square.base == landmarks.base
        expect(alike, sample, "squares that differ in their landmarks alone")
        y = builder.add_map(square.output, builder.channels(x), {"height": square.side, "width": square.side})
        heads.append({"y": y, "from": square.origin, "to": square.to, "spans": plan.numbers(square.spans)})
    plan.step("attention", x=x, base=base, transforms=transforms, side=first.side, margin=first.margin,
              grid=plan.weights(first.grid), heads=heads)  # fmt: skip
    _refine(graph, builder, landmarks, squares, base, transforms)


def _build_chains(builder, names, heads):
    """The blocks of these maps: first what leaves of one square have in common (as many where there is one leaf)."""
    plan, trunks, leaves, depth = builder.plan, {}, [], 0
    begin = len(plan.steps)
    for name, head in zip(names, heads):
        start = len(plan.steps)
        builder.map_of(name)
        chain = plan.steps[start:]
        if head in trunks:
            outputs = [step["y"] for step in trunks[head]]
            depth = outputs.index(chain[0]["x"]) + 1
        else:
            trunks[head] = chain
        leaves.append((head, chain))
    ordered = [step for head in sorted(trunks) for step in trunks[head][:depth]]
    for head, chain in leaves:
        ordered += chain[depth:] if chain is trunks[head] else chain
    plan.steps[begin:] = ordered


def _refine(graph, builder, landmarks, squares, base, transforms):
    plan, leaves = builder.plan, []
    input_scale = plan.input["width"] / builder.size(builder.map_of(squares[0].source))["width"]
    for name in landmarks.refined:
        dense, transform, scale = _leaf(graph, name)
        head = next((i for i, s in enumerate(squares) if s.transform == transform), None)
        expect(head is not None, landmarks.node, f"{name} to come back by the transform of a square")
        in_pixels = np.allclose(scale, [[[1, 1, input_scale, input_scale]] * 2])
        expect(in_pixels, landmarks.node, "an offset in pixels of the input")
        leaves.append({"dense": dense, "head": head, "points": builder.convolution(dense).outputs // 2})
    ordered = sorted(leaves, key=lambda leaf: graph.position[id(graph.node(leaf["dense"]))])
    inputs = [builder.convolution(leaf["dense"]).node.input[0] for leaf in ordered]
    _build_chains(builder, inputs, [leaf["head"] for leaf in ordered])
    for leaf in ordered:
        leaf["x"] = builder.dense([leaf["dense"]])
    targets, rest = _targets(landmarks, leaves)
    for leaf, to in zip(leaves, targets):
        leaf["targets"] = to
    heads = [{k: leaf[k] for k in ("x", "head")} | {"targets": plan.numbers(leaf["targets"])} for leaf in ordered]
    plan.step("landmarks", base=base, transforms=transforms,
              landmarks=plan.vector("landmarks", 3 * WITH_IRISES), score=plan.vector("score", 1), heads=heads,
              rest=plan.numbers(rest), iris=[plan.numbers(i) for i in landmarks.irises])  # fmt: skip
