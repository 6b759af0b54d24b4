// When a guest's keys open, in the civil time of the house: which window holds now, and which is next.
import { WEEK } from "../shared/grant";
import type { GrantOfGuest } from "./types";

const DAY = 1440;
const DAY_NAMES = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/** The minute of the week there; null: this browser does not know the zone. */
export function minuteOfWeek(ms: number, zone: string): number | null {
  try {
    const parts = new Intl.DateTimeFormat("en-GB", { timeZone: zone, weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).formatToParts(ms);
    const of = (type: string): string => parts.find((p) => p.type === type)?.value ?? "";
    const day = DAY_NAMES.indexOf(of("weekday"));
    return day < 0 ? null : day * DAY + Number(of("hour")) * 60 + Number(of("minute"));
  } catch {
    return null;
  }
}

/** A window's beginning: how many days from today, and the minutes of its day. */
export interface Next {
  inDays: number;
  from: number;
  minutes: number;
  /** Roughly when, to find the first of several keys. */
  at: number;
}

export const hasUsesLeft = (g: GrantOfGuest): boolean => g.state === "live" && g.used < g.uses;

/** The next beginning of a window of this key; null: none any more, or not known. */
export function nextOf(g: GrantOfGuest, now: number): Next | null {
  const minute = minuteOfWeek(now, g.zone);
  if (minute === null || !(hasUsesLeft(g) || g.state === "waiting")) return null;
  const first = Math.max(now, Date.parse(g.from ?? "") || 0, g.state === "waiting" ? Date.parse(g.live_at ?? "") || 0 : 0);
  const end = Date.parse(g.to ?? "") || Infinity;
  let best: Next | null = null;
  // A key counts for up to 90 days; a window comes again each week.
  for (const w of g.windows) {
    for (let weeks = 0; weeks < 14; weeks++) {
      const wait = ((w.from - minute + WEEK) % WEEK) + weeks * WEEK;
      const at = now + wait * 60000;
      if (at >= end) break;
      if (at < first || (wait > 0 && isSpent(g, minute, wait))) continue;
      if (best === null || at < best.at) best = { inDays: Math.floor(((minute % DAY) + wait) / DAY), from: w.from % DAY, minutes: w.minutes, at };
      break;
    }
  }
  return best;
}

/** What is left of today is spent already. */
function isSpent(g: GrantOfGuest, minute: number, wait: number): boolean {
  return g.used_today !== null && g.used_today >= g.per_day && (minute % DAY) + wait < DAY;
}

export function nextOfAll(grants: readonly GrantOfGuest[], now: number): { next: Next; grant: GrantOfGuest } | null {
  let best: { next: Next; grant: GrantOfGuest } | null = null;
  for (const grant of grants) {
    const next = nextOf(grant, now);
    if (next && (best === null || next.at < best.next.at)) best = { next, grant };
  }
  return best;
}
