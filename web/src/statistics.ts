// SPDX-License-Identifier: Apache-2.0
// What a frame costs, from the differences of the service's counters.
import { type Source, type Stage, type Statistics, stages } from "./types";

const kept = 300; // samples, about one a second
const span = 5; // s that a rate looks back, since a frame's transfers are counted before the frame is

export interface Moved {
    count: number;
    bytes: number;
}

export interface StageCost {
    up: Moved;
    down: Moved;
    syncs: number;
}

// All figures but fps and frames are those of one frame.
export interface FrameCost {
    seconds: number; // since the service began
    frames: number; // since the sample before
    fps: number;
    stages: Record<Stage, StageCost>;
    up: Moved;
    down: Moved;
    syncs: number;
    hitRate: number | null; // null: nothing was looked up
    // The least: each frame once, as it is in 4:2:0.
    floorBytes: number;
}

interface Sample {
    seconds: number;
    statistics: Statistics;
    sources: Source[];
}

const nothing = (): StageCost => ({ up: { count: 0, bytes: 0 }, down: { count: 0, bytes: 0 }, syncs: 0 });

// Counters are not read at one moment: a frame in flight or two make 0.99 of 1. What they explain is not shown as a fraction.
const inFlight = 2;
function settled(perFrame: number, frames: number): number {
    const nearest = Math.round(perFrame);
    return Math.abs(perFrame - nearest) * frames <= inFlight + 1e-6 && nearest > 0 ? nearest : perFrame;
}

function settle(cost: StageCost, frames: number): void {
    for (const way of [cost.up, cost.down]) {
        const count = settled(way.count, frames);
        if (count > 0) way.bytes *= count / way.count;
        way.count = count;
    }
    cost.syncs = settled(cost.syncs, frames);
}

// The bytes of frames as they came, summed over sources.
function frameBytes(from: Sample, to: Sample): { frames: number; bytes: number } {
    const before = new Map(from.sources.map((s) => [s.name, s.frames]));
    let frames = 0, bytes = 0;
    for (const s of to.sources) {
        const came = Math.max(0, s.frames - (before.get(s.name) ?? s.frames));
        frames += came;
        bytes += came * s.width * s.height * 1.5;
    }
    return { frames, bytes };
}

export function costBetween(from: Sample, to: Sample): FrameCost | null {
    const frames = to.statistics.frames - from.statistics.frames;
    const seconds = to.seconds - from.seconds;
    if (frames <= 0 || seconds <= 0) return null;
    const all = Object.fromEntries(stages.map((stage) => [stage, nothing()])) as Record<Stage, StageCost>;
    const total = nothing();
    for (const [i, device] of to.statistics.devices.entries()) {
        const then = from.statistics.devices[i];
        if (!then) continue;
        for (const stage of stages) {
            const now = device.stages[stage], was = then.stages[stage], cost = all[stage];
            for (const sum of [cost, total]) {
                sum.up.count += (now.host_to_device.count - was.host_to_device.count) / frames;
                sum.up.bytes += (now.host_to_device.bytes - was.host_to_device.bytes) / frames;
                sum.down.count += (now.device_to_host.count - was.device_to_host.count) / frames;
                sum.down.bytes += (now.device_to_host.bytes - was.device_to_host.bytes) / frames;
                sum.syncs += (now.syncs - was.syncs) / frames;
            }
        }
    }
    for (const cost of [total, ...Object.values(all)]) settle(cost, frames);
    const hits = to.statistics.cache.hits - from.statistics.cache.hits;
    const asked = hits + to.statistics.cache.misses - from.statistics.cache.misses;
    const came = frameBytes(from, to);
    return {
        seconds: to.seconds,
        frames,
        fps: frames / seconds,
        stages: all,
        up: total.up,
        down: total.down,
        syncs: total.syncs,
        hitRate: asked > 0 ? hits / asked : null,
        floorBytes: came.frames > 0 ? came.bytes / came.frames : 0,
    };
}

export class History {
    private samples: Sample[] = [];
    costs: FrameCost[] = [];
    // Of the last span in which frames moved.
    last: FrameCost | null = null;
    moving = false;

    add(statistics: Statistics, sources: Source[]): void {
        const newest = this.samples.at(-1);
        // A service that began anew, or another flow, whose ledger is another.
        if (newest && (statistics.uptime_seconds < newest.seconds || statistics.flow !== newest.statistics.flow ||
            statistics.frames < newest.statistics.frames)) {
            this.samples = [];
            this.last = null;
            if (statistics.uptime_seconds < newest.seconds) this.costs = [];
        }
        const sample = { seconds: statistics.uptime_seconds, statistics, sources };
        const before = this.samples.at(-1);
        this.moving = before !== undefined && statistics.frames > before.statistics.frames;
        const from = this.samples.find((s) => sample.seconds - s.seconds <= span);
        this.samples.push(sample);
        while (this.samples.length > 2 && sample.seconds - this.samples[0]!.seconds > 2 * span) this.samples.shift();
        const cost = from ? costBetween(from, sample) : null;
        if (!cost) return;
        this.last = cost;
        if (!this.moving) return;
        this.costs.push(cost);
        if (this.costs.length > kept) this.costs.shift();
    }
}
