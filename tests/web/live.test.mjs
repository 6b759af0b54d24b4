// The live view in Chromium against a stand-in for the hub. What is shown is judged by the pixels that the compositor
// put out, not by what the page says. Screenshots of every state are kept as artefacts [I29, I31].
import assert from "node:assert/strict";
import { join } from "node:path";
import { test as plainTest, after, before } from "node:test";
import { artefacts, axe, launch } from "../e2e/browser.mjs";
import { readPng, share } from "../e2e/png.mjs";
import { FakeHub } from "./hub.mjs";
import { WATCH_DECODER, fnv, liveFiles } from "./page.mjs";
import { until } from "./rig.mjs";
import { clip, sealOf } from "./sign.mjs";

const FPS = 25;
const test = (name, f) => plainTest(name, { timeout: 90000 }, f);
let browser, ours, theirs;

before(async () => {
  // Ours is bright and has no red in it; what somebody else sends is nothing but red.
  ours = clip(`testsrc2=s=640x360:r=${FPS},hue=h=120:s=0.4,lutrgb=r=val*0.45:g=40+val*0.8:b=40+val*0.8`, FPS, 2);
  theirs = clip(`color=c=red:s=640x360:r=${FPS}`, FPS, 2);
  browser = await launch();
});
after(async () => {
  setTimeout(() => process.exit(), 3000).unref(); // after a failure a stand-in may still run
  await browser?.close();
});

async function openPage(t, { width = 390, height = 844, dark = false, worker = "", page: script = "", query = "", state = {}, reducedMotion = "no-preference", hub: given = null } = {}) {
  const hub = given ?? (await new FakeHub(await liveFiles(WATCH_DECODER + worker), ours).start());
  Object.assign(hub.state, state);
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? "dark" : "light", reducedMotion });
  const page = await context.newPage();
  const bad = [];
  page.on("console", (m) => m.type() === "error" && !/WebSocket connection/.test(m.text()) && bad.push(m.text()));
  page.on("pageerror", (e) => bad.push(String(e)));
  await page.addInitScript(`globalThis.decoded = []; new BroadcastChannel("decoder").onmessage = (e) => decoded.push(e.data); ${script}`);
  t.after(async () => {
    await context.close();
    if (!given) await hub.stop();
  });
  await page.goto(`http://127.0.0.1:${hub.port}/${query}`);
  return { hub, page, context, bad };
}

const word = (page) => page.locator(".live").getAttribute("data-picture");
const isPicture = (page, want, ms = 8000) => until(`the picture is ${want}`, async () => (await word(page)) === want, ms);
const door = (page) => page.locator(".live .door-claim .door-word").textContent();
const isDoor = (page, want, ms = 6000) => until(`the door is ${want}`, async () => (await door(page)) === want, ms);
const keep = (page, name) => page.screenshot({ path: join(artefacts, `live-${name}.png`) });

/** What the compositor puts out, with its own times. Works while the page's main thread hangs. */
class Screencast {
  shots = [];

  static async of(page, context) {
    const s = new Screencast();
    s.cdp = await context.newCDPSession(page);
    s.cdp.on("Page.screencastFrame", (e) => {
      s.shots.push({ at: e.metadata.timestamp * 1000, png: Buffer.from(e.data, "base64") });
      s.cdp.send("Page.screencastFrameAck", { sessionId: e.sessionId }).catch(() => undefined);
    });
    await s.cdp.send("Page.startScreencast", { format: "png", everyNthFrame: 1 });
    await until("shots", () => s.shots.length > 2);
    return s;
  }

  stop() {
    return this.cdp.send("Page.stopScreencast").catch(() => undefined);
  }
}

/** The upper part of the picture, where no words of a cover stand. */
async function upperOf(page) {
  const b = await page.locator(".live-canvas").boundingBox();
  return { x: b.x + b.width * 0.06, y: b.y + b.height * 0.06, width: b.width * 0.88, height: b.height * 0.16 };
}

