#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shapes and directions: pixels that are not square, cameras that hang otherwise, portrait frames, crowds and close-ups, HDR."""
import json
import subprocess
import unittest

from support import DEMO, Case, faceflow, ffmpeg


def probe(path, *entries):
    out = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "stream=" + ",".join(entries), "-of", "json", path],
                         capture_output=True, text=True, check=True).stdout
    return json.loads(out)["streams"][0]


class Geometry(Case):
    def faces(self, path, *args):
        done = faceflow("run", path, "--no-video", "--out", "-", *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def still(self, name="still.png", scale="1920:1080", *more):
        path = self.dir / name
        ffmpeg("-i", DEMO, "-frames:v", 1, "-vf", f"scale={scale}:flags=area" + "".join(more), path)
        return path

    def test_pixels_that_are_not_square_are_shown_in_square_ones(self):
        for stored, aspect, square in (("720:576", "64/45", "1024:576"), ("960:1080", "2/1", "1920:1080"), ("1920:540", "1/2", "960:540")):
            ffmpeg("-i", DEMO, "-frames:v", 6, "-an", "-vf", f"scale={stored}:flags=area,setsar={aspect}", "-c:v", "libx264", "-crf", 8, self.dir / "a.mp4")
            ffmpeg("-i", DEMO, "-frames:v", 6, "-an", "-vf", f"scale={square}:flags=area,setsar=1", "-c:v", "libx264", "-crf", 8, self.dir / "s.mp4")
            width, height = map(int, square.split(":"))
            for a, s in zip(self.faces(self.dir / "a.mp4"), self.faces(self.dir / "s.mp4"), strict=True):
                self.assertEqual((a["width"], a["height"]), (width, height))
                self.assertEqual(len(a["faces"]), 4)
                for f, g in zip(a["faces"], s["faces"], strict=True):
                    self.assertAlmostEqual(f["pose"]["yaw"], g["pose"]["yaw"], delta=1.0)
                    self.assertAlmostEqual(f["pose"]["matrix"][11] / g["pose"]["matrix"][11], 1, delta=0.02)
                    for p, q in zip(f["keypoints5"], g["keypoints5"]):
                        self.assertLess(abs(p[0] - q[0]) + abs(p[1] - q[1]), width / 300)
        self.run_ok(self.dir / "a.mp4")
        made = probe(self.dir / "out" / "annotated.mp4", "width", "height", "sample_aspect_ratio")
        self.assertEqual((made["width"], made["height"]), (960, 540))
        self.assertIn(made.get("sample_aspect_ratio", "1:1"), ("1:1", "0:1", "N/A"))

    def test_a_camera_that_hangs_otherwise_is_turned(self):
        upright = self.faces(self.still())[0]
        for turned, *options in (("hflip,vflip", "--rotate", 180), ("transpose=1", "--rotate", 270), ("transpose=2", "--rotate", 90),
                                 ("hflip", "--flip"), ("vflip", "--rotate", 180, "--flip")):
            path = self.dir / "turned.png"
            ffmpeg("-i", self.dir / "still.png", "-vf", turned, path)
            row = self.faces(path, *options)[0]
            self.assertEqual((row["width"], row["height"]), (1920, 1080), options)
            self.assertEqual(len(row["faces"]), 4, options)
            for f, g in zip(row["faces"], upright["faces"], strict=True):
                for p, q in zip(f["landmarks"], g["landmarks"]):
                    self.assertLess(abs(p[0] - q[0]) + abs(p[1] - q[1]), 1, options)

    def test_the_annotated_video_is_turned_and_mirrored_as_results_are(self):
        ffmpeg("-i", DEMO, "-frames:v", 3, "-an", "-vf", "scale=640:360,transpose=0", self.dir / "turned.mp4")  # mirrored and turned
        self.run_ok(self.dir / "turned.mp4", "--rotate", 90, "--flip")
        ffmpeg("-i", DEMO, "-frames:v", 1, "-vf", "scale=160:90,format=gray", self.dir / "a.pgm")
        ffmpeg("-i", self.dir / "out" / "annotated.mp4", "-frames:v", 1, "-vf", "scale=160:90,format=gray", self.dir / "b.pgm")
        a, b = (self.dir / "a.pgm").read_bytes()[-160 * 90:], (self.dir / "b.pgm").read_bytes()[-160 * 90:]
        self.assertLess(sum(abs(x - y) for x, y in zip(a, b)) / len(a), 12)

    def test_nonsense_for_a_turn_is_refused(self):
        done = faceflow("run", DEMO, "--rotate", 45)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--rotate must be 0, 90, 180 or 270", done.stderr)

    def test_small_faces_in_portrait_frames_are_found(self):
        ffmpeg("-i", DEMO, "-frames:v", 4, "-an", "-vf", "scale=480:270:flags=area,pad=1080:1920:300:800", self.dir / "portrait.mp4")
        self.assertEqual([len(r["faces"]) for r in self.faces(self.dir / "portrait.mp4")], [4] * 4)

    def test_pictures_are_looked_at_closely_and_as_a_whole(self):
        small = self.still("small.png", "160:90", ",pad=1600:1200:700:500")
        self.assertEqual(len(self.faces(small)[0]["faces"]), 4)
        self.assertEqual(len(self.faces(small, "--detect-size", "640x384")[0]["faces"]), 0, "this is what the closer look is for")
        close = self.still("close.png", "1920:1080", ",crop=460:460:1230:628,scale=1600:1600")
        self.assertEqual(len(self.faces(close)[0]["faces"]), 1)

    def test_tiles_find_small_faces_in_a_video_in_every_flow(self):
        ffmpeg("-i", DEMO, "-frames:v", 3, "-an", "-vf", "scale=160:90,pad=1600:900:700:500", self.dir / "small.mp4")
        self.assertEqual([len(r["faces"]) for r in self.faces(self.dir / "small.mp4")], [0] * 3)
        rows = set()
        for flow in ("fused", "threaded", "shared", "cached"):
            found = self.faces(self.dir / "small.mp4", "--tiles", 2, "--flow", flow)
            self.assertEqual([len(r["faces"]) for r in found], [4] * 3)
            rows.add(json.dumps(found))
        self.assertEqual(len(rows), 1)
        (self.dir / "tiles.toml").write_text("tiles = 2\n")
        self.assertIn(json.dumps(self.faces(self.dir / "small.mp4", "--config", self.dir / "tiles.toml")), rows)
        done = faceflow("run", self.dir / "small.mp4", "--tiles", 2, "--detector", "blazeface", "--out", self.dir / "out")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--tiles is for RetinaFace", done.stderr)

    def test_hdr_video_is_tagged_as_what_its_pixels_are(self):
        for transfer in ("smpte2084", "arib-std-b67"):
            ffmpeg("-i", DEMO, "-frames:v", 3, "-an", "-vf", "scale=640:360", "-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-x265-params",
                   f"log-level=none:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc", self.dir / "hdr.mp4")
            self.run_ok(self.dir / "hdr.mp4", "--detector", "blazeface")
            made = probe(self.dir / "out" / "annotated.mp4", "color_transfer", "color_primaries", "color_space")
            self.assertEqual((made["color_transfer"], made["color_primaries"], made["color_space"]), (transfer, "bt2020", "bt2020nc"))


if __name__ == "__main__":
    unittest.main()
