// SPDX-License-Identifier: Apache-2.0
// What a service answers that records, takes markers and changes its flow, for tests of the page with a service that does not yet. A
// recording here is always the same run: the demo clip's.
import { execFileSync } from "node:child_process";
import { copyFileSync, createReadStream, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";

async function bodyOf(request) {
    let text = "";
    for await (const part of request) text += part;
    return JSON.parse(text || "{}");
}

function json(response, value, status = 200) {
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(value));
    return true;
}

function file(request, response, from) {
    const { size } = statSync(from);
    const asked = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const begin = asked ? Number(asked[1]) : 0, end = asked?.[2] ? Math.min(Number(asked[2]), size - 1) : size - 1;
    if (begin >= size) {
        response.writeHead(416, { "Content-Range": `bytes */${size}` }).end();
        return true;
    }
    const type = { ".mp4": "video/mp4", ".csv": "text/csv", ".ndjson": "application/x-ndjson", ".json": "application/json" }[path.extname(from)];
    response.writeHead(asked ? 206 : 200, {
        "Content-Type": type, "Accept-Ranges": "bytes", "Content-Length": end - begin + 1,
        ...(asked ? { "Content-Range": `bytes ${begin}-${end}/${size}` } : {}),
    });
    createReadStream(from, { start: begin, end }).pipe(response);
    return true;
}

export function makeRun(program, clip, dir) {
    execFileSync(program, ["run", clip, "--no-video", "--detect-size", "320x192", "--limit", "300", "--out", dir], { stdio: "ignore" });
    copyFileSync(clip, path.join(dir, "video.mp4"));
    const events = path.join(dir, "events.csv");
    const lines = readFileSync(events, "utf8").trim().split("\r\n").map((line, i) => `${line},${i ? "" : "text"}`);
    writeFileSync(events, [...lines, "demo,0,,marker,2000.000,2000.000,2000.000,,stimulus on", ""].join("\r\n"));
}

export function standIn(api, runDir) {
    const recordings = new Map(), runs = [];
    let flow = "fused";
    const entry = (name, source, started) => ({
        name, source, started: started.toISOString(), seconds: 12, frames: 300,
        files: readdirSync(runDir).filter((f) => !f.startsWith(".")).map((f) => ({ name: f, bytes: statSync(path.join(runDir, f)).size })),
    });
    const recordingOf = (name) => {
        const at = recordings.get(name);
        return at ? { run: at.run, seconds: (Date.now() - at.began) / 1000, frames: Math.round((Date.now() - at.began) / 40) } : null;
    };
    return async (request, response, pathname) => {
        const ask = async (target, how) => (await fetch(api + target, how)).json();
        const [, , what, name, last] = pathname.split("/");
        if (pathname === "/v1/openapi.json") {
            const described = await ask(pathname);
            for (const added of ["/v1/runs", "/v1/options", "/v1/sources/{name}/markers"]) described.paths[added] ??= {};
            return json(response, described);
        }
        if (pathname === "/v1/options") {
            if (request.method === "PATCH") ({ flow } = await bodyOf(request));
            return json(response, { flow, flows: ["fused", "threaded", "shared", "cached", "copied"], device: "emulated", detect: "auto", landmarks: "attention" });
        }
        if (pathname === "/v1/runs") return json(response, { runs: [...runs].reverse() });
        if (what === "runs") return file(request, response, path.join(runDir, path.basename(last)));
        if (what === "sources" && last === "markers") {
            const { text } = await bodyOf(request);
            const row = await ask(`/v1/sources/${name}/faces`);
            return json(response, { text, pts_ns: Math.round(row.pts * 1e9), sequence: row.sequence }, 201);
        }
        if (what === "sources" && request.method === "PATCH") {
            const body = await bodyOf(request);
            if (body.recording === true) {
                const began = new Date();
                recordings.set(name, { began, run: `${name}-${began.toISOString().replace(/[-:]|\.\d+/g, "")}` });
            } else if (body.recording === false) {
                const { run, began } = recordings.get(name);
                runs.push(entry(run, name, began));
                recordings.delete(name);
            }
            delete body.recording;
            const answer = await fetch(`${api}/v1/sources/${name}`, { method: "PATCH", body: JSON.stringify(body) });
            return json(response, { ...(await answer.json()), recording: recordingOf(name) }, answer.status);
        }
        if (pathname === "/v1/sources" && request.method === "GET") {
            const { sources } = await ask(pathname);
            return json(response, { sources: sources.map((s) => ({ ...s, recording: recordingOf(s.name) })) });
        }
        return false;
    };
}
