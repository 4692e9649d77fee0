#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Puts the runs of handoff.sh side by side.

    table.py RUNS.jsonl RESULTS_FOLDER
"""
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

TOOLS = {  # name, copies that the way itself makes of each frame, which
    "futex": ("bare futex (the floor)", 0, "none: shared memory written in place, one wake"),
    "socket": ("bare socket (a floor)", 0, "none: shared memory written in place, one byte sent"),
    "faceflow": ("faceflow shared slots", 0, "none after the server's write into the slot"),
    "faceflow_anticipating": ("faceflow, anticipating", 0, "none after the server's write into the slot"),
    "iceoryx": ("iceoryx 2.0.3, WaitSet", 0, "none: loaned chunks are written in place"),
    "gstreamer": ("GStreamer shmsink/shmsrc", 0, "none when shmsink's allocator is used, as here; else one"),
    "zeromq": ("ZeroMQ ipc://, PUSH/PULL", 2, "into the socket and out of it"),
    "python_queue": ("multiprocessing.Queue, numpy", 4, "pickle, into the pipe, out of it, unpickle (at least)"),
}
CASES = [("64x64 NV12", 64, "nv12", False), ("NV12", 1920, "nv12", False), ("BGR", 1920, "bgr24", False),
         ("NV12, touched", 1920, "nv12", True), ("BGR, touched", 1920, "bgr24", True)]
BYTES = {("nv12", 64): 6144, ("nv12", 1920): 3110400, ("bgr24", 1920): 6220800}


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def summary(runs):
    latency = [r for r in runs if r["mode"] == "latency"]
    out = {}
    if latency:
        held = [v for r in latency for v in r["held_us"]]
        whole = [v for r in latency for v in r["whole_us"]]
        out = {"frames": len(held), "p50_us": statistics.median(held), "p99_us": percentile(held, 0.99),
               "with_write_p50_us": statistics.median(whole),
               "rounds_p50_us": [statistics.median(r["held_us"]) for r in latency],
               "cpu_ms_per_s": 1000 * sum(r["cpu_seconds"] for r in latency) / sum(r["seconds"] for r in latency)}
    rates = [r["frames"] / r["seconds"] for r in runs if r["mode"] == "rate"]
    if rates:
        out["fps"] = statistics.median(rates)
    return out


def table(head, rows):
    return ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]


def main():
    runs = [json.loads(line) for line in pathlib.Path(sys.argv[1]).read_text().splitlines()]
    results = pathlib.Path(sys.argv[2])
    found = {}
    for tool, (_, copies, _) in TOOLS.items():
        for label, width, pixels, touched in CASES:
            mine = [r for r in runs if (r["tool"], r["width"], r["format"], r["touched"]) == (tool, width, pixels, touched)]
            if mine:
                size = BYTES[pixels, width]
                found.setdefault(tool, {})[label] = {**summary(mine), "frame_bytes": size, "bytes_moved": 2 * copies * size}
    ours = found["faceflow"]
    for cases in found.values():
        for label, c in cases.items():
            if "p50_us" in c:
                c["p50_of_ours"] = c["p50_us"] / ours[label]["p50_us"]
            if "fps" in c:
                c["fps_of_ours"] = c["fps"] / ours[label]["fps"]
    cpu = subprocess.run(["sh", "-c", "sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1"], capture_output=True, text=True)
    machine = f"{os.cpu_count()} cores, {cpu.stdout.strip()}, Linux {platform.release()}"

    def cell(c, key, ratio):
        if key not in c:
            return ""
        return f"{c[key]:.0f} / {c['p99_us']:.0f} ({c[ratio]:.2f}x)" if key == "p50_us" else f"{c[key]:.0f} ({c[ratio]:.2f}x)"

    names = [c[0] for c in CASES]
    lines = [f"Between two processes, frames of 1920x1080; {machine}, load {os.getloadavg()[1]:.1f}. One run of `bench/handoff.sh`.", "",
             "From the frame complete in the producer's memory to held (touched: and one byte of each 64 read) by the consumer, "
             "at 60 fps: p50 / p99 in us, p50 of ours in brackets.", ""]
    nv12 = {t: {"with_write_p50_us": float("nan"), "cpu_ms_per_s": float("nan"), **found[t].get("NV12", {})} for t in found}
    lines += table(["way", *names, "write + hand-off, NV12", "consumer's CPU ms a second, NV12", "copies it makes"],
                   [[TOOLS[t][0], *(cell(found[t].get(n, {}), "p50_us", "p50_of_ours") for n in names),
                     f"{nv12[t]['with_write_p50_us']:.0f}", f"{nv12[t]['cpu_ms_per_s']:.1f}", TOOLS[t][2]]
                    for t in TOOLS if t in found])
    lines += ["", "Frames a second when the producer goes as fast as it may, each frame written anew.", ""]
    lines += table(["way", *names[1:], "MB moved a frame, NV12 / BGR"],
                   [[TOOLS[t][0], *(cell(found[t].get(n, {}), "fps", "fps_of_ours") for n in names[1:]),
                     " / ".join(f"{found[t].get(n, {}).get('bytes_moved', 0) / 1e6:.1f}" for n in names[1:3])]
                    for t in TOOLS if t in found])
    missing = [TOOLS[t][0] for t in TOOLS if t not in found]
    if missing:
        lines += ["", "Left out, for it could not be had or run: " + ", ".join(missing) + "."]
    (results / "handoff.md").write_text("\n".join(lines) + "\n")
    (results / "handoff.json").write_text(json.dumps({"machine": machine, "ways": found}, indent=1) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
