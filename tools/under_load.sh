#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests of a release build again and again on a machine that is busy with something else: four times as many busy processes as
# it has processors, until the last round is over.
#
#     tools/under_load.sh [ROUNDS (20)] [OPTIONS OF CTEST]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
rounds=${1:-20}
shift || true
command -v stress-ng >/dev/null || { echo "under_load: stress-ng is missing; run tools/setup.sh" >&2; exit 1; }
stress-ng --cpu $((4 * $(nproc))) --timeout $((rounds * 3600))s --quiet &
load=$!
trap 'kill $load 2>/dev/null || true' EXIT
for ((round = 1; round <= rounds; ++round)); do
    ctest --preset release -j2 --quiet --output-on-failure "$@" || { echo "under_load: round $round of $rounds failed" >&2; exit 1; }
    echo "under_load: round $round of $rounds passed"
done
