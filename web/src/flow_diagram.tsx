// SPDX-License-Identifier: Apache-2.0
// Where a frame's bytes are and how often they cross between host and device, as counted. Nothing moves in it unless frames do.
import { useEffect, useState } from "preact/hooks";
import { bytes, perFrame } from "./format";
import type { FrameCost, Moved } from "./statistics";
import type { Stage, Statistics } from "./types";

interface Step {
    title: string;
    stages: Stage[];
    host: string;
    device: string;
}

const steps: Step[] = [
    { title: "capture", stages: ["capture"], host: "frame", device: "frame" },
    { title: "detect", stages: ["detect"], host: "boxes", device: "detector input" },
    { title: "region", stages: ["region"], host: "crops", device: "crops" },
    { title: "landmark", stages: ["landmark"], host: "results", device: "meshes, poses" },
    { title: "track, sink", stages: ["track", "sink"], host: "tracks, rows", device: "results" },
];

interface Layout {
    size: [number, number];
    box: [number, number];
    at: (step: number, lane: number) => [number, number]; // a box's centre
    across: boolean; // lanes lie one above the other
}

const wide: Layout = { size: [1000, 300], box: [150, 52], at: (i, lane) => [110 + i * 195, lane ? 246 : 84], across: true };
const narrow: Layout = { size: [360, 590], box: [112, 46], at: (i, lane) => [lane ? 300 : 60, 92 + i * 112], across: false };

// With one memory there is one lane.
const wideOne: Layout = { ...wide, size: [1000, 130], at: (i) => [110 + i * 195, 70] };
const narrowOne: Layout = { ...narrow, size: [360, 440], box: [150, 46], at: (i) => [250, 60 + i * 84] };

const phone = window.matchMedia("(max-width: 700px)");

function useLayout(oneMemory: boolean): Layout {
    const [small, set] = useState(phone.matches);
    useEffect(() => {
        const change = () => set(phone.matches);
        phone.addEventListener("change", change);
        return () => phone.removeEventListener("change", change);
    }, []);
    if (oneMemory) return small ? narrowOne : wideOne;
    return small ? narrow : wide;
}

const sum = (cost: FrameCost | null, of: Stage[], way: "up" | "down"): Moved => {
    const all = { count: 0, bytes: 0 };
    for (const stage of of) {
        all.count += cost?.stages[stage][way].count ?? 0;
        all.bytes += cost?.stages[stage][way].bytes ?? 0;
    }
    return all;
};

// Below this a transfer is one of a few frames, such as those of an engine that only begins.
const seldom = 0.005;
const small = 10_000; // bytes: a list of faces, not a frame or crops

interface CrossingProps {
    layout: Layout;
    step: number;
    way: "up" | "down";
    moved: Moved;
    alone: boolean; // nothing crosses the other way here
    moving: boolean;
}

function Crossing({ layout, step, way, moved, alone, moving }: CrossingProps) {
    if (moved.count < seldom) return null;
    const shift = alone ? 0 : way === "up" ? -16 : 16;
    const [hx, hy] = layout.at(step, 0), [dx, dy] = layout.at(step, 1);
    const [w, h] = layout.box;
    const ends: [number, number][] = layout.across
        ? [[hx + shift, hy + h / 2 + 3], [dx + shift, dy - h / 2 - 3]]
        : [[hx + w / 2 + 3, hy + shift * 0.75], [dx - w / 2 - 3, dy + shift * 0.75]];
    if (way === "down") ends.reverse();
    const [[x1, y1], [x2, y2]] = ends as [[number, number], [number, number]];
    const thick = 1.5 + Math.min(5, Math.log10(1 + moved.bytes / 1e3));
    const arrow = layout.across ? (way === "up" ? "↓" : "↑") : way === "up" ? "→" : "←";
    const text = `${arrow} ${perFrame(moved.count)} × ${bytes(moved.bytes / moved.count)}`;
    const label: [number, number] = layout.across
        ? [hx + (alone ? 13 : 27), (y1 + y2) / 2 + (alone ? 5 : way === "up" ? -10 : 18)]
        : [(x1 + x2) / 2, y1 + (way === "up" ? -9 : 19)];
    return (
        <g class={`crossing ${way}${moving ? " moves" : ""}`}>
            <path d={`M${x1} ${y1}L${x2} ${y2}`} stroke-width={thick} marker-end={`url(#head-${way})`} />
            <text x={label[0]} y={label[1]} text-anchor={layout.across ? "start" : "middle"}>{text}</text>
        </g>
    );
}

