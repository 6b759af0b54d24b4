// The page of live-page.tsx as files, with what a test puts before the worker.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const web = join(here, "../../web");
const esbuild = createRequire(join(web, "build.mjs"))("esbuild");
const { stringsPlugin } = await import(pathToFileURL(join(web, "strings.mjs")));

/** `what`: a path, or { contents: source as if in web/ }. */
export async function bundle(what) {
  const entry = typeof what === "string" ? { entryPoints: [what] } : { stdin: { contents: what.contents, resolveDir: web, loader: "ts" } };
  const r = await esbuild.build({ ...entry, bundle: true, format: "esm", target: "es2022", write: false, logLevel: "warning", jsx: "automatic", jsxImportSource: "preact",
    nodePaths: [join(web, "node_modules")], plugins: [stringsPlugin(["live"])] });
  return r.outputFiles[0].text;
}

// Every chunk that the decoder is given is told, as a number that its bytes give.
export const WATCH_DECODER = `{
  const told = new BroadcastChannel("decoder");
  const decode = globalThis.VideoDecoder?.prototype.decode;
  if (decode) globalThis.VideoDecoder.prototype.decode = function (chunk) {
    const b = new Uint8Array(chunk.byteLength);
    chunk.copyTo(b);
    let h = 0x811c9dc5;
    for (const x of b) h = Math.imul(h ^ x, 0x01000193) >>> 0;
    told.postMessage(h);
    return decode.call(this, chunk);
  };
}
`;
export function fnv(bytes) {
  let h = 0x811c9dc5;
  for (const x of bytes) h = Math.imul(h ^ x, 0x01000193) >>> 0;
  return h;
}

let built = null;
export async function liveFiles(prelude = "") {
  built ??= { page: await bundle(join(here, "live-page.tsx")), worker: await bundle(join(web, "live/worker.ts")) };
  const css = readFileSync(join(web, "shared/tokens.css"), "utf8") + readFileSync(join(web, "live/live.css"), "utf8") +
    ".page { max-width: 720px; margin: 0 auto; display: grid; gap: 16px; } .page > p, .page > .card { margin-inline: 16px; }";
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Live</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/live.css"><script type="module" src="/live.js"></script></head><body><div id="app"></div></body></html>`;
  const js = "text/javascript; charset=utf-8";
  return new Map([
    ["/index.html", { type: "text/html; charset=utf-8", bytes: html.replace("data:,", "/icon.svg") }],
    ["/icon.svg", { type: "image/svg+xml", bytes: '<svg xmlns="http://www.w3.org/2000/svg"/>' }],
    ["/live.js", { type: js, bytes: built.page }],
    ["/live-worker.js", { type: js, bytes: prelude + built.worker }],
    ["/live.css", { type: "text/css; charset=utf-8", bytes: css }],
  ]);
}

/** Puts the page beside the app of a real front, at its own origin: socket and worker are the front's. Gives its address. */
export async function serveTrial(context, origin) {
  for (const [path, f] of await liveFiles())
    await context.route(`${origin}/trial${path}`, (r) => r.fulfill({ contentType: f.type, body: String(f.bytes).replaceAll('="/live.', '="/trial/live.').replace("/icon.svg", "/trial/icon.svg") }));
  return `${origin}/trial/index.html`;
}
