# SPDX-License-Identifier: Apache-2.0
"""MediaPipe's custom operators of the attention mesh, and the refinement that its runtime does after the model.

The model finds 468 points, then looks again at the lips and at each eye: it turns a box around those points upright,
samples features there, and finds finer points in that box. Matrices are held as the upper two rows, [N, 2, 4], of
TFLite's [1, 4, 4]; the lower two are constant and nothing reads them.
"""

import numpy as np

from . import ConversionError

MESH_POINTS = 468
IRIS_POINTS = 5
_EYE_CONTOUR = 16  # an eye's first points are its outline; an iris lies at their mean depth
_MATRIX = "Landmarks2TransformMatrix"


def is_matrix(converter, index):
    producer = converter.model.producer.get(index)
    return producer is not None and producer.kind == _MATRIX


def scale_matrix(converter, operator):
    """MUL of a matrix and a constant one, both cut to two rows."""
    factor = converter.constant(operator.inputs[1])
    if factor.shape != (1, 4, 4):
        raise ConversionError(f"MUL of a matrix and a constant of shape {factor.shape}")
    graph = converter.graph
    return graph.node("Mul", [converter.operand(operator, 0), graph.constant(factor[:, :2])])


def _upright_axes(graph, points, options):
    """[N, 2, 2]: the columns are the axes, in the image, of a box turned so that two landmarks lie level in it."""
    left, right = (graph.gather(points, 1, [options[f"{side}_rotation_idx"]]) for side in ("left", "right"))
    across = graph.node("Sub", [right, left])  # [N, 1, 2]
    length = graph.node("ReduceL2", [across], axes=[2], keepdims=1)
    unit = graph.node("Div", [across, length])
    # Two landmarks in one place have no direction; the original's atan2(0, 0) is 0.
    degenerate = graph.node("Equal", [length, graph.constant(0.0)])
    unit = graph.node("Where", [degenerate, graph.constant([[[1, 0]]]), unit])
    target = options["target_rotation_radians"]
    c, s = np.cos(target), np.sin(target)
    return graph.reshape(graph.node("MatMul", [unit, graph.constant([[c, s, -s, c], [s, -c, c, s]])]), [2, 2])


def _transform_matrix(converter, operator):
    """From box pixels (16x16) to the image: a scaled, upright box around a subset of the landmarks."""
    graph, options = converter.graph, operator.options()
    size = np.array([options["output_width"], options["output_height"]])
    scale = np.array([options["scale_x"], options["scale_y"]])
    points = graph.slice(converter.operand(operator, 0), 2, 0, 2)
    axes = _upright_axes(graph, points, options)
    subset = graph.node("MatMul", [graph.gather(points, 1, options["subset_idxs"]), axes])
    high = graph.node("ReduceMax", [subset], axes=[1], keepdims=1)
    low = graph.node("ReduceMin", [subset], axes=[1], keepdims=1)
    middle = graph.node("Mul", [graph.node("Add", [high, low]), graph.constant(0.5)])
    extent = graph.node("Mul", [graph.node("Sub", [high, low]), graph.constant((scale / size).reshape(1, 1, 2))])
    linear = graph.node("Mul", [axes, extent])
    centre = graph.node("MatMul", [axes, graph.node("Transpose", [middle], perm=(0, 2, 1))])
    corner = graph.node("MatMul", [linear, graph.constant(-size.reshape(2, 1) / 2)])
    offset = graph.node("Add", [centre, corner])
    zero = graph.node("Mul", [offset, graph.constant(0.0)])  # z plays no part
    return graph.node("Concat", [linear, zero, offset], axis=2)