function Memory({ layout, step, lane, name, used }: { layout: Layout; step: number; lane: number; name: string; used: boolean }) {
    const [x, y] = layout.at(step, lane), [w, h] = layout.box;
    return (
        <g class={`memory ${lane ? "device" : "host"}${used ? "" : " unused"}`}>
            <rect x={x - w / 2} y={y - h / 2} width={w} height={h} rx="8" />
            <text x={x} y={y + 5} text-anchor="middle">{name}</text>
        </g>
    );
}

interface Props {
    cost: FrameCost | null;
    statistics: Statistics;
    moving: boolean;
    oneMemory: boolean; // the device computes in the host's own
    summary: string;
}

export function FlowDiagram({ cost, statistics, moving, oneMemory, summary }: Props) {
    const layout = useLayout(oneMemory);
    const [width, height] = layout.size;
    const crossings = steps.map((s) => ({ up: sum(cost, s.stages, "up"), down: sum(cost, s.stages, "down") }));
    const crosses = (i: number) => crossings[i]!.up.count >= seldom || crossings[i]!.down.count >= seldom;
    const [x0, hostY] = layout.at(0, 0), [deviceX, deviceY] = layout.at(0, 1);
    const last = steps.length - 1;
    const resultsOnDevice = crosses(last); // where tracks are made: on the host
    const between = (lane: number, from: number): string => {
        const [ax, ay] = layout.at(from, lane), [bx, by] = layout.at(from + 1, lane), [w, h] = layout.box;
        return layout.across ? `M${ax + w / 2 + 2} ${ay}L${bx - w / 2 - 3} ${by}` : `M${ax} ${ay + h / 2 + 2}L${bx} ${by - h / 2 - 3}`;
    };
    // What a stage uploads comes from the host; else its input is on the device already.
    const uploads = (i: number) => crossings[i]!.up.bytes > small;
    const lines: string[] = [];
    for (let i = 0; i < last; ++i) {
        if (oneMemory || (!uploads(i + 1) && (i + 1 < last || resultsOnDevice))) lines.push(between(1, i));
        else lines.push(between(0, i));
    }
    return (
        <svg class="diagram" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={summary}>
            <defs>
                {["up", "down", "along"].map((way) => (
                    <marker key={way} id={`head-${way}`} class={`head ${way}`} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="11" markerHeight="11"
                        markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z" /></marker>
                ))}
            </defs>
            {oneMemory && <text class="lane" x={layout.across ? 36 : width / 2} y={layout.across ? 122 : 18} text-anchor={layout.across ? "start" : "middle"}>host memory, which is the device's</text>}
            {!oneMemory && layout.across && (
                <>
                    <text class="lane" x="2" y={hostY - 36}>host memory</text>
                    <text class="lane" x="2" y={deviceY + 46}>device memory</text>
                </>
            )}
            {!oneMemory && !layout.across && (
                <>
                    <text class="lane" x={x0} y="18" text-anchor="middle">host memory</text>
                    <text class="lane" x={deviceX} y="18" text-anchor="middle">device memory</text>
                </>
            )}
            {steps.map((s, i) => {
                const [x, y] = layout.at(i, 0);
                const p50 = s.stages.reduce((ms, stage) => ms + statistics.stages[stage].p50_ms, 0);
                const [w] = layout.box;
                const at: [number, number] = layout.across ? [x, 22] : oneMemory ? [x - w / 2 - 14, y + 5] : [(x + deviceX) / 2, y - 34];
                return (
                    <text key={s.title} class="stage" x={at[0]} y={at[1]} text-anchor={oneMemory && !layout.across ? "end" : "middle"}>
                        {s.title}{p50 > 0 && <tspan class="time"> {p50.toFixed(p50 < 1 ? 2 : 1)} ms</tspan>}
                    </text>
                );
            })}
            {lines.map((line) => <path key={line} class={`along${moving ? " moves" : ""}`} d={line} marker-end="url(#head-along)" />)}
            {steps.map((s, i) => {
                const used = i === 0 || i >= last - 1 || crosses(i);
                return (
                    <g key={s.title}>
                        {!oneMemory && <Memory layout={layout} step={i} lane={0} name={s.host} used={used} />}
                        {(oneMemory || i < last || resultsOnDevice) && (
                            <Memory layout={layout} step={i} lane={1} name={oneMemory && i === last ? s.host : s.device}
                                used={i > 0 || oneMemory || crosses(0)} />
                        )}
                        {(["up", "down"] as const).map((way) => (
                            <Crossing key={way} layout={layout} step={i} way={way} moved={crossings[i]![way]} moving={moving}
                                alone={crossings[i]![way === "up" ? "down" : "up"].count < seldom} />
                        ))}
                    </g>
                );
            })}
        </svg>
    );
}
