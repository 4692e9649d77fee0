// SPDX-License-Identifier: Apache-2.0
// The page of `faceflow serve`, as people use it, in Chromium with the real service.
import assert from "node:assert/strict";
import { copyFileSync, existsSync, readFileSync, renameSync } from "node:fs";
import path from "node:path";
import test, { after, before } from "node:test";
import { axePath, browser, ffmpeg, folder, open, serve, skipped, small, until } from "./support.mjs";

const skip = skipped || (existsSync(small) ? false : `there is no ${small}`);
let chromium, temporary;

before(async () => {
    if (skip) return;
    chromium = await browser();
    temporary = folder();
});
after(async () => {
    await chromium?.close();
    temporary?.remove();
});

// A test with a service and a page of its own; nothing may be wrong in the page but what `expected` names.
function pageTest(name, { args = [], env = {}, view = "", options = {}, expected = /^$/ } = {}, body) {
    test(name, { skip, timeout: 240_000 }, async () => {
        const service = await serve(args, env, temporary.dir);
        const opened = await open(chromium, `${service.origin}/${view}`, options);
        try {
            await body({ ...opened, service });
            assert.deepEqual(opened.problems.filter((p) => !expected.test(p)), []);
        } finally {
            await opened.close();
            await service.stop();
        }
    });
}

const canvasOf = (page, name) => page.locator(`canvas[aria-label^="${name}:"]`);
async function moves(page, name, faces = 4) {
    const canvas = canvasOf(page, name);
    await until(`${name} is drawn`, async () => Number(await canvas.getAttribute("data-faces")) === faces);
    const before = Number(await canvas.getAttribute("data-sequence"));
    await until(`${name} moves`, async () => Number(await canvas.getAttribute("data-sequence")) > before + 2);
}
const tile = (page, name) => page.locator("li.tile", { has: page.getByRole("heading", { name, exact: true }) });
const state = (page, name, wanted) => tile(page, name).locator(`.state.${wanted}`).waitFor();

