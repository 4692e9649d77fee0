#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What deploy/ says of metrics is what the program has: names, labels and their values in the dashboard and the alerts; and its files are whole.

    deploy_test.py [FACEFLOW] [unittest options]

Without FACEFLOW, tests that need the program are skipped.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
FACEFLOW = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") and os.access(sys.argv[1], os.X_OK) else None
PATIENCE = 60
# Families without a sample as long as nothing goes wrong.
UNSAMPLED = {"faceflow_dropped_total": {"reason"}, "faceflow_errors_total": {"reason"}}
# Labels that Prometheus itself adds.
SCRAPED = {"instance", "job"}
# Labels whose values the program chooses, all of which it always shows.
ENUMERATED = ("state", "stage", "direction")
SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
PAIR = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


class Family:
    def __init__(self, kind):
        self.kind, self.labels, self.values = kind, set(), {}


def families_of(text):
    """Families of an exposition: name -> type, labels and their values."""
    found = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            found[name] = Family(kind)
        elif line and not line.startswith("#"):
            name, labels, _ = SAMPLE.fullmatch(line).groups()
            family = found.get(name) or found[re.sub(r"_(bucket|sum|count)$", "", name)]
            for label, _, value in PAIR.findall(labels or ""):
                if label != "le":
                    family.labels.add(label)
                    family.values.setdefault(label, set()).add(value)
    return found


def names_of(expression):
    """Metrics of an expression, each with its matchers as (label, operator, value)."""
    for name, matchers in re.findall(r"\b(faceflow_\w+|up)\b(?:\s*\{([^}]*)\})?", expression):
        yield name, PAIR.findall(matchers)


def grouped(expression):
    """Labels of by, without, on, ignoring and group_left."""
    lists = re.findall(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)", expression)
    return {label for one in lists for label in re.split(r"[\s,]+", one) if label}


def family_of(name, families):
    """The family of a series, and whether it is a bucket."""
    if name in families and families[name].kind != "histogram":
        return families[name], False
    whole = re.sub(r"_(bucket|sum|count)$", "", name)
    if whole != name and whole in families and families[whole].kind == "histogram":
        return families[whole], name.endswith("_bucket")
    return None, False


def problems_of(expression, families, shown=()):
    """What of an expression the program does not have; `shown`: labels that its legend or its annotations show."""
    found, everything = [], set(SCRAPED)
    for name, matchers in names_of(expression):
        if name == "up":
            continue
        family, bucket = family_of(name, families)
        if family is None:
            found.append(f"there is no {name}")
            continue
        labels = family.labels | ({"le"} if bucket else set()) | SCRAPED
        everything |= labels
        for label, operator, value in matchers:
            if label not in labels:
                found.append(f"{name} has no label {label}")
            elif label in ENUMERATED and "$" not in value:
                for one in value.split("|") if "~" in operator else [value]:
                    if one not in family.values[label]:
                        found.append(f"{label} of {name} is never {one}")
        if re.search(rf"\b(rate|increase|irate)\(\s*{name}\b", expression) and family.kind == "gauge":
            found.append(f"{name} is a gauge, which has no rate")
    by = grouped(expression)
    found += [f"nothing here has the label {label}" for label in sorted(by - everything)]
    if "histogram_quantile" in expression and "le" not in by:
        found.append("histogram_quantile without le")
    if expression.count("(") != expression.count(")") or expression.count("{") != expression.count("}"):
        found.append("brackets do not match")
    aggregated = re.search(r"\b(sum|min|max|avg|count|absent)\b", expression)
    left = by if aggregated else everything
    found += [f"the result has no label {label}" for label in sorted(set(shown) - left)]
    return found


def rules():
    """Rules of alerts.yml, which has one `key: value` a line."""
    found = []
    for line in (DEPLOY / "alerts.yml").read_text().splitlines():
        if match := re.match(r"\s*- alert: (\w+)$", line):
            found.append({"alert": match[1]})
        elif (match := re.match(r"\s+(expr|for|severity|summary|description): (.+)$", line)) and found:
            found[-1][match[1]] = match[2]
    return found


def dashboard():
    return json.loads((DEPLOY / "grafana.json").read_text())


def queries(board):
    """Expressions of panels, with the legends of those."""
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"], target["legendFormat"]


def until(what, condition):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {PATIENCE} s")


@contextlib.contextmanager
def running(command, log_path, **more):
    with log_path.open("w") as log:
        program = subprocess.Popen(command, stdout=log, stderr=log, **more)
    try:
        yield program
    finally:
        program.terminate()
        program.wait(PATIENCE)


