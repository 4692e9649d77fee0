#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Python's multiprocessing.Queue with numpy arrays: put on one side, get on the other. Arguments and output as in measure.hpp.

Each frame is a new array, for put() returns before its thread has pickled it; pickling, the pipe and unpickling copy it.
"""
import json
import multiprocessing
import os
import queue
import sys
import time

import numpy as np

WARM_UP = 20
now = time.monotonic_ns


def stay_on(which):
    allowed = sorted(os.sched_getaffinity(0))
    if which < len(allowed):
        os.sched_setaffinity(0, {allowed[which]})


def produce(frames, stop, size, rate):
    if not rate:
        stay_on(0)
    publish(frames, stop, size, rate)


def publish(frames, stop, size, rate):
    picture = (np.arange(size, dtype=np.uint64) * 2654435761 >> 24).astype(np.uint8)
    sequence, due = 0, now()
    while not stop.is_set():
        if not rate:
            due += 1_000_000_000 // 60
            time.sleep(max(0, due - now()) / 1e9)
        begun = now()
        frame = picture.copy()
        frame[:24].view(np.int64)[:] = sequence, begun, now()
        while not stop.is_set():
            try:
                frames.put(frame, timeout=0.1)
                break
            except queue.Full:
                pass
        sequence += 1
    frames.cancel_join_thread()


def main():
    mode, size, pixels, touched, amount = sys.argv[1:]
    width, height = map(int, size.split("x"))
    rate, touched, amount = mode == "rate", touched == "touched", float(amount)
    context = multiprocessing.get_context("fork")
    frames, stop = context.Queue(2), context.Event()
    producer = context.Process(target=produce, args=(frames, stop, width * height * (6 if pixels == "bgr24" else 3) // 2, rate),
                               daemon=True)
    producer.start()
    if not rate:
        stay_on(1)
    held, whole, first, seconds, cpu = [], [], 0, 0, 0.0
    n = 0
    while seconds < amount if rate else len(held) < amount:
        frame = frames.get(timeout=10)
        if touched:
            int(frame[::64].sum())
        here = now()
        n += 1
        if n <= WARM_UP:
            first = here
            cpu = time.process_time()
            continue
        _, begun, complete = frame[:24].view(np.int64)
        held.append((here - int(complete)) / 1000)
        whole.append((here - int(begun)) / 1000)
        seconds = (here - first) / 1e9
    cpu = time.process_time() - cpu
    stop.set()
    producer.terminate()
    producer.join()
    out = {"mode": mode, "width": width, "height": height, "format": pixels, "touched": touched, "frames": len(held),
           "seconds": seconds, "cpu_seconds": cpu}
    print(json.dumps(out if rate else {**out, "held_us": held, "whole_us": whole}))


if __name__ == "__main__":
    main()
