#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails on an include that points the wrong way through the layers of src/.

    tools/check_layers.py [ROOT]

A layer includes only itself and those before it. include/faceflow/ is the public API: everyone may include it, and it
includes nothing of src/.
"""

import pathlib
import re
import sys

LAYERS = (
    "core", "telemetry", "device", "frame", "vision", "inference", "media", "backends", "ipc", "client", "flow", "share",
    "engine", "analysis", "serve", "cli",
)  # fmt: skip
SUFFIXES = {".hpp", ".h", ".inc", ".cpp", ".cu", ".cuh"}
PUBLIC = "include/faceflow"

_INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')


def layer_of(path):
    """The layer of a path relative to src/: its folder, or for a file directly in src/ its name."""
    name = path.parts[0] if len(path.parts) > 1 else path.stem
    return name if name in LAYERS else None


def includes(file):
    """(line number, path as written) of each include."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        found = _INCLUDE.match(line)
        if found:
            yield number, found[1] or found[2]


def resolve(root, file, written):
    """The file of src/ that an include names, relative to src/; None for any other."""
    source = root / "src"
    for folder in (file.parent, source):
        target = (folder / written).resolve()
        if target.is_file() and target.is_relative_to(source):
            return target.relative_to(source)
    return None


def check(root):
    """Every violation under `root`, as file:line and the rule."""
    root = root.resolve()
    problems = []
    for file in sorted(f for top in ("src", PUBLIC) for f in (root / top).rglob("*") if f.suffix in SUFFIXES):
        here = file.relative_to(root).as_posix()
        public = here.startswith(PUBLIC)
        layer = None if public else layer_of(file.relative_to(root / "src"))
        if not public and layer is None:
            problems.append(f"{here}:1: not in a layer; LAYERS in tools/check_layers.py lists them")
            continue
        for line, written in includes(file):
            target = resolve(root, file, written)
            if target is None:
                continue
            if public:
                problems.append(f"{here}:{line}: {PUBLIC} must not include src/{target.as_posix()}")
                continue
            other = layer_of(target)
            if other is not None and LAYERS.index(other) > LAYERS.index(layer):
                problems.append(f"{here}:{line}: layer {layer} must not include the later layer {other} ({written})")
    return problems


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1]
    problems = check(root)
    print("\n".join(problems), file=sys.stderr, end="\n" if problems else "")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
