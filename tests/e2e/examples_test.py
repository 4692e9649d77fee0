#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What headers, README and docs show is what works: every example is compiled and run, every command is tried.

    examples_test.py BUILD_FOLDER [unittest options]
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
HEADERS = sorted((ROOT / "include" / "faceflow").iterdir())
DEMO = ROOT / "assets" / "demo.mp4"
BUNDLE = ROOT.parent / "shared" / "models" / "face_landmarker.task"
WIDTH, HEIGHT = 1920, 1080

# What the fragments take for granted. `use` counts what it is shown.
PRELUDE = """
#include <cstdio>
#include <fstream>
#include <iterator>
#include <vector>
static int used = 0;
template <class... T> void use(const T&...) { ++used; }
"""
PICTURE = f"""
std::ifstream file(argv[1], std::ios::binary);
std::vector<std::uint8_t> bytes(std::istreambuf_iterator<char>(file), {{}});
const std::uint8_t *luma = bytes.data(), *chroma = luma + {WIDTH * HEIGHT};
std::int64_t pts_ns = 0;
"""
OWN_PICTURE = f"""
faceflow::image picture{{.format = faceflow::pixel_format::nv12, .width = {WIDTH}, .height = {HEIGHT}}};
picture.planes[0] = {{luma, {WIDTH}}};
picture.planes[1] = {{chroma, {WIDTH}}};
"""


