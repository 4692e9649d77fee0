// SPDX-License-Identifier: Apache-2.0
// What frames cost in memory: transfers between host and device, cache, pool and waits, beside the least that is possible.
import type uPlot from "uplot";
import { ofStyle } from "./colours";
import { FlowSwitch, OptionForm, useOptions } from "./engine_options";
import { FlowDiagram } from "./flow_diagram";
import { bytes, counted, perFrame, whole } from "./format";
import { type Line, Plot } from "./plot";
import { history, service } from "./service";
import type { FrameCost } from "./statistics";
import { useStore } from "./store";
import { type Statistics, stages } from "./types";

const span = 300; // s that plots show

// The cpu device's ledger stays empty: it computes in the host's memory.
const isOneMemory = (s: Statistics): boolean =>
    s.devices.every((d) => stages.every((stage) => d.stages[stage].host_to_device.count + d.stages[stage].device_to_host.count === 0)) && s.frames > 0;

function summaryOf(cost: FrameCost | null, one: boolean): string {
    if (one) return "Frames are used where they are: no transfer between host and device.";
    if (!cost) return "No frame has moved yet.";
    return `Each frame: ${counted(cost.up.count, "transfer")} to the device with ${bytes(cost.up.bytes)}, ` +
        `${perFrame(cost.down.count)} back with ${bytes(cost.down.bytes)}, ${counted(cost.syncs, "wait")} of the host for the device.`;
}

function Floor({ cost, one }: { cost: FrameCost; one: boolean }) {
    const times = (now: number, least: number) => {
        if (least <= 0 || now <= 0) return "";
        const ratio = now / least;
        return ratio < 1.05 ? "at the floor" : `${ratio.toFixed(1)} × the floor`;
    };
    const rows: [what: string, now: string, least: string, verdict: string][] = [
        ["Transfers to the device", perFrame(cost.up.count), one ? "0" : "1", one ? "" : times(cost.up.count, 1)],
        ["Bytes to the device", bytes(cost.up.bytes), one ? "0 B" : bytes(cost.floorBytes), one ? "" : times(cost.up.bytes, cost.floorBytes)],
        ["Transfers back", perFrame(cost.down.count), one ? "0" : "1", one ? "" : times(cost.down.count, 1)],
        ["Bytes back", bytes(cost.down.bytes), one ? "0 B" : "results only", ""],
        ["Waits for the device", perFrame(cost.syncs), one ? "0" : "1", one ? "" : times(cost.syncs, 1)],
    ];
    return (
        <table class="floor">
            <caption>Per frame, over the last seconds</caption>
            <thead><tr><th scope="col"><span class="unseen">What</span></th><th scope="col">now</th><th scope="col">floor</th><th scope="col"><span class="unseen">compared</span></th></tr></thead>
            <tbody>
                {rows.map(([what, now, least, verdict]) => (
                    <tr key={what}><th scope="row">{what}</th><td>{now}</td><td>{least}</td><td class={verdict.startsWith("at") ? "good" : "soft"}>{verdict}</td></tr>
                ))}
            </tbody>
        </table>
    );
}

