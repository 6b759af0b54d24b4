// Times, dates and names as this app says them.

import { has, language, t } from "../shared/strings";
import { clockTime, counter } from "../shared/times";
import type { GrantRow, Job, Visit } from "./types";

export function msOf(iso: string | null): number | null {
  if (iso === null) return null;
  const ms = Date.parse(iso);
  return Number.isNaN(ms) ? null : ms;
}
/** "12:10:42" */
export function timeOf(iso: string | null): string {
  const ms = msOf(iso);
  return ms === null ? t("home.time.unknown") : clockTime(ms);
}
export function dayWords(ms: number, now: number): string {
  const d = new Date(ms);
  const day = (x: Date): string => `${x.getFullYear()}-${x.getMonth()}-${x.getDate()}`;
  if (day(d) === day(new Date(now))) return t("home.today");
  if (day(d) === day(new Date(now - 86400e3))) return t("home.yesterday");
  return new Intl.DateTimeFormat(language(), { weekday: "long", day: "numeric", month: "long" }).format(d);
}
/** Within a sentence: "today 12:10:42". */
export function dayAndTime(iso: string | null, now: number): string {
  const ms = msOf(iso);
  if (ms === null) return t("home.time.unknown");
  const day = dayWords(ms, now);
  return `${day === t("home.today") ? t("home.today.in") : day === t("home.yesterday") ? t("home.yesterday.in") : day} ${clockTime(ms)}`;
}
export const upper = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
/** A civil date, "2026-11-22", of the home. */
export function civilDay(date: string | null, now: number): string {
  if (date === null) return t("home.day.unknown");
  const [y, m, d] = date.split("-").map(Number);
  return dayWords(new Date(y!, m! - 1, d!, 12).getTime(), now);
}
export function civilOf(ms: number): string {
  const d = new Date(ms);
  return `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, "0")}-${String(d.getDate()).padStart(2, "0")}`;
}
/** "18 s", "1:12" */
export function lasted(ms: number | null): string {
  if (ms === null) return t("home.time.unknown");
  return ms < 60000 ? `${Math.max(0, Math.round(ms / 1000))} s` : counter(ms);
}
export function seconds(ms: number): string {
  return new Intl.NumberFormat(language(), { maximumFractionDigits: 1 }).format(ms / 1000);
}
/** The reason of a refusal, for the household. */
export function reasonOf(check: string | null): string {
  if (check === null) return t("home.reason.unknown");
  const key = `alert.check.${check}`;
  const text = has(key) ? t(key) : check;
  return upper(text);
}
export function alarmOf(code: string): string {
  return has(`alert.alarm.${code}`) ? t(`alert.alarm.${code}`) : code;
}
export function whoOf(v: { visitor: string; agency: string }): string {
  if (v.visitor === "") return t("alert.someone");
  return v.agency === "" ? v.visitor : t("home.who", { visitor: v.visitor, agency: v.agency });
}
export function jobTitle(j: Job): string {
  if (j.kind === "stay") return t("home.job.stay");
  return j.parcels === 1 ? t("home.job.parcel") : t("home.job.parcels", { n: j.parcels });
}

/** What stands above a job: what the household has to do with it, and then what it is. */
export type JobWord = Job["state"] | "asks" | "stopped" | "keyless";
export function jobWord(j: Job): JobWord {
  if (j.state !== "expected") return j.state;
  if (j.agency_stopped) return "stopped";
  if (j.mode === "unknown") return "keyless";
  return j.needs_yes === true ? "asks" : "expected";
}

export type Tone = { kind: "secured" | "watched" | "notice" | "unknown" | "act"; icon: string; word: string };

/** How a visit that is over ended. Everything that is not sensed is not known. */
export function endOf(v: Visit): Tone {
  switch (v.outcome) {
    case "OK":
      return { kind: "secured", icon: "lock", word: t("visit.ended.OK") };
    case "NOT_OPENED":
      return { kind: "secured", icon: "lock", word: t("visit.ended.NOT_OPENED") };
    case "SECURED_WITH_GAP":
    case "SECURED_TAMPERED":
      return { kind: "notice", icon: "lock", word: t(`visit.ended.${v.outcome}`) };
    case "REFUSED":
      return { kind: "notice", icon: "box", word: t(v.kind === "drop" ? "home.left" : "visit.ended.REFUSED") };
    case "NOT_SECURED":
      return { kind: "act", icon: "act", word: t("visit.ended.NOT_SECURED") };
    case "SECURED_UNCONFIRMED":
    case "ABORTED":
      return { kind: "unknown", icon: "ask", word: t(`visit.ended.${v.outcome}`) };
    case null:
      return { kind: "unknown", icon: "ask", word: t("home.visit.open") };
    default:
      return { kind: "unknown", icon: "ask", word: v.outcome };
  }
}

/** A permission that opens nothing any more. */
export const isOver = (g: GrantRow): boolean => g.state === "vetoed" || g.state === "revoked" || g.state === "expired";
