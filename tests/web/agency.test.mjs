// The agency's board in Chromium, against a stand-in for the service.
import assert from "node:assert/strict";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { arrives, artefacts, axe, launch, readable } from "../e2e/browser.mjs";
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
  await readable(page, name);
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
  await arrives(page, /\/signin$/, async () => (s.isSignedOut = true));
  s.isSignedOut = false;
  s.role = "visitor";
  await arrives(page, /:\d+\/$/, () => page.goto(`${s.origin}/agency`));
});

test("homes: key given with its scope in words, asked and not answered, taken back, and asking another", async (t) => {
  let homes;
  const { s, page, bad } = await board(t, (x) => {
    street(x);
    homes = [x.addHome({ grants: [{}, { kind: "stay", mode: "notify", windows: [{ from: 5 * 1440 + 600, minutes: 60 }] }] }), x.addHome({ grant: { kind: "stay", mode: "ask", hosted: true, windows: [{ from: 6 * 1440 + 1320, minutes: 240 }], dwell_ms: 3 * 3600000 } }),
      x.addHome({ asked: "2026-11-20T09:00:00.000Z" }), x.addHome({ revoked: new Date().toISOString() }), x.addHome()];
    for (const [n, name] of ["14 Linden Row", "Mill Court", "9 Quay Street", "22 Poplar Way"].entries()) x.addJob({ home: homes[n].id, home_name: name, state: n === 3 ? "declined" : "open", visitor: x.visitors[0].id });
  });
  const card = page.locator("#homes");
  await card.getByText("22 Poplar Way").waitFor();
  const of = (name) => card.locator("li", { has: page.getByRole("heading", { name, exact: true }) });
  assert.match(await of("14 Linden Row").textContent(), /keys given.*Drop a parcel inside: Mon to Sat 08:00-20:00.*2 a day, 50 in all, until .*Inside for 1:00 at most. The household may say no/);
  assert.match(await of("14 Linden Row").textContent(), /2 keys given.*A visit inside: Sat 10:00-11:00/);
  assert.match(await of("Mill Court").textContent(), /Key given.*A visit inside: Sun 22:00-24:00; Mon 00:00-02:00.*3:00:00 at most. The household says yes to each one first.*your key lies with this service/);
  assert.match(await of("9 Quay Street").textContent(), /Asked, not answered yet.*Asked on .*20.*2026/);
  assert.match(await of("22 Poplar Way").textContent(), /Taken back.*No door opens on it any more. Stops of today that lost their key: 1/);
  assert.match(await of(`Home ${homes[4].id.slice(0, 8)}`).textContent(), /No key/);
  await keep(page, "homes");
  await page.getByRole("button", { name: "Ask for a key: 22 Poplar Way" }).click();
  await card.getByText("as soon as your signer has signed it").waitFor();
  await of("22 Poplar Way").getByText("Asked, not answered yet").waitFor();
  await page.getByRole("button", { name: "Ask another home" }).click();
  await page.getByLabel("Number of the home").fill("f".repeat(32));
  await keep(page, "ask-home");
  await card.getByRole("button", { name: "Ask for a key", exact: true }).click();
  await card.getByText("That is not there.").waitFor();
  assert.deepEqual(s.posts(/introductions$/).map((a) => a.path), [`/v1/homes/${homes[3].id}/introductions`, `/v1/homes/${"f".repeat(32)}/introductions`]);
  assert.deepEqual(bad, []);
});

test("planning: within the household's key, refused in its own words, then waiting for the signer until it is not heard", async (t) => {
  const { s, page, bad } = await board(t, (x) => {
    street(x);
    const h = x.addHome({ grant: {} });
    x.addJob({ home: h.id, home_name: "14 Linden Row", visitor: x.visitors[0].id });
  });
  await page.locator("#homes").getByText("Key given").waitFor();
  await page.getByRole("button", { name: "Add a stop" }).click();
  const form = page.getByRole("form", { name: "Add a stop" });
  await form.getByText("Mon to Sat 08:00-20:00").waitFor();
  await form.getByLabel("Who comes").selectOption({ label: "Priya Nair" });
  await form.getByLabel("Code on the parcel").fill("ACM-9");
  await form.getByLabel("From", { exact: true }).fill("07:00");
  const plan = () => form.getByRole("button", { name: "Plan it" }).click();
  for (const [part, words] of [["window", /does not hold these hours on this day/], ["dwell", /so long a time inside/], ["time", /does not count on this day/]]) {
    s.planned = { status: 409, code: "outside_grant", detail: `The household's grant does not hold this: x (${part}).` };
    await plan();
    await form.getByText(words).waitFor();
    await form.getByText("Nothing was planned.").waitFor();
  }
  await keep(page, "outside-grant");
  s.planned = { status: 409, code: "no_grant", detail: "The household has granted this agency nothing." };
  await plan();
  await form.getByText("This home has given you no key, or took it back.").waitFor();
  s.planned = { status: 409, code: "no_key", detail: "" };
  await plan();
  await form.getByText("Your agency has no key of its own here.").waitFor();
  s.planned = null;
  await form.getByLabel("From", { exact: true }).fill("09:00");
  await plan();
  await page.getByText("Planned. Your signer has it now").waitFor();
  const body = s.posts(/jobs$/).at(-1).body;
  assert.deepEqual([body.home, body.kind, body.door, body.parcels, body.window.from, body.visitor], [s.homes[0].id, "drop", 0, ["ACM-9"], "09:00", s.visitors[1].id]);
  await page.getByRole("heading", { name: "Being signed" }).waitFor();
  await page.locator("#unsigned").getByText("Priya Nair").waitFor();
  s.waiting[0].created = new Date(Date.now() - 300000).toISOString();
  await page.getByRole("heading", { name: "Your signer is not heard" }).waitFor();
  assert.match(await page.locator("#unsigned").textContent(), /The oldest has waited since \d\d:\d\d:\d\d.*no house takes these stops.*Visits: 1. Shifts: 0/);
  await keep(page, "signer-silent");
  s.waiting = [];
  await page.locator("#unsigned").waitFor({ state: "detached" });
  assert.deepEqual(bad, []);
});

test("homes and planning in German, dark, by keyboard", async (t) => {
  const { page, bad } = await board(t, (x) => {
    street(x);
    x.addHome({ grant: { windows: [0, 1, 2, 3, 4, 5, 6].map((d) => ({ from: d * 1440, minutes: 1440 })) } });
    x.addHome({ asked: "2026-11-20T09:00:00.000Z" });
  }, { colorScheme: "dark", locale: "de-DE" });
  await page.getByText("Schlüssel gegeben").waitFor();
  await page.getByText("jeden Tag 00:00-24:00").waitFor();
  await page.getByRole("button", { name: "Halt hinzufügen" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("form", { name: "Halt hinzufügen" }).waitFor();
  await keep(page, "plan-dark-de");
  assert.deepEqual(bad, []);
});