@contextlib.contextmanager
def serving(folder, *options):
    """The address of the real program, with a source that cannot be opened and its recording."""
    log_path = pathlib.Path(folder) / "log"
    command = [FACEFLOW, "serve", "--config", DEPLOY / "serve.toml", "--listen", "127.0.0.1:0", "--record", "--recordings",
               f"{folder}/recordings", f"door={folder}/none.mp4", *options]
    env = {name: value for name, value in os.environ.items() if name != "FACEFLOW_TOKEN"}
    with running(command, log_path, env=env) as program:
        def address():
            if program.poll() is not None:
                raise AssertionError(f"the service did not begin: {log_path.read_text()}")
            return re.search(r"serving at (\S+)", log_path.read_text())
        yield until("the address", address)[1]


def ask_metrics():
    """What the real program answers at /metrics."""
    with tempfile.TemporaryDirectory() as folder, serving(folder) as address:
        with urllib.request.urlopen(address + "metrics", timeout=PATIENCE) as answer:
            found = families_of(answer.read().decode())
    for name, labels in UNSAMPLED.items():
        found[name].labels |= labels
    return found


@unittest.skipUnless(FACEFLOW, "needs the program")
class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.metrics = ask_metrics()

    def test_program_has_the_options_that_it_is_given(self):
        unit, image = (DEPLOY / "faceflow.service").read_text(), (DEPLOY / "Containerfile").read_text()
        help_of = {command: subprocess.run([FACEFLOW, command, "--help"], capture_output=True, text=True, check=True).stdout
                   for command in ("serve", "top")}
        lines = [("serve", re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)[1]),
                 ("serve", image[image.index("ENTRYPOINT"):]), ("top", re.search(r"CMD (.*)$", image, re.MULTILINE)[1])]
        for command, line in lines:
            options = re.findall(r"(?<![\w`])--[a-z-]+", line.replace("`faceflow serve --help`", ""))
            self.assertTrue(options, line)
            for option in options:
                self.assertRegex(help_of[command], rf"(?m){option}(?![\w-])")

    def test_each_family_but_those_of_reasons_has_samples(self):
        bare = {name for name, family in self.metrics.items() if not family.values and family.kind != "histogram"}
        self.assertFalse({n for n in bare if "source" in n or "recording" in n or "transfer" in n or "pool" in n}, "no labels seen")

    def test_dashboard_shows_what_there_is(self):
        seen = 0
        for title, expression, legend in queries(dashboard()):
            with self.subTest(panel=title, expression=expression):
                self.assertEqual(problems_of(expression, self.metrics, re.findall(r"\{\{\s*(\w+)\s*\}\}", legend)), [])
                seen += 1
        self.assertGreater(seen, 30)

    def test_variables_and_annotations_ask_for_what_there_is(self):
        board = dashboard()
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"]).groups()
                self.assertEqual(problems_of(selector, self.metrics, [label]), [], variable["name"])
        for annotation in board["annotations"]["list"]:
            self.assertEqual(problems_of(annotation["expr"], self.metrics), [], annotation["name"])

    def test_alerts_ask_for_what_there_is(self):
        for rule in rules():
            with self.subTest(alert=rule["alert"]):
                shown = re.findall(r"\$labels\.(\w+)", rule["summary"] + rule["description"])
                self.assertEqual(problems_of(rule["expr"], self.metrics, shown), [])

    def test_each_family_is_shown(self):
        used = {re.sub(r"_(bucket|sum|count)$", "", name) for _, expression, _ in queries(dashboard()) for name, _ in names_of(expression)}
        self.assertEqual(set(self.metrics) - used, set())

    def test_image_has_the_libraries_of_the_program(self):
        for tool in ("objdump", "ldd", "dpkg"):
            if not shutil.which(tool):
                self.skipTest(f"needs {tool}")
        run_stage = (DEPLOY / "Containerfile").read_text().split("FROM ")[2]
        packages = set(re.findall(r"^ +(?:(?:lib|ca-)\S+ ?)+", run_stage, re.MULTILINE))
        packages = {package for line in packages for package in line.split()}
        of_debian_itself = {"libc6", "libgcc-s1"}

        def said(*command):
            return subprocess.run(command, capture_output=True, text=True).stdout
        for program in (FACEFLOW, pathlib.Path(FACEFLOW).with_name("faceflow-stage")):
            needed = re.findall(r"NEEDED\s+(\S+)", said("objdump", "-p", program))
            self.assertIn("libc.so.6", needed)
            paths = {name: os.path.realpath(path) for name, path in re.findall(r"(\S+) => (/\S+)", said("ldd", program)) if name in needed}
            # A package may name a file of /usr/lib as one of /lib, which is the same folder.
            asked = {name: {path, path.removeprefix("/usr") if path.startswith("/usr/") else "/usr" + path} for name, path in paths.items()}
            owners = dict(reversed(line.split(": ", 1)) for line in said("dpkg", "-S", *set().union(*asked.values())).splitlines())
            for name, files in asked.items():
                # What no package of Debian's has is found by its path, in this build alone.
                owned_by = {owners[file].split(":")[0] for file in files & owners.keys()}
                with self.subTest(library=name, of=os.path.basename(program)):
                    self.assertLessEqual(owned_by, packages | of_debian_itself)


