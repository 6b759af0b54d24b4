// The worker of the live view: the one socket to the hub, nonces, verification, decoding, drawing. It goes on when the
// page's main thread hangs; and when it hangs itself, nothing re-arms the page's covers.

import { fromHex, toHex } from "../shared/bytes";
import { SleepClock } from "../shared/clock";
import { VerifyKey } from "../shared/cose";
import { readDisplay, shownForMs } from "../shared/display";
import type { FromWorker, FrontText, State, ToWorker } from "./messages";
import { Player } from "./player";

const NONCE_EVERY_MS = 1000;
const NONCE_QUICK_MS = 40; // between a nonce and the next that a move of the door asks for
const NONCES_QUICK = 13; // in one second; then
const NONCE_LEAST_MS = 200;
const NONCES_KEPT = 20;
const KEY_LEAST_MS = 1000;
const TEXT_MAX = 16384;
const BACKOFF_LEAST_MS = 250;
const BACKOFF_MOST_MS = 5000;
/** The hub answers every nonce. Not a word for this long: the connection is dead, whatever the socket says. */
const SILENT_MS = 6000;
const SIGNED_OUT = 4401;

const clock = new SleepClock(() => performance.now());
const sent = new Map<string, number>(); // own nonces and when they were sent
let hubKey: { pub: string; key: VerifyKey } | null = null;
let socket: WebSocket | null = null;
let url = "";
let backoff = BACKOFF_LEAST_MS;
let isRefused = false;
let isSignedOut = false;
let isEnded = false;
let heardAt = 0;
let hasPictures = true; // what the hub does on this socket
let lastSensed = "";
let lastNonceAt = -Infinity;
let lastKeyAt = -Infinity;
let recent: number[] = []; // when nonces were sent, of the last second or so
let nonceTimer: ReturnType<typeof setTimeout> | null = null;
let dialTimer: ReturnType<typeof setTimeout> | null = null;
let texts: Promise<void> = Promise.resolve();

function tell(m: FromWorker): void {
  postMessage(m);
}

function say(m: object): boolean {
  if (!socket || socket.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(m));
  return true;
}

const player = new Player(clock, {
  proven: (exposedAt, tExpUs, measures) => tell({ k: "proof", exposedAt, tExpUs, measures }),
  unproven: (at) => tell({ k: "unproven", at }),
  frozen: (stillMs) => tell({ k: "frozen", at: clock.now(), stillMs }),
  changed: (why) => tell({ k: "changed", at: clock.now(), why }),
  size: (width, height) => tell({ k: "size", width, height }),
  cannot: (reason) => tell({ k: "cannot", reason }),
  wantsKey: askKey,
});

/** At most one a second, whatever happens. */
function askKey(): void {
  const now = clock.now();
  if (now - lastKeyAt < KEY_LEAST_MS) return;
  if (say({ t: "key" })) lastKeyAt = now;
}

/** A page that shows no picture is sent none, and does not count as looking. */
function sayPictures(): void {
  if (player.isWatched !== hasPictures && say({ t: "pictures", on: player.isWatched })) hasPictures = player.isWatched;
}

function sendNonce(): void {
  const nonce = toHex(crypto.getRandomValues(new Uint8Array(32)));
  const at = clock.now(); // before it is sent: never makes anything look newer
  if (!say({ t: "nonce", n: nonce })) return;
  lastNonceAt = at;
  recent.push(at);
  if (nonceTimer !== null) clearTimeout(nonceTimer);
  nonceTimer = null;
  sent.set(nonce, at);
  if (sent.size > NONCES_KEPT) sent.delete(sent.keys().next().value!);
  player.freshness.ask(nonce, at);
}

/** The door has moved: ask at once for a statement that says so, instead of at the next second. */
function askOnChange(m: State): void {
  const now = `${m.bolt} ${m.contact} ${m.strike} ${m.secured} ${m.opening}`;
  if (now === lastSensed) return;
  lastSensed = now;
  // The front closes on more than 20 messages a second: a few may follow closely, the rest wait their turn.
  const at = clock.now();
  recent = recent.filter((t) => at - t < 1000);
  const least = recent.length < NONCES_QUICK ? NONCE_QUICK_MS : NONCE_LEAST_MS;
  const wait = lastNonceAt + least - at;
  if (wait <= 0) sendNonce();
  else nonceTimer ??= setTimeout(sendNonce, wait);
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
  await player.setCamera(m.camera_pub, m.camera_class, m.camera_session);
}

