#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Live playlists, downloads without a length, and passwords, over HTTP.

    live_test.py FACEFLOW [unittest options]
"""
import base64
import http.server
import re
import subprocess
import threading
import time
import unittest

from support import SMALL, Case, faceflow, ffmpeg

FAST = ("--detector", "blazeface", "--detect-size", "320x192")
SECRET = "hush-4711"
HAS_DASH = re.search(r"(?m)^ D. +dash ", subprocess.run(["ffmpeg", "-v", "quiet", "-demuxers"], capture_output=True, text=True).stdout) is not None


class Server:
    """Answers each path by `answer(path)`: (type, bytes), or nothing. Without a length it says nothing of how much comes."""

    def __init__(self, case, answer, length=True, password=None):
        self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(handler):
                self.requests.append(handler.path)
                given = base64.b64encode(f"viewer:{password}".encode()).decode()
                if password and handler.headers.get("Authorization") != f"Basic {given}":
                    handler.send_response(401)
                    handler.send_header("WWW-Authenticate", 'Basic realm="camera"')
                    handler.end_headers()
                    return
                found = answer(handler.path)
                handler.send_response(200 if found else 404)
                if found:
                    handler.send_header("Content-Type", found[0])
                    if length:
                        handler.send_header("Content-Length", str(len(found[1])))
                handler.end_headers()
                if found:
                    handler.wfile.write(found[1])

            def log_message(handler, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_address[1]
        thread = threading.Thread(target=self.http.serve_forever)
        thread.start()
        case.addCleanup(thread.join)
        case.addCleanup(self.http.server_close)
        case.addCleanup(self.http.shutdown)

    def address(self, path, login=""):
        return f"http://{login}127.0.0.1:{self.port}{path}"


class Live:
    """A playlist that grows: `there()` segments are there, the first three from the first question on."""

    def __init__(self, folder, pattern, seconds, away=(0, 0)):
        self.segments = [p.read_bytes() for p in sorted(folder.glob(pattern))]
        self.seconds, self.away, self.begun = seconds, away, None

    def there(self):
        if self.begun is None:
            self.begun = time.monotonic()
        self.now = time.monotonic() - self.begun
        return min(len(self.segments), 3 + int(self.now / self.seconds))

    def is_away(self):
        return self.away[0] <= self.now < self.away[1]

    def hls(self, path):
        there = self.there()
        if self.is_away():
            return None
        if path.endswith(".ts"):
            number = int(path[1:-3])
            return ("video/mp2t", self.segments[number]) if number < there else None
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1", "#EXT-X-MEDIA-SEQUENCE:0"]
        for number in range(there):
            lines += [f"#EXTINF:{self.seconds},", f"{number}.ts"]
        if there == len(self.segments):
            lines.append("#EXT-X-ENDLIST")
        return "application/vnd.apple.mpegurl", "\n".join(lines).encode() + b"\n"

    def dash(self, path):
        there = self.there()
        if path.endswith("init.m4s"):
            return "video/mp4", self.header
        if path.endswith(".m4s"):
            number = int(re.search(r"(\d+)\.m4s", path)[1]) - 1
            return ("video/mp4", self.segments[number]) if number < there else None
        ended = there == len(self.segments)
        begun = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3 * self.seconds - self.now))
        kind = (f'type="static" mediaPresentationDuration="PT{there * self.seconds}S"' if ended else
                f'type="dynamic" availabilityStartTime="{begun}" publishTime="{begun}" minimumUpdatePeriod="PT0.5S"')
        return "application/dash+xml", f"""<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011" {kind} minBufferTime="PT1S">
