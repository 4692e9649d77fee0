// SPDX-License-Identifier: Apache-2.0
// One source large: its picture, its faces, and their measures over the last minutes.
import { useCallback, useMemo, useState } from "preact/hooks";
import { Actions } from "./actions";
import type { Mesh } from "./draw";
import { faces, fixed } from "./format";
import { LivePicture } from "./live_picture";
import { Markers } from "./markers";
import { recall, remember } from "./remember";
import { sourceLink } from "./router";
import { service } from "./service";
import { useStore } from "./store";
import { Cover, State, Swatch, figures, useNewest } from "./tile";
import { TracePanel } from "./trace_panel";
import { Traces } from "./traces";
import type { Face, Row, Source, Value } from "./types";

const number = (v: Value | undefined, decimals: number, unit = ""): string => (v === null || v === undefined ? "–" : fixed(v, decimals) + unit);

function FaceTable({ list, traces }: { list: Face[]; traces: Traces }) {
    if (list.length === 0) return <p class="soft">No face in the newest frame.</p>;
    const blinks = (track: number) => traces.blinks.filter((b) => b.track === track).length;
    return (
        <div class="scroll" tabIndex={0} role="region" aria-label="Faces of the newest frame">
            <table>
                <thead>
                    <tr>
                        <th scope="col">face</th><th scope="col">yaw</th><th scope="col">pitch</th><th scope="col">roll</th>
                        <th scope="col">eyes open</th><th scope="col">mouth open</th><th scope="col">blinks</th>
                    </tr>
                </thead>
                <tbody>
                    {list.map(({ track, pose, measures: m }) => (
                        <tr key={track}>
                            <th scope="row"><Swatch track={track} />{track}</th>
                            <td>{number(pose.yaw, 1, "°")}</td>
                            <td>{number(pose.pitch, 1, "°")}</td>
                            <td>{number(pose.roll, 1, "°")}</td>
                            <td>{number(m?.eye_open_right, 2)} / {number(m?.eye_open_left, 2)}</td>
                            <td>{number(m?.mouth_open, 2)}</td>
                            <td>{blinks(track)}</td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}

function Live({ source }: { source: Source }) {
    const traces = useMemo(() => new Traces(), [source.name]);
    const [row, show] = useNewest();
    const [mesh, setMesh] = useState<Mesh>(recall<Mesh>("mesh", "contours"));
    const take = useCallback((next: Row) => {
        traces.add(next);
        show(next);
    }, [traces, show]);
    const list = source.state === "running" ? (row?.faces ?? []) : [];
    const recording = source.recording;
    return (
        <div class="large">
            <section class="panel" aria-labelledby="picture-title">
                <h2 id="picture-title" class="unseen">Picture</h2>
                <div class="frame">
                    <LivePicture source={source.name} label={`${source.name}: ${faces(source.faces)}`} mesh={mesh} always onRow={take} />
                    <Cover source={source} />
                </div>
                <div class="about">
                    <div class="line">
                        <p class="figures">{figures(source)}{source.width > 0 && ` · ${source.width} × ${source.height}`}</p>
                        <label class="inline push">Mesh
                            <select value={mesh} onChange={(e) => {
                                const wanted = e.currentTarget.value as Mesh;
                                setMesh(wanted);
                                remember("mesh", wanted);
                            }}>
                                <option value="contours">contours</option>
                                <option value="points">all points</option>
                                <option value="none">boxes only</option>
                            </select>
                        </label>
                    </div>
                    {recording && <p class="figures">Recorded as <b>{recording.run}</b>: {recording.frames} frames{recording.dropped ? `, ${recording.dropped} dropped` : ""}</p>}
                    {recording?.message && <p class="bad" role="alert">{recording.message}</p>}
                    <p class="soft small"><code>{source.input}</code></p>
                    <Actions source={source} onGone={() => location.assign("#/")} onRenamed={(name) => location.assign(sourceLink(name))} />
                    <FaceTable list={list} traces={traces} />
                </div>
            </section>
            <TracePanel traces={traces} name={source.name} playhead={null}>
                <Markers source={source} traces={traces} />
            </TracePanel>
        </div>
    );
}

export function SourceView({ name }: { name: string }) {
    const { link, sources } = useStore(service);
    const source = sources.find((s) => s.name === name);
    return (
        <>
            <div class="title">
                <h1 tabIndex={-1}>{name}</h1>
                {source && <State source={source} />}
                <a class="push" href="#/">All sources</a>
            </div>
            {source && <Live key={name} source={source} />}
            {!source && link === "connecting" && <p class="soft">Asking for the sources …</p>}
            {!source && link === "up" && <p class="empty">There is no source {name}. <a href="#/">See those that there are.</a></p>}
        </>
    );
}
