#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what src/media/face_fields.hpp and event_fields.hpp describe into docs/output.md (its tables) and
docs/schema/faces.schema.json.

    tools/write_field_docs.py FACEFLOW
"""

import pathlib
import re
import subprocess
import sys

TABLE = re.compile(r"^(?:\|.*\n)+", re.MULTILINE)


def manual(faceflow, topic):
    return subprocess.run([faceflow, "manual", topic], check=True, capture_output=True, text=True).stdout


def with_tables(text, tables):
    """`text` with each table in place of the next one that has the same heads."""
    begin = 0
    for table in tables:
        heads = table.partition("\n")[0]
        old = next((t for t in TABLE.finditer(text, begin) if t[0].startswith(heads)), None)
        if old is None:
            sys.exit(f"write_field_docs.py: docs/output.md has no table of {heads}")
        text = text[: old.start()] + table + text[old.end() :]
        begin = old.start() + len(table)
    return text


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    docs = pathlib.Path(__file__).resolve().parents[1] / "docs"
    printed = manual(sys.argv[1], "fields")
    text = with_tables((docs / "output.md").read_text(encoding="utf-8"), TABLE.findall(printed))
    columns = re.search(r"\d+ columns", printed)[0]
    (docs / "output.md").write_text(re.sub(r"\d+ columns", columns, text, count=1), encoding="utf-8")
    (docs / "schema" / "faces.schema.json").write_text(manual(sys.argv[1], "schema"), encoding="utf-8")


if __name__ == "__main__":
    main()
