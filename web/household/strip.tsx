// The evidence strip of a visit, from the lines of its story. Blind time is a red hatched block that stands out of its lane,
// with its seconds in words; there is nothing to filter, zoom or cut.

import type { JSX } from "preact";
import { t } from "../shared/strings";
import { clockTime } from "../shared/times";
import type { Line, VisitDetail } from "./types";
import { seconds } from "./words";

export interface Piece {
  from: number;
  to: number;
  value: string;
}
export interface Strip {
  from: number;
  to: number;
  camera: Piece[];
  door: Piece[];
  bolt: Piece[];
}

/** What is to be seen of the moments before and after. */
const EDGE_MS = 3000;
const CONTACT = ["unknown", "closed", "open"];

function lane(from: number, to: number, first: string, changes: { at: number; value: string }[]): Piece[] {
  const pieces: Piece[] = [];
  let at = from;
  let value = first;
  for (const c of [...changes, { at: to, value: "" }]) {
    const end = Math.min(to, Math.max(at, c.at));
    if (end > at) {
      const last = pieces.at(-1);
      if (last?.value === value) last.to = end;
      else pieces.push({ from: at, to: end, value });
    }
    at = Math.max(at, end);
    value = c.value;
  }
  return pieces;
}

export function stripOf(v: VisitDetail): Strip | null {
  const lines = v.lines.filter((l) => l.utc > 0).sort((a, b) => a.number - b.number);
  if (lines.length === 0) return null;
  const intent = lines.find((l) => l.kind === "unlock_intent");
  if (!intent) return null; // nothing was opened: there is nothing to prove
  const ends = lines.filter((l) => l.kind === "secured" || l.kind === "visit_ended" || l.kind === "confirmed_late");
  const from = Math.min(intent.utc, v.lines.find((l) => l.kind === "visit_asked")?.utc ?? intent.utc);
  const to = Math.max(...(ends.length > 0 ? ends : lines).map((l) => l.utc)) + (ends.length > 0 ? EDGE_MS : 0);
  const camera: { at: number; value: string }[] = [];
  for (const l of lines) {
    if (l.kind !== "camera_state") continue;
    const isSeen = l.word === "live" || l.word === "late";
    // A camera that falls silent is noticed later than it fell silent: the line tells how much.
    camera.push({ at: isSeen ? l.utc : l.utc - Math.min(l.value2, 60000), value: isSeen ? "proven" : "blind" });
  }
  const locks = lines.filter((l) => l.kind === "lock_state");
  const bolt = (l: Line): string => {
    const b = l.value & 0xff;
    const closed = ((l.value >> 8) & 0xff) === 1;
    return b === 1 && closed ? "locked" : b === 0 ? "unknown" : b === 1 ? "unknown" : "unlocked";
  };
  return {
    from,
    to: Math.max(to, from + 1000),
    // The checks before an opening need a proven picture, a closed door and the bolt out: without these there is no intent.
    camera: lane(from, to, "proven", camera),
    door: lane(from, to, "closed", locks.map((l) => ({ at: l.utc, value: CONTACT[(l.value >> 8) & 0xff] ?? "unknown" }))),
    bolt: lane(from, to, "locked", locks.map((l) => ({ at: l.utc, value: bolt(l) }))),
  };
}

const LANES = ["camera", "door", "bolt"] as const;
const isGap = (name: string, p: Piece): boolean => name === "camera" && p.value === "blind";

export function StripView({ strip }: { strip: Strip }): JSX.Element {
  const whole = strip.to - strip.from;
  const pct = (ms: number): string => `${((ms / whole) * 100).toFixed(3)}%`;
  const gaps = strip.camera.filter((p) => p.value === "blind");
  return (
    <div class="strip">
      {LANES.map((name) => (
        <div class="lane" key={name}>
          <p class="lane-name">{t(`strip.${name}`)}</p>
          <p class="vh">{strip[name].map((p) => `${t(`strip.${p.value}`)} ${seconds(p.to - p.from)} s`).join(", ")}</p>
          <div class="track" aria-hidden="true">
            {strip[name].map((p) => {
              const width = ((p.to - p.from) / whole) * 100;
              return (
                <span key={p.from} class={`bit bit-${p.value}`} style={{ insetInlineStart: pct(p.from - strip.from), inlineSize: pct(p.to - p.from) }}>
                  {width > 22 && !isGap(name, p) ? <span>{t(`strip.${p.value}`)}{p.value === "open" || p.value === "unlocked" ? ` ${seconds(p.to - p.from)} s` : ""}</span> : null}
                </span>
              );
            })}
          </div>
        </div>
      ))}
      <p class="axis time"><span>{clockTime(strip.from)}</span><span>{clockTime(strip.from + whole / 2)}</span><span>{clockTime(strip.to)}</span></p>
      {gaps.map((g) => <p key={g.from} class="gapword"><span class="gap-mark" aria-hidden="true" /><span><b>{t("home.gap", { seconds: seconds(g.to - g.from) })}</b> {t("home.gap.at", { time: clockTime(g.from) })} {t("home.gap.stays")}</span></p>)}
    </div>
  );
}
