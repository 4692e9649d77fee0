#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What was recorded survives: full disks, kills, hang-ups, inputs that are outputs, links that others planted.

    survival_test.py FACEFLOW [unittest options]
"""
import array
import fcntl
import json
import os
import pathlib
import pty
import resource
import select
import shlex
import shutil
import signal
import subprocess
import termios
import threading
import time
import unittest

from support import CHECK, FACEFLOW, SCHEMAS, SMALL, Case, faceflow, ffmpeg

QUICK = ("--detector", "blazeface")
KILLS = int(os.environ.get("FACEFLOW_KILLS", "10"))


def whole_lines(path):
    """The frames of an NDJSON file, every line of which must be whole."""
    text = path.read_bytes()
    assert text == b"" or text.endswith(b"\n"), f"{path} ends in half a line"
    return [json.loads(line) for line in text.splitlines()]


def frames_of(video):
    done = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-show_entries", "stream=nb_read_frames",
                           "-of", "csv=p=0", video], capture_output=True, text=True)
    return int(done.stdout.strip() or 0)


class Outputs(Case):
    def start(self, *args, **more):
        """A run in the background, whose end is waited for."""
        more.setdefault("stdout", subprocess.DEVNULL)
        more.setdefault("stderr", subprocess.PIPE)
        run = subprocess.Popen([FACEFLOW, "run", *map(str, args)], **more)
        self.addCleanup(lambda: (run.kill(), run.communicate()))
        return run

    def wait_until_it_heeds(self, run, number):
        """Until the program has a handler for that signal; before, it would just end."""
        for _ in range(600):
            if run.poll() is not None:
                return
            status = pathlib.Path(f"/proc/{run.pid}/status").read_text()
            caught = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), 16)
            if caught >> (number - 1) & 1:
                return
            time.sleep(0.05)

    def wait_for_rows(self, run, out):
        """Until rows of the run are in its folder."""
        for _ in range(600):
            if any(p.stat().st_size > 0 for p in out.glob(".faces.ndjson.part-*")):
                return
            self.assertIsNone(run.poll(), "it ended before it wrote")
            time.sleep(0.05)
        self.fail("no row within half a minute")

    def wait_for_parts(self, out, runs):
        """Until so many runs have their files there."""
        for _ in range(600):
            if len({p.name.rpartition("-")[2] for p in out.glob(".faces.csv.part-*")}) >= runs:
                return
            time.sleep(0.05)
        self.fail("no files within half a minute")

    def names(self, folder="out"):
        return sorted(p.name for p in (self.dir / folder).iterdir())

    def test_a_full_disk_leaves_whole_rows_and_the_others_go_on(self):
        out = self.dir / "out"
        limit = 600_000  # of a file: that is how a disk without room fails, and it needs no rights
        done = faceflow("run", SMALL, "--limit", 60, "--out", out, *QUICK,
                        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("faces.ndjson", done.stderr)
        self.assertEqual(self.names(), ["annotated.mp4", "events.csv", "faces.csv", "faces.ndjson", "summary.json"])
        lines = whole_lines(out / "faces.ndjson")
        self.assertGreater(len(lines), 5)
        self.assertLess(len(lines), 60)
        rows = (out / "faces.csv").read_text().splitlines()
        self.assertEqual({row.count(",") for row in rows}, {rows[0].count(",")})
        self.assertEqual(frames_of(out / "annotated.mp4"), 60, "the video had room")
        summary = self.summary()
        self.assertEqual(summary["frames"], 60)
        self.assertEqual(sorted(pathlib.Path(u["file"]).name for u in summary["unfinished"]), ["faces.csv", "faces.ndjson"])
        check = subprocess.run(["/usr/bin/python3", CHECK, SCHEMAS / "summary.schema.json", out / "summary.json"], capture_output=True, text=True)
        self.assertEqual(check.returncode, 0, check.stderr + check.stdout)

    def test_when_no_output_is_left_the_run_ends(self):
        out = self.dir / "out"
        done = faceflow("run", SMALL, "--no-video", "--format", "ndjson", "--out", out, *QUICK,
                        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)))
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertLess(self.summary()["frames"], 300, "it stopped long before the clip's end")
        self.assertGreater(len(whole_lines(out / "faces.ndjson")), 0)

    def test_a_name_that_became_a_folder_costs_no_file(self):
        out = self.dir / "out"
        run = self.start(SMALL, "--limit", 150, "--no-video", "--out", out, *QUICK)
        self.wait_for_rows(run, out)
        (out / "faces.ndjson").mkdir()
        self.assertEqual(run.wait(timeout=120), 0, run.stderr.read())
        self.assertEqual(len(whole_lines(out / "faces-2.ndjson")), 150)

    def test_no_input_is_overwritten(self):
        out = self.dir / "out"
        out.mkdir()
        shutil.copy(SMALL, out / "annotated.mp4")
        whole = (out / "annotated.mp4").read_bytes()
        (self.dir / "linked.mp4").symlink_to(out / "annotated.mp4")
        os.link(out / "annotated.mp4", self.dir / "other.mp4")
        for given in (out / "annotated.mp4", self.dir / "linked.mp4", self.dir / "other.mp4", f"file://{out}/annotated.mp4"):
            done = faceflow("run", given, "--out", out, "--limit", 3, *QUICK)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("is an input", done.stderr)
        with open(out / "annotated.mp4", "rb") as stream:
            done = faceflow("run", "-", "--out", out, "--limit", 3, *QUICK, stdin=stream)
        self.assertEqual(done.returncode, 2, done.stderr)
        done = faceflow("run", self.dir / "other.mp4", "--out", self.dir / "two", "--trace", self.dir / "linked.mp4", *QUICK)
        self.assertEqual(done.returncode, 2, done.stderr)
        pictures = self.dir / "pictures"
        ffmpeg("-f", "lavfi", "-i", "testsrc2=d=0.1:s=64x48", "-frames:v", "1", self.dir / "one.png")
        pictures.mkdir()
        shutil.copy(self.dir / "one.png", pictures / "1.png")
        done = faceflow("run", pictures, "--out", self.dir / "two", "--trace", pictures / "1.png", *QUICK)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual((pictures / "1.png").read_bytes(), (self.dir / "one.png").read_bytes())
        with open(self.dir / "other.mp4", "ab") as stream:
            done = subprocess.run([FACEFLOW, "run", self.dir / "other.mp4", "--out", "-", *QUICK], stdout=stream, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual((out / "annotated.mp4").read_bytes(), whole)
        self.assertEqual(self.names(), ["annotated.mp4"])

    def test_a_file_that_would_be_written_twice_is_refused(self):
        done = faceflow("run", SMALL, "--out", self.dir / "out", "--trace", self.dir / "out" / ".." / "out" / "faces.csv", *QUICK)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("written twice", done.stderr)

    def test_planted_links_are_replaced_and_what_they_point_to_stays(self):
        out = self.dir / "out"
        out.mkdir()
        victim = self.dir / "victim"
        victim.write_text("keep me")
        for name in ("faces.ndjson", "faces.csv", "events.csv", "annotated.mp4", "summary.json"):
            (out / name).symlink_to(victim)
        self.run_ok(SMALL, "--limit", 3, *QUICK)
        self.assertEqual(victim.read_text(), "keep me")
        self.assertEqual(self.names(), ["annotated.mp4", "events.csv", "faces.csv", "faces.ndjson", "summary.json"])
        self.assertFalse(any(p.is_symlink() for p in out.iterdir()))

    def test_two_runs_into_one_folder_lose_nothing(self):
        out = self.dir / "out"
        first = self.start(SMALL, "--limit", 40, "--out", out, *QUICK)
        self.wait_for_parts(out, 1)
        first.send_signal(signal.SIGSTOP)  # until the other one is there, too
        second = self.start(SMALL, "--limit", 40, "--out", out, *QUICK)
        self.wait_for_parts(out, 2)
        first.send_signal(signal.SIGCONT)
        for run in (first, second):
            self.assertEqual(run.wait(timeout=120), 0, run.stderr.read())
        for kind in ("faces*.ndjson", "annotated*.mp4", "summary*.json", "faces*.csv"):
            self.assertEqual(len(list(out.glob(kind))), 2, self.names())
        for rows in out.glob("faces*.ndjson"):
            self.assertEqual(len(whole_lines(rows)), 40)
        for video in out.glob("annotated*.mp4"):
            self.assertEqual(frames_of(video), 40)

    def test_what_a_killed_run_left_is_told_of_and_not_touched(self):
        out = self.dir / "out"
        out.mkdir()
        (out / ".faces.ndjson.part-00ff").write_text('{"half')
        done = self.run_ok(SMALL, "--limit", 3, "--no-video", *QUICK)
        self.assertIn("recover", done.stderr)
        self.assertEqual((out / ".faces.ndjson.part-00ff").read_text(), '{"half')

    def test_a_hang_up_ends_a_run_as_an_interrupt_does(self):
        for sent in (signal.SIGHUP, signal.SIGTERM, signal.SIGXFSZ, signal.SIGPIPE):
            with self.subTest(signal=sent):
                out = self.dir / sent.name
                run = self.start(SMALL, "--out", out, *QUICK)
                self.wait_for_rows(run, out)
                run.send_signal(sent)
                self.assertEqual(run.wait(timeout=60), 130)
                lines = whole_lines(out / "faces.ndjson")
                self.assertGreater(len(lines), 0)
                self.assertEqual(json.loads((out / "summary.json").read_text())["frames"], len(lines))
                self.assertEqual(frames_of(out / "annotated.mp4"), len(lines))

    def test_under_nohup_a_hang_up_changes_nothing(self):
        out = self.dir / "out"
        run = self.start(SMALL, "--limit", 100, "--no-video", "--out", out, *QUICK,
                         preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        self.wait_for_rows(run, out)
        run.send_signal(signal.SIGHUP)
        self.assertEqual(run.wait(timeout=60), 0)
        self.assertEqual(len(whole_lines(out / "faces.ndjson")), 100)

    def test_a_reader_that_does_not_read_holds_up_no_end(self):
        reader, writer = os.pipe()
        run = self.start(SMALL, "--out", "-", *QUICK, stdout=writer)
        os.close(writer)
        held, before = array.array("i", [0]), -1
        while held[0] == 0 or held[0] != before:  # until the pipe is full, or the clip over
            before = held[0]
            time.sleep(0.3)
            fcntl.ioctl(reader, termios.FIONREAD, held)
        self.assertIsNone(run.poll(), "it waits for its reader")
        run.send_signal(signal.SIGTERM)
        self.assertEqual(run.wait(timeout=30), 130)
        os.close(reader)

    def test_a_pipe_gets_each_line_while_the_input_goes_on(self):
        ffmpeg("-i", SMALL, "-t", "2", "-c", "copy", "-f", "mpegts", self.dir / "part.ts")
        run = self.start("-", "--out", "-", *QUICK, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        run.stdin.write((self.dir / "part.ts").read_bytes())
        run.stdin.flush()  # and stays open: a camera would go on
        ready, _, _ = select.select([run.stdout], [], [], 60)
        self.assertEqual(ready, [run.stdout])
        self.assertEqual(json.loads(run.stdout.readline())["sequence"], 0)
        run.send_signal(signal.SIGTERM)
        run.stdout.read()
        self.assertEqual(run.wait(timeout=60), 130)

    def test_closed_standard_streams_put_nothing_into_the_files(self):
        for closed, code in (((1,), 4), ((0, 1, 2), 4), ((2,), 0)):
            with self.subTest(closed=closed):
                out = self.dir / ("out" + "".join(map(str, closed)))
                done = subprocess.run([FACEFLOW, "run", SMALL, "--limit", "3", "--out", out, *QUICK], timeout=60, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, preexec_fn=lambda: [os.close(fd) for fd in closed])
                self.assertEqual(done.returncode, code)
                self.assertEqual(len(whole_lines(out / "faces.ndjson")), 3)
                json.loads((out / "summary.json").read_text())
                self.assertEqual(frames_of(out / "annotated.mp4"), 3)

    def test_rows_for_a_closed_standard_output_are_an_error(self):
        done = subprocess.run([FACEFLOW, "run", SMALL, "--limit", "3", "--out", "-", *QUICK], timeout=60, stderr=subprocess.PIPE,
                              preexec_fn=lambda: os.close(1))
        self.assertEqual(done.returncode, 4, done.stderr)

    def test_a_session_that_is_dropped_finishes_its_run(self):
        # The shell tells its jobs, and then the kernel tells them once more.
        out = self.dir / "out"
        shell, terminal = pty.fork()
        if shell == 0:
            os.execvp("bash", ["bash", "--norc", "-i"])
        os.write(terminal, shlex.join([FACEFLOW, "run", str(SMALL), "--out", str(out), "--quiet", *QUICK]).encode() + b"\n")
        for _ in range(600):
            if any(p.stat().st_size > 0 for p in out.glob(".faces.ndjson.part-*")):
                break
            time.sleep(0.05)
        os.close(terminal)
        os.waitpid(shell, 0)
        for _ in range(600):
            if (out / "summary.json").exists():
                break
            time.sleep(0.05)
        lines = whole_lines(out / "faces.ndjson")
        self.assertGreater(len(lines), 0)
        self.assertEqual(self.summary()["frames"], len(lines))
        self.assertEqual(frames_of(out / "annotated.mp4"), len(lines))

    def test_a_run_that_is_stopped_before_its_first_frame_leaves_older_results(self):
        out = self.dir / "out"
        out.mkdir()
        for name in ("faces.ndjson", "faces.csv", "events.csv", "annotated.mp4", "summary.json"):
            (out / name).write_text("older")
        run = self.start("-", "--out", out, *QUICK, stdin=subprocess.PIPE)  # a stream that never sends
        self.wait_until_it_heeds(run, signal.SIGINT)
        run.send_signal(signal.SIGINT)
        self.assertEqual(run.wait(timeout=60), 130)
        self.assertEqual({p.read_text() for p in out.iterdir()}, {"older"})
        self.assertEqual(self.names(), ["annotated.mp4", "events.csv", "faces.csv", "faces.ndjson", "summary.json"])

    def test_a_fifo_among_pictures_holds_up_nobody(self):
        pictures = self.dir / "pictures"
        pictures.mkdir()
        ffmpeg("-i", SMALL, "-frames:v", "2", pictures / "f%d.png")
        os.mkfifo(pictures / "f3.png")
        run = self.start(pictures, "--no-video", "--out", self.dir / "out", *QUICK)
        self.assertEqual(run.wait(timeout=60), 0)
        self.assertEqual(len(self.lines()), 2)

    def test_a_huge_file_named_as_a_picture_is_refused_with_its_size(self):
        with open(self.dir / "huge.jpg", "wb") as huge:
            huge.write(b"\xff\xd8\xff\xe0")
            huge.truncate(3 << 30)
        limit = 2 << 30
        done = faceflow("run", self.dir / "huge.jpg", "--out", self.dir / "out", *QUICK,
                        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("3072 MiB", done.stderr)


class Kills(Case):
    start = Outputs.start
    names = Outputs.names

    def kill_once(self, number, delay):
        """Kills a run some time after its first rows, and holds what is recovered to what it had delivered a second before."""
        out = self.dir / f"kill{number}"
        out.mkdir()
        os.mkfifo(out / "faces.csv")  # rows go through it at once, so that one sees from outside when each was written
        arrived = []

        def read():
            with open(out / "faces.csv", "rb") as stream:
                stream.readline()  # the header
                while row := stream.readline():
                    if row.endswith(b"\n"):
                        arrived.append((time.monotonic(), int(row.split(b",")[2])))

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        run = self.start(SMALL, "--out", out, *QUICK)
        while not arrived and run.poll() is None:
            time.sleep(0.01)
        time.sleep(delay)
        killed_at = time.monotonic()
        run.kill()
        run.wait()
        reader.join(timeout=30)
        self.assertTrue(arrived, "no row came")
        (out / "faces.csv").unlink()

        done = faceflow("recover", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([p for p in self.names(out.name) if ".part-" in p and "annotated" not in p], [], done.stderr)
        rows = out / "faces.ndjson"
        lines = whole_lines(rows) if rows.exists() else []
        self.assertEqual([x["sequence"] for x in lines], list(range(len(lines))))
        owed = [sequence for at, sequence in arrived if at < killed_at - 1]
        self.assertGreater(len(lines), max(owed, default=-1), "rows older than a second were lost")
        if lines:
            summary = json.loads((out / "summary.json").read_text())
            self.assertEqual((summary["frames"], summary["recovered"]), (len(lines), True))
            check = subprocess.run(["/usr/bin/python3", CHECK, SCHEMAS / "summary.schema.json", out / "summary.json"], capture_output=True, text=True)
            self.assertEqual(check.returncode, 0, check.stderr + check.stdout)
        video = out / "annotated.mp4"
        # The encoder looks some tens of frames ahead, and a fragment has thirty.
        if video.exists() or max(s for _, s in arrived) >= 150:
            self.assertGreater(frames_of(video), 0)
        delivered = len({sequence for _, sequence in arrived})
        shutil.rmtree(out)
        return max(0, delivered - len(lines)), delivered

    def test_of_a_killed_run_all_but_the_last_second_is_recovered(self):
        lost = [self.kill_once(n, 0.13 + 0.31 * (n % 11)) for n in range(KILLS)]
        rows = sorted(x for x, _ in lost)
        print(f"{KILLS} kills: rows lost in the median {rows[len(rows) // 2]}, at most {rows[-1]}; delivered {sum(d for _, d in lost)}")


class Hostile(Case):
    """What a file may have opened."""

    def test_a_file_reaches_for_no_network(self):
        import http.server

        asked = []

        class Server(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_error(404)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
        self.addCleanup(server.server_close)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        web = f"http://127.0.0.1:{server.server_address[1]}"
        hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{web}/a.ts\n#EXT-X-ENDLIST\n"
        (self.dir / "list.m3u8").write_text(hls)
        (self.dir / "video.mp4").write_text(hls)
        (self.dir / "concat.txt").write_text(f"ffconcat version 1.0\nfile '{web}/a.ts'\n")
        (self.dir / "dash.mpd").write_text(f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet '
                                           f'mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>{web}/a.mp4</BaseURL>'
                                           f'<SegmentList><SegmentURL media="{web}/s"/></SegmentList></Representation></AdaptationSet></Period></MPD>')
        (self.dir / "session.sdp").write_text("v=0\no=- 0 0 IN IP4 0.0.0.0\ns=x\nc=IN IP4 0.0.0.0\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n")
        for name in ("list.m3u8", "video.mp4", "concat.txt", "dash.mpd", "session.sdp"):
            with self.subTest(name=name):
                started = time.monotonic()
                done = faceflow("run", self.dir / name, "--out", self.dir / "out", *QUICK, timeout=60)
                self.assertEqual(done.returncode, 3, done.stderr)
                self.assertLess(time.monotonic() - started, 50, "it did not wait for packets")
        with open(self.dir / "list.m3u8", "rb") as stream:
            self.assertEqual(faceflow("run", "-", "--out", self.dir / "out", *QUICK, stdin=stream).returncode, 3)
        self.assertEqual(asked, [])

    def test_a_local_playlist_of_local_files_is_read(self):
        ffmpeg("-i", SMALL, "-t", "1", "-c", "copy", "-f", "mpegts", self.dir / "a.ts")
        (self.dir / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n")
        self.run_ok(self.dir / "list.m3u8", "--no-video", *QUICK)
        self.assertGreater(self.summary()["frames"], 20)


@unittest.skipUnless(pathlib.Path(FACEFLOW or "").with_name("libfaceflow_faults.so").exists(), "the library that watches calls is not built")
class NothingByItself(Case):
    def watched(self, *args):
        """What a run opens for writing and connects to, in an environment that nothing takes for a test's."""
        home = self.dir / "home"
        home.mkdir(exist_ok=True)
        seen = self.dir / "seen"
        seen.unlink(missing_ok=True)
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG")}
        environment = kept | {"HOME": str(home), "TMPDIR": str(home), "XDG_CACHE_HOME": str(home / "cache"), "FAULTS_WATCH": str(seen),
                              "LD_PRELOAD": str(pathlib.Path(FACEFLOW).with_name("libfaceflow_faults.so"))}
        done = subprocess.run([FACEFLOW, *map(str, args)], env=environment, capture_output=True, text=True, timeout=120, cwd=self.dir)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(list(home.rglob("*")), [], "nothing appears in the home folder or the temporary one")
        return [line.split(" ", 1) for line in seen.read_text().splitlines()] if seen.exists() else []

    def test_a_run_writes_where_it_was_told_to_and_talks_to_nobody(self):
        built_in = "this build has no ONNX Runtime" not in faceflow("doctor").stdout
        for flow, more in (("fused", ()), ("shared", ()), ("shared", ("--device", "cpu", "--inference", "onnxruntime"))):
            if more and not built_in:
                continue
            out = self.dir / f"out-{flow}{len(more)}"
            seen = self.watched("run", SMALL, "--limit", 10, "--out", out, "--flow", flow, *more, *QUICK)
            written = [path for what, path in seen if what == "write"]
            self.assertTrue(written, "the watching works")
            self.assertEqual([p for p in written if not p.startswith(str(out))], [])
            self.assertEqual([x for what, x in seen if what == "resolve"], [])
            self.assertEqual([x for what, x in seen if what == "socket" and x not in ("1",)], [], "AF_UNIX alone")

    def test_other_commands_write_nothing(self):
        for command in (["doctor"], ["models", "list"], ["compare", SMALL, "--limit", "2", "--flows", "fused", *QUICK]):
            seen = self.watched(*command)
            # What says what hardware there is opens its devices.
            self.assertEqual([x for what, x in seen if what in ("write", "resolve") and not x.startswith(("/dev/", "(null)"))], [], command)


if __name__ == "__main__":
    unittest.main(verbosity=2)
