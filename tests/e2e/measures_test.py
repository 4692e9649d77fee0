#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `faceflow run` measures of faces, on the demo clip and copies of it that are darker or blurred.

    measures_test.py FACEFLOW [unittest options]
"""
import csv
import math
import statistics
import subprocess
import sys
import unittest

from support import CHECK, DEMO, SCHEMAS, SMALL, Case, ffmpeg


@unittest.skipUnless(DEMO.exists(), "assets/demo.mp4 is missing; tools/setup.sh makes it")
class Measures(Case):
    def follow(self, clip, *args):
        self.run_ok(clip, "--detect-size", "320x192", "--no-video", "--format", "ndjson,csv", *args)
        return self.lines()

    def copy(self, name, filters):
        ffmpeg("-i", SMALL, "-frames:v", 10, "-vf", filters, "-an", "-c:v", "libx264", "-preset", "ultrafast", "-crf", 10, self.dir / name)
        return self.dir / name

    def means(self, clip):
        """Of each measure of pixels over the faces of ten frames; the same faces in every copy of the clip."""
        faces = [face for row in self.follow(clip, "--limit", 10) for face in row["faces"]]
        self.assertGreater(len(faces), 20)
        return {key: statistics.mean(face["measures"][key] for face in faces) for key in ("brightness", "contrast", "sharpness")}

    def test_darker_and_blurred_faces_are_told_by_their_pixels(self):
        usual = self.means(self.copy("usual.mp4", "null"))
        self.assertTrue(40 < usual["brightness"] < 220 and 10 < usual["contrast"] < 100, usual)
        dark = self.means(self.copy("dark.mp4", "format=gbrp,lutrgb=r=val/2:g=val/2:b=val/2"))
        self.assertAlmostEqual(dark["brightness"] / usual["brightness"], 0.5, delta=0.03)
        self.assertAlmostEqual(dark["contrast"] / usual["contrast"], 0.5, delta=0.05)
        blurred = self.means(self.copy("blurred.mp4", "gblur=sigma=3"))
        self.assertLess(blurred["sharpness"], 0.3 * usual["sharpness"])
        self.assertAlmostEqual(blurred["brightness"] / usual["brightness"], 1, delta=0.05)
        moved = self.means(self.copy("moved.mp4", "dblur=angle=0:radius=8"))
        self.assertLess(moved["sharpness"], 0.5 * usual["sharpness"])

    def test_all_flows_measure_the_same_pixels(self):
        rows = {flow: self.follow(SMALL, "--limit", 5, "--flow", flow) for flow in ("fused", "threaded", "shared", "cached", "copied")}
        for flow, mine in rows.items():
            for a, b in zip(rows["fused"], mine):
                for x, y in zip(a["faces"], b["faces"]):
                    for key in ("brightness", "contrast", "sharpness"):
                        if flow == "copied":  # its pixels are rounded to 8 bits
                            self.assertAlmostEqual(x["measures"][key], y["measures"][key], delta=1 + 0.05 * x["measures"][key])
                        else:
                            self.assertEqual(x["measures"][key], y["measures"][key], (flow, key))

    def test_emulated_devices_measure_the_same_pixels(self):
        own, emulated = self.follow(SMALL, "--limit", 5), self.follow(SMALL, "--limit", 5, "--device", "emulated")
        self.assertEqual([row["faces"] for row in own], [row["faces"] for row in emulated])

    def test_another_convention_of_pose_is_written_beside_faceflows(self):
        usual = self.follow(SMALL, "--limit", 5)
        self.assertEqual(self.summary()["pose_convention"], "faceflow")
        usual_records = self.records()
        rows = self.follow(SMALL, "--limit", 5, "--pose-convention", "openface")
        self.assertEqual(self.summary()["pose_convention"], "openface")
        self.check_schemas()
        records = self.records()
        self.assertEqual(list(records[0]), [*usual_records[0], *("pose_" + name for name in ("Tx", "Ty", "Tz", "Rx", "Ry", "Rz", "Rx_rate", "Ry_rate", "Rz_rate"))])
        for a, b in zip(usual, rows):
            for x, y in zip(a["faces"], b["faces"]):
                other, pose = y.pop("openface"), y["pose"]
                self.assertEqual(x, y, "nothing else changes")
                # For small pitch and roll; the rest is for unit tests.
                self.assertAlmostEqual(math.degrees(other["pose_Ry"]), -pose["yaw"], delta=4)
                self.assertAlmostEqual(math.degrees(other["pose_Rx"]), -pose["pitch"], delta=4)
                self.assertAlmostEqual(math.degrees(other["pose_Rz"]), pose["roll"], delta=4)
                self.assertAlmostEqual(other["pose_Tz"], -10 * pose["matrix"][11], delta=0.01)
                self.assertEqual(other["pose_Ry_rate"] is None, x["measures"]["yaw_rate"] is None)
        self.assertEqual(float(records[0]["pose_Rx"]), self.lines()[0]["faces"][0]["openface"]["pose_Rx"])

    def test_changes_are_relative_to_the_first_seconds(self):
        usual = self.follow(SMALL, "--limit", 45)
        usual_records = self.records()
        rows = self.follow(SMALL, "--limit", 45, "--baseline", 0.5)
        self.assertEqual(self.summary()["baseline_seconds"], 0.5)
        self.check_schemas()
        names = ("eye_open_right", "eye_open_left", "mouth_open", "smile_width", "brow_right", "brow_left")
        self.assertEqual(list(self.records()[0]), [*usual_records[0], *(name + "_change" for name in names)])
        seen = set()
        for a, b in zip(usual, rows):
            for x, y in zip(a["faces"], b["faces"]):
                changes = y.pop("changes")
                self.assertEqual(x, y, "nothing else changes")
                self.assertEqual(tuple(changes), names)
                for name, change in changes.items():
                    if b["pts"] < 0.5:
                        self.assertIsNone(change)
                    elif change is not None:
                        seen.add((y["track"], name, round(x["measures"][name] - change, 3)))
        baselines = {(track, name) for track, name, _ in seen}
        self.assertGreaterEqual(len(baselines), len(names), "some track has one")
        for track, name in baselines:
            values = [value for t, n, value in seen if (t, n) == (track, name)]
            self.assertLess(max(values) - min(values), 0.0015, "it stays the same, but for rounding")

    def test_baselines_are_the_same_in_all_flows(self):
        rows = [self.follow(SMALL, "--limit", 20, "--baseline", 0.3, "--flow", flow, "--threads", threads)
                for flow, threads in (("fused", 1), ("fused", 2), ("threaded", 2), ("shared", 2))]
        for mine in rows[1:]:
            self.assertEqual([row["faces"] for row in mine], [row["faces"] for row in rows[0]])
        self.assertIsNotNone(rows[0][-1]["faces"][0]["changes"]["mouth_open"])

    def check_schemas(self):
        for schema, file in (("faces.schema.json", "faces.ndjson"), ("summary.schema.json", "summary.json")):
            done = subprocess.run([sys.executable, CHECK, SCHEMAS / schema, self.dir / "out" / file], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def records(self):
        with open(self.dir / "out" / "faces.csv", newline="") as f:
            return list(csv.DictReader(f))


if __name__ == "__main__":
    unittest.main()
