// SPDX-License-Identifier: Apache-2.0
// What all views share: the header, whether the service answers, and the way between views.
import { Component, type ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { address, messageOf, useToken } from "./api";
import { FlowView } from "./memory_flow";
import { Notices } from "./notices";
import { PictureView } from "./picture";
import { type Route, route } from "./router";
import { RunView } from "./run";
import { RunsView } from "./runs";
import { refresh, service } from "./service";
import { SourceView } from "./source";
import { useStore } from "./store";
import { Wall } from "./wall";

const titles: Record<Route["view"], string> = {
    wall: "Sources", source: "Source", flow: "Memory flow", runs: "Past runs", run: "Run", picture: "A picture",
};

function Navigation({ view }: { view: Route["view"] }) {
    const { features } = useStore(service);
    const link = (to: string, text: string, of: Route["view"][]) => (
        <li><a href={to} aria-current={of.includes(view) ? "page" : undefined}>{text}</a></li>
    );
    return (
        <nav aria-label="Views">
            <ul>
                {link("#/", "Sources", ["wall", "source"])}
                {link("#/flow", "Memory flow", ["flow"])}
                {features.runs && link("#/runs", "Past runs", ["runs", "run"])}
                {link("#/picture", "Picture", ["picture"])}
            </ul>
        </nav>
    );
}

function Banner() {
    const { link, problem } = useStore(service);
    const [token, type] = useState("");
    if (link === "locked") {
        return (
            <form class="banner" onSubmit={(event) => {
                event.preventDefault();
                useToken(token);
                refresh();
            }}>
                <label class="inline">This service needs its token
                    <input type="password" required autocomplete="off" value={token} onInput={(e) => type(e.currentTarget.value)} />
                </label>
                <button>Use it</button>
            </form>
        );
    }
    return (
        <div role="alert">
            {link === "lost" && (
                <div class="banner">
                    <p><strong>No connection.</strong> What is shown is old: {problem}. It is tried again by itself.</p>
                    <button onClick={() => refresh()}>Try now</button>
                </div>
            )}
        </div>
    );
}

// A view that fails must not take the others with it.
class Boundary extends Component<{ children: ComponentChildren }, { problem: string }> {
    override state = { problem: "" };
    override componentDidCatch(error: unknown): void {
        console.error(error);
        this.setState({ problem: messageOf(error) });
    }
    override render() {
        if (!this.state.problem) return this.props.children;
        return <p class="bad" role="alert">This view failed: {this.state.problem}. Load the page again; the service is not affected.</p>;
    }
}

function Shown({ at: { view, name } }: { at: Route }) {
    switch (view) {
        case "source": return <SourceView name={name} />;
        case "flow": return <FlowView />;
        case "runs": return <RunsView />;
        case "run": return <RunView name={name} />;
        case "picture": return <PictureView />;
        default: return <Wall />;
    }
}

export function App() {
    const at = useStore(route);
    const { link, statistics } = useStore(service);
    const main = useRef<HTMLElement>(null);
    const first = useRef(true);
    useEffect(() => {
        const what = at.name || titles[at.view];
        document.title = `${what} – faceflow`;
        // Where a person without eyes on the page goes on; not when the page has only just come.
        if (!first.current) main.current?.querySelector("h1")?.focus();
        first.current = false;
        window.scrollTo(0, 0);
    }, [at.view, at.name]);
    return (
        <>
            <a class="skip" href="#main" onClick={(event) => {
                event.preventDefault();
                main.current?.focus();
            }}>Skip to the content</a>
            <header>
                <a class="brand" href="#/"><img src="/icon.svg" alt="" width="24" height="24" />faceflow</a>
                <Navigation view={at.view} />
                <p class={`link ${link}`}>{link === "up" ? `version ${statistics?.version}` : link === "connecting" ? "connecting …" : "not connected"}</p>
            </header>
            <Banner />
            <main id="main" tabIndex={-1} ref={main} class={link === "lost" ? "old" : ""}>
                <Notices />
                <Boundary key={`${at.view}/${at.name}`}><Shown at={at} /></Boundary>
            </main>
            <footer>
                <p><a href={address("/v1/openapi.json")}>API</a> · <a href={address("/metrics")}>Metrics</a> · <a href="/LICENSES.txt">Licences</a></p>
            </footer>
        </>
    );
}
