// SPDX-License-Identifier: Apache-2.0
// The page of `faceflow serve`: the sources with their meshes, and what their frames cost.
const byId = (id) => document.getElementById(id);
const token = new URLSearchParams(location.search).get("token") ?? "";
const query = (given = {}) => {
    const all = new URLSearchParams(token ? { ...given, token } : given).toString();
    return all ? `?${all}` : "";
};

async function call(method, path, body) {
    const options = { method };
    if (body !== undefined) options.body = body instanceof Blob ? body : JSON.stringify(body);
    const answer = await fetch(path + query(), options);
    const value = answer.status === 204 ? null : await answer.json();
    if (!answer.ok) throw new Error(value.error.message);
    return value;
}

function show(problem) {
    byId("problem").textContent = problem ?? "";
}

async function attempt(work) {
    try {
        show();
        await work();
    } catch (error) {
        show(error.message);
    }
}

const text = (tag, content, className) => {
    const made = document.createElement(tag);
    made.textContent = content;
    if (className) made.className = className;
    return made;
};

// One source on the wall. Picture and faces come in one message, so they belong together.
class Tile {
    constructor(name) {
        this.name = name;
        this.element = document.createElement("li");
        this.canvas = document.createElement("canvas");
        this.canvas.setAttribute("role", "img");
        this.state = text("p", "");
        this.figures = text("p", "");
        this.pause = text("button", "Pause");
        this.pause.addEventListener("click", () => attempt(async () => {
            await call("PATCH", this.path, { paused: !this.paused });
            await refresh();
        }));
        const remove = text("button", "Remove");
        remove.setAttribute("aria-label", `Remove ${name}`);
        remove.addEventListener("click", () => attempt(async () => {
            await call("DELETE", this.path);
            await refresh();
        }));
        const buttons = document.createElement("div");
        buttons.className = "do";
        buttons.append(this.pause, remove);
        const about = document.createElement("div");
        about.className = "about";
        about.append(text("h3", name), this.state, this.figures, buttons);
        this.element.append(this.canvas, about);
        this.connect();
    }
    get path() {
        return `/v1/sources/${encodeURIComponent(this.name)}`;
    }
    connect() {
        const scheme = location.protocol === "https:" ? "wss:" : "ws:";
        this.socket = new WebSocket(`${scheme}//${location.host}/v1/faces${query({ source: this.name, preview: "1" })}`);
        this.socket.binaryType = "arraybuffer";
        this.socket.addEventListener("message", (event) => this.take(event.data));
        this.socket.addEventListener("close", () => {
            if (!this.gone) setTimeout(() => this.gone || this.connect(), 1000);
        });
    }
    end() {
        this.gone = true;
        this.socket.close();
        this.element.remove();
    }
    async take(message) {
        if (this.drawing || document.hidden) return;
        this.drawing = true;
        const length = new DataView(message).getUint32(0, true);
        const row = JSON.parse(new TextDecoder().decode(new Uint8Array(message, 4, length)));
        const picture = await createImageBitmap(new Blob([new Uint8Array(message, 4 + length)], { type: "image/jpeg" }));
        this.draw(picture, row);
        picture.close();
        this.drawing = false;
    }
    draw(picture, row) {
        const { canvas } = this;
        if (canvas.width !== picture.width || canvas.height !== picture.height) {
            canvas.width = picture.width;
            canvas.height = picture.height;
            canvas.style.aspectRatio = `${picture.width} / ${picture.height}`;
        }
        const pen = canvas.getContext("2d");
        const scale = picture.width / row.width;
        pen.drawImage(picture, 0, 0);
        for (const face of row.faces) {
            const hue = (face.track * 67) % 360;
            pen.fillStyle = `hsl(${hue} 90% 65%)`;
            for (const [x, y] of face.landmarks) pen.fillRect(x * scale - 0.75, y * scale - 0.75, 1.5, 1.5);
            pen.strokeStyle = pen.fillStyle;
            pen.lineWidth = 2;
            const [x, y, width, height] = face.box.map((v) => v * scale);
            pen.strokeRect(x, y, width, height);
            pen.font = "600 14px system-ui, sans-serif";
            pen.fillText(`${face.track}  ${Math.round(face.pose.yaw)}°`, x, Math.max(14, y - 5));
        }
        canvas.dataset.sequence = row.sequence;
        canvas.dataset.faces = row.faces.length;
    }
    tell(status) {
        this.paused = status.state === "paused";
        this.pause.textContent = this.paused ? "Resume" : "Pause";
        this.pause.setAttribute("aria-label", `${this.pause.textContent} ${this.name}`);
        this.state.className = `state-${status.state}`;
        this.state.textContent = status.message ? `${status.state}: ${status.message}` : status.state;
        const faces = status.faces === 1 ? "1 face" : `${status.faces} faces`;
        this.figures.textContent = `${faces}, ${status.frames_per_second.toFixed(1)} frames/s, ${status.latency_ms.toFixed(0)} ms, ` +
            `${status.dropped} dropped`;
        this.canvas.setAttribute("aria-label", `${this.name}: ${faces}`);
    }
}

