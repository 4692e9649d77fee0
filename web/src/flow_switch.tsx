// SPDX-License-Identifier: Apache-2.0
// Changes the flow of the running service.
import { useEffect, useState } from "preact/hooks";
import { call } from "./api";
import { attempt, say } from "./notices";
import { refresh } from "./service";
import type { Options } from "./types";

const patience = 60_000; // ms; stage processes load their models

const about: Record<string, string> = {
    fused: "one pass on one stream",
    threaded: "a thread and a stream per stage",
    shared: "a process per stage, frames stay where they are",
    cached: "two processes, crops in one batch",
    copied: "a process per stage, everything copied",
};

export function FlowSwitch() {
    const [options, set] = useState<Options | null>(null);
    const [changing, change] = useState("");
    useEffect(() => {
        attempt(async () => set(await call<Options>("GET", "/v1/options")));
    }, []);
    if (!options) return null;
    const choose = async (flow: string) => {
        change(flow);
        await attempt(async () => {
            set(await call<Options>("PATCH", "/v1/options", { flow }, patience));
            say(`The flow is ${flow} now.`);
            await refresh();
        });
        change("");
    };
    return (
        <fieldset class="panel flows" disabled={changing !== ""}>
            <legend>Flow: how the stages are joined</legend>
            {options.flows.map((flow) => (
                <label class="chip" key={flow}>
                    <input type="radio" name="flow" value={flow} checked={(changing || options.flow) === flow} onChange={() => choose(flow)} />
                    <span><strong>{flow}</strong> {changing === flow ? <span class="soft">starting …</span> : about[flow] && <span class="soft">{about[flow]}</span>}</span>
                </label>
            ))}
        </fieldset>
    );
}
