// The worker of the watch page: the one socket to the hub, nonces, verification, decoding, drawing. It
// goes on when the page's main thread hangs; and when it hangs itself, nothing re-arms the page's covers.

import { fromHex, toHex } from "../shared/bytes";
import { SleepClock } from "../shared/clock";
import { VerifyKey } from "../shared/cose";
import { readDisplay, shownForMs } from "../shared/display";
import type { FromWorker, FrontText, State, ToWorker } from "./messages";
import { Player } from "./player";

const NONCE_EVERY_MS = 1000;
const NONCE_LEAST_MS = 200;
const NONCES_KEPT = 20;
const TEXT_MAX = 16384;

const clock = new SleepClock();
const sent = new Map<string, number>(); // own nonces and when they were sent
let player: Player | null = null;
let hubKey: { pub: string; key: VerifyKey } | null = null;
let socket: WebSocket | null = null;
let url = "";
let backoff = 250;
let isRefused = false;
let lastSensed = "";
let lastNonceAt = 0;
let nonceTimer: ReturnType<typeof setTimeout> | null = null;

function tell(m: FromWorker): void {
  postMessage(m);
}

function say(m: object): boolean {
  if (!socket || socket.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(m));
  return true;
}

function sendNonce(): void {
  const nonce = toHex(crypto.getRandomValues(new Uint8Array(32)));
  const at = clock.now(); // before it is sent: never makes anything look newer
  if (!say({ t: "nonce", n: nonce })) return;
  lastNonceAt = at;
  if (nonceTimer !== null) clearTimeout(nonceTimer);
  nonceTimer = null;
  sent.set(nonce, at);
  if (sent.size > NONCES_KEPT) sent.delete(sent.keys().next().value!);
  player?.freshness.ask(nonce, at);
}

/** The door has moved: ask at once for a statement that says so, instead of at the next second. */
function askOnChange(m: State): void {
  const now = `${m.bolt} ${m.contact} ${m.strike} ${m.secured} ${m.opening}`;
  if (now === lastSensed) return;
  lastSensed = now;
  if (clock.now() - lastNonceAt > NONCE_LEAST_MS) sendNonce();
  else nonceTimer ??= setTimeout(sendNonce, NONCE_LEAST_MS);
}

async function onState(m: State): Promise<void> {
  askOnChange(m);
  if (m.hub_pub && m.hub_pub !== hubKey?.pub) {
    try {
      hubKey = { pub: m.hub_pub, key: await VerifyKey.of(fromHex(m.hub_pub)) };
    } catch {
      tell({ k: "cannot", reason: "ed25519" });
    }
  }
  await player?.setCamera(m.camera_pub, m.camera_class);
}

async function onDisplay(cose: string): Promise<void> {
  if (!hubKey) return;
  const d = await readDisplay(hubKey.key, fromHex(cose));
  const at = sent.get(d.nonce);
  if (at === undefined) return; // not an answer to this screen
  tell({ k: "display", d, sentAt: at, until: at + shownForMs(d) });
}

async function onText(text: string): Promise<void> {
  if (text.length > TEXT_MAX) throw new Error("too long");
  const m = JSON.parse(text) as FrontText;
  switch (m.t) {
    case "state":
      tell({ k: "text", m, at: clock.now() });
      return onState(m);
    case "display":
      return onDisplay(m.cose);
    case "hub_nonce":
      player?.hubNonces.add(fromHex(m.n));
      return;
    case "hello":
      for (const n of m.hub_nonces) player?.hubNonces.add(fromHex(n));
      tell({ k: "text", m, at: clock.now() });
      return;
    case "refused":
      isRefused = true;
      tell({ k: "text", m, at: clock.now() });
      return;
    case "story":
    case "drill":
      tell({ k: "text", m, at: clock.now() });
  }
}

let texts: Promise<void> = Promise.resolve();

function connect(): void {
  const s = new WebSocket(url, "doorward-watch-1");
  s.binaryType = "arraybuffer";
  socket = s;
  s.onopen = () => {
    backoff = 250;
    isRefused = false;
    player?.restart();
    tell({ k: "link", up: true, why: "" });
    sendNonce();
  };
  s.onmessage = (e: MessageEvent<string | ArrayBuffer>) => {
    if (typeof e.data !== "string") {
      player?.take(e.data);
      return;
    }
    const text = e.data;
    // In order, one after the other; what cannot be read or verified changes nothing on the screen.
    texts = texts.then(() => onText(text)).catch(() => undefined);
  };
  s.onclose = (e) => {
    socket = null;
    sent.clear();
    player?.freshness.reset();
    tell({ k: "link", up: false, why: e.reason });
    setTimeout(connect, isRefused ? 10000 : backoff);
    backoff = Math.min(backoff * 2, 4000);
  };
}

onmessage = (e: MessageEvent<ToWorker>) => {
  const m = e.data;
  if (m.k === "say") {
    say(m.m);
    return;
  }
  url = m.url;
  if (typeof VideoDecoder === "undefined") tell({ k: "cannot", reason: "webcodecs" });
  if (!crypto.subtle) tell({ k: "cannot", reason: "ed25519" });
  if (m.canvas && typeof VideoDecoder !== "undefined") {
    player = new Player(m.canvas, clock, {
      proven: (exposedAt) => tell({ k: "proof", exposedAt }),
      unproven: (at) => tell({ k: "unproven", at }),
      changed: (why) => tell({ k: "changed", at: clock.now(), why }),
      size: (width, height) => tell({ k: "size", width, height }),
      cannot: (reason) => tell({ k: "cannot", reason }),
    });
  }
  connect();
  setInterval(sendNonce, NONCE_EVERY_MS);
  setInterval(() => player?.sweep(), 100);
};