async function onDisplay(cose: string): Promise<void> {
  if (!hubKey) return;
  const d = await readDisplay(hubKey.key, fromHex(cose));
  const at = sent.get(d.nonce);
  if (at === undefined) return; // not an answer to this screen
  tell({ k: "door", d, sentAt: at, until: at + shownForMs(d) });
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
      player.hubNonces.add(fromHex(m.n));
      return;
    case "hello":
      for (const n of m.hub_nonces) player.hubNonces.add(fromHex(n));
      tell({ k: "text", m, at: clock.now() });
      return;
    case "refused":
      isRefused = true;
      tell({ k: "text", m, at: clock.now() });
      return;
    case "story":
    case "drill":
    case "grants":
      tell({ k: "text", m, at: clock.now() });
  }
}

function later(): void {
  if (isEnded || isSignedOut || dialTimer !== null) return;
  dialTimer = setTimeout(dial, isRefused ? BACKOFF_MOST_MS : backoff);
  backoff = Math.min(backoff * 2, BACKOFF_MOST_MS);
}

function gone(s: WebSocket, code: number, why: string): void {
  if (socket !== s) return;
  socket = null;
  sent.clear();
  lastSensed = "";
  player.freshness.reset();
  if (code === SIGNED_OUT) isSignedOut = true;
  tell({ k: "link", up: false, code, why });
  later();
}

function dial(): void {
  if (dialTimer !== null) clearTimeout(dialTimer);
  dialTimer = null;
  if (isEnded || socket) return;
  const s = new WebSocket(url, "doorward-watch-1");
  s.binaryType = "arraybuffer";
  socket = s;
  heardAt = clock.now();
  s.onopen = () => {
    if (socket !== s) return;
    isRefused = false;
    lastKeyAt = -Infinity;
    hasPictures = true;
    player.restart();
    sayPictures();
    tell({ k: "link", up: true, code: 0, why: "" });
    sendNonce();
  };
  s.onmessage = (e: MessageEvent<string | ArrayBuffer>) => {
    if (socket !== s) return;
    heardAt = clock.now();
    if (typeof e.data !== "string") {
      player.take(e.data);
      return;
    }
    backoff = BACKOFF_LEAST_MS; // not before a word: a hub that only accepts and hangs up is asked less and less often
    const text = e.data;
    // In order, one after the other; what cannot be read or verified changes nothing on the screen.
    texts = texts.then(() => (socket === s ? onText(text) : undefined)).catch(() => undefined);
  };
  s.onclose = (e) => gone(s, e.code, e.reason);
}

/** The network is back, or somebody looks again: no waiting. */
function dialNow(): void {
  backoff = BACKOFF_LEAST_MS;
  isSignedOut = false;
  dial();
}

function watchSocket(): void {
  const s = socket;
  if (!s || clock.now() - heardAt <= SILENT_MS) return;
  s.onopen = s.onmessage = s.onclose = null;
  s.close();
  gone(s, 0, "");
}

onmessage = (e: MessageEvent<ToWorker>) => {
  const m = e.data;
  switch (m.k) {
    case "clock": {
      const now = clock.now();
      tell({ k: "clock", page: m.page, worker: now, slept: `${m.slept} ${clock.lost}` });
      return;
    }
    case "start":
      url = m.url;
      if (typeof VideoDecoder === "undefined" || typeof OffscreenCanvas === "undefined") tell({ k: "cannot", reason: "webcodecs" });
      if (!crypto.subtle) tell({ k: "cannot", reason: "ed25519" });
      dial();
      setInterval(sendNonce, NONCE_EVERY_MS);
      setInterval(() => {
        player.sweep();
        watchSocket();
      }, 100);
      addEventListener("online", dialNow);
      return;
    case "attach":
      player.attach(m.id, m.canvas);
      sayPictures();
      askKey();
      return;
    case "resize":
      player.resize(m.id, m.width);
      return;
    case "detach":
      player.detach(m.id);
      sayPictures();
      return;
    case "visible":
      player.setVisible(m.on);
      sayPictures();
      if (m.on) askKey();
      if (m.on && !isSignedOut) dialNow();
      return;
    case "dial":
      dialNow();
      return;
    case "key":
      askKey();
      return;
    case "end":
      isEnded = true;
      socket?.close();
      close();
      return;
    case "say":
      say(m.m);
  }
};
