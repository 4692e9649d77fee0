#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `faceflow run` finds in the demo clip and writes of it.

    run_test.py FACEFLOW [unittest options]
"""
import json
import os
import pathlib
import subprocess
import unittest

from support import CHECK, DEMO, SCHEMAS, Case, faceflow, ffmpeg


@unittest.skipUnless(DEMO.exists(), "assets/demo.mp4 is missing; tools/setup.sh makes it")
class DemoClip(Case):
    def test_four_faces_are_found_and_keep_their_tracks(self):
        self.run_ok(DEMO, "--no-video", "--format", "ndjson", timeout=600)
        lines = self.lines()
        self.assertEqual([x["sequence"] for x in lines], list(range(600)))
        home = {}  # track -> quarter of the picture
        found = {}
        for line in lines:
            for face in line["faces"]:
                x, y, w, h = face["box"]
                quarter = (x + w / 2 > 960, y + h / 2 > 540)
                self.assertEqual(home.setdefault(face["track"], quarter), quarter, "a track left its cell")
                found[face["track"]] = found.get(face["track"], 0) + 1
        self.assertEqual(len(found), 4, found)
        self.assertEqual(len(set(home.values())), 4)
        for track, n in found.items():
            self.assertGreaterEqual(n, 594, f"track {track} was seen in {n} of 600 frames")

    def test_same_bytes_for_any_number_of_threads(self):
        outs = []
        for threads in (1, 2, 5):
            self.run_ok(DEMO, "--no-video", "--limit", 40, "--threads", threads, "--detect-every", 2)
            outs.append((self.dir / "out" / "faces.ndjson").read_bytes())
        self.assertEqual(outs[0], outs[1])
        self.assertEqual(outs[0], outs[2])

    def test_several_inputs_are_several_sources_in_one_deterministic_order(self):
        outs = []
        for threads in (1, 3):
            self.run_ok(DEMO, DEMO, "--no-video", "--limit", 10, "--threads", threads)
            outs.append((self.dir / "out" / "faces.ndjson").read_bytes())
        self.assertEqual(outs[0], outs[1])
        self.assertEqual({x["source"] for x in self.lines()}, {0, 1})

    def test_outputs_hold_to_their_schemas(self):
        self.run_ok(DEMO, "--limit", 12)
        out = self.dir / "out"
        for schema, file in (("faces", "faces.ndjson"), ("summary", "summary.json")):
            done = subprocess.run(["/usr/bin/python3", CHECK, SCHEMAS / f"{schema}.schema.json", out / file], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        rows = (out / "faces.csv").read_text().splitlines()
        self.assertEqual(len(rows), 1 + 12 * 4)
        self.assertTrue(all(row.count(",") == rows[0].count(",") for row in rows))
        probe = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-show_entries",
                                "stream=width,height,nb_read_frames", "-of", "csv=p=0", out / "annotated.mp4"],
                               capture_output=True, text=True)
        self.assertEqual(probe.stdout.strip(), "1920,1080,12")

    def test_start_end_and_limit_choose_frames(self):
        self.run_ok(DEMO, "--no-video", "--start", 2, "--end", 2.5, "--detector", "blazeface")
        pts = [x["pts"] for x in self.lines()]
        self.assertEqual(len(pts), 15)
        self.assertGreaterEqual(pts[0], 2)
        self.assertLess(pts[-1], 2.5)

    def test_summary_as_json(self):
        done = self.run_ok(DEMO, "--no-video", "--limit", 3, "--json", "--detector", "blazeface")
        self.assertEqual(json.loads(done.stdout)["frames"], 3)

    def test_summary_says_what_models_computed_in(self):
        run = (DEMO, "--no-video", "--limit", 2, "--detector", "blazeface", "--device", "cpu")
        self.run_ok(*run)
        self.assertEqual(self.summary()["precision"], "fp32")
        # Elsewhere than on CPUs with instructions for it, too.
        config = self.dir / "faceflow.toml"
        config.write_text('precision = "bf16"\n')
        for flow in ("fused", "shared"):
            self.run_ok(*run, "--flow", flow, "--config", config, env={**os.environ, "FACEFLOW_BF16": "any"})
            self.assertEqual(self.summary()["precision"], "bf16")
            self.assertEqual([len(x["faces"]) for x in self.lines()], [4, 4])

    def test_bf16_runs_where_the_cpu_has_it_and_is_refused_elsewhere(self):
        environment = {k: v for k, v in os.environ.items() if k != "FACEFLOW_BF16"}
        able = "avx512_bf16" in pathlib.Path("/proc/cpuinfo").read_text()
        done = faceflow("run", DEMO, "--no-video", "--limit", 1, "--device", "cpu", "--precision", "bf16", "--out", self.dir / "out",
                        env=environment)
        self.assertEqual(done.returncode == 0, able, done.stderr)
        if not able:
            self.assertIn("AVX512_BF16", done.stderr)
            self.assertIn("fp32", done.stderr)

    def test_configuration_file_and_command_line_which_wins(self):
        config = self.dir / "faceflow.toml"
        config.write_text('limit = 7\nvideo = false\ndetector = "blazeface"\n')
        self.run_ok(DEMO, "--config", config)
        self.assertEqual(self.summary()["frames"], 7)
        self.assertEqual(self.summary()["models"][0]["id"], "face_detection_full_range")
        self.run_ok(DEMO, "--config", config, "--limit", 2)
        self.assertEqual(self.summary()["frames"], 2)

    def test_more_than_a_hundred_faces(self):
        ffmpeg("-i", DEMO, "-frames:v", "1", "-vf", "crop=480:480:360:40,scale=128:128", self.dir / "one.png")
        ffmpeg("-loop", "1", "-i", self.dir / "one.png", "-frames:v", "1", "-vf", "loop=143:1:0,tile=12x12", self.dir / "many.png")
        self.run_ok(self.dir / "many.png", "--no-video", "--detect-size", "1536x1536", "--max-faces", 200)
        self.assertEqual(len(self.lines()[0]["faces"]), 144)
        self.run_ok(self.dir / "many.png", "--no-video", "--detect-size", "1536x1536", "--max-faces", 50)
        self.assertEqual(len(self.lines()[0]["faces"]), 50)


if __name__ == "__main__":
    unittest.main(verbosity=2)
