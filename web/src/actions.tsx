// SPDX-License-Identifier: Apache-2.0
// What one can do with a source: the same on the wall and in its own view.
import { useState } from "preact/hooks";
import { address, call, sourcePath } from "./api";
import { Dialog } from "./dialogs";
import { attempt, say } from "./notices";
import { refresh } from "./service";
import type { Source } from "./types";

export const namePattern = "[A-Za-z0-9._\\-]{1,64}";

interface Props {
    source: Source;
    onGone?: () => void;
    onRenamed?: (name: string) => void;
}

export function Actions({ source, onGone, onRenamed }: Props) {
    const { name, state, recording } = source;
    const [asking, ask] = useState<"rename" | "remove" | null>(null);
    const [wanted, want] = useState(name);
    const [busy, setBusy] = useState(false);
    const path = sourcePath(name);
    const paused = state === "paused";

    const change = async (body: object, then?: () => void) => {
        setBusy(true);
        await attempt(async () => {
            await call("PATCH", path, body);
            then?.();
            await refresh();
        });
        setBusy(false);
    };
    const remove = () => attempt(async () => {
        await call("DELETE", path);
        say(`${name} is removed.`);
        await refresh();
        onGone?.();
    });

    return (
        <div class="do">
            <button disabled={busy} aria-label={`${paused ? "Resume" : "Pause"} ${name}`} onClick={() => change({ paused: !paused })}>
                {paused ? "Resume" : "Pause"}
            </button>
            {recording !== undefined && (
                <button disabled={busy} class={recording ? "recording" : ""}
                    aria-label={recording ? `Stop recording ${name}` : `Record ${name}`}
                    onClick={() => change({ recording: recording === null }, () => say(recording ? `${recording.run} is saved.` : `Recording ${name}.`))}>
                    {recording ? "Stop recording" : "Record"}
                </button>
            )}
            <a class="button" href={address(`${path}/snapshot.jpg`, { overlay: "1" })} target="_blank" rel="noopener"
                aria-label={`Snapshot of ${name}, in a new tab`}>Snapshot</a>
            <button aria-label={`Rename ${name}`} onClick={() => {
                want(name);
                ask("rename");
            }}>Rename</button>
            <button aria-label={`Remove ${name}`} onClick={() => ask("remove")}>Remove</button>
            {asking === "rename" && (
                <Dialog title={`Rename ${name}`} action="Rename" onClose={() => ask(null)}
                    onDone={() => wanted !== name && change({ name: wanted }, () => onRenamed?.(wanted))}>
                    <label>New name
                        <input required pattern={namePattern} title="letters, digits, dot, dash and underscore" autocomplete="off" value={wanted}
                            onInput={(event) => want(event.currentTarget.value)} />
                    </label>
                </Dialog>
            )}
            {asking === "remove" && (
                <Dialog title={`Remove ${name}?`} action="Remove" danger onClose={() => ask(null)} onDone={remove}>
                    <p>It is closed and forgotten{recording ? ", and its recording ends" : ""}. Past runs stay.</p>
                </Dialog>
            )}
        </div>
    );
}
