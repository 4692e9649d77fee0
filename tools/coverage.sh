#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds with coverage counters, runs the tests that look at the library from within, and prints for each layer which part of its lines
# and branches they reach. build/coverage/coverage.json has it by file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v gcovr >/dev/null || { echo "coverage: gcovr is missing; run tools/setup.sh" >&2; exit 1; }
cmake --preset coverage >/dev/null
cmake --build build/coverage -j"$(nproc)"
find build/coverage -name '*.gcda' -delete
ctest --preset coverage -j2 -L 'unit|conformance|integration' --quiet || echo "coverage: tests failed; what they reached is counted all the same" >&2
gcovr --root . --object-directory build/coverage --filter src/ --filter include/ --exclude-throw-branches \
    --gcov-ignore-parse-errors --json-summary build/coverage/coverage.json >/dev/null
/usr/bin/python3 tools/coverage_by_layer.py build/coverage/coverage.json
