// SPDX-License-Identifier: Apache-2.0
import type { Measure } from "./measures";

interface Props {
    measures: Measure[];
    chosen: string[];
    onChoose: (keys: string[]) => void;
}

export function MeasureChooser({ measures, chosen, onChoose }: Props) {
    if (measures.length === 0) return null;
    const groups = [...new Set(measures.map((m) => m.group))];
    const toggle = (key: string) => onChoose(chosen.includes(key) ? chosen.filter((k) => k !== key) : [...chosen, key]);
    const count = measures.filter((m) => chosen.includes(m.key)).length;
    return (
        <details class="chooser">
            <summary class="button">Measures ({count})</summary>
            <div class="choices">
                {groups.map((group) => (
                    <fieldset key={group}>
                        <legend>{group}</legend>
                        {measures.filter((m) => m.group === group).map((m) => (
                            <label class="tick" key={m.key}>
                                <input type="checkbox" checked={chosen.includes(m.key)} onChange={() => toggle(m.key)} />
                                {m.label}
                            </label>
                        ))}
                    </fieldset>
                ))}
            </div>
        </details>
    );
}
