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
    { title: "landmark", stages: ["landmark"], host: "meshes", device: "meshes" },
    { title: "track, sink", stages: ["track", "sink"], host: "results", device: "results" },
];

interface Layout {
    size: [number, number];
    box: [number, number];
    at: (step: number, lane: number) => [number, number]; // a box's centre
    across: boolean; // lanes lie one above the other
}

const wide: Layout = { size: [1000, 300], box: [150, 52], at: (i, lane) => [110 + i * 195, lane ? 246 : 84], across: true };
const narrow: Layout = { size: [360, 590], box: [112, 46], at: (i, lane) => [lane ? 300 : 60, 92 + i * 112], across: false };

const phone = window.matchMedia("(max-width: 700px)");

function useLayout(): Layout {
    const [small, set] = useState(phone.matches);
    useEffect(() => {
        const change = () => set(phone.matches);
        phone.addEventListener("change", change);
        return () => phone.removeEventListener("change", change);
    }, []);
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

function Crossing({ layout, step, way, moved, moving }: { layout: Layout; step: number; way: "up" | "down"; moved: Moved; moving: boolean }) {
    if (moved.count < seldom) return null;
    const shift = way === "up" ? -16 : 16;
    const [hx, hy] = layout.at(step, 0), [dx, dy] = layout.at(step, 1);
    const [w, h] = layout.box;
    const ends: [number, number][] = layout.across
        ? [[hx + shift, hy + h / 2 + 3], [dx + shift, dy - h / 2 - 3]]
        : [[hx + w / 2 + 3, hy + shift * 0.75], [dx - w / 2 - 3, dy + shift * 0.75]];
    if (way === "down") ends.reverse();
    const [[x1, y1], [x2, y2]] = ends as [[number, number], [number, number]];
    const thick = 1.5 + Math.min(5, Math.log10(1 + moved.bytes / 1e3));
    const text = `${perFrame(moved.count)} × ${bytes(moved.bytes / moved.count)}`;
    const label: [number, number] = layout.across
        ? [hx + 27, (y1 + y2) / 2 + (way === "up" ? -10 : 18)]
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
    const layout = useLayout();
    const [width, height] = layout.size;
    const crossings = steps.map((s) => ({ up: sum(cost, s.stages, "up"), down: sum(cost, s.stages, "down") }));
    const crosses = (i: number) => crossings[i]!.up.count >= seldom || crossings[i]!.down.count >= seldom;
    const [x0, hostY] = layout.at(0, 0), [deviceX, deviceY] = layout.at(0, 1);
    return (
        <svg class="diagram" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={summary}>
            <defs>
                {["up", "down", "along"].map((way) => (
                    <marker key={way} id={`head-${way}`} class={`head ${way}`} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="11" markerHeight="11"
                        markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z" /></marker>
                ))}
            </defs>
            {layout.across ? (
                <>
                    <text class="lane" x="2" y={hostY - 36}>{oneMemory ? "" : "host memory"}</text>
                    <text class="lane" x="2" y={deviceY + 46}>{oneMemory ? "one memory: the host's is the device's" : "device memory"}</text>
                </>
            ) : (
                <>
                    <text class="lane" x={x0} y="18" text-anchor="middle">host memory</text>
                    <text class="lane" x={deviceX} y="18" text-anchor="middle">{oneMemory ? "the same" : "device memory"}</text>
                </>
            )}
            {steps.map((s, i) => {
                const [x, y] = layout.at(i, 0);
                const p50 = s.stages.reduce((ms, stage) => ms + statistics.stages[stage].p50_ms, 0);
                const at: [number, number] = layout.across ? [x, 22] : [(x + deviceX) / 2, y - 34];
                return (
                    <text key={s.title} class="stage" x={at[0]} y={at[1]} text-anchor="middle">
                        {s.title}{p50 > 0 && <tspan class="time"> {p50.toFixed(p50 < 1 ? 2 : 1)} ms</tspan>}
                    </text>
                );
            })}
            {steps.slice(1).map((s, i) => {
                const [ax, ay] = layout.at(i, 1), [bx, by] = layout.at(i + 1, 1), [w, h] = layout.box;
                const line = layout.across ? `M${ax + w / 2 + 2} ${ay}L${bx - w / 2 - 3} ${by}` : `M${ax} ${ay + h / 2 + 2}L${bx} ${by - h / 2 - 3}`;
                return <path key={s.title} class={`along${moving ? " moves" : ""}`} d={line} marker-end="url(#head-along)" />;
            })}
            {steps.map((s, i) => {
                const ends = i === 0 || i === steps.length - 1;
                return (
                    <g key={s.title}>
                        <Memory layout={layout} step={i} lane={0} name={s.host} used={!oneMemory && (ends || crosses(i))} />
                        <Memory layout={layout} step={i} lane={1} name={s.device} used />
                        {(["up", "down"] as const).map((way) => (
                            <Crossing key={way} layout={layout} step={i} way={way} moved={crossings[i]![way]} moving={moving} />
                        ))}
                    </g>
                );
            })}
        </svg>
    );
}
