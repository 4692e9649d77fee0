#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`faceflow serve`: the API, its WebSocket, metrics, who is let in, and clients that misbehave.

    serve_test.py FACEFLOW [unittest options]
"""
import base64
import csv
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import time
import unittest
import urllib.parse

import jsonschema
from support import DEMO, FACEFLOW, SCHEMAS, SMALL, Case, faceflow, ffmpeg

OPENAPI = json.loads((SCHEMAS / "openapi.json").read_text())
QUICK = ("--detect-size", "320x192", "--threads", 2)
PATIENCE = 60


def until(what, condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


def video_frames(path):
    counted = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-show_entries", "stream=nb_read_frames",
                              "-of", "csv=p=0", path], capture_output=True, text=True, check=True)
    return int(counted.stdout)


class WebSocket:
    """As little of RFC 6455 as the tests need."""

    def __init__(self, port, target, headers=(), tls=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {target} HTTP/1.1", f"Host: localhost:{port}", "Upgrade: websocket", "Connection: Upgrade",
                 f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *headers, "", ""]
        self.socket.sendall("\r\n".join(lines).encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        while self.file.readline() not in (b"\r\n", b""):
            pass

    def message(self):
        while True:
            first, second = self.file.read(2)
            length = second & 127
            if length > 125:
                length, = struct.unpack(">H" if length == 126 else ">Q", self.file.read(2 if length == 126 else 8))
            data = self.file.read(length)
            if first & 15 in (1, 2):
                assert first & 128, "in one frame"
                return data

    def close(self):
        self.file.close()
        self.socket.close()


class Service(Case):
    def serve(self, *args, env=None, scheme="http"):
        self.log = open(self.dir / "log", "w+")
        self.program = subprocess.Popen([FACEFLOW, "serve", "--listen", "127.0.0.1:0", *map(str, QUICK), *map(str, args)], stderr=self.log,
                                        env={**os.environ, **(env or {})})
        self.addCleanup(self.stop)

        def address():
            self.assertIsNone(self.program.poll(), (self.dir / "log").read_text())
            return re.search(rf"serving at {scheme}://127\.0\.0\.1:(\d+)/", (self.dir / "log").read_text())
        self.port = int(until("the address", address)[1])

    def stop(self):
        if self.program.poll() is None:
            self.program.terminate()
        code = self.program.wait(PATIENCE)
        self.log.close()
        return code

    def request(self, method, target, body=None, headers=()):
        connection = http.client.HTTPConnection("localhost", self.port, timeout=PATIENCE)
        try:
            connection.request(method, target, body, dict(headers))
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        self.hold_to_description(method, target, answer, content)
        return answer, content

    def hold_to_description(self, method, target, answer, content):
        path = urllib.parse.urlsplit(target).path
        for pattern, item in OPENAPI["paths"].items():
            if not re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path) or method.lower() not in item:
                continue
            described = item[method.lower()]["responses"]
            response = described.get(str(answer.status)) or described["default"]
            if not content:
                self.assertNotIn("content", response)
                return
            kind = answer.getheader("Content-Type").split(";")[0]
            self.assertIn(kind, response["content"])
            if kind == "application/json":
                jsonschema.Draft202012Validator({**response["content"][kind]["schema"], "components": OPENAPI["components"]}).validate(
                    json.loads(content))
            return

    def json(self, method, target, body=None, status=200):
        answer, content = self.request(method, target, None if body is None else json.dumps(body))
        self.assertEqual(answer.status, status, content)
        return json.loads(content) if content else None

    def source(self, name):
        return self.json("GET", f"/v1/sources/{name}")

    def running(self, name, frames=1):
        return until(f"{name} runs", lambda: (s := self.source(name))["state"] == "running" and s["frames"] >= frames and s)


class Serves(Service):
    def test_what_it_describes_is_a_valid_description(self):
        for path, item in OPENAPI["paths"].items():
            for method in ("get", "post", "patch", "delete"):
                for response in item.get(method, {}).get("responses", {}).values():
                    for content in response.get("content", {}).values():
                        jsonschema.Draft202012Validator.check_schema(content.get("schema", {}))

    def test_sources_come_and_go_while_others_run(self):
        self.serve(f"demo={SMALL}", "--loop")
        status = self.running("demo", 3)
        self.assertEqual((status["width"], status["height"], status["faces"]), (640, 360, 4))
        row = self.json("GET", "/v1/sources/demo/faces")
        self.assertEqual((row["input"], len(row["faces"])), ("demo", 4))
        until("frames go on", lambda: self.json("GET", "/v1/sources/demo/faces")["sequence"] > row["sequence"])

        self.json("POST", "/v1/sources", {"name": "other", "input": str(SMALL)}, 201)
        self.assertEqual([s["name"] for s in self.json("GET", "/v1/sources")["sources"]], ["demo", "other"])
        self.running("other")
        self.json("PATCH", "/v1/sources/other", {"paused": True})
        until("other pauses", lambda: self.source("other")["state"] == "paused")
        self.assertEqual(self.json("PATCH", "/v1/sources/other", {"name": "second", "paused": False})["name"], "second")
        self.running("second")
        self.json("DELETE", "/v1/sources/second", status=204)
        self.json("GET", "/v1/sources/second", status=404)
        self.assertEqual(self.stop(), 0)

    def test_requests_that_make_no_sense_are_refused(self):
        self.serve()
        for body in ({"name": "a/b", "input": "x"}, {"name": "", "input": "x"}, {"name": "..", "input": "x"}, {"name": "a"}, {"name": 1, "input": "x"},
                     {"name": "a", "input": "x", "speed": 2}, [], "text"):
            self.json("POST", "/v1/sources", body, 400)
        self.json("PATCH", "/v1/sources/nobody", {"paused": True}, 404)
        self.json("DELETE", "/v1/sources/nobody", status=404)
        self.json("PUT", "/v1/sources", {}, 405)
        for target in ("/v2/sources", "/../etc/passwd", "/%2e%2e/etc/passwd", "/v1/sources/a/b/c", "/app.css"):
            self.json("GET", target, status=404)
        for target in ("/%", "/%zz", "/%00"):
            self.assertEqual(self.request("GET", target)[0].status, 400)
        self.assertEqual(self.json("GET", "/v1/sources"), {"sources": []})

    def test_a_source_that_is_not_there_is_looked_for_until_it_comes(self):
        late = self.dir / "late.mp4"
        self.serve(f"late={late}")
        status = until("it is missed", lambda: (s := self.source("late"))["state"] == "retrying" and s)
        self.assertIn("there is no file", status["message"])
        shutil.copy(SMALL, self.dir / "part")
        (self.dir / "part").rename(late)
        self.running("late")

    def test_a_recording_ends_and_a_new_run_of_it_counts_on(self):
        ffmpeg("-i", SMALL, "-frames:v", 8, "-an", self.dir / "short.mp4")
        self.serve(f"short={self.dir / 'short.mp4'}")
        until("it ends", lambda: self.source("short")["state"] == "ended")
        self.json("PATCH", "/v1/sources/short", {"paused": True})
        until("it pauses", lambda: self.source("short")["state"] == "paused")
        before = self.json("GET", "/v1/sources/short/faces")["sequence"]
        self.json("PATCH", "/v1/sources/short", {"paused": False})
        until("it goes on", lambda: self.json("GET", "/v1/sources/short/faces")["sequence"] > before)

    def test_a_picture_is_answered_with_its_faces(self):
        ffmpeg("-i", DEMO, "-frames:v", 1, self.dir / "four.jpg")
        self.serve()
        answer, content = self.request("POST", "/v1/faces", (self.dir / "four.jpg").read_bytes())
        self.assertEqual(answer.status, 200, content)
        self.assertEqual(len(json.loads(content)["faces"]), 4)
        self.assertEqual(self.request("POST", "/v1/faces", b"no picture")[0].status, 422)
        self.assertEqual(self.request("POST", "/v1/faces", b"")[0].status, 400)

    def test_snapshots_are_pictures_with_or_without_the_faces(self):
        self.serve(f"demo={SMALL}", "--loop")
        self.running("demo")
        plain, drawn = (self.request("GET", f"/v1/sources/demo/snapshot.jpg?overlay={n}")[1] for n in (0, 1))
        for picture in (plain, drawn):
            self.assertEqual((picture[:3], picture[-2:]), (b"\xff\xd8\xff", b"\xff\xd9"))
        self.assertNotEqual(plain, drawn)

    def test_a_websocket_gets_each_frame_of_every_source(self):
        self.serve(f"one={SMALL}", f"two={SMALL}", "--loop")
        feed = WebSocket(self.port, "/v1/faces")
        self.addCleanup(feed.close)
        self.assertEqual(feed.status, 101)
        seen = {}
        while min(map(len, seen.values()), default=0) < 5 or len(seen) < 2:
            row = json.loads(feed.message())
            seen.setdefault(row["input"], []).append(row["sequence"])
        for sequences in seen.values():
            self.assertEqual(sequences, sorted(set(sequences)))

    def test_a_preview_brings_the_picture_with_the_faces_that_are_its_own(self):
        self.serve(f"demo={SMALL}", "--loop")
        feed = WebSocket(self.port, "/v1/faces?source=demo&preview=1")
        self.addCleanup(feed.close)
        message = feed.message()
        length, = struct.unpack("<I", message[:4])
        row = json.loads(message[4:4 + length])
        self.assertEqual((row["input"], len(row["faces"])), ("demo", 4))
        self.assertEqual(message[4 + length:][:3], b"\xff\xd8\xff")

        connection = http.client.HTTPConnection("localhost", self.port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        connection.request("GET", "/v1/sources/demo/preview.mjpg")
        answer = connection.getresponse()
        self.assertTrue(answer.getheader("Content-Type").startswith("multipart/x-mixed-replace"))
        self.assertIn(b"image/jpeg", answer.read(200))

    def test_metrics_count_what_the_statistics_count(self):
        self.serve(f"demo={SMALL}", "--loop", "--device", "emulated")
        self.running("demo", 10)
        lines = self.request("GET", "/metrics")[1].decode().splitlines()
        values = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}
        described = {line.split()[2] for line in lines if line.startswith("# TYPE")}
        for name in values:
            self.assertIn(re.sub(r"_(bucket|sum|count)$", "", name.split("{")[0]), described)
        statistics = self.json("GET", "/v1/statistics")
        self.assertGreaterEqual(values["faceflow_frames_total"], 10)
        self.assertGreaterEqual(statistics["frames"], values["faceflow_frames_total"])
        self.assertGreaterEqual(values['faceflow_source_frames_total{source="demo"}'], 10)
        up = 'faceflow_transfers_total{device="0",direction="host_to_device",stage="capture"}'
        self.assertLess(abs(values[up] - values["faceflow_frames_total"]), 10, "a frame crosses once")
        self.assertGreater(values["faceflow_cache_hits_total"], 0)
        self.assertGreater(values['faceflow_stage_seconds_count{stage="detect"}'], 0)

    def test_the_page_is_in_the_program(self):
        self.serve()
        answer, content = self.request("GET", "/")
        self.assertEqual(answer.getheader("Content-Type"), "text/html; charset=utf-8")
        self.assertIn("script-src 'self'", answer.getheader("Content-Security-Policy"))
        self.assertNotRegex(content.decode(), r"<script(?![^>]* src=)|style=|onclick")
        for path in re.findall(r'(?:src|href)="(/[^"]+)"', content.decode()):
            self.assertEqual(self.request("GET", path)[0].status, 200, path)
        self.assertEqual(json.loads(self.request("GET", "/v1/openapi.json")[1]), OPENAPI)


class Records(Service):
    def test_a_recording_is_what_a_run_writes(self):
        folder = self.dir / "recordings"
        self.serve(f"demo={SMALL}", "--loop", "--recordings", folder)
        self.running("demo")
        self.assertIsNone(self.source("demo")["recording"])
        begun = self.json("PATCH", "/v1/sources/demo", {"recording": True})["recording"]
        self.assertEqual(self.json("PATCH", "/v1/sources/demo", {"recording": True})["recording"]["run"], begun["run"])
        until("it is written", lambda: self.source("demo")["recording"]["frames"] >= 15)
        marker = self.json("POST", "/v1/sources/demo/markers", {"text": "a \"stimulus\", on"}, 201)
        until("the marker's frame", lambda: self.json("GET", "/v1/sources/demo/faces")["sequence"] > marker["sequence"] + 2)
        self.assertTrue(self.json("GET", "/v1/runs")["runs"][0]["open"])
        self.assertIsNone(self.json("PATCH", "/v1/sources/demo", {"recording": False})["recording"])
        run = self.json("GET", "/v1/runs")["runs"][0]
        self.assertEqual((run["name"], run["source"], run["open"]), (begun["run"], "demo", False))
        self.assertEqual({f["name"] for f in run["files"]},
                         {"annotated.mp4", "events.csv", "faces.csv", "faces.ndjson", "summary.json"})
        for file in run["files"]:
            content = self.request("GET", f"/v1/runs/{run['name']}/{file['name']}")[1]
            self.assertEqual(content, (folder / run["name"] / file["name"]).read_bytes())
        rows = [json.loads(line) for line in (folder / run["name"] / "faces.ndjson").read_text().splitlines()]
        self.assertEqual(len(rows), run["frames"])
        self.assertEqual(rows[0]["pts"], 0)
        summary = json.loads((folder / run["name"] / "summary.json").read_text())
        self.assertEqual((summary["source"], summary["frames"]), ("demo", len(rows)))
        events = list(csv.DictReader((folder / run["name"] / "events.csv").read_text().splitlines()))
        self.assertEqual([e["text"] for e in events if e["event"] == "marker"], ["a \"stimulus\", on"])
        self.assertEqual(video_frames(folder / run["name"] / "annotated.mp4"), len(rows))

    def test_files_are_read_in_ranges_and_only_those_of_runs(self):
        folder = self.dir / "recordings"
        (folder / "one").mkdir(parents=True)
        (folder / "one" / "faces.csv").write_bytes(b"0123456789")
        (folder / "one" / "secret.txt").write_text("secret")
        (folder / "one" / "link.csv").symlink_to("/etc/passwd")
        (folder / "away").symlink_to(self.dir)
        (self.dir / "faces.csv").write_text("secret")
        self.serve("--recordings", folder)
        self.assertEqual([(r["name"], [f["name"] for f in r["files"]]) for r in self.json("GET", "/v1/runs")["runs"]],
                         [("one", ["faces.csv"])])
        for header, status, content, part in (("bytes=2-4", 206, b"234", "bytes 2-4/10"), ("bytes=7-", 206, b"789", "bytes 7-9/10"),
                                              ("bytes=-2", 206, b"89", "bytes 8-9/10"), ("bytes=0-99", 206, b"0123456789", "bytes 0-9/10"),
                                              ("bytes=10-", 416, b"", "bytes */10"), ("bytes=4-2", 200, b"0123456789", None),
                                              ("bytes=0-1,3-4", 200, b"0123456789", None), ("lines=1-2", 200, b"0123456789", None)):
            answer, got = self.request("GET", "/v1/runs/one/faces.csv", headers={"Range": header})
            self.assertEqual((answer.status, got, answer.getheader("Content-Range")), (status, content, part), header)
        for target in ("one/secret.txt", "one/link.csv", "one/..%2f..%2fetc%2fpasswd", "..%2fone/faces.csv", "../faces.csv", "away/faces.csv",
                       "%2e%2e/faces.csv", "one/.faces.csv", "one/", "one", ""):
            self.assertEqual(self.request("GET", f"/v1/runs/{target}")[0].status, 404, target)

    def test_a_recording_goes_on_in_segments_and_ends_with_its_source(self):
        folder = self.dir / "recordings"
        self.serve(f"demo={SMALL}", "--loop", "--record", "--recordings", folder, "--segment", 0.02)
        until("two segments", lambda: len([r for r in self.json("GET", "/v1/runs")["runs"] if not r["open"]]) >= 2)
        self.json("DELETE", "/v1/sources/demo", status=204)
        runs = self.json("GET", "/v1/runs")["runs"]
        self.assertFalse([r for r in runs if r["open"]])
        for run in runs:
            rows = (folder / run["name"] / "faces.ndjson").read_text().splitlines()
            self.assertEqual(len(rows), run["frames"])
            self.assertEqual(video_frames(folder / run["name"] / "annotated.mp4"), len(rows))

    def test_what_was_recorded_is_there_after_a_kill(self):
        folder = self.dir / "recordings"
        self.serve(f"demo={SMALL}", "--loop", "--record", "--recordings", folder)
        until("it is written", lambda: self.source("demo")["recording"]["frames"] >= 60)
        time.sleep(1)
        self.program.kill()
        self.program.wait()
        run, = folder.iterdir()
        self.assertEqual(faceflow("recover", run).returncode, 0)
        self.assertGreater(len(next(run.glob("faces*.ndjson")).read_text().splitlines()), 30)

    def test_a_folder_that_cannot_be_written_is_said(self):
        (self.dir / "file").write_text("")
        self.serve(f"demo={SMALL}", "--loop", "--recordings", self.dir / "file")
        self.running("demo")
        error = self.json("PATCH", "/v1/sources/demo", {"recording": True}, 507)["error"]["message"]
        self.assertIn(str(self.dir / "file"), error)
        self.assertIsNone(self.source("demo")["recording"])


class Changes(Service):
    def test_options_change_while_sources_run(self):
        self.serve(f"demo={SMALL}", f"other={SMALL}", "--loop", "--device", "emulated")
        self.json("PATCH", "/v1/sources/other", {"paused": True})
        self.running("demo")
        self.assertEqual(self.json("GET", "/v1/options")["flow"]["value"], "fused")
        for flow in ("threaded", "cached", "fused"):
            before = self.source("demo")["frames"]
            self.assertEqual(self.json("PATCH", "/v1/options", {"flow": flow})["flow"]["value"], flow)
            self.assertEqual(self.json("GET", "/v1/statistics")["flow"], flow)
            self.running("demo", before + 5)
            self.assertEqual(self.source("other")["state"], "paused")
        self.json("PATCH", "/v1/options", {"max_faces": 1, "smooth": True})
        self.assertEqual(self.json("GET", "/v1/options")["max_faces"]["value"], 1)

    def test_options_that_cannot_be_leave_all_as_it_was(self):
        self.serve(f"demo={SMALL}", "--loop")
        for values in ({"flow": "mixed"}, {"max_faces": 0}, {"max_faces": "one"}, {"smooth": 1}, {"device": "cpu"}, {"models": "/tmp"},
                       {"nothing": 1}, {"min_score": 7}, {"max_faces": 1e99}, []):
            self.json("PATCH", "/v1/options", values, 400)
        self.running("demo", self.running("demo")["frames"] + 3)

    def test_markers_need_a_frame_and_a_text(self):
        self.serve("nobody=/nowhere.mp4", f"demo={SMALL}", "--loop")
        self.json("POST", "/v1/sources/nobody/markers", {"text": "early"}, 503)
        self.json("POST", "/v1/sources/unknown/markers", {"text": "early"}, 404)
        self.running("demo")
        for body in ({"text": ""}, {"text": "x" * 1001}, {"text": 1}, {}):
            self.json("POST", "/v1/sources/demo/markers", body, 400)


class Secure(Service):
    def setUp(self):
        super().setUp()
        self.certificate, self.key = self.dir / "certificate.pem", self.dir / "key.pem"
        made = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                               "-keyout", self.key, "-out", self.certificate, "-subj", "/CN=localhost", "-addext",
                               "subjectAltName=DNS:localhost"], capture_output=True)
        self.assertEqual(made.returncode, 0, made.stderr)

    def test_requests_and_feeds_by_tls(self):
        self.serve(f"demo={SMALL}", "--loop", "--tls-certificate", self.certificate, "--tls-key", self.key, scheme="https")
        trust = ssl.create_default_context(cafile=self.certificate)
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=PATIENCE, context=trust)
        for _ in range(3):  # on one connection
            connection.request("GET", "/v1/sources")
            answer = connection.getresponse()
            self.assertEqual((answer.status, json.loads(answer.read())["sources"][0]["name"]), (200, "demo"))
        connection.close()
        feed = WebSocket(self.port, "/v1/faces", tls=trust)
        self.addCleanup(feed.close)
        self.assertEqual(json.loads(feed.message())["input"], "demo")
        with self.assertRaises((OSError, http.client.HTTPException)):
            plain = http.client.HTTPConnection("localhost", self.port, timeout=PATIENCE)
            plain.request("GET", "/v1/health")
            plain.getresponse()
        top = faceflow("top", f"https://localhost:{self.port}", "--once", "--tls-trust", self.certificate)
        self.assertEqual(top.returncode, 0, top.stderr)
        self.assertNotEqual(faceflow("top", f"https://localhost:{self.port}", "--once").returncode, 0)

    def test_files_that_cannot_be_used_are_said(self):
        for files in ((self.certificate, None), (self.dir / "nothing", self.key), (self.certificate, self.dir / "nothing"),
                      (self.key, self.certificate)):
            args = [a for option, file in zip(("--tls-certificate", "--tls-key"), files) if file for a in (option, file)]
            done = faceflow("serve", "--listen", "127.0.0.1:0", *args)
            self.assertNotEqual(done.returncode, 0, files)
            self.assertIn("--tls-key" if None in files else "cannot use", done.stderr)


class Top(Service):
    def test_shows_sources_and_what_a_frame_costs(self):
        self.serve(f"demo={SMALL}", "broken=/nowhere.mp4", "--loop", "--device", "emulated")
        self.running("demo", 10)
        done = faceflow("top", f"127.0.0.1:{self.port}", "--once")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80)
        self.assertRegex(done.stdout, r"(?m)^a frame 1\.0\d up ")
        self.assertRegex(done.stdout, r"(?m)^demo +running +\d")
        self.assertRegex(done.stdout, r"(?m)^broken +retrying ")
        self.assertIn("/nowhere.mp4", done.stdout)

    def test_says_what_is_wrong(self):
        self.serve(env={"FACEFLOW_TOKEN": "open sesame"})
        done = faceflow("top", f"127.0.0.1:{self.port}", "--once")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("token", done.stderr)
        (self.dir / "token").write_text("open sesame\n")
        self.assertEqual(faceflow("top", f"127.0.0.1:{self.port}", "--once", "--token-file", self.dir / "token").returncode, 0)
        self.stop()
        self.assertIn("faceflow serve", faceflow("top", f"127.0.0.1:{self.port}", "--once").stderr)
        for address in ("ftp://x", "", "a b", "127.0.0.1:99999x"):
            self.assertEqual(faceflow("top", address, "--once").returncode, 2, address)


class LetsIn(Service):
    def test_only_names_of_this_machine_and_pages_of_its_own(self):
        self.serve()
        for headers, status in (({"Host": "evil.example"}, 421), ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403),
                                ({"Origin": f"http://localhost:{self.port}"}, 200), ({}, 200)):
            self.assertEqual(self.request("GET", "/v1/health", headers=headers)[0].status, status, headers)
        feed = WebSocket(self.port, "/v1/faces", ["Origin: http://evil.example"])
        self.addCleanup(feed.close)
        self.assertEqual(feed.status, 403)

    def test_with_a_token_only_those_who_have_it(self):
        self.serve(env={"FACEFLOW_TOKEN": "open sesame"})
        self.assertEqual(self.request("GET", "/v1/health")[0].status, 401)
        self.assertEqual(self.request("GET", "/v1/health?token=open+sesam")[0].status, 401)
        self.assertEqual(self.request("GET", "/v1/health?token=open+sesame")[0].status, 200)
        self.assertEqual(self.request("GET", "/v1/health", headers={"Authorization": "Bearer open sesame"})[0].status, 200)
        for path in ("/", "/app.js", "/style.css"):  # the page asks for the token
            self.assertEqual(self.request("GET", path)[0].status, 200, path)
        self.assertEqual(self.request("POST", "/")[0].status, 405)

    def test_other_machines_only_with_a_token_or_by_a_word(self):
        done = faceflow("serve", "--listen", "0.0.0.0:0")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--open-to-all", done.stderr)
        for address in ("localhost", "example.com:80", "127.0.0.1:x", "127.0.0.1:99999"):
            self.assertEqual(faceflow("serve", "--listen", address).returncode, 2, address)

    def test_an_engine_that_cannot_be_made_is_said(self):
        done = faceflow("serve", "--listen", "127.0.0.1:0", "--flow", "cached", env={**os.environ, "FACEFLOW_STAGE": "/nowhere"})
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("/nowhere", done.stderr)

    def test_a_configuration_has_options_and_sources(self):
        config = self.dir / "serve.toml"
        config.write_text(f'loop = true\nmax-faces = 2\n[sources]\ndemo = "{SMALL}"\nb = "rtsp://u:p@127.0.0.1:9/a,b=c"\n')
        self.serve("--config", config, f"other={SMALL}")
        self.assertEqual([s["name"] for s in self.json("GET", "/v1/sources")["sources"]], ["b", "demo", "other"])
        self.assertEqual(self.json("GET", "/v1/options")["max_faces"]["value"], 2)
        self.assertTrue(self.source("demo")["loop"])
        for text, said in (("[sources]\ndemo = 1\n", "line 2"), ("[source]\n", "source"), ("sources = 1\n", "sources")):
            config.write_text(text)
            done = faceflow("serve", "--listen", "127.0.0.1:0", "--config", config)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(said, done.stderr)

    def test_passwords_of_cameras_are_not_shown(self):
        self.serve("door=rtsp://admin:secret@127.0.0.1:9/live")
        until("it is missed", lambda: self.source("door")["state"] == "retrying")
        for target in ("/v1/sources", "/v1/sources/door", "/metrics", "/v1/statistics"):
            self.assertNotIn(b"secret", self.request("GET", target)[1])


class Survives(Service):
    def healthy(self):
        begun = time.monotonic()
        self.json("GET", "/v1/health")
        return time.monotonic() - begun

    def test_clients_that_misbehave(self):
        self.serve(f"demo={SMALL}", "--loop")
        self.running("demo")
        slow = [socket.create_connection(("127.0.0.1", self.port)) for _ in range(100)]
        for s in slow:
            s.sendall(b"GET /v1/health HTTP/1.1\r\nHost: local")
        answer, _ = self.request("GET", "/v1/health", headers={"X-Long": "x" * 20_000})
        self.assertEqual(answer.status, 431)
        self.assertEqual(self.request("POST", "/v1/sources", b"x" * 100_000)[0].status, 413)
        self.assertEqual(self.request("POST", "/v1/faces", headers={"Content-Length": str(1 << 40)})[0].status, 413)
        for garbage in (b"\x16\x03\x01\x02\x00\x01\x00", os.urandom(400), b"GET\r\n\r\n", b"POST /v1/sources HTTP/1.1\r\nContent-Length: -1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", self.port)) as s:
                s.sendall(garbage)
        for frame in (b"\xff\xff" + b"\xff" * 8, b"\x81\xfe\xff\xff\0\0\0\0" + b"x" * 70_000, b"\x81\x05hello"):
            feed = WebSocket(self.port, "/v1/faces")
            try:
                feed.socket.sendall(frame)
            except OSError:
                pass
            feed.close()
        self.healthy()
        more = []
        for _ in range(400):
            try:
                more.append(socket.create_connection(("127.0.0.1", self.port), timeout=1))
            except OSError:
                break
        for s in (*slow, *more):
            s.close()
        until("it answers", lambda: self.healthy() < PATIENCE)
        self.running("demo")
        self.assertEqual(self.stop(), 0)

    def test_many_changes_of_sources_leave_nothing_behind(self):
        self.serve(f"demo={SMALL}", "--loop")
        self.running("demo")

        def change(times):
            for _ in range(times):
                self.json("POST", "/v1/sources", {"name": "guest", "input": str(SMALL)}, 201)
                self.json("DELETE", "/v1/sources/guest", status=204)

        def held():
            of = f"/proc/{self.program.pid}"
            return len(os.listdir(f"{of}/fd")), len(os.listdir(f"{of}/task"))
        change(10)
        before = held()
        change(60)
        until("as many descriptors and threads as before", lambda: all(now <= then for now, then in zip(held(), before)))


if __name__ == "__main__":
    unittest.main()
