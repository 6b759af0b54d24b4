// The story as it happens, and the alarms.

import { has, say } from "../shared/strings";
import { clockTime } from "../shared/times";
import { byId, el, mark } from "./dom";
import type { Coded, Story } from "./messages";

const LINES_MAX = 80;
/** Older than this is no news, even if it is told late. */
const PAST_MS = 5000;
/** Lines that are on the record but say nothing new to somebody who watches. */
const QUIET = new Set(["segment", "lock_state"]);
/** States that the line before or after tells already. */
const QUIET_STATES = new Set(["none", "checking", "recording", "looking", "opening", "inside", "watch"]);

function word(w: string | undefined): string {
  if (!w) return "";
  return has(`word.${w}`) ? say(`word.${w}`) : w;
}

export function sentence(s: Story): string {
  const key = has(`story.${s.kind}`) ? `story.${s.kind}` : "story.unknown";
  return say(key, {
    kind: s.kind,
    word: word(s.word),
    text: s.text ?? "",
    state: say(`visit.state.${s.word ?? "none"}`),
    outcome: say(`visit.ended.${s.word ?? "NONE"}`),
  });
}

function isQuietState(s: Story): boolean {
  return s.kind === "visit_state" && QUIET_STATES.has(s.word ?? "none");
}

function kindOf(s: Story): [string, string] {
  if (s.kind === "alarm" || s.kind === "degraded") return ["act", "act"];
  if (s.kind === "secured") return ["secured", "lock"];
  if (s.kind === "confirmed_late") return ["secured", "lock"];
  if (s.kind === "visit_ended") {
    const ok = s.word === "OK" || s.word === "SECURED_WITH_GAP" || s.word === "SECURED_TAMPERED" || s.word === "NOT_OPENED";
    return s.word === "REFUSED" ? ["notice", "info"] : ok ? ["secured", "lock"] : ["unknown", "ask"];
  }
  if (s.kind === "visit_refused") return ["notice", "info"];
  if (s.kind === "opening" || s.kind === "egress") return ["watched", "open"];
  if (s.kind === "visit_asked" || s.kind === "job_stored") return ["plan", "person"];
  if (s.kind === "camera_state") return s.word === "live" ? ["plan", "camera"] : ["notice", "blind"];
  if (s.kind === "visit_state" && (s.word === "not_secured" || s.word === "unconfirmed")) return ["unknown", "ask"];
  return ["plan", "clock"];
}

export class StoryView {
  private readonly list = byId("story");
  private readonly seen = new Set<number>();
  private lastCamera = "";

  /** `at`: when it happened, on this screen's clock. */
  add(s: Story, at: number): void {
    if (this.seen.has(s.n) || QUIET.has(s.kind) || isQuietState(s) || this.isFlicker(s)) return;
    const isPast = s.past || s.age_ms > PAST_MS;
    this.seen.add(s.n);
    const [kind, icon] = kindOf(s);
    const time = clockTime(s.utc_ms ?? at);
    const line = el(
      "li",
      { class: `is-${kind}` },
      el("time", { class: "time" }, time),
      mark(kind, icon, "mark-xs"),
      el("span", { class: "grow" }, sentence(s)),
    );
    // What was before this screen came is told silently.
    byId("story-box").setAttribute("aria-live", isPast ? "off" : "polite");
    this.list.prepend(line);
    while (this.list.childElementCount > LINES_MAX) this.list.lastElementChild?.remove();
    byId("story-none").hidden = true;
  }

  /** A picture that was late and came after all is on the record, but nothing for a person. */
  private isFlicker(s: Story): boolean {
    if (s.kind !== "camera_state") return false;
    const isQuiet = s.word === "late" || (s.word === "live" && this.lastCamera === "late");
    this.lastCamera = s.word ?? "";
    return isQuiet;
  }

  /** A new connection: the house tells its newest lines again. */
  clear(): void {
    this.seen.clear();
    this.list.replaceChildren();
    byId("story-none").hidden = false;
  }
}

export class AlarmView {
  private shown = "";

  show(alarms: Coded[]): void {
    const key = alarms.map((a) => a.code).join(" ");
    if (key === this.shown) return;
    this.shown = key;
    byId("alarms").replaceChildren(
      ...alarms.map((a) => el("p", { class: "bar is-act", "data-alarm": a.code }, mark("act", "act", "mark-s"), el("span", {}, a.text))),
    );
  }
}
