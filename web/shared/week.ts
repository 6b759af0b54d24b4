// Days and times of a permission: from a form to windows of the week, and from windows to words.

import { type WeekWindow, WEEK } from "./grant";
import { language, t } from "./strings";

const DAY = 1440;

/** One row of the form: times as "HH:MM"; an end of "00:00" is the end of the day, one before the beginning is on the next. */
export interface DayRow {
  on: boolean;
  from: string;
  to: string;
}
export type Preset = "weekdays" | "every" | "own" | "same";

const minuteOf = (time: string): number => {
  const m = /^(\d\d):(\d\d)$/.exec(time);
  return m === null ? Number.NaN : Number(m[1]) * 60 + Number(m[2]);
};
export const clockOf = (minute: number): string => `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;

export function rowsOf(days: number[], from: string, to: string): DayRow[] {
  return Array.from({ length: 7 }, (_, d) => ({ on: days.includes(d), from, to }));
}
export const WEEKDAYS = rowsOf([0, 1, 2, 3, 4], "08:00", "18:00");
export const EVERY_DAY = rowsOf([0, 1, 2, 3, 4, 5, 6], "08:00", "20:00");

/** Over midnight it ends on the next day, Sunday's on Monday; whole in one window, as it is signed. */
export const isOvernight = (r: DayRow): boolean => minuteOf(r.to) > 0 && minuteOf(r.to) < minuteOf(r.from);

/** null: a row that is on has no times, or ends when it begins; or no row is on. */
export function windowsOf(rows: readonly DayRow[]): WeekWindow[] | null {
  const out: WeekWindow[] = [];
  for (const [d, r] of rows.entries()) {
    if (!r.on) continue;
    const from = minuteOf(r.from);
    const end = minuteOf(r.to);
    const to = end === 0 || isOvernight(r) ? DAY + end : end;
    if (Number.isNaN(from) || Number.isNaN(end) || to <= from) return null;
    out.push({ from: d * DAY + from, minutes: to - from });
  }
  return out.length === 0 ? null : out;
}

export const sameWindows = (a: readonly WeekWindow[], b: readonly WeekWindow[]): boolean => a.length === b.length && a.every((w, i) => w.from === b[i]!.from && w.minutes === b[i]!.minutes);

/** "Monday" for 0. 2024 began on one. */
export function dayName(d: number, form: "long" | "short" = "long"): string {
  return new Intl.DateTimeFormat(language(), { weekday: form, timeZone: "UTC" }).format(Date.UTC(2024, 0, 1 + d));
}

function daysText(days: number[]): string {
  if (days.length === 7) return t("week.every");
  const isRun = days.every((d, i) => i === 0 || d === days[i - 1]! + 1);
  if (isRun && days.length >= 3) return t("week.run", { first: dayName(days[0]!), last: dayName(days.at(-1)!) });
  return new Intl.ListFormat(language(), { type: "conjunction" }).format(days.map((d) => dayName(d)));
}

/** One line for each set of days with the same times; nothing is left out. */
export function weekLines(windows: readonly WeekWindow[]): string[] {
  const same = new Map<string, number[]>();
  const nights = new Map<string, number[]>();
  const rest: string[] = [];
  for (const w of windows) {
    const day = Math.floor(w.from / DAY);
    const from = w.from % DAY;
    const end = from + w.minutes;
    if (w.minutes === WEEK) rest.push(t("week.all"));
    else if (end <= DAY) {
      const key = `${clockOf(from)}-${clockOf(end)}`; // "24:00" is the end of the day
      same.set(key, [...(same.get(key) ?? []), day]);
    } else if (w.minutes <= DAY) {
      const key = `${clockOf(from)}-${clockOf(end - DAY)}`;
      nights.set(key, [...(nights.get(key) ?? []), day]);
    } else {
      const last = Math.floor((end - 1) / DAY);
      const line = t("week.over", { day: dayName(day), from: clockOf(from), last: dayName((day + last) % 7), to: clockOf(end - last * DAY) });
      rest.push(t("week.long", { line, n: new Intl.NumberFormat(language(), { maximumFractionDigits: 1 }).format(w.minutes / 60) }));
    }
  }
  const lines = [...same].map(([times, days]) => {
    const [from, to] = times.split("-");
    return from === "00:00" && to === "24:00" ? t("week.line.all", { days: daysText(days) }) : t("week.line", { days: daysText(days), from: from!, to: to! });
  });
  // Each night whole, by both its days; many of the same in one line.
  for (const [times, days] of nights) {
    const [from, to] = times.split("-") as [string, string];
    if (days.length > 2) lines.push(t("week.next", { days: daysText(days), from, to }));
    else lines.push(...days.map((d) => t("week.over", { day: dayName(d), from, last: dayName((d + 1) % 7), to })));
  }
  return [...lines, ...rest];
}

/** In the zone of the home; a browser that does not know the zone says UTC, and that it does. */
function inZone(ms: number, zone: string, o: Intl.DateTimeFormatOptions): string {
  try {
    return new Intl.DateTimeFormat(language(), { ...o, timeZone: zone }).format(ms);
  } catch {
    return `${new Intl.DateTimeFormat(language(), { ...o, timeZone: "UTC" }).format(ms)} UTC`;
  }
}
const DATE: Intl.DateTimeFormatOptions = { weekday: "long", day: "numeric", month: "long", year: "numeric" };

/** A moment that ends something: midnight is said as the end of the day before. */
export function endText(ms: number, zone: string): string {
  const time = inZone(ms, zone, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return /^00:00/.test(time) ? t("week.end", { day: inZone(ms - 1, zone, DATE) }) : t("week.until", { day: inZone(ms, zone, DATE), time });
}

/** How long somebody may be inside, or the door stand open. */
export function spanText(ms: number): string {
  const n = (x: number): string => new Intl.NumberFormat(language(), { maximumFractionDigits: 1 }).format(x);
  if (ms < 120000) return t("unit.s", { n: n(ms / 1000) });
  return ms < 7200000 ? t("unit.min", { n: n(ms / 60000) }) : t("unit.h", { n: n(ms / 3600000) });
}

/** The first digits of a key, in fours: to be read out over the telephone. */
export const keyText = (hex: string): string => (hex.slice(0, 16).match(/.{1,4}/g) ?? []).join(" ");
