#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lets one call after the other fail, in short runs of each command and flow, and looks at what comes of it: the right exit code, no
crash, no hang, results that are whole or can be recovered, no process left.

    fault_injection_test.py BUILD_FOLDER [--every N]

Each call by which the program gets at the system is counted first (tests/faults/faults.cpp); then every Nth one fails in a run of its own
(1: all of them). FACEFLOW_FAULTS sets N, too. Prints the points that were tried.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

# In the order of `call` in faults.cpp.
CALLS = ("open", "read", "write", "fsync", "rename", "ftruncate", "fallocate", "mmap", "memfd_create", "thread", "socketpair", "sendmsg",
         "recvmsg", "fcntl", "eventfd", "spawn", "new")
LIMIT = 60  # seconds: a run that takes longer hangs
FRAMES = 36  # more than a fragment of the video has
CRASHES = ("terminate called", "Assertion", "double free", "corrupted size", "stack smashing")
# What each call's failure may end as; memory and threads may be wanted anywhere.
CODES = {0, 1, 3, 4}
# Points of one call at most: some are asked thousands of times, and each run costs half a second.
MOST = {"new": 60, "read": 40, "mmap": 40}


class Bed:
    def __init__(self, build):
        self.build = build
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="faceflow-faults-"))
        self.clip = self.folder / "clip.mp4"
        subprocess.run(["ffmpeg", "-v", "error", "-i", build / "small.mp4", "-frames:v", str(FRAMES), "-c:v", "libx264", "-c:a", "copy", self.clip],
                       check=True, stdin=subprocess.DEVNULL)

    def commands(self):
        common = ["--detector", "blazeface", "--threads", "1"]
        run = ["run", self.clip, "--out", self.folder / "out", *common]
        yield "run", "faceflow", [*run, "--trace", self.folder / "out" / "trace.json"]
        yield "run --flow shared", "faceflow", [*run, "--no-video", "--flow", "shared"]
        yield "run --flow shared, in its stages", "faceflow-stage", [*run, "--no-video", "--flow", "shared"]
        yield "run --flow threaded --device emulated", "faceflow", [*run, "--no-video", "--flow", "threaded", "--device", "emulated"]
        yield "run --flow cached", "faceflow", [*run, "--no-video", "--flow", "cached"]
        yield "recover", "faceflow", ["recover", self.folder / "out"]
        yield "share", "faceflow", ["share", self.clip, "--socket", self.folder / "s" / "share.sock", "--fps", "0"]
        yield "compare", "faceflow", ["compare", self.clip, "--flows", "fused", "--limit", "2", "--out", self.folder / "out", *common]

    def run(self, command, program, **faults):
        """Exit code (None: it hung), standard error, and what its session left running."""
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        if command[0] == "recover":
            shutil.copytree(self.killed(), self.folder / "out")
        shutil.rmtree(self.folder / "s", ignore_errors=True)
        (self.folder / "s").mkdir(mode=0o700)
        environment = {k: v for k, v in os.environ.items() if k not in ("CI",)}
        environment |= {"LD_PRELOAD": str(self.build / "libfaceflow_faults.so"), "FAULTS_IN": program, "TMPDIR": str(self.folder)} | faults
        child = subprocess.Popen([self.build / "faceflow", *map(str, command)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                 text=True, start_new_session=True)
        try:
            _, said = child.communicate(timeout=LIMIT)
            code = child.returncode
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            _, said = child.communicate()
            code = None
        return code, said, self.left_of(child.pid)

    def killed(self):
        """A folder in which a run was killed."""
        folder = self.folder / "killed"
        if not folder.exists():
            run = subprocess.Popen([self.build / "faceflow", "run", self.build / "small.mp4", "--out", folder, "--detector", "blazeface"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while run.poll() is None and not any(p.stat().st_size > 0 for p in folder.glob(".annotated.mp4.part-*")):
                time.sleep(0.05)
            run.kill()
            run.wait()
        return folder

    @staticmethod
    def left_of(session):
        left = []
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                name, _, rest = stat.read_text().rpartition(") ")
            except OSError:
                continue
            if rest.split()[3] == str(session) and rest.split()[0] != "Z":
                left.append(name)
        return left

    @staticmethod
    def pictures(video):
        done = subprocess.run(["ffprobe", "-v", "error", "-count_packets", "-select_streams", "v", "-show_entries", "stream=nb_read_packets",
                               "-of", "csv=p=0", video], capture_output=True, text=True)
        return int(done.stdout.strip() or 0)

    def places(self, program, hit):
        """What of the program led to the call that failed."""
        addresses = [line.split()[1] for line in hit.read_text().splitlines() if line.startswith("at ")]
        if not addresses:
            return []
        done = subprocess.run(["addr2line", "-f", "-C", "-e", self.build / program, *addresses], capture_output=True, text=True)
        return [name for name in done.stdout.splitlines()[::2]]

    def counts(self, command, program):
        code, said, _ = self.run(command, program, FAULTS_COUNT=str(self.folder / "counts"))
        assert code == 0, said
        counts = dict.fromkeys(CALLS, 0)
        for told in self.folder.glob("counts.*"):
            for call, n in zip(CALLS, struct.unpack(f"={len(CALLS)}Q", told.read_bytes())):
                counts[call] = max(counts[call], n)
            told.unlink()
        assert any(counts.values()), "nothing was counted"
        return counts

    def wrong(self, command, code, said, left):
        """What is wrong with how a run ended, or None."""
        if code is None:
            return "it hung"
        if code < 0:
            return f"it was ended by signal {-code}"
        if code not in CODES:
            return f"exit code {code}"
        if any(x in said for x in CRASHES):
            return "it crashed"
        if code != 0 and not said.strip():
            return f"exit code {code} without a word"
        if left:
            return f"it left {left}"
        return self.wrong_results(command, code, said)

    def wrong_results(self, command, code, said):
        out = self.folder / "out"
        if command[0] not in ("run", "recover") or not out.exists():
            return None
        if command[0] == "run" and "--no-video" not in command and not said.strip():
            video = next(iter(out.glob("annotated*.mp4")), None)
            if video is None or self.pictures(video) != FRAMES:
                return f"pictures are missing of {video}, and nothing says so"
        if code == 0 and command[0] == "run":
            rows = out / "faces.ndjson"
            if len(rows.read_text().splitlines()) != FRAMES and not said.strip():
                return "rows are missing, and nothing says so"
        recovered = subprocess.run([self.build / "faceflow", "recover", out], capture_output=True, text=True, timeout=LIMIT)
        if recovered.returncode != 0:
            return f"recover: {recovered.stderr}"
        for rows in out.glob("faces*.ndjson"):
            text = rows.read_text()
            if text and not text.endswith("\n"):
                return f"{rows.name} ends in half a line"
            for line in text.splitlines():
                json.loads(line)
        for document in [*out.glob("summary*.json"), *out.glob("trace*.json")]:
            json.loads(document.read_text())
        parts = [p.name for p in out.iterdir() if ".part-" in p.name and not p.name.startswith(".annotated")]
        return f"unfinished files are left: {parts}" if parts else None


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("build", type=pathlib.Path)
    arguments.add_argument("--every", type=int, default=int(os.environ.get("FACEFLOW_FAULTS", "1")))
    arguments.add_argument("--only", help="commands whose title contains this")
    arguments.add_argument("--calls", help="only these, with commas between them")
    given = arguments.parse_args()
    bed = Bed(given.build.resolve())
    tried, failures = 0, []
    try:
        for title, program, command in bed.commands():
            if given.only and given.only not in title:
                continue
            here = 0
            for call, n in sorted(bed.counts(command, program).items()):
                if given.calls and call not in given.calls.split(","):
                    continue
                points = -(-min(n, MOST.get(call, n)) // given.every)
                step = n // points if points else 1
                first = 1 + sum(map(ord, title + call)) % step
                for at in range(first, n + 1, step):
                    hit = bed.folder / "hit"
                    hit.unlink(missing_ok=True)
                    code, said, left = bed.run(command, program, FAULTS_FAIL=f"{call}:{at}", FAULTS_HIT=str(hit))
                    if not hit.exists():
                        continue  # this time it was called less often
                    where = bed.places(program, hit)
                    if call == "new" and any("nlohmann" in place for place in where):
                        continue  # its containers end the program where they get no memory
                    here += 1
                    if wrong := bed.wrong(command, code, said, left):
                        failures.append(f"{title}: {call} {at} of {n}: {wrong}\n    {said.strip()[-600:]}\n    " + "\n    ".join(where[:8]))
                        print("FAILED", failures[-1], flush=True)
            tried += here
            print(f"{title}: {here} points tried", flush=True)
    finally:
        shutil.rmtree(bed.folder, ignore_errors=True)
    print(f"{tried} points tried, {tried - len(failures)} survived")
    return 1 if failures or tried == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