const isBright = (r, g, b) => r + g + b > 150;
const isRed = (r, g, b) => r > 150 && g < 70 && b < 70;
const isLit = (shot, part) => share(readPng(shot.png, part.y + part.height + 1), part, isBright) > 0.3;
const isGreen = (r, g, b) => g > 170 && g - r > 30 && g - b > 15;

/** Only whole, signed units of ours were decoded. */
async function decodedOnlyOurs(page) {
  const good = new Set(ours.map((u) => fnv(sealOf(u).sealed)));
  const had = await page.evaluate(() => globalThis.decoded);
  assert.ok(had.length > 5, "the decoder was used");
  assert.equal(had.filter((h) => !good.has(h)).length, 0, "something else reached the decoder");
}

async function shot(page) {
  return { png: await page.screenshot() };
}

test("live: drawn, with its proven age, whatever the clocks say", async (t) => {
  // The phone's date is hours wrong, the worker has another origin of time, the camera's clock is years away.
  const hours = `{ const D = Date, off = 7 * 3600e3; globalThis.Date = class extends D { constructor(...a) { a.length ? super(...a) : super(D.now() + off); } static now() { return D.now() + off; } }; }`;
  const other = `Object.defineProperty(performance, "timeOrigin", { value: 12345 }); { const now = performance.now.bind(performance); performance.now = () => now() + 3.6e6; }`;
  const { hub, page, bad } = await openPage(t, { page: hours, worker: hours + other });
  hub.cameraOffsetUs = 3e14;
  hub.play(FPS);
  await isPicture(page, "live");
  await isDoor(page, "Locked - confirmed");
  await until("an age", async () => /^0\.[0-4] s old$/.test(await page.locator(".live-now b").textContent()));
  assert.ok(isLit(await shot(page), await upperOf(page)), "the picture is on the screen");
  hub.play(0);
  await isPicture(page, "blind", 2500);
  assert.ok(!isLit(await shot(page), await upperOf(page)));
  assert.deepEqual(bad, []);
});

test("the phone's clock is set forward by hours, and back: dark for a moment at most, never older as live", async (t) => {
  const jump = `globalThis.jump = 0; { const now = Date.now; Date.now = () => now() + globalThis.jump; }`;
  const { hub, page } = await openPage(t, { page: jump, worker: `${jump} new BroadcastChannel("jump").onmessage = (e) => { globalThis.jump = e.data; };` });
  await page.evaluate(() => (globalThis.tell = (ms) => { globalThis.jump = ms; new BroadcastChannel("jump").postMessage(ms); }));
  hub.play(FPS);
  await isPicture(page, "live");
  await page.evaluate(() => globalThis.tell(5 * 3600e3));
  await until("seen as a sleep", () => page.evaluate(() => globalThis.link.clock.now() > 3600e3 && globalThis.words.length > 1));
  await isPicture(page, "live", 6000);
  await page.evaluate(() => globalThis.tell(-9 * 3600e3));
  await page.waitForTimeout(300);
  assert.equal(await word(page), "live");
  hub.play(0);
  await isPicture(page, "blind", 2500);
});

test("frames stop: stale, then dark within 1.6 s of the last one, by the compositor's own frames", async (t) => {
  const { hub, page, context } = await openPage(t, { reducedMotion: "reduce" });
  hub.play(FPS);
  await isPicture(page, "live");
  const part = await upperOf(page);
  const cast = await Screencast.of(page, context);
  hub.play(0);
  const stopped = Date.now();
  await isPicture(page, "blind");
  await until("a dark shot", () => !isLit(cast.shots.at(-1), part));
  await cast.stop();
  const last = cast.shots.filter((s) => isLit(s, part)).at(-1);
  const dark = cast.shots.find((s) => s.at > last.at);
  assert.ok(dark.at - stopped < 1600, `dark after ${Math.round(dark.at - stopped)} ms`);
  assert.deepEqual((await page.evaluate(() => globalThis.words)).slice(-2), ["stale", "blind"]);
  // Back again after a gap: with the next key frame, which is asked for, at most once a second.
  hub.asked.length = 0;
  hub.camera.seq += 7;
  hub.next = 1;
  const again = Date.now();
  hub.play(FPS);
  await isPicture(page, "live");
  assert.ok(Date.now() - again < 1700, "the question for a key frame shortens it");
  const keys = hub.asked.filter((m) => m.t === "key");
  for (let i = 1; i < keys.length; i++) assert.ok(keys[i].at - keys[i - 1].at > 990, "more than one question a second");
  assert.ok(keys.length >= 1, "a key frame was asked for");
});

