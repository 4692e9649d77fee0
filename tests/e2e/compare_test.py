#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What flows move, as `compare` and `plan`, traces and --verify-ledger tell a user.

    compare_test.py FACEFLOW [unittest options]
"""
import json
import subprocess
import unittest

from support import CHECK, DEMO, SCHEMAS, SMALL, Case, faceflow


@unittest.skipUnless(DEMO.exists(), "assets/demo.mp4 is missing; tools/setup.sh makes it")
class MemoryFlow(Case):
    COUNTS = ("host_to_device_per_frame", "host_to_device_bytes_per_frame", "device_to_host_per_frame",
              "device_to_host_bytes_per_frame", "syncs_per_frame", "cache_hit_rate")

    FLOWS = "fused,threaded,shared,cached,copied"

    def compare(self, *args, clip=SMALL):
        size = ["--detect-size", "320x192"] if clip == SMALL else []
        done = faceflow("compare", clip, *size, "--device", "emulated", "--limit", 16, "--json", "--stage-timeout", 20, *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["rows"]

    def plan(self, *args):
        done = faceflow("plan", "--faces", 4, "--json", *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_plan_predicts_every_count_and_byte_that_compare_measures(self):
        rows = self.compare("--flows", self.FLOWS, "--ablate", "cache,batch,pinned")
        self.assertEqual(len(rows), 20)
        self.expect_planned(rows, "--size", "640x360", "--detect-size", "320x192")

    def test_plan_predicts_them_for_1080p(self):
        rows = self.compare("--flows", self.FLOWS, clip=DEMO)
        self.assertEqual(len(rows), 5)
        self.expect_planned(rows, "--size", "1920x1080")

    def expect_planned(self, rows, *size):
        for row in rows:
            off = [] if row["ablation"] == "none" else [f"--{row['ablation'].split()[0]}", "off"]
            plan = self.plan("--flow", row["flow"], *size, *off)
            for key in self.COUNTS:
                self.assertEqual(plan[key], row[key], f"{row['flow']}, {row['ablation']}: {key}")
            self.assertTrue(row["faces_equal"], row)
            self.assertEqual(row["failed"], 0, row)
            if row["flow"] != "copied" and row["ablation"] != "batch":
                self.assertEqual(row["largest_difference_px"], 0, row)

    def test_frames_that_fail_are_told_and_count_in_no_figure(self):
        # Room for the buffers, and for one frame where the ablation needs two.
        done = faceflow("compare", DEMO, "--device", "emulated", "--flows", "fused", "--ablate", "cache", "--limit", 3, "--json",
                        "--threads", 1, "--device-memory", "13M")
        self.assertEqual(done.returncode, 1, done.stderr)
        kept, shed = json.loads(done.stdout)["rows"]
        self.assertEqual(kept["failed"], 0, done.stderr)
        self.assertGreater(shed["failed"], 0)
        self.assertFalse(shed["faces_equal"])
        self.assertEqual((shed["fps"], shed["latency_ms"]["p50"]), (0, 0))
        self.assertIn("gave no result", done.stderr)
        self.assertIn("fused, cache off: its faces are not those of the reference", done.stderr)

    def test_reports_are_written(self):
        done = faceflow("compare", DEMO, "--device", "emulated", "--flows", "fused", "--limit", 6, "--out", self.dir / "out")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(p.name for p in (self.dir / "out").iterdir()), ["compare.csv", "compare.json", "compare.md", "compare.svg"])

    def test_trace_is_one_for_perfetto(self):
        self.run_ok(DEMO, "--no-video", "--device", "emulated", "--limit", 10, "--trace", self.dir / "trace.json")
        events = json.loads((self.dir / "trace.json").read_text())["traceEvents"]
        uploads = [e for e in events if e["ph"] == "X" and e["name"] == "upload" and e["args"]["bytes"] == 3110400]
        self.assertEqual(len(uploads), 10)
        self.assertEqual(len([e for e in events if e["ph"] == "s"]), len([e for e in events if e["ph"] == "f"]))

    def test_the_ledger_is_held_against_the_devices_own_counts(self):
        done = self.run_ok(DEMO, "--no-video", "--device", "emulated", "--flow", "cached", "--limit", 8, "--verify-ledger")
        self.assertEqual(done.stderr, "")
        check = self.summary()["ledger_check"]
        self.assertEqual((check["by"], check["agrees"]), ("the copy engines", True))
        self.assertEqual(check["host_to_device"]["ledger"]["count"], self.summary()["transfers"]["host_to_device"]["count"])
        done = subprocess.run(["/usr/bin/python3", CHECK, SCHEMAS / "summary.schema.json", self.dir / "out" / "summary.json"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = self.compare("--flows", "copied,shared,fused", "--verify-ledger")
        self.assertEqual([row["ledger_agrees"] for row in rows], [True, True, True])
        done = self.run_ok(DEMO, "--no-video", "--device", "cpu", "--limit", 2, "--verify-ledger")
        self.assertIn("nothing crosses", done.stderr)
        self.assertNotIn("ledger_check", self.summary())

    def test_unknown_flows_devices_and_links_are_named(self):
        for args in (["--flows", "fussed"], ["--device", "emulatd"], ["--link", "pcie9"], ["--ablate", "cash"]):
            with self.subTest(args=args):
                done = faceflow("compare", DEMO, "--limit", 2, *args)
                self.assertEqual(done.returncode, 2, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
