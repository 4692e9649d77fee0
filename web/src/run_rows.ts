// SPDX-License-Identifier: Apache-2.0
// The rows of a past run. faces.ndjson can be larger than memory: of each row the measures are kept and where it is in the file, and
// the meshes of those that are looked at are read again.
import { request, runPath } from "./api";
import { Traces } from "./traces";
import type { Row } from "./types";

const mostRows = 60_000; // at a time: half an hour at 30 frames/s
const ahead = 24; // rows that are read together
const keptRows = 240;
const pace = 200; // ms between words about how far reading is

export class RunRows {
    readonly traces = new Traces(false);
    times: number[] = []; // s, as pts
    size = { width: 0, height: 0 };
    more = false; // rows that did not fit follow
    done = false;
    private starts: number[] = []; // bytes
    private end = 0; // of the last row
    private readonly rows = new Map<number, Row>();
    private readonly asked = new Set<number>();
    private readonly stop = new AbortController();

    constructor(private readonly run: string) {}

    close(): void {
        this.stop.abort();
    }

    private open(from: number, to?: number): Promise<Response> {
        const headers = { Range: `bytes=${from}-${to === undefined ? "" : to - 1}` };
        return request(runPath(this.run, "faces.ndjson"), { headers, signal: this.stop.signal });
    }

    // Reads on until memory or the file is full. `tell`: after each part.
    async load(tell: () => void): Promise<void> {
        this.more = this.done = false;
        const answer = await this.open(this.end);
        const reader = answer.body!.getReader();
        // A service that gives the whole file instead of the rest of it.
        let skip = answer.status === 206 ? 0 : this.end;
        let rest = new Uint8Array(0), told = 0;
        for (;;) {
            const { done, value } = await reader.read();
            if (done) break;
            let part = value;
            if (skip > 0) {
                const skipped = Math.min(skip, part.length);
                skip -= skipped;
                part = part.subarray(skipped);
            }
            const all = new Uint8Array(rest.length + part.length);
            all.set(rest);
            all.set(part, rest.length);
            let from = 0;
            for (let to = all.indexOf(10); to >= 0; to = all.indexOf(10, from)) {
                if (!this.take(JSON.parse(new TextDecoder().decode(all.subarray(from, to))) as Row, to + 1 - from)) {
                    this.more = true;
                    await reader.cancel();
                    tell();
                    return;
                }
                from = to + 1;
            }
            rest = all.slice(from);
            if (performance.now() - told < pace) continue;
            told = performance.now();
            tell();
        }
        this.done = true;
        tell();
    }

    // Gives the memory of what was read to what follows.
    forget(): void {
        this.traces.clear();
        this.times = [];
        this.starts = [];
        this.rows.clear();
        this.asked.clear();
    }

    private take(row: Row, length: number): boolean {
        if (this.times.length >= mostRows || !this.traces.add(row)) return false;
        this.size = { width: row.width, height: row.height };
        this.times.push(row.pts);
        this.starts.push(this.end);
        this.end += length;
        return true;
    }

    // The number of the row that is shown at `time`: the last that is not later. -1 before the first.
    at(time: number): number {
        let low = 0, high = this.times.length;
        while (low < high) {
            const middle = (low + high) >> 1;
            if (this.times[middle]! <= time + 1e-4) low = middle + 1;
            else high = middle;
        }
        return low - 1;
    }

    // The row with its meshes if it has been read; else it is read, with those that follow, and `then` called.
    row(i: number, then: () => void): Row | null {
        if (i < 0 || i >= this.times.length) return null;
        const there = this.rows.get(i) ?? null;
        const next = there ? i + (ahead >> 1) : i;
        if (next < this.times.length && !this.rows.has(next) && !this.asked.has(next)) this.fetch(next, then);
        return there;
    }

    private async fetch(from: number, then: () => void): Promise<void> {
        const to = Math.min(from + ahead, this.times.length);
        for (let i = from; i < to; ++i) this.asked.add(i);
        try {
            const first = this.starts[from]!, last = this.starts[to] ?? this.end;
            const answer = await this.open(first, last);
            const read = await answer.arrayBuffer();
            const text = new TextDecoder().decode(answer.status === 206 ? read : read.slice(first, last));
            for (const [i, line] of text.trim().split("\n").entries()) this.rows.set(from + i, JSON.parse(line) as Row);
            for (const old of this.rows.keys()) {
                if (this.rows.size <= keptRows) break;
                this.rows.delete(old);
            }
        } catch {
            // Shown without a mesh; asked for again when it is looked at again.
        }
        for (let i = from; i < to; ++i) this.asked.delete(i);
        then();
    }
}
