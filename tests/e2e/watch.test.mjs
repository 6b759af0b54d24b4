// The watch page in Chromium over a real doorward-front, with a stand-in for guard and camera that signs
// frames. What is shown is judged by the pixels that the compositor put out, not by what the page says.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import net from "node:net";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { Rig, tempFolder, until } from "../web/rig.mjs";
import { artefacts, axe, launch } from "./browser.mjs";
import { readPng, share } from "./png.mjs";

const FPS = 25;
let browser;
let streams;

function encode(folder, name, source) {
  const file = join(folder, name);
  const r = spawnSync("ffmpeg", ["-v", "error", "-y", "-f", "lavfi", "-i", source, "-t", "4", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-x264-params", `aud=1:keyint=${FPS}:min-keyint=${FPS}:scenecut=0`, "-f", "h264", file]);
  assert.equal(r.status, 0, String(r.stderr));
  return file;
}

before(async () => {
  const folder = tempFolder();
  // Ours is bright and has no red in it; what somebody else sends is nothing but red.
  streams = process.env.DW_STREAM
    ? [process.env.DW_STREAM]
    : [encode(folder, "ours.h264", `testsrc2=s=640x400:r=${FPS},hue=h=120:s=0.4,lutrgb=r=val*0.45:g=40+val*0.8:b=40+val*0.8`)];
  streams.push(encode(folder, "theirs.h264", `color=c=red:s=640x400:r=${FPS}`));
  browser = await launch();
});
after(() => browser?.close());

async function openPage(t, { width = 390, height = 844, dark = false, settings = {}, script = null } = {}) {
  const rig = await Rig.start(settings, streams);
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? "dark" : "light", reducedMotion: script?.reducedMotion ?? "no-preference" });
  await context.addCookies(rig.cookies());
  const page = await context.newPage();
  const bad = [];
  page.on("console", (m) => m.type() === "error" && bad.push(m.text()));
  page.on("pageerror", (e) => bad.push(String(e)));
  page.on("request", (r) => !r.url().startsWith(`http://127.0.0.1:${rig.port}/`) && bad.push(`foreign request ${r.url()}`));
  t.after(async () => {
    await context.close();
    await rig.stop();
  });
  await page.goto(`http://127.0.0.1:${rig.port}/`);
  return { rig, page, context, bad };
}

const state = (page) => page.locator("#view").getAttribute("data-picture");
const isPicture = (page, word, ms = 8000) => until(`the picture is ${word}`, async () => (await state(page)) === word, ms);

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
    return s;
  }

  async stop() {
    await this.cdp.send("Page.stopScreencast").catch(() => undefined);
  }
}

/** The middle of the picture, where words of the cover stand as well. */
async function stageOf(page) {
  const b = await page.locator("#stage").boundingBox();
  return { x: b.x + b.width * 0.06, y: b.y + b.height * 0.06, width: b.width * 0.88, height: b.height * 0.2 };
}

const isBright = (r, g, b) => r + g + b > 150;
const isRed = (r, g, b) => r > 150 && g < 70 && b < 70;
const isPictureShot = (shot, part) => share(readPng(shot.png, part.y + part.height + 1), part, isBright) > 0.3;

async function visit(rig) {
  rig.say("state visit=0xab bolt=1 contact=1 strike=1 is_secured=1 camera=1 visit_state=1 lock_age_ms=300 visitor=Stewart agency=Acme");
  rig.say("story 7 0 0 0xab");
}

test("a picture is drawn, with its proven age; the door's state is a signed one", async (t) => {
  const { rig, page, bad } = await openPage(t);
  await visit(rig);
  rig.say(`play ${FPS}`);
  await isPicture(page, "live");
  await until("locked", async () => (await page.locator("#door-word").textContent()) === "Locked - confirmed");
  const age = await page.locator("#age-value").textContent();
  assert.match(age, /^0\.\d s old$/);
  const part = await stageOf(page);
  const shot = await page.screenshot({ path: join(artefacts, "watch-live-390.png") });
  assert.ok(isPictureShot({ png: shot }, part), "the picture is on the screen");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "no sideways scrolling");
  assert.deepEqual(bad, []);
});

