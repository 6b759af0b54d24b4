// The visit's card: who, which state, exact times, the counter while somebody is inside, the recording.

import { say } from "../shared/strings";
import { clockTime, counter, wholeSpan } from "../shared/times";
import { byId, el, icon, mark, setText } from "./dom";
import type { State, Story } from "./messages";

interface Times {
  visit: string;
  asked: number | null;
  unlocked: number | null;
  opened: number | null;
  locked: number | null;
  outcome: string | null;
  insideMs: number;
  refusal: string | null;
  visitor: string;
  agency: string;
}

const STEPS = ["asked", "unlocked", "inside", "locked"] as const;

export class VisitView {
  private readonly card = byId("visit");
  private now: Times | null = null;
  private shape = "";
  private hasRecordings = false;
  private counterText: HTMLElement | null = null;
  private readonly holder = el("div");
  private readonly player = el("div", { class: "card-body player", hidden: "" }); // stays when the next visit begins
  private playing: string | null = null;

  constructor() {
    this.card.append(this.holder, this.player);
  }

  recordings(on: boolean): void {
    this.hasRecordings = on;
  }

  story(s: Story, at: number): void {
    if (!s.visit) return;
    if (this.now?.visit !== s.visit) {
      this.now = {
        visit: s.visit,
        asked: null,
        unlocked: null,
        opened: null,
        locked: null,
        outcome: null,
        insideMs: 0,
        refusal: null,
        visitor: "",
        agency: "",
      };
    }
    const t = this.now;
    const when = s.utc_ms ?? at;
    if (s.kind === "visit_asked") t.asked ??= when;
    if (s.kind === "visit_state" && s.word === "unlocked") t.unlocked ??= when;
    if (s.kind === "opening") t.opened ??= when;
    if (s.kind === "opening") t.unlocked ??= when;
    if (s.kind === "secured") t.locked = when;
    if (s.kind === "visit_refused") t.refusal = say("visit.refused.next", { text: s.text ?? "", next: s.next ?? "" });
    if (s.kind === "visit_ended" || s.kind === "confirmed_late") t.outcome = s.word ?? null;
  }

  private step(st: State | null): number {
    const v = st?.visit_state ?? "none";
    if (this.now?.outcome === "OK" || v === "watch") return 3;
    if (v === "inside" || v === "closing" || v === "not_secured") return 2;
    if (v === "unlocked" || v === "opening") return 1;
    return v === "none" ? -1 : 0;
  }

  show(st: State | null, stateAt: number, now: number): void {
    const t = this.now;
    if (t && st && st.visit === t.visit && st.visitor !== "") {
      t.visitor = st.visitor;
      t.agency = st.agency;
    }
    const isOn = st !== null && st.visit !== null && st.visit_state !== "none" && st.visit_state !== "watch";
    const shape = JSON.stringify([{ ...t, insideMs: 0 }, isOn, isOn ? st.visit_state : null, this.hasRecordings, this.playing]);
    if (shape !== this.shape) {
      this.shape = shape;
      this.build(t, st, isOn);
    }
    if (t && st && st.visit === t.visit && st.inside_ms) t.insideMs = st.inside_ms;
    if (this.counterText && t) {
      const isInside = st?.visit_state === "inside" && st.visit === t.visit;
      const running = isInside ? Math.min(now - stateAt, 3000) : 0;
      setText(this.counterText, isInside ? counter(t.insideMs + running) : wholeSpan(t.insideMs));
    }
  }