pageTest("a source that is added shows its faces, and goes when it is removed", {}, async ({ page }) => {
    await page.getByRole("heading", { name: "No source yet" }).waitFor();
    await page.getByRole("textbox", { name: "Name" }).fill("desk");
    await page.getByRole("textbox", { name: "Input" }).fill(small);
    await page.getByLabel("Repeat a recording").check();
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await moves(page, "desk");
    await tile(page, "desk").locator(".figures", { hasText: /4 faces · [\d.]+ fps · \d+ ms/ }).waitFor();
    assert.equal(await tile(page, "desk").locator("tbody tr").count(), 4, "a line with the angles of each face");

    await page.getByRole("button", { name: "Rename desk" }).click();
    await page.getByLabel("New name").fill("table");
    await page.keyboard.press("Enter");
    await moves(page, "table");
    await page.getByRole("button", { name: "Remove table" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    await page.getByRole("heading", { name: "No source yet" }).waitFor();
});

pageTest("what is wrong with a request is said", { args: [`desk=${"/nowhere"}`], expected: /status of 400/ }, async ({ page }) => {
    await page.getByRole("button", { name: "Add source" }).click();
    await page.getByRole("textbox", { name: "Name" }).fill("desk");
    await page.getByRole("textbox", { name: "Input" }).fill("x");
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await page.locator("[role=alert] .bad").waitFor();
});

pageTest("states are those of the source, and it comes back", {}, async ({ page, service }) => {
    const late = path.join(temporary.dir, "late.mp4");
    await service.call("POST", "/v1/sources", { name: "late", input: late, loop: true });
    await state(page, "late", "retrying");
    await tile(page, "late").getByText(/there is no file/).waitFor();
    copyFileSync(small, `${late}.part`);
    renameSync(`${late}.part`, late);
    await moves(page, "late");
    await page.getByRole("button", { name: "Pause late" }).click();
    await state(page, "late", "paused");
    await page.getByRole("button", { name: "Resume late" }).click();
    await state(page, "late", "running");
    await moves(page, "late");
});

pageTest("a service that goes is missed, and its return seen", { args: [`demo=${small}`, "--loop"], expected: /./ }, async ({ page, service }) => {
    await moves(page, "demo");
    await service.kill();
    await page.getByText("No connection.").waitFor();
    await service.restart();
    await page.getByText("No connection.").waitFor({ state: "detached" });
    await moves(page, "demo");
});

const points = async (page, title) => Number(await page.locator("figure.plot", { hasText: title }).first().getAttribute("data-points"));

pageTest("traces grow, pause, are marked and saved", { args: [`demo=${small}`, "--loop"], view: "#/source/demo" }, async ({ page }) => {
    await moves(page, "demo");
    await until("traces begin", async () => (await points(page, "Yaw")) > 5);
    const before = await points(page, "Yaw");
    await until("traces grow", async () => (await points(page, "Yaw")) > before + 10);
    await page.getByLabel("Marker", { exact: true }).fill("moment");
    await page.keyboard.press("Enter");
    await page.locator(".marks", { hasText: "moment" }).waitFor();
    assert.equal(await page.locator(".marks li").count(), 1, "an m in the field is a letter");
    await page.getByRole("heading", { level: 1 }).focus();
    await page.keyboard.press("m");
    await until("the key marks, too", async () => (await page.locator(".marks li").count()) === 2);

    await page.locator(".chooser summary").click();
    await page.getByLabel("Roll", { exact: true }).check();
    await page.locator("figure.plot", { hasText: "Roll" }).waitFor();
    await page.locator(".chooser summary").click();
    await page.getByRole("button", { name: "Pause traces" }).click();
    const paused = await points(page, "Yaw");
    await page.waitForTimeout(500);
    assert.equal(await points(page, "Yaw"), paused);
    await page.getByLabel("Cursor").focus();
    for (let i = 0; i < 5; ++i) await page.keyboard.press("ArrowLeft");
    await page.locator("figure.plot .push").first().waitFor();

    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save as CSV" }).click()]);
    const lines = readFileSync(await download.path(), "utf8").split("\r\n");
    assert.equal(lines[0], "pts,sequence,track,yaw,pitch,roll,eye_open,mouth_open,event,text");
    assert.ok(lines.length > 4 * paused, "a record for each face");
    assert.ok(lines.some((l) => /,marker,moment$/.test(l)));
    assert.match(lines[1], /^\d+\.\d{6},\d+,\d+,-?[\d.]+,/);
});

pageTest("the flow shows what crosses, and that nothing does on the CPU", { args: [`demo=${small}`, "--loop"], view: "#/flow" }, async ({ page }) => {
    await page.getByText("no transfer between host and device").first().waitFor();
    assert.equal(await page.locator(".crossing").count(), 0);
});

pageTest("each crossing is counted beside the floor", { args: [`demo=${small}`, "--loop", "--device", "emulated"], view: "#/flow" }, async ({ page }) => {
    const cell = (what, column) => page.locator("tr", { hasText: what }).locator("td").nth(column);
    await until("one upload a frame", async () => (await cell("Transfers to the device", 0).textContent()) === "1");
    await until("its bytes are the floor's", async () => (await cell("Bytes to the device", 0).textContent()) === (await cell("Bytes to the device", 1).textContent()));
    await page.getByText("at the floor").first().waitFor();
    await page.locator(".crossing.up.moves").first().waitFor();
    assert.equal(await page.locator(".crossing").count(), 2, "one edge to the device and one back");
    await page.emulateMedia({ reducedMotion: "reduce" });
    assert.equal(await page.locator(".crossing.up path").first().evaluate((e) => getComputedStyle(e).animationName), "none");
});

pageTest("frames that rest do not move in the flow", { args: [`demo=${small}`, "--loop", "--device", "emulated"], view: "#/flow" }, async ({ page, service }) => {
    await page.locator(".crossing.up.moves").first().waitFor();
    await service.call("PATCH", "/v1/sources/demo", { paused: true });
    await page.getByText("No frame moves now.").waitFor();
    assert.equal(await page.locator(".moves").count(), 0);
    assert.ok((await page.locator(".crossing").count()) > 0, "what frames cost is still shown");
});

pageTest("a picture is answered with its faces drawn on it", { view: "#/picture", expected: /status of 422/ }, async ({ page }) => {
    const picture = path.join(temporary.dir, "four.jpg");
    ffmpeg("-i", small, "-frames:v", "1", picture);
    await page.locator("#picture").setInputFiles(picture);
    await page.getByText("4 faces in four.jpg").waitFor();
    await page.locator('canvas[data-faces="4"]').waitFor();
    const drawn = await page.locator("canvas").evaluate((c) => {
        const { data } = c.getContext("2d").getImageData(0, 0, c.width, c.height);
        return data.filter((v, i) => i % 4 === 0 && v > 0).length;
    });
    assert.ok(drawn > 1000, "the picture is there");
    await page.locator("#picture").setInputFiles({ name: "none.jpg", mimeType: "image/jpeg", buffer: Buffer.from("no picture") });
    await page.locator("[role=alert] .bad").waitFor();
});

pageTest("a recording becomes a run with its video, traces and events in step", { args: [`demo=${small}`, "--loop"] }, async ({ page, service }) => {
    await moves(page, "demo");
    await page.getByRole("button", { name: "Record demo", exact: true }).click();
    await tile(page, "demo").locator(".state.rec").waitFor();
    await page.waitForTimeout(2000);
    await service.call("POST", "/v1/sources/demo/markers", { text: 'light, "on"' });
    await page.waitForTimeout(2000);
    await page.getByRole("button", { name: "Stop recording demo" }).click();
    await page.getByRole("button", { name: "Record demo", exact: true }).waitFor();
    await page.getByRole("link", { name: "Past runs" }).click();
    await page.getByRole("link", { name: /^demo-/ }).click();
    const video = page.locator("video"), canvas = page.locator('canvas[aria-label^="Faces of"]');
    await until("the first faces", async () => Number(await canvas.getAttribute("data-faces")) > 0);
    await until("traces", async () => (await points(page, "Yaw")) > 20);
    const first = Number(await canvas.getAttribute("data-sequence"));
    await video.evaluate((v) => { v.currentTime = 1.5; });
    await until("faces of another time", async () => Number(await canvas.getAttribute("data-sequence")) > first + 10);
    const event = page.locator("table.events tr", { hasText: 'light, "on"' });
    await event.getByRole("button").click();
    await until("the video is where the marker is", () => video.evaluate((v) => v.currentTime > 1.6 && v.currentTime < 4));
});

pageTest("another flow and other options are chosen while sources run", { args: [`demo=${small}`, "--loop", "--device", "emulated"], view: "#/flow" }, async ({ page, service }) => {
    await page.getByRole("radio", { name: /^threaded/ }).check();
    await page.getByText("flow is threaded now").waitFor();
    await until("the service has it", async () => (await service.call("GET", "/v1/statistics")).flow === "threaded");
    await page.getByText("How faces are found").click();
    await page.getByRole("spinbutton", { name: /^max faces/ }).fill("2");
    await page.getByRole("button", { name: "Use these" }).click();
    await until("two faces", async () => (await service.call("GET", "/v1/sources/demo")).faces === 2);
});

pageTest("the keyboard is enough", { args: [`demo=${small}`, "--loop"] }, async ({ page }) => {
    await moves(page, "demo");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "main");
    const seen = [];
    for (let i = 0; i < 12; ++i) {
        await page.keyboard.press("Tab");
        const [name, outline] = await page.evaluate(() => {
            const e = document.activeElement;
            return [e.getAttribute("aria-label") ?? e.textContent, getComputedStyle(e).outlineStyle];
        });
        if (name !== null && name.length < 60) seen.push(name);
        if (seen.at(-1) === "demo") {
            assert.notEqual(outline, "none", "where the focus is can be seen");
            break;
        }
    }
    assert.equal(seen.at(-1), "demo", `reached ${seen}`);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "demo" }).waitFor();
    await until("the heading has the focus", () => page.evaluate(() => document.activeElement.tagName === "H1"));
    assert.equal(await page.title(), "demo – faceflow");
    await page.getByRole("button", { name: "Remove demo" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "Remove demo", "the focus is where it was");
});

