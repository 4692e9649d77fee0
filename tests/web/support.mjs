// SPDX-License-Identifier: Apache-2.0
// What tests of the page share: the service, a proxy for a page that is not in the program yet, and the browser.
//   FACEFLOW  the program; by default build/release/faceflow
//   PAGE      proxy: the page is taken from src/serve/page, else from the program itself
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { serveProxy } from "./proxy.mjs";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
export const program = path.resolve(process.env.FACEFLOW ?? path.join(root, "build/release/faceflow"));
const patience = 60_000;
// The demo clip at 640x360, which the build makes beside the program.
export const small = path.join(path.dirname(program), "small.mp4");
export const browserPath = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find((p) => existsSync(p));

const require = createRequire(path.join(root, "web/package.json"));
const has = (name) => {
    try {
        return require.resolve(name);
    } catch {
        return null;
    }
};

// Why tests in a browser cannot run here; false if they can.
export const skipped =
    !existsSync(program) ? `there is no ${program}` :
    !browserPath ? "there is no Chromium (Debian: apt install chromium)" :
    !has("playwright-core") ? "web/node_modules is missing: cd web && npm ci --ignore-scripts" : false;

export const axePath = has("axe-core/axe.min.js");

export async function until(what, condition, ms = patience) {
    const end = Date.now() + ms;
    for (;;) {
        const value = await condition();
        if (value) return value;
        if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms`);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

export function ffmpeg(...args) {
    const done = spawnSync("ffmpeg", ["-v", "error", "-y", ...args], { encoding: "utf8" });
    if (done.status !== 0) throw new Error(`ffmpeg: ${done.stderr}`);
}

export function folder() {
    const dir = mkdtempSync(path.join(tmpdir(), "faceflow-web-"));
    return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

// The service, on a free port; `origin` is where its page is, `api` where it is itself. It records into `cwd`.
export async function serve(args = [], env = {}, cwd = tmpdir()) {
    let child, ended, log;
    const start = async (port) => {
        log = "";
        child = spawn(program, ["serve", "--listen", `127.0.0.1:${port}`, "--detect-size", "320x192", "--threads", "2", ...args],
            { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...env }, cwd });
        child.stderr.setEncoding("utf8").on("data", (text) => { log += text; });
        ended = new Promise((resolve) => child.on("close", resolve));
        return until("the service's address", () => {
            if (child.exitCode !== null) throw new Error(`the service ended: ${log}`);
            return Number(/serving at http:\/\/127\.0\.0\.1:(\d+)\//.exec(log)?.[1] ?? 0);
        });
    };
    const end = async (signal) => {
        child.kill(signal);
        await ended;
    };
    const port = await start(0);
    const api = `http://127.0.0.1:${port}`;
    const proxy = process.env.PAGE === "proxy" ? await serveProxy(api) : null;
    return {
        api,
        origin: proxy?.origin ?? api,
        async call(method, target, body) {
            const answer = await fetch(api + target, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
            const text = await answer.text();
            if (!answer.ok) throw new Error(`${method} ${target}: ${answer.status} ${text}`);
            return text ? JSON.parse(text) : null;
        },
        kill: () => end("SIGKILL"),
        restart: () => start(port),
        async stop() {
            proxy?.close();
            await end("SIGTERM");
        },
    };
}

export async function browser() {
    const { chromium } = require("playwright-core");
    return chromium.launch({ executablePath: browserPath, args: ["--no-sandbox", "--disable-gpu"] });
}

// A page whose errors are noted: `expect` says which of them a test brings about itself.
export async function open(inBrowser, address, options = {}) {
    const context = await inBrowser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(patience);
    const problems = [];
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(String(error)));
    await page.addInitScript(() => {
        document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
    });
    await page.goto(address);
    return { page, problems, close: () => context.close() };
}
