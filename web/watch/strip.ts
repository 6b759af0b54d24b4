// The evidence strip: camera, door and bolt of the visit as this screen saw them. What it did not see is
// shown as not known; blind time stands out and cannot be filtered away.

import { say } from "../shared/strings";
import { clockTime } from "../shared/times";
import { byId, el } from "./dom";

export interface Sample {
  camera: "proven" | "blind" | "unknown"; // unknown: this screen has had no picture yet
  door: "closed" | "open" | "unknown";
  bolt: "locked" | "unlocked" | "unknown";
}

type Lane = keyof Sample;

interface Piece {
  from: number;
  to: number;
  value: string;
}

const LANES: Lane[] = ["camera", "door", "bolt"];
const WORDS: Record<string, string> = {
  proven: "strip.proven",
  blind: "strip.blind",
  open: "strip.open",
  closed: "strip.closed",
  locked: "strip.locked",
  unlocked: "strip.unlocked",
  unknown: "strip.unknown",
};

/** A little of what came after belongs to it: the bolt seen home. */
const TAIL_MS = 4000;

export class StripView {
  private readonly box = byId("strip");
  private visit: string | null = null;
  private isOn = false;
  private onUntil = 0;
  private lanes: Record<Lane, Piece[]> = { camera: [], door: [], bolt: [] };
  private drawnAt = 0;

  constructor() {
    this.box.append(el("p", { class: "dim" }, say("strip.none")));
  }

  /** Call often; `visit` null: none is on. The strip of the last one stays. `provenAt`: exposure of the
   *  newest proven picture, from which on blindness counts. */
  sample(visit: string | null, s: Sample, provenAt: number | null, now: number): void {
    if (visit !== null && visit !== this.visit) {
      this.visit = visit;
      this.lanes = { camera: [], door: [], bolt: [] };
    }
    const wasOn = this.isOn;
    if (visit !== null) this.onUntil = now + TAIL_MS;
    this.isOn = this.visit !== null && now < this.onUntil;
    if (!this.isOn) return;
    for (const lane of LANES) {
      const pieces = this.lanes[lane];
      const last = pieces.at(-1);
      const isSame = last?.value === s[lane];
      const isBlindness = lane === "camera" && s.camera === "blind" && provenAt !== null;
      const from = last && !isSame && isBlindness ? Math.min(now, Math.max(last.from, provenAt)) : now;
      if (last) last.to = from;
      if (!isSame) pieces.push({ from, to: now, value: s[lane] });
    }
    if (now - this.drawnAt > 500 || wasOn !== this.isOn) {
      this.drawnAt = now;
      this.draw();
    }
  }

  private draw(): void {
    const from = this.lanes.camera[0]?.from ?? 0;
    const to = this.lanes.camera.at(-1)?.to ?? from;
    const whole = Math.max(to - from, 1000);
    const rows = LANES.map((lane) => {
      const track = el("div", { class: "track" });
      for (const p of this.lanes[lane]) {
        const width = ((p.to - p.from) / whole) * 100;
        if (width <= 0) continue;
        const bit = el("span", { class: `bit bit-${p.value}` });
        bit.style.insetInlineStart = `${((p.from - from) / whole) * 100}%`;
        bit.style.width = `${width}%`;
        const seconds = (p.to - p.from) / 1000;
        if (width > 24) bit.append(say(WORDS[p.value]!));
        bit.title = `${say(WORDS[p.value]!)}, ${seconds.toFixed(1)} s`;
        track.append(bit);
      }
      const words = this.lanes[lane]
        .filter((p) => p.to > p.from)
        .map((p) => `${say(WORDS[p.value]!)} ${((p.to - p.from) / 1000).toFixed(1)} s`)
        .join(", ");
      return el("div", { class: "lane" }, el("p", { class: "lane-name" }, say(`strip.${lane}`)), el("p", { class: "vh" }, words), track);
    });
    const blind = this.lanes.camera.filter((p) => p.value === "blind").reduce((n, p) => n + p.to - p.from, 0);
    const sum =
      blind < 50
        ? el("p", { class: "strip-sum" }, say("strip.sum.ok"))
        : el("p", { class: "strip-sum is-gap" }, el("span", { class: "gap-mark", "aria-hidden": "true" }), el("span", {}, say("strip.sum.gap", { seconds: (blind / 1000).toFixed(1) })));
    this.box.replaceChildren(
      ...rows,
      el("div", { class: "axis time" }, el("span", {}, clockTime(from)), el("span", {}, clockTime(to))),
      sum,
    );
  }
}
