// SPDX-License-Identifier: Apache-2.0
// Lighthouse's scores of the page. Its many packages are no part of web/: cd web && npm install --no-save lighthouse@12.8.2
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import { pathToFileURL } from "node:url";
import { browserPath, root, serve, skipped, small } from "./support.mjs";

const require = createRequire(path.join(process.env.LIGHTHOUSE ?? path.join(root, "web"), "package.json"));
let packages = null;
try {
    packages = { lighthouse: require.resolve("lighthouse"), launcher: require.resolve("chrome-launcher") };
} catch {
    // Not installed: skipped by name.
}
const skip = skipped || (!existsSync(small) ? `there is no ${small}` : !packages ? "lighthouse is not installed" : false);
const least = 0.95;

test("lighthouse gives every category 95 or more", { skip, timeout: 240_000 }, async () => {
    const { default: lighthouse } = await import(pathToFileURL(packages.lighthouse));
    const { launch } = await import(pathToFileURL(packages.launcher));
    const service = await serve([`demo=${small}`, "--loop"]);
    const profile = mkdtempSync(path.join(tmpdir(), "faceflow-lighthouse-"));
    const chrome = await launch({ chromePath: browserPath, userDataDir: profile, chromeFlags: ["--headless=new", "--no-sandbox", "--disable-gpu"] });
    try {
        const { lhr } = await lighthouse(`${service.origin}/`, { port: chrome.port, output: "json", logLevel: "error", maxWaitForLoad: 30_000 });
        const scores = Object.fromEntries(Object.values(lhr.categories).map((c) => [c.id, c.score]));
        const failed = Object.values(lhr.audits).filter((a) => a.score !== null && a.score < 0.9).map((a) => `${a.id} ${a.score} ${a.displayValue ?? ""}`);
        console.log(JSON.stringify(scores), failed.join("; "));
        for (const [id, score] of Object.entries(scores)) assert.ok(score >= least, `${id}: ${score}; ${failed.join("; ")}`);
    } finally {
        chrome.kill();
        await service.stop();
        rmSync(profile, { recursive: true, force: true });
    }
});
