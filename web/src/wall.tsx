// SPDX-License-Identifier: Apache-2.0
// Every source, with its picture.
import { useState } from "preact/hooks";
import { namePattern } from "./actions";
import { call } from "./api";
import { faces } from "./format";
import { attempt, say } from "./notices";
import { refresh, service } from "./service";
import { useStore } from "./store";
import { Tile } from "./tile";
import type { Source, SourceState } from "./types";

const many = 8; // sources from which on one may want to look for some

function AddSource({ open, onClose }: { open: boolean; onClose: () => void }) {
    const [busy, setBusy] = useState(false);
    if (!open) return null;
    return (
        <form class="panel add" id="add" aria-label="Add a source" onSubmit={async (event) => {
            event.preventDefault();
            const form = event.currentTarget;
            const of = new FormData(form);
            const name = String(of.get("name"));
            setBusy(true);
            const added = await attempt(async () => {
                await call("POST", "/v1/sources", { name, input: String(of.get("input")), loop: of.get("loop") !== null });
                say(`${name} is added.`);
                await refresh();
            });
            setBusy(false);
            if (!added) return;
            form.reset();
            onClose();
        }}>
            <label>Name
                <input name="name" required pattern={namePattern} title="letters, digits, dot, dash and underscore" autocomplete="off" placeholder="door" />
            </label>
            <label class="wide">Input
                <input name="input" required autocomplete="off" placeholder="rtsp://camera/stream, /dev/video0 or a file" />
            </label>
            <label class="tick"><input type="checkbox" name="loop" /> Repeat a recording</label>
            <button class="main" disabled={busy}>{busy ? "Adding …" : "Add"}</button>
        </form>
    );
}

function summary(sources: Source[]): string {
    const counts = new Map<SourceState, number>();
    for (const s of sources) counts.set(s.state, (counts.get(s.state) ?? 0) + 1);
    const found = sources.reduce((sum, s) => sum + (s.state === "running" ? s.faces : 0), 0);
    return [...counts].map(([state, n]) => `${n} ${state}`).concat(faces(found)).join(", ");
}

export function Wall() {
    const { link, sources } = useStore(service);
    const [adding, add] = useState(false);
    const [sought, seek] = useState("");
    const empty = link === "up" && sources.length === 0;
    const shown = sources.filter((s) => `${s.name} ${s.state}`.toLowerCase().includes(sought.toLowerCase()));
    return (
        <>
            <div class="title">
                <h1 tabIndex={-1}>Sources</h1>
                {sources.length > 0 && <p class="soft">{summary(sources)}</p>}
                {!empty && link === "up" && (
                    <button class="push" aria-expanded={adding} aria-controls="add" onClick={() => add(!adding)}>{adding ? "Close" : "Add source"}</button>
                )}
            </div>
            {empty && (
                <div class="empty">
                    <h2>No source yet</h2>
                    <p>Add a camera, a stream or a recording, and its faces appear here. The service can also begin with some:</p>
                    <p><code>faceflow serve desk=/dev/video0 door=rtsp://door/live</code></p>
                </div>
            )}
            <AddSource open={adding || empty} onClose={() => add(false)} />
            {link === "connecting" && <p class="soft">Asking for the sources …</p>}
            {sources.length >= many && (
                <label class="seek">Show those with <input type="search" placeholder="name or state" value={sought} onInput={(e) => seek(e.currentTarget.value)} /></label>
            )}
            <ul class="wall">{shown.map((s) => <Tile key={s.name} source={s} />)}</ul>
            {sources.length > 0 && shown.length === 0 && <p class="soft">No source has “{sought}” in its name or state.</p>}
        </>
    );
}