def _transform_tensor(converter, operator):
    """Samples an image where a matrix sends the pixel centres of the output; outside the image is 0."""
    graph, options = converter.graph, operator.options()
    height, width = options["output_height"], options["output_width"]
    _, source_height, source_width, _ = converter.model.shape(operator.inputs[0])
    y, x = (grid.ravel() for grid in np.mgrid[0:height, 0:width])
    centres = np.stack([x + 0.5, y + 0.5, np.zeros(x.size), np.ones(x.size)])
    where = graph.node("MatMul", [converter.operand(operator, 1), graph.constant(centres)])
    where = graph.node("Sub", [where, graph.constant(0.5)])  # [N, 2, height * width], in pixels of the image
    last = np.array([[[source_width - 1], [source_height - 1]]], np.float32)
    above = graph.node("GreaterOrEqual", [where, graph.constant(0.0)])
    inside = graph.node("And", [above, graph.node("LessOrEqual", [where, graph.constant(last)])])
    where = graph.node("Sub", [graph.node("Mul", [where, graph.constant(2 / last)]), graph.constant(1.0)])
    # The original gives 0 for all beyond the outermost pixel centres, where GridSample would still blend towards 0
    # over one pixel. A coordinate far outside gives exactly 0.
    where = graph.node("Where", [inside, where, graph.constant(-3.0)])
    where = graph.reshape(graph.node("Transpose", [where], perm=(0, 2, 1)), [height, width, 2])
    return graph.node(
        "GridSample", [converter.operand(operator, 0), where],
        mode="bilinear", padding_mode="zeros", align_corners=1,
    )  # fmt: skip


def _transform_landmarks(converter, operator):
    """Takes points [N, K, 2] from a box to the image."""
    graph, matrix = converter.graph, converter.operand(operator, 1)
    if converter.model.shape(operator.inputs[0])[2] != 2:
        raise ConversionError("TransformLandmarks is supported for points in the plane only")
    linear = graph.node("Transpose", [graph.slice(matrix, 2, 0, 2)], perm=(0, 2, 1))
    offset = graph.node("Transpose", [graph.slice(matrix, 2, 3, 4)], perm=(0, 2, 1))
    return graph.node("Add", [graph.node("MatMul", [converter.operand(operator, 0), linear]), offset])


RULES = {
    _MATRIX: _transform_matrix,
    "TransformTensorBilinear": _transform_tensor,
    "TransformLandmarks": _transform_landmarks,
}


def _refined_points(converter, source):
    """Which of the 468 points the output `source` refines: those that its box was put around."""
    model = converter.model
    index = converter.tensor_named(source)
    for kind, operand in (("RESHAPE", 0), ("TransformLandmarks", 1), ("MUL", 0), (_MATRIX, 0)):
        operator = model.producer.get(index)
        if operator is None or operator.kind != kind:
            raise ConversionError(f"output {source} does not come from a refinement box")
        index = operator.inputs[operand]
    return operator.options()["subset_idxs"]


def refine(converter):
    """Joins mesh, lips, eyes and irises into the output landmarks [N, 478, 3], as MediaPipe does with six tensors.

    x and y of a refined point replace the mesh's; z stays. The ten iris points come last, left eye first.
    """
    graph = converter.graph

    def points(source, count, dims):
        return graph.reshape(converter.values[converter.tensor_named(source)], [count, dims])

    mesh = points("output_mesh_identity", MESH_POINTS, 3)
    depth = graph.slice(mesh, 2, 2, 3)
    planes = [graph.slice(mesh, 2, 0, 2)]
    take = np.arange(MESH_POINTS)
    start, subsets = MESH_POINTS, {}
    for source in ("output_lips", "output_left_eye", "output_right_eye"):
        subset = subsets[source] = _refined_points(converter, source)
        planes.append(points(source, len(subset), 2))
        take[subset] = start + np.arange(len(subset))
        start += len(subset)
    depths, depth_take = [depth], [*range(MESH_POINTS)]
    for side in ("left", "right"):
        planes.append(points(f"output_{side}_iris", IRIS_POINTS, 2))
        outline = graph.gather(depth, 1, subsets[f"output_{side}_eye"][:_EYE_CONTOUR])
        depth_take += [MESH_POINTS + len(depths) - 1] * IRIS_POINTS
        depths.append(graph.node("ReduceMean", [outline], axes=[1], keepdims=1))
    irises = range(start, start + 2 * IRIS_POINTS)
    xy = graph.gather(graph.node("Concat", planes, axis=1), 1, [*take.tolist(), *irises])
    z = graph.gather(graph.node("Concat", depths, axis=1), 1, depth_take)
    graph.node("Concat", [xy, z], "landmarks", axis=2)
    graph.output("landmarks", [MESH_POINTS + 2 * IRIS_POINTS, 3])
