#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Outputs of `faceflow run`: standard streams, full disks, interruption, the progress line.

    outputs_test.py FACEFLOW [unittest options]
"""
import json
import os
import pathlib
import pty
import signal
import subprocess
import time
import unittest

from support import DEMO, FACEFLOW, Case, faceflow, ffmpeg


@unittest.skipUnless(DEMO.exists(), "assets/demo.mp4 is missing; tools/setup.sh makes it")
class Outputs(Case):
    def test_ndjson_to_standard_output(self):
        done = faceflow("run", DEMO, "--out", "-", "--limit", 3, "--detector", "blazeface")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([json.loads(x)["sequence"] for x in done.stdout.splitlines()], [0, 1, 2])

    def test_lines_on_standard_output_stand_between_what_others_write_there(self):
        with open(self.dir / "log", "w") as log:
            subprocess.run(["sh", "-c", 'echo before; "$0" run "$1" --out - --limit 2 --detector blazeface --no-video; echo after', FACEFLOW, DEMO],
                           stdout=log, check=True, timeout=120)
        lines = (self.dir / "log").read_text().splitlines()
        self.assertEqual((len(lines), lines[0], lines[-1]), (4, "before", "after"))

    def test_a_full_disk_is_an_error_and_leaves_nothing(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([FACEFLOW, "run", DEMO, "--out", "-", "--limit", "60", "--detector", "blazeface"], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=120)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("No space left", done.stderr)

    def test_a_standard_output_that_is_lost_is_no_success(self):
        with open("/dev/full", "w") as full:
            for command in (["run", DEMO, "--no-video", "--limit", "2", "--json", "--detector", "blazeface", "--out", self.dir / "out"], ["manual"]):
                done = subprocess.run([FACEFLOW, *command], stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
                self.assertEqual(done.returncode, 4, done.stderr)
                self.assertIn("standard output could not be written", done.stderr)

    def test_a_standard_error_that_is_lost_changes_nothing(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([FACEFLOW, "run", self.dir / "no.mp4"], stderr=full, timeout=120)
            self.assertEqual(done.returncode, 3)
            # Processes that die, and are told of while the run goes on.
            command = [FACEFLOW, "run", DEMO, "--flow", "shared", "--limit", "200", "--no-video", "--detector", "blazeface", "--out", self.dir / "out"]
            run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=full)
            killed = []
            while not killed and run.poll() is None:
                time.sleep(0.2)
                for children in pathlib.Path(f"/proc/{run.pid}/task").glob("*/children"):
                    killed += children.read_text().split()
            for process in killed:
                os.kill(int(process), signal.SIGKILL)
            self.assertNotEqual(killed, [])
            self.assertEqual(run.wait(timeout=120), 0)
        self.assertGreater(self.summary()["frames"], 0)

    def test_a_terminal_gets_a_live_progress_line(self):
        leader, follower = pty.openpty()
        run = subprocess.Popen([FACEFLOW, "run", DEMO, "--out", self.dir / "out", "--no-video", "--limit", "60"], stderr=follower,
                               stdout=subprocess.DEVNULL)
        os.close(follower)
        shown = b""
        while True:
            try:
                part = os.read(leader, 4096)
            except OSError:
                break
            if not part:
                break
            shown += part
        self.assertEqual(run.wait(timeout=60), 0)
        self.assertIn(b"fps", shown)
        self.assertIn(b"/60 frames", shown)
        self.assertIn(b"left", shown)


@unittest.skipUnless(DEMO.exists(), "assets/demo.mp4 is missing; tools/setup.sh makes it")
class Interruption(Case):
    def test_interrupt_finishes_the_files(self):
        run = subprocess.Popen([FACEFLOW, "run", DEMO, "--out", self.dir / "out"], stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        while run.poll() is None and not any(p.stat().st_size > 0 for p in (self.dir / "out").glob(".faces.ndjson.part-*")):
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60)
        self.assertEqual(run.returncode, 130, err)
        lines = self.lines()
        self.assertGreater(len(lines), 0)
        self.assertEqual(self.summary()["frames"], len(lines))
        self.assertEqual(sorted(p.name for p in (self.dir / "out").iterdir()), ["annotated.mp4", "events.csv", "faces.csv", "faces.ndjson", "summary.json"])

    def test_a_second_interrupt_quits_at_once(self):
        run = subprocess.Popen([FACEFLOW, "run", DEMO, "--out", self.dir / "out"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while run.poll() is None and not any((self.dir / "out").glob(".faces.ndjson.part-*")):
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        time.sleep(0.6)  # at once, it would be the same wish once more
        run.send_signal(signal.SIGINT)
        self.assertEqual(run.wait(timeout=30), 130)


class BadOutput(Case):
    def test_unwritable_output(self):
        (self.dir / "file").touch()
        ffmpeg("-f", "lavfi", "-i", "testsrc2=d=0.2:s=64x48", self.dir / "v.mp4")
        done = faceflow("run", self.dir / "v.mp4", "--out", self.dir / "file" / "sub", "--detector", "blazeface")
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("--out", done.stderr)
        done = faceflow("run", self.dir / "v.mp4", "--out", "/dev/full", "--detector", "blazeface")
        self.assertEqual(done.returncode, 4, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
