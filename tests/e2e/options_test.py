#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line itself: help, manual and completions, and options that make no sense.

    options_test.py FACEFLOW [unittest options]
"""
import os
import re
import shlex
import subprocess
import unittest

from support import Case, faceflow, ffmpeg

COMMANDS = ("run", "compare", "plan", "share", "attach", "doctor", "models", "models list", "models verify", "models build-engines",
            "completion", "manual")


def examples_of(help_text):
    return [line.strip() for line in help_text.split("Examples:\n")[1].splitlines() if line.startswith("    ")]


class Operands(Case):
    def test_what_follows_two_dashes_is_no_option(self):
        ffmpeg("-f", "lavfi", "-i", "testsrc2=d=0.2:r=10:s=64x48", self.dir / "--json.mp4")
        ffmpeg("-f", "lavfi", "-i", "testsrc2=d=0.2:r=10:s=64x48", self.dir / "plain.mp4")
        quick = ("--no-video", "--detector", "blazeface", "--quiet")
        for args in (("--", "--json.mp4"), ("plain.mp4", "--", "--json.mp4"), ("--", "--json.mp4", "plain.mp4"), ("--", "plain.mp4")):
            with self.subTest(args):
                done = faceflow("run", *quick, *args, cwd=self.dir)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                rows = (self.dir / "faceflow-out" / "faces.ndjson").read_text().splitlines()
                self.assertEqual(len(rows), 2 * (len(args) - 1))
        (self.dir / "c.toml").write_text("limit = 1\n")
        done = faceflow("run", *quick, "--config", "c.toml", "--", "--json.mp4", cwd=self.dir)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len((self.dir / "faceflow-out" / "faces.ndjson").read_text().splitlines()), 1)

    def test_every_command_that_takes_names_takes_two_dashes(self):
        for command in ("run", "compare", "share", "recover"):
            with self.subTest(command):
                done = faceflow(command, "--", "-none.mp4", cwd=self.dir)
                self.assertEqual(done.returncode, 3, done.stderr)
                self.assertIn("-none.mp4", done.stderr)
        self.assertEqual(faceflow("completion", "--", "bash").returncode, 0)
        done = faceflow("recover", "--", "a", "-b")
        self.assertEqual(done.returncode, 2)
        self.assertIn("'-b' is an unexpected argument", done.stderr)


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
        for shown in ("--cache on|off", "--[no-]video", "--inference auto|native|onnxruntime|cuda|tensorrt", "-o, --out DIR"):
            self.assertIn(shown, text)
        done = faceflow("run", "x.mp4", "--cache", "maybe")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--cache: 'maybe' is not one of on, off", done.stderr)

    def test_what_is_there_for_measurements_comes_last(self):
        text = faceflow("run", "--help").stdout
        groups = re.findall(r"(?m)^([A-Z][^\n]*):$", text)
        self.assertEqual(groups[groups.index("Faces"):], ["Faces", "Tuning, for measurements", "Options", "Examples"])
        tuning = text.split("Tuning, for measurements:\n")[1].split("\nOptions:\n")[0]
        self.assertEqual(re.findall(r"(?m)^      --([a-z-]+)", tuning), ["cache", "cache-ttl", "cache-bytes", "batch", "pinned", "graphs",
                                                                        "batch-frames", "lanes", "batch-deadline-ms"])

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
                           (["run", "x.mp4", "--detect-every=1001"], "--detect-every must be from 0 to 1000, not 1001"),
                           (["run", "x.mp4", "--detect", "always", "--detect-every", "3"],
                            "--detect-every cannot be given beside --detect always, which detects in every frame"),
                           (["run", "x.mp4", "--detect-size", "32x64"], "the width of --detect-size must be from 64 to 4096, not 32"),
                           (["plan", "--max-faces", "0"], "--max-faces must be from 1 to 1000, not 0"),
                           (["plan", "--cameras", "0"], "--cameras must be from 1 to 10000, not 0"),
                           (["models", "build-engines", "--stage-timeout", "0"], "--stage-timeout must be from 0.05 to 3600, not 0"),
                           (["run", "x.mp4", "--detect-size", "big"], "--detect-size: 'big' is not a size; write it as 640x384"),
                           (["run", "x.mp4", "--tiles", "9"],
                            "--tiles must be from 0.1 to 8, not 9"),
                           (["run", "x.mp4", "--device-memory", "lots"],
                            "--device-memory: 'lots' is not an amount of memory; write it as 512M or 2G"),
                           (["run", "x.mp4", "--flow", "fusd"],
                            "--flow: 'fusd' is not one of fused, threaded, shared, cached, copied; did you mean fused?"),
                           (["run", "x.mp4", "--limit", "many"], "--limit: 'many' is not a valid value")):
            with self.subTest(args=args):
                self.assertEqual(self.says(*args), "faceflow: " + said)

    def test_a_key_of_a_file_is_named_with_its_file_unless_the_command_line_has_it_too(self):
        config = self.dir / "c.toml"
        config.write_text('batch-deadline-ms = 5000\ncache = "maybe"\n')
        run = ("run", "x.mp4", "--config", config)
        self.assertEqual(self.says(*run), f"faceflow: {config}: cache: 'maybe' is not one of on, off")
        self.assertEqual(self.says(*run, "--cache", "on"), f"faceflow: {config}: batch-deadline-ms must be from 0 to 1000, not 5000")
        self.assertEqual(self.says(*run, "--cache", "on", "--batch-deadline-ms=2000"),
                         "faceflow: --batch-deadline-ms must be from 0 to 1000, not 2000")

    def test_keys_that_tune_may_stand_in_a_table_of_their_own(self):
        config = self.dir / "c.toml"
        config.write_text('cache = "on"\n[tuning]\nbatch-deadline-ms = 5000\n')
        run = ("run", "x.mp4", "--config", config)
        self.assertEqual(self.says(*run), f"faceflow: {config}: batch-deadline-ms must be from 0 to 1000, not 5000")
        self.assertEqual(self.says(*run, "--batch-deadline-ms=2000"), "faceflow: --batch-deadline-ms must be from 0 to 1000, not 2000")
        config.write_text("[tuning]\nlane = 3\n")
        self.assertEqual(self.says(*run), f"faceflow: {config}: line 2: unknown key 'tuning.lane'; did you mean 'lanes'?")
        config.write_text("[tuning]\nthreads = 3\n")
        self.assertEqual(self.says(*run), f"faceflow: {config}: line 2: unknown key 'tuning.threads'")
        config.write_text("lanes = 1\n[tuning]\nlanes = 3\n")
        self.assertEqual(self.says(*run), f"faceflow: {config}: line 3: 'lanes' is set twice, in [tuning] and outside")

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
        for args in (["--detect-size", "big"], ["--detect-every", "-2"], ["--device", "toaster"], ["--flow", "x"], ["--format", "xml"],
                     ["--device-memory", "lots"], ["--min-score", "2"], ["--threads", "-1"]):
            with self.subTest(args=args):
                ffmpeg("-f", "lavfi", "-i", "testsrc2=d=0.2:s=64x48", self.dir / "v.mp4")
                done = faceflow("run", self.dir / "v.mp4", *args, "--out", self.dir / "out")
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertTrue(done.stderr.startswith("faceflow: "), done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
