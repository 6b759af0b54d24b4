// The shell of the household's app: no picture of the home and no recording is ever kept here. And what is pushed: words with
// their time, never a picture.
import { type ShellWorker, type Waiting, keepShell } from "../shared/shell";

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
interface PushWorker {
  addEventListener(type: "push", f: (e: Pushed) => void): void;
  addEventListener(type: "notificationclick", f: (e: Clicked) => void): void;
  readonly clients: { matchAll(o: { type: "window"; includeUncontrolled: boolean }): Promise<Page[]>; openWindow(url: string): Promise<unknown> };
  readonly registration: { showNotification(title: string, o: NotificationOptions & { timestamp?: number; renotify?: boolean }): Promise<void> };
}
const sw = self as unknown as PushWorker;
const SHELL = ["/", "/home.js", "/home.css", "/live-worker.js", "/icon.svg", "/icon-192.png", "/manifest.webmanifest"];

/** Kept by whoever looks at it: a guest's page says by itself that the house does not answer. */
const GUEST = ["/guest", "/guest.js", "/guest.css"];

keepShell(self as unknown as ShellWorker, "doorward-home-1", SHELL, GUEST);

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
