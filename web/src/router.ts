// SPDX-License-Identifier: Apache-2.0
// Which view the address names: #/, #/source/NAME, #/flow, #/runs, #/runs/NAME, #/picture.
import { Store } from "./store";

export type View = "wall" | "source" | "flow" | "runs" | "run" | "picture";

export interface Route {
    view: View;
    name: string; // of the source or run
}

export function routeOf(hash: string): Route {
    const [, first = "", second = ""] = hash.split("/");
    let name = second;
    try {
        name = decodeURIComponent(second);
    } catch {
        // Not what a link of this page made: shown as it is.
    }
    if (first === "source" && name) return { view: "source", name };
    if (first === "runs") return { view: name ? "run" : "runs", name };
    if (first === "flow" || first === "picture") return { view: first, name: "" };
    return { view: "wall", name: "" };
}

export const route = new Store<Route>(routeOf(location.hash));
window.addEventListener("hashchange", () => route.set(routeOf(location.hash)));

export const sourceLink = (name: string): string => `#/source/${encodeURIComponent(name)}`;
export const runLink = (name: string): string => `#/runs/${encodeURIComponent(name)}`;
