#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How long a frame takes from one process to another, and how many pass in a second: faceflow's shared slots beside other ways.
#
#   bench/handoff.sh [ROUNDS]     in each of 3 rounds every way has its turn; a round takes some two minutes
#
# BUILD names the build folder (build/release). Installs the other tools' Debian packages through apt (sudo when not root). A tool
# that cannot be had or built is left out, and said so. Writes bench/results/handoff.{md,json}.
set -Eeuo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
rounds=${1:-3}
build=${BUILD:-build/release}
sources=$root/bench/handoff
packages=(g++ pkg-config python3-numpy libzmq3-dev iceoryx libiceoryx-posh-dev libgstreamer1.0-dev
    libgstreamer-plugins-base1.0-dev gstreamer1.0-plugins-base gstreamer1.0-plugins-bad)

say() { echo "handoff: $*" >&2; }
as_root=()
((EUID == 0)) || as_root=(sudo)
missing=()
for package in "${packages[@]}"; do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
if ((${#missing[@]})); then
    "${as_root[@]}" apt-get -q update >&2 || say "apt-get update failed"
    # One by one: a distribution may lack some.
    for package in "${missing[@]}"; do
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "$package" >&2 ||
            say "no package $package here"
    done
fi
cmake --build "$build" --target faceflow_bench_handoff -j"$(nproc)" >&2

work=$(mktemp -d "${TMPDIR:-/tmp}/faceflow-handoff-XXXXXX")
roudi=
finish() {
    [[ -z $roudi ]] || kill "$roudi" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
# What faceflow does not use of this machine's instructions, the others get.
make() { g++ -std=c++17 -O3 -march=native -DNDEBUG -o "$work/$1" "$sources/$1.cpp" "${@:2}"; }

declare -A command=(
    [faceflow]=$build/faceflow_bench_handoff
    [faceflow_anticipating]="$build/faceflow_bench_handoff anticipating"
    [python_queue]="/usr/bin/python3 $sources/python_queue.py"
)
tools=(faceflow faceflow_anticipating)
if make ping; then
    tools+=(futex socket)
    command[futex]="$work/ping futex" command[socket]="$work/ping socket"
fi
if make iceoryx -I"$(echo /usr/include/iceoryx/v*)" -liceoryx_posh -liceoryx_hoofs -liceoryx_platform; then
    printf '[general]\nversion = 1\n[[segment]]\n[[segment.mempool]]\nsize = 6221056\ncount = 16\n' >"$work/roudi.toml"
    iox-roudi -c "$work/roudi.toml" >"$work/roudi.log" 2>&1 &
    roudi=$!
    for ((i = 0; i < 50; ++i)); do
        grep -q 'ready for clients' "$work/roudi.log" && break
        sleep 0.1
    done
    tools+=(iceoryx) command[iceoryx]=$work/iceoryx
else
    say "iceoryx is left out: it does not build here"
fi
# shellcheck disable=SC2046  # flags are words
if make gstreamer $(pkg-config --cflags --libs gstreamer-app-1.0); then
    tools+=(gstreamer) command[gstreamer]=$work/gstreamer
else
    say "GStreamer is left out: it does not build here"
fi
if make zeromq -lzmq; then
    tools+=(zeromq) command[zeromq]=$work/zeromq
else
    say "ZeroMQ is left out: it does not build here"
fi
tools+=(python_queue)

measure() {  # TOOL ARGUMENTS...: a line with the tool's name
    # shellcheck disable=SC2086  # a command is words
    timeout 60 ${command[$1]} "${@:2}" 2>>"$work/$1.err" | sed -n "s/^{/{\"tool\":\"$1\",/p" >>"$work/runs.jsonl" ||
        say "$1 failed at ${*:2}"
}

cases=("64x64 nv12 untouched" "1920x1080 nv12 untouched" "1920x1080 bgr24 untouched" "1920x1080 nv12 touched"
    "1920x1080 bgr24 touched")
for ((round = 1; round <= rounds; ++round)); do
    say "round $round of $rounds"
    for which in "${cases[@]}"; do
        for tool in "${tools[@]}"; do
            # shellcheck disable=SC2086
            measure "$tool" latency $which 120
            # shellcheck disable=SC2086
            [[ $which == 64x64* ]] || measure "$tool" rate $which 0.7
        done
    done
done
/usr/bin/python3 "$sources/table.py" "$work/runs.jsonl" "$root/bench/results"
