#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the committed plans to what tools/make_plan.py makes of the models, and plans to what their graphs compute."""

import functools
import pathlib
import sys
import unittest

import numpy as np
import onnx
from onnx import helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import convert_mediapipe  # noqa: E402
import make_plan  # noqa: E402
import onnx_numpy  # noqa: E402
import plan_numpy  # noqa: E402
from plan import PlanError, file  # noqa: E402

RETINAFACE = ROOT / "assets/models/retinaface_mnet25.onnx"
needs_retinaface = unittest.skipUnless(RETINAFACE.is_file(), "RetinaFace's model is absent: run tools/setup.sh")
BUNDLE = ROOT.parent / "shared/models/face_landmarker.task"
needs_bundle = unittest.skipUnless(BUNDLE.is_file(), f"{BUNDLE} is absent")
CLOSE = 1e-5  # of the largest value of a tensor; weights are rounded to floats once more than the graph's


@functools.cache
def bundled():
    """The files that the face landmarker's bundle gives."""
    return convert_mediapipe.convert_bundle(BUNDLE.read_bytes())


def picture(height, width, seed=7):
    """Blobs of colour, since noise has no face's edges at any scale."""
    chance = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    colours = np.full((height, width, 3), 0.4)
    for _ in range(40):
        row, column, size = chance.uniform(0, height), chance.uniform(0, width), chance.uniform(3, 30)
        blob = np.exp(-((y - row) ** 2 + (x - column) ** 2) / size**2)
        colours += blob[..., None] * chance.uniform(-0.5, 0.5, 3)
    return np.clip(colours + chance.normal(0, 0.02, colours.shape), 0, 1)


