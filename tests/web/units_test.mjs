// SPDX-License-Identifier: Apache-2.0
// What the page computes itself: blinks, differences of counters, memory of traces, tables.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import test, { after, before } from "node:test";
import { folder, program, root, small } from "./support.mjs";

const require = createRequire(path.join(root, "web/package.json"));
const skip = existsSync(path.join(root, "web/node_modules/esbuild")) ? false : "web/node_modules is missing: cd web && npm ci --ignore-scripts";
let page, of;

before(async () => {
    if (skip) return;
    of = folder();
    const out = path.join(of.dir, "units.mjs");
    const modules = ["blinks", "csv", "events", "format", "measures", "statistics", "traces"];
    await require("esbuild").build({
        stdin: { contents: modules.map((m) => `export * from "./${m}";`).join("\n"), resolveDir: path.join(root, "web/src"), loader: "ts" },
        bundle: true, format: "esm", outfile: out, logLevel: "error",
    });
    page = await import(out);
});
after(() => of?.remove());

const face = (track, more = {}) => ({
    track, score: 0.9, presence: 1, box: [0, 0, 1, 1], landmarks: [], pose: { yaw: track, pitch: 0, roll: -1 },
    measures: { eye_open_right: 0.3, eye_open_left: 0.3, mouth_open: null }, ...more,
});
const row = (pts, tracks) => ({ input: "a", sequence: Math.round(pts * 25), pts, width: 640, height: 360, faces: tracks.map((t) => face(t)) });

test("traces give each track's values at the times of its frames", { skip }, () => {
    const traces = new page.Traces();
    for (let i = 0; i < 10; ++i) traces.add(row(i, i < 5 ? [1] : [1, 2]));
    assert.deepEqual(traces.tracksIn(0, 9), [1, 2]);
    const w = traces.window("yaw", 4, 6, [1, 2]);
    assert.deepEqual(w.times, [4, 5, 6]);
    assert.deepEqual(w.values, [[1, 1, 1], [null, 2, 2]]);
    assert.deepEqual(traces.window("mouth_open", 0, 9, [1]).values[0], Array(10).fill(null), "what was not measured is a gap");
});

test("the memory of traces does not grow", { skip }, () => {
    const traces = new page.Traces(), whole = new page.Traces(false);
    let refused = 0;
    for (let i = 0; i < 700_000; ++i) {
        traces.add(row(i / 25, [1]));
        if (refused === 0 && !whole.add(row(i / 25, [1]))) refused = i;
    }
    assert.ok(traces.from > 0, "the oldest gave way");
    assert.equal(traces.to, 699_999 / 25);
    assert.ok(refused > 100_000, "a recording's rows are kept from the first on");
    assert.equal(whole.from, 0);
});

test("a service that began anew begins new traces", { skip }, () => {
    const traces = new page.Traces();
    for (const pts of [100, 101, 1]) traces.add(row(pts, [1]));
    assert.deepEqual([traces.from, traces.to], [1, 1]);
});

test("a table has what is shown, with markers in the order of time", { skip }, () => {
    const traces = new page.Traces();
    for (let i = 0; i < 4; ++i) traces.add(row(i, [1, 2]));
    traces.mark({ time: 1.5, text: 'light, "on"', sequence: 37 });
    const lines = page.csvOf(traces, ["yaw", "mouth_open"], [2], 1, 2).split("\r\n");
    assert.deepEqual(lines, [
        "pts,sequence,track,yaw,mouth_open,event,text",
        "1.000000,25,2,2.000,,,",
        '1.500000,37,,,,marker,"light, ""on"""',
        "2.000000,50,2,2.000,,,",
        "",
    ]);
});

test("events are read by the names of their columns", { skip }, () => {
    const text = 'input,source,track,event,onset_ms,apex_ms,offset_ms,depth,text\r\na,0,3,blink,100.5,150,200,0.7,\r\n"b, c",0,,marker,2000,,,,"say ""hello"""\r\n';
    assert.deepEqual(page.eventsOf(text), [
        { event: "blink", track: "3", time: 0.15, text: "" },
        { event: "marker", track: "", time: 2, text: 'say "hello"' },
    ]);
});

test("what a frame costs is a difference of counters", { skip }, () => {
    const of = (count, bytes, syncs) => ({ host_to_device: { count, bytes, pinned_count: 0 }, device_to_host: { count: 0, bytes: 0, pinned_count: 0 }, syncs });
    const at = (n, seconds) => {
        const stages = Object.fromEntries(["detect", "region", "landmark", "track", "sink"].map((s) => [s, of(0, 0, 0)]));
        return {
            seconds,
            statistics: { frames: n, cache: { hits: n * 2, misses: 0 }, devices: [{ stages: { capture: of(n * 2, n * 1000, n), ...stages } }] },
            sources: [{ name: "a", frames: n, width: 20, height: 10 }],
        };
    };
    const cost = page.costBetween(at(100, 1), at(150, 3));
    assert.deepEqual([cost.fps, cost.up.count, cost.up.bytes, cost.syncs, cost.hitRate, cost.floorBytes], [25, 2, 1000, 1, 1, 300]);
    assert.equal(page.costBetween(at(100, 1), at(100, 2)), null, "nothing moved");
});

test("times and numbers are written as people read them", { skip }, () => {
    assert.equal(page.clock(75.43), "1:15.4");
    assert.equal(page.clock(59.97), "1:00.0");
    assert.equal(page.clock(3725, 0), "1:02:05");
    assert.equal(page.fixed(-0.04, 1), "0.0");
    assert.equal(page.fixed(-12.34, 1), "\u221212.3");
    assert.equal(page.bytes(3_110_400), "3.11 MB");
});

test("blinks are those that faceflow finds", { skip: skip || (existsSync(program) && existsSync(small) ? false : `there is no ${small}`) }, () => {
    const { dir, remove } = folder();
    try {
        execFileSync(program, ["run", small, "--no-video", "--detect-size", "320x192", "--out", dir], { stdio: "ignore" });
        const right = page.eventsOf(readFileSync(path.join(dir, "events.csv"), "utf8")).filter((e) => e.event === "blink");
        const traces = new page.Traces();
        for (const line of readFileSync(path.join(dir, "faces.ndjson"), "utf8").trim().split("\n")) traces.add(JSON.parse(line));
        assert.deepEqual(traces.blinks.map((b) => [String(b.track), b.apex.toFixed(3)]).sort(), right.map((e) => [e.track, e.time.toFixed(3)]).sort());
        assert.ok(right.length > 0);
    } finally {
        remove();
    }
});
