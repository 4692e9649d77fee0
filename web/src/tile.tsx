// SPDX-License-Identifier: Apache-2.0
// One source on the wall.
import { useCallback, useRef, useState } from "preact/hooks";
import { Actions } from "./actions";
import { onPicture } from "./colours";
import { clock, faces, fixed } from "./format";
import { LivePicture } from "./live_picture";
import { sourceLink } from "./router";
import type { Face, Row, Source, SourceState, Value } from "./types";

const pace = 250; // ms between changes of the figures, which nobody could read faster

const waiting: Record<SourceState, string> = {
    opening: "Opening …",
    running: "",
    paused: "Paused",
    retrying: "Not there: trying again",
    ended: "The recording has ended",
};

export function State({ source: { state, recording } }: { source: Source }) {
    return (
        <span class="states">
            <span class={`state ${state}`}>{state}</span>
            {recording && <span class="state rec">recording {clock(recording.seconds, 0)}</span>}
        </span>
    );
}

// What stands over the picture while no frames come.
export function Cover({ source: { state, message } }: { source: Source }) {
    if (state === "running") return null;
    return (
        <p class="cover">
            <strong>{waiting[state]}</strong>
            {message && <span>{message}</span>}
        </p>
    );
}

export const figures = (s: Source): string =>
    `${faces(s.faces)} · ${s.frames_per_second.toFixed(1)} fps · ${s.latency_ms.toFixed(0)} ms` + (s.dropped ? ` · ${s.dropped} dropped` : "");

// The newest row, some times a second.
export function useNewest(): [Row | null, (row: Row) => void] {
    const [row, show] = useState<Row | null>(null);
    const shown = useRef(0);
    const take = useCallback((next: Row) => {
        const now = performance.now();
        if (now - shown.current < pace) return;
        shown.current = now;
        show(next);
    }, []);
    return [row, take];
}

const degrees = (v: Value): string => (v === null ? "–" : `${fixed(v, 0)}°`);

function FaceLine({ face }: { face: Face }) {
    return (
        <tr>
            <th scope="row"><Swatch track={face.track} />{face.track}</th>
            <td>{degrees(face.pose.yaw)}</td>
            <td>{degrees(face.pose.pitch)}</td>
            <td>{degrees(face.pose.roll)}</td>
        </tr>
    );
}

export function Swatch({ track }: { track: number }) {
    return <span class="swatch" aria-hidden="true" style={{ background: onPicture(track) }} />;
}

const most = 4; // faces in a tile's table; the source's own view has all

export function Tile({ source }: { source: Source }) {
    const [row, take] = useNewest();
    const list = source.state === "running" ? (row?.faces ?? []) : [];
    return (
        <li class="tile">
            <div class="frame">
                <LivePicture source={source.name} label={`${source.name}: ${faces(source.faces)}`} mesh="contours" onRow={take} />
                <Cover source={source} />
            </div>
            <div class="about">
                <div class="line">
                    <h2><a href={sourceLink(source.name)}>{source.name}</a></h2>
                    <State source={source} />
                </div>
                <p class="figures">{figures(source)}</p>
                <div class="faces">
                    {list.length > 0 && (
                        <table>
                            <caption class="unseen">Faces of {source.name}</caption>
                            <thead><tr><th scope="col">track</th><th scope="col">yaw</th><th scope="col">pitch</th><th scope="col">roll</th></tr></thead>
                            <tbody>{list.slice(0, most).map((face) => <FaceLine key={face.track} face={face} />)}</tbody>
                        </table>
                    )}
                    {list.length > most && <p class="soft">and {list.length - most} more</p>}
                </div>
                <Actions source={source} />
            </div>
        </li>
    );
}
