// Imports one TypeScript module of web/ for a test, with what it imports.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { tmpdir } from "node:os";

const web = join(dirname(fileURLToPath(import.meta.url)), "../../web");
if (!existsSync(join(web, "node_modules/esbuild"))) {
  console.error("the build tools of web/ are missing. Run ./dw setup.");
  process.exit(1);
}
const esbuild = createRequire(join(web, "build.mjs"))("esbuild");
const { stringsPlugin } = await import(pathToFileURL(join(web, "strings.mjs")));

export async function load(path) {
  const r = await esbuild.build({ entryPoints: [join(web, path)], bundle: true, format: "esm", target: "es2022", write: false, logLevel: "warning",
    jsx: "automatic", jsxImportSource: "preact", plugins: [stringsPlugin()] });
  const folder = mkdtempSync(join(process.env.TMPDIR ?? tmpdir(), "dw-module-"));
  const file = join(folder, "module.mjs");
  writeFileSync(file, r.outputFiles[0].contents);
  try {
    return await import(pathToFileURL(file));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
