#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Google Benchmark's JSON as a table of medians; the JSON is cut down to those and rid of the machine's name."""
import json
import pathlib
import statistics
import sys

path = pathlib.Path(sys.argv[1])
measured = json.loads(path.read_text())
memcpy = float(measured["context"]["memcpy_one_core_gb_per_second"])
IN_US = {"ns": 1e-3, "us": 1, "ms": 1e3, "s": 1e6}

runs = {}
for b in measured["benchmarks"]:
    if b["run_type"] == "iteration":
        runs.setdefault(b["run_name"], []).append(b)
rows = []
for name, repeated in runs.items():
    def median(key):
        return statistics.median(b[key] for b in repeated)
    # Its CPU time, which other processes touch less; wall time where two threads wait for each other.
    time = "real_time" if "real_time" in name else "cpu_time"
    row = {"name": name.replace("/real_time", ""), "us": median(time) * IN_US[repeated[0]["time_unit"]]}
    if "of_memcpy" in repeated[0]:
        row |= {"gb_per_second": median("bytes_per_second") / 1e9, "of_memcpy": median("of_memcpy")}
    rows.append(row)

rows.sort(key=lambda r: r["name"])
path.write_text(json.dumps({"memcpy_one_core_gb_per_second": memcpy, "repetitions": len(next(iter(runs.values()))),
                            "kernels": rows}, indent=2) + "\n")
print(f"Medians, on one core beside a memcpy of {memcpy:.1f} GB/s (read + written).\n")
print("| kernel | us | GB/s | of memcpy |\n| --- | --- | --- | --- |")
for r in rows:
    rate = f"{r['gb_per_second']:.2f} | {100 * r['of_memcpy']:.0f} %" if "of_memcpy" in r else "|"
    print(f"| {r['name']} | {r['us']:.3f} | {rate} |")