<Period id="0" start="PT0S"><AdaptationSet contentType="video" segmentAlignment="true">
<Representation id="0" mimeType="video/mp4" codecs="avc1.64001e" bandwidth="500000" width="640" height="360">
<SegmentTemplate timescale="1000" initialization="init.m4s" media="$Number$.m4s" startNumber="1">
<SegmentTimeline><S t="0" d="{int(self.seconds * 1000)}" r="{there - 1}"/></SegmentTimeline></SegmentTemplate>
</Representation></AdaptationSet></Period></MPD>""".encode()


@unittest.skipUnless(SMALL.exists(), "small.mp4 is missing; the build makes it of the demo clip")
class Playlists(Case):
    def coded(self, seconds):
        return ("-i", SMALL, "-t", seconds, "-an", "-r", 30, "-c:v", "libx264", "-preset", "veryfast", "-bf", 0, "-g", 15, "-keyint_min", 15,
                "-sc_threshold", 0)

    def hls(self, seconds, **more):
        made = self.dir / "hls"
        made.mkdir()
        ffmpeg(*self.coded(seconds), "-f", "hls", "-hls_time", 0.5, "-hls_list_size", 0, "-hls_segment_filename", made / "%03d.ts",
               made / "list.m3u8")
        return Server(self, Live(made, "*.ts", 0.5, **more).hls).address("/live.m3u8")

    def dash(self, seconds):
        made = self.dir / "dash"
        made.mkdir()
        ffmpeg(*self.coded(seconds), "-f", "dash", "-seg_duration", 1, "-use_template", 1, "-use_timeline", 1, "-init_seg_name", "init.m4s",
               "-media_seg_name", "chunk$Number%05d$.m4s", made / "list.mpd")
        live = Live(made, "chunk*.m4s", 1)
        live.header = (made / "init.m4s").read_bytes()
        return Server(self, live.dash).address("/live.mpd")

    def check_each_frame_once(self, frames):
        summary = self.summary()
        rows = self.lines()
        pts = [row["pts"] for row in rows]
        self.assertTrue(all(a < b for a, b in zip(pts, pts[1:])))
        for row in rows:
            self.assertAlmostEqual(row["pts"], row["sequence"] / 30, delta=0.002)
        self.assertEqual(len(rows) + summary["dropped"].get("overtaken", 0), frames, summary)
        self.assertEqual(summary["missing"], 0)
        return summary

    def test_a_machine_that_is_too_slow_for_a_live_one_counts_what_is_overtaken(self):
        self.run_ok(self.hls(5), "--no-video", "--threads", 1, "--detect-every", 1, "--detect-size", "1280x736")
        summary = self.check_each_frame_once(150)
        self.assertGreater(summary["dropped"].get("overtaken", 0), 0)
        self.assertEqual(summary["errors"], {})

    def test_an_outage_is_survived_and_an_end_is_an_end(self):
        self.run_ok(self.hls(6, away=(1.2, 4.2)), "--no-video", *FAST)
        self.check_each_frame_once(180)

    @unittest.skipUnless(HAS_DASH, "this FFmpeg reads no DASH")
    def test_dash_is_live_as_long_as_it_says_so(self):
        self.run_ok(self.dash(5), "--no-video", *FAST)
        self.check_each_frame_once(150)


class Downloads(Case):
    def test_one_without_a_length_is_asked_for_once_and_ends(self):
        ffmpeg("-f", "lavfi", "-i", "testsrc2=d=2:r=25:s=160x120", "-f", "mpegts", self.dir / "clip.ts")
        body = (self.dir / "clip.ts").read_bytes()
        server = Server(self, lambda _: ("video/mp2t", body), length=False)
        self.run_ok(server.address("/clip"), "--no-video", *FAST)
        self.assertEqual(self.summary()["frames"], 50)
        self.assertEqual(self.summary()["errors"], {})
        self.assertEqual(server.requests, ["/clip"])

    def test_a_camera_over_http_that_is_lost_ends_at_once_where_nobody_is_to_look_for_it(self):
        ffmpeg("-f", "lavfi", "-i", "testsrc2=d=1:r=25:s=160x120", "-f", "mpegts", self.dir / "clip.ts")
        body = (self.dir / "clip.ts").read_bytes()
        for seconds, asked in (("0", 1), ("2", 2)):
            with self.subTest(seconds):
                server = Server(self, lambda _: ("video/mp2t", body) if len(server.requests) == 1 else None, length=False)
                done = faceflow("run", server.address("/camera"), "--live", "--reconnect", seconds, "--no-video", *FAST, "--out", self.dir / "out",
                                timeout=60)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(f"did not come back within {seconds} s", done.stderr)
                self.assertEqual(self.summary()["errors"].get("source_lost"), 1)
                self.assertGreaterEqual(len(server.requests), asked)
                self.assertTrue(seconds != "0" or len(server.requests) == 1, server.requests)

    def test_a_password_is_used_and_not_shown(self):
        ffmpeg("-f", "lavfi", "-i", "testsrc2=d=1:r=25:s=160x120", "-f", "mpegts", self.dir / "clip.ts")
        body = (self.dir / "clip.ts").read_bytes()
        server = Server(self, lambda _: ("video/mp2t", body), password=SECRET)
        address = server.address(f"/clip?token={SECRET}", login=f"viewer:{SECRET}@")
        done = self.run_ok(address, "--json", "--trace", self.dir / "out" / "trace.json", *FAST)
        self.assertEqual(self.summary()["frames"], 25)
        self.assertNotIn(SECRET, done.stdout + done.stderr)
        for file in (self.dir / "out").iterdir():
            self.assertNotIn(SECRET.encode(), file.read_bytes(), file)
        self.assertEqual({row["input"] for row in self.lines()}, {server.address("/clip?token=***", login="viewer:***@")})
        for command in (("share", address, "--socket", self.dir / "s.sock", "--json"), ("compare", address, "--device", "emulated", "--flows", "fused")):
            done = faceflow(*command, timeout=60)
            self.assertNotIn(SECRET, done.stdout + done.stderr)
        refused = server.address("/clip", login=f"viewer:{SECRET}x@")
        done = faceflow("run", refused, "--out", self.dir / "refused")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("refuses access", done.stderr)
        self.assertNotIn(SECRET, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
