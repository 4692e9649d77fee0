// SPDX-License-Identifier: Apache-2.0
// uPlot in the page's colours: a title with the values under the cursor, and lines over time.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { ofStyle, onTheme } from "./colours";
import { clock } from "./format";

export interface Line {
    label: string;
    colour: () => string;
    // Also given as a mark, for those who do not see colours.
    dash?: number[];
}

export interface Mark {
    time: number;
    text?: string; // a line with a word; without, a tick at the upper edge
    colour: string;
}

interface Props {
    title: string;
    lines: Line[];
    data: uPlot.AlignedData;
    from: number;
    to: number;
    unit?: string;
    leastSpan: number; // of the values, so that noise does not look large
    zero?: boolean; // whether values begin at 0
    format: (value: number) => string;
    axis?: (value: number) => string; // shorter, for the axis
    marks?: Mark[];
    sync?: string;
    at?: number | null; // where the cursor is to be
    origin?: number; // the time that is shown as 0:00
    height?: number;
    onPick?: ((time: number) => void) | undefined;
}

const plain = (v: number): string => String(Number(v.toFixed(3))).replace("-", "\u2212");

// Whether a line has a value at or shortly before a place: one that ended long ago need not be named.
const recent = 30;
function speaks(series: uPlot.AlignedData[number] | undefined, at: number): boolean {
    for (let i = at; i >= Math.max(0, at - recent); --i) if (typeof series?.[i] === "number") return true;
    return false;
}

function drawMarks(u: uPlot, marks: Mark[]): void {
    const { ctx } = u, ratio = devicePixelRatio, { left, top, width, height } = u.bbox;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    ctx.font = `${11 * ratio}px system-ui, sans-serif`;
    ctx.textBaseline = "top";
    ctx.textAlign = "left";
    for (const { time, text, colour } of marks) {
        const x = Math.round(u.valToPos(time, "x", true));
        if (x < left - width || x > left + width) continue;
        ctx.strokeStyle = ctx.fillStyle = colour;
        ctx.lineWidth = (text === undefined ? 2 : 1.5) * ratio;
        ctx.beginPath();
        ctx.moveTo(x, top);
        ctx.lineTo(x, text === undefined ? top + 7 * ratio : top + height);
        ctx.stroke();
        if (text) ctx.fillText(text.slice(0, 40), x + 4 * ratio, top + 2 * ratio);
    }
    ctx.restore();
}

export function Plot(props: Props) {
    const { title, lines, data, from, to, unit = "", format, at, origin = 0, height = 130 } = props;
    const box = useRef<HTMLDivElement>(null);
    const plot = useRef<uPlot | null>(null);
    const now = useRef(props);
    now.current = props;
    const [index, point] = useState<number | null>(null);
    const shape = lines.map((l) => l.label).join("\n");

    useEffect(() => {
        const element = box.current!;
        const make = () => {
            plot.current?.destroy();
            const soft = ofStyle("--soft"), line = ofStyle("--line");
            const axis: uPlot.Axis = { stroke: soft, font: "11px system-ui, sans-serif", grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1, size: 4 } };
            plot.current = new uPlot({
                width: Math.max(200, element.clientWidth),
                height,
                legend: { show: false },
                cursor: {
                    y: false,
                    drag: { x: false, y: false },
                    points: { size: 6 },
                    ...(now.current.sync ? { sync: { key: now.current.sync, scales: ["x", null] } } : {}),
                },
                scales: {
                    x: { time: false, range: () => [now.current.from, now.current.to] },
                    y: {
                        range: (_u, min, max) => {
                            if (min === null || max === null) return [0, now.current.leastSpan];
                            const low = now.current.zero ? 0 : min;
                            const span = Math.max((max - low) * 1.16, now.current.leastSpan);
                            return now.current.zero ? [0, span] : [(low + max - span) / 2, (low + max + span) / 2];
                        },
                    },
                },
                axes: [
                    { ...axis, size: 26, space: 70, incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200], values: (_u, at) => at.map((v) => clock(v - (now.current.origin ?? 0), 0)) },
                    { ...axis, size: 54, space: 20, values: (_u, at) => at.map((v) => (now.current.axis ?? plain)(v)) },
                ],
                series: [
                    {},
                    ...lines.map(({ label, colour, dash }) => ({
                        label, stroke: colour(), width: 1.5, spanGaps: false, points: { show: false }, ...(dash ? { dash } : {}),
                    })),
                ],
                hooks: {
                    setCursor: [(u) => point(u.cursor.left !== undefined && u.cursor.left >= 0 ? (u.cursor.idx ?? null) : null)],
                    draw: [(u) => drawMarks(u, now.current.marks ?? [])],
                    ready: [(u) => u.over.addEventListener("click", () => {
                        if (u.cursor.left !== undefined && u.cursor.left >= 0) now.current.onPick?.(u.posToVal(u.cursor.left, "x"));
                    })],
                },
            }, now.current.data, element);
        };
        make();
        const sizes = new ResizeObserver(() => plot.current?.setSize({ width: Math.max(200, element.clientWidth), height }));
        sizes.observe(element);
        const unfollow = onTheme(make);
        return () => {
            unfollow();
            sizes.disconnect();
            plot.current?.destroy();
            plot.current = null;
        };
    }, [shape, height]);

    useEffect(() => {
        plot.current?.setData(data);
    }, [data, from, to]);

    useEffect(() => {
        if (at === undefined || !plot.current) return;
        const left = at === null ? -10 : plot.current.valToPos(at, "x");
        plot.current.setCursor({ left, top: at === null ? -10 : 1 });
    }, [at, from, to]);

    const times = data[0];
    const shown = index ?? times.length - 1;
    return (
        <figure class="plot" data-points={times.length}>
            <figcaption>
                <strong>{title}{unit && <span class="soft"> {unit}</span>}</strong>
                {lines.map((l, i) => {
                    if (!speaks(data[i + 1], shown)) return null;
                    const v = data[i + 1]?.[shown];
                    return (
                        <span class="value" key={l.label}>
                            <span class={l.dash ? "swatch dashed" : "swatch"} aria-hidden="true" style={{ background: l.colour(), color: l.colour() }} />
                            {l.label} <b>{typeof v === "number" ? format(v) : "–"}</b>
                        </span>
                    );
                })}
                {index !== null && times[index] !== undefined && <span class="soft push">{clock(times[index] - origin, 2)}</span>}
            </figcaption>
            <div ref={box} class="canvas" aria-hidden="true" />
        </figure>
    );
}
