// The picture: which of its states is on, its proven age, and the covers over it.

import { DARK_MS, LIVE_MS, livenessOf } from "../shared/age";
import { say } from "../shared/strings";
import { clockTime, counter, span } from "../shared/times";
import { DeadMan } from "./deadman";
import { byId, setText } from "./dom";
import type { State } from "./messages";

/** A changed picture is told for at least this long, so that nobody misses it. */
const CHANGED_SHOWN_MS = 4000;

export type PictureWord =
  | "wait"
  | "live"
  | "stale"
  | "blind"
  | "frozen"
  | "covered"
  | "tampered"
  | "unproven"
  | "nothing";

export class PictureView {
  private readonly view = byId("view");
  private readonly stage = byId("stage");
  private readonly stale = new DeadMan(byId("stale"));
  private readonly dark = new DeadMan(byId("dark"));
  private readonly verdict = byId("verdict");
  private exposedAt: number | null = null; // newest proven picture
  private unprovenAt: number | null = null;
  private changed: { first: number; last: number } | null = null;
  private verdictSince: { word: string; at: number } | null = null;
  private cannot: string | null = null;
  private spoken = "";

  proof(exposedAt: number, now: number): void {
    if (this.exposedAt !== null && exposedAt <= this.exposedAt) return;
    this.exposedAt = exposedAt;
    this.unprovenAt = null;
    this.arm(exposedAt, now);
  }

  /** Class K0: it arrived, that is all that is known. Hatched, and dark when nothing comes any more. */
  unproven(at: number, now: number): void {
    this.unprovenAt = at;
    this.exposedAt = null;
    this.arm(at, now);
  }

  private arm(from: number, now: number): void {
    this.stale.arm(from + LIVE_MS, now);
    this.dark.arm(from + DARK_MS, now);
  }

  refused(at: number): void {
    const isOver = this.changed && at - this.changed.last > CHANGED_SHOWN_MS;
    this.changed = !this.changed || isOver ? { first: at, last: at } : { first: this.changed.first, last: at };
    this.stale.drop();
    this.dark.drop();
  }

  refuseAll(reason: string): void {
    this.cannot = reason;
    this.dark.drop();
  }

  provenAt(): number | null {
    return this.exposedAt;
  }

  ageMs(now: number): number | null {
    return this.exposedAt === null ? null : Math.max(0, now - this.exposedAt);
  }

  size(width: number, height: number): void {
    this.stage.style.setProperty("--ratio", `${width} / ${height}`);
  }

  word(state: State | null, now: number): PictureWord {
    if (this.cannot) return "nothing";
    if (this.changed && now - this.changed.last < CHANGED_SHOWN_MS) return "tampered";
    if (state?.camera === "tampered" || state?.camera === "frozen" || state?.camera === "covered")
      return state.camera;
    if (this.unprovenAt !== null)
      return now - this.unprovenAt > DARK_MS ? "blind" : "unproven";
    const age = this.ageMs(now);
    if (age === null) return "wait";
    return livenessOf(age);
  }

  /** The tile's word: is there a proven picture of now? */
  tile(word: PictureWord): string {
    if (word === "live") return "proven";
    if (word === "stale") return "late";
    return word === "wait" || word === "nothing" ? "none" : word;
  }

  show(state: State | null, now: number): PictureWord {
    const word = this.word(state, now);
    const age = this.ageMs(now);
    this.view.dataset.picture = word;
    byId("hatch").hidden = word !== "unproven";

    setText(byId("age-value"), age === null ? "-" : say("picture.age", { age: span(age) }));
    setText(byId("stale-value"), ((age ?? LIVE_MS) / 1000).toFixed(1));

    const isVerdict = word === "frozen" || word === "covered" || word === "tampered";
    if (isVerdict) {
      if (this.verdictSince?.word !== word) this.verdictSince = { word, at: now };
      const since = word === "tampered" ? (this.changed?.first ?? this.verdictSince.at) : this.verdictSince.at;
      setText(byId("verdict-title"), say(`pic.${word}.title`));
      setText(byId("verdict-value"), word === "tampered" ? "" : counter(now - since));
      const at = word === "tampered" ? ` ${say("pic.tampered.at", { time: clockTime(since) })}` : "";
      setText(byId("verdict-say"), say(`pic.${word}.say`) + at);
      setText(byId("verdict-badge"), say(`pic.${word}`));
      byId("verdict-icon").setAttribute("href", word === "frozen" ? "#i-pause" : word === "covered" ? "#i-blind" : "#i-seal");
      byId<SVGElement>("verdict-seal").toggleAttribute("hidden", word !== "tampered");
    } else {
      this.verdictSince = null;
    }
    this.verdict.hidden = !isVerdict;

    if (this.cannot) {
      setText(byId("dark-title"), "");
      setText(byId("dark-value"), "");
      setText(byId("dark-say"), this.cannot);
      setText(byId("dark-badge"), say("pic.nothing"));
    } else if (this.exposedAt !== null || this.unprovenAt !== null) {
      const last = this.exposedAt ?? this.unprovenAt!;
      setText(byId("dark-title"), say("pic.blind.title"));
      setText(byId("dark-value"), counter(now - last));
      const isVisit = state !== null && state.visit_state !== "none" && state.visit_state !== "watch";
      setText(byId("dark-say"), say(isVisit ? "pic.blind.visit" : "pic.blind.last", { time: clockTime(last) }));
      setText(byId("dark-badge"), say("pic.blind"));
    }
    this.speak(word);
    return word;
  }

  /** One polite sentence a change; the running age is not read out. */
  private speak(word: PictureWord): void {
    if (word === this.spoken || word === "wait") return;
    this.spoken = word;
    setText(byId("picture-say"), say(`pic.${word}`));
  }
}
