#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures through `faceflow run`: one, many, in folders and as arguments, and what is written of them.

    pictures_test.py FACEFLOW [unittest options]
"""
import os
import pathlib
import resource
import shutil
import subprocess
import unittest

from support import FACEFLOW, SMALL, Case, faceflow, ffmpeg


def shape(path):
    done = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0", path],
                          check=True, capture_output=True, text=True)
    codec, width, height = done.stdout.strip().split(",")
    return codec, int(width), int(height)


def pixels(path):
    return subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], check=True, capture_output=True).stdout


class Pictures(Case):
    def setUp(self):
        super().setUp()
        self.out = self.dir / "out"
        self.album = self.dir / "album"
        self.album.mkdir()

    def picture(self, name, *filters):
        """A frame of the clip: four faces."""
        more = ("-vf", ",".join(filters)) if filters else ()
        ffmpeg("-i", SMALL, "-frames:v", 1, *more, self.dir / "album" / name)
        return self.album / name

    def run_quick(self, *args, **more):
        return self.run_ok(*args, "--detect-size", "320x192", **more)

    def names(self, folder="."):
        return sorted(p.name for p in (self.out / folder).iterdir())


@unittest.skipUnless(SMALL.exists(), "the small clip is missing; the build makes it of assets/demo.mp4")
class AnnotatedPictures(Pictures):
    def test_one_picture_gives_one_named_after_it(self):
        for name, given, codec in (("a.jpg", "a-annotated.jpg", "mjpeg"), ("b.png", "b-annotated.png", "png"), ("c.webp", "c-annotated.jpg", "mjpeg"),
                                   ("d e.bmp", "d e-annotated.jpg", "mjpeg")):
            with self.subTest(name):
                source = self.picture(name)
                self.run_quick(source)
                self.assertEqual(self.names(), sorted([given, "events.csv", "faces.csv", "faces.ndjson", "summary.json"]))
                self.assertEqual(shape(self.out / given), (codec, 640, 360))
                self.assertEqual(len(self.lines()[0]["faces"]), 4)
                self.assertNotEqual(pixels(self.out / given), pixels(source))
                shutil.rmtree(self.out)

    def test_the_content_says_whether_it_is_a_png(self):
        self.picture("a.png").rename(self.album / "a.jpg")
        self.run_quick(self.album / "a.jpg")
        self.assertIn("a-annotated.png", self.names())

    def test_a_png_keeps_what_is_not_drawn_on(self):
        source = self.picture("a.png", "crop=639:359")  # odd
        self.run_quick(source)
        before, after = pixels(source), pixels(self.out / "a-annotated.png")
        changed = sum(before[i:i + 3] != after[i:i + 3] for i in range(0, len(before), 3))
        self.assertGreater(changed, 500)
        self.assertLess(changed, 639 * 359 // 5)
        empty = self.album / "empty.png"
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48", "-frames:v", 1, "-pix_fmt", "rgb24", empty)
        self.run_quick(empty)
        self.assertEqual(pixels(empty), pixels(self.out / "empty-annotated.png"))

    def test_a_picture_on_its_side_gives_the_faces_and_the_picture_of_the_upright_one(self):
        self.run_quick(self.picture("upright.png"))
        upright, annotated = self.lines()[0], pixels(self.out / "upright-annotated.png")
        for orientation, stored in ((3, "hflip,vflip"), (6, "transpose=2"), (8, "transpose=1")):
            with self.subTest(orientation):
                source = self.picture("a.png", stored)
                png = source.read_bytes()
                exif = b"MM\0*" + (8).to_bytes(4, "big") + bytes.fromhex(f"0001 0112 0003 00000001 {orientation:04x} 0000 00000000")
                source.write_bytes(png[:33] + len(exif).to_bytes(4, "big") + b"eXIf" + exif + b"\0\0\0\0" + png[33:])
                self.run_quick(source)
                seen = self.lines()[0]
                self.assertEqual((seen["width"], seen["height"], len(seen["faces"])), (640, 360, 4))
                for a, b in zip(upright["faces"], seen["faces"]):
                    self.assertLess(max(abs(p - q) for m, n in zip(a["landmarks"], b["landmarks"]) for p, q in zip(m[:2], n[:2])), 1)
                self.assertEqual(shape(self.out / "a-annotated.png"), ("png", 640, 360))
                written = pixels(self.out / "a-annotated.png")
                differ = sum(abs(p - q) > 32 for p, q in zip(written, annotated))
                self.assertLess(differ, len(annotated) // 100)

    def test_a_folder_gives_a_folder_with_one_each_and_none_takes_another_s_name(self):
        for name in ("a.jpg", "a.png", "a.webp", "b.jpg"):
            self.picture(name)
        self.run_quick(self.album)
        self.assertEqual(self.names(), ["annotated", "events.csv", "faces.csv", "faces.ndjson", "summary.json"])
        self.assertEqual(self.names("annotated"), ["a-annotated.jpg", "a-annotated.png", "a.webp-annotated.jpg", "b-annotated.jpg"])
        self.assertEqual(len(self.lines()), 4)

    def test_no_video_writes_no_pictures_either(self):
        self.picture("a.jpg")
        self.run_quick(self.album, "--no-video")
        self.run_quick(self.album / "a.jpg", "--no-video")
        self.assertEqual(self.names(), ["events.csv", "faces.csv", "faces.ndjson", "summary.json"])

    def test_videos_and_pictures_together(self):
        for name in ("a.jpg", "b.jpg", "c.jpg"):
            self.picture(name)
        self.run_quick(self.album / "a.jpg", SMALL, self.album / "b.jpg", self.album / "c.jpg", "--limit", 5)
        self.assertEqual(self.names(), ["a-annotated.jpg", "annotated-1.mp4", "annotated-2", "events.csv", "faces.csv", "faces.ndjson", "summary.json"])
        self.assertEqual(self.names("annotated-2"), ["b-annotated.jpg", "c-annotated.jpg"])
        rows = sorted((x["source"], pathlib.Path(x["input"]).name) for x in self.lines())
        self.assertEqual(rows, sorted([(0, "a.jpg"), *[(1, SMALL.name)] * 5, (2, "b.jpg"), (2, "c.jpg")]))

    def test_names_that_meet_in_one_folder(self):
        for sub in ("x", "y"):
            (self.album / sub).mkdir()
            self.picture(f"{sub}/p.jpg")
        self.run_quick(self.album / "x/p.jpg", SMALL, self.album / "y/p.jpg", "--limit", 1)
        self.assertEqual([n for n in self.names() if n.endswith("jpg")], ["p-annotated.jpg", "p.jpg-annotated.jpg"])
        self.run_quick(self.album / "x/p.jpg", self.album / "y/p.jpg")
        self.assertEqual(self.names("annotated"), ["p-annotated.jpg", "p.jpg-annotated.jpg"])

    def test_an_input_is_never_written_over(self):
        self.picture("a.jpg")
        before = self.picture("b.jpg").read_bytes()
        (self.out / "annotated").mkdir(parents=True)
        os.link(self.album / "b.jpg", self.out / "annotated" / "a-annotated.jpg")
        done = faceflow("run", self.album, "--out", self.out)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("is an input", done.stderr)
        self.assertEqual((self.album / "b.jpg").read_bytes(), before)

    def test_a_place_for_pictures_that_cannot_be_is_told_before_the_first(self):
        self.picture("a.jpg")
        self.out.mkdir()
        (self.out / "annotated").touch()
        done = faceflow("run", self.album, "--out", self.out)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("annotated", done.stderr)
        self.assertEqual(self.names(), ["annotated"])

    def test_pictures_that_fail_to_be_written_leave_the_rows(self):
        for n in range(3):
            self.picture(f"{n}.png", "noise=alls=100")  # large
        limit = 200_000
        done = subprocess.run([FACEFLOW, "run", self.album, "--out", self.out, "--detect-size", "320x192", "--format", "ndjson"], capture_output=True,
                              text=True, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("goes on without it", done.stderr)
        self.assertEqual(len(self.lines()), 3)
        self.assertEqual(self.names(), ["faces.ndjson", "summary.json"])
        self.assertTrue(self.summary()["unfinished"][0]["file"].endswith("annotated"))

    def test_an_older_annotated_picture_is_replaced(self):
        source = self.picture("a.jpg")
        self.run_quick(source)
        first = (self.out / "a-annotated.jpg").read_bytes()
        (self.out / "a-annotated.jpg").write_bytes(b"old")
        self.run_quick(source)
        self.assertEqual((self.out / "a-annotated.jpg").read_bytes(), first)

    def test_recover_removes_what_is_no_whole_picture(self):
        (self.out / "annotated").mkdir(parents=True)
        token = "0123456789abcdef"
        (self.out / f".faces.ndjson.part-{token}").write_text('{"input":"a","faces":[]}\n')
        (self.out / "annotated" / f".a-annotated.jpg.part-{token}").write_bytes(b"\xff\xd8half a picture")
        (self.out / "annotated" / f".b-annotated.jpg.part-{token}").write_bytes(b"\xff\xd8 a whole one \xff\xd9")
        done = faceflow("recover", self.out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.names("annotated"), ["b-annotated.jpg"])
        self.assertEqual(self.names(), ["annotated", "faces.ndjson", "summary.json"])


@unittest.skipUnless(SMALL.exists(), "the small clip is missing; the build makes it of assets/demo.mp4")
class ManyPictures(Pictures):
    def test_arguments_a_folder_and_a_pattern_are_the_same(self):
        ffmpeg("-i", SMALL, "-frames:v", 12, self.album / "f%d.jpg")
        (self.album / "f3.jpg").write_bytes(b"junk")
        shell = sorted(self.album.glob("*.jpg"), key=lambda p: int(p.stem[1:]))
        seen = []
        for inputs in ((self.album,), (f"{self.album}/*.jpg",), shell):
            self.run_quick(*inputs)
            seen.append((sorted(self.names("annotated")), (self.out / "faces.ndjson").read_text(), self.summary()["errors"]))
            self.assertEqual(len(self.lines()), 11)
            self.assertEqual({x["source"] for x in self.lines()}, {0})
            shutil.rmtree(self.out)
        self.assertEqual(seen[1], seen[0])
        self.assertEqual(seen[2], seen[0])

    def test_300_arguments_need_few_descriptors(self):
        one = self.picture("000.jpg", "scale=64:36")
        for n in range(1, 300):
            shutil.copy(one, self.album / f"{n:03}.jpg")
        done = self.run_quick(*sorted(self.album.glob("*.jpg")), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80)))
        self.assertEqual(len(self.lines()), 300, done.stderr)
        self.assertEqual(len(self.names("annotated")), 300)

    def test_what_is_left_out_and_what_cannot_be_read_is_named_and_counted(self):
        good = self.picture("a.png")
        shutil.copy(good, self.album / "no_extension")
        (self.album / "broken.jpg").write_bytes(b"junk")
        (self.album / "notes.txt").write_text("a text")
        shutil.copy(SMALL, self.album / "clip.mp4")
        done = self.run_quick(self.album)
        self.assertIn(f"left out 2 files of {self.album} that are no pictures: clip.mp4, notes.txt", done.stderr)
        self.assertIn("broken.jpg", done.stderr)
        self.assertEqual([pathlib.Path(x["input"]).name for x in self.lines()], ["a.png", "no_extension"])
        errors = self.summary()["errors"]
        self.assertEqual((errors["left_out"], errors["corrupt_picture"]), (2, 1))

    def test_a_thousand_broken_ones_are_not_a_thousand_lines(self):
        self.picture("a.png")
        for n in range(50):
            (self.album / f"b{n}.jpg").write_bytes(b"junk")
        done = self.run_quick(self.album)
        self.assertLess(len(done.stderr.splitlines()), 15)
        self.assertEqual(self.summary()["errors"]["corrupt_picture"], 50)

    def test_a_picture_that_is_too_large_is_named_with_the_limit(self):
        self.picture("a.png")
        ffmpeg("-f", "lavfi", "-i", "color=red:s=64x4", "-frames:v", 1, "-vf", "scale=16385:4", "-pix_fmt", "rgb24", self.album / "b.png")
        done = self.run_quick(self.album)
        self.assertIn("b.png is not a picture that can be read: it has 16385x4 pixels, and faceflow takes at most 16384x16384", done.stderr)
        self.assertEqual(len(self.lines()), 1)
        done = faceflow("run", self.album / "b.png", "--out", self.dir / "none")
        self.assertEqual(done.returncode, 3)
        self.assertIn("at most 16384x16384", done.stderr)

    def test_pages_beyond_the_first_are_told_of(self):
        page = self.picture("page.tif").read_bytes()
        at = int.from_bytes(page[4:8], "little")
        bytes_of = 2 + 12 * int.from_bytes(page[at:at + 2], "little")
        many = page + b"\0" * (len(page) % 2)
        many = many[:at + bytes_of] + len(many).to_bytes(4, "little") + many[at + bytes_of + 4:] + page[at:at + bytes_of] + bytes(4)
        (self.album / "page.tif").write_bytes(many)
        done = self.run_quick(self.album / "page.tif")
        self.assertIn("page.tif has 2 pages; the first one is read", done.stderr)
        self.assertEqual(self.summary()["errors"]["first_picture_only"], 1)
        self.assertEqual(len(self.lines()[0]["faces"]), 4)

    def test_all_that_cannot_be_read_is_an_input_error(self):
        for n in range(2):
            (self.album / f"{n}.jpg").write_bytes(b"junk")
        done = faceflow("run", *self.album.glob("*.jpg"), "--out", self.out)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("0.jpg", done.stderr)
        self.assertFalse((self.out / "annotated").exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