test("the page's main thread hangs for 5 s: covered all the same, and afterwards nothing old is drawn", async (t) => {
  const { hub, page, context } = await openPage(t);
  hub.play(FPS);
  await isPicture(page, "live");
  await isDoor(page, "Locked - confirmed");
  const part = await upperOf(page);
  const head = await page.locator(".live-head").boundingBox();
  // Something that the compositor moves all the time: then it puts out every frame, and none of interest is missed.
  await page.evaluate(() => void document.getElementById("toggle").animate([{ transform: "none" }, { transform: "translateX(2px)" }], { duration: 300, iterations: Infinity, direction: "alternate" }));
  const cast = await Screencast.of(page, context);
  assert.ok(share(readPng(cast.shots.at(-1).png), head, isGreen) > 0.005, "locked is shown in green");
  const hang = page.evaluate(() => {
    const end = performance.now() + 5000;
    while (performance.now() < end);
  });
  const from = Date.now();
  setTimeout(() => {
    hub.answers = false;
    hub.play(0);
  }, 300); // some proofs still come into the queue of the page that hangs
  await hang;
  const hungUntil = Date.now();
  await page.waitForTimeout(300);
  await cast.stop();
  const during = cast.shots.filter((s) => s.at > from && s.at < hungUntil - 100);
  const dark = during.find((s) => !isLit(s, part));
  assert.ok(dark, "the cover came up while the page hung");
  assert.ok(dark.at - from < 300 + 1700, `after ${Math.round(dark.at - from)} ms`);
  for (const s of cast.shots.filter((x) => x.at > dark.at)) assert.ok(!isLit(s, part), "an old picture was shown afterwards");
  const greens = during.map((s) => [Math.round(s.at - from), Number(share(readPng(s.png), head, isGreen).toFixed(4))]);
  assert.ok(greens.at(-1)[1] < 0.001, `LOCKED does not outlive its lease: ${JSON.stringify(greens.slice(-6))}`);
});

test("the worker hangs for 4 s: covered, and what waited is not drawn", async (t) => {
  const { hub, page, context } = await openPage(t, { worker: `new BroadcastChannel("hang").onmessage = (e) => { const end = performance.now() + e.data; while (performance.now() < end); };` });
  hub.play(FPS);
  await isPicture(page, "live");
  const part = await upperOf(page);
  const cast = await Screencast.of(page, context);
  const from = Date.now();
  await page.evaluate(() => new BroadcastChannel("hang").postMessage(4000));
  await isPicture(page, "blind", 3500);
  assert.ok(Date.now() - from < 2200);
  hub.play(0); // nothing new comes; what is queued is old
  await page.waitForTimeout(3500);
  await cast.stop();
  for (const s of cast.shots.filter((x) => x.at > from + 1800)) assert.ok(!isLit(s, part), "an old picture was drawn");
  hub.play(FPS);
  await isPicture(page, "live");
});

