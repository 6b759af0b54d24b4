// The agency's board in Chromium, against a stand-in for the service.
import assert from "node:assert/strict";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { artefacts, axe, launch } from "../e2e/browser.mjs";
import { Service, buildPages } from "./courier_rig.mjs";

let browser;
let files;
before(async () => {
  files = buildPages();
  browser = await launch();
});
after(() => browser?.close());

const day = (n) => new Date(Date.now() + n * 86400000).toISOString().slice(0, 10);

async function board(t, fill, more = {}) {
  const s = await Service.start(files);
  s.role = "staff";
  fill(s);
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, serviceWorkers: "block", locale: "en-GB", ...more });
  const page = await context.newPage();
  page.setDefaultTimeout(10000);
  const bad = [];
  page.on("console", (m) => m.type() === "error" && !/Failed to load resource/.test(m.text()) && bad.push(m.text()));
  page.on("pageerror", (e) => bad.push(String(e)));
  t.after(async () => {
    await context.close();
    await s.stop();
  });
  await page.goto(`${s.origin}/agency`);
  return { s, page, bad };
}

async function keep(page, name) {
  for (const [width, height] of [[1280, 900], [390, 844]]) {
    await page.setViewportSize({ width, height });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, `${name}: scrolls sideways at ${width}`);
    assert.deepEqual(await axe(page), [], `${name} at ${width}`);
    await page.screenshot({ path: join(artefacts, `agency-${name}-${width}.png`), fullPage: true });
  }
  await page.setViewportSize({ width: 1280, height: 900 });
}

function street(s) {
  const people = ["Stewart Boyle", "Priya Nair", "Luca Ferro", "Tom Ashby"].map((name, n) => ({ id: String(n + 1).repeat(32), agency: "a".repeat(32), name, active: true, created: new Date().toISOString() }));
  s.visitors.push(...people);
  const screen = (n, to) => (s.screenings[people[n].id] = [{ id: "e".repeat(32), issuer: "Clearcheck", kind: "background", valid_from: day(-200), valid_to: day(to), created: new Date().toISOString() }]);
  screen(0, 200);
  screen(1, 100);
  screen(2, 3);
  screen(3, -2);
  const stop = (n, name, outcome) => {
    const job = s.addJob({ home_name: name, visitor: people[n].id });
    if (!outcome) return null;
    const v = s.newVisit(job, { visitor: people[n].id });
    if (outcome === "REFUSED") s.refuse(v, "camera_not_live");
    else if (outcome === "OK") s.end(v, "OK");
    else s.tell(v, { state: outcome });
    return v;
  };
  stop(0, "9 Ash Lane", "OK");
  stop(0, "11 Ash Lane", "REFUSED");
  const inside = stop(0, "14 Linden Row", "inside");
  stop(0, "15 Linden Row");
  stop(1, "1 Mill Court", "OK");
  const stuck = stop(1, "3 Mill Court", "not_secured");
  stop(2, "9 Quay Street", "unconfirmed");
  stop(3, "22 Poplar Way");
  return { inside, stuck, people };
}

test("the board: stuck doors first, routes with their states, refusals, screening; states follow", async (t) => {
  let made;
  const { s, page, bad } = await board(t, (x) => (made = street(x)));
  await page.getByRole("heading", { name: "Doors that need you: 2" }).waitFor();
  await page.getByText("Priya Nair was asked to push the door").waitFor();
  await page.locator(".route").filter({ hasText: "Stewart Boyle" }).getByText("Inside").waitFor();
  assert.match(await page.locator(".route").first().textContent(), /Priya Nair.*Door will not lock, \d:\d\d.*3 Mill Court/);
  const line = await page.locator(".route").filter({ hasText: "Stewart Boyle" }).locator(".line").getAttribute("aria-label");
  assert.equal(line, "Stewart Boyle: 1 locked - confirmed, 1 not opened, 0 not confirmed, 1 expected; now: Inside");
  await page.getByText("3 days left").waitFor();
  await page.getByText("Ran out: gets no stops").waitFor();
  await page.getByText("The camera is not ready.").waitFor();
  await keep(page, "board");
  s.end(made.stuck, "OK");
  await page.getByRole("heading", { name: "Doors that need you: 1" }).waitFor();
  s.end(made.inside, "OK");
  await page.locator(".route").filter({ hasText: "Stewart Boyle" }).getByText("Nothing at a door").waitFor();
  assert.deepEqual(bad, []);
});

test("people: add and invite by a link, a screening, off duty", async (t) => {
  const { s, page, bad } = await board(t, street);
  await page.getByRole("button", { name: "Add a person" }).click();
  await page.getByLabel("Name").fill("Wen Li");
  await page.getByRole("button", { name: "Add and invite" }).click();
  await page.getByText(`${s.origin}/join#`).waitFor();
  await keep(page, "invite");
  await page.getByRole("button", { name: "Close" }).click();
  await page.getByRole("row", { name: /Wen Li.*Not screened/ }).waitFor();
  await page.getByRole("button", { name: "Change: Wen Li" }).click();
  await keep(page, "person");
  await page.getByRole("button", { name: "Add screening" }).click();
  await page.getByLabel("Who attests").fill("Nordvet");
  await page.getByLabel("What was checked").fill("background");
  await page.getByLabel("Valid to").fill(day(300));
  await keep(page, "screening");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("row", { name: /Wen Li.*Nordvet.*Valid today/ }).waitFor();
  await page.getByRole("button", { name: "Change: Wen Li" }).click();
  await page.getByRole("button", { name: "Take off duty" }).click();
  await page.getByRole("row", { name: /Wen Li.*Off duty/ }).waitFor();
  assert.deepEqual(bad, []);
});

test("no network: what stands there is said to be old; signed out: to the sign-in; a courier has another page", async (t) => {
  const { s, page } = await board(t, street, { colorScheme: "dark" });
  await page.getByRole("heading", { name: "Doors that need you: 2" }).waitFor();
  await page.getByText("Ran out: gets no stops").waitFor();
  s.isDown = true;
  s.server.closeAllConnections();
  await page.getByText(/No connection since \d\d:\d\d:\d\d\. What stands below/).waitFor();
  await keep(page, "down-dark");
  s.isDown = false;
  await page.getByText(/No connection/).waitFor({ state: "detached" });
  s.isSignedOut = true;
  await page.waitForURL("**/signin");
  s.isSignedOut = false;
  s.role = "visitor";
  await page.goto(`${s.origin}/agency`);
  await page.waitForURL(`${s.origin}/`);
});
