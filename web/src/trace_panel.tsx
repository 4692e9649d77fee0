// SPDX-License-Identifier: Apache-2.0
// Measures of faces over time: of a live source, whose newest minutes move by, or of a past run, beside its video.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { onPaper, ofStyle } from "./colours";
import { csvOf, save } from "./csv";
import { clock, fixed } from "./format";
import { MeasureChooser } from "./measure_chooser";
import { atFirst } from "./measures";
import { say } from "./notices";
import { type Mark, Plot } from "./plot";
import { recall, remember } from "./remember";
import type { Traces } from "./traces";

const spans = [10, 30, 60, 120, 300, 600]; // s
const quick = 100, slow = 300; // ms between drawings; long windows have more to draw

interface Props {
    traces: Traces;
    name: string; // for files
    // The time that a run's video is at; null: the newest of a live source.
    playhead: number | null;
    origin?: number; // the time that is shown as 0:00
    onPick?: (time: number) => void;
    children?: ComponentChildren; // markers
}

function useTick(every: number): void {
    const [, tick] = useState(0);
    useEffect(() => {
        const timer = setInterval(() => document.hidden || tick((n) => n + 1), every);
        return () => clearInterval(timer);
    }, [every]);
}

function marksOf(traces: Traces, from: number, to: number, tracks: number[], playhead: number | null): Mark[] {
    const marks: Mark[] = [];
    for (const b of traces.blinks)
        if (b.apex >= from && b.apex <= to && tracks.includes(b.track)) marks.push({ time: b.apex, colour: onPaper(b.track) });
    for (const m of traces.markers)
        if (m.time >= from && m.time <= to) marks.push({ time: m.time, text: m.text, colour: ofStyle("--ink") });
    if (playhead !== null) marks.push({ time: playhead, text: "", colour: ofStyle("--accent") });
    return marks;
}

export function TracePanel({ traces, name, playhead, origin = 0, onPick, children }: Props) {
    const live = playhead === null;
    const [keys, choose] = useState<string[]>(recall("measures", atFirst));
    const [span, setSpan] = useState<number>(recall("span", 60));
    const [hidden, hide] = useState<ReadonlySet<number>>(new Set());
    // The end of the window of paused traces, and of what came before they were paused.
    const [stopped, stop] = useState<{ end: number; until: number } | null>(null);
    const [at, point] = useState<number | null>(null);
    useTick(span > 120 ? slow : quick);
    useEffect(() => remember("measures", keys), [keys]);
    useEffect(() => remember("span", span), [span]);

    // A window fills from the left until it is full; that of a run is no longer than the run.
    const length = live ? span : Math.min(span, Math.max(1, traces.to - traces.from));
    const newest = Math.max(traces.to, traces.from + length);
    const to = live ? (stopped?.end ?? newest) : Math.min(Math.max(traces.from + length, playhead + length / 2), newest);
    const from = to - length;
    const present = traces.tracksIn(from, to);
    const tracks = present.filter((t) => !hidden.has(t));
    const paused = stopped !== null, until = Math.min(to, stopped?.until ?? to);
    const shown = traces.measures.filter((m) => keys.includes(m.key));
    const marks = marksOf(traces, from, to, tracks, playhead);
    const pause = (yes: boolean) => {
        stop(yes ? { end: newest, until: traces.to } : null);
        point(null);
    };

    return (
        <section class="panel traces" aria-labelledby="traces-title">
            <div class="line">
                <h2 id="traces-title">Traces</h2>
                {live && <button aria-pressed={paused} onClick={() => pause(!paused)}>{paused ? "Go on" : "Pause traces"}</button>}
                <label class="inline">Window
                    <select value={span} onChange={(e) => setSpan(Number(e.currentTarget.value))}>
                        {spans.map((s) => <option key={s} value={s}>{s < 60 ? `${s} s` : `${s / 60} min`}</option>)}
                    </select>
                </label>
                <MeasureChooser measures={traces.measures} chosen={keys} onChoose={choose} />
                <button disabled={traces.empty || shown.length === 0} onClick={() => {
                    save(`${name}-${clock(Math.max(0, from - origin), 0).replaceAll(":", ".")}.csv`, csvOf(traces, shown.map((m) => m.key), tracks, from, until));
                    say("What the traces show is saved as CSV.");
                }}>Save as CSV</button>
            </div>
            {present.length > 0 && (
                <fieldset class="line which">
                    <legend class="unseen">Faces to show</legend>
                    {present.map((t) => (
                        <label class="chip" key={t}>
                            <input type="checkbox" checked={!hidden.has(t)} onChange={() => {
                                const next = new Set(hidden);
                                if (!next.delete(t)) next.add(t);
                                hide(next);
                            }} />
                            <span class="swatch" aria-hidden="true" style={{ background: onPaper(t) }} />
                            Face {t}
                        </label>
                    ))}
                </fieldset>
            )}
            {live && (paused || traces.to - traces.from > span) && (
                <div class="scrub">
                    <label>Look back
                        <input type="range" min={Math.min(traces.from + span, to)} max={Math.max(newest, to)} step="0.1" value={to}
                            aria-valuetext={paused ? `until ${clock(to)}` : "the newest"}
                            onInput={(e) => stop({ end: Number(e.currentTarget.value), until: Infinity })} />
                    </label>
                    {paused && (
                        <label>Cursor
                            <input type="range" min={from} max={Math.min(to, traces.to)} step="0.02" value={at ?? Math.min(to, traces.to)} aria-valuetext={clock(at ?? to, 2)}
                                onInput={(e) => point(Number(e.currentTarget.value))} />
                        </label>
                    )}
                    <p class="soft">{clock(from)} to {clock(to)}{paused && `, ${clock(Math.max(0, traces.to - to))} before the newest`}</p>
                </div>
            )}
            {children}
            {traces.empty && <p class="soft waiting">Traces begin with the first face.</p>}
            {!traces.empty && shown.length === 0 && <p class="soft waiting">Choose a measure to see it.</p>}
            <div class="plots">
                {!traces.empty && shown.map((m) => {
                    const w = traces.window(m.key, from, until, tracks);
                    return (
                        <Plot key={m.key} title={m.label} unit={m.unit} data={[w.times, ...w.values]} from={from} to={to} marks={marks}
                            leastSpan={m.unit ? 8 : m.decimals ? 0.2 : 20} format={(v) => fixed(v, m.decimals)} sync="traces" origin={origin}
                            {...(paused ? { at } : {})} onPick={onPick}
                            lines={tracks.map((t) => ({ label: String(t), colour: () => onPaper(t) }))} />
                    );
                })}
            </div>
            <p class="soft small">Ticks at the upper edge are blinks, lines with a word are markers.</p>
        </section>
    );
}
