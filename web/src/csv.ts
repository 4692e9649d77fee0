// SPDX-License-Identifier: Apache-2.0
// What traces show as a table: a record for each face of each frame, and one for each marker and blink, in the order of time.
import type { Traces } from "./traces";

function field(value: string | number): string {
    const text = String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvOf(traces: Traces, keys: string[], tracks: number[], from: number, to: number): string {
    const shown = new Set(tracks);
    const decimals = new Map(traces.measures.map((m) => [m.key, m.decimals + 2]));
    const events = [
        ...traces.markers.filter((m) => m.time >= from && m.time <= to)
            .map((m) => ({ time: m.time, sequence: String(m.sequence), track: "", event: "marker", text: m.text })),
        ...traces.blinks.filter((b) => b.apex >= from && b.apex <= to && shown.has(b.track))
            .map((b) => ({ time: b.apex, sequence: "", track: String(b.track), event: "blink", text: "" })),
    ].sort((a, b) => a.time - b.time);
    const lines = [["pts", "sequence", "track", ...keys, "event", "text"].map(field).join(",")];
    let next = 0;
    const eventsUntil = (time: number) => {
        for (; next < events.length && events[next]!.time < time; ++next) {
            const e = events[next]!;
            lines.push([e.time.toFixed(6), e.sequence, e.track, ...keys.map(() => ""), e.event, e.text].map(field).join(","));
        }
    };
    for (const s of traces.samples(from, to)) {
        if (!shown.has(s.track)) continue;
        eventsUntil(s.time);
        const values = keys.map((key) => {
            const v = s.value(key);
            return Number.isFinite(v) ? v.toFixed(decimals.get(key) ?? 4) : "";
        });
        lines.push([s.time.toFixed(6), s.sequence, s.track, ...values, "", ""].map(field).join(","));
    }
    eventsUntil(Infinity);
    return `${lines.join("\r\n")}\r\n`;
}

export function save(name: string, content: string, type = "text/csv"): void {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
