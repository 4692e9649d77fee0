#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The hand-off benchmark's table script: its JSON parses, ways that did not run are left out and named, ratios are against ours."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "bench" / "handoff" / "table.py"


def run(tool, held, **other):
    facts = {"tool": tool, "width": 1920, "height": 1080, "format": "nv12", "touched": False, "frames": len(held), "seconds": 1,
             "cpu_seconds": 0.004}
    return {**facts, "mode": "latency", "held_us": held, "whole_us": [v + 100 for v in held], **other}


class handoff_table(unittest.TestCase):
    def test_json_of_some_ways_parses(self):
        runs = [run("faceflow", [10, 20, 30]), run("zeromq", [60]), run("zeromq", [], mode="rate", frames=50),
                run("faceflow", [], mode="rate", frames=100)]
        with tempfile.TemporaryDirectory() as folder:
            lines = pathlib.Path(folder) / "runs.jsonl"
            lines.write_text("".join(json.dumps(r) + "\n" for r in runs))
            subprocess.run([sys.executable, SCRIPT, lines, folder], check=True, stdout=subprocess.DEVNULL)
            ways = json.loads((pathlib.Path(folder) / "handoff.json").read_text())["ways"]
            text = (pathlib.Path(folder) / "handoff.md").read_text()
        self.assertEqual(set(ways), {"faceflow", "zeromq"})
        self.assertEqual(ways["zeromq"]["NV12"]["p50_of_ours"], 3)
        self.assertEqual(ways["zeromq"]["NV12"]["fps_of_ours"], 0.5)
        self.assertEqual(ways["zeromq"]["NV12"]["bytes_moved"], 4 * 3110400)
        self.assertEqual(ways["zeromq"]["NV12"]["cpu_ms_per_s"], 4)
        self.assertIn("Left out", text)


if __name__ == "__main__":
    unittest.main()
