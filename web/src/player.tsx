// SPDX-License-Identifier: Apache-2.0
// Shows a run: its video if it has one, else the meshes alone, in time with the rows.
import { useEffect, useRef, useState } from "preact/hooks";
import { address, runPath } from "./api";
import { type Mesh, drawFaces, fit } from "./draw";
import { clock } from "./format";
import type { RunRows } from "./run_rows";

export interface Seek {
    time: number; // s, as pts
    turn: number; // the same time can be asked for again
}

interface Props {
    run: string;
    video: string | null;
    rows: RunRows;
    seek: Seek | null;
    onTime: (time: number) => void;
}

const widest = 1280; // px of the canvas

export function Player({ run, video, rows, seek, onTime }: Props) {
    const film = useRef<HTMLVideoElement>(null);
    const canvas = useRef<HTMLCanvasElement>(null);
    const drawn = video?.startsWith("annotated") ?? false; // faceflow has drawn the faces on it
    const [mesh, setMesh] = useState<Mesh>(drawn ? "none" : "contours");
    const [failed, fail] = useState(false);
    const [playing, play] = useState(false); // of a run without a video
    const [time, setTime] = useState(0); // s since the run's first frame
    const now = useRef({ time: 0, mesh });
    const withFilm = video !== null && !failed;
    const first = rows.times[0] ?? 0, length = (rows.times.at(-1) ?? first) - first;

    const draw = () => {
        const on = canvas.current?.getContext("2d");
        if (!on || rows.size.width === 0) return;
        const shrink = Math.min(1, widest / rows.size.width);
        fit(on.canvas, Math.round(rows.size.width * shrink), Math.round(rows.size.height * shrink));
        on.clearRect(0, 0, on.canvas.width, on.canvas.height);
        const row = rows.row(rows.at(first + now.current.time), draw);
        if (row && now.current.mesh !== "none") drawFaces(on, row, now.current.mesh);
        on.canvas.dataset.sequence = row ? String(row.sequence) : "";
        on.canvas.dataset.faces = row ? String(row.faces.length) : "";
    };
    const show = (at: number) => {
        now.current.time = at;
        setTime(at);
        onTime(first + at);
        draw();
    };
    const shown = useRef(show);
    shown.current = show;

    // A video says which frame it shows; the mesh must be of that one.
    useEffect(() => {
        const element = film.current;
        if (!element) return;
        if (!("requestVideoFrameCallback" in element)) { // a browser from before 2025: right to a quarter of a second
            const video = element as HTMLVideoElement, tell = () => shown.current(video.currentTime);
            video.addEventListener("timeupdate", tell);
            return () => video.removeEventListener("timeupdate", tell);
        }
        let request = 0;
        const frame: VideoFrameRequestCallback = (_when, { mediaTime }) => {
            shown.current(mediaTime);
            request = element.requestVideoFrameCallback(frame);
        };
        request = element.requestVideoFrameCallback(frame);
        return () => element.cancelVideoFrameCallback(request);
    }, [withFilm]);

    useEffect(() => {
        if (!playing) return;
        const begun = performance.now() - now.current.time * 1000;
        const timer = setInterval(() => {
            const at = (performance.now() - begun) / 1000;
            if (at >= length) play(false);
            shown.current(Math.min(at, length));
        }, 33);
        return () => clearInterval(timer);
    }, [playing, length]);

    useEffect(() => {
        if (!seek) return;
        if (film.current) film.current.currentTime = Math.max(0, seek.time - first);
        else shown.current(Math.max(0, seek.time - first));
    }, [seek]);

    // The first rows are there, or others than before.
    useEffect(() => shown.current(now.current.time), [first, rows.times.length > 0, mesh]);

    return (
        <div class="player">
            <div class="frame">
                {withFilm && (
                    <video ref={film} src={address(runPath(run, video))} controls playsInline preload="auto" aria-label={`Video of ${run}`} onError={() => {
                        fail(true);
                        setMesh((now.current.mesh = "contours"));
                    }} />
                )}
                <canvas ref={canvas} class={withFilm ? "picture overlay" : "picture"} role="img" aria-label={`Faces of ${run} at ${clock(time)}`} width={640} height={360} />
            </div>
            {failed && <p class="soft small">This browser cannot show {video}: the meshes are shown alone, and the file can be saved below.</p>}
            <div class="line controls">
                {!withFilm && (
                    <>
                        <button disabled={length <= 0} onClick={() => {
                            if (!playing && now.current.time >= length) now.current.time = 0;
                            play(!playing);
                        }}>{playing ? "Stop" : "Play"}</button>
                        <label class="inline wide">Time
                            <input type="range" min="0" max={length} step="0.02" value={time} aria-valuetext={clock(time)} onInput={(e) => {
                                play(false);
                                show(Number(e.currentTarget.value));
                            }} />
                        </label>
                    </>
                )}
                <span class="soft">{clock(time)}</span>
                <label class="inline push">Mesh
                    <select value={mesh} onChange={(e) => {
                        now.current.mesh = e.currentTarget.value as Mesh;
                        setMesh(now.current.mesh);
                    }}>
                        <option value="contours">contours</option>
                        <option value="points">all points</option>
                        <option value="none">{drawn ? "the video's own" : "none"}</option>
                    </select>
                </label>
            </div>
        </div>
    );
}
