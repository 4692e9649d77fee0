// SPDX-License-Identifier: Apache-2.0
// Builds the page: node build.mjs [FOLDER], by default into src/serve/page, from where cmake/embed.cmake takes it.
// The same versions (package-lock.json) give the same bytes, which tests/web/built_test.mjs holds the committed ones to.
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build, context } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const committed = path.join(here, "../src/serve/page");
const copied = ["index.html", "icon.svg"];
export const files = ["app.js", "style.css", "LICENSES.txt", ...copied];
const banner = "SPDX-License-Identifier: Apache-2.0; parts are under the MIT licence: LICENSES.txt";

const options = (out) => ({
    absWorkingDir: here,
    entryPoints: { app: "src/main.tsx", style: "style/all.css" },
    outdir: out,
    bundle: true,
    minify: true,
    format: "esm",
    target: ["es2022", "chrome110", "firefox115", "safari16"],
    charset: "utf8",
    legalComments: "none",
    banner: { js: `// ${banner}`, css: `/* ${banner} */` },
    jsx: "automatic",
    jsxImportSource: "preact",
    logLevel: "warning",
});

// What is in app.js and style.css and not faceflow's own.
async function licences() {
    const parts = [];
    for (const name of ["preact", "uplot"]) {
        const { version } = JSON.parse(await readFile(path.join(here, "node_modules", name, "package.json"), "utf8"));
        const text = await readFile(path.join(here, "node_modules", name, "LICENSE"), "utf8");
        parts.push(`${name} ${version}\n\n${text.trim()}\n`);
    }
    return "The page of faceflow is under the Apache License 2.0, as faceflow is. In app.js and style.css are also:\n\n" +
        parts.join(`\n${"-".repeat(78)}\n\n`);
}

export async function buildInto(out) {
    await mkdir(out, { recursive: true });
    await build(options(out));
    for (const name of copied) await copyFile(path.join(here, name), path.join(out, name));
    await writeFile(path.join(out, "LICENSES.txt"), await licences());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    if (process.argv[2] === "--watch") {
        await buildInto(committed);
        await (await context(options(committed))).watch();
        console.log("building src/serve/page whenever a source changes; tests/web/proxy.mjs serves it in front of a service");
    } else {
        await buildInto(path.resolve(process.argv[2] ?? committed));
    }
}