const views = ["#/", "#/source/demo", "#/flow", "#/picture", "#/runs", "#/source/nobody"];
async function ready(page, view) {
    await page.getByRole("heading", { level: 1 }).waitFor();
    if (view === "#/" || view === "#/source/demo") await moves(page, "demo");
    if (view === "#/flow") await page.locator(".crossing").first().waitFor();
    if (view.startsWith("#/runs/")) await page.locator("video").waitFor();
    if (view === "#/source/demo") await until("traces", async () => (await points(page, "Yaw")) > 3);
}

pageTest("a phone shows every view without scrolling sideways", {
    args: [`demo=${small}`, `a-source-with-quite-a-long-name-that-somebody-chose.for.a.reason_1=/nowhere/${"x".repeat(90)}`, "--loop", "--device", "emulated"],
    options: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 },
}, async ({ page, service }) => {
    for (const view of views) {
        await page.goto(`${service.origin}/${view}`);
        await ready(page, view);
        const wide = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok(wide[0] <= 390 && wide[1] <= 390, `${view}: ${wide}`);
    }
});

for (const colorScheme of ["light", "dark"]) {
    pageTest(`nothing that axe knows is wrong, ${colorScheme}`, { args: [`demo=${small}`, "gone=/nowhere", "--loop", "--device", "emulated"], options: { colorScheme } },
        async ({ page, service }) => {
            await moves(page, "demo");
            await service.call("PATCH", "/v1/sources/demo", { recording: true });
            await page.waitForTimeout(1500);
            await service.call("PATCH", "/v1/sources/demo", { recording: false });
            const { runs } = await service.call("GET", "/v1/runs");
            for (const view of [...views, `#/runs/${runs[0].name}`]) {
                await page.goto(`${service.origin}/${view}`);
                await ready(page, view);
                for (const closed of await page.locator("details:not([open]) > summary").all()) await closed.click();
                await page.evaluate(readFileSync(axePath, "utf8"));
                const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
                assert.deepEqual(violations.map((v) => `${view} ${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(" ; ")}`), []);
            }
        });
}

pageTest("a service with a token asks for it, or takes it from the address", {
    env: { FACEFLOW_TOKEN: "open sesame" }, args: [`demo=${small}`, "--loop"], expected: /401/,
}, async ({ page, service }) => {
    await page.getByLabel("This service needs its token").fill("open sesame");
    await page.getByRole("button", { name: "Use it" }).click();
    await moves(page, "demo");
    const other = await open(chromium, `${service.origin}/?token=open+sesame`);
    await moves(other.page, "demo");
    assert.deepEqual(other.problems, []);
    await other.close();
});
