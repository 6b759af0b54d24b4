// The watch page. It shows what was proven to this screen, and for how long that may be shown.

import { SleepClock } from "../shared/clock";
import { say } from "../shared/strings";
import { clockTime } from "../shared/times";
import { byId, setText } from "./dom";
import { DoorView, type Seen } from "./door";
import { DrillsView } from "./drills";
import type { FromWorker, State, ToWorker } from "./messages";
import { PictureView, type PictureWord } from "./picture";
import { AlarmView, StoryView } from "./story";
import { StripView } from "./strip";
import { VisitView } from "./visit";

const clock = new SleepClock();
const worker = new Worker("/worker.js", { type: "module" });
const seen: Seen = { state: null, stateAt: 0, lease: null, lastLeaseAt: null, isOpening: false };
let link: { up: boolean; since: number; why: string } = { up: false, since: clock.now(), why: "" };
let cannot: string | null = null;
let refused: string | null = null;
let lastWord: PictureWord = "wait";

const send = (m: ToWorker, transfer: Transferable[] = []): void => worker.postMessage(m, transfer);

const door = new DoorView();
const picture = new PictureView();
const story = new StoryView();
const alarms = new AlarmView();
const visit = new VisitView();
const strip = new StripView();
const drills = new DrillsView((name) => {
  if (!link.up) return false;
  send({ k: "say", m: { t: "drill", name } });
  return true;
});

function sawOpening(): void {
  send({ k: "say", m: { t: "saw_opening" } });
}

/** The hub is about to withdraw the bolt: SECURED comes down now, and only then is that acknowledged. */
function takeDown(): void {
  seen.isOpening = true;
  seen.lease = null;
  door.takeDown();
  render();
  if (document.hidden) sawOpening();
  else requestAnimationFrame(() => setTimeout(sawOpening));
}

function onState(m: State, at: number): void {
  const wasOpening = seen.isOpening;
  seen.state = m;
  seen.stateAt = at;
  seen.isOpening = m.opening;
  if (m.opening && !wasOpening) takeDown();
  if (m.alarms.length > 0) drills.told(clock.now());
  alarms.show(m.alarms);
}

function onWorker(m: FromWorker): void {
  const now = clock.now();
  switch (m.k) {
    case "link":
      if (m.up !== link.up) link = { up: m.up, since: now, why: m.why };
      if (m.up) refused = null;
      else drills.lost();
      break;
    case "display":
      if (seen.isOpening && m.d.isSecured) break; // said before the opening
      if (m.until <= now) break;
      seen.lease = { d: m.d, sentAt: m.sentAt, until: m.until };
      door.lease(m.until, now);
      break;
    case "proof":
      picture.proof(m.exposedAt, now);
      break;
    case "unproven":
      picture.unproven(m.at, now);
      break;
    case "changed":
      picture.refused(m.at);
      drills.told(now);
      break;
    case "size":
      picture.size(m.width, m.height);
      break;
    case "cannot":
      cannot = say(`cannot.${m.reason}`);
      picture.refuseAll(cannot);
      break;
    case "text":
      switch (m.m.t) {
        case "state":
          onState(m.m, m.at);
          break;
        case "story":
          story.add(m.m, m.at - m.m.age_ms);
          visit.story(m.m, m.at - m.m.age_ms);
          if (m.m.kind === "visit_refused" && !m.m.past) drills.told(now);
          break;
        case "hello":
          story.clear();
          drills.available(m.m.drills);
          visit.recordings(m.m.recordings);
          break;
        case "drill":
          drills.line(m.m, now);
          break;
        case "refused":
          refused = m.m.why;
      }
  }
}

function bar(): void {
  const e = byId("bar");
  const text =
    refused ??
    (link.up ? cannot : seen.state === null && link.why === "" ? say("link.connecting") : say("link.down", { since: clockTime(link.since) }));
  setText(e, text ?? "");
  e.hidden = text === null || text === "";
}

function render(): void {
  const now = clock.now();
  if (seen.lease && now >= seen.lease.until) {
    seen.lastLeaseAt = seen.lease.until;
    seen.lease = null;
  }
  const word = picture.show(seen.state, now);
  if (word !== lastWord) {
    if (word !== "live" && word !== "stale" && word !== "wait") drills.told(now);
    lastWord = word;
  }
  door.show(seen, picture.ageMs(now), picture.tile(word), now);
  visit.show(seen.state, seen.stateAt, now);
  const d = seen.lease?.d;
  const st = seen.state;
  const isOn = st !== null && st.visit !== null && st.visit_state !== "none" && st.visit_state !== "watch";
  strip.sample(
    isOn ? st.visit : null,
    {
      camera: word === "live" || word === "stale" ? "proven" : word === "wait" || word === "nothing" ? "unknown" : "blind",
      door: d?.contact ?? "unknown",
      bolt: !d || d.bolt === "unknown" ? "unknown" : d.isSecured ? "locked" : d.bolt === "thrown" ? "unknown" : "unlocked",
    },
    picture.provenAt(),
    now,
  );
  setText(byId("clock"), clockTime(Date.now()));
  bar();
}

byId("lock-now").addEventListener("click", () => {
  const note = byId("lock-note");
  if (link.up) {
    send({ k: "say", m: { t: "owner", word: "lock_now" } });
    setText(note, say("act.lock.asked", { time: clockTime(Date.now()) }));
  } else {
    setText(note, say("act.lock.failed"));
  }
});

worker.onmessage = (e: MessageEvent<FromWorker>) => onWorker(e.data);
worker.onerror = () => {
  cannot = say("cannot.webcodecs");
  picture.refuseAll(cannot);
};
const canvas = byId<HTMLCanvasElement>("canvas");
const off = "transferControlToOffscreen" in canvas ? canvas.transferControlToOffscreen() : null;
if (!off) {
  cannot = say("cannot.webcodecs");
  picture.refuseAll(cannot);
}
const scheme = location.protocol === "https:" ? "wss" : "ws";
send({ k: "start", url: `${scheme}://${location.host}/watch`, canvas: off }, off ? [off] : []);
setInterval(render, 100);
render();
