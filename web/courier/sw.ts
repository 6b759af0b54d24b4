// The shell of the app only: page, script, style, pictures. Nothing of the API is ever kept, and a page that the network
// can give is never older than that.

// The library of types has either pages or workers; this is all that is used here.
interface Waiting {
  waitUntil(p: Promise<unknown>): void;
}
interface Asked extends Waiting {
  readonly request: Request;
  respondWith(r: Promise<Response>): void;
}
interface Worker {
  addEventListener(type: "install" | "activate", f: (e: Waiting) => void): void;
  addEventListener(type: "fetch", f: (e: Asked) => void): void;
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
}
const sw = self as unknown as Worker;
const CACHE = "doorward-shell-1";
const SHELL = ["/", "/courier.js", "/courier.css", "/icon.svg", "/manifest.webmanifest", "/push-1.svg", "/push-2.svg", "/push-3.svg"];
const LATER = ["/scan.worker.js", "/zxing_reader.wasm"];
const LIMIT_MS = 3000;

sw.addEventListener("install", (e) => {
  e.waitUntil(
    caches.open(CACHE).then(async (c) => {
      await Promise.allSettled(SHELL.map((path) => keep(c, path)));
      await sw.skipWaiting();
    }),
  );
});

async function keep(c: Cache, path: string): Promise<void> {
  const r = await fetch(path, { cache: "no-cache" });
  if (r.ok && !r.redirected) await c.put(path, r);
}

sw.addEventListener("activate", (e) => {
  e.waitUntil(
    caches.keys().then(async (names) => {
      await Promise.all(names.filter((n) => n !== CACHE).map((n) => caches.delete(n)));
      await sw.clients.claim();
    }),
  );
});

async function answer(request: Request, path: string): Promise<Response> {
  const c = await caches.open(CACHE);
  const kept = await c.match(path);
  try {
    const r = await fetch(path, {
      credentials: "same-origin",
      redirect: request.mode === "navigate" ? "manual" : "follow", // to the sign-in: the browser's own business
      ...(kept ? { signal: AbortSignal.timeout(LIMIT_MS) } : {}),
    });
    if (r.ok && !r.redirected && r.type === "basic") void c.put(path, r.clone()).catch(() => undefined);
    return r;
  } catch (err) {
    if (kept) return kept;
    throw err;
  }
}

sw.addEventListener("fetch", (e) => {
  const url = new URL(e.request.url);
  if (e.request.method !== "GET" || url.origin !== location.origin) return;
  if (SHELL.includes(url.pathname) || LATER.includes(url.pathname)) e.respondWith(answer(e.request, url.pathname));
});
export {};
