// Times and ages in words: to the second, never "a moment ago".

import { say } from "./strings";

/** "12:10:51" on this screen's clock. */
export function clockTime(ms: number): string {
  const d = new Date(ms);
  return [d.getHours(), d.getMinutes(), d.getSeconds()].map((n) => String(n).padStart(2, "0")).join(":");
}

/** "0.2 s" below ten seconds, "14 s", "3:07", "1:02:00". */
export function span(ms: number): string {
  if (ms < 0) ms = 0;
  if (ms < 9950) return `${(Math.round(ms / 100) / 10).toFixed(1)} s`;
  if (ms < 60000) return `${Math.round(ms / 1000)} s`;
  return counter(ms);
}

/** Whole seconds below a minute: for facts that are heard once a second. */
export function wholeSpan(ms: number | null): string {
  if (ms === null) return say("door.age.unknown");
  return ms < 60000 ? `${Math.max(0, Math.round(ms / 1000))} s` : counter(ms);
}

/** "0:04", "12:30", "1:02:00" */
export function counter(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number): string => String(n).padStart(2, "0");
  const h = Math.floor(s / 3600);
  return h > 0 ? `${h}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}