// What somebody between the camera and this screen does; the whole table is in modules.test.mjs. Nothing of it is decoded.
const attacks = {
  "a foreign picture under a good record": (h) => { h.forged = (b, m) => Buffer.concat([b.subarray(0, b.length - m.au.length), theirs[0]]); },
  "one bit of the picture": (h) => { h.forged = (b, m) => flip(b, b.length - (m.au.length >> 1)); },
  "one bit of the record": (h) => { h.forged = (b) => flip(b, 60); },
  "the picture is cut short": (h) => { h.forged = (b, m) => b.subarray(0, b.length - (m.au.length >> 1)); },
  "no record at all": (h) => { h.forged = (b, m) => Buffer.concat([b.subarray(0, 3), Buffer.from([0, 0, 0]), b.subarray(6, 14), m.au]); },
  "another key": (h) => h.frame(undefined, { by: h.stranger }),
  "the camera reports hands on it": (h) => { h.change = { "-70014": 2 }; },
};
const silences = {
  "only half a head": (h) => { h.forged = (b) => b.subarray(0, 9); },
  "empty messages": (h) => { h.forged = () => Buffer.alloc(0); },
  "nonces of before": (h) => { h.keepsNonces = true; h.oldViewers = ["00".repeat(32)]; },
};
function flip(bytes, at) {
  const c = Buffer.from(bytes);
  c[at] ^= 1;
  return c;
}

test("attacks on the frames: none reaches the decoder, each is told", async (t) => {
  const { hub, page, context } = await openPage(t);
  hub.play(FPS);
  await isPicture(page, "live");
  const cast = await Screencast.of(page, context);
  const stage = await page.locator(".live-canvas").boundingBox();
  const refusedAt = () => page.evaluate(() => globalThis.link.picture.changed?.last ?? 0);
  const calm = () => Object.assign(hub, { forged: null, change: {}, keepsNonces: false });
  for (const [name, play] of Object.entries(attacks)) {
    const last = await refusedAt();
    play(hub);
    await until(`${name}: told`, async () => (await refusedAt()) > last && (await word(page)) === "tampered");
    calm();
  }
  await keep(page, "handled-390");
  for (const [name, play] of Object.entries(silences)) {
    await isPicture(page, "live", 12000);
    play(hub);
    await until(`${name}: dark`, async () => (await word(page)) === "blind", 3000);
    calm();
  }
  await isPicture(page, "live", 12000);
  await cast.stop();
  for (const s of cast.shots) assert.ok(share(readPng(s.png, stage.y + stage.height), { x: stage.x, y: stage.y + 10, width: stage.width, height: stage.height * 0.3 }, isRed) < 0.2, "a foreign picture was shown");
  await decodedOnlyOurs(page);
});

test("replayed frames, and units slipped in between, are not decoded", async (t) => {
  const { hub, page } = await openPage(t);
  hub.play(FPS);
  await isPicture(page, "live");
  // Parameter sets and messages beside the signed ones, in every frame: the picture goes on without them.
  const extra = Buffer.concat([Buffer.from([0, 0, 0, 1, 6, 5, 1, 2, 0x80]), Buffer.from([0, 0, 0, 1, ...sealOf(theirs[0]).sealed.subarray(4, 24)])]);
  hub.forged = (b) => Buffer.concat([b, extra]);
  await page.waitForTimeout(1200);
  hub.forged = (b, m) => (m.isKey ? b : Buffer.concat([b, extra]));
  await isPicture(page, "live", 8000);
  hub.forged = null;
  await isPicture(page, "live", 8000);
  hub.play(0);
  await isPicture(page, "blind");
  const before = (await page.evaluate(() => globalThis.decoded)).length;
  hub.replay(60);
  await page.waitForTimeout(800);
  assert.equal(await word(page), "blind", "had before: no proof of now");
  assert.equal((await page.evaluate(() => globalThis.decoded)).length, before);
  await decodedOnlyOurs(page);
});

