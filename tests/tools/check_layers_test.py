#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of tools/check_layers.py on small trees."""

import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import check_layers  # noqa: E402


class CheckLayers(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.write("src/core/ids.hpp")
        self.write("src/flow/flow.hpp")
        self.write("include/faceflow/types.hpp")

    def write(self, path, text=""):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def check(self):
        return check_layers.check(self.root)

    def test_earlier_same_public_and_foreign_includes_pass(self):
        self.write(
            "src/flow/stage.cpp",
            '#include "flow/flow.hpp"\n#include "core/ids.hpp"\n#include "faceflow/types.hpp"\n#include <vector>\n',
        )
        self.assertEqual(self.check(), [])

    def test_later_layer_is_named_with_file_and_line(self):
        self.write("src/core/queue.hpp", '#pragma once\n#include "flow/flow.hpp"\n')
        self.assertEqual(
            self.check(), ["src/core/queue.hpp:2: layer core must not include the later layer flow (flow/flow.hpp)"]
        )

    def test_relative_and_angled_includes_are_seen_too(self):
        self.write("src/core/a.hpp", '#include "../flow/flow.hpp"\n')
        self.write("src/core/b.cpp", "  #  include <flow/flow.hpp>\n")
        self.assertEqual([problem.split(":")[0] for problem in self.check()], ["src/core/a.hpp", "src/core/b.cpp"])

    def test_file_directly_in_src_has_the_layer_of_its_name(self):
        self.write("src/engine.hpp")
        self.write("src/engine.cpp", '#include "engine.hpp"\n#include "flow/flow.hpp"\n')
        self.assertEqual(self.check(), [])
        self.write("src/flow/back.cpp", '#include "engine.hpp"\n')
        self.assertIn("must not include the later layer engine", self.check()[0])

    def test_public_header_must_not_include_src(self):
        self.write("include/faceflow/engine.hpp", '#include "core/ids.hpp"\n#include "faceflow/types.hpp"\n')
        self.assertEqual(self.check(), ["include/faceflow/engine.hpp:1: include/faceflow must not include src/core/ids.hpp"])

    def test_unknown_folder(self):
        self.write("src/misc/x.cpp")
        self.assertIn("src/misc/x.cpp:1: not in a layer", self.check()[0])

    def test_commented_include_does_not_count(self):
        self.write("src/core/c.cpp", '// #include "flow/flow.hpp"\n')
        self.assertEqual(self.check(), [])

    def test_this_repository(self):
        self.assertEqual(check_layers.check(ROOT), [])


if __name__ == "__main__":
    unittest.main()
