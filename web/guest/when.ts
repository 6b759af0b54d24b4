// When a guest's keys open, in the civil time of the house: which window holds now, and which is next.
import { WEEK } from "../shared/grant";
import type { GrantOfGuest } from "./types";

const DAY = 1440;
const MINUTE_MS = 60000;
/** A key counts for up to 90 days; a window comes again each week. */
const WEEKS_MAX = 14;
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

/** When it opens next: how many days from today, and from which minute of that day for how long. */
export interface Next {
  inDays: number;
  from: number;
  minutes: number;
  /** Roughly when, to find the first of several keys. */
  at: number;
}

export const hasUsesLeft = (g: GrantOfGuest): boolean => g.state === "live" && g.used < g.uses;

/** From when on this key may open at all: it has begun, it counts, and there is a time left on that day. */
function firstOf(g: GrantOfGuest, now: number, minute: number): number {
  const isSpent = g.used_today !== null && g.used_today >= g.per_day;
  const begun = isSpent ? now + (DAY - (minute % DAY)) * MINUTE_MS : now;
  return Math.max(begun, Date.parse(g.from ?? "") || 0, g.state === "waiting" ? Date.parse(g.live_at ?? "") || 0 : 0);
}

/** When this key opens next; null: never again, or not known. */
export function nextOf(g: GrantOfGuest, now: number): Next | null {
  const minute = minuteOfWeek(now, g.zone);
  if (minute === null || !(hasUsesLeft(g) || g.state === "waiting")) return null;
  const first = firstOf(g, now, minute);
  const end = Date.parse(g.to ?? "") || Infinity;
  let best: Next | null = null;
  for (const w of g.windows) {
    for (let week = -1; week < WEEKS_MAX; week++) {
      const begins = now + (w.from - minute + week * WEEK) * MINUTE_MS;
      const ends = begins + w.minutes * MINUTE_MS;
      if (ends <= first) continue;
      // One that is running then is joined in its middle.
      const at = Math.max(begins, first);
      const wait = Math.ceil((at - now) / MINUTE_MS);
      if (at < end && (best === null || at < best.at)) best = { inDays: Math.floor(((minute % DAY) + wait) / DAY), from: (minute + wait) % DAY, minutes: Math.round((ends - at) / MINUTE_MS), at };
      break;
    }
  }
  return best;
}

export function nextOfAll(grants: readonly GrantOfGuest[], now: number): { next: Next; grant: GrantOfGuest } | null {
  let best: { next: Next; grant: GrantOfGuest } | null = null;
  for (const grant of grants) {
    const next = nextOf(grant, now);
    if (next && (best === null || next.at < best.next.at)) best = { next, grant };
  }
  return best;
}
