// What this screen may show at a moment: the word of the picture and the line about the door. Pure: times come in as
// milliseconds of the page's clock. Nothing here believes an old thing because nothing newer came [I29, I31].

import { DARK_MS, livenessOf } from "../shared/age";
import type { Display } from "../shared/display";
import type { Cannot, Changed, State } from "./messages";

/** A changed or frozen picture is told for at least this long, so that nobody misses it. */
export const TOLD_MS = 4000;

export type PictureWord = "wait" | "live" | "stale" | "blind" | "frozen" | "covered" | "tampered" | "unproven" | "off" | "nothing";

/** Words that say: there is no picture of now, and there should be one. */
export const ALARMING: ReadonlySet<PictureWord> = new Set(["blind", "frozen", "covered", "tampered"]);

export function isVisitOn(s: State | null): boolean {
  return s !== null && s.visit !== null && s.visit_state !== "none";
}

/** Off by the household's own wish, and no visit makes an exception. */
export function isOff(s: State | null): boolean {
  return (s?.camera_mode === "off" || s?.camera_mode === "visits") && !isVisitOn(s);
}

export class Picture {
  exposedAt: number | null = null; // newest proven picture that was drawn
  unprovenAt: number | null = null;
  changed: { first: number; last: number; why: Changed } | null = null;
  still: { since: number; at: number } | null = null;
  cannot: Cannot | null = null;
  private hub: { word: string; since: number } | null = null; // frozen or covered, as the hub judges

  proof(exposedAt: number): boolean {
    if (this.exposedAt !== null && exposedAt <= this.exposedAt) return false;
    this.exposedAt = exposedAt;
    this.unprovenAt = null;
    return true;
  }

  /** Class K0: it arrived, that is all that is known. */
  unproven(at: number): void {
    this.unprovenAt = at;
    this.exposedAt = null;
  }

  refused(at: number, why: Changed): void {
    const isOver = !this.changed || at - this.changed.last > TOLD_MS;
    this.changed = isOver ? { first: at, last: at, why } : { ...this.changed!, last: at };
  }

  frozen(at: number, stillMs: number): void {
    this.still = { since: at - stillMs, at };
  }

  heard(s: State, at: number): void {
    const word = s.camera === "frozen" || s.camera === "covered" || s.camera === "tampered" ? s.camera : null;
    if (word === null) this.hub = null;
    else if (this.hub?.word !== word) this.hub = { word, since: at };
  }

  /** The hub is not heard: what it judged is not of now. */
  lost(): void {
    this.hub = null;
  }

  /** This screen did not look for a while: what was before is no blindness of the camera. */
  forget(): void {
    this.exposedAt = null;
    this.unprovenAt = null;
    this.still = null;
    this.changed = null;
  }

  ageMs(now: number): number | null {
    return this.exposedAt === null ? null : Math.max(0, now - this.exposedAt);
  }

  word(s: State | null, now: number): PictureWord {
    if (this.cannot) return "nothing";
    if (isOff(s)) return "off";
    if (this.changed && now - this.changed.last < TOLD_MS) return "tampered";
    if (this.hub?.word === "tampered") return "tampered";
    if ((this.still && now - this.still.at < DARK_MS) || this.hub?.word === "frozen") return "frozen";
    if (this.hub?.word === "covered") return "covered";
    if (this.unprovenAt !== null) return now - this.unprovenAt > DARK_MS ? "blind" : "unproven";
    const age = this.ageMs(now);
    return age === null ? "wait" : livenessOf(age);
  }

  /** Since when it is as it is, on the page's clock; null where that says nothing. */
  since(word: PictureWord): number | null {
    switch (word) {
      case "tampered":
        return this.changed?.first ?? this.hub?.since ?? null;
      case "frozen":
        return this.still?.since ?? this.hub?.since ?? null;
      case "covered":
        return this.hub?.since ?? null;
      case "blind":
        return this.exposedAt ?? this.unprovenAt;
      case "wait":
      case "live":
      case "stale":
      case "unproven":
      case "off":
      case "nothing":
        return null;
    }
  }
}

export interface Lease {
  d: Display;
  sentAt: number;
  until: number;
}

export interface DoorSeen {
  state: State | null;
  stateAt: number;
  lease: Lease | null;
  lastLeaseAt: number | null; // when the last one that there was ended
  isOpening: boolean;
  canVerify: boolean;
}

export type DoorKind = "secured" | "watched" | "unknown" | "act";
export type DoorIcon = "lock" | "open" | "bolt" | "act" | "ask";

/** Keys of the catalogue "door.*" with what fills their blanks. */
export interface DoorLineWords {
  kind: DoorKind;
  icon: DoorIcon;
  word: string;
  sub: string;
  visitor: string;
  heardMs: number | null;
  sinceAt: number | null;
}

/** Age of what the lock said, by the hub's last word and the time since. */
export function lockAgeMs(s: DoorSeen, now: number): number | null {
  if (!s.state || s.state.lock_age_ms === null) return null;
  return s.state.lock_age_ms + (now - s.stateAt);
}

/** The line about the door. Only a display statement that the hub signed over this screen's own nonce, within its
 *  lease, may say more than "not confirmed". */
export function doorLine(s: DoorSeen, now: number): DoorLineWords {
  const st = s.state;
  const lease = s.lease && now < s.lease.until ? s.lease : null;
  const lastLeaseAt = lease ? s.lastLeaseAt : (s.lease?.until ?? s.lastLeaseAt);
  const line = (kind: DoorKind, icon: DoorIcon, word: string, sub: string): DoorLineWords => ({
    kind, icon, word: `door.${word}`, sub: `door.${sub}`, visitor: st?.visitor ?? "", heardMs: lockAgeMs(s, now), sinceAt: lastLeaseAt,
  });
  // From the intent to the end of the opening; what is sensed meanwhile is said as soon as it is known.
  const isThrown = lease?.d.bolt === "thrown" && lease.d.contact === "closed";
  if (s.isOpening && (!lease || isThrown)) return line("watched", "open", "opening", "opening.sub");
  if (!lease) {
    if (!s.canVerify) return line("unknown", "ask", "unknown", "unknown.cannot");
    return line("unknown", "ask", "unknown", lastLeaseAt === null ? "unknown.never" : "unknown.since");
  }
  const d = lease.d;
  if (st?.visit_state === "not_secured") return line("act", "act", "stuck", "open.sub");
  if (d.bolt === "jammed") return line("act", "act", "jammed", "unlocked.sub");
  if (d.isSecured && d.bolt === "thrown" && d.contact === "closed")
    return line("secured", "lock", st?.lock_class === "A" ? "secured" : "secured.radio", "secured.sub");
  if (d.contact === "open") {
    const isInside = st?.visit_state === "inside" && st.visitor !== "";
    return line("watched", "open", isInside ? "open.inside" : "open", "open.sub");
  }
  if (d.contact === "closed" && d.bolt === "moving") return line("watched", "bolt", "moving", "unlocked.sub");
  if (d.contact === "closed" && d.bolt === "retracted") return line("watched", "open", "unlocked", "unlocked.sub");
  return line("unknown", "ask", "unknown", "unknown.seen");
}
