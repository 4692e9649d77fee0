#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Inputs of `faceflow run`: files, folders and streams, whole and broken, and what it says of those it cannot take.

    inputs_test.py FACEFLOW [unittest options]
"""
import pathlib
import subprocess
import unittest

from support import DEMO, FACEFLOW, Case, faceflow, ffmpeg


@unittest.skipUnless(DEMO.exists(), "assets/demo.mp4 is missing; tools/setup.sh makes it")
class Inputs(Case):
    def test_standard_input(self):
        ffmpeg("-i", DEMO, "-t", "0.5", "-c", "copy", "-f", "mpegts", self.dir / "part.ts")
        with open(self.dir / "part.ts", "rb") as stream:
            self.run_ok("-", "--no-video", "--detector", "blazeface", stdin=stream)
        self.assertGreaterEqual(len(self.lines()), 10)

    def test_image_folder_and_glob(self):
        pictures = self.dir / "pictures"
        pictures.mkdir()
        ffmpeg("-i", DEMO, "-frames:v", "3", pictures / "f%d.png")
        (pictures / "notes.txt").write_text("not a picture")
        for name in (pictures, str(pictures / "*.png"), ):
            self.run_ok(name, "--no-video", "--detector", "blazeface")
            lines = self.lines()
            self.assertEqual([pathlib.Path(x["input"]).name for x in lines], ["f1.png", "f2.png", "f3.png"])
        (pictures / "f2.png").write_bytes(b"broken")
        self.run_ok(pictures, "--no-video", "--detector", "blazeface")
        self.assertEqual(len(self.lines()), 2)
        self.assertGreaterEqual(sum(self.summary()["errors"].values()), 1)

    def test_truncated_video_gives_what_decodes_and_counts_the_rest(self):
        data = DEMO.read_bytes()
        ffmpeg("-i", DEMO, "-t", "3", "-c", "copy", "-f", "mpegts", self.dir / "part.ts")
        whole = (self.dir / "part.ts").read_bytes()
        (self.dir / "cut.ts").write_bytes(whole[: len(whole) * 2 // 3])
        self.run_ok(self.dir / "cut.ts", "--no-video", "--detector", "blazeface")
        self.assertGreater(self.summary()["frames"], 20)
        (self.dir / "headless.mp4").write_bytes(data[: len(data) // 2])
        done = faceflow("run", self.dir / "headless.mp4", "--out", self.dir / "out2", "--no-video", "--detector", "blazeface", "--limit", 5)
        self.assertIn(done.returncode, (0, 3), done.stderr)

    def test_bit_flipped_video_never_ends_the_run(self):
        ffmpeg("-i", DEMO, "-t", "2", "-c", "copy", "-f", "mpegts", self.dir / "part.ts")
        data = bytearray((self.dir / "part.ts").read_bytes())
        for at in range(5000, len(data), 9973):
            data[at] ^= 0x55
        (self.dir / "flipped.ts").write_bytes(data)
        self.run_ok(self.dir / "flipped.ts", "--no-video", "--detector", "blazeface")
        summary = self.summary()
        self.assertGreater(summary["frames"], 5)
        self.assertGreater(sum(summary["errors"].values()), 0)


class Addresses(Case):
    def clip(self, name):
        ffmpeg("-f", "lavfi", "-i", "testsrc2=d=0.2:r=10:s=64x48", self.dir / "plain.mp4")
        (self.dir / "plain.mp4").rename(self.dir / name)
        return self.dir / name

    def test_a_file_address_is_decoded(self):
        where = self.clip("a b%20?#é.mp4")
        coded = f"{self.dir}/a%20b%2520%3F%23%c3%a9.mp4"
        for address in (f"file://{coded}", f"file://localhost{coded}", f"FILE://LocalHost{coded}", f"file:{coded}"):
            with self.subTest(address):
                self.run_ok(address, "--no-video", "--detector", "blazeface")
                self.assertEqual({x["input"] for x in self.lines()}, {str(where)})

    def test_a_pattern_in_an_address_and_a_file_that_is_called_like_one(self):
        self.clip("file:x.mp4")
        done = faceflow("run", "file:x.mp4", "--no-video", "--detector", "blazeface", "--quiet", cwd=self.dir)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_addresses_that_make_no_sense(self):
        for address, says in (("file:///a%2", "%25"), ("file:///a%zz.mp4", "%25"), ("file:///100%", "%25"), ("file:///a%00b", "%25"),
                              ("file:///a%+1b", "%25"), ("file://nas/a.mp4", "host nas"), ("file://", "no path"), ("file://localhost", "no path")):
            with self.subTest(address):
                self.run_fails(2, address, says=[address, says])

    def test_an_index_at_the_end_by_any_pipe(self):
        ffmpeg("-f", "lavfi", "-i", "testsrc2=d=2:r=25:s=640x480", "-b:v", "4M", self.dir / "late.mp4")
        self.assertGreater((self.dir / "late.mp4").stat().st_size, 300_000)
        for command in ('cat late.mp4 | "$0" run -', 'cat late.mp4 | "$0" run /dev/stdin', '"$0" run <(cat late.mp4)',
                        'mkfifo f; cat late.mp4 >f & "$0" run f'):
            with self.subTest(command):
                done = subprocess.run(["bash", "-c", command, FACEFLOW], cwd=self.dir, capture_output=True, text=True, timeout=120)
                self.assertEqual(done.returncode, 3, done.stderr)
                self.assertIn("-movflags +faststart", done.stderr)
                self.assertNotIn("damaged", done.stderr)
        # A file is a file, by whatever descriptor.
        done = subprocess.run(["bash", "-c", '"$0" run - --no-video --detector blazeface <late.mp4', FACEFLOW], cwd=self.dir, capture_output=True,
                              text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)


class BadInput(Case):
    def test_missing_file(self):
        self.run_fails(3, self.dir / "no.mp4", says=["no.mp4"])

    def test_an_input_that_cannot_be_read_or_does_not_answer(self):
        self.run_fails(3, "rtsp://127.0.0.1:9/x", says=["127.0.0.1:9", "refused"])

    def test_an_end_beyond_all_time_is_the_end(self):
        ffmpeg("-f", "lavfi", "-i", "testsrc2=d=0.2:r=10:s=64x48", self.dir / "v.mp4")
        self.run_ok(self.dir / "v.mp4", "--no-video", "--detector", "blazeface", "--end", 99999999999)
        self.assertEqual(self.summary()["frames"], 2)

    def test_directory_without_images(self):
        (self.dir / "empty").mkdir()
        self.run_fails(3, self.dir / "empty", says=["empty"])

    def test_zero_bytes(self):
        (self.dir / "zero.mp4").touch()
        self.run_fails(3, self.dir / "zero.mp4", says=["zero.mp4"])

    def test_text_named_mp4(self):
        (self.dir / "text.mp4").write_text("this is no video\n" * 100)
        self.run_fails(3, self.dir / "text.mp4", says=["text.mp4"])

    def test_audio_only(self):
        ffmpeg("-f", "lavfi", "-i", "sine=d=0.5", self.dir / "tone.wav")
        self.run_fails(3, self.dir / "tone.wav", says=["video"])

    def test_a_camera_that_does_not_exist(self):
        self.run_fails(3, "/dev/video99", says=["/dev/video99"])

    def test_odd_sizes_run_through(self):
        for size in ("2x2", "641x363", "16x4000"):
            with self.subTest(size=size):
                ffmpeg("-f", "lavfi", "-i", f"testsrc2=d=0.2:r=10:s={size}", "-pix_fmt", "yuv444p", "-c:v", "ffv1", self.dir / "v.mkv")
                self.run_ok(self.dir / "v.mkv", "--detector", "blazeface")
                self.assertEqual(self.summary()["frames"], 2)
                self.assertEqual(self.summary()["faces"], 0)

    def test_8k_pictures_run_through(self):
        ffmpeg("-f", "lavfi", "-i", "testsrc2=d=0.1:r=10:s=7680x4320", "-frames:v", "1", "-pix_fmt", "yuv420p", "-c:v", "ffv1", self.dir / "v.mkv")
        self.run_ok(self.dir / "v.mkv", "--no-video", "--detector", "blazeface")
        self.assertEqual(self.summary()["frames"], 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
