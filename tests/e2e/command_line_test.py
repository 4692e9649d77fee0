#!/usr/bin/env python3
"""The command-line tool as a user meets it: real clips, bad input, interruption, files and exit codes.

    command_line_test.py FACEFLOW [unittest options]
"""
import json
import os
import pathlib
import pty
import re
import shlex
import signal
import subprocess
import time
import unittest

from support import CHECK, DEMO, FACEFLOW, SCHEMAS, Case, faceflow, ffmpeg


@unittest.skipUnless(DEMO.exists(), "assets/demo.mp4 is missing; tools/setup.sh makes it")
class DemoClip(Case):
    def test_four_faces_are_found_and_keep_their_tracks(self):
        self.run_ok(DEMO, "--no-video", "--format", "ndjson", timeout=600)
        lines = self.lines()
        self.assertEqual([x["sequence"] for x in lines], list(range(600)))
        home = {}  # track -> quarter of the picture
        found = {}
        for line in lines:
            for face in line["faces"]:
                x, y, w, h = face["box"]
                quarter = (x + w / 2 > 960, y + h / 2 > 540)
                self.assertEqual(home.setdefault(face["track"], quarter), quarter, "a track left its cell")
                found[face["track"]] = found.get(face["track"], 0) + 1
        self.assertEqual(len(found), 4, found)
        self.assertEqual(len(set(home.values())), 4)
        for track, n in found.items():
            self.assertGreaterEqual(n, 594, f"track {track} was seen in {n} of 600 frames")

    def test_same_bytes_for_any_number_of_threads(self):
        outs = []
        for threads in (1, 2, 5):
            self.run_ok(DEMO, "--no-video", "--limit", 40, "--threads", threads, "--detect-every", 2)
            outs.append((self.dir / "out" / "faces.ndjson").read_bytes())
        self.assertEqual(outs[0], outs[1])
        self.assertEqual(outs[0], outs[2])

    def test_several_inputs_are_several_sources_in_one_deterministic_order(self):
        outs = []
        for threads in (1, 3):
            self.run_ok(DEMO, DEMO, "--no-video", "--limit", 10, "--threads", threads)
            outs.append((self.dir / "out" / "faces.ndjson").read_bytes())
        self.assertEqual(outs[0], outs[1])
        self.assertEqual({x["source"] for x in self.lines()}, {0, 1})

    def test_outputs_hold_to_their_schemas(self):
        self.run_ok(DEMO, "--limit", 12)
        out = self.dir / "out"
        for schema, file in (("faces", "faces.ndjson"), ("summary", "summary.json")):
            done = subprocess.run(["/usr/bin/python3", CHECK, SCHEMAS / f"{schema}.schema.json", out / file], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        rows = (out / "faces.csv").read_text().splitlines()
        self.assertEqual(len(rows), 1 + 12 * 4)
        self.assertTrue(all(row.count(",") == rows[0].count(",") for row in rows))
        probe = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-show_entries",
                                "stream=width,height,nb_read_frames", "-of", "csv=p=0", out / "annotated.mp4"],
                               capture_output=True, text=True)
        self.assertEqual(probe.stdout.strip(), "1920,1080,12")

    def test_start_end_and_limit_choose_frames(self):
        self.run_ok(DEMO, "--no-video", "--start", 2, "--end", 2.5, "--detector", "blazeface")
        pts = [x["pts"] for x in self.lines()]
        self.assertEqual(len(pts), 15)
        self.assertGreaterEqual(pts[0], 2)
        self.assertLess(pts[-1], 2.5)

    def test_ndjson_to_standard_output(self):
        done = faceflow("run", DEMO, "--out", "-", "--limit", 3, "--detector", "blazeface")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([json.loads(x)["sequence"] for x in done.stdout.splitlines()], [0, 1, 2])

    def test_summary_as_json(self):
        done = self.run_ok(DEMO, "--no-video", "--limit", 3, "--json", "--detector", "blazeface")
        self.assertEqual(json.loads(done.stdout)["frames"], 3)

    def test_standard_input(self):
        ffmpeg("-i", DEMO, "-t", "0.5", "-c", "copy", "-f", "mpegts", self.dir / "part.ts")
        with open(self.dir / "part.ts", "rb") as stream:
            self.run_ok("-", "--no-video", "--detector", "blazeface", stdin=stream)
        self.assertGreaterEqual(len(self.lines()), 10)

    def test_interrupt_finishes_the_files(self):
        run = subprocess.Popen([FACEFLOW, "run", DEMO, "--out", self.dir / "out"], stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        time.sleep(2.5)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60)
        self.assertEqual(run.returncode, 130, err)
        lines = self.lines()
        self.assertGreater(len(lines), 0)
        self.assertEqual(self.summary()["frames"], len(lines))
        self.assertEqual(sorted(p.name for p in (self.dir / "out").iterdir()), ["annotated.mp4", "faces.csv", "faces.ndjson", "summary.json"])

    def test_a_second_interrupt_quits_at_once(self):
        run = subprocess.Popen([FACEFLOW, "run", DEMO, "--out", self.dir / "out"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        time.sleep(1.5)
        run.send_signal(signal.SIGINT)
        run.send_signal(signal.SIGINT)
        time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        self.assertEqual(run.wait(timeout=5), 130)

    def test_a_terminal_gets_a_live_progress_line(self):
        leader, follower = pty.openpty()
        run = subprocess.Popen([FACEFLOW, "run", DEMO, "--out", self.dir / "out", "--no-video", "--limit", "60"], stderr=follower,
                               stdout=subprocess.DEVNULL)
        os.close(follower)
        shown = b""
        while True:
            try:
                part = os.read(leader, 4096)
            except OSError:
                break
            if not part:
                break
            shown += part
        self.assertEqual(run.wait(timeout=60), 0)
        self.assertIn(b"fps", shown)
        self.assertIn(b"/60 frames", shown)
        self.assertIn(b"left", shown)

    def test_configuration_file_and_command_line_which_wins(self):
        config = self.dir / "faceflow.toml"
        config.write_text('limit = 7\nvideo = false\ndetector = "blazeface"\n')
        self.run_ok(DEMO, "--config", config)
        self.assertEqual(self.summary()["frames"], 7)
        self.assertEqual(self.summary()["models"][0]["id"], "face_detection_full_range")
        self.run_ok(DEMO, "--config", config, "--limit", 2)
        self.assertEqual(self.summary()["frames"], 2)

    def test_truncated_video_gives_what_decodes_and_counts_the_rest(self):
        data = DEMO.read_bytes()
        ffmpeg("-i", DEMO, "-t", "3", "-c", "copy", "-f", "mpegts", self.dir / "part.ts")
        whole = (self.dir / "part.ts").read_bytes()
        (self.dir / "cut.ts").write_bytes(whole[: len(whole) * 2 // 3])
        self.run_ok(self.dir / "cut.ts", "--no-video", "--detector", "blazeface")
        self.assertGreater(self.summary()["frames"], 20)
        (self.dir / "headless.mp4").write_bytes(data[: len(data) // 2])
        done = faceflow("run", self.dir / "headless.mp4", "--out", self.dir / "out2", "--no-video", "--detector", "blazeface", "--limit", 5)
        self.assertIn(done.returncode, (0, 3), done.stderr)

    def test_bit_flipped_video_never_ends_the_run(self):
        ffmpeg("-i", DEMO, "-t", "2", "-c", "copy", "-f", "mpegts", self.dir / "part.ts")
        data = bytearray((self.dir / "part.ts").read_bytes())
        for at in range(5000, len(data), 9973):
            data[at] ^= 0x55
        (self.dir / "flipped.ts").write_bytes(data)
        self.run_ok(self.dir / "flipped.ts", "--no-video", "--detector", "blazeface")
        summary = self.summary()
        self.assertGreater(summary["frames"], 5)
        self.assertGreater(sum(summary["errors"].values()), 0)

    def test_a_full_disk_is_an_error_and_leaves_nothing(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([FACEFLOW, "run", DEMO, "--out", "-", "--limit", "60", "--detector", "blazeface"], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=120)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("No space left", done.stderr)

    def test_lines_on_standard_output_stand_between_what_others_write_there(self):
        with open(self.dir / "log", "w") as log:
            subprocess.run(["sh", "-c", 'echo before; "$0" run "$1" --out - --limit 2 --detector blazeface --no-video; echo after', FACEFLOW, DEMO],
                           stdout=log, check=True, timeout=120)
        lines = (self.dir / "log").read_text().splitlines()
        self.assertEqual((len(lines), lines[0], lines[-1]), (4, "before", "after"))

    def test_a_standard_output_that_is_lost_is_no_success(self):
        with open("/dev/full", "w") as full:
            for command in (["run", DEMO, "--no-video", "--limit", "2", "--json", "--detector", "blazeface", "--out", self.dir / "out"], ["manual"]):
                done = subprocess.run([FACEFLOW, *command], stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
                self.assertEqual(done.returncode, 4, done.stderr)
                self.assertIn("standard output could not be written", done.stderr)

    def test_a_standard_error_that_is_lost_changes_nothing(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([FACEFLOW, "run", self.dir / "no.mp4"], stderr=full, timeout=120)
            self.assertEqual(done.returncode, 3)
            # Processes that die, and are told of while the run goes on.
            command = [FACEFLOW, "run", DEMO, "--flow", "shared", "--limit", "200", "--no-video", "--detector", "blazeface", "--out", self.dir / "out"]
            run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=full)
            killed = []
            while not killed and run.poll() is None:
                time.sleep(0.2)
                for children in pathlib.Path(f"/proc/{run.pid}/task").glob("*/children"):
                    killed += children.read_text().split()
            for process in killed:
                os.kill(int(process), signal.SIGKILL)
            self.assertNotEqual(killed, [])
            self.assertEqual(run.wait(timeout=120), 0)
        self.assertGreater(self.summary()["frames"], 0)

    def test_image_folder_and_glob(self):
        pictures = self.dir / "pictures"
        pictures.mkdir()
        ffmpeg("-i", DEMO, "-frames:v", "3", pictures / "f%d.png")
        (pictures / "notes.txt").write_text("not a picture")
        for name in (pictures, str(pictures / "*.png"), ):
            self.run_ok(name, "--no-video", "--detector", "blazeface")
            lines = self.lines()
            self.assertEqual([pathlib.Path(x["input"]).name for x in lines], ["f1.png", "f2.png", "f3.png"])
        (pictures / "f2.png").write_bytes(b"broken")
        self.run_ok(pictures, "--no-video", "--detector", "blazeface")
        self.assertEqual(len(self.lines()), 2)
        self.assertGreaterEqual(sum(self.summary()["errors"].values()), 1)

    def test_more_than_a_hundred_faces(self):
        ffmpeg("-i", DEMO, "-frames:v", "1", "-vf", "crop=480:480:360:40,scale=128:128", self.dir / "one.png")
        ffmpeg("-loop", "1", "-i", self.dir / "one.png", "-frames:v", "1", "-vf", "loop=143:1:0,tile=12x12", self.dir / "many.png")
        self.run_ok(self.dir / "many.png", "--no-video", "--detect-size", "1536x1536", "--max-faces", 200)
        self.assertEqual(len(self.lines()[0]["faces"]), 144)
        self.run_ok(self.dir / "many.png", "--no-video", "--detect-size", "1536x1536", "--max-faces", 50)
        self.assertEqual(len(self.lines()[0]["faces"]), 50)


class BadInput(Case):
    def test_missing_file(self):
        self.run_fails(3, self.dir / "no.mp4", says=["no.mp4"])

    def test_an_input_that_cannot_be_read_or_does_not_answer(self):
        self.run_fails(3, "rtsp://127.0.0.1:9/x", says=["127.0.0.1:9", "refused"])

    def test_an_end_beyond_all_time_is_the_end(self):
        ffmpeg("-f", "lavfi", "-i", "testsrc2=d=0.2:r=10:s=64x48", self.dir / "v.mp4")
        self.run_ok(self.dir / "v.mp4", "--no-video", "--detector", "blazeface", "--end", 99999999999)
        self.assertEqual(self.summary()["frames"], 2)

    def test_directory_without_images(self):
        (self.dir / "empty").mkdir()
        self.run_fails(3, self.dir / "empty", says=["empty"])

    def test_zero_bytes(self):
        (self.dir / "zero.mp4").touch()
        self.run_fails(3, self.dir / "zero.mp4", says=["zero.mp4"])

    def test_text_named_mp4(self):
        (self.dir / "text.mp4").write_text("this is no video\n" * 100)
        self.run_fails(3, self.dir / "text.mp4", says=["text.mp4"])

    def test_audio_only(self):
        ffmpeg("-f", "lavfi", "-i", "sine=d=0.5", self.dir / "tone.wav")
        self.run_fails(3, self.dir / "tone.wav", says=["video"])

    def test_a_camera_that_does_not_exist(self):
        self.run_fails(3, "/dev/video99", says=["/dev/video99"])

    def test_unwritable_output(self):
        (self.dir / "file").touch()
        ffmpeg("-f", "lavfi", "-i", "testsrc2=d=0.2:s=64x48", self.dir / "v.mp4")
        done = faceflow("run", self.dir / "v.mp4", "--out", self.dir / "file" / "sub", "--detector", "blazeface")
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("--out", done.stderr)
        done = faceflow("run", self.dir / "v.mp4", "--out", "/dev/full", "--detector", "blazeface")
        self.assertEqual(done.returncode, 4, done.stderr)

    def test_odd_sizes_run_through(self):
        for size in ("2x2", "641x363", "16x4000"):
            with self.subTest(size=size):
                ffmpeg("-f", "lavfi", "-i", f"testsrc2=d=0.2:r=10:s={size}", "-pix_fmt", "yuv444p", "-c:v", "ffv1", self.dir / "v.mkv")
                self.run_ok(self.dir / "v.mkv", "--detector", "blazeface")
                self.assertEqual(self.summary()["frames"], 2)
                self.assertEqual(self.summary()["faces"], 0)

    def test_8k_pictures_run_through(self):
        ffmpeg("-f", "lavfi", "-i", "testsrc2=d=0.1:r=10:s=7680x4320", "-frames:v", "1", "-pix_fmt", "yuv420p", "-c:v", "ffv1", self.dir / "v.mkv")
        self.run_ok(self.dir / "v.mkv", "--no-video", "--detector", "blazeface")
        self.assertEqual(self.summary()["frames"], 1)

    def test_unknown_option_command_and_key_are_named_with_the_nearest_match(self):
        done = faceflow("run", "x.mp4", "--detect-evry", "3")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--detect-evry", done.stderr)
        self.assertIn("--detect-every", done.stderr)
        done = faceflow("rnu", "x.mp4")
        self.assertEqual(done.returncode, 2)
        self.assertIn("did you mean run", done.stderr)
        (self.dir / "c.toml").write_text("max-face = 3\n")
        done = faceflow("run", "x.mp4", "--config", self.dir / "c.toml")
        self.assertEqual(done.returncode, 2)
        self.assertIn("max-faces", done.stderr)
        self.assertIn("line 1", done.stderr)

    def test_values_that_make_no_sense(self):
        for args in (["--detect-size", "big"], ["--detect-every", "0"], ["--device", "toaster"], ["--flow", "x"], ["--format", "xml"],
                     ["--device-memory", "lots"], ["--min-score", "2"], ["--threads", "-1"]):
            with self.subTest(args=args):
                ffmpeg("-f", "lavfi", "-i", "testsrc2=d=0.2:s=64x48", self.dir / "v.mp4")
                done = faceflow("run", self.dir / "v.mp4", *args, "--out", self.dir / "out")
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertTrue(done.stderr.startswith("faceflow: "), done.stderr)


COMMANDS = ("run", "compare", "plan", "share", "attach", "doctor", "models", "models list", "models verify", "models build-engines",
            "completion", "manual")


def examples_of(help_text):
    return [line.strip() for line in help_text.split("Examples:\n")[1].splitlines() if line.startswith("    ")]


class Help(Case):
    def test_each_command_names_itself_in_its_usage_and_in_examples_of_its_own(self):
        seen = {}
        for command in COMMANDS:
            with self.subTest(command=command):
                text = faceflow(*command.split(), "--help").stdout
                self.assertRegex(text, rf"(?m)^Usage: faceflow {command} \[OPTIONS\]")
                examples = examples_of(text)
                self.assertGreaterEqual(len(examples), 2)
                for line in examples:
                    own = re.sub(r"--models \S+ ", "", line) if command.startswith("models ") else line
                    self.assertRegex(own, rf"(^|[|(] ?)faceflow {command}\b")
                seen[command] = examples
        self.assertEqual(len({tuple(x) for x in seen.values()}), len(COMMANDS), seen)

    def test_every_example_parses(self):
        # Run where none of their inputs are, so that a command line which makes sense ends for want of one.
        for command in ("", *COMMANDS):
            for line in examples_of(faceflow(*command.split(), "--help").stdout):
                with self.subTest(example=line):
                    line = line.replace("/dev/video0", str(self.dir / "no-camera")).replace("~/", f"{self.dir}/")
                    words = shlex.split(re.search(r"faceflow ([^|>)]*)", line)[1])
                    done = faceflow(*words, cwd=self.dir, stdin=subprocess.DEVNULL,
                                    env={**os.environ, "XDG_RUNTIME_DIR": str(self.dir)})
                    self.assertNotEqual(done.returncode, 2, done.stderr)
                    self.assertGreaterEqual(done.returncode, 0, done.stderr)

    def test_options_show_what_may_be_chosen_and_nothing_of_how_they_are_parsed(self):
        for command in COMMANDS:
            with self.subTest(command=command):
                text = faceflow(*command.split(), "--help").stdout
                for noise in ("REQUIRED", "{false}", ":{", "NONNEGATIVE", "POSITIVE", "=on", "INPUT INPUT", ",--no-"):
                    self.assertNotIn(noise, text)
                self.assertLessEqual(max(map(len, text.splitlines())), 100)
        text = faceflow("run", "--help").stdout
        for shown in ("--cache on|off", "--[no-]video", "--inference auto|cuda|tensorrt", "-o, --out DIR"):
            self.assertIn(shown, text)
        done = faceflow("run", "x.mp4", "--cache", "maybe")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--cache: 'maybe' is none of on, off", done.stderr)

    def test_manual_and_completions_have_every_command_with_its_options_and_examples(self):
        manual, bash, zsh = faceflow("manual").stdout.replace("\\-", "-"), faceflow("completion", "bash").stdout, faceflow("completion", "zsh").stdout
        for command in COMMANDS:
            with self.subTest(command=command):
                text = faceflow(*command.split(), "--help").stdout
                self.assertIn(f".SS faceflow {command}\n", manual)
                for line in examples_of(text):
                    self.assertIn(line, manual)
                for option in re.findall(r"(?m)^      --(?:\[no-\])?([a-z-]+)", text):
                    self.assertIn(option, manual)
                    self.assertIn(f"--{option}", bash)
                    self.assertIn(f"'--{option}[", zsh)
        self.assertIn(":policy:(latest fifo)'", zsh)


class ErrorsOfOptions(Case):
    def says(self, *args):
        done = faceflow(*args)
        self.assertEqual(done.returncode, 2, done.stderr)
        return done.stderr.strip()

    def test_an_option_is_named_as_it_was_typed(self):
        for args, said in ((["run", "x.mp4", "--batch-deadline-ms", "1e6"], "--batch-deadline-ms must be from 0 to 1000, not 1000000"),
                           (["run", "x.mp4", "--detect-every=0"], "--detect-every must be from 1 to 1000, not 0"),
                           (["run", "x.mp4", "--detect-size", "32x64"], "the width of --detect-size must be from 64 to 4096, not 32"),
                           (["plan", "--max-faces", "0"], "--max-faces must be from 1 to 1000, not 0"),
                           (["plan", "--cameras", "0"], "--cameras must be from 1 to 10000, not 0"),
                           (["models", "build-engines", "--stage-timeout", "0"], "--stage-timeout must be from 0.05 to 3600, not 0"),
                           (["run", "x.mp4", "--limit", "many"], "--limit: 'many' is not a value that it can have")):
            with self.subTest(args=args):
                self.assertEqual(self.says(*args), "faceflow: " + said)

    def test_a_key_of_a_file_is_named_with_its_file_unless_the_command_line_has_it_too(self):
        config = self.dir / "c.toml"
        config.write_text('batch-deadline-ms = 5000\ncache = "maybe"\n')
        run = ("run", "x.mp4", "--config", config)
        self.assertEqual(self.says(*run), f"faceflow: {config}: cache: 'maybe' is none of on, off")
        self.assertEqual(self.says(*run, "--cache", "on"), f"faceflow: {config}: batch-deadline-ms must be from 0 to 1000, not 5000")
        self.assertEqual(self.says(*run, "--cache", "on", "--batch-deadline-ms=2000"),
                         "faceflow: --batch-deadline-ms must be from 0 to 1000, not 2000")


class Commands(Case):
    def test_engines_are_not_announced_where_they_cannot_be_built(self):
        done = faceflow("models", "build-engines", "--device", "cpu")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"\Afaceflow: TensorRT's engines are for CUDA devices, and this run is on cpu\n\Z")

    def test_version_help_and_no_arguments(self):
        self.assertRegex(faceflow("--version").stdout, r"^faceflow \d+\.\d+\.\d+")
        self.assertIn("run", faceflow("--help").stdout)
        self.assertIn("--detect-every", faceflow("run", "--help").stdout)
        self.assertEqual(faceflow().returncode, 2)

    def test_doctor_finds_what_a_run_needs(self):
        done = faceflow("doctor")
        self.assertIn("onnx runtime", done.stdout)
        self.assertIn("ffmpeg", done.stdout)

    def test_models_list_and_verify(self):
        self.assertIn("Apache-2.0", faceflow("models", "list").stdout)
        self.assertIn("face_landmark_with_attention", faceflow("models", "verify").stdout)

    def test_completions_are_valid_shell(self):
        for shell in ("bash",):
            script = self.dir / shell
            script.write_text(faceflow("completion", shell).stdout)
            self.assertEqual(subprocess.run([shell, "-n", script]).returncode, 0)
        self.assertIn("--detect-every", faceflow("completion", "zsh").stdout)

    def test_manual_is_a_manual_page(self):
        text = faceflow("manual").stdout
        self.assertTrue(text.startswith(".TH FACEFLOW 1"))
        self.assertIn("EXIT STATUS", text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