test("frames stop: dark within 1.6 s of the last one, by the compositor's own frames", async (t) => {
  const { rig, page, context } = await openPage(t);
  await visit(rig);
  rig.say(`play ${FPS}`);
  await isPicture(page, "live");
  const part = await stageOf(page);
  const cast = await Screencast.of(page, context);
  await until("shots", () => cast.shots.length > 3);
  rig.say("play 0");
  const stopped = Date.now();
  await isPicture(page, "blind");
  await until("a dark shot", () => cast.shots.length > 0 && !isPictureShot(cast.shots.at(-1), part));
  await cast.stop();
  const last = cast.shots.filter((s) => isPictureShot(s, part)).at(-1);
  const dark = cast.shots.find((s) => s.at > last.at);
  assert.ok(dark.at - stopped < 1600, `dark after ${Math.round(dark.at - stopped)} ms`);
  assert.ok(dark.at - stopped > 900, "and not because nothing was shown at all");
  assert.match(await page.locator("#dark-value").textContent(), /^0:\d\d$/);
  await page.screenshot({ path: join(artefacts, "watch-blind-390.png") });
  // Back again: the picture returns with the next key frame.
  rig.say(`play ${FPS}`);
  await isPicture(page, "live");
});

test("changed, foreign and replayed frames are never drawn", async (t) => {
  const { rig, page, context } = await openPage(t);
  await visit(rig);
  rig.say(`play ${FPS}`);
  await isPicture(page, "live");
  const stage = await page.locator("#stage").boundingBox();
  const part = await stageOf(page);
  const cast = await Screencast.of(page, context);
  for (const attack of ["inject 30", "tamper 3", "swap 30"]) {
    await isPicture(page, "live", 12000);
    rig.say(attack);
    await isPicture(page, "tampered");
    if (attack === "tamper 3") await page.screenshot({ path: join(artefacts, "watch-tampered-390.png") });
  }
  await isPicture(page, "live", 12000);
  rig.say("play 0");
  await isPicture(page, "blind");
  await page.waitForTimeout(200);
  const from = Date.now();
  rig.say("replay 60");
  await page.waitForTimeout(1500);
  assert.equal(await state(page), "blind", "had before: no proof of now");
  await cast.stop();
  // The page's own red is on the badge only; the foreign pictures fill the stage with it.
  for (const s of cast.shots) assert.ok(share(readPng(s.png, stage.y + stage.height), { x: stage.x, y: stage.y + 8, width: stage.width, height: stage.height - 70 }, isRed) < 0.05, "a foreign picture was shown");
  for (const s of cast.shots.filter((x) => x.at > from)) assert.ok(!isPictureShot(s, part), "a replayed picture was shown");
});

test("the page's main thread hangs for 5 s: picture and door state are covered all the same", async (t) => {
  const { rig, page, context } = await openPage(t);
  await visit(rig);
  rig.say(`play ${FPS}`);
  await isPicture(page, "live");
  await until("locked", async () => (await page.locator("#door-word").textContent()) === "Locked - confirmed");
  const part = await stageOf(page);
  const head = await page.locator("#door").boundingBox();
  const isGreen = (r, g, b) => g > 170 && g - r > 30 && g - b > 15;
  const cast = await Screencast.of(page, context);
  await until("shots", () => cast.shots.length > 3);
  assert.ok(share(readPng(cast.shots.at(-1).png), head, isGreen) > 0.005, "locked is shown in green");
  const hang = page.evaluate(() => {
    const end = performance.now() + 5000;
    while (performance.now() < end);
  });
  rig.say("display 0");
  rig.say("play 0");
  const from = Date.now();
  await hang;
  const hungUntil = Date.now();
  await cast.stop();
  const during = cast.shots.filter((s) => s.at > from && s.at < hungUntil - 100);
  const dark = during.find((s) => !isPictureShot(s, part));
  assert.ok(dark, "the cover came up while the page hung");
  assert.ok(dark.at - from < 1700, `after ${Math.round(dark.at - from)} ms`);
  const last = during.at(-1);
  assert.ok(!isPictureShot(last, part));
  assert.ok(share(readPng(last.png), head, isGreen) < 0.001, "LOCKED does not outlive its lease");
});

