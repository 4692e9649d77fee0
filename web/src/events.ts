// SPDX-License-Identifier: Apache-2.0
// The events of a past run: events.csv, which docs/output.md describes.

export interface RunEvent {
    event: string;
    track: string;
    time: number; // s
    text: string;
}

// events.csv: RFC 4180, with columns by name.
export function parseCsv(text: string): Record<string, string>[] {
    const records: string[][] = [[]];
    let field = "", quoted = false;
    for (let i = 0; i < text.length; ++i) {
        const c = text[i]!;
        if (quoted) {
            if (c !== '"') field += c;
            else if (text[i + 1] === '"') field += text[++i];
            else quoted = false;
        } else if (c === '"') {
            quoted = true;
        } else if (c === "," || c === "\n") {
            records.at(-1)!.push(field);
            field = "";
            if (c === "\n") records.push([]);
        } else if (c !== "\r") {
            field += c;
        }
    }
    if (field || records.at(-1)!.length) records.at(-1)!.push(field);
    const [head = [], ...rest] = records;
    return rest.filter((r) => r.length > 1).map((r) => Object.fromEntries(head.map((name, i) => [name, r[i] ?? ""])));
}

export function eventsOf(text: string): RunEvent[] {
    return parseCsv(text).map((r) => ({
        event: r.event ?? "",
        track: r.track === "0" ? "" : (r.track ?? ""),
        time: Number(r.event === "blink" ? r.apex_ms || r.onset_ms : r.onset_ms) / 1000,
        text: r.text ?? "",
    })).filter((e) => Number.isFinite(e.time));
}