  private build(t: Times | null, st: State | null, isOn: boolean): void {
    this.counterText = null;
    const body = el("div", { class: "card-body" });
    this.card.classList.toggle("is-on", isOn);
    if (!t || (!isOn && !t.outcome && !t.refusal)) {
      body.append(
        el("div", { class: "row" }, mark("plan", "person"), el("div", { class: "grow" }, el("h2", { id: "visit-word" }, say("visit.none")), el("p", { class: "dim small" }, say("visit.none.say")))),
      );
      this.holder.replaceChildren(body);
      return;
    }
    const [kind, iconName, word] = this.words(t, st, isOn);
    body.append(
      el(
        "div",
        { class: "row row-top" },
        mark(kind, iconName),
        el(
          "div",
          { class: "grow" },
          el("h2", { id: "visit-word", class: `is-${kind} word-h` }, word),
          t.visitor
            ? el("p", {}, el("b", {}, t.visitor), " ", say("visit.from", { agency: t.agency }))
            : null,
        ),
      ),
    );
    if (!t.refusal) {
      const at = this.step(st);
      body.append(
        el(
          "ol",
          { class: "ladder" },
          ...STEPS.map((s, i) =>
            el("li", { class: i < at ? "is-past" : i === at ? "is-here" : "", ...(i === at ? { "aria-current": "step" } : {}) }, say(`ladder.${s}`)),
          ),
        ),
      );
    }
    const times = el("dl", { class: "times" });
    const put = (label: string, value: string | HTMLElement): void => {
      times.append(el("div", {}, el("dt", {}, label), el("dd", { class: "time" }, value)));
    };
    if (t.refusal) {
      if (t.asked !== null) put(say("visit.asked"), clockTime(t.asked));
    } else {
      if (t.unlocked !== null) put(say("visit.unlocked"), clockTime(t.unlocked));
      if (t.locked !== null) put(say("visit.locked"), clockTime(t.locked));
      if (t.opened !== null) {
        this.counterText = el("span", {}, "-");
        put(say("visit.inside"), this.counterText);
      }
      if (times.childElementCount === 0 && t.asked !== null) put(say("visit.asked"), clockTime(t.asked));
    }
    if (times.childElementCount > 0) body.append(times);
    if (t.refusal) body.append(el("p", { class: "reason" }, t.refusal));
    if (this.hasRecordings && t.outcome && t.opened !== null && this.playing !== t.visit) body.append(this.recording(t));
    this.holder.replaceChildren(body);
  }

  private words(t: Times, st: State | null, isOn: boolean): [string, string, string] {
    if (isOn && st) {
      const v = st.visit_state;
      const word = say(`visit.state.${v}`);
      if (v === "not_secured") return ["act", "act", word];
      if (v === "unconfirmed") return ["unknown", "ask", word];
      return ["watched", v === "inside" || v === "unlocked" ? "open" : "person", word];
    }
    if (t.refusal) return ["notice", "info", say("visit.ended.REFUSED")];
    const o = t.outcome ?? "ABORTED";
    const word = say(`visit.ended.${o}`);
    if (o === "OK" || o === "NOT_OPENED") return ["secured", "lock", word];
    if (o === "SECURED_WITH_GAP" || o === "SECURED_TAMPERED") return ["notice", "lock", word];
    if (o === "NOT_SECURED") return ["act", "act", word];
    return ["unknown", "ask", word];
  }

  /** Loaded only when asked for. A <video> keeps its last picture, so it is marked as recorded. */
  private recording(t: Times): HTMLElement {
    const box = el("div", { class: "recording" });
    const button = el("button", { class: "btn btn-wide", type: "button" }, icon("play"), say("visit.watch"));
    button.addEventListener("click", () => {
      const when = clockTime(t.unlocked ?? t.asked ?? Date.now());
      const label = say("visit.recorded", { time: when });
      const video = el("video", { src: `/recordings/${t.visit}.mp4`, controls: "", playsinline: "", preload: "metadata", "aria-label": label });
      this.player.replaceChildren(el("div", { class: "recorded" }, video, el("p", { class: "age" }, icon("clock", "i-s"), label)));
      this.player.hidden = false;
      this.playing = t.visit;
      video.focus();
      void (video as HTMLVideoElement).play().catch(() => undefined);
    });
    box.append(button);
    return box;
  }
}
