// SPDX-License-Identifier: Apache-2.0
// What the page knows of the service: asked for once a second, and again and again while it does not answer.
import { ApiError, call, messageOf } from "./api";
import { History } from "./statistics";
import { Store } from "./store";
import type { Source, Statistics } from "./types";

const pace = 1000, slowest = 4000; // ms

export interface Features {
    runs: boolean;
    options: boolean;
    markers: boolean;
}

export interface Service {
    // lost: it answered before or never; locked: it wants a token
    link: "connecting" | "up" | "lost" | "locked";
    problem: string;
    sources: Source[];
    statistics: Statistics | null;
    features: Features;
}

export const service = new Store<Service>({
    link: "connecting",
    problem: "",
    sources: [],
    statistics: null,
    features: { runs: false, options: false, markers: false },
});

export const history = new History();

let timer = 0, failures = 0, described = false;

// Another version of the service may have less than this page.
async function learn(): Promise<Features> {
    const has = (path: string) => call("GET", path).then(() => true, (error: unknown) => {
        if (error instanceof ApiError && error.status === 404) return false;
        throw error;
    });
    const [runs, options] = await Promise.all([has("/v1/runs"), has("/v1/options")]);
    return { runs, options, markers: options };
}

export async function refresh(): Promise<void> {
    clearTimeout(timer);
    try {
        const [{ sources }, statistics] = await Promise.all([
            call<{ sources: Source[] }>("GET", "/v1/sources"),
            call<Statistics>("GET", "/v1/statistics"),
        ]);
        // One that comes back may be another version.
        if (!described) service.change({ features: await learn() });
        described = true;
        failures = 0;
        history.add(statistics, sources);
        service.change({ link: "up", problem: "", sources, statistics });
    } catch (error) {
        described = false;
        failures += 1;
        const locked = error instanceof ApiError && error.status === 401;
        service.change({ link: locked ? "locked" : "lost", problem: messageOf(error) });
        if (locked) return; // until there is another token
    }
    clearTimeout(timer); // of a refresh that came between
    timer = window.setTimeout(refresh, Math.min(pace * 2 ** Math.max(0, failures - 1), slowest));
}
