// SPDX-License-Identifier: Apache-2.0
// One past run: its video with the meshes of each frame, and its traces and events at the video's time.
import { useEffect, useMemo, useState } from "preact/hooks";
import { address, messageOf, request, runPath } from "./api";
import { type RunEvent, eventsOf } from "./events";
import { bytes, clock, moment, whole } from "./format";
import { Player, type Seek } from "./player";
import { RunRows } from "./run_rows";
import { useRuns } from "./runs";
import { TracePanel } from "./trace_panel";
import type { Run } from "./types";

const mostShown = 500; // events

function Events({ events, origin, onPick }: { events: RunEvent[]; origin: number; onPick: (time: number) => void }) {
    const [which, only] = useState("");
    const kinds = [...new Set(events.map((e) => e.event))];
    const shown = events.filter((e) => !which || e.event === which);
    if (events.length === 0) return <p class="soft">No event.</p>;
    return (
        <>
            {kinds.length > 1 && (
                <label class="inline">Show
                    <select value={which} onChange={(e) => only(e.currentTarget.value)}>
                        <option value="">all</option>
                        {kinds.map((k) => <option key={k} value={k}>{k}</option>)}
                    </select>
                </label>
            )}
            <div class="scroll tall" tabIndex={0} role="region" aria-label="Events">
                <table class="events">
                    <thead><tr><th scope="col">time</th><th scope="col">event</th><th scope="col">face</th><th scope="col">text</th></tr></thead>
                    <tbody>
                        {shown.slice(0, mostShown).map((e) => (
                            <tr key={`${e.time} ${e.event} ${e.track}`}>
                                <th scope="row"><button class="quiet" aria-label={`Go to ${clock(e.time - origin)}`} onClick={() => onPick(e.time)}>{clock(e.time - origin)}</button></th>
                                <td>{e.event}</td><td>{e.track}</td><td>{e.text}</td>
                            </tr>
                        ))}
                    </tbody>
                </table>
            </div>
            {shown.length > mostShown && <p class="soft small">The first {mostShown} of {whole(shown.length)}; all are in events.csv.</p>}
        </>
    );
}

function Opened({ run }: { run: Run }) {
    const rows = useMemo(() => new RunRows(run.name), [run.name]);
    const [, redraw] = useState(0);
    const [problem, tell] = useState("");
    const [events, setEvents] = useState<RunEvent[]>([]);
    const [time, setTime] = useState(0); // s, as pts
    const [seek, ask] = useState<Seek | null>(null);
    const has = (file: string) => run.files.some((f) => f.name === file);
    const video = run.files.find((f) => /^(video|annotated)\.(mp4|mkv|webm)$/.test(f.name));

    const load = () => rows.load(() => redraw((n) => n + 1)).catch((error: unknown) => {
        if (!(error instanceof DOMException)) tell(messageOf(error));
    });
    useEffect(() => {
        if (has("faces.ndjson")) load();
        if (has("events.csv")) {
            request(runPath(run.name, "events.csv")).then((a) => a.text()).then((text) => {
                const found = eventsOf(text);
                setEvents(found.sort((a, b) => a.time - b.time));
                // The run's own blinks are those of every frame.
                for (const e of found) if (e.event !== "blink") rows.traces.mark({ time: e.time, text: e.text || e.event, sequence: 0 });
            }, (error: unknown) => tell(messageOf(error)));
        }
        return () => rows.close();
    }, [rows]);

    const origin = rows.times[0] ?? 0;
    const pick = (to: number) => ask((last) => ({ time: to, turn: (last?.turn ?? 0) + 1 }));
    return (
        <>
            {problem && <p class="bad" role="alert">{problem}</p>}
            <div class="large">
                <section class="panel" aria-labelledby="video-title">
                    <h2 id="video-title" class="unseen">Video</h2>
                    <Player run={run.name} video={video?.name ?? null} rows={rows} seek={seek} onTime={setTime} />
                    <div class="about">
                        <p class="figures">{run.source} · {moment(run.started)} · {clock(run.seconds, 0)} · {whole(run.frames)} frames</p>
                        {run.open && <p class="soft">It is still being written: its files are whole when the recording ends.</p>}
                        <h3>Files</h3>
                        <ul class="files">
                            {run.files.map((f) => <li key={f.name}><a href={address(runPath(run.name, f.name))} download={`${run.name}-${f.name}`}>{f.name}</a> <span class="soft">{bytes(f.bytes)}</span></li>)}
                        </ul>
                        <h3>Events</h3>
                        <Events events={events} origin={origin} onPick={pick} />
                    </div>
                </section>
                <TracePanel traces={rows.traces} name={run.name} playhead={time} origin={origin} onPick={pick}>
                    <p class="soft small" role="status">
                        {!rows.done && !rows.more && !problem && `Reading rows: ${whole(rows.times.length)} of ${whole(run.frames)} …`}
                        {rows.more && `Rows until ${clock(rows.times.at(-1)! - origin)} are read.`}
                    </p>
                    {rows.more && <button onClick={() => {
                        rows.forget();
                        load();
                    }}>Read the next part</button>}
                </TracePanel>
            </div>
        </>
    );
}

export function RunView({ name }: { name: string }) {
    const { runs, problem } = useRuns(false);
    const run = runs?.find((r) => r.name === name);
    return (
        <>
            <div class="title">
                <h1 tabIndex={-1}>{name}</h1>
                <a class="push" href="#/runs">All runs</a>
            </div>
            {problem && <p class="bad" role="alert">{problem}</p>}
            {!runs && !problem && <p class="soft">Asking for the run …</p>}
            {runs && !run && <p class="empty">There is no run {name}. <a href="#/runs">See those that there are.</a></p>}
            {run && <Opened key={name} run={run} />}
        </>
    );
}
