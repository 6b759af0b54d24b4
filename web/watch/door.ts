// The door: headline and facts. What is said of bolt and door comes only from a display statement that
// the hub signed over this screen's own nonce, and only while its lease lasts.

import { say } from "../shared/strings";
import { clockTime, wholeSpan } from "../shared/times";
import type { Display } from "../shared/display";
import { DeadMan } from "./deadman";
import { byId, el, mark, setText } from "./dom";
import type { State } from "./messages";

export interface Lease {
  d: Display;
  sentAt: number;
  until: number;
}

export interface Seen {
  state: State | null;
  stateAt: number;
  lease: Lease | null; // null: none, or it has ended
  lastLeaseAt: number | null; // when the last one that there was ended
  isOpening: boolean;
}

interface Line {
  kind: "secured" | "watched" | "unknown" | "act";
  icon: string;
  word: string;
  sub: string;
}

/** Age of what the lock said, by the hub's last word and the time since. */
export function lockAge(s: Seen, now: number): number | null {
  if (!s.state || s.state.lock_age_ms === null) return null;
  return s.state.lock_age_ms + (now - s.stateAt);
}

export function headline(s: Seen, now: number): Line {
  const st = s.state;
  const age = wholeSpan(lockAge(s, now));
  // From the intent to the end of the opening; what is sensed meanwhile is said as soon as it is known.
  const isThrown = s.lease?.d.bolt === "thrown" && s.lease.d.contact === "closed";
  if (s.isOpening && (!s.lease || isThrown))
    return { kind: "watched", icon: "open", word: say("door.opening"), sub: say("door.opening.sub") };
  if (!s.lease) {
    const sub =
      s.lastLeaseAt === null
        ? say("door.unknown.never")
        : say("door.unknown.since", { since: clockTime(s.lastLeaseAt) });
    return { kind: "unknown", icon: "ask", word: say("door.unknown"), sub };
  }
  const d = s.lease.d;
  if (st?.visit_state === "not_secured")
    return { kind: "act", icon: "act", word: say("door.stuck"), sub: say("door.open.sub", { age }) };
  if (d.bolt === "jammed")
    return { kind: "act", icon: "act", word: say("door.jammed"), sub: say("door.unlocked.sub", { age }) };
  if (d.isSecured && d.bolt === "thrown" && d.contact === "closed") {
    const word = st?.lock_class === "A" ? "door.secured" : "door.secured.radio";
    return { kind: "secured", icon: "lock", word: say(word), sub: say("door.secured.sub", { age }) };
  }
  if (d.contact === "open") {
    const isVisit = st?.visit_state === "inside" && st.visitor !== "";
    const word = isVisit ? say("door.open.inside", { visitor: st.visitor }) : say("door.open");
    return { kind: "watched", icon: "open", word, sub: say("door.open.sub", { age }) };
  }
  if (d.contact === "closed" && d.bolt === "moving")
    return { kind: "watched", icon: "bolt", word: say("door.moving"), sub: say("door.unlocked.sub", { age }) };
  if (d.contact === "closed" && d.bolt === "retracted")
    return { kind: "watched", icon: "open", word: say("door.unlocked"), sub: say("door.unlocked.sub", { age }) };
  return { kind: "unknown", icon: "ask", word: say("door.unknown"), sub: say("door.unknown.seen", { age }) };
}

interface Fact {
  id: string;
  kind: string;
  icon: string;
  value: string;
  note: string;
}

