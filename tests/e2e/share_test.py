#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shared frames as other programs meet them: Python arrays, the examples, the README's snippets, signals.

    share_test.py BUILD_FOLDER [unittest options]
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = None
WIDTH, HEIGHT, FRAMES = 160, 120, 50


def frames_of(raw):
    """(luma, u, v) of each I420 frame."""
    size, chroma = WIDTH * HEIGHT, WIDTH * HEIGHT // 4
    for at in range(0, len(raw), size + 2 * chroma):
        whole = numpy.frombuffer(raw, numpy.uint8, size + 2 * chroma, at)
        yield (whole[:size].reshape(HEIGHT, WIDTH), *whole[size:].reshape(2, HEIGHT // 2, WIDTH // 2))


def mapped_memory():
    """Address ranges of this process in which shared frames lie."""
    for line in pathlib.Path("/proc/self/maps").read_text().splitlines():
        if "memfd:faceflow-cpu" in line:
            yield tuple(int(x, 16) for x in line.split()[0].split("-")), line.split()[1]


class Share(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.clips = pathlib.Path(tempfile.mkdtemp(prefix="faceflow-share-"))
        cls.clip = cls.clips / "clip.mkv"
        make = f"ffmpeg -v error -f lavfi -i testsrc2=s={WIDTH}x{HEIGHT}:r=25 -frames:v {FRAMES} -pix_fmt yuv420p -c:v ffv1"
        subprocess.run([*make.split(), cls.clip], check=True)
        raw = subprocess.run(["ffmpeg", "-v", "error", "-i", cls.clip, "-f", "rawvideo", "-"], check=True, capture_output=True)
        cls.pixels = list(frames_of(raw.stdout))
        assert len(cls.pixels) == FRAMES

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.clips)

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="faceflow-share-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.socket = self.dir / "share.sock"

    def share(self, *args, env=None, socket=True):
        where = ["--socket", self.socket] if socket else []
        command = [BUILD / "faceflow", "share", self.clip, *where, "--json", *args]
        p = subprocess.Popen([str(a) for a in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        self.addCleanup(p.stderr.close)
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        self.assertIn("sharing at", p.stderr.readline())
        return p

    def counters(self, p):
        self.assertEqual(p.wait(60), 0)
        self.assertFalse(self.socket.exists(), "no socket is left")
        return json.loads(p.stdout.read())

    def run_ok(self, *command, **more):
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=60, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_python_sees_the_clips_pixels_in_the_servers_memory(self):
        p = self.share("--once-connected", "--fps", 100)
        seen = 0
        with faceflow_client.connect(self.socket, leases=32, policy=faceflow_client.FIFO) as share:
            for frame in share:
                self.assertEqual((frame.format, frame.width, frame.height), ("i420", WIDTH, HEIGHT))
                for plane, wanted in enumerate(self.pixels[frame.sequence]):
                    array = numpy.from_dlpack(frame.plane(plane))
                    numpy.testing.assert_array_equal(array, wanted)
                    self.assertFalse(array.flags.owndata)
                    address = array.__array_interface__["data"][0]
                    inside = [rights for (low, high), rights in mapped_memory() if low <= address < high]
                    self.assertEqual(inside, ["r--s"], "the array lies in the read-only mapping")
                with self.assertRaises(IndexError):
                    numpy.from_dlpack(frame.plane(3))
                seen += 1
        self.assertEqual(seen, self.counters(p)["announced"])
        self.assertGreater(seen, FRAMES // 2)

    def test_one_that_anticipates_sees_the_same_pixels(self):
        p = self.share("--once-connected", "--fps", 50)
        seen = 0
        with faceflow_client.connect(self.socket, leases=32, policy=faceflow_client.FIFO, anticipate=True) as share:
            for frame in share:
                numpy.testing.assert_array_equal(numpy.from_dlpack(frame.plane(0)), self.pixels[frame.sequence][0])
                seen += 1
        self.assertEqual(seen, self.counters(p)["announced"])

    def test_attach_says_how_long_it_has_looked(self):
        for option, looked in (["--anticipate"], True), ([], False):
            p = self.share("--once-connected", "--loop", "--fps", 30)
            said = self.run_ok(BUILD / "faceflow", "attach", self.socket, "--frames", 60, "--json", *option).splitlines()
            whole = json.loads(said[-1])
            self.assertEqual(whole["frames"], 60)
            self.assertLessEqual(whole["met"], 60)
            if not looked:
                self.assertEqual((whole["met"], whole["looking_ms"]), (0, 0))
            p.send_signal(signal.SIGTERM)
            self.counters(p)

    def test_an_array_keeps_its_frame_after_frame_client_and_server_are_gone(self):
        p = self.share("--fps", 100, "--loop")
        share = faceflow_client.connect(self.socket, leases=2)
        frame = share.next(10)
        sequence, array = frame.sequence % FRAMES, numpy.from_dlpack(frame.plane(0))
        frame.plane(0).__dlpack__()  # a tensor that nobody takes
        frame.release()
        for _ in range(20):
            share.next(10).release()
        numpy.testing.assert_array_equal(array, self.pixels[sequence][0])
        share.close()
        p.send_signal(signal.SIGTERM)
        self.counters(p)
        numpy.testing.assert_array_equal(array, self.pixels[sequence][0])

    def test_a_lease_comes_back_when_its_array_is_collected(self):
        self.share("--fps", 100, "--loop")
        with faceflow_client.connect(self.socket, leases=1) as share:
            array = numpy.from_dlpack(share.next(10).plane(0))
            self.assertIsNone(share.next(0.2))
            del array
            self.assertIsNotNone(share.next(10))

    def test_sigterm_ends_it_cleanly_and_its_clients_know(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            p = self.share("--loop")
            reader = subprocess.Popen([BUILD / "faceflow", "attach", self.socket, "--json"], stdout=subprocess.PIPE, text=True)
            self.addCleanup(reader.stdout.close)
            first = json.loads(reader.stdout.readline())
            self.assertGreater(first["frames"], 5)
            p.send_signal(number)
            counters = self.counters(p)
            self.assertEqual(counters["clients"], 1)
            self.assertEqual(reader.wait(20), 0)
            whole = json.loads(reader.stdout.read().splitlines()[-1])
            self.assertTrue(whole["total"])
            self.assertEqual(whole["frames"] + whole["dropped"], counters["announced"] + counters["dropped"]["no_lease"])

    def test_a_server_that_is_killed_is_lost_and_its_place_is_free(self):
        p = self.share("--loop")
        with faceflow_client.connect(self.socket) as share:
            self.assertIsNotNone(share.next(10))
            p.kill()
            with self.assertRaisesRegex(OSError, "gone without a word"):
                while True:
                    share.next(10)
        p = self.share("--limit", 3)
        self.assertEqual(self.counters(p)["frames"], 3)
        with self.assertRaisesRegex(OSError, "no process listens"):
            faceflow_client.connect(self.socket)

    def test_the_recorder_writes_what_the_clip_holds(self):
        p = self.share("--once-connected")
        said = self.run_ok(BUILD / "faceflow_example_recorder", self.dir / "out.y4m", self.socket)
        counters = self.counters(p)
        self.assertIn(f"{counters['announced']} frames", said)
        raw = self.run_bytes("ffmpeg", "-v", "error", "-i", self.dir / "out.y4m", "-f", "rawvideo", "-")
        if counters["announced"] == FRAMES:
            for got, wanted in zip(frames_of(raw), self.pixels, strict=True):
                for a, b in zip(got, wanted, strict=True):
                    numpy.testing.assert_array_equal(a, b)

    def run_bytes(self, *command):
        return subprocess.run([str(c) for c in command], check=True, capture_output=True, timeout=60).stdout

    def test_the_viewer_draws(self):
        self.share("--once-connected", "--limit", 5)
        said = self.run_ok(BUILD / "faceflow_example_viewer", self.socket)
        self.assertIn("\u2580", said)
        self.assertIn(f"{WIDTH}x{HEIGHT} i420", said)

    def test_the_examples_tell_how_they_are_used(self):
        for name in ("faceflow_example_viewer", "faceflow_example_recorder"):
            with self.subTest(name=name):
                self.assertIn("[SOCKET]", self.run_ok(BUILD / name, "--help"))
                done = subprocess.run([BUILD / name, "--hlep"], capture_output=True, text=True, timeout=20)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn("usage: ", done.stderr)

    def test_the_client_library_needs_only_the_runtimes(self):
        needed = self.run_ok("objdump", "-p", BUILD / "libfaceflow-client.so")
        libraries = {line.split()[1].split(".so")[0] for line in needed.splitlines() if "NEEDED" in line}
        self.assertLessEqual(libraries, {"libc", "libm", "libstdc++", "libgcc_s", "ld-linux-x86-64"})
        shown = self.run_ok("nm", "-D", "--defined-only", BUILD / "libfaceflow-client.so").splitlines()
        declared = set(re.findall(r"\b(ff_[a-z_]+)\(", (ROOT / "include/faceflow/client.h").read_text()))
        self.assertEqual({line.split()[-1] for line in shown}, declared)


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
    os.environ["FACEFLOW_CLIENT"] = str(BUILD / "libfaceflow-client.so")
    sys.path.insert(0, str(ROOT / "examples" / "python"))
    import faceflow_client

    unittest.main()
