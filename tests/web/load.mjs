// Imports one TypeScript module of web/ for a test, with what it imports.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

/** One text of one file is another: it must stand there exactly once. */
function changed({ file, from, to }) {
  const text = readFileSync(join(web, file), "utf8");
  if (text.split(from).length !== 2) throw new Error(`${file}: not exactly once: ${from}`);
  return { name: "changed", setup: (b) => b.onLoad({ filter: /\.tsx?$/ }, (a) => (a.path === join(web, file) ? { contents: text.replace(from, () => to), loader: "ts" } : undefined)) };
}

/** `what`: a path below web/, or { contents: source as if in web/, change: { file, from, to } }. */
export async function load(what) {
  const entry = typeof what === "string" ? { entryPoints: [join(web, what)] } : { stdin: { contents: what.contents, resolveDir: web, loader: "ts" } };
  const r = await esbuild.build({ ...entry, bundle: true, format: "esm", target: "es2022", write: false, logLevel: "warning",
    jsx: "automatic", jsxImportSource: "preact", plugins: [...(what.change ? [changed(what.change)] : []), stringsPlugin()] });
  const folder = mkdtempSync(join(process.env.TMPDIR ?? tmpdir(), "dw-module-"));
  const file = join(folder, "module.mjs");
  writeFileSync(file, r.outputFiles[0].contents);
  try {
    return await import(pathToFileURL(file));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