function facts(s: Seen, pictureAge: number | null, camera: string, now: number): Fact[] {
  const heard = lockAge(s, now);
  const note = heard === null ? say("fact.never") : say("fact.heard", { age: wholeSpan(heard) });
  const d = s.lease?.d;
  const bolt = d?.bolt ?? "unknown";
  const contact = d?.contact ?? "unknown";
  let boltWord = say(`bolt.${bolt}`);
  if (bolt === "thrown" && d)
    boltWord = say(
      d.strike === "in" ? "bolt.thrown" : d.strike === "out" ? "bolt.thrown.out" : "bolt.thrown.plain",
    );
  const boltKind =
    bolt === "unknown" ? "unknown" : bolt === "jammed" ? "act" : bolt === "thrown" ? "secured" : "watched";
  const contactKind = contact === "unknown" ? "unknown" : contact === "closed" ? "secured" : "watched";
  const battery = s.lease ? (s.state?.battery ?? null) : null;
  const pictureKind = camera === "proven" ? "secured" : camera === "unproven" ? "unknown" : "act";
  return [
    { id: "bolt", kind: boltKind, icon: boltKind === "unknown" ? "ask" : "bolt", value: boltWord, note },
    {
      id: "contact",
      kind: contactKind,
      icon: contactKind === "unknown" ? "ask" : "open",
      value: say(`contact.${contact}`),
      note,
    },
    {
      id: "picture",
      kind: camera === "none" ? "unknown" : pictureKind,
      icon: camera === "proven" ? "camera" : camera === "none" || camera === "unproven" ? "ask" : "blind",
      value: say(`picture.${camera}`),
      note:
        pictureAge === null
          ? say("picture.age.unknown")
          : say(camera === "proven" ? "picture.age" : "picture.last", { age: wholeSpan(pictureAge) }),
    },
    {
      id: "battery",
      kind: battery === null ? "unknown" : battery < 20 ? "notice" : "secured",
      icon: battery === null ? "ask" : "battery",
      value: battery === null ? say("fact.unknown") : say("battery.value", { n: battery }),
      note,
    },
  ];
}

export class DoorView {
  private readonly claim = byId("door-word");
  private readonly sub = byId("door-sub");
  private readonly coverSub = byId("door-cover-sub");
  private readonly view = byId("view");
  private readonly covers: DeadMan[];
  private readonly tiles = new Map<string, { box: HTMLElement; value: HTMLElement; note: HTMLElement; mark: HTMLElement; key: string }>();

  constructor() {
    this.covers = [new DeadMan(byId("door-cover"))];
    const grid = byId("facts");
    for (const id of ["bolt", "contact", "picture", "battery"]) {
      const value = el("p", { class: "big" });
      const note = el("p", { class: "note" });
      const box = el("div", { class: "card h" });
      const m = mark("unknown", "ask", "mark-s");
      box.append(el("div", { class: "row" }, el("h3", {}, say(`fact.${id}`)), m), value, note);
      if (id === "bolt" || id === "contact") {
        const cover = el(
          "div",
          { class: "tile-cover", "aria-hidden": "true" },
          el("div", { class: "row" }, el("p", { class: "cap" }, say(`fact.${id}`)), mark("unknown", "ask", "mark-s")),
          el("p", { class: "big" }, say("fact.unknown")),
        );
        box.append(cover);
        this.covers.push(new DeadMan(cover));
      }
      this.tiles.set(id, { box, value, note, mark: m, key: "" });
      grid.append(box);
    }
  }

  /** A new signed statement: the covers stay away until its lease ends, even if this page hangs then. */
  lease(until: number, now: number): void {
    for (const c of this.covers) c.arm(until, now);
  }

  takeDown(): void {
    for (const c of this.covers) c.drop();
  }

  show(s: Seen, pictureAge: number | null, camera: string, now: number): void {
    const line = headline(s, now);
    setText(this.claim, line.word);
    setText(this.sub, line.sub);
    setText(this.coverSub, s.lease ? say("door.unknown.cover") : line.sub);
    this.view.dataset.door = line.kind;
    // The opening is no claim of safety: nothing needs to cover it.
    byId("door-cover").hidden = s.isOpening && line.word === say("door.opening");
    for (const f of facts(s, pictureAge, camera, now)) {
      const t = this.tiles.get(f.id)!;
      setText(t.value, f.value);
      setText(t.note, f.note);
      const key = `${f.kind} ${f.icon}`;
      if (t.key !== key) {
        t.key = key;
        t.box.className = `card h is-${f.kind}`;
        const m = mark(f.kind, f.icon, "mark-s");
        t.mark.replaceWith(m);
        t.mark = m;
      }
    }
  }
}
