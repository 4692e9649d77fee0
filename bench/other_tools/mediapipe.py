#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""MediaPipe's own face mesh (npm @mediapipe/face_mesh: wasm and WebGL) in a headless Chromium.

    mediapipe.py CLIP FRAMES WIDTH HEIGHT PACKAGE > boxes.jsonl

Without a GPU its WebGL is a software one. Frames come from FFmpeg, one after the other.
"""
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

clip, frames, width, height, package = sys.argv[1], *map(int, sys.argv[2:5]), pathlib.Path(sys.argv[5])
page = pathlib.Path(__file__).with_suffix(".html")
ffmpeg = subprocess.Popen(["ffmpeg", "-nostdin", "-v", "error", "-i", clip, "-frames:v", str(frames), "-f", "rawvideo",
                           "-pix_fmt", "rgba", "-"], stdout=subprocess.PIPE)
answer = {}
done = threading.Event()


class handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def send(self, body, kind="application/octet-stream", code=200):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/":
            self.send(page.read_bytes(), "text/html")
        elif path == "/clip":
            self.send(json.dumps({"width": width, "height": height, "frames": frames, "faces": 4}).encode())
        elif path.startswith("/frame/"):
            self.send(ffmpeg.stdout.read(4 * width * height))
        elif path.startswith("/package/") and (package / pathlib.Path(path).name).is_file():
            kind = {".js": "text/javascript", ".wasm": "application/wasm"}.get(pathlib.Path(path).suffix)
            self.send((package / pathlib.Path(path).name).read_bytes(), kind or "application/octet-stream")
        else:
            self.send(b"", code=404)

    def do_POST(self):
        answer.update(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send(b"")
        done.set()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
profile = tempfile.mkdtemp(prefix="faceflow-bench-")
browser = subprocess.Popen(
    [shutil.which("chromium") or "chromium", "--headless=new", "--disable-gpu-sandbox", "--use-gl=angle",
     "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-first-run", "--disable-extensions",
     f"--user-data-dir={profile}", *(["--no-sandbox"] if os.geteuid() == 0 else []),
     f"http://127.0.0.1:{server.server_port}/"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    finished = done.wait(timeout=300)
finally:
    browser.terminate()
    browser.wait()
    ffmpeg.kill()
    shutil.rmtree(profile, ignore_errors=True)
if not finished or "error" in answer:
    sys.exit("mediapipe: " + answer.get("error", "no answer from the browser within 300 s"))
for boxes in answer["boxes"]:
    print(json.dumps({"boxes": boxes}))
print(json.dumps({"frames": frames, "seconds": answer["seconds"], "own_seconds": answer["seconds"]}))
