// The shell of the app only: page, script, style, pictures of the app itself. Nothing of the API, no picture of the home
// and no recording is ever kept here. And what is pushed: words with their time, never a picture.

// The library of types has either pages or workers; this is all that is used here.
interface Waiting {
  waitUntil(p: Promise<unknown>): void;
}
interface Asked extends Waiting {
  readonly request: Request;
  respondWith(r: Promise<Response>): void;
}
interface Pushed extends Waiting {
  readonly data: { json(): unknown } | null;
}
interface Clicked extends Waiting {
  readonly notification: Notification;
}
interface Page {
  readonly url: string;
  focus(): Promise<unknown>;
  postMessage(m: unknown): void;
}
interface Worker {
  addEventListener(type: "install" | "activate", f: (e: Waiting) => void): void;
  addEventListener(type: "fetch", f: (e: Asked) => void): void;
  addEventListener(type: "push", f: (e: Pushed) => void): void;
  addEventListener(type: "notificationclick", f: (e: Clicked) => void): void;
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void>; matchAll(o: { type: "window"; includeUncontrolled: boolean }): Promise<Page[]>; openWindow(url: string): Promise<unknown> };
  readonly registration: { showNotification(title: string, o: NotificationOptions & { timestamp?: number; renotify?: boolean }): Promise<void> };
}
const sw = self as unknown as Worker;
const CACHE = "doorward-home-1";
const SHELL = ["/", "/home.js", "/home.css", "/live-worker.js", "/icon.svg", "/icon-192.png", "/manifest.webmanifest"];
const LIMIT_MS = 3000;

sw.addEventListener("install", (e) => {
  e.waitUntil(
    caches.open(CACHE).then(async (c) => {
      await Promise.allSettled(SHELL.map(async (path) => {
        const r = await fetch(path, { cache: "no-cache" });
        if (r.ok && !r.redirected) await c.put(path, r);
      }));
      await sw.skipWaiting();
    }),
  );
});

sw.addEventListener("activate", (e) => {
  e.waitUntil(
    caches.keys().then(async (names) => {
      await Promise.all(names.filter((n) => n !== CACHE).map((n) => caches.delete(n)));
      await sw.clients.claim();
    }),
  );
});

/** The house first; what is kept only when the house does not answer, and then the app itself says so. */
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
  if (e.request.method !== "GET" || url.origin !== location.origin || !SHELL.includes(url.pathname)) return;
  e.respondWith(answer(e.request, url.pathname));
});

function textOf(v: unknown, max: number): string {
  return typeof v === "string" ? v.slice(0, max) : "";
}

sw.addEventListener("push", (e) => {
  let p: Record<string, unknown> = {};
  try {
    p = (e.data?.json() ?? {}) as Record<string, unknown>;
  } catch {
    p = {}; // something came: that is told, and the page says the rest
  }
  const at = Date.parse(textOf(p.at, 40));
  const url = textOf(p.url, 200);
  const tag = textOf(p.tag, 80);
  const isAct = p.level === "act";
  e.waitUntil(
    sw.registration.showNotification(textOf(p.t, 120) || "Doorward", {
      body: textOf(p.b, 400),
      icon: "/icon-192.png",
      badge: "/icon-192.png",
      data: { url: /^\/#\/[\w/.-]*$/.test(url) ? url : "/#/today" },
      ...(tag ? { tag, renotify: p.level !== "info" } : {}),
      ...(Number.isNaN(at) ? {} : { timestamp: at }),
      requireInteraction: isAct,
      silent: p.level === "info",
    }),
  );
});

sw.addEventListener("notificationclick", (e) => {
  e.notification.close();
  const url = (e.notification.data as { url?: string } | null)?.url ?? "/#/today";
  e.waitUntil(
    sw.clients.matchAll({ type: "window", includeUncontrolled: true }).then(async (pages) => {
      const page = pages.find((w) => new URL(w.url).origin === location.origin);
      if (!page) return sw.clients.openWindow(url);
      page.postMessage({ go: url });
      return page.focus();
    }),
  );
});
export {};
