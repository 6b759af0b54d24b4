// What the board shows, out of what the service tells. A stop is never called locked unless the visit ended so.

import type { Job, Visit } from "../courier/types";

export interface Person {
  id: string;
  name: string;
  active: boolean;
}
export interface Screening {
  issuer: string;
  kind: string;
  valid_from: string;
  valid_to: string;
}

/** What a household has signed for this agency. */
export interface GrantOf {
  id: string;
  from: string;
  to: string;
  zone: string;
  windows: { from: number; minutes: number }[];
  kind: "drop" | "stay";
  door: number;
  per_day: number;
  uses: number;
  dwell_ms: number;
  mode: "ask" | "veto" | "notify";
  hosted: boolean;
}
export interface HomeOf {
  id: string;
  state: string;
  zone: string | null;
  /** Live ones, newest first. */
  grants: GrantOf[];
  asked: string | null;
  revoked: string | null;
}
/** What the agency's signer has still to sign. */
export interface Waiting {
  id: string;
  kind: "introduce" | "manifest" | "shift";
  created: string;
}
/** A signer that runs answers within seconds. */
export const SIGNER_MS = 60000;

export function standingOf(h: HomeOf): "given" | "asked" | "revoked" | "none" {
  return h.grants.length > 0 ? "given" : h.asked ? "asked" : h.revoked ? "revoked" : "none";
}

const DAY = 1440;
const clock = (m: number): string => `${String(Math.floor(m / 60)).padStart(2, "0")}:${String(m % 60).padStart(2, "0")}`;

/** Windows of the week by their hours: the days that share them, Monday first. None is left out. */
export function weekOf(windows: GrantOf["windows"]): { from: string; to: string; days: number[]; isRun: boolean }[] {
  const by = new Map<string, { from: string; to: string; days: number[]; isRun: boolean }>();
  for (const w of [...windows].sort((a, b) => a.from - b.from)) {
    // A window that runs over midnight is cut there: each day keeps its own hours.
    for (let from = w.from, left = w.minutes; left > 0; ) {
      const part = Math.min(left, DAY - (from % DAY));
      const hours = { from: clock(from % DAY), to: clock((from % DAY) + part) };
      const key = `${hours.from}-${hours.to}`;
      const line = by.get(key) ?? { ...hours, days: [], isRun: true };
      const day = Math.floor(from / DAY) % 7;
      if (!line.days.includes(day)) line.days.push(day);
      by.set(key, line);
      from += part;
      left -= part;
    }
  }
  return [...by.values()].map((l) => {
    const days = l.days.sort((a, b) => a - b);
    return { ...l, days, isRun: days.every((d, i) => i === 0 || d === days[i - 1]! + 1) };
  });
}

export type Word = "locked" | "refused" | "unconfirmed" | "stuck" | "on" | "expected";
export const KIND: Record<Word, string> = { locked: "secured", refused: "notice", unconfirmed: "unknown", stuck: "act", on: "watched", expected: "plan" };
export const ICON: Record<Word, string> = { locked: "lock", refused: "open", unconfirmed: "ask", stuck: "act", on: "open", expected: "box" };

/** Where a visit stands, in the board's words. */
export function wordOf(job: Job, v: Visit | undefined): Word {
  if (!v) return job.state === "declined" || job.state === "recalled" ? "refused" : "expected";
  switch (v.outcome) {
    case "OK":
    case "SECURED_WITH_GAP":
    case "SECURED_TAMPERED":
      return "locked";
    case "REFUSED":
    case "NOT_OPENED":
      return "refused";
    case "NOT_SECURED":
      return "stuck";
    case "SECURED_UNCONFIRMED":
    case "ABORTED":
      return "unconfirmed";
    default:
      return v.state === "not_secured" ? "stuck" : v.state === "unconfirmed" ? "unconfirmed" : v.state === "refused" ? "refused" : "on";
  }
}

export interface Stop {
  job: Job;
  visit: Visit | undefined;
  word: Word;
}

export interface Route {
  visitor: string | null;
  stops: Stop[];
  /** The stop that is at a door now, or the one that needs somebody, else the newest that is over. */
  at: Stop | undefined;
}

const byTime = (a: Stop, b: Stop): number => (a.job.window.from < b.job.window.from ? -1 : a.job.window.from > b.job.window.from ? 1 : a.job.created < b.job.created ? -1 : 1);

export function newestOf(visits: Visit[]): Map<string, Visit> {
  const newest = new Map<string, Visit>();
  for (const v of visits) {
    const before = newest.get(v.job);
    if (!before || before.asked < v.asked) newest.set(v.job, v);
  }
  return newest;
}

export function routesOf(jobs: Job[], visits: Visit[]): Route[] {
  const newest = newestOf(visits);
  const routes = new Map<string, Route>();
  for (const job of jobs) {
    const key = job.visitor ?? "";
    const r = routes.get(key) ?? { visitor: job.visitor, stops: [], at: undefined };
    const visit = newest.get(job.id);
    r.stops.push({ job, visit, word: wordOf(job, visit) });
    routes.set(key, r);
  }
  const need: Word[] = ["stuck", "unconfirmed", "on"];
  const list = [...routes.values()];
  for (const r of list) {
    r.stops.sort(byTime);
    r.at = need.map((w) => r.stops.find((s) => s.word === w)).find((s) => s !== undefined);
  }
  // Whoever needs somebody comes first.
  const rank = (r: Route): number => (r.at ? need.indexOf(r.at.word) : need.length);
  return list.sort((a, b) => rank(a) - rank(b));
}

export function refusalsOf(visits: Visit[], day: string): [string, number][] {
  const count = new Map<string, number>();
  for (const v of visits) {
    if (v.outcome === "REFUSED" && v.check && v.asked.slice(0, 10) === day) count.set(v.check.code, (count.get(v.check.code) ?? 0) + 1);
  }
  return [...count].sort((a, b) => b[1] - a[1]);
}

/** Since when the visit has been in its state: the house's own time. */
export function sinceOf(v: Visit): string | null {
  return [...(v.story ?? [])].reverse().find((l) => l.state === v.state && l.at)?.at?.time ?? null;
}

export type Screened = { state: "valid" | "soon" | "out" | "none" | "ask"; days: number; newest: Screening | undefined };
export function screenedOf(list: Screening[] | undefined, day: string): Screened {
  if (list === undefined) return { state: "ask", days: 0, newest: undefined };
  const good = list.filter((s) => s.valid_from <= day && s.valid_to >= day).sort((a, b) => (a.valid_to < b.valid_to ? 1 : -1))[0];
  const newest = good ?? [...list].sort((a, b) => (a.valid_to < b.valid_to ? 1 : -1))[0];
  if (!newest) return { state: "none", days: 0, newest };
  if (!good) return { state: "out", days: 0, newest };
  const days = Math.round((Date.parse(good.valid_to) - Date.parse(day)) / 86400000);
  return { state: days <= 14 ? "soon" : "valid", days, newest };
}