class Files(unittest.TestCase):
    def test_dashboard_has_unique_ids_and_a_data_source_to_choose(self):
        board = dashboard()
        ids = [panel["id"] for panel in board["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertEqual(board["uid"], "faceflow-serve")
        self.assertGreaterEqual(board["schemaVersion"], 36)
        self.assertEqual([v["name"] for v in board["templating"]["list"]], ["datasource", "instance", "source"])
        for panel in board["panels"]:
            references = [target["refId"] for target in panel.get("targets", [])]
            self.assertEqual(len(references), len(set(references)), panel["title"])
            if panel["type"] != "row":
                self.assertEqual(panel["datasource"]["uid"], "${datasource}", panel["title"])
                self.assertIn("unit", {**panel["fieldConfig"]["defaults"], **({"unit": ""} if panel["type"] == "state-timeline" else {})},
                              panel["title"])
                self.assertTrue(panel["description"], panel["title"])

    def test_panels_do_not_overlap(self):
        taken = {}
        for panel in dashboard()["panels"]:
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
            for x in range(at["x"], at["x"] + at["w"]):
                for y in range(at["y"], at["y"] + at["h"]):
                    self.assertNotIn((x, y), taken, f"{panel['title']} lies on {taken.get((x, y))}")
                    taken[x, y] = panel["title"]

    def test_expressions_use_only_variables_that_there_are(self):
        board = dashboard()
        known = {variable["name"] for variable in board["templating"]["list"]} | {"__rate_interval"}
        used = {name for _, expression, _ in queries(board) for name in re.findall(r"\$(\w+)", expression)}
        self.assertEqual(used - known, set())

    def test_each_alert_says_what_to_do(self):
        found = rules()
        self.assertGreaterEqual(len(found), 12)
        self.assertEqual(len({rule["alert"] for rule in found}), len(found))
        for rule in found:
            with self.subTest(alert=rule["alert"]):
                self.assertLessEqual({"expr", "severity", "summary", "description"}, set(rule))
                self.assertGreater(len(rule["description"]), 60)

    def test_prometheus_reads_the_alerts_and_knows_their_job(self):
        text = (DEPLOY / "prometheus.yml").read_text()
        jobs = set(re.findall(r"job_name: (\w+)", text))
        self.assertEqual({job for rule in rules() for job in re.findall(r'job="(\w+)"', rule["expr"])}, jobs)
        for file in re.findall(r"^  - (\S+\.yml)$", text, re.MULTILINE):
            self.assertTrue((DEPLOY / file).is_file(), file)

    def test_yaml_is_read_as_it_is_here(self):
        try:
            import yaml
        except ImportError:
            self.skipTest("needs python3-yaml")
        yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
        groups = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
        self.assertEqual([(rule["alert"], rule["expr"]) for group in groups for rule in group["rules"]],
                         [(rule["alert"], rule["expr"]) for rule in rules()])

    @unittest.skipUnless(shutil.which("promtool"), "needs promtool")
    def test_promtool_accepts_alerts_and_configuration(self):
        with tempfile.TemporaryDirectory() as folder:
            token = pathlib.Path(folder) / "token"
            token.write_text("secret\n")
            text = (DEPLOY / "prometheus.yml").read_text().replace("/etc/prometheus/faceflow.token", str(token))
            (pathlib.Path(folder) / "prometheus.yml").write_text(text)
            shutil.copy(DEPLOY / "alerts.yml", folder)
            for what in (["rules", f"{folder}/alerts.yml"], ["config", f"{folder}/prometheus.yml"]):
                done = subprocess.run(["promtool", "check", *what], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    @unittest.skipUnless(shutil.which("promtool"), "needs promtool")
    def test_promtool_accepts_the_expressions_of_the_dashboard(self):
        with tempfile.TemporaryDirectory() as folder:
            lines = ["groups:", "  - name: dashboard", "    rules:"]
            for n, (_, expression, _) in enumerate(queries(dashboard())):
                plain = re.sub(r"\$\w+", "x", expression.replace("$__rate_interval", "1m"))
                lines += [f"      - record: panel:{n}", f"        expr: {json.dumps(plain)}"]
            file = pathlib.Path(folder) / "rules.yml"
            file.write_text("\n".join(lines) + "\n")
            done = subprocess.run(["promtool", "check", "rules", "--lint=none", file], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    @unittest.skipUnless(FACEFLOW and shutil.which("prometheus"), "needs the program and prometheus")
    def test_prometheus_reads_the_service_and_judges_it(self):
        with tempfile.TemporaryDirectory() as folder:
            token = pathlib.Path(folder) / "token"
            token.write_text("secret\n")
            shutil.copy(DEPLOY / "alerts.yml", folder)
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                own = f"http://127.0.0.1:{free.getsockname()[1]}"

            def ask(path):
                try:
                    with urllib.request.urlopen(f"{own}/api/v1/{path}", timeout=PATIENCE) as answer:
                        return json.loads(answer.read())["data"]
                except OSError:
                    return None

            with serving(folder, "--token-file", token) as address:
                text = (DEPLOY / "prometheus.yml").read_text().replace("/etc/prometheus/faceflow.token", str(token))
                text = text.replace("localhost:8080", urllib.parse.urlsplit(address).netloc).replace("_interval: 10s", "_interval: 1s")
                (pathlib.Path(folder) / "prometheus.yml").write_text(text)
                with running(["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                              f"--web.listen-address={own.removeprefix('http://')}"], pathlib.Path(folder) / "prometheus.log"):
                    up = until("a reading", lambda: (r := ask("query?query=up")) and r["result"] and r["result"][0])
                    self.assertEqual((up["metric"]["job"], up["value"][1]), ("faceflow", "1"))
                    names = set(until("names", lambda: (n := ask("label/__name__/values")) and "faceflow_uptime_seconds" in n and n))
                    for name, family in ask_metrics().items():
                        if name not in UNSAMPLED:
                            self.assertIn(name + ("_bucket" if family.kind == "histogram" else ""), names)
                    until("the alert of the source that is not there", lambda: any(
                        a["labels"]["alertname"] == "FaceflowSourceNotRunning" for a in (ask("alerts") or {}).get("alerts", [])))
                    health = {rule["name"]: rule["health"] for group in ask("rules")["groups"] for rule in group["rules"]}
                    self.assertEqual(set(health), {rule["alert"] for rule in rules()})
                    self.assertEqual(set(health.values()) - {"ok", "unknown"}, set())

    @unittest.skipUnless(shutil.which("systemd-analyze"), "needs systemd-analyze")
    def test_systemd_accepts_the_unit(self):
        with tempfile.TemporaryDirectory() as folder:
            unit = pathlib.Path(folder) / "faceflow.service"
            text = (DEPLOY / "faceflow.service").read_text()
            unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE))
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
            said = [line for line in done.stderr.splitlines() if "faceflow.service" in line]  # other units of the machine's are not ours
            self.assertEqual((done.returncode, said), (0, []), done.stderr)

    def test_readme_names_each_file(self):
        text = (DEPLOY / "README.md").read_text()
        for file in DEPLOY.iterdir():
            if file.name != "README.md":
                self.assertIn(f"]({file.name})", text)


class TheTestItself(unittest.TestCase):
    """It finds what it looks for."""
    FAMILIES = families_of("# TYPE faceflow_a_total counter\nfaceflow_a_total{source=\"x\"} 1\n# TYPE faceflow_t histogram\n"
                           "faceflow_t_count{stage=\"detect\"} 1\nfaceflow_t_bucket{stage=\"detect\",le=\"+Inf\"} 1\n"
                           "# TYPE faceflow_g gauge\nfaceflow_g{state=\"running\"} 1\n")

    def problems(self, expression, shown=()):
        return problems_of(expression, self.FAMILIES, shown)

    def test_right_expressions_pass(self):
        for expression, shown in (("rate(faceflow_a_total{source=~\"$source\"}[1m])", ["source"]), ("faceflow_g{state=\"running\"}", ["state"]),
                                  ("histogram_quantile(0.5, sum by (stage, le) (rate(faceflow_t_bucket[1m])))", ["stage"]),
                                  ("sum(rate(faceflow_t_sum[1m])) / sum(rate(faceflow_t_count[1m]))", [])):
            self.assertEqual(self.problems(expression, shown), [], expression)

    def test_wrong_ones_are_told(self):
        for expression, problem, *shown in (
                ("rate(faceflow_b_total[1m])", "there is no faceflow_b_total"), ("faceflow_t", "there is no faceflow_t"),
                ("faceflow_a_total_count", "there is no faceflow_a_total_count"), ("faceflow_a_total{stage=\"x\"}", "no label stage"),
                ("faceflow_g{state=~\"running|gone\"}", "never gone"), ("sum by (sourc) (faceflow_a_total)", "has the label sourc"),
                ("rate(faceflow_g[1m])", "is a gauge"), ("sum(faceflow_a_total", "brackets"),
                ("histogram_quantile(0.5, sum by (stage) (rate(faceflow_t_bucket[1m])))", "without le"),
                ("sum by (source) (faceflow_a_total)", "the result has no label instance", "instance")):
            self.assertIn(problem, "; ".join(self.problems(expression, shown)))


if __name__ == "__main__":
    unittest.main()
