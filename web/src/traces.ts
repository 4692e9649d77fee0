// SPDX-License-Identifier: Apache-2.0
// The measures of faces over time, in memory that does not grow: the oldest give way.
import { type Blink, BlinkDetector } from "./blinks";
import { type Measure, measuresOf } from "./measures";
import type { Row } from "./types";

const budget = 32 << 20; // bytes
const maxEvents = 2000;
const forgotten = 60; // s after which a track is not looked for any more

export interface MarkedTime {
    time: number; // s, as pts
    text: string;
    sequence: number;
}

// What uPlot draws: times, and the values of each track at them.
export interface Window {
    times: number[];
    tracks: number[];
    values: (number | null)[][];
}

export class Traces {
    measures: Measure[] = [];
    blinks: Blink[] = [];
    markers: MarkedTime[] = [];
    private columns = new Map<string, number>();
    private capacity = 0;
    private time = new Float64Array(0);
    private sequence = new Float64Array(0);
    private track = new Float64Array(0);
    private value = new Float32Array(0); // a sample's measures side by side
    private first = 0; // samples are numbered on and on; `% capacity` is their place
    private end = 0;
    private readonly detectors = new Map<number, { blinks: BlinkDetector; seen: number }>();

    // ring: the newest replace the oldest; otherwise what does not fit is refused.
    constructor(private readonly ring = true) {}

    get empty(): boolean {
        return this.end === this.first;
    }
    get full(): boolean {
        return this.capacity > 0 && this.end - this.first >= this.capacity;
    }
    get from(): number {
        return this.empty ? 0 : this.time[this.first % this.capacity]!;
    }
    get to(): number {
        return this.empty ? 0 : this.time[(this.end - 1) % this.capacity]!;
    }

    // Markers stay: a person set them, or they came before the first row.
    clear(): void {
        this.first = this.end = 0;
        this.blinks = [];
        this.detectors.clear();
    }

    private make(measures: Measure[]): void {
        this.measures = measures;
        this.columns = new Map(measures.map((m, i) => [m.key, i]));
        this.capacity = Math.floor(budget / (24 + 4 * measures.length));
        this.time = new Float64Array(this.capacity);
        this.sequence = new Float64Array(this.capacity);
        this.track = new Float64Array(this.capacity);
        this.value = new Float32Array(this.capacity * measures.length);
        this.clear();
    }

    // False if there is no room.
    add(row: Row): boolean {
        const some = row.faces[0];
        if (!some) return true;
        if (!this.columns.size || (some.blendshapes && !this.columns.has("jawOpen"))) this.make(measuresOf(some));
        if (!this.empty && row.pts < this.to) { // a service that began anew
            this.clear();
            this.markers = [];
        }
        if (!this.ring && this.end - this.first + row.faces.length > this.capacity) return false;
        for (const face of row.faces) {
            const at = this.end % this.capacity;
            this.time[at] = row.pts;
            this.sequence[at] = row.sequence;
            this.track[at] = face.track;
            this.measures.forEach((m, i) => {
                this.value[at * this.measures.length + i] = m.read(face) ?? Number.NaN;
            });
            this.end += 1;
            if (this.end - this.first > this.capacity) this.first += 1;
            this.look(face.track, row.pts, this.value[at * this.measures.length + this.columns.get("eye_open")!]!);
        }
        return true;
    }

    private look(track: number, time: number, open: number): void {
        if (!Number.isFinite(open)) return;
        let of = this.detectors.get(track);
        if (!of) {
            for (const [old, { seen }] of this.detectors) if (time - seen > forgotten) this.detectors.delete(old);
            of = { blinks: new BlinkDetector(track), seen: time };
            this.detectors.set(track, of);
        }
        of.seen = time;
        const found = of.blinks.update(time, open);
        if (!found) return;
        this.blinks.push(found);
        if (this.blinks.length > maxEvents) this.blinks.shift();
    }

    mark(marker: MarkedTime): void {
        this.markers.push(marker);
        if (this.markers.length > maxEvents) this.markers.shift();
    }

    // The number of the first sample at `time` or later.
    private at(time: number): number {
        let low = this.first, high = this.end;
        while (low < high) {
            const middle = Math.floor((low + high) / 2);
            if (this.time[middle % this.capacity]! < time) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    // The tracks between two times.
    tracksIn(from: number, to: number): number[] {
        const found = new Set<number>();
        for (let i = this.at(from); i < this.end; ++i) {
            const at = i % this.capacity;
            if (this.time[at]! > to) break;
            found.add(this.track[at]!);
        }
        return [...found].sort((a, b) => a - b);
    }

    // One measure of `tracks` between two times, of at most `most` frames.
    window(key: string, from: number, to: number, tracks: number[], most = 4000): Window {
        const column = this.columns.get(key);
        const index = new Map(tracks.map((t, i) => [t, i]));
        const times: number[] = [], values: (number | null)[][] = tracks.map(() => []);
        if (column === undefined) return { times, tracks, values };
        const begin = this.at(from), end = this.at(to + 1e-9);
        const step = Math.max(1, Math.ceil((end - begin) / Math.max(1, tracks.length) / most));
        let frame = 0;
        for (let i = begin; i < end; ++i) {
            const at = i % this.capacity, time = this.time[at]!;
            if (i > begin && time !== this.time[(i - 1) % this.capacity]) frame += 1;
            if (frame % step) continue;
            if (times.at(-1) !== time) {
                times.push(time);
                for (const series of values) series.push(null);
            }
            const of = index.get(this.track[at]!);
            const v = this.value[at * this.measures.length + column]!;
            if (of !== undefined && Number.isFinite(v)) values[of]![times.length - 1] = v;
        }
        return { times, tracks, values };
    }

    // Each sample between two times, for exports.
    *samples(from: number, to: number): Generator<{ time: number; sequence: number; track: number; value: (key: string) => number }> {
        for (let i = this.at(from); i < this.end; ++i) {
            const at = i % this.capacity;
            if (this.time[at]! > to) return;
            const value = (key: string) => this.value[at * this.measures.length + this.columns.get(key)!] ?? Number.NaN;
            yield { time: this.time[at]!, sequence: this.sequence[at]!, track: this.track[at]!, value };
        }
    }

    sequenceAt(time: number): number {
        const i = Math.min(this.at(time), this.end - 1);
        return this.empty ? 0 : this.sequence[i % this.capacity]!;
    }
}