function StageTable({ statistics, cost }: { statistics: Statistics; cost: FrameCost | null }) {
    const cell = (m: { count: number; bytes: number } | undefined) => (m && m.count >= 0.005 ? `${perFrame(m.count)}, ${bytes(m.bytes)}` : "–");
    return (
        <div class="scroll" tabIndex={0} role="region" aria-label="Table of stages">
            <table>
                <caption>Times since the service began; transfers per frame</caption>
                <thead>
                    <tr><th scope="col">stage</th><th scope="col">p50, ms</th><th scope="col">p95, ms</th><th scope="col">to the device</th><th scope="col">back</th><th scope="col">waits</th></tr>
                </thead>
                <tbody>
                    {stages.map((stage) => (
                        <tr key={stage}>
                            <th scope="row">{stage}</th>
                            <td>{statistics.stages[stage].p50_ms.toFixed(2)}</td>
                            <td>{statistics.stages[stage].p95_ms.toFixed(2)}</td>
                            <td>{cell(cost?.stages[stage].up)}</td>
                            <td>{cell(cost?.stages[stage].down)}</td>
                            <td>{cost && cost.stages[stage].syncs >= 0.005 ? perFrame(cost.stages[stage].syncs) : "–"}</td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}

function Memories({ statistics: { cache, devices, latency, dropped, frames } }: { statistics: Statistics }) {
    const asked = cache.hits + cache.misses;
    const figures: [string, string][] = [
        ["Cache hit rate", asked ? `${((100 * cache.hits) / asked).toFixed(1)} %` : "never asked"],
        ["Hits, misses", `${whole(cache.hits)}, ${whole(cache.misses)}`],
        ["Evicted, expired", `${whole(cache.evictions)}, ${whole(cache.expirations)}`],
        ["In the cache", `${cache.frames === 1 ? "1 frame" : `${cache.frames} frames`}, ${bytes(cache.bytes)}`],
        ["Frames", whole(frames)],
        ["Latency p50, p95", `${latency.p50_ms.toFixed(1)}, ${latency.p95_ms.toFixed(1)} ms`],
        ["Dropped", Object.entries(dropped).filter(([, n]) => n > 0).map(([why, n]) => `${whole(n)} ${why}`).join(", ") || "none"],
    ];
    return (
        <>
            <dl class="facts">{figures.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
            {devices.map((d, i) => (
                <div class="pool" key={`${i} ${d.description}`}>
                    <p><strong>Pool of {d.description}</strong></p>
                    <div class="bar" role="img" aria-label={`${bytes(d.pool_bytes)} of ${bytes(d.pool_cap_bytes)} are used`}>
                        <span style={{ width: `${Math.min(100, (100 * d.pool_bytes) / Math.max(1, d.pool_cap_bytes))}%` }} />
                    </div>
                    <p class="soft">{bytes(d.pool_bytes)} of {bytes(d.pool_cap_bytes)}, {bytes(d.pool_peak_bytes)} at most</p>
                </div>
            ))}
        </>
    );
}

const line = (label: string, colour: string, dash?: number[]): Line => ({ label, colour: () => ofStyle(colour), ...(dash ? { dash } : {}) });

function OverTime({ one }: { one: boolean }) {
    const costs = history.costs;
    const to = costs.at(-1)?.seconds ?? 0, from = Math.max(costs[0]?.seconds ?? 0, to - span);
    const times = costs.map((c) => c.seconds);
    const data = (...series: ((c: FrameCost) => number | null)[]): uPlot.AlignedData => [times, ...series.map((of) => costs.map(of))];
    const common = { from, to: Math.max(to, from + 30), sync: "flow", zero: true };
    return (
        <section class="panel" aria-labelledby="time-title">
            <h2 id="time-title">Over time</h2>
            <div class="plots two">
                {!one && (
                    <>
                        <Plot {...common} title="Bytes per frame" leastSpan={1e5} format={bytes} axis={bytes} data={data((c) => c.up.bytes, (c) => c.down.bytes, (c) => c.floorBytes)}
                            lines={[line("to the device", "--up"), line("back", "--down"), line("floor", "--soft", [5, 4])]} />
                        <Plot {...common} title="Transfers and waits per frame" leastSpan={2} format={perFrame} data={data((c) => c.up.count, (c) => c.down.count, (c) => c.syncs)}
                            lines={[line("to the device", "--up"), line("back", "--down"), line("waits", "--ink", [5, 4])]} />
                    </>
                )}
                <Plot {...common} title="Frames" unit="per second" leastSpan={10} format={(v) => v.toFixed(1)} data={data((c) => c.fps)} lines={[line("all sources", "--accent")]} />
                <Plot {...common} title="Cache hit rate" unit="%" leastSpan={100} format={(v) => v.toFixed(0)} data={data((c) => (c.hitRate === null ? null : 100 * c.hitRate))}
                    lines={[line("hits", "--accent")]} />
            </div>
        </section>
    );
}

export function FlowView() {
    const { statistics, features, link } = useStore(service);
    const chooser = useOptions(features.options);
    const { last: cost, moving } = history;
    if (!statistics) return <><div class="title"><h1 tabIndex={-1}>Memory flow</h1></div><p class="soft">Asking for the figures …</p></>;
    const one = isOneMemory(statistics);
    const summary = summaryOf(cost, one);
    return (
        <>
            <div class="title">
                <h1 tabIndex={-1}>Memory flow</h1>
                <p class="soft">Flow {statistics.flow}, on {statistics.devices.map((d) => d.description).join(", ")}</p>
            </div>
            <FlowSwitch {...chooser} />
            <section class="panel" aria-labelledby="diagram-title">
                <h2 id="diagram-title">{moving && link === "up" ? "How frames move" : "How frames moved"}</h2>
                <p class="summary">{summary}{!moving && cost && " No frame moves now."}</p>
                {one && (
                    <p class="soft">
                        On the CPU, host memory is device memory: an upload is a view of the frame, and results are where they are needed. Nothing crosses, so
                        there is nothing to count. With <code class="word">--device emulated</code> or <code>cuda</code> each crossing is counted here.
                    </p>
                )}
                <FlowDiagram cost={one ? null : cost} statistics={statistics} moving={moving && link === "up"} oneMemory={one} summary={summary} />
            </section>
            <div class="columns">
                <section class="panel" aria-labelledby="floor-title">
                    <h2 id="floor-title">Beside the least possible</h2>
                    {cost ? <Floor cost={cost} one={one} /> : <p class="soft">No frame has moved yet.</p>}
                    {!one && <p class="soft small">The floor: each frame crosses once as it is in 4:2:0 (width × height × 1.5 bytes), only results come back, one wait.</p>}
                </section>
                <section class="panel" aria-labelledby="memory-title">
                    <h2 id="memory-title">Cache and pool</h2>
                    <Memories statistics={statistics} />
                </section>
            </div>
            <OverTime one={one} />
            <section class="panel" aria-labelledby="stages-title">
                <h2 id="stages-title">Stages</h2>
                <StageTable statistics={statistics} cost={cost} />
            </section>
            <OptionForm {...chooser} />
        </>
    );
}
