// SPDX-License-Identifier: Apache-2.0
// The recordings of this service, newest first.
import { useEffect, useState } from "preact/hooks";
import { call, messageOf } from "./api";
import { bytes, clock, moment, whole } from "./format";
import { runLink } from "./router";
import { service } from "./service";
import { useStore } from "./store";
import type { Run } from "./types";

const pace = 5000; // ms

export const weight = (run: Run): number => run.files.reduce((sum, f) => sum + f.bytes, 0);

// All runs; null until they are known. `again`: asked for again and again.
export function useRuns(again: boolean): { runs: Run[] | null; problem: string } {
    const [runs, set] = useState<Run[] | null>(null);
    const [problem, tell] = useState("");
    useEffect(() => {
        let timer = 0, ended = false;
        const ask = async () => {
            try {
                const all = await call<{ runs: Run[] }>("GET", "/v1/runs");
                if (ended) return;
                set(all.runs);
                tell("");
            } catch (error) {
                if (!ended) tell(messageOf(error));
            }
            if (again && !ended) timer = window.setTimeout(ask, pace);
        };
        ask();
        return () => {
            ended = true;
            clearTimeout(timer);
        };
    }, [again]);
    return { runs, problem };
}

export function RunsView() {
    const { features, link } = useStore(service);
    const { runs, problem } = useRuns(true);
    return (
        <>
            <div class="title"><h1 tabIndex={-1}>Past runs</h1></div>
            {link === "up" && !features.runs && <p class="empty">This service keeps no runs.</p>}
            {features.runs && problem && <p class="bad" role="alert">{problem}</p>}
            {features.runs && !runs && !problem && <p class="soft">Asking for the runs …</p>}
            {runs?.length === 0 && (
                <div class="empty">
                    <h2>No run yet</h2>
                    <p>Press <b>Record</b> at a source. What was recorded is here when it stops: rows, events, and the video.</p>
                </div>
            )}
            {runs && runs.length > 0 && (
                <div class="scroll panel" tabIndex={0} role="region" aria-label="Past runs">
                    <table class="runs">
                        <thead>
                            <tr><th scope="col">run</th><th scope="col">source</th><th scope="col">began</th><th scope="col">length</th><th scope="col">frames</th><th scope="col">size</th></tr>
                        </thead>
                        <tbody>
                            {runs.map((r) => (
                                <tr key={r.name}>
                                    <th scope="row"><a href={runLink(r.name)}>{r.name}</a></th>
                                    <td>{r.source}</td>
                                    <td><time dateTime={r.started}>{moment(r.started)}</time></td>
                                    <td>{r.open ? "still recording" : clock(r.seconds, 0)}</td>
                                    <td>{whole(r.frames)}</td>
                                    <td>{bytes(weight(r))}</td>
                                </tr>
                            ))}
                        </tbody>
                    </table>
                </div>
            )}
        </>
    );
}
