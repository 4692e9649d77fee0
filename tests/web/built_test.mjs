// SPDX-License-Identifier: Apache-2.0
// What is committed in src/serve/page is what web/ builds, and is small.
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { gzipSync } from "node:zlib";
import { folder, root } from "./support.mjs";

const web = path.join(root, "web"), page = path.join(root, "src/serve/page");
const skip = existsSync(path.join(web, "node_modules/esbuild")) ? false : "web/node_modules is missing: cd web && npm ci --ignore-scripts";

test("the committed page is what web/ builds", { skip }, async () => {
    const { buildInto, files } = await import(path.join(web, "build.mjs"));
    const { dir, remove } = folder();
    try {
        await buildInto(dir);
        assert.deepEqual(readdirSync(page).sort(), [...files].sort());
        for (const name of files)
            assert.ok(readFileSync(path.join(dir, name)).equals(readFileSync(path.join(page, name))), `src/serve/page/${name} is not what web/ builds: make page`);
    } finally {
        remove();
    }
});

test("the page is less than 100 kB to send", () => {
    const all = readdirSync(page).reduce((sum, name) => sum + gzipSync(readFileSync(path.join(page, name)), { level: 9 }).length, 0);
    assert.ok(all < 100_000, `${all} bytes`);
});

test("each source file of the page has its licence", () => {
    const files = ["src", "style"].flatMap((of) => readdirSync(path.join(web, of)).map((name) => path.join(web, of, name)));
    for (const file of [...files, path.join(web, "build.mjs"), path.join(web, "index.html")]) {
        assert.match(readFileSync(file, "utf8").slice(0, 200), /SPDX-License-Identifier: Apache-2\.0/, file);
    }
});