test("torn WebSocket frames, a hub that goes and comes back, one that hangs", async (t) => {
  const { hub, page } = await openPage(t);
  hub.torn = "fragments";
  hub.play(FPS);
  await isPicture(page, "live");
  hub.torn = "";
  // Cut in the middle of a frame: the browser drops it, the page dials again.
  for (const s of hub.screens) {
    s.socket.write(Buffer.from([0x82, 126, 0x40, 0, 1, 2, 3]));
    s.cut();
  }
  await until("a new connection", () => hub.screens.size === 1);
  await isPicture(page, "live", 8000);
  const { port } = hub;
  await hub.stop();
  await isPicture(page, "blind", 4000);
  await isDoor(page, "Not confirmed", 7000);
  await keep(page, "house-gone-390");
  await hub.start(port);
  hub.play(FPS);
  await isPicture(page, "live", 12000);
  await isDoor(page, "Locked - confirmed");
  // Not a byte any more, and nothing that says so: noticed, dialled again.
  for (const s of [...hub.screens]) {
    hub.screens.delete(s);
    s.socket.removeAllListeners("data");
    s.isMute = true;
  }
  await isPicture(page, "blind", 4000);
  await until("a new connection", () => hub.screens.size === 1, 12000);
  await isPicture(page, "live", 8000);
});

test("the session ends: told once, and not dialled again", async (t) => {
  const { hub, page } = await openPage(t);
  hub.play(FPS);
  await isPicture(page, "live");
  for (const s of [...hub.screens]) s.close(4401, "signed out");
  await until("told", async () => (await page.evaluate(() => document.body.dataset.signed)) === "out");
  await isPicture(page, "blind", 4000);
  assert.equal(hub.screens.size, 0);
  await page.evaluate(() => globalThis.link.dial());
  await isPicture(page, "live", 8000);
});

test("a tab that sleeps and wakes, is hidden and comes back, a view that goes and comes: nothing old", async (t) => {
  const { hub, page, context } = await openPage(t);
  hub.play(FPS);
  await isPicture(page, "live");
  const part = await upperOf(page);
  const cdp = await context.newCDPSession(page);
  await cdp.send("Page.setWebLifecycleState", { state: "frozen" });
  await new Promise((r) => setTimeout(r, 500));
  hub.play(0);
  await new Promise((r) => setTimeout(r, 2000));
  await cdp.send("Page.setWebLifecycleState", { state: "active" });
  assert.ok(!isLit(await shot(page), part), "what was before the sleep is not shown");
  hub.play(FPS);
  await isPicture(page, "live");

  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { configurable: true, value: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await page.waitForTimeout(300);
  const decoded = (await page.evaluate(() => globalThis.decoded)).length;
  await page.waitForTimeout(600);
  assert.ok((await page.evaluate(() => globalThis.decoded)).length - decoded <= 2, "nobody looks: nothing is decoded");
  assert.equal([...hub.screens][0].wants, false, "and nothing is sent");
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { configurable: true, value: false });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  assert.ok(["wait", "live"].includes(await page.evaluate(() => globalThis.link.pictureWord())), "not looking is no blindness of the camera");
  await isPicture(page, "live");

  await page.locator("#toggle").click();
  await until("no pictures wanted", () => ![...hub.screens][0].wants);
  await page.locator("#toggle").click();
  await isPicture(page, "live");
  await until("the picture is on the screen again", async () => isLit(await shot(page), part));
});

test("two tabs at one hub: each proves for itself", async (t) => {
  const one = await openPage(t);
  const two = await openPage(t, { hub: one.hub, width: 1280, height: 900 });
  one.hub.play(FPS);
  await isPicture(one.page, "live");
  await isPicture(two.page, "live");
  // The first one's nonces are gone from what is signed: only it goes dark.
  const first = [...one.hub.screens][0];
  first.nonce = null;
  first.hear = () => undefined;
  const words = await until("one dark, one live", async () => {
    const w = [await word(one.page), await word(two.page)].sort().join(" ");
    return w === "blind live" ? w : null;
  });
  assert.ok(words);
});

