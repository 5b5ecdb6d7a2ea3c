// Builds the page into the gateway's static files, or its tests: node build.mjs [--tests]
import { copyFile, mkdir, readdir, rm } from "node:fs/promises";
import { build } from "esbuild";

const tests = process.argv.includes("--tests");
const out = tests ? "build/tests" : "../gateway/agentfield_gateway/console";
const common = { bundle: true, format: "esm", target: "es2022", charset: "utf8", logLevel: "warning" };

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
if (tests) {
  const files = (await readdir("test")).filter((name) => name.endsWith(".test.ts"));
  await build({
    ...common,
    entryPoints: files.map((name) => `test/${name}`),
    outdir: out,
    outExtension: { ".js": ".mjs" },
    platform: "node",
  });
} else {
  const banner = "/* Contains Preact, (c) 2015-present Jason Miller, MIT: see licences.txt. */";
  await build({
    ...common,
    entryPoints: { page: "src/main.tsx" },
    outdir: out,
    minify: true,
    jsx: "automatic",
    jsxImportSource: "preact",
    banner: { js: banner },
    legalComments: "none",
  });
  await build({ ...common, entryPoints: { page: "src/styles.css" }, outdir: out, minify: true });
  await copyFile("src/index.html", `${out}/index.html`);
  await copyFile("node_modules/preact/LICENSE", `${out}/licences.txt`);
}