test("a lease that is not renewed ends; an opening takes SECURED down and is acknowledged", async (t) => {
  const { rig, page } = await openPage(t);
  await visit(rig);
  await until("locked", async () => (await page.locator("#door-word").textContent()) === "Locked - confirmed");
  rig.say("state is_secured=0 is_opening=1");
  await rig.line(/^viewer 0 2 /);
  assert.equal(await page.locator("#door-word").textContent(), "About to unlock");
  rig.say("state bolt=2 visit_state=6");
  await until("unlocked, while the opening is still on", async () => (await page.locator("#door-word").textContent()) === "Unlocked, door closed");
  rig.say("state is_opening=0 is_secured=1 bolt=1 visit_state=10");
  await until("locked again", async () => (await page.locator("#door-word").textContent()) === "Locked - confirmed");
  rig.say("display 0");
  await until("not confirmed", async () => (await page.locator("#door-word").textContent()) === "Not confirmed", 5000);
  assert.equal(await page.locator("#facts .is-unknown h3").first().textContent(), "Bolt");
  await page.screenshot({ path: join(artefacts, "watch-not-confirmed-390.png"), fullPage: true });
});

test("a camera that proves nothing is hatched; frozen and covered are told", async (t) => {
  const { rig, page } = await openPage(t);
  rig.say("plain 1");
  rig.say("state camera_key=0 camera_class=0 camera=7");
  await page.waitForTimeout(1200);
  rig.say(`play ${FPS}`);
  await isPicture(page, "unproven");
  await page.screenshot({ path: join(artefacts, "watch-unproven-390.png") });
  rig.say("play 0");
  await isPicture(page, "blind");
  rig.say("plain 0");
  rig.say("state camera_key=1 camera_class=2 camera=4");
  rig.say(`play ${FPS}`);
  await isPicture(page, "frozen");
  await page.screenshot({ path: join(artefacts, "watch-frozen-390.png") });
  rig.say("state camera=5");
  await isPicture(page, "covered");
  rig.say("state camera=1");
  await isPicture(page, "live");
});

test("the house goes away: said, and nothing stays as of now", async (t) => {
  const { rig, page } = await openPage(t);
  await visit(rig);
  rig.say(`play ${FPS}`);
  await isPicture(page, "live");
  await until("locked", async () => (await page.locator("#door-word").textContent()) === "Locked - confirmed");
  rig.say("quit");
  await until("said", async () => /does not answer/.test(await page.locator("#bar").textContent()));
  await isPicture(page, "blind");
  await until("not confirmed", async () => (await page.locator("#door-word").textContent()) === "Not confirmed", 6000);
});

