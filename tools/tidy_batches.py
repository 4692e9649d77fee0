#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Puts sources that are compiled alike into batches for clang-tidy, which otherwise spends nine tenths of its time on the same headers.

    tidy_batches.py COMPILE_COMMANDS FOLDER SIZE <SOURCES     a path in a line

Writes FOLDER/N.cpp, which include up to SIZE of them each, and FOLDER/compile_commands.json; prints each batch's file, a tab and its
sources, which no path here holds a space of.
"""
import json
import pathlib
import re
import shlex
import sys

# Sources of which no two are in one program: those with a main, and those that Highway includes for every instruction set.
ALONE = re.compile(r"^int main\(|^#define HWY_TARGET_INCLUDE", re.MULTILINE)
DROPPED = {"-o": 2, "-c": 2, "-MT": 2, "-MF": 2, "-MD": 1}  # of a command, with how many words


def flags_of(command):
    words = iter(shlex.split(command))
    next(word for word in words if pathlib.Path(word).name != "ccache")  # the compiler
    flags = []
    for word in words:
        skip = DROPPED.get(word, 0)
        if not skip:
            flags.append(word)
        for _ in range(skip - 1):
            next(words)
    return tuple(flags)


def main(commands, folder, size):
    wanted = {pathlib.Path(line.strip()).resolve() for line in sys.stdin}
    alike = {}  # (folder of the compiler, flags, a source that is alone) -> sources
    for entry in json.loads(pathlib.Path(commands).read_text()):
        source = pathlib.Path(entry["file"]).resolve()
        if source in wanted:  # once, though several targets may have it
            wanted.remove(source)
            alone = source if ALONE.search(source.read_text()) else None
            alike.setdefault((entry["directory"], flags_of(entry["command"]), alone), []).append(source)
    folder = pathlib.Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for (directory, flags, _), sources in alike.items():
        batches = -(-len(sources) // size)
        for i in range(batches):
            batch = folder / f"{len(entries)}.cpp"
            part = sources[i * len(sources) // batches : (i + 1) * len(sources) // batches]
            batch.write_text("".join(f'#include "{s}"  // NOLINT(bugprone-suspicious-include)\n' for s in part))
            entries.append({"directory": directory, "file": str(batch), "arguments": ["c++", *flags, "-c", str(batch)]})
            print(batch, " ".join(map(str, part)), sep="\t")
    (folder / "compile_commands.json").write_text(json.dumps(entries))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
