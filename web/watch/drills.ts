// Drills: attack your own house. What counts is the seconds from the press to the first thing this screen
// told: a dark picture, an alarm, a refusal.

import { has, namesOf, say } from "../shared/strings";
import { clockTime, span } from "../shared/times";
import { byId, el, icon, setText } from "./dom";
import type { DrillLine } from "./messages";

interface Row {
  button: HTMLButtonElement;
  result: HTMLElement;
  seconds: HTMLElement;
}

export class DrillsView {
  private readonly rows = new Map<string, Row>();
  private running: { name: string; begun: number | null; toldMs: number | null } | null = null;

  constructor(private readonly run: (name: string) => boolean) {
    const list = byId("drill-list");
    for (const name of namesOf("drill", "name")) {
      const title = say(`drill.${name}.name`);
      const button = el("button", { class: "btn", type: "button", "aria-label": say("drill.press", { name: title }), "data-drill": name }, say("drill.run")) as HTMLButtonElement;
      const result = el("p", { class: "res", role: "status" });
      const seconds = el("p", { class: "sec" });
      list.append(
        el("li", { class: "drill" }, el("div", {}, el("h3", {}, title), el("p", { class: "small dim" }, say(`drill.${name}.say`))), button, result, seconds),
      );
      this.rows.set(name, { button, result, seconds });
      button.addEventListener("click", () => this.press(name));
    }
  }

  available(on: boolean): void {
    byId("drills").hidden = !on;
  }

  private press(name: string): void {
    if (this.running || !this.run(name)) return;
    this.running = { name, begun: null, toldMs: null };
    const row = this.rows.get(name)!;
    setText(row.seconds, "");
    row.result.replaceChildren(say("drill.running"));
    for (const r of this.rows.values()) r.button.disabled = true;
    // What counts is seen above, not here.
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    byId("view").scrollIntoView({ block: "start", behavior: isCalm ? "auto" : "smooth" });
  }

  /** The demo's words, a line each. {"attack":true} marks the moment of the attack; "OUTCOME check; alarm
   *  after N s; ..." is its end; anything else is shown as it is. */
  line(m: DrillLine, now: number): void {
    const row = this.rows.get(m.name);
    if (!row) return;
    const end = ending(m.line);
    if (m.line === '{"attack":true}') {
      if (this.running) this.running = { ...this.running, begun: now, toldMs: null };
      row.result.replaceChildren(say("drill.attack"));
      row.result.className = "res";
    } else if (end) {
      const rest = el("span", {}, clockTime(now), " ", say(`visit.ended.${end.outcome}`), ". ", end.rest);
      row.result.replaceChildren(icon(end.isLie ? "act" : "tick", "i-s"), rest);
      row.result.className = `res ${end.isLie ? "is-bad" : "is-done"}`;
      const ms = this.running?.toldMs ?? end.alarmMs;
      if (ms !== null) row.seconds.replaceChildren(el("span", { class: "cap" }, say("drill.told")), " ", span(ms));
    } else if (m.line !== "") {
      row.result.replaceChildren(m.line);
      row.result.className = "res";
    }
    if (m.over) {
      if (row.result.textContent === say("drill.running")) setText(row.result, "");
      this.end();
    }
  }

  /** This screen has just told something bad: the first after the attack counts. */
  told(now: number): void {
    if (this.running?.begun != null && this.running.toldMs === null) this.running.toldMs = now - this.running.begun;
  }

  /** The house is gone: whatever ran is not heard of any more. */
  lost(): void {
    if (this.running) setText(this.rows.get(this.running.name)!.result, say("drill.lost"));
    this.end();
  }

  private end(): void {
    this.running = null;
    for (const r of this.rows.values()) r.button.disabled = false;
  }
}

interface Ending {
  outcome: string;
  alarmMs: number | null;
  isLie: boolean;
  rest: string;
}

/** "SECURED_WITH_GAP; alarm after 2.1 s; door locked; nobody was told anything false" */
function ending(line: string): Ending | null {
  const m = /^([A-Z_]+)(?: ([a-z_]+))?; (.*)$/.exec(line);
  if (!m || !has(`visit.ended.${m[1]}`)) return null;
  const alarm = /alarm after (\d+(?:\.\d+)?) s/.exec(m[3]!);
  const parts = m[3]!.split("; ").filter((p) => !p.startsWith("alarm after"));
  return {
    outcome: m[1]!,
    alarmMs: alarm ? Number(alarm[1]) * 1000 : null,
    isLie: line.includes("LIES:") || line.includes("NOT locked"),
    rest: parts.map((p) => p.charAt(0).toUpperCase() + p.slice(1)).join(". ") + ".",
  };
}
