// SPDX-License-Identifier: Apache-2.0
// Serves src/serve/page as the service does, in front of one that has another page in it or none:
//   proxy.mjs http://127.0.0.1:8080 [PORT]
import { readFile } from "node:fs/promises";
import http from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";

const page = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../src/serve/page");
const files = {
    "/": ["index.html", "text/html; charset=utf-8"],
    "/app.js": ["app.js", "text/javascript; charset=utf-8"],
    "/style.css": ["style.css", "text/css; charset=utf-8"],
    "/icon.svg": ["icon.svg", "image/svg+xml"],
    "/LICENSES.txt": ["LICENSES.txt", "text/plain; charset=utf-8"],
};
// As content_policy in src/serve/http_session.cpp; media-src is for the videos of past runs.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// For a service that is none of this machine's names: Host and Origin are made its own.
function forwarded(headers, to) {
    const made = { ...headers, host: to.host };
    if (made.origin) made.origin = to.origin;
    return made;
}

export async function serveProxy(service, port = 0) {
    const to = new URL(service);
    const open = new Set();
    const forward = (request, response) => {
        const asked = http.request({ host: to.hostname, port: to.port, method: request.method, path: request.url, headers: forwarded(request.headers, to) }, (answer) => {
            response.writeHead(answer.statusCode, answer.headers);
            answer.pipe(response);
        });
        asked.on("error", () => response.destroy());
        response.on("close", () => asked.destroy());
        request.pipe(asked);
    };
    const server = http.createServer(async (request, response) => {
        const { pathname } = new URL(request.url, "http://page");
        const file = files[pathname];
        if (file && request.method === "GET") {
            response.writeHead(200, { "Content-Type": file[1], "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store" });
            response.end(await readFile(path.join(page, file[0])));
        } else {
            forward(request, response);
        }
    });
    server.on("connection", (socket) => {
        open.add(socket);
        socket.on("close", () => open.delete(socket));
    });
    server.on("upgrade", (request, socket, head) => {
        const asked = http.request({ host: to.hostname, port: to.port, path: request.url, headers: forwarded(request.headers, to) });
        const end = () => socket.destroy();
        asked.on("error", end).on("response", end);
        asked.on("upgrade", (answer, upstream, first) => {
            const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}`);
            socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join("\r\n")}\r\n\r\n`);
            if (first.length) socket.write(first);
            upstream.on("error", end).on("close", end);
            socket.on("error", () => upstream.destroy()).on("close", () => upstream.destroy());
            upstream.pipe(socket).pipe(upstream);
        });
        asked.end(head);
    });
    await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
    return {
        origin: `http://127.0.0.1:${server.address().port}`,
        close() {
            server.close();
            for (const socket of open) socket.destroy();
        },
    };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const { origin } = await serveProxy(process.argv[2] ?? "http://127.0.0.1:8080", Number(process.argv[3] ?? 0));
    console.log(`src/serve/page at ${origin}/`);
}
