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
        el("li", { class: "drill" }, el("div", { class: "grow" }, el("h3", {}, title), el("p", { class: "small dim" }, say(`drill.${name}.say`)), result), seconds, button),
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
  }

  /** The demo's words: one JSON object a line. {"attack": true} marks the moment of the attack, and
   *  "outcome" its end; a plain line is shown as it is. */
  line(m: DrillLine, now: number): void {
    const row = this.rows.get(m.name);
    if (!row) return;
    const said = parse(m.line);
    if (said?.attack === true && this.running) this.running = { ...this.running, begun: now, toldMs: null };
    if (said && typeof said.outcome === "string") {
      const key = `visit.ended.${said.outcome}`;
      const reason = typeof said.text === "string" ? ` ${said.text}` : "";
      row.result.replaceChildren(icon("tick", "i-s"), el("span", {}, clockTime(now), " ", has(key) ? say(key) : said.outcome, reason));
      row.result.className = "res is-done";
      const ms = typeof said.alarm_ms === "number" ? said.alarm_ms : this.running?.toldMs;
      if (typeof ms === "number") row.seconds.replaceChildren(el("span", { class: "cap" }, say("drill.told")), " ", span(ms));
    } else if (!said && m.line !== "") {
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
  end(): void {
    this.running = null;
    for (const r of this.rows.values()) r.button.disabled = false;
  }
}

function parse(line: string): Record<string, unknown> | null {
  try {
    const v: unknown = JSON.parse(line);
    return typeof v === "object" && v !== null && !Array.isArray(v) ? (v as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
