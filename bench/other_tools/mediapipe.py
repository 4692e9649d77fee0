#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""MediaPipe's face landmarker as its package for the web has it (npm @mediapipe/tasks-vision), in a headless Chromium.

    mediapipe.py CLIP FOLDER --bundle face_landmarker.task [--limit N] [--faces N] [--picture pixels|canvas|bitmap] [--blendshapes]

CPU delegate, running mode VIDEO, up to 4 faces (with --faces 1 MediaPipe smooths by itself, with more it does not), all confidences
0.5, blendshapes where asked for, no matrices. Frames come from FFmpeg as RGBA,
one after the other, none left out; the page hands them over as ImageData, the fastest way without a GPU, or as --picture says.
Writes FOLDER/faces.ndjson and FOLDER/summary.json, whose keys are faceflow's where they mean the same. The package is fetched once,
through npm, as package-lock.json beside this file pins it.

Versions from 1.0 on send usage figures to Google; this browser finds no host but this server.
"""
import argparse
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".cache" / "mediapipe"
WARM = 20  # frames before the clock starts
PATIENCE = 120  # seconds for one frame, loading included

parser = argparse.ArgumentParser()
parser.add_argument("clip", type=pathlib.Path)
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--bundle", type=pathlib.Path, required=True)
parser.add_argument("--limit", type=int, default=0)
parser.add_argument("--faces", type=int, default=4)
parser.add_argument("--picture", choices=["pixels", "canvas", "bitmap"], default="pixels")
parser.add_argument("--blendshapes", action="store_true")
given = parser.parse_args()


def installed():
    lock = (HERE / "package-lock.json").read_bytes()
    at = CACHE / "package-lock.json"
    package = CACHE / "node_modules" / "@mediapipe" / "tasks-vision"
    if not (package.is_dir() and at.is_file() and at.read_bytes() == lock):
        shutil.rmtree(CACHE, ignore_errors=True)
        CACHE.mkdir(parents=True)
        shutil.copy(HERE / "package.json", CACHE)
        shutil.copy(HERE / "package-lock.json", CACHE)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=CACHE, check=True,
                       stdout=sys.stderr)
    return package


def frame_rate():
    out = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=avg_frame_rate", "-of",
                          "csv=p=0", str(given.clip)], capture_output=True, text=True, check=True).stdout
    over, under = map(int, out.strip().strip(",").split("/"))
    return over / under if over and under else 25.0


def pictures():
    """Width, height and RGBA bytes of one frame after the other. PAM, since it says how large a frame is after its rotation."""
    limit = ["-frames:v", str(given.limit)] if given.limit else []
    with subprocess.Popen(["ffmpeg", "-nostdin", "-v", "error", "-i", str(given.clip), "-map", "0:v:0", *limit, "-fps_mode",
                           "passthrough", "-f", "image2pipe", "-c:v", "pam", "-pix_fmt", "rgba", "-"],
                          stdout=subprocess.PIPE) as ffmpeg:
        try:
            while ffmpeg.stdout.readline():
                head = {}
                while (line := ffmpeg.stdout.readline().split()) != [b"ENDHDR"]:
                    head[line[0]] = line[1]
                width, height = int(head[b"WIDTH"]), int(head[b"HEIGHT"])
                pixels = ffmpeg.stdout.read(4 * width * height)
                if len(pixels) < 4 * width * height:
                    return
                yield width, height, pixels
        finally:
            ffmpeg.kill()


package = installed()
frames = pictures()
first = next(frames, None)
if first is None:
    sys.exit(f"mediapipe: FFmpeg finds no frame in {given.clip}")
fps = frame_rate()
given.folder.mkdir(parents=True, exist_ok=True)
rows = open(given.folder / "faces.ndjson", "w", encoding="utf-8")
answer = {}
shown = 0
heard = time.monotonic()
done = threading.Event()


def take():
    """The next frame; the first one has been decoded already."""
    global shown
    frame = first if shown == 0 else next(frames, None)
    shown += 1
    return frame


def hear():
    global heard
    heard = time.monotonic()


def keep(faces):
    row = []
    for face in faces:
        points = face["landmarks"]
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        row.append({"box": [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)], "landmarks": points,
                    **({"blendshapes": face["blendshapes"]} if given.blendshapes else {})})
    rows.write(json.dumps({"sequence": shown - 1, "width": first[0], "height": first[1], "faces": row}) + "\n")


class handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def send(self, body, kind="application/octet-stream", code=200, **headers):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header("X-" + name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def picture(self, frame):
        if frame is None:
            return self.send(b"", code=404)
        return self.send(frame[2], Width=frame[0], Height=frame[1], Ms=1000 * max(shown - 1, 0) / fps)

    def do_GET(self):
        hear()
        if self.path == "/":
            self.send((HERE / "mediapipe.html").read_bytes(), "text/html")
        elif self.path == "/setting":
            self.send(json.dumps({"faces": given.faces, "warm": WARM, "picture": given.picture,
                                  "blendshapes": given.blendshapes}).encode(), "application/json")
        elif self.path == "/first":
            self.picture(first)
        elif self.path == "/frame":
            self.picture(take())
        elif self.path == "/bundle":
            self.send(given.bundle.read_bytes())
        elif self.path.startswith("/package/") and ".." not in self.path and (file := package / self.path[9:]).is_file():
            kinds = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}
            self.send(file.read_bytes(), kinds.get(file.suffix, "application/octet-stream"))
        else:
            self.send(b"", code=404)

    def do_POST(self):
        hear()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/faces":
            keep(body)
        else:
            answer.update(body)
            done.set()
        self.send(b"")

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
profile = tempfile.mkdtemp(prefix="faceflow-bench-")
# MediaPipe takes every picture as a texture, on the CPU delegate, too: without a GPU WebGL is a software one.
browser = subprocess.Popen(
    [shutil.which("chromium") or "chromium", "--headless=new", "--disable-gpu-sandbox", "--use-gl=angle",
     "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-first-run", "--disable-extensions",
     "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
     f"--user-data-dir={profile}", *(["--no-sandbox"] if os.geteuid() == 0 else []),
     f"http://127.0.0.1:{server.server_port}/"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    while not done.wait(0.2) and browser.poll() is None and time.monotonic() - heard < PATIENCE:
        pass
finally:
    browser.terminate()
    browser.wait()
    frames.close()
    rows.close()
    shutil.rmtree(profile, ignore_errors=True)
if "frames" not in answer:
    sys.exit("mediapipe: " + answer.get("error", f"the browser ended, or said nothing for {PATIENCE} s"))
version = json.loads((package / "package.json").read_text())["version"]
summary = {**answer, "fps": answer["frames"] / answer["seconds"], "version": version, "picture": given.picture,
           "width": first[0], "height": first[1],
           "models": [{"file": given.bundle.name, "sha256": hashlib.sha256(given.bundle.read_bytes()).hexdigest()}]}
(given.folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