def fenced(page):
    """(language, text) of each block."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(), re.S | re.M)


def in_comments(header):
    """The examples at the head of a header: lines of a comment that are indented once more."""
    head = header.read_text().split("\n#", 1)[0]
    return "\n".join(re.findall(r"^(?://| \*) {4,5}(\S.*|\s+\S.*)$", head, re.M))


def commands(page):
    """Lines that call faceflow, without their comments."""
    text = "\n".join(text for language, text in fenced(page) if language == "sh")
    lines = re.findall(r"^    (faceflow .*)$", page.read_text(), re.M) + re.findall(r"^(faceflow .*)$", text, re.M)
    return [re.sub(r"\s+#.*$", "", line) for line in lines]


class Examples(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="faceflow-examples-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def run_ok(self, *command, **more):
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300, cwd=self.dir, **more)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        return done.stdout

    def compiled(self, source, library):
        suffix = ".c" if library == "faceflow-client" and "::" not in source else ".cpp"
        (self.dir / f"program{suffix}").write_text(source)
        compiler = ["cc", "-std=c99"] if suffix == ".c" else ["c++", "-std=c++20"]
        self.run_ok(*compiler, *SANITIZE, "-Wall", "-Wextra", "-I", ROOT / "include", f"program{suffix}", "-L", BUILD,
                    f"-Wl,-rpath,{BUILD}", f"-l{library}", "-o", "program")  # fmt: skip
        return self.dir / "program"

    def runs_on_a_picture(self, fragment, before):
        if not DEMO.exists():
            self.skipTest("assets/demo.mp4 is missing; tools/setup.sh makes it")
        self.run_ok("ffmpeg", "-v", "error", "-y", "-i", DEMO, "-frames:v", 1, "-pix_fmt", "nv12", "-f", "rawvideo", "frame.nv12")
        includes = "".join(re.findall(r"^#include.*\n", fragment, re.M)) or "#include <faceflow/faceflow.hpp>\n"
        body = re.sub(r"^#include.*\n", "", fragment, flags=re.M)
        program = self.compiled(
            includes + PRELUDE + "int main(int, char** argv) {" + before + body + '\nstd::printf("%d\\n", used);\n}\n', "faceflow")
        return int(self.run_ok(program, "frame.nv12"))

    def shown_frames(self, program, *arguments):
        """What the program prints beside a share of three frames."""
        env = {**os.environ, "XDG_RUNTIME_DIR": str(self.dir), "PYTHONPATH": str(ROOT / "examples" / "python"),
               "FACEFLOW_CLIENT": str(BUILD / "libfaceflow-client.so")}  # fmt: skip
        share = subprocess.Popen([BUILD / "faceflow", "share", DEMO, "--once-connected", "--limit", "3"], env=env,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        self.addCleanup(share.wait)
        self.addCleanup(share.kill)
        self.wait_for_sockets(share)
        return self.run_ok(program, *arguments, env=env)

    def test_the_library_shows_what_its_headers_declare(self):
        shown = self.run_ok("nm", "-DC", "--defined-only", BUILD / "libfaceflow.so").splitlines()
        names = {line.split(" ", 2)[2] for line in shown if line[17] in "TVWBDR"}
        headers = "".join(h.read_text() for h in HEADERS)
        public = headers.split("private:")[0] + "".join(part.split("};", 1)[1] for part in headers.split("private:")[1:])
        for name in names:
            function = re.match(r"faceflow::(?:engine::)?(~?\w+|operator=)(?:\[.*\])?\(", name)
            self.assertIsNotNone(function, f"{name} is no function of the headers")
            self.assertIn(f"{function[1]}(", public, name)
            for used in re.findall(r"faceflow::(\w+)(?=[ ,&>)])", name):
                self.assertRegex(public, rf"\b(class|struct|enum class) {used}\b", name)
        for wanted in ("version", "name", "create", "push", "next", "finish", "info", "counts", "~engine", "operator="):
            self.assertTrue(any(re.search(rf"\b{re.escape(wanted)}(\[.*\])?\(" if wanted[0] != "~" else re.escape(wanted), n) for n in names), wanted)

    def test_every_block_has_a_test(self):
        tried = {("README.md", "cpp"), ("README.md", "c"), ("README.md", "python"), ("output.md", "python"), ("output.md", "r"),
                 ("output.md", "sh")}  # fmt: skip
        for page in PAGES:
            for language, _ in fenced(page):
                if language != "mermaid":  # drawn, not run
                    self.assertIn((page.name, language), tried, f"{page}: an example that nothing tries")
        examples = {h.name for h in HEADERS if "(" in in_comments(h)}
        self.assertEqual(examples, {"faceflow.hpp", "client.h", "client.hpp"})

    def test_cpp_of_the_readme_finds_faces(self):
        for language, text in fenced(ROOT / "README.md"):
            if language == "cpp":
                self.assertGreaterEqual(self.runs_on_a_picture(text, PICTURE), 4)

    def test_cpp_of_the_engines_header_finds_faces(self):
        text = in_comments(ROOT / "include/faceflow/faceflow.hpp")
        self.assertEqual(self.runs_on_a_picture(text, PICTURE + OWN_PICTURE), 1)

    def test_c_of_the_clients_header_sees_frames(self):
        body = in_comments(ROOT / "include/faceflow/client.h")
        program = self.compiled(f"#include <faceflow/client.h>\n#include <stdio.h>\nint main(void) {{\n{body}\nreturn 0;\n}}\n", "faceflow-client")
        self.assertIn(f"{WIDTH} x {HEIGHT}", self.shown_frames(program))

    def test_cpp_of_the_clients_header_sees_frames(self):
        body = in_comments(ROOT / "include/faceflow/client.hpp")
        program = self.compiled(
            f'#include <faceflow/client.hpp>\n{PRELUDE}int main() {{\n{body}\nstd::printf("%d\\n", used);\n}}\n', "faceflow-client")
        self.assertGreaterEqual(int(self.shown_frames(program)), 1)

    def test_c_and_python_of_the_readme_see_frames(self):
        for language, text in fenced(ROOT / "README.md"):
            with self.subTest(language=language):
                if language == "c":
                    self.assertIn(str(WIDTH), self.shown_frames(self.compiled(text, "faceflow-client")))
                elif language == "python":
                    self.assertIn(str(WIDTH), self.shown_frames("/usr/bin/python3", "-c", text))

    def results(self):
        if not DEMO.exists():
            self.skipTest("assets/demo.mp4 is missing; tools/setup.sh makes it")
        self.run_ok(BUILD / "faceflow", "run", DEMO, "--limit", 3, "--no-video", "--out", self.dir)

    def test_python_of_the_output_page_reads_results(self):
        if subprocess.run(["/usr/bin/python3", "-c", "import pandas"], capture_output=True).returncode != 0:
            self.skipTest("pandas is not installed (python3-pandas)")
        self.results()
        for language, text in fenced(ROOT / "docs/output.md"):
            if language == "python":
                self.assertIn("yaw", self.run_ok("/usr/bin/python3", "-c", text + "\nprint(x.shape, len(per_frame))\n"))

    def test_r_of_the_output_page_reads_results(self):
        if shutil.which("Rscript") is None:
            self.skipTest("R is not installed (r-base-core, r-cran-jsonlite)")
        self.results()
        for language, text in fenced(ROOT / "docs/output.md"):
            if language == "r":
                self.run_ok("Rscript", "-e", text)

    def test_shell_of_the_output_page_checks_results(self):
        self.results()
        for tree in ("tests", "docs"):
            (self.dir / tree).symlink_to(ROOT / tree)
        for language, text in fenced(ROOT / "docs/output.md"):
            if language == "sh":
                self.run_ok("bash", "-ec", text)

    def test_every_command_is_one_that_faceflow_knows(self):
        """With files where a command names some; cameras that are not there are an error, but none of usage."""
        if not DEMO.exists():
            self.skipTest("assets/demo.mp4 is missing; tools/setup.sh makes it")
        for name in ("interview.mp4", "left.mp4", "right.mp4", "clip.mp4"):
            self.run_ok("ffmpeg", "-v", "error", "-y", "-i", DEMO, "-frames:v", 4, "-vf", "scale=640:360", "-preset", "ultrafast", name)
        (self.dir / "photos").mkdir()
        (self.dir / "own").mkdir(mode=0o700)
        self.run_ok("ffmpeg", "-v", "error", "-y", "-i", "clip.mp4", "-frames:v", 1, "photos/a.jpg")
        env = {**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}", "XDG_RUNTIME_DIR": str(self.dir), "HOME": str(self.dir)}
        if BUNDLE.is_file():
            (self.dir / BUNDLE.name).symlink_to(BUNDLE)
            self.try_command(f"faceflow models import {BUNDLE.name}", env)
        tried = 0
        for page in PAGES:
            for command in commands(page):
                if ("models import" in command or "--landmarks v2" in command) and not BUNDLE.is_file():
                    continue  # that file is the user's
                with self.subTest(page=page.name, command=command):
                    if shutil.which("jq") is None:
                        command = command.replace("| jq .", "")
                    self.try_command(command, env)
                    tried += 1
        self.assertGreaterEqual(tried, 12)

    def try_command(self, command, env):
        # Cameras that are nowhere: what is known of them must be an error of the input, not of the command.
        absent = re.search(r"/dev/video|rtsp://|attach|faceflow top", command) is not None
        command = re.sub(r"/dev/video\d+", "/dev/video-of-nobody", command)
        command = re.sub(r"rtsp://\w+", "rtsp://127.0.0.1:9", command)
        serves = command.startswith("faceflow serve")  # whether its sources are there or not
        if serves:
            command += " --listen 127.0.0.1:0"
            absent = False
        shares = command.startswith("faceflow share") and not absent
        process = subprocess.Popen(["bash", "-o", "pipefail", "-c", f"exec {command}" if shares or serves else command], cwd=self.dir, env=env,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # fmt: skip
        self.addCleanup(process.kill)
        if shares:  # until it is ended
            self.wait_for_sockets(process)
            process.send_signal(signal.SIGINT)
        if serves:
            while (line := process.stderr.readline()) and "serving at" not in line:
                pass
            process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=240)
        self.assertNotEqual(process.returncode, 2, said)
        if not absent:
            self.assertIn(process.returncode, (0, 130), said)

    def wait_for_sockets(self, process):
        for _ in range(1200):
            found = [*self.dir.glob("*.sock"), *self.dir.glob("own/*.sock")]
            if found or process.poll() is not None:
                return
            time.sleep(0.05)


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
    cache = (BUILD / "CMakeCache.txt").read_text()
    SANITIZE = [f"-fsanitize={s}" for s in re.findall(r"^FACEFLOW_SANITIZE:STRING=(.+)$", cache, re.M)]
    unittest.main()