class WhatPlansCompute(unittest.TestCase):
    def assert_same(self, path, height, width, low, high):
        data = path.read_bytes()
        colours = picture(height, width)
        plan = plan_numpy.Run(*file.read(make_plan.make(data)), colours)
        model = onnx.load_from_string(data)
        given = (colours * (high - low) + low).transpose(2, 0, 1)[None]
        graph = onnx_numpy.run(model, {model.graph.input[0].name: given})
        for name, value in plan.maps.items():
            self.assert_close(name, value, graph[name][0].transpose(1, 2, 0))
        for name, value in plan.vectors.items():
            # Some are several tensors, one behind the other.
            self.assert_close(name, value, np.concatenate([graph[part].ravel() for part in name.split("+")]))
        for output in model.graph.output:
            self.assertIn(output.name, plan.vectors)
        return plan

    def assert_close(self, name, value, wanted):
        self.assertEqual(value.size, wanted.size, name)
        error = np.abs(value.ravel() - wanted.ravel()).max() / max(np.abs(wanted).max(), 1e-6)
        self.assertLess(error, CLOSE, name)  # not a number is not less

    def test_face_detection_full_range(self):
        self.assert_same(ROOT / "models/face_detection_full_range.onnx", 192, 192, -1, 1)

    def test_face_landmark_with_attention(self):
        plan = self.assert_same(ROOT / "models/face_landmark_with_attention.onnx", 192, 192, 0, 1)
        squares = [name for name in plan.maps if name.startswith("gridsample")]
        self.assertEqual(len(squares), 3)
        for name in squares:
            self.assertGreater(np.count_nonzero(plan.maps[name]), plan.maps[name].size // 2, name)

    def assert_same_of_two(self, name, given, as_input):
        """What the graph computes of two at once is what the plan computes of each."""
        model = onnx.load_from_string(bundled()[f"{name}.onnx"])
        graph = onnx_numpy.run(model, {model.graph.input[0].name: np.stack([as_input(g) for g in given])})
        for i, each in enumerate(given):
            plan = plan_numpy.Run(*file.read(bundled()[f"{name}.plan"]), each)
            for of_plan, value in plan.maps.items():
                self.assert_close(of_plan, value, graph[of_plan][i].transpose(1, 2, 0))
            for output in model.graph.output:
                self.assert_close(output.name, plan.vectors[output.name], graph[output.name][i])

    @needs_bundle
    def test_face_landmarks_v2(self):
        pictures = [picture(256, 256, seed) for seed in (1, 2)]
        self.assert_same_of_two("face_landmarks_v2", pictures, lambda p: p.transpose(2, 0, 1))

    @needs_bundle
    def test_face_blendshapes(self):
        points = np.random.default_rng(3).normal(100, 40, (2, 146, 2))
        self.assert_same_of_two("face_blendshapes", points, lambda p: p)

    @needs_retinaface
    def test_retinaface_of_one_size(self):
        self.assert_same(RETINAFACE, 64, 96, 0, 255)

    @needs_retinaface
    def test_retinaface_of_another_size(self):
        self.assert_same(RETINAFACE, 160, 32, 0, 255)


class CommittedPlans(unittest.TestCase):
    def test_are_what_the_tool_writes(self):
        plans = sorted((ROOT / "models").glob("*.plan"))
        self.assertEqual([p.stem for p in plans], ["face_detection_full_range", "face_landmark_with_attention"])
        for plan in plans:
            made = make_plan.make(plan.with_suffix(".onnx").read_bytes())
            self.assertTrue(made == plan.read_bytes(), f"{plan.name} is out of date: tools/make_plan.py makes it again")


class OtherGraphs(unittest.TestCase):
    """A graph that a plan cannot hold is refused by the name of the node."""

    def model(self, change):
        model = onnx.load(ROOT / "models/face_detection_full_range.onnx")
        change(model.graph)
        return model.SerializeToString()

    def assert_refused(self, change, why):
        with self.assertRaisesRegex(PlanError, why):
            make_plan.make(self.model(change))

    @staticmethod
    def node(graph, output):
        return next(n for n in graph.node if n.output[0] == output)

    def test_no_onnx_file(self):
        with self.assertRaisesRegex(PlanError, "not an ONNX file"):
            make_plan.make(b"\xff" * 100)

    def test_unknown_outputs(self):
        why = "expected those of RetinaFace, BlazeFace, a mesh or the blendshapes"
        self.assert_refused(lambda g: g.output.pop(), why)

    def test_unknown_operator(self):
        def change(graph):
            self.node(graph, "relu_11").op_type = "Sigmoid"

        self.assert_refused(change, "relu_11 is made by Sigmoid relu_11, expected Conv")

    def test_dilation(self):
        def change(graph):
            self.node(graph, "conv_7").attribute.append(helper.make_attribute("dilations", [2, 2]))

        self.assert_refused(change, "Conv conv_7: expected no dilation")

    def test_padding_that_changes_the_size(self):
        def change(graph):
            attributes = self.node(graph, "conv_7").attribute
            attributes.remove(next(a for a in attributes if a.name == "pads"))

        self.assert_refused(change, "Conv conv_7: expected .*padding")

    def test_larger_kernel(self):
        def change(graph):
            graph.initializer.append(numpy_helper.from_array(np.zeros((32, 3, 7, 7), np.float32), "wide"))
            self.node(graph, "conv_3").input[1] = "wide"

        self.assert_refused(change, "Conv conv_3: expected a kernel of 1, 3 or 5, not 7")

    def test_weights_that_are_computed(self):
        def change(graph):
            self.node(graph, "conv_10").input[1] = "relu_4"

        self.assert_refused(change, "Conv conv_10: input 1 is relu_4, expected a constant")

    def test_a_weight_that_is_not_finite(self):
        def change(graph):
            value = np.zeros((32,), np.float32)
            value[3] = np.nan
            graph.initializer.append(numpy_helper.from_array(value, "odd"))
            self.node(graph, "conv_3").input[2] = "odd"

        self.assert_refused(change, "not a finite number")

    def test_padding_of_pixels(self):
        def change(graph):
            graph.initializer.append(numpy_helper.from_array(np.array([0, 0, 1, 0, 0, 0, 0, 0]), "rows"))
            self.node(graph, "pad_142").input[1] = "rows"

        self.assert_refused(change, "Pad pad_142: expected channels to be padded, at their end")

    def test_an_intermediate_tensor_that_something_else_reads(self):
        def change(graph):
            self.node(graph, "relu_25").input[0] = "conv_7"

        self.assert_refused(change, "Conv conv_7: expected a 1x1 convolution after a depthwise one")

    def test_samples_of_another_kind(self):
        model = onnx.load(ROOT / "models/face_landmark_with_attention.onnx")
        sample = next(n for n in model.graph.node if n.op_type == "GridSample")
        next(a for a in sample.attribute if a.name == "align_corners").i = 0
        with self.assertRaisesRegex(PlanError, "gridsample_370: expected bilinear samples"):
            make_plan.make(model.SerializeToString())


@needs_bundle
class OtherMixers(unittest.TestCase):
    """The mixer is one step, so nothing in its graph may differ from what that step computes."""

    def setUp(self):
        self.model = onnx.load_from_string(bundled()["face_blendshapes.onnx"])
        self.nodes = self.model.graph.node

    def assert_refused(self, why):
        with self.assertRaisesRegex(PlanError, why):
            make_plan.make(self.model.SerializeToString())

    def of_kind(self, kind):
        return [n for n in self.nodes if n.op_type == kind]

    def set_constant(self, node, index, value):
        name = f"changed_{len(self.model.graph.initializer)}"
        self.model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        node.input[index] = name

    def made_by(self, name):
        return next(n for n in self.nodes if n.output[0] == name)

    def epsilon_of(self, norm):
        return self.made_by(self.of_kind("Sqrt")[1 + norm].input[0])

    def test_another_epsilon_in_one_norm(self):
        self.set_constant(self.epsilon_of(3), 1, np.float32(1e-3))
        self.assert_refused("the same small number in every norm")

    def test_a_gain_for_each_token(self):
        gain = next(n for n in self.of_kind("Mul") if n.input[0].startswith("reciprocal"))
        self.set_constant(gain, 1, np.ones((1, 1, 97), np.float32))
        self.assert_refused("a number for each channel")

    def test_a_transpose_of_other_dimensions(self):
        for node in self.of_kind("Transpose"):
            with self.subTest(node=node.name):
                kept = list(node.attribute[0].ints)
                node.attribute[0].ints[:] = [0, 1, 3, 2]
                self.assert_refused(f"Transpose {node.name}: expected dimensions in the order")
                node.attribute[0].ints[:] = kept

    def test_means_over_another_dimension(self):
        for node in self.of_kind("ReduceMean"):
            with self.subTest(node=node.name):
                axes = next(a for a in node.attribute if a.name == "axes")
                axes.ints[:] = [2]
                self.assert_refused(f"ReduceMean {node.name}: expected the mean over dimension 1, which stays")
                axes.ints[:] = [1]

    def test_a_residual_of_something_else(self):
        ends = [n for n in self.of_kind("Add") if n.input[0].startswith("conv")]
        ends[0].input[1] = "div_8"
        self.assert_refused(f"Add {ends[0].name}: expected the same map to be normed and added")

    def test_no_relu(self):
        self.of_kind("Relu")[5].op_type = "Sigmoid"
        self.assert_refused("expected Relu")

    def test_another_token(self):
        self.set_constant(self.of_kind("Slice")[0], 2, np.array([1]))
        self.set_constant(self.of_kind("Slice")[1], 1, np.array([1]))
        self.assert_refused("the first of the tokens")

    def test_more_than_one_token(self):
        self.set_constant(self.of_kind("Slice")[1], 2, np.array([2]))
        self.assert_refused("the first token alone to be used")

    def test_a_constant_beside_the_first_token(self):
        add = next(n for n in self.of_kind("Add") if n.input[0].startswith("pad"))
        self.set_constant(add, 1, np.ones((64, 1, 97), np.float32))
        self.assert_refused("a constant in place of the first token")

    def test_points_that_are_not_centred(self):
        self.of_kind("Div")[0].input[0] = "points"
        self.assert_refused("points is an input or a constant, expected Sub")

    def test_other_operators(self):
        """None of the nodes can be of another kind and go unseen."""
        for node in self.nodes:
            if node.op_type == "Cast":
                continue  # of constants
            with self.subTest(node=node.name):
                kept, node.op_type = node.op_type, "Softsign"
                with self.assertRaises(PlanError):
                    make_plan.make(self.model.SerializeToString())
                node.op_type = kept


@needs_bundle
class SmallKernels(unittest.TestCase):
    def test_a_kernel_of_2_that_does_not_halve_is_refused(self):
        model = onnx.load_from_string(bundled()["face_landmarks_v2.onnx"])
        convolutions = {n.name: {a.name: a for a in n.attribute} for n in model.graph.node if n.op_type == "Conv"}
        name, attributes = next((k, v) for k, v in convolutions.items() if [*v["kernel_shape"].ints] == [2, 2])
        attributes["strides"].ints[:] = [1, 1]
        with self.assertRaisesRegex(PlanError, f"Conv {name}: expected a kernel of 1, 3 or 5, not 2"):
            make_plan.make(model.SerializeToString())


class PlanFiles(unittest.TestCase):
    def test_lay_weights_where_the_header_says(self):
        data = (ROOT / "models/face_detection_full_range.plan").read_bytes()
        head, weights, numbers = file.read(data)
        step = head["steps"][0]
        self.assertEqual(len(data) % 64, 0)
        self.assertTrue(all(s["weights"][0] % 16 == 0 for s in head["steps"]))
        model = onnx.load(ROOT / "models/face_detection_full_range.onnx")
        first = next(numpy_helper.to_array(t) for t in model.graph.initializer if t.name == "const_1")
        wanted = first.astype(np.float32).transpose(2, 3, 1, 0).ravel()
        self.assertTrue(np.array_equal(weights[step["weights"][0] :][: step["weights"][1]], wanted))
        self.assertEqual(numbers.size, 0)


if __name__ == "__main__":
    unittest.main()
