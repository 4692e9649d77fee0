#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints line and branch coverage of each layer from gcovr's JSON summary.

    coverage_by_layer.py SUMMARY.json
"""
import collections
import json
import sys

from check_layers import LAYERS

KEYS = ("line_covered", "line_total", "branch_covered", "branch_total")


def percent(part, whole):
    return f"{100 * part / whole:5.1f} %" if whole else "      -"


def main():
    sums = collections.defaultdict(lambda: dict.fromkeys(KEYS, 0))
    with open(sys.argv[1], encoding="utf-8") as file:
        for entry in json.load(file)["files"]:
            parts = entry["filename"].split("/")
            layer = parts[1] if parts[0] == "src" else "include/faceflow"
            for key in KEYS:
                sums[layer][key] += entry[key]
                sums["all"][key] += entry[key]
    print(f"{'layer':18}{'lines':>9}{'of':>8}{'branches':>11}{'of':>8}")
    for layer in [name for name in ("include/faceflow", *LAYERS, "all") if name in sums]:
        s = sums[layer]
        print(f"{layer:18}{percent(s['line_covered'], s['line_total']):>9}{s['line_total']:>8}"
              f"{percent(s['branch_covered'], s['branch_total']):>11}{s['branch_total']:>8}")


if __name__ == "__main__":
    main()
