#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs what a card should do, one step after the other, and writes what was expected and what was seen.

    tools/gpu_report.py --build DIR [--device cuda|emulated|cpu] [--out DIR] [--clip FILE] [--minutes N] [--only STEP ...] [--quick]

tools/gpu_report.sh builds first. Needs the programs of the build folder, models and a clip with faces (four in each frame, for the
figures to be comparable); nothing of a source tree. OUT gets report.md, report.json, figures, and the output of every step. A step
that fails or takes too long is reported, and the rest goes on. Exit status: 0 nothing failed, 1 something did.
"""
import argparse
import collections
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

FLOWS = ("fused", "threaded", "shared", "cached", "copied")
NOT_HERE = re.compile("no CUDA device|is missing")  # reasons to skip a test that are none for a report

Step = collections.namedtuple("Step", "name expected limit command judge")
Done = collections.namedtuple("Done", "status out err")  # status: None when it took too long


def lines_of(text):
    return [line for line in text.splitlines() if line.strip()]


class Report:
    def __init__(self, wanted):
        self.wanted = wanted
        self.cuda = wanted.device.split(":")[0] == "cuda"
        self.out = wanted.out.resolve()
        (self.out / "steps").mkdir(parents=True, exist_ok=True)
        self.deadline = time.monotonic() + 60 * wanted.minutes
        self.results = []

    # ---- the steps ----

    def program(self, name, *arguments):
        return [str(self.wanted.build / name), *map(str, arguments)]

    def test_program(self, kind, pattern):
        report = self.out / "steps" / f"{kind}.json"
        report.unlink(missing_ok=True)
        return self.program(f"faceflow_{kind}_tests", f"--gtest_filter={pattern}", f"--gtest_output=json:{report}")

    def run_of(self, clip, decode, frames, folder):
        return self.program("faceflow", "run", clip, "--device", self.wanted.device, "--decode", decode, "--limit", frames, "--no-video",
                            "--format", "ndjson", "--out", self.out / folder, "--verify-ledger", "--json")

    def steps(self):
        w, quick = self.wanted, self.wanted.quick
        kind = w.device.split(":")[0]
        device, clip = ["--device", w.device], str(w.clip)
        own = {"cuda": "*/cuda", "emulated": "*/emulated*", "cpu": "*/cpu"}[kind]
        unit = "*cuda*:*cupti*:nvml*:gpu_*" if self.cuda else "witness*:ledger_check*:nvml*:gpu_*"
        flows = "*cuda_provider*:engine_devices*:*cuda_flow*:*cuda_process_flow*" if self.cuda else "*memory_flow.moves_what*"
        frames, some = (6, 4) if quick else (120, 48)
        verify = ["--verify-ledger", "--json"]
        # A busy machine may hold up a stage for a second; that is no matter of this report.
        patient = ["--stage-timeout", 20, *verify]
        yield Step("doctor", "finds the device and what a run needs", 30, self.program("faceflow", "doctor"), self.judge_doctor)
        yield Step("unit tests", "pass", 60, self.test_program("unit", unit), lambda d: self.judge_tests("unit", d))
        yield Step("conformance suite", "passes; skipped are tests of host functions on streams alone" if self.cuda else "passes", 90,
                   self.test_program("conformance", own), lambda d: self.judge_tests("conformance", d))
        yield Step("flows against the CPU" if self.cuda else "flows",
                   "landmarks within 0.2 px of 192 of the CPU's, what each flow's design moves, a killed stage process survived" if self.cuda else "pass",
                   300 if self.cuda else 120, self.test_program("integration", flows), lambda d: self.judge_tests("integration", d))
        yield Step("run", "the ledger agrees with the device's own counts" + (", and the card tells of itself" if self.cuda else ""), 60,
                   self.run_of(clip, "cpu", 8 if quick else 300, "run"), self.judge_run)
        if kind != "cpu":
            yield Step("decoding", "nothing goes up; the ledger agrees", 60,
                       self.run_of(clip, "gpu", 8 if quick else 300, "decoded"), self.judge_decoding)
        yield Step("kernels", "every kernel measured beside the copy rate", 60,
                   self.program("faceflow_bench_gpu", *device, "--json", self.out / "kernels.json", "--svg", self.out / "kernels.svg",
                                *(["--seconds", 0.01, "--frames", 2, "--copy-mib", 64] if quick else [])), self.judge_kernels)
        yield Step("compare", "the same faces in every flow, one upload a frame where memory is shared; the ledger agrees", 150,
                   self.program("faceflow", "compare", clip, *device, "--flows", ",".join(FLOWS), "--limit", frames,
                                "--out", self.out / "compare", *patient), self.judge_compare)
        most, budget = (240, 200) if self.cuda else (150, 120)
        yield Step("cameras", "as many as it holds at 30 frames a second with p95 under 33 ms" + (", one at least" if self.cuda else ""), most,
                   self.program("faceflow_bench_scaling", clip, *device, "--search", "--from", 16 if self.cuda and not quick else 1,
                                "--json", self.out / "cameras.json", "--svg", self.out / "cameras.svg", "--budget", 4 if quick else budget,
                                *(["--seconds", 0.5, "--warm-up", 0.3, "--most", 2] if quick else ["--seconds", 2, "--warm-up", 1.5])),
                   self.judge_cameras)
        for flow in FLOWS:
            yield Step(f"ablations of {flow}", "the same faces; the ledger agrees", 240 if self.cuda else 120,
                       self.program("faceflow", "compare", clip, *device, "--flows", flow, "--ablate", "cache,batch,pinned,graphs",
                                    "--limit", some, "--out", self.out / f"compare-{flow}", *patient), self.judge_compare)
        sanitizer = shutil.which("compute-sanitizer", path=os.environ.get("PATH", "") + ":/usr/local/cuda/bin")
        command = None
        if self.cuda and sanitizer:
            command = [sanitizer, "--tool", "memcheck", "--error-exitcode", "9",
                       *self.program("faceflow", "run", clip, *device, "--limit", 4, "--no-video", "--quiet", "--out", self.out / "checked")]
        yield Step("compute-sanitizer", "no error in a short run", 120, command, self.judge_sanitizer)

    # ---- what to make of them: (whether it is as expected, what was seen) ----

    def judge_doctor(self, done):
        kind = self.wanted.device.split(":")[0]
        line = next((x for x in done.out.splitlines() if f"device {kind}" in x), "no line on the device")
        return done.status == 0 and line.startswith("ok"), re.sub(r"\s+", " ", line)

    def judge_tests(self, kind, done):
        path = self.out / "steps" / f"{kind}.json"
        if not path.exists():
            return False, last_words(done)
        tests = [t for suite in json.loads(path.read_text())["testsuites"] for t in suite["testsuite"]]
        failed = [f"{t['classname']}.{t['name']}" for t in tests if t.get("failures")]
        skipped = sum(t.get("result") == "SKIPPED" for t in tests)
        reasons = set(re.findall(r": Skipped\n(.+)\n", done.out))
        unfit = sorted(r for r in reasons if NOT_HERE.search(r)) if self.cuda else []
        seen = f"{len(tests) - skipped - len(failed)} passed, {skipped} skipped, {len(failed)} failed"
        details = failed[:5] + unfit[:2]
        return done.status == 0 and not failed and not unfit and len(tests) > skipped, seen + "".join(f"; {d}" for d in details)

    def judge_run(self, done):
        if done.status != 0:
            return False, last_words(done)
        s = json.loads(done.out)
        seen = f"{s['frames']} frames, {s['fps']:.1f} a second, p95 {s['latency_ms']['p95']:.1f} ms"
        good = s["frames"] > 0 and not s["errors"]
        if check := s.get("ledger_check"):
            good = good and check["agrees"]
            seen += f"; the ledger {'agrees' if check['agrees'] else 'DIFFERS'} ({check['by']})"
        elif not self.wanted.device.startswith("cpu"):
            good = False
        if self.cuda:
            told = [g for g in s.get("gpus", []) if len(g) > 2]
            good = good and bool(told)
            seen += "; " + (", ".join(f"busy {g['busy_percent']['mean']:.0f} %" for g in told if "busy_percent" in g) or "the card tells nothing")
        return good, seen

    def judge_decoding(self, done):
        good, seen = self.judge_run(done)
        if done.status == 0:
            up = json.loads(done.out)["transfers"]["host_to_device"]["count"]
            good, seen = good and up == 0, seen + f"; {up} transfers up"
        return good, seen

    def judge_kernels(self, done):
        if done.status != 0:
            return False, last_words(done)
        figures = json.loads((self.out / "kernels.json").read_text())
        best = max(figures["kernels"], key=lambda k: k["of_copy_rate"])
        return len(figures["kernels"]) == 21, (f"{len(figures['kernels'])} kernels; copies {figures['copy_bytes_per_second'] / 1e9:.0f} GB/s; "
                                               f"{best['name']} reaches {100 * best['of_copy_rate']:.0f} % of that")

    def judge_compare(self, done):
        if done.status not in (0, 1) or not done.out.startswith("{"):  # 1: some row is not like the others, and says so
            return False, last_words(done)
        rows = json.loads(done.out)["rows"]
        wrong = []
        for r in rows:
            label = r["flow"] + ("" if r["ablation"] == "none" else f", {r['ablation']} off")
            if r["largest_difference_px"] is None:
                wrong.append(f"{label}: other faces")
            elif not r["faces_equal"]:
                wrong.append(f"{label}: landmarks {r['largest_difference_px']:.3f} px off")
            if r.get("ledger_agrees") is not (None if self.wanted.device.startswith("cpu") else True):
                wrong.append(f"{label}: the ledger differs")
            uploads = 0 if self.wanted.device.startswith("cpu") else 1
            if r["flow"] in ("fused", "threaded") and r["ablation"] == "none" and r["host_to_device_per_frame"] != uploads:
                wrong.append(f"{label}: {r['host_to_device_per_frame']:.2f} uploads a frame")
        rates = ", ".join(f"{r['flow']} {r['fps']:.1f}" for r in rows if r["ablation"] == "none")
        notes = [x.removeprefix("faceflow: ") for x in lines_of(done.err) if "ledger has" in x or "gave no result" in x]
        return not wrong and not notes, f"{len(rows)} rows; frames a second: {rates}" + "".join(f"; {x}" for x in wrong + notes)

    def judge_cameras(self, done):
        if done.status != 0:
            return False, last_words(done)
        figures = json.loads((self.out / "cameras.json").read_text())
        at = [s for s in figures["steps"] if s["cameras"] == figures["held"]]
        seen = f"{figures['held']} cameras" + (f" with p95 {at[0]['p95_ms']:.1f} ms" if at else "")
        return figures["held"] >= (1 if self.cuda else 0), seen + ("" if figures["complete"] else "; the search was cut short")

    @staticmethod
    def judge_sanitizer(done):
        summary = re.findall(r"ERROR SUMMARY: .*", done.out + done.err)
        return done.status == 0, summary[-1] if summary else last_words(done)

    # ---- running them ----

    def run_all(self, environment):
        for step in self.steps():
            if self.wanted.only and not any(step.name.startswith(x) for x in self.wanted.only):
                continue
            begun = time.monotonic()
            limit = min(step.limit, self.deadline - begun)
            print(f"gpu_report: {step.name}", file=sys.stderr, flush=True)
            if step.command is None:
                self.enter(step, "not run", "there is none here, or no card", begun)
            elif limit < 1:
                self.enter(step, "failed", "not begun: the time is up", begun)
            else:
                done = self.run(step, limit, environment)
                if done.status is None:
                    self.enter(step, "failed", f"took longer than {limit:.0f} s and was ended", begun, done)
                    continue
                try:
                    good, seen = step.judge(done)
                except (OSError, ValueError, KeyError, IndexError) as problem:
                    good, seen = False, f"{last_words(done)} ({type(problem).__name__}: {problem})"
                self.enter(step, "ok" if good else "failed", seen, begun, done)

    def run(self, step, limit, environment):
        try:
            process = subprocess.Popen(step.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       env=environment, start_new_session=True)
        except OSError as problem:
            return Done(127, "", f"{step.command[0]}: {problem.strerror}")
        try:
            out, err = process.communicate(timeout=limit)
            status = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # and what it has started
            out, err = process.communicate()
            status = None
        done = Done(status, out.decode(errors="replace"), err.decode(errors="replace"))
        log = self.out / "steps" / (step.name.replace(" ", "-") + ".log")
        log.write_text(f"$ {' '.join(step.command)}\n{done.out}\n{done.err}\nexit status {status}\n")
        return done

    def enter(self, step, status, seen, begun, done=None):
        seconds = time.monotonic() - begun
        self.results.append({"name": step.name, "expected": step.expected, "saw": seen, "status": status, "seconds": round(seconds, 1)})
        print(f"gpu_report:   {status}: {seen}", file=sys.stderr, flush=True)
        if step.name == "kernels" and done and status == "ok":
            (self.out / "kernels.md").write_text(done.out)
        if step.name == "cameras" and done and status == "ok":
            (self.out / "cameras.md").write_text(done.out)

    # ---- the report ----

    def failed(self):
        return sum(r["status"] == "failed" for r in self.results)

    def write(self):
        machine = {"system": platform.platform(), "cores": os.cpu_count(), "cards": cards()}
        document = {"device": self.wanted.device, "machine": machine, "failed": self.failed(), "steps": self.results}
        (self.out / "report.json").write_text(json.dumps(document, indent=2) + "\n")
        text = [f"# faceflow on `--device {self.wanted.device}`", "",
                f"{machine['system']}, {machine['cores']} cores; {'; '.join(machine['cards']) or 'nvidia-smi names no card'}.", "",
                f"{self.failed()} of {len(self.results)} steps failed.", "", "| step | expected | saw | | s |", "| --- | --- | --- | --- | ---: |"]
        text += [f"| {r['name']} | {r['expected']} | {r['saw'].replace('|', '/')} | {r['status']} | {r['seconds']} |" for r in self.results]
        for title, table, figure in (("Kernels", "kernels.md", "kernels.svg"), ("Flows", "compare/compare.md", "compare/compare.svg"),
                                     ("Cameras", "cameras.md", "cameras.svg"),
                                     *((f"Ablations of {f}", f"compare-{f}/compare.md", f"compare-{f}/compare.svg") for f in FLOWS)):
            if (self.out / table).exists():
                text += ["", f"## {title}", "", (self.out / table).read_text().strip()]
                if (self.out / figure).exists():
                    text += ["", f"![{title}]({figure})"]
        (self.out / "report.md").write_text("\n".join(text) + "\n")


def last_words(done):
    words = lines_of(done.err) or lines_of(done.out) or ["it said nothing"]
    return f"exit status {done.status}: {words[-1].strip()}"


def cards():
    try:
        asked = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"],
                               capture_output=True, text=True, timeout=20, check=True)
        return lines_of(asked.stdout)
    except (OSError, subprocess.SubprocessError):
        return []


def environment_for(root, models):
    """Where a build that was made elsewhere finds its models, its tests' clip and ONNX Runtime."""
    e = dict(os.environ)
    for folder in (root / "models", root / "assets" / "models"):
        for file in sorted(folder.iterdir()) if folder.is_dir() else []:
            if not (models / file.name).exists():
                (models / file.name).symlink_to(file.resolve())
    if any(models.iterdir()):
        e["FACEFLOW_MODELS"] = str(models)
    libraries = [root / "assets" / name / "lib" for name in ("onnxruntime-gpu", "onnxruntime")]
    libraries = [str(x) for x in libraries if x.is_dir()][:1] + [x for x in [e.get("LD_LIBRARY_PATH")] if x]
    if libraries:
        e["LD_LIBRARY_PATH"] = ":".join(libraries)
    e["FACEFLOW_ROOT"] = str(root)
    return e


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = pathlib.Path(__file__).resolve().parents[1]
    p.add_argument("--root", type=pathlib.Path, default=here, help="where models/ and assets/ are")
    p.add_argument("--build", type=pathlib.Path, required=True)
    p.add_argument("--device", default="cuda", type=str, help="cuda[:I], emulated or cpu")
    p.add_argument("--out", type=pathlib.Path, default=pathlib.Path("gpu-report"))
    p.add_argument("--clip", type=pathlib.Path, help="default: assets/demo.mp4")
    p.add_argument("--minutes", type=float, default=25, help="for all steps together")
    p.add_argument("--only", metavar="STEP", nargs="+", help="the steps whose names begin so, such as compare or ablations")
    p.add_argument("--quick", action="store_true", help="few frames and short measurements: whether it works, not how fast")
    wanted = p.parse_args()
    if wanted.device.split(":")[0] not in ("cuda", "emulated", "cpu"):
        p.error(f"no report for the device '{wanted.device}'; there are: cuda[:I], emulated, cpu")
    wanted.root, wanted.build = wanted.root.resolve(), wanted.build.resolve()
    wanted.clip = (wanted.clip or wanted.root / "assets" / "demo.mp4").resolve()
    report = Report(wanted)
    with tempfile.TemporaryDirectory(prefix="faceflow-models-") as models:
        report.run_all(environment_for(wanted.root, pathlib.Path(models)))
    report.write()
    print(report.out / "report.md")
    return 1 if report.failed() else 0


if __name__ == "__main__":
    sys.exit(main())
