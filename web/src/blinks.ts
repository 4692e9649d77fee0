// SPDX-License-Identifier: Apache-2.0
// Finds blinks in how far the eyes of one face are open, as src/vision/blinks.cpp does for events.csv. Here only frames count that
// came as previews, so a blink can be missed that the service finds.

export interface Blink {
    track: number;
    onset: number; // s, all three
    apex: number;
    offset: number;
    depth: number;
}

const edge = 0.8, closed = 0.6, leastDrop = 0.04;
const shortest = 0.05, longest = 0.5, maxStep = 0.15, maxGap = 1; // s
const baselineSpan = 3, shortestBaseline = 0.5, maxSamples = 64;

interface Sample {
    time: number;
    open: number;
}

export class BlinkDetector {
    private samples: Sample[] = [];
    private last: Sample | null = null;
    private phase: "open" | "closing" | "shut" = "open";
    private base = 0; // when the closure began
    private onset = 0;
    private least: Sample = { time: 0, open: 0 };

    constructor(private readonly track: number) {}

    private baseline(now: number): number | null {
        const recent = this.samples.filter((s) => now - s.time <= baselineSpan);
        if (recent.length < 3 || now - recent[0]!.time < shortestBaseline) return null;
        return recent.map((s) => s.open).sort((a, b) => a - b)[recent.length >> 1]!;
    }

    private crossing(s: Sample, level: number): number {
        const from = this.last!.open, to = s.open;
        const share = from === to ? 1 : Math.min(1, Math.max(0, (level - from) / (to - from)));
        return this.last!.time + share * (s.time - this.last!.time);
    }

    private endClosure(s: Sample): Blink | null {
        this.phase = "open";
        const offset = this.crossing(s, edge * this.base), lasted = offset - this.onset;
        if (lasted < shortest || lasted > longest) return null;
        if (this.least.open > closed * this.base || this.base - this.least.open < leastDrop) return null;
        const depth = Math.min(1, Math.max(0, 1 - this.least.open / this.base));
        return { track: this.track, onset: this.onset, apex: this.least.time, offset, depth };
    }

    private follow(s: Sample, base: number): Blink | null {
        if (this.phase === "open" && s.open < edge * base) {
            this.phase = "closing";
            this.base = base;
            this.onset = this.crossing(s, edge * base);
            this.least = s;
        } else if (this.phase === "closing") {
            if (s.open >= edge * this.base) return this.endClosure(s);
            if (s.open < this.least.open) this.least = s;
            if (s.time - this.onset > longest) this.phase = "shut";
        } else if (this.phase === "shut" && s.open >= edge * base) {
            this.phase = "open";
        }
        return null;
    }

    update(time: number, open: number): Blink | null {
        const s = { time, open };
        if (this.last && (time <= this.last.time || time - this.last.time > maxGap)) {
            this.samples = [];
            this.last = null;
            this.phase = "open";
        }
        const base = this.baseline(time);
        let found: Blink | null = null;
        if (this.last && time - this.last.time > maxStep) {
            this.phase = base !== null && open < edge * base ? "shut" : "open"; // what was in the gap is unknown
        } else if (base !== null && this.last) {
            found = this.follow(s, base);
        }
        if (this.phase !== "closing" && !(time - (this.samples.at(-1)?.time ?? -Infinity) < baselineSpan / maxSamples)) {
            this.samples.push(s);
            if (this.samples.length > maxSamples) this.samples.shift();
        }
        this.last = s;
        return found;
    }
}