for (const [width, height, dark] of [[390, 844, false], [390, 844, true], [1280, 900, false], [1440, 1000, true]]) {
  test(`looks: ${width} px, ${dark ? "dark" : "light"}: a visit, its alarm, no axe finding`, async (t) => {
    const name = `${width}-${dark ? "dark" : "light"}`;
    const { rig, page, bad } = await openPage(t, { width, height, dark, settings: { "front.drill_socket": "/nonexistent/drills" } });
    await visit(rig);
    rig.say(`play ${FPS}`);
    await isPicture(page, "live");
    await page.waitForTimeout(1200);
    rig.say("story 9 0 0 0xab");
    rig.say("story 10 6 0 0xab");
    rig.say("state bolt=2 contact=1 strike=2 is_secured=0 visit_state=6");
    await page.waitForTimeout(1300);
    rig.say("story 15 0 0 0xab");
    rig.say("story 10 7 0 0xab");
    rig.say("state contact=2 visit_state=7 inside_ms=9000");
    await until("inside", async () => /is inside/.test(await page.locator("#door-word").textContent()));
    await page.waitForTimeout(800);
    assert.deepEqual(await axe(page), []);
    await page.screenshot({ path: join(artefacts, `watch-inside-${name}.png`), fullPage: true });
    rig.say("play 0");
    rig.say("story 12 1 0 0xab");
    rig.say("state alarms=2 camera=3 is_degraded=1");
    await isPicture(page, "blind");
    await page.waitForTimeout(2300);
    assert.deepEqual(await axe(page), []);
    await page.screenshot({ path: join(artefacts, `watch-alarm-${name}.png`), fullPage: true });
    rig.say(`play ${FPS}`);
    rig.say("story 16 0 0 0xab");
    rig.say("story 17 3 0 0xab");
    rig.say("state alarms=0 camera=1 bolt=1 contact=1 strike=1 is_secured=1 visit_state=10 outcome=3 inside_ms=18000");
    await isPicture(page, "live");
    await until("locked", async () => /Locked/.test(await page.locator("#door-word").textContent()));
    await page.waitForTimeout(500);
    assert.deepEqual(await axe(page), []);
    await page.screenshot({ path: join(artefacts, `watch-locked-${name}.png`), fullPage: true });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
    assert.deepEqual(bad, []);
  });
}

test("a drill is run from the page: told after, outcome in words", async (t) => {
  const folder = tempFolder();
  const path = join(folder, "drills");
  let demo;
  const server = net.createServer((s) => {
    demo = s;
    s.on("error", () => undefined);
    s.resume();
  });
  await new Promise((r) => server.listen(path, r));
  t.after(() => server.close());
  const { rig, page } = await openPage(t, { width: 1280, height: 900, settings: { "front.drill_socket": path } });
  await visit(rig);
  rig.say(`play ${FPS}`);
  await isPicture(page, "live");
  await page.locator('[data-drill="camera-cut"]').click();
  await until("the demo is asked", () => demo);
  demo.write("It begins with the next delivery.\n");
  await until("said", async () => /next delivery/.test(await page.locator("#drill-list").textContent()));
  demo.write('{"attack":true}\n');
  await page.waitForTimeout(100);
  rig.say("play 0");
  await isPicture(page, "blind");
  rig.say(`play ${FPS}`);
  demo.end("SECURED_WITH_GAP; alarm after 2.1 s; door locked; nobody was told anything false\n");
  const row = page.locator("li.drill").first();
  await until("the outcome", async () => /with a gap/.test(await row.textContent()));
  const seconds = Number(/([\d.]+) s$/.exec((await row.locator(".sec").textContent()).trim())[1]);
  assert.ok(seconds > 1 && seconds < 2.5, `told after ${seconds} s`);
  await isPicture(page, "live");
  await page.screenshot({ path: join(artefacts, "watch-drill-1280.png"), fullPage: true });
});

test("keyboard: every control is reached and has a name; the red button says only that it asked", async (t) => {
  const { rig, page } = await openPage(t, { settings: { "front.drill_socket": "/nonexistent/drills" } });
  await visit(rig);
  await until("drills", () => page.locator("#drills").isVisible());
  const names = [];
  for (let i = 0; i < 24; i++) {
    await page.keyboard.press("Tab");
    names.push(await page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent?.trim() ?? ""));
  }
  assert.ok(names[0].includes("Skip"));
  assert.ok(names.includes("Lock now"));
  assert.ok(names.includes("Run the drill: Cut the camera"));
  await page.locator("#lock-now").focus();
  await page.keyboard.press("Enter");
  await rig.line(/^owner 1$/);
  assert.match(await page.locator("#lock-note").textContent(), /was asked to lock/);
  await page.locator('[data-drill="camera-cut"]').click();
  await until("the answer", async () => /does not answer/.test(await page.locator("#drill-list").textContent()));
});
