// SPDX-License-Identifier: Apache-2.0
// Markers: a word set at the time of the newest frame, by a person who watches.
import { useEffect, useRef, useState } from "preact/hooks";
import { call, sourcePath } from "./api";
import { clock } from "./format";
import { attempt, say } from "./notices";
import { recall, remember } from "./remember";
import { service } from "./service";
import { useStore } from "./store";
import type { Traces } from "./traces";
import type { Marker, Source } from "./types";

const writes = (target: EventTarget | null): boolean =>
    target instanceof HTMLElement && (target.matches("input:not([type=checkbox], [type=range]), textarea, select") || target.closest("dialog") !== null);

export function Markers({ source, traces }: { source: Source; traces: Traces }) {
    const { features } = useStore(service);
    const [text, write] = useState("");
    const [keys, useKeys] = useState<boolean>(recall("keys", true));
    const latest = useRef<() => void>(() => undefined);

    const mark = () => attempt(async () => {
        const named = text.trim() || `marker ${traces.markers.length + 1}`;
        let at = { time: traces.to, sequence: traces.sequenceAt(traces.to), text: named };
        if (features.markers) {
            const made = await call<Marker>("POST", `${sourcePath(source.name)}/markers`, { text: named });
            at = { time: made.pts_ns / 1e9, sequence: made.sequence, text: made.text };
        }
        traces.mark(at);
        say(`Marked “${named}” at ${clock(at.time)}.`);
    });
    latest.current = mark;

    useEffect(() => {
        remember("keys", keys);
        if (!keys) return;
        const press = (event: KeyboardEvent) => {
            if (event.key.toLowerCase() !== "m" || event.ctrlKey || event.altKey || event.metaKey || event.repeat || writes(event.target)) return;
            event.preventDefault();
            latest.current();
        };
        document.addEventListener("keydown", press);
        return () => document.removeEventListener("keydown", press);
    }, [keys]);

    return (
        <div class="markers">
            <form class="line" onSubmit={(event) => {
                event.preventDefault();
                mark();
            }}>
                <label class="inline wide">Marker
                    <input value={text} maxLength={200} autocomplete="off" placeholder="stimulus on" onInput={(e) => write(e.currentTarget.value)} />
                </label>
                <button disabled={traces.empty}>Mark now</button>
                <label class="tick"><input type="checkbox" checked={keys} onChange={() => useKeys(!keys)} /> <span>also by the key <kbd>M</kbd></span></label>
            </form>
            {!features.markers && <p class="soft small">This service keeps no markers: they stay in this page, and are in what it saves as CSV.</p>}
            {features.markers && source.recording === null && <p class="soft small">Without a recording, markers stay in this page and in what it saves as CSV.</p>}
            {traces.markers.length > 0 && (
                <ol class="marks" aria-label="Markers">
                    {traces.markers.slice(-8).reverse().map((m) => <li key={`${m.time} ${m.text}`}><span class="soft">{clock(m.time)}</span> {m.text}</li>)}
                </ol>
            )}
        </div>
    );
}
