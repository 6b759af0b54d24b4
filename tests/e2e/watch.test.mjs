// The live view in Chromium over the real doorward-front, with a stand-in for guard and camera that signs frames. What is
// shown is judged by the pixels that the compositor put out. Its states and attacks one by one are in tests/web/live.test.mjs;
// here it is the front, its messages and its socket that count.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { after, before, test as plainTest } from "node:test";
import { serveTrial } from "../web/page.mjs";
import { Rig, tempFolder, until } from "../web/rig.mjs";
import { artefacts, launch } from "./browser.mjs";
import { readPng, share } from "./png.mjs";

const FPS = 25;
const test = (name, f) => plainTest(name, { timeout: 90000 }, f);
let browser, streams;

function encode(folder, name, source) {
  const file = join(folder, name);
  const r = spawnSync("ffmpeg", ["-v", "error", "-y", "-f", "lavfi", "-i", source, "-t", "4", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-x264-params", `aud=1:keyint=${FPS}:min-keyint=${FPS}:scenecut=0`, "-f", "h264", file]);
  assert.equal(r.status, 0, String(r.stderr));
  return file;
}

before(async () => {
  const folder = tempFolder();
  // Ours is bright and has no red in it; what somebody else sends is nothing but red.
  streams = [encode(folder, "ours.h264", `testsrc2=s=640x360:r=${FPS},hue=h=120:s=0.4,lutrgb=r=val*0.45:g=40+val*0.8:b=40+val*0.8`), encode(folder, "theirs.h264", `color=c=red:s=640x360:r=${FPS}`)];
  browser = await launch();
});
after(() => browser?.close());

async function openPage(t) {
  const rig = await Rig.start({}, streams);
  const context = await browser.newContext({ viewport: { width: 390, height: 844 } });
  await context.addCookies(rig.cookies());
  const page = await context.newPage();
  const bad = [];
  page.on("pageerror", (e) => bad.push(String(e)));
  t.after(async () => {
    await context.close();
    await rig.stop();
  });
  await page.goto(await serveTrial(context, `http://127.0.0.1:${rig.port}`));
  rig.say("state visit=0xab bolt=1 contact=1 strike=1 is_secured=1 camera=1 visit_state=1 lock_age_ms=300 visitor=Stewart agency=Acme");
  rig.say(`play ${FPS}`);
  await isPicture(page, "live");
  await isDoor(page, "Locked - confirmed");
  return { rig, page, context, bad };
}

const word = (page) => page.locator(".live").getAttribute("data-picture");
const isPicture = (page, want, ms = 12000) => until(`the picture is ${want}`, async () => (await word(page)) === want, ms);
const isDoor = (page, want, ms = 7000) => until(`the door is ${want}`, async () => (await page.locator(".live .door-claim .door-word").textContent()) === want, ms);
const isBright = (r, g, b) => r + g + b > 150;
const isRed = (r, g, b) => r > 150 && g < 70 && b < 70;

async function stage(page, height) {
  const b = await page.locator(".live-canvas").boundingBox();
  return { x: b.x + 20, y: b.y + 12, width: b.width - 40, height: b.height * height };
}
async function lit(page) {
  return share(readPng(await page.screenshot()), await stage(page, 0.16), isBright);
}

test("a picture through the real front; it stops, is asked for anew, and comes back", async (t) => {
  const { rig, page, bad } = await openPage(t);
  assert.ok((await lit(page)) > 0.3, "the picture is on the screen");
  rig.say("play 0");
  await isPicture(page, "blind", 2500);
  assert.ok((await lit(page)) < 0.1);
  await page.screenshot({ path: join(artefacts, "watch-blind-390.png") });
  const from = rig.lines.length;
  rig.say(`play ${FPS}`);
  await isPicture(page, "live");
  await page.locator("#toggle").click(); // no view: no pictures are sent, and nobody looks
  await until("gone", async () => (await page.locator(".live").count()) === 0);
  await page.locator("#toggle").click();
  await isPicture(page, "live");
  await rig.line(/^key_wanted/, from);
  assert.deepEqual(bad, []);
});

test("changed, foreign and replayed frames through the real front are never drawn", async (t) => {
  const { rig, page, context } = await openPage(t);
  const part = await stage(page, 0.3);
  const shots = [];
  const cdp = await context.newCDPSession(page);
  cdp.on("Page.screencastFrame", (e) => {
    shots.push(Buffer.from(e.data, "base64"));
    cdp.send("Page.screencastFrameAck", { sessionId: e.sessionId }).catch(() => undefined);
  });
  await cdp.send("Page.startScreencast", { format: "png", everyNthFrame: 2 });
  const refusedAt = () => page.evaluate(() => globalThis.link.picture.changed?.last ?? 0);
  for (const attack of ["inject 30", "tamper 3", "swap 30"]) {
    const last = await refusedAt();
    rig.say(attack);
    await until(attack, async () => (await refusedAt()) > last && (await word(page)) === "tampered");
    await new Promise((r) => setTimeout(r, 1300)); // the 30 frames are over
  }
  await isPicture(page, "live");
  rig.say("play 0");
  await isPicture(page, "blind");
  rig.say("replay 60");
  await page.waitForTimeout(1000);
  assert.equal(await word(page), "blind", "had before: no proof of now");
  await cdp.send("Page.stopScreencast");
  for (const s of shots) assert.ok(share(readPng(s, part.y + part.height + 1), part, isRed) < 0.2, "a foreign picture was shown");
});

test("a camera that proves nothing; frozen and covered, as the hub says; off", async (t) => {
  const { rig, page } = await openPage(t);
  rig.say("plain 1");
  rig.say("state camera_key=0 camera_class=0 camera=7");
  await isPicture(page, "unproven");
  rig.say("play 0");
  await isPicture(page, "blind");
  rig.say("plain 0");
  rig.say("state camera_key=1 camera_class=2 camera=4");
  rig.say(`play ${FPS}`);
  await isPicture(page, "frozen");
  rig.say("state camera=5");
  await isPicture(page, "covered");
  rig.say("state camera=1");
  await isPicture(page, "live");
});

test("an opening takes SECURED down and is acknowledged; the house goes away", async (t) => {
  const { rig, page } = await openPage(t);
  rig.say("state is_secured=0 is_opening=1");
  await rig.line(/^viewer 0 2 /);
  await isDoor(page, "About to unlock");
  rig.say("state bolt=2 visit_state=6");
  await isDoor(page, "Unlocked, door closed");
  rig.say("state is_opening=0 is_secured=1 bolt=1 visit_state=10");
  await isDoor(page, "Locked - confirmed");
  await page.locator(".live .btn-act").click();
  await rig.line(/^owner 1/);
  rig.say("quit");
  await isPicture(page, "blind");
  await isDoor(page, "Not confirmed");
});