test("an opening takes SECURED down, and that is acknowledged; a statement for another screen says nothing", async (t) => {
  const { hub, page } = await openPage(t);
  await isDoor(page, "Locked - confirmed");
  hub.set({ opening: true });
  await until("acknowledged", () => hub.asked.find((m) => m.t === "saw_opening"));
  assert.equal(await door(page), "About to unlock");
  hub.set({ bolt: "retracted", secured: false, visit_state: "unlocked" });
  await isDoor(page, "Unlocked, door closed");
  hub.set({ contact: "open", opening: false, visit: "00000000000000ab", visit_state: "inside", visitor: "Stewart" });
  await isDoor(page, "Open. Stewart is inside");
  hub.signer = hub.stranger; // signed by somebody else
  hub.set({ contact: "closed", bolt: "thrown", secured: true, visit_state: "watch" });
  await isDoor(page, "Not confirmed", 6000);
  hub.signer = undefined;
  await isDoor(page, "Locked - confirmed");
  await page.locator(".live .btn-act").click();
  await until("asked to lock", () => hub.asked.find((m) => m.t === "owner" && m.word === "lock_now"));
  assert.equal(await door(page), "Locked - confirmed", "a button changes nothing that is shown");
});

test("no WebCodecs: words, no picture, the door is still told; no Ed25519: nothing is claimed", async (t) => {
  const one = await openPage(t, { worker: "delete globalThis.VideoDecoder;" });
  one.hub.play(FPS);
  await isPicture(one.page, "nothing");
  await isDoor(one.page, "Locked - confirmed");
  await keep(one.page, "no-codec-390");
  const two = await openPage(t, { worker: `crypto.subtle.importKey = () => Promise.reject(new DOMException("no", "NotSupportedError"));` });
  two.hub.play(FPS);
  await isPicture(two.page, "nothing");
  await until("said", async () => /cannot check what the lock says/.test(await two.page.locator(".live .door-sub").first().textContent()));
  assert.equal(await door(two.page), "Not confirmed");
  await keep(two.page, "no-ed25519-390");
});

// Every state as it looks, phone and desktop, light and dark around it, with axe.
const looks = {
  live: (h) => h.play(FPS),
  stale: (h) => h.play(0.75),
  blind: async (h, p) => { h.play(FPS); await isPicture(p, "live"); h.play(0); },
  frozen: (h) => { h.measures = [3000, 100, 30]; h.set({ camera: "frozen" }); h.play(FPS); },
  covered: (h) => { h.set({ camera: "covered" }); h.play(FPS); },
  tampered: async (h, p) => { h.play(FPS); await isPicture(p, "live"); h.forged = (b) => flip(b, b.length - 20); },
  unproven: (h) => { h.isPlain = true; h.set({ camera: "unproven", camera_class: 0, camera_pub: null }); h.play(FPS); },
  off: (h) => h.set({ camera_mode: "visits" }),
  wait: () => undefined,
};
for (const [width, height, dark, query] of [[390, 844, false, ""], [1440, 900, true, ""], [390, 844, true, "?size=card"]]) {
  test(`looks: ${width} px${query}${dark ? ", dark" : ""}`, async (t) => {
    const { hub, page, bad } = await openPage(t, { width, height, dark, query });
    for (const [name, set] of Object.entries(looks)) {
      Object.assign(hub, { forged: null, isPlain: false, measures: [0, 100, 30] });
      hub.play(0);
      hub.set({ camera: "live", camera_class: 2, camera_mode: "on", camera_pub: hub.pub });
      await page.reload();
      await until("a screen", () => [...hub.screens].some((s) => s.nonce));
      await set(hub, page);
      await isPicture(page, name, 8000);
      await isDoor(page, "Locked - confirmed");
      await keep(page, `${query ? "card" : "full"}-${width}-${dark ? "dark" : "light"}-${name}`);
      if (name !== "stale" && name !== "tampered") assert.deepEqual(await axe(page), [], name);
    }
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "no sideways scrolling");
    assert.deepEqual(bad, []);
  });
}
