#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Validates JSON files against a JSON Schema; .ndjson and .jsonl files line by line.

    check_schema.py SCHEMA FILE...

Stricter than JSON's grammar in Python: NaN, Infinity and repeated keys are errors, and so are a last line without its
newline and an .ndjson file without lines. Exit status: 0 all valid, 1 something is not, 2 wrong use or no such file.
"""

import json
import pathlib
import sys

try:
    import jsonschema
except ImportError:
    sys.exit("check_schema.py needs jsonschema: apt install python3-jsonschema")

SHOWN = 5  # problems per file; more of them rarely say more


def reject_constant(text):
    raise ValueError(f"{text} is not JSON")


def unique_keys(pairs):
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key is repeated")
    return result


def problems_of(text, validator):
    """Yields what is wrong with one JSON text, as short sentences."""
    try:
        value = json.loads(text, parse_constant=reject_constant, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        yield f"not valid JSON: {error}"
        return
    for error in validator.iter_errors(value):
        message = error.message if len(error.message) <= 200 else error.message[:200] + "…"
        yield f"{error.json_path}: {message}"


def check(path, validator):
    """Returns the problems of one file as (where, what)."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        return [(str(path), f"not UTF-8: {error}")]
    if path.suffix not in (".ndjson", ".jsonl"):
        return [(str(path), what) for what in problems_of(text, validator)]
    if not text:
        return [(str(path), "has no lines")]
    found = []
    if not text.endswith("\n"):
        found.append((str(path), "the last line is cut off: no newline"))
    # Not splitlines(): a string in JSON may hold U+2028 and its like.
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        found += [(f"{path}:{number}", what) for what in problems_of(line, validator)]
        if len(found) > SHOWN:
            break
    return found


def main(arguments):
    if len(arguments) < 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        schema = json.loads(pathlib.Path(arguments[0]).read_text(encoding="utf-8"))
        kind = jsonschema.validators.validator_for(schema)
        kind.check_schema(schema)
    except (OSError, ValueError, jsonschema.SchemaError) as error:
        print(f"cannot use the schema {arguments[0]}: {error}", file=sys.stderr)
        return 2

    validator, status = kind(schema), 0
    for name in arguments[1:]:
        try:
            found = check(pathlib.Path(name), validator)
        except OSError as error:
            print(f"cannot read {name}: {error.strerror}", file=sys.stderr)
            return 2
        for where, what in found[:SHOWN]:
            print(f"{where}: {what}", file=sys.stderr)
        if len(found) > SHOWN:
            print(f"{name}: and more", file=sys.stderr)
        status = 1 if found else status
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
