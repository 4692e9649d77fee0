// SPDX-License-Identifier: Apache-2.0
// What clients may choose of the engine: the flow, and how faces are found. Sources go on with what is chosen.
import { useEffect, useState } from "preact/hooks";
import { call } from "./api";
import { attempt, say } from "./notices";
import { refresh } from "./service";
import type { OptionValue, Options } from "./types";

const patience = 60_000; // ms; models are loaded again

const about: Record<string, string> = {
    fused: "one pass on one stream",
    threaded: "a thread and a stream per stage",
    shared: "a process per stage, frames stay where they are",
    cached: "two processes, crops in one batch",
    copied: "a process per stage, everything copied",
};

type Values = Record<string, OptionValue>;

interface Chooser {
    options: Options | null;
    changing: boolean;
    change: (values: Values) => Promise<boolean>;
}

export function useOptions(known: boolean): Chooser {
    const [options, set] = useState<Options | null>(null);
    const [changing, wait] = useState(false);
    useEffect(() => {
        if (known) attempt(async () => set(await call<Options>("GET", "/v1/options")));
    }, [known]);
    const change = async (values: Values) => {
        wait(true);
        const done = await attempt(async () => {
            set(await call<Options>("PATCH", "/v1/options", values, patience));
            say(`${Object.entries(values).map(([name, v]) => `${name.replaceAll("_", " ")} is ${v}`).join(", ")} now.`);
            await refresh();
        });
        wait(false);
        return done;
    };
    return { options, changing, change };
}

export function FlowSwitch({ options, changing, change }: Chooser) {
    const [wanted, want] = useState("");
    const flow = options?.flow;
    if (!flow?.words) return null;
    const choose = async (word: string) => {
        want(word);
        await change({ flow: word });
        want("");
    };
    return (
        <fieldset class="panel flows" disabled={changing}>
            <legend>Flow: how the stages are joined</legend>
            {flow.words.map((word) => (
                <label class="chip" key={word}>
                    <input type="radio" name="flow" value={word} checked={(wanted || flow.value) === word} onChange={() => choose(word)} />
                    <span><strong>{word}</strong> {wanted === word ? <span class="soft">starting …</span> : about[word] && <span class="soft">{about[word]}</span>}</span>
                </label>
            ))}
        </fieldset>
    );
}

// A number outside its own range stands for "as it is best".
function shownNumber(value: OptionValue, least?: number): string {
    return typeof value === "number" && (least === undefined || value >= least) ? String(value) : "";
}

export function OptionForm({ options, changing, change }: Chooser) {
    const [edited, edit] = useState<Values>({});
    if (!options) return null;
    const put = (name: string, value: OptionValue) => edit({ ...edited, [name]: value });
    const names = Object.keys(options).filter((name) => name !== "flow");
    const changed = Object.fromEntries(Object.entries(edited).filter(([name, v]) => v !== options[name]?.value));
    return (
        <details class="panel">
            <summary>How faces are found</summary>
            <form onSubmit={async (event) => {
                event.preventDefault();
                if (await change(changed)) edit({});
            }}>
                <fieldset class="options" disabled={changing}>
                    <legend class="unseen">Options of the engine</legend>
                    {names.map((name) => {
                        const { value, words, help, least, most } = options[name]!;
                        const now = edited[name] ?? value;
                        return (
                            <label key={name} class={typeof value === "boolean" ? "tick" : ""}>
                                {typeof value === "boolean" && <input type="checkbox" checked={now === true} onChange={(e) => put(name, e.currentTarget.checked)} />}
                                <span class="name">{name.replaceAll("_", " ")}</span>
                                {words && (
                                    <select value={String(now)} onChange={(e) => put(name, e.currentTarget.value)}>
                                        {words.map((w) => <option key={w} value={w}>{w}</option>)}
                                    </select>
                                )}
                                {typeof value === "number" && (
                                    <input type="number" step="any" min={least} max={most} placeholder="auto" value={shownNumber(now, least)}
                                        onInput={(e) => put(name, e.currentTarget.value === "" ? value : Number(e.currentTarget.value))} />
                                )}
                                <span class="small">{help}</span>
                            </label>
                        );
                    })}
                </fieldset>
                <div class="do">
                    <button class="main" disabled={changing || Object.keys(changed).length === 0}>{changing ? "Changing …" : "Use these"}</button>
                    {Object.keys(changed).length > 0 && <button type="button" onClick={() => edit({})}>Undo</button>}
                </div>
            </form>
        </details>
    );
}
