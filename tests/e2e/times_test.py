#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""When frames are shown, from the command line to the annotated video: joins, gaps of hours, sound, and recordings in real time.

    times_test.py FACEFLOW [unittest options]
"""
import json
import subprocess
import time
import unittest

from support import SMALL, Case, Times, faceflow, ffmpeg, probe

FAST = ("--detector", "blazeface", "--detect-size", "320x192")


@unittest.skipUnless(SMALL.exists(), "small.mp4 is missing; the build makes it of the demo clip")
class Joins(Times):
    def join(self, *options):
        ffmpeg("-i", SMALL, "-f", "lavfi", "-i", "sine", "-map", "0:v", "-map", "1:a", "-t", 1, "-c:v", "libx264", "-preset", "veryfast", *options,
               self.dir / "one.ts")
        (self.dir / "joined.ts").write_bytes((self.dir / "one.ts").read_bytes() * 3)
        return self.dir / "joined.ts"

    def test_joined_recordings_have_every_frame_their_tracks_and_their_sound(self):
        self.run_ok(self.join("-c:a", "aac"), *FAST)
        self.check_times([i / 30 for i in range(90)])
        self.assertEqual(self.summary()["errors"].get("timestamp_jump"), 2)
        self.assertEqual({len(row["faces"]) for row in self.lines()}, {4})
        self.assertEqual(len({face["track"] for row in self.lines() for face in row["faces"]}), 4)
        self.check_video(90)
        video = self.dir / "out" / "annotated.mp4"
        self.assertEqual(probe(video, "a", "stream=codec_name"), ["aac"])
        sounds = sorted(float(x) for x in probe(video, "a", "packet=pts_time"))
        self.assertGreater(len(sounds), 125, "three seconds of sound, 21 ms each")
        self.assertLess(max(b - a for a, b in zip(sounds, sounds[1:])), 0.1, "no hole where recordings were joined")
        self.assertAlmostEqual(sounds[-1], 3, delta=0.1)
        # As sound: each packet decodes.
        decoded = subprocess.run(["ffmpeg", "-v", "error", "-i", video, "-map", "a", "-f", "null", "-"], capture_output=True, text=True)
        self.assertEqual((decoded.returncode, decoded.stderr), (0, ""))


@unittest.skipUnless(SMALL.exists(), "small.mp4 is missing; the build makes it of the demo clip")
class Gaps(Times):
    def clip(self, name, times, frames, *options):
        ffmpeg("-i", SMALL, "-frames:v", frames, "-an", "-vf", f"setpts='({times})/30/TB'", "-vsync", "passthrough", "-enc_time_base", "1/1000",
               "-c:v", "libx264", "-preset", "veryfast", *options, self.dir / name)
        return self.dir / name

    def test_a_gap_of_hours_is_in_the_rows_and_ends_no_video(self):
        done = self.run_ok(self.clip("gap.mkv", "if(lt(N,10),N,N+1080000)", 20), *FAST)
        self.check_times([(i if i < 10 else i + 1080000) / 30 for i in range(20)])
        self.assertEqual(self.summary()["errors"], {})
        self.assertIn("ten minutes", done.stderr)
        self.check_video(20)
        times = [float(x) for x in probe(self.dir / "out" / "annotated.mp4", "v", "packet=pts_time")]
        self.assertAlmostEqual(max(times), 600 + 18 / 30, delta=0.1)

    def test_frames_hours_apart(self):
        for name in ("lapse.mkv", "lapse.mp4"):
            with self.subTest(name):
                ffmpeg("-i", SMALL, "-frames:v", 5, "-an", "-vf", "setpts=N*25200/TB", "-r", "1/25200", "-c:v", "libx264", self.dir / name)
                done = self.run_ok(self.dir / name, *FAST)
                self.check_times([25200 * i for i in range(5)])
                self.assertEqual(done.stderr, "")
                times = probe(self.dir / "out" / "annotated.mp4", "v", "frame=pts_time")
                self.assertEqual([round(float(t)) for t in times], [25200 * i for i in range(5)])

    def test_sharing_does_not_sleep_through_a_gap(self):
        clip = self.clip("gap.mkv", "if(lt(N,5),N,N+1080000)", 10)
        done = faceflow("share", clip, "--socket", self.dir / "share.sock", "--json", timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["frames"], 10)

    def test_commands_that_read_the_same_inputs(self):
        clip = self.clip("gap.mkv", "if(lt(N,5),N,N+1080000)", 10)
        done = faceflow("compare", clip, "--flows", "fused,threaded", "--device", "emulated", "--detector", "blazeface", "--json", timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = faceflow("plan", "--cameras", 2, "--size", "1280x720", "--fps", 30, "--faces", 2, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)


@unittest.skipUnless(SMALL.exists(), "small.mp4 is missing; the build makes it of the demo clip")
class Realtime(Times):
    def test_files_take_as_long_as_they_last_and_nothing_goes_uncounted(self):
        for seconds in (1, 2):
            ffmpeg("-i", SMALL, "-t", seconds, "-an", "-c", "copy", self.dir / f"{seconds}.mp4")
        begun = time.monotonic()
        self.run_ok(self.dir / "1.mp4", self.dir / "2.mp4", "--realtime", "--no-video", *FAST)
        self.assertGreater(time.monotonic() - begun, 1.9)
        summary = self.summary()
        self.assertEqual(summary["missing"], 0)
        live = {(row["source"], row["sequence"]): row["pts"] for row in self.lines()}
        self.run_ok(self.dir / "1.mp4", self.dir / "2.mp4", "--no-video", *FAST)
        whole = {(row["source"], row["sequence"]): row["pts"] for row in self.lines()}
        self.assertEqual(summary["frames"] + sum(summary["dropped"].values()), len(whole))
        self.assertEqual(live, {key: whole[key] for key in live})

    def test_a_machine_that_is_too_slow_drops_and_counts(self):
        ffmpeg("-i", SMALL, "-t", 2, "-an", "-vf", "fps=120", "-c:v", "libx264", "-preset", "veryfast", self.dir / "fast.mp4")
        self.run_ok(self.dir / "fast.mp4", "--realtime", "--no-video", "--threads", 1, "--detect-size", "640x640")
        summary = self.summary()
        self.assertEqual(summary["frames"] + summary["dropped"].get("overtaken", 0), 240)
        self.assertEqual(set(summary["dropped"]) - {"overtaken"}, set())

    def test_pictures(self):
        ffmpeg("-i", SMALL, "-frames:v", 10, self.dir / "%d.png")
        self.run_ok(self.dir, "--realtime", "--no-video", *FAST)
        summary = self.summary()
        self.assertEqual(summary["frames"] + sum(summary["dropped"].values()), 10)
        self.assertEqual(self.lines()[0]["pts"], 0)


class Options(Case):
    def test_how_long_a_lost_input_is_looked_for_is_a_number_or_forever(self):
        for nonsense in ("never", "-1", "1s", "", "nan", "1e99"):
            with self.subTest(nonsense):
                done = faceflow("run", "rtsp://127.0.0.1:9/x", f"--reconnect={nonsense}", "--out", self.dir / "out")
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn("--reconnect", done.stderr)
                self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
