// The watch page on the simulated street, nothing replaced: a delivery is watched, a drill is pressed, the
// recording is played, pictures are kept.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { until } from "../web/rig.mjs";
import { artefacts, axe, launch } from "./browser.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const build = process.env.DW_BUILD ?? join(root, "build");

async function startDemo(t) {
  const demo = spawn(process.execPath, [join(root, "sim/demo/main.mjs"), "--build", build], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  demo.stdout.on("data", (d) => (said += d));
  demo.stderr.on("data", (d) => (said += d));
  const ended = new Promise((r) => demo.on("exit", r));
  t.after(async () => {
    demo.kill("SIGINT");
    const late = setTimeout(() => demo.kill("SIGKILL"), 10000);
    await ended;
    clearTimeout(late);
  });
  const url = await until("the demo is ready", () => {
    if (demo.exitCode !== null) throw new Error(`the demo ended:\n${said}`);
    return /watch page: (http:\S+)/.exec(said)?.[1];
  }, 60000);
  return { url, told: () => said };
}

test("a delivery, a drill and a recording on the watch page", async (t) => {
  const { url, told } = await startDemo(t);
  const browser = await launch();
  t.after(() => browser.close());
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const bad = [];
  page.on("pageerror", (e) => bad.push(String(e)));
  page.on("console", (m) => m.type() === "error" && bad.push(m.text()));
  await page.goto(url);
  const picture = () => page.locator("#view").getAttribute("data-picture");
  const door = () => page.locator("#door-word").textContent();
  const shot = (name) => page.screenshot({ path: join(artefacts, `delivery-${name}.png`) });

  await until("a proven picture", async () => (await picture()) === "live", 30000);
  await until("somebody is inside", async () => /is inside/.test(await door()), 60000);
  await shot("inside");
  await until("locked again", async () => (await door()) === "Locked - confirmed", 60000);
  await until("the visit ended well", async () => (await page.locator("#visit-word").textContent()) === "Locked - confirmed", 30000);
  await shot("locked");

  await page.locator('[data-drill="camera-cut"]').click();
  await until("the picture is dark", async () => (await picture()) === "blind" && (await page.locator('[data-alarm="camera_blind"]').count()) === 1, 90000);
  await shot("blind");
  const result = page.locator('li.drill:has([data-drill="camera-cut"])');
  await until("the drill's end", async () => /Nobody was told anything false/.test(await result.textContent()), 60000);
  assert.match(await result.textContent(), /with a gap/);
  assert.match(await result.locator(".sec").textContent(), /\d\.\d s/);
  await until("the picture is back", async () => (await picture()) === "live", 30000);

  await page.locator(".recording button").click();
  await until("the recording plays", () => page.evaluate(() => {
    const v = document.querySelector("video");
    return v && v.videoWidth > 0 && v.currentTime > 0.2;
  }), 20000);
  assert.match(await page.locator(".recorded .age").textContent(), /^Recorded, \d\d:\d\d:\d\d$/);
  await shot("recording");
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(bad, []);
  assert.ok(!told().includes("LIES"));
});