const tiles = new Map();

function showSources(sources) {
    const wanted = new Set(sources.map((s) => s.name));
    for (const [name, tile] of tiles) {
        if (!wanted.has(name)) {
            tile.end();
            tiles.delete(name);
        }
    }
    for (const status of sources) {
        if (!tiles.has(status.name)) {
            tiles.set(status.name, new Tile(status.name));
            byId("wall").append(tiles.get(status.name).element);
        }
        tiles.get(status.name).tell(status);
    }
    byId("empty").hidden = sources.length > 0;
}

const amount = (bytes) => (bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`);

function showStatistics(s) {
    byId("flow-caption").textContent = `Flow ${s.flow}, on ${s.devices.map((d) => d.description).join(", ")}, for ${Math.round(s.uptime_seconds)} s`;
    byId("stages").replaceChildren(...Object.entries(s.stages).map(([stage, latency]) => {
        const row = document.createElement("tr");
        const head = text("th", stage);
        head.scope = "row";
        const sum = (pick) => s.devices.reduce((all, d) => all + pick(d.stages[stage]), 0);
        const moved = (way) => {
            const count = sum((x) => x[way].count);
            return count ? `${count}, ${amount(sum((x) => x[way].bytes))}` : "–";
        };
        row.append(head, text("td", latency.p50_ms.toFixed(2)), text("td", latency.p95_ms.toFixed(2)), text("td", moved("host_to_device")),
            text("td", moved("device_to_host")), text("td", String(sum((x) => x.syncs) || "–")));
        return row;
    }));
    const asked = s.cache.hits + s.cache.misses;
    const figures = [
        ["Frames", s.frames], ["Latency p50 / p95", `${s.latency.p50_ms.toFixed(1)} / ${s.latency.p95_ms.toFixed(1)} ms`],
        ["Cache hits", asked ? `${((100 * s.cache.hits) / asked).toFixed(1)} %` : "nothing is cached"],
        ["Cached", `${s.cache.frames} frames, ${amount(s.cache.bytes)}`],
        ["Device memory", s.devices.map((d) => `${amount(d.pool_bytes)} of ${amount(d.pool_cap_bytes)}`).join(", ")],
        ["Dropped", Object.entries(s.dropped).map(([why, n]) => `${n} ${why}`).join(", ") || "none"],
    ];
    byId("figures").replaceChildren(...figures.map(([name, value]) => {
        const pair = document.createElement("div");
        pair.append(text("dt", name), text("dd", String(value)));
        return pair;
    }));
}

async function refresh() {
    try {
        const [{ sources }, statistics] = await Promise.all([call("GET", "/v1/sources"), call("GET", "/v1/statistics")]);
        showSources(sources);
        showStatistics(statistics);
        byId("connection").textContent = `version ${statistics.version}`;
    } catch (error) {
        byId("connection").textContent = `no answer: ${error.message}`;
    }
}

byId("add").addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target;
    attempt(async () => {
        await call("POST", "/v1/sources", { name: form.name.value, input: form.input.value, loop: form.loop.checked });
        form.reset();
        await refresh();
    });
});

byId("picture").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    byId("picture-faces").textContent = "looking …";
    try {
        const { faces } = await call("POST", "/v1/faces", file);
        byId("picture-faces").textContent = faces.length === 1 ? "1 face" : `${faces.length} faces`;
    } catch (error) {
        byId("picture-faces").textContent = error.message;
    }
});

await refresh();
setInterval(() => document.hidden || refresh(), 1000);
