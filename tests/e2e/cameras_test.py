#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cameras that speak RTSP, by GStreamer's server: they stall, jump in time, change their size, are lost and come back.

    cameras_test.py FACEFLOW [unittest options]
"""
import json
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from support import FACEFLOW, ROOT, SMALL, Case, faceflow, ffmpeg

PYTHON = "/usr/bin/python3"  # Debian's own, which has GStreamer's bindings
HAS_SERVER = subprocess.run([PYTHON, "-c", "import gi; gi.require_version('GstRtspServer', '1.0')"], capture_output=True).returncode == 0
SECRET = "hush-4711"
PATIENCE = 40  # seconds until what is waited for counts as missing


class Camera:
    def __init__(self, case, *streams, **login):
        options = [x for key, value in login.items() for x in (f"--{key}", value)]
        self.program = subprocess.Popen([PYTHON, ROOT / "tests" / "helpers" / "rtsp_camera.py", *streams, *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        case.addCleanup(self.program.stdout.close)
        case.addCleanup(self.program.stdin.close)
        case.addCleanup(self.program.wait)
        case.addCleanup(self.program.kill)
        port = self.program.stdout.readline().strip()
        who = f"{login['user']}:{login['password']}@" if login else ""
        self.address = f"rtsp://{who}127.0.0.1:{port}/cam"

    def do(self, *words):
        line = " ".join(map(str, words))
        self.program.stdin.write(line + "\n")
        self.program.stdin.flush()
        assert self.program.stdout.readline().strip() == line


class Run:
    """A run that goes on, its rows as they come and what it says."""

    def __init__(self, case, *args):
        self.case, self.rows, self.bytes, self.said = case, [], 0, []
        self.out = case.dir / "out"
        self.program = subprocess.Popen([FACEFLOW, "run", *map(str, args), "--out", self.out, "--json", "--detect-size", "320x192"],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        case.addCleanup(self.program.stdout.close)
        case.addCleanup(self.program.wait)
        case.addCleanup(self.program.kill)
        self.listener = threading.Thread(target=self.listen)
        self.listener.start()
        case.addCleanup(self.listener.join)
        case.addCleanup(self.program.kill)

    def listen(self):
        with self.program.stderr as lines:
            self.said.extend(iter(lines.readline, ""))

    def read(self):
        for part in [*self.out.glob(".faces.ndjson.part-*"), *self.out.glob("faces.ndjson")][:1]:
            with open(part, "rb") as file:
                file.seek(self.bytes)
                new = file.read()
            whole = new[:new.rfind(b"\n") + 1]
            self.bytes += len(whole)
            self.rows += map(json.loads, whole.splitlines())

    def wait(self, what, condition):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.read()
            if condition():
                return
            if self.program.poll() is not None:
                break
            time.sleep(0.05)
        self.case.fail(f"{what}: not seen; {len(self.rows)} rows, and it said {self.said}")

    def wait_for_rows(self, more=10):
        self.read()
        wanted = len(self.rows) + more
        self.wait(f"{more} more rows", lambda: len(self.rows) >= wanted)

    def wait_for_message(self, text):
        self.wait(text, lambda: any(text in line for line in self.said))

    def stop(self):
        self.program.send_signal(signal.SIGINT)
        return self.end()

    def end(self):
        self.printed = self.program.stdout.read()
        code = self.program.wait(PATIENCE)
        self.listener.join()
        self.read()
        return code


def tracks(row):
    return [face["track"] for face in row["faces"]]


@unittest.skipUnless(SMALL.exists(), "small.mp4 is missing; the build makes it of the demo clip")
@unittest.skipUnless(HAS_SERVER, "GStreamer's RTSP server is missing; tools/setup.sh installs it")
class Cameras(Case):
    @classmethod
    def setUpClass(cls):
        cls.clips = pathlib.Path(tempfile.mkdtemp(prefix="faceflow-cameras-"))
        cls.addClassCleanup(shutil.rmtree, cls.clips)

    def stream(self, size):
        file = self.clips / f"{size}.h264"
        if not file.exists():
            ffmpeg("-i", SMALL, "-t", 2, "-vf", f"scale={size.replace('x', ':')},setsar=1", "-r", 25, "-an", "-c:v", "libx264", "-preset", "veryfast",
                   "-bf", 0, "-g", 12, "-x264-params", "aud=1:repeat-headers=1", "-f", "h264", file)
        return file

    def check_whole(self, run):
        """What holds however a run of a camera went."""
        pts = [row["pts"] for row in run.rows]
        self.assertTrue(all(a < b for a, b in zip(pts, pts[1:])), "times that do not ascend")
        summary = self.summary()
        self.assertEqual(summary["frames"], len(run.rows))
        self.assertEqual(json.loads(run.printed), summary)
        # Every number has its row, or its reason.
        self.assertEqual(run.rows[-1]["sequence"] + 1 - len(run.rows), sum(summary["dropped"].values()) + summary["missing"])
        for file in [*run.out.iterdir()]:
            self.assertNotIn(SECRET.encode(), file.read_bytes(), file)
        self.assertNotIn(SECRET, run.printed + "".join(run.said))
        return summary

    @staticmethod
    def without_cut_packets(errors):
        """Where a camera leaves, it may do so in the middle of a frame."""
        return {reason: n for reason, n in errors.items() if reason != "corrupt_packet"}

    def frames_of_video(self):
        probe = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-show_entries",
                                "stream=width,height,nb_read_frames", "-of", "csv=p=0", self.dir / "out" / "annotated.mp4"],
                               capture_output=True, text=True)
        self.assertEqual(probe.stderr, "")
        return probe.stdout.strip()

    def test_a_camera_stalls_jumps_in_time_and_changes_its_size(self):
        camera = Camera(self, self.stream("640x360"), self.stream("480x272"))
        run = Run(self, camera.address)
        run.wait("four faces", lambda: run.rows and len(run.rows[-1]["faces"]) == 4)
        run.wait_for_rows()

        camera.do("stall", 0.6)
        run.wait_for_rows(25)
        before = tracks(run.rows[-1])
        for seconds in (3600, -3000, 20, -600):
            camera.do("jump", seconds)
            run.wait_for_rows(25)
        self.assertEqual(tracks(run.rows[-1]), before, "time that jumps is no time that passes")

        camera.do("stall", 3)
        last = run.rows[-1]["pts"]
        run.wait("the end of a stall", lambda: any(b["pts"] - a["pts"] > 2.5 for a, b in zip(run.rows, run.rows[1:])))
        camera.do("show", 1)
        run.wait("the other size", lambda: run.rows[-1]["width"] == 480)
        run.wait("four faces", lambda: len(run.rows[-1]["faces"]) == 4)
        smaller = run.rows[-1]
        camera.do("show", 0)
        run.wait("the first size", lambda: run.rows[-1]["width"] == 640)
        run.wait_for_rows()

        self.assertEqual(run.stop(), 130)
        summary = self.check_whole(run)
        self.assertEqual(summary["errors"].get("timestamp_jump"), 4)
        self.assertGreaterEqual(summary["errors"].get("stream_gap", 0), 1)
        self.assertNotIn("reconnect", summary["errors"])
        self.assertEqual((smaller["width"], smaller["height"]), (480, 272))
        self.assertLess(run.rows[-1]["pts"], last + 60)
        for face in smaller["faces"]:
            x, y, w, h = face["box"]
            self.assertTrue(0 < x + w / 2 < 480 and 0 < y + h / 2 < 272, face["box"])
        self.assertEqual(self.frames_of_video(), f"640,360,{len(run.rows)}")

    def test_a_camera_that_was_lost_is_taken_up_again(self):
        camera = Camera(self, self.stream("640x360"), user="viewer", password=SECRET)
        run = Run(self, camera.address)
        run.wait_for_rows()
        camera.do("leave")
        run.wait_for_message("was lost")
        camera.do("come")
        run.wait_for_message("is back")
        run.wait_for_rows()
        self.assertEqual(run.stop(), 130)
        summary = self.check_whole(run)
        self.assertEqual(self.without_cut_packets(summary["errors"]), {"reconnect": 1})
        self.assertEqual([line for line in run.said if "viewer:***@" not in line], [])
        self.assertEqual(self.frames_of_video(), f"640,360,{len(run.rows)}")

    def test_a_camera_that_does_not_come_back_ends_the_run_when_it_was_looked_for_long_enough(self):
        camera = Camera(self, self.stream("640x360"), user="viewer", password=SECRET)
        run = Run(self, camera.address, "--reconnect", 1, "--no-video")
        run.wait_for_rows()
        camera.do("leave")
        self.assertEqual(run.end(), 0)
        self.assertIn("did not come back within 1 s:", "".join(run.said))
        self.assertEqual(self.without_cut_packets(self.check_whole(run)["errors"]), {"source_lost": 1})

    def test_a_wrong_password_is_refused_and_not_shown(self):
        camera = Camera(self, self.stream("640x360"), user="viewer", password="another")
        for address in (camera.address.replace("another", SECRET), camera.address.replace("viewer:another@", "")):
            done = faceflow("run", address, "--out", self.dir / "out")
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("refuses access", done.stderr)
            self.assertNotIn(SECRET, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
