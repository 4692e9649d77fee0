// SPDX-License-Identifier: Apache-2.0
// Draws docs/images/serve.png: screenshot.mjs [FOLDER]; with a folder, every view into it instead, light, dark and as on a phone.
import { existsSync, symlinkSync } from "node:fs";
import path from "node:path";
import { browser, ffmpeg, folder, open, root, serve, skipped, small, until } from "./support.mjs";

if (skipped) throw new Error(skipped);
const all = process.argv[2];
const clip = path.join(root, "assets/demo.mp4"), demo = process.env.DEMO ?? (existsSync(clip) ? clip : small);
const two = path.join(root, "../shared/media/head-pose-face-detection-female-and-male.gif");
const { dir, remove } = folder();
symlinkSync(demo, path.join(dir, "demo.mp4")); // what the page names is no path of this machine
const service = await serve(["group=demo.mp4", ...(all && existsSync(two) ? [`pair=${two}`] : []), ...(all ? ["gone=rtsp://127.0.0.1:9/live"] : []), "--loop",
    "--device", "emulated"], {}, dir);
const chromium = await browser();

async function shoot(file, view, options, { wait = 3000, act = async () => {}, whole = true } = {}) {
    const { page, problems, close } = await open(chromium, `${service.origin}/${view}`, options);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await act(page);
    await page.waitForTimeout(wait);
    await page.screenshot({ path: file, fullPage: whole });
    if (problems.length) console.log(file, problems);
    await close();
}

async function mark(page) {
    await page.getByLabel("Window").selectOption("10");
    await page.waitForTimeout(5000);
    await page.getByLabel("Marker", { exact: true }).fill("stimulus on");
    await page.getByRole("button", { name: "Mark now" }).click();
    await page.waitForTimeout(4500);
    await page.getByRole("button", { name: "Dismiss the message" }).click();
    await page.getByRole("heading", { level: 1 }).click();
}

if (all) {
    const record = async (page) => {
        await page.getByRole("button", { name: "Record group", exact: true }).click();
        await page.waitForTimeout(2500);
        await page.getByRole("button", { name: "Stop recording group" }).click();
        await page.getByRole("button", { name: "Record group", exact: true }).waitFor();
    };
    const openRun = (page) => page.getByRole("link", { name: /^group-/ }).first().click();
    const picture = path.join(dir, "group.jpg");
    ffmpeg("-i", demo, "-frames:v", "1", picture);
    const post = async (page) => {
        await page.locator("#picture").setInputFiles(picture);
        await page.locator("canvas[data-faces]").waitFor();
    };
    let recorded = false;
    for (const [name, options] of [
        ["light", { colorScheme: "light", viewport: { width: 1400, height: 900 } }],
        ["dark", { colorScheme: "dark", viewport: { width: 1400, height: 900 } }],
        ["phone", { colorScheme: "light", viewport: { width: 390, height: 844 }, isMobile: true, deviceScaleFactor: 2 }],
    ]) {
        const to = (view) => path.join(all, `${view}-${name}.png`);
        await shoot(to("wall"), "#/", options, { act: recorded ? undefined : record });
        recorded = true;
        await shoot(to("source"), "#/source/group", options, { wait: 12_000, act: (page) => page.waitForTimeout(8000) });
        await shoot(to("flow"), "#/flow", options, { wait: 8000 });
        await shoot(to("runs"), "#/runs", options);
        await shoot(to("run"), "#/runs", options, { act: openRun, wait: 5000 });
        await shoot(to("picture"), "#/picture", options, { act: post });
    }
} else {
    const raw = path.join(dir, "serve.png");
    await until("frames", async () => (await service.call("GET", "/v1/sources/group")).frames > 5);
    await shoot(raw, "#/source/group", { colorScheme: "light", viewport: { width: 1400, height: 860 } }, { act: mark, wait: 200, whole: false });
    // 256 colours, for a picture that is small in the repository.
    ffmpeg("-i", raw, "-vf", "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=dither=bayer:bayer_scale=4", path.join(root, "docs/images/serve.png"));
}
await chromium.close();
await service.stop();
remove();
