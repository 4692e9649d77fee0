#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Inputs that people report to be trouble, where the folder with the recipes for them is: each row of its table about times and turns.

    reported_test.py FACEFLOW [unittest options]
"""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from support import DEMO, ROOT, Times

FAST = ("--detector", "blazeface", "--detect-size", "320x192")
CASES = ROOT.parent / "shared" / "cases"


@unittest.skipUnless(CASES.exists(), "the reported cases are not there")
@unittest.skipUnless(DEMO.exists(), "assets/demo.mp4 is missing; tools/setup.sh makes it")
class ReportedCases(Times):
    @classmethod
    def setUpClass(cls):
        cls.made = pathlib.Path(tempfile.mkdtemp(prefix="faceflow-cases-"))
        cls.addClassCleanup(shutil.rmtree, cls.made)
        subprocess.run(["bash", CASES / "make_cases.sh", DEMO, cls.made], check=True, capture_output=True)

    def tracks(self):
        return {face["track"] for row in self.lines() for face in row["faces"]}

    def test_joined_streams(self):
        self.run_ok(self.made / "loop1s.ts")
        self.check_times([i / 30 for i in range(120)])
        self.assertEqual(len(self.tracks()), 4)
        self.assertEqual(self.summary()["errors"].get("timestamp_jump"), 3)

    def test_every_second_time_is_that_of_the_frame_before(self):
        self.run_ok(self.made / "dup.mkv")
        self.check_times([i / 30 for i in range(30)])
        self.assertEqual(self.summary()["errors"], {"timestamp_order": 15})

    def test_two_frames_are_stamped_ten_hours_ahead(self):
        out = self.dir / "edited.ts"
        subprocess.run(["/usr/bin/python3", CASES / "edit_ts.py", self.made / "g20.ts", out, "37600", "20", "21"], check=True)
        self.run_ok(out)
        pts = self.pts()
        self.assertEqual(len(pts), 60)
        self.assertTrue(all(a < b for a, b in zip(pts, pts[1:])))
        self.assertAlmostEqual(pts[-1], 1.967, delta=0.1)
        self.assertEqual(len(self.tracks()), 4)
        self.assertGreaterEqual(self.summary()["errors"].get("timestamp_jump", 0), 1)

    def test_the_clock_jumps_on_by_ten_hours(self):
        self.run_ok(self.made / "forward10h.ts")
        self.check_times([i / 30 for i in range(60)])
        self.assertEqual(self.summary()["errors"].get("timestamp_jump"), 1)

    def test_frames_hours_apart(self):
        self.run_ok(self.made / "lapse7h.mp4")
        self.check_times([25200 * i for i in range(5)])
        self.check_video(5)

    def test_a_start_in_open_groups(self):
        self.run_ok(self.made / "open_gop.ts", "--no-video", *FAST)
        def middles(row):  # of meshes: where faces are followed from another frame, boxes differ, and these by a pixel or two
            return [tuple(sum(p[k] for p in f["landmarks"]) / len(f["landmarks"]) for k in (0, 1)) for f in row["faces"]]

        whole = [(row["pts"], middles(row)) for row in self.lines()]
        for start in whole[1::9]:
            self.run_ok(self.made / "open_gop.ts", "--no-video", "--start", start[0], *FAST, "--detect-every", 1)
            rows = [(row["pts"], middles(row)) for row in self.lines()]
            self.assertEqual([row[0] for row in rows], [row[0] for row in whole if row[0] >= start[0]])
            self.assertEqual(len(rows[0][1]), len(start[1]))
            for x, y in rows[0][1]:
                self.assertLess(min(max(abs(x - u), abs(y - v)) for u, v in start[1]), 3, start[0])

    def test_pictures_that_a_container_gives_in_the_order_of_decoding(self):
        self.run_ok(self.made / "b_frames.avi", "--no-video", *FAST)
        self.check_times([i / 30 for i in range(60)])

    def test_a_recording_that_begins_at_five_seconds(self):
        self.run_ok(self.made / "starts_at_5.mkv", "--no-video", *FAST)
        self.assertEqual(len(self.lines()), 30)
        self.assertEqual(self.summary()["errors"], {})

    @unittest.skipUnless(subprocess.run(["/usr/bin/python3", "-c", "import PIL"], capture_output=True).returncode == 0, "Pillow is missing")
    def test_orientations(self):
        self.run_ok(self.made / "still.png", "--no-video")
        upright = self.lines()[0]
        for turn in (3, 6, 8):
            self.run_ok(self.made / f"orientation{turn}.png", "--no-video")
            row = self.lines()[0]
            self.assertEqual((row["width"], row["height"], len(row["faces"])), (960, 540, 4))
            for face, right in zip(sorted(row["faces"], key=lambda f: f["box"]), sorted(upright["faces"], key=lambda f: f["box"])):
                for a, b in zip(face["box"], right["box"]):
                    self.assertAlmostEqual(a, b, delta=1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
