// What the service workers of both apps share: the shell of an app (page, script, style, its own pictures) is kept for when the
// network does not answer. Nothing of an API is ever kept, and a page that the network can give is never older than that.

// The library of types has either pages or workers; this is all that is used here.
export interface Waiting {
  waitUntil(p: Promise<unknown>): void;
}
interface Asked extends Waiting {
  readonly request: Request;
  respondWith(r: Promise<Response>): void;
}
export interface ShellWorker {
  addEventListener(type: "install" | "activate", f: (e: Waiting) => void): void;
  addEventListener(type: "fetch", f: (e: Asked) => void): void;
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
}

const LIMIT_MS = 3000;

/** Keeps `shell` in `cache` at once, and `later` when it is first asked for. */
export function keepShell(sw: ShellWorker, cache: string, shell: readonly string[], later: readonly string[] = []): void {
  const keep = async (c: Cache, path: string): Promise<void> => {
    const r = await fetch(path, { cache: "no-cache" });
    if (r.ok && !r.redirected) await c.put(path, r);
  };

  /** The network first; what is kept only when it does not answer, and then the app itself says so. */
  const answer = async (request: Request, path: string): Promise<Response> => {
    const c = await caches.open(cache);
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
  };

  sw.addEventListener("install", (e) => {
    e.waitUntil(
      caches.open(cache).then(async (c) => {
        await Promise.allSettled(shell.map((path) => keep(c, path)));
        await sw.skipWaiting();
      }),
    );
  });

  sw.addEventListener("activate", (e) => {
    e.waitUntil(
      caches.keys().then(async (names) => {
        await Promise.all(names.filter((n) => n !== cache).map((n) => caches.delete(n)));
        await sw.clients.claim();
      }),
    );
  });

  sw.addEventListener("fetch", (e) => {
    const url = new URL(e.request.url);
    if (e.request.method !== "GET" || url.origin !== location.origin) return;
    if (shell.includes(url.pathname) || later.includes(url.pathname)) e.respondWith(answer(e.request, url.pathname));
  });
}
