#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`faceflow serve`: the API, its WebSocket, metrics, who is let in, and clients that misbehave.

    serve_test.py FACEFLOW [unittest options]
"""
import base64
import http.client
import json
import os
import re
import shutil
import socket
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


class WebSocket:
    """As little of RFC 6455 as the tests need."""

    def __init__(self, port, target, headers=()):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
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
    def serve(self, *args, env=None):
        self.log = open(self.dir / "log", "w+")
        self.program = subprocess.Popen([FACEFLOW, "serve", "--listen", "127.0.0.1:0", *map(str, QUICK), *map(str, args)], stderr=self.log,
                                        env={**os.environ, **(env or {})})
        self.addCleanup(self.stop)

        def address():
            self.assertIsNone(self.program.poll(), (self.dir / "log").read_text())
            return re.search(r"serving at http://127\.0\.0\.1:(\d+)/", (self.dir / "log").read_text())
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

    def test_other_machines_only_with_a_token_or_by_a_word(self):
        done = faceflow("serve", "--listen", "0.0.0.0:0")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--open-to-all", done.stderr)
        for address in ("localhost", "example.com:80", "127.0.0.1:x", "127.0.0.1:99999"):
            self.assertEqual(faceflow("serve", "--listen", address).returncode, 2, address)

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
