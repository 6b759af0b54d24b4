// Guests, in Chromium against a stand-in for the hub: how an owner lets one in, and the guest's own page from the link to the
// locked door. What the guest's passkey signs is looked at as a hub looks at it.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import test from "node:test";
import { arrives, axe } from "../e2e/browser.mjs";
import { HubKey, hold } from "./courier_rig.mjs";
import { GuestHome } from "./guest_rig.mjs";
import { DESKTOP, PHONE, heading, household, keep as picture, open, overflow, passkey } from "./household_page.mjs";
import { load } from "./load.mjs";
import { until } from "./rig.mjs";

const { newHome, built } = household();
const b64 = (b) => Buffer.from(b).toString("base64url");
const title = (page, name, ms = 10000) => page.getByRole("heading", { level: 1, name }).waitFor({ timeout: ms });
const button = (page, name) => page.getByRole("button", { name });
const press = (page, name) => button(page, name).click();
/** The page says so, and the house has the question. */
async function checking(page, home) {
  await title(page, "Checking 4 things");
  await until("the question", () => home.visit?.state === "checking");
}
const body = (page) => page.locator("body").innerText();

/** A picture; axe finds nothing; nothing scrolls sideways. */
async function keep(page, name) {
  assert.equal(await overflow(page), 0, `${name}: scrolls sideways`);
  await picture(page, `guest-${name}-${page.viewportSize().width}`);
  assert.deepEqual(await axe(page), [], name);
}

test("when a key opens next: in the house's time, joined in the middle, not on a day that is spent", async () => {
  const { nextOf } = await load("guest/when.ts");
  const now = Date.parse("2026-11-25T12:00:00Z"); // a Wednesday, 13:00 in Berlin
  const key = (more) => ({ from: "2026-11-24T23:00:00Z", to: "2026-12-20T23:00:00Z", windows: [{ from: 2 * 1440 + 600, minutes: 360 }], zone: "Europe/Berlin", uses: 5, used: 0, used_today: 0, per_day: 1, state: "live", live_at: null, ...more });
  const next = (more) => {
    const n = nextOf(key(more), now);
    return n && [n.inDays, n.from, n.minutes];
  };
  const window = (from, minutes) => ({ windows: [{ from, minutes }] });
  assert.deepEqual(next({}), [0, 780, 180]); // running now, until 16:00
  assert.deepEqual(next({ used_today: 1 }), [7, 600, 360]); // spent: next week's
  assert.deepEqual(next({ used_today: null }), [0, 780, 180]);
  assert.deepEqual(next({ state: "waiting", live_at: "2026-11-25T12:10:00Z" }), [0, 790, 170]); // joined when it counts
  assert.deepEqual(next(window(2 * 1440 + 900, 60)), [0, 900, 60]);
  assert.deepEqual(next(window(3 * 1440, 1440)), [1, 0, 1440]);
  assert.deepEqual(next(window(0, 10080)), [0, 780, 10080 - 2 * 1440 - 780]); // of this week
  assert.deepEqual(next({ ...window(6 * 1440 + 1200, 480) }), [4, 1200, 480]); // Sunday evening, over the end of the week
  assert.deepEqual(next({ ...window(2 * 1440 + 600, 60) }), [7, 600, 60]); // over for today
  assert.equal(next({ ...window(2 * 1440 + 600, 60), to: "2026-11-26T23:00:00Z" }), null);
  for (const over of [{ state: "revoked" }, { used: 5 }, { zone: "Nowhere/At_all" }]) assert.equal(next(over), null);
});

// ---- the household ----

async function owner(t, more = {}) {
  const home = await newHome(t, more);
  const { page, context } = await open(t, home, "#/come", more.open);
  const keys = [await passkey(context, page), await passkey(context, page)];
  home.allow = keys;
  home.credential = keys[0];
  return { home, page, keys };
}

for (const [name, size, dark] of [["phone", PHONE, false], ["desktop-night", DESKTOP, true]]) {
  test(`an owner invites a guest, gives a key, takes it away: ${name}`, async (t) => {
    const { home, page } = await owner(t, { open: { size, dark } });
    await title(page, "Who may come");
    await page.getByLabel("Name of the guest").fill("Maria");
    await press(page, "Make a link");
    await page.getByRole("heading", { name: "Link for Maria" }).waitFor();
    assert.deepEqual(home.asksOf("/api/acts/begin")[0].body, { act: "invite", name: "Maria", role: "guest" });
    assert.match(await body(page), /counts once, until .*It makes a passkey and opens nothing/s);
    assert.equal(await page.locator(".given svg.qr").count(), 1);
    await keep(page, `owner-link-${name}`);
    await press(page, "Done");
    await page.getByText("Waits for the link to be opened.").waitFor();

    const maria = home.addGuest("Maria");
    home.story("people");
    await page.getByText("Has a passkey, and no key yet.").waitFor();
    await page.getByText(/Passkey made today 14:02:00 on "iPhone"/).waitFor();
    await keep(page, `owner-joined-${name}`);
    await page.getByRole("link", { name: "Give a key: Maria" }).click();
    await title(page, "A key for Maria");
    await button(page, /^Every week/).click();
    for (const d of ["Monday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]) await page.getByRole("checkbox", { name: d }).uncheck();
    await page.getByLabel("Tuesday, from").fill("17:00");
    await page.getByLabel("Tuesday, to").fill("19:30");
    await press(page, "30 days");
    await page.getByLabel("Times a day").selectOption("1");
    await page.getByLabel("Times in all").selectOption("10");
    await button(page, /^Ask us each time/).click();
    await keep(page, `owner-choose-${name}`);
    await press(page, "Read what you sign");
    await page.getByRole("heading", { name: "Maria may come in and stay" }).waitFor();
    assert.deepEqual(home.asksOf("/api/acts/begin")[1].body, { act: "grant", guest: maria.id, kind: "stay", windows: [{ from: 1440 + 1020, minutes: 150 }], days: 30, uses: 10, per_day: 1, dwell_ms: 60000, mode: "ask" });
    const text = await body(page);
    for (const words of ["Tuesday, 17:00 to 19:30", "At most 1 a day and 10 in all", "Ask us each time", `Key ${maria.key_thumb.slice(0, 16).match(/..../g).join(" ")}`, "The door locks behind them."]) assert.ok(text.includes(words), words);
    assert.ok(!/agency/i.test(await page.locator(".reading").innerText()), "no word of an agency");
    await keep(page, `owner-read-${name}`);
    await press(page, "Sign with your passkey");
    await page.getByText("The new key waits").waitFor();
    await page.getByRole("link", { name: "See all keys" }).click();
    const row = page.locator("section[aria-labelledby=guests-title] li");
    await row.getByText(/Has a key that counts from/).waitFor();
    const g = home.grants.grants.at(-1);
    g.state = "live";
    home.story("grant");
    await row.getByText("Has a key.").waitFor();
    await keep(page, `owner-key-${name}`);
    const card = page.locator("article.grant").filter({ has: page.locator(`#grant-${g.id}`) });
    assert.equal(await card.getByRole("link", { name: /^Change/ }).count(), 0);
    await card.getByRole("button", { name: /^Revoke/ }).click();
    await card.getByText("cannot come in with it any more").waitFor();
    await card.getByRole("button", { name: /^Really revoke/ }).click();
    await card.getByText("Revoked - confirmed").first().waitFor();
    await row.getByText("No key any more.").waitFor();

    // A guest is nobody who lives here, and is removed with all keys.
    await page.evaluate(() => void (location.hash = "#/people"));
    await title(page, "People");
    assert.equal(await page.getByText("Maria").count(), 0);
    await page.evaluate(() => void (location.hash = "#/come"));
    await press(page, "Remove: Maria");
    await page.getByText("Maria loses passkey, session and every key at once.").waitFor();
    await press(page, "Really remove: Maria");
    await until("the guest is gone", async () => (await row.count()) === 0);
    assert.deepEqual(home.asksOf("/api/acts/begin").at(-1).body, { act: "remove_member", member: maria.id });
  });
}

test("today, one day, once: what the form says is what is asked for", async (t) => {
  const { home, page } = await owner(t, { waitMs: 0 });
  const maria = home.addGuest("Maria");
  const form = async () => {
    await page.evaluate((id) => void (location.hash = `#/guest/${id}`), maria.id);
    await title(page, "A key for Maria");
  };
  const asked = async () => {
    const n = home.asksOf("/api/acts/begin").length;
    await press(page, "Read what you sign");
    await page.getByRole("heading", { name: "Maria may come in and stay" }).waitFor();
    await press(page, "Change something");
    return home.asksOf("/api/acts/begin")[n].body;
  };
  await form();
  const weekday = (new Date().getDay() + 6) % 7;
  await page.getByLabel("From", { exact: true }).fill("10:15");
  await page.getByLabel("Until", { exact: true }).fill("12:00");
  let b = await asked();
  assert.deepEqual([b.windows, b.days, b.uses, b.per_day, b.mode], [[{ from: weekday * 1440 + 615, minutes: 105 }], 1, 1, 1, "notify"]);
  await page.getByLabel("Until", { exact: true }).fill("02:00"); // of the next day
  b = await asked();
  assert.deepEqual([b.windows, b.days], [[{ from: weekday * 1440 + 615, minutes: 945 }], 2]);
  await page.getByLabel("Until", { exact: true }).fill("10:15");
  await page.getByText("A day must not end when it begins.").waitFor();
  const count = home.asksOf("/api/acts/begin").length;
  await button(page, "Read what you sign").click({ force: true });
  assert.equal(home.asksOf("/api/acts/begin").length, count, "nothing is written of times that are none");
  await button(page, /^Single day/).click();
  const day = (n) => { const d = new Date(Date.now() + n * 86400000); return `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, "0")}-${String(d.getDate()).padStart(2, "0")}`; };
  await page.getByLabel("Day", { exact: true }).fill(day(3));
  await page.getByLabel("Until", { exact: true }).fill("00:00");
  await button(page, /^Several times/).click();
  await page.getByLabel("Times a day").selectOption("3");
  await page.getByLabel("Times in all").selectOption("5");
  b = await asked();
  assert.deepEqual([b.windows, b.days, b.uses, b.per_day], [[{ from: ((weekday + 3) % 7) * 1440 + 615, minutes: 825 }], 4, 5, 3]);
  // A week later the window would come twice.
  await page.getByLabel("Day", { exact: true }).fill(day(7));
  await page.locator(".problem").getByText("Later than that").waitFor();
});

test("a key that names another passkey than the guest's is not signed", async (t) => {
  const { home, page } = await owner(t);
  const maria = home.addGuest("Maria");
  for (const [forge, words] of [[(f) => f.set(2, randomBytes(32)), "the guest's passkey"], [(f) => f.set(-70203, "Mario"), "the name"], [(f) => f.set(-70204, 0), "what for"]]) {
    home.forge = forge;
    await page.evaluate(() => void (location.hash = "#/today"));
    await title(page, "Today");
    await page.evaluate((id) => void (location.hash = `#/guest/${id}`), maria.id);
    await title(page, "A key for Maria");
    await press(page, "Read what you sign");
    const note = page.locator(".banner.is-act[role=alert]");
    await note.getByText("nothing was signed").waitFor();
    assert.ok((await note.innerText()).includes(words), words);
    assert.equal(await button(page, "Sign with your passkey").count(), 0);
  }
  assert.equal(home.asksOf("/api/acts/finish").length, 0);
});

test("who is no owner sees guests and gives nothing", async (t) => {
  const { home, page } = await owner(t, { me: { member: { id: 2, name: "Ben", role: "occupant" }, home: "14 Linden Row", needs_second_passkey: false, camera_mode: "on", is_demo: false, recovery_until: null } });
  home.addGuest("Maria");
  home.story("people");
  await page.getByText("Has a passkey, and no key yet.").waitFor();
  assert.equal(await page.getByText("Give a key").count() + await button(page, /^Remove: Maria/).count() + await page.getByLabel("Name of the guest").count(), 0);
  await page.getByText("Only an owner invites guests").waitFor();
});

// ---- the guest ----

/** A guest's phone, signed in at that house. */
async function phone(t, { size = PHONE, dark = false, locale = "en-GB", prepare = () => undefined, path = "/guest", allow = /Failed to load resource/, script = "" } = {}) {
  const home = await newHome(t, {}, GuestHome);
  prepare(home);
  const { page, context } = await open(t, home, "", { size, dark, locale, path, allow, script: `${script}
    globalThis.passkeyAsked = [];
    { const get = navigator.credentials?.get.bind(navigator.credentials); if (get) navigator.credentials.get = (o) => (passkeyAsked.push((o.publicKey.allowCredentials ?? []).length), get(o)); }` });
  page.setDefaultTimeout(10000);
  page.passkey = await hold(page, home.passkey);
  return { home, page, context };
}
const askedPasskey = (page) => page.evaluate(() => globalThis.passkeyAsked.length);
async function drag(page) {
  const b = await page.locator(".slide").boundingBox();
  await page.mouse.move(b.x + 46, b.y + b.height / 2);
  await page.mouse.down();
  await page.mouse.move(b.x + b.width / 2, b.y + b.height / 2, { steps: 3 });
  await page.mouse.move(b.x + b.width - 46, b.y + b.height / 2, { steps: 3 });
  await page.mouse.up();
}
async function toReady(home, page) {
  await press(page, "I'm at the door");
  await checking(page, home);
  home.ready();
  await title(page, "All 4 checked");
}

test("the page is small and open, and asks nobody but the house", async (t) => {
  const list = built().list.filter((f) => ["/guest.html", "/guest.js", "/guest.css"].includes(f.path));
  assert.equal(list.length, 3);
  assert.ok(list.every((f) => f.open));
  const sum = list.reduce((n, f) => n + f.gzip, 0);
  assert.ok(sum > 10000 && sum < 150000, `${sum} bytes`);
  const asked = [];
  const { home, page } = await phone(t, { prepare: (h) => h.giveKey() });
  page.on("request", (r) => asked.push(r.url()));
  await page.reload();
  await title(page, "You may come in");
  assert.ok(asked.length > 3 && asked.every((u) => u.startsWith(home.origin)), asked.join(" "));
  assert.ok(!home.requests.some((r) => /watch|recordings|people|grants$|history/.test(r.path)), "nothing of the household is asked for");
});

test("the link: who invites, what happens, a passkey; then the page waits for a key and shows it", async (t) => {
  const { home, page } = await phone(t, { prepare: (h) => { h.isSignedIn = false; }, path: `/join#${"k".repeat(43)}` });
  await title(page, "Welcome, Maria");
  const text = await body(page);
  for (const words of ["You are invited to 14 Linden Row.", "it opens no door by itself", "The hall is recorded"]) assert.ok(text.includes(words), words);
  await keep(page, "join");
  await press(page, "Make a passkey");
  await title(page, "14 Linden Row has to give you a key now");
  assert.equal(new URL(page.url()).pathname, "/guest");
  assert.equal(home.asksOf("/api/join/finish").length, 1);
  await keep(page, "none");
  home.giveKey({ state: "waiting", live_at: new Date(Date.now() + 600000).toISOString() });
  await title(page, "Your key does not count yet");
  await page.getByText(/^Next: (today|tomorrow) \d\d:\d\d/).waitFor();
  await keep(page, "waiting");
  home.guestGrants.length = 0;
  home.giveKey();
  await title(page, "You may come in");
  await page.getByText("All week, day and night").waitFor();
  await keep(page, "can");
});

test("in, locked, in again, and away: every state, and what the passkey signs", async (t) => {
  const { home, page } = await phone(t, { prepare: (h) => h.giveKey() });
  await title(page, "You may come in");
  await page.getByText("4 more times").waitFor();
  await press(page, "I'm at the door");
  await checking(page, home);
  assert.match(home.asked[0], /^[0-9a-f]{64}$/);
  await keep(page, "checking");
  home.ready();
  await title(page, "All 4 checked");
  assert.equal(await askedPasskey(page), 0, "nothing is signed before the slide");
  await keep(page, "ready");
  await drag(page);
  await title(page, "About to open");
  assert.deepEqual(home.proofs, [""], "signed: this stop, by this passkey, the person verified");
  await keep(page, "opening");
  home.tell({ state: "unlocked" });
  await title(page, "Unlocked. Push the door");
  await keep(page, "unlocked");
  home.tell({ state: "inside" });
  await title(page, "Go in, close the door");
  await page.getByText(/^0:5\d$|^1:00$/).waitFor(); // the dwell of the key, counting down
  await keep(page, "inside");
  home.tell({ alarms: ["camera_blind"] });
  await page.getByRole("alert").getByText("Step out and close the door.").waitFor();
  await keep(page, "blind");
  home.tell({ state: "closing", alarms: [] });
  await title(page, "Closed. Wait for the bolt");
  assert.equal(await page.getByText("Locked").count() + await page.getByText("is locked").count(), 0, "nothing says locked before it is sensed");
  home.tell({ state: "between" });
  await title(page, "The door is locked");
  await keep(page, "between");

  await press(page, "I need to come in again");
  await until("the second question", () => home.asked.length === 2);
  assert.notEqual(home.asked[0], home.asked[1]);
  home.ready();
  await title(page, "All 4 checked");
  await page.locator(".slide").focus();
  await page.keyboard.down(" ");
  await title(page, "About to open");
  await page.keyboard.up(" ");
  assert.deepEqual(home.proofs, ["", ""]);
  home.tell({ state: "inside" });
  await title(page, "Go in, close the door");
  await press(page, "I am leaving");
  await page.getByText("The house knows that you are leaving.").waitFor();
  assert.equal(home.leaves, 1);
  home.tell({ state: "closing" });
  await title(page, "Closed. Wait for the bolt");
  home.end("OK");
  await title(page, "Locked");
  await page.getByText("Locked - confirmed").waitFor();
  await keep(page, "locked");
  await press(page, "Done");
  await title(page, "You may come in");
  await page.reload();
  await title(page, "You may come in"); // what was looked at does not come back
});

test("a double tap and a second slide ask once; a passkey that is not shown opens nothing", async (t) => {
  const { home, page } = await phone(t, { prepare: (h) => h.giveKey() });
  await title(page, "You may come in");
  await button(page, "I'm at the door").evaluate((b) => { b.click(); b.click(); });
  await checking(page, home);
  assert.equal(home.asked.length, 1);
  home.ready();
  await title(page, "All 4 checked");
  await page.passkey.person(false);
  await drag(page);
  await page.getByText("The passkey was not shown, so nothing was opened.").waitFor();
  assert.deepEqual(home.proofs, []);
  await page.passkey.person(true);
  await drag(page);
  await title(page, "About to open");
  assert.deepEqual(home.proofs, [""]);
  assert.deepEqual(await page.evaluate(() => globalThis.passkeyAsked), [1, 1], "this one passkey, each time");
});

/** What a door may answer that is not the house's own word for this question; none of it is put before the passkey. */
const flip = (text, at) => {
  const b = Buffer.from(text, "base64url");
  b[at < 0 ? b.length + at : at] ^= 1;
  return b64(b);
};
const stranger = new HubKey();
const FORGED = [
  ["an offer of another hub", (h) => h.ready({ offer: b64(stranger.offer({ visit: h.visit.visit, nonce: h.visit.nonce, hubNonce: randomBytes(32) })) }), "not signed as it must be"],
  ["another hub altogether", (h) => h.ready({ hub_pub: b64(stranger.pub), manifest: b64(h.manifest(h.visit, { hub: stranger })), offer: b64(stranger.offer({ visit: h.visit.visit, nonce: h.visit.nonce, hubNonce: randomBytes(32) })) }), "another one than before"],
  ["a manifest of another hub", (h) => h.ready({ manifest: b64(h.manifest(h.visit, { hub: stranger })) }), "paper for this visit is not signed"],
  ["a bit of the manifest", (h) => h.ready({ manifest: flip(h.visit.manifest, 120) }), "paper for this visit is not signed"],
  ["no manifest", (h) => h.ready({ manifest: null }), "did not come along"],
  ["no offer", (h) => h.ready({ offer: null }), "did not come along"],
  ["somebody else's manifest", (h) => h.ready({ manifest: b64(h.manifest(h.visit, { visitor: Buffer.alloc(16, 9) })) }), "is for somebody else"],
  ["an agency's manifest", (h) => h.ready({ manifest: b64(h.manifest(h.visit, { agency: Buffer.alloc(16, 9) })) }), "is for somebody else"],
  ["an offer for another visit", (h) => h.ready({}, { visit: "00000000000000aa" }), "belongs to another visit"],
  ["an offer for another nonce", (h) => h.ready({}, { nonce: "ab".repeat(32) }), "a question that this phone did not ask"],
  ["another nonce named", (h) => h.ready({ nonce: "ab".repeat(32) }), "a question that this phone did not ask"],
  ["ready, with a check that refused", (h) => h.ready({}, { check: 3 }), "not signed as it must be"],
  ["in another context", (h) => h.ready({}, { context: "doorward/receipt/1" }), "not signed as it must be"],
];
test("what answers in the house's place is not signed for", async (t) => {
  const { home, page } = await phone(t, { prepare: (h) => h.giveKey() });
  await title(page, "You may come in");
  await press(page, "I'm at the door");
  for (const [name, answer, words] of FORGED) {
    await checking(page, home);
    answer(home);
    await title(page, "Do not open");
    assert.ok((await body(page)).includes(words), `${name}: ${await body(page)}`);
    assert.equal(await page.locator(".slide").count(), 0, name);
    if (name === FORGED[0][0]) await keep(page, "distrust");
    await press(page, "Ask once more");
    await until("a new question", () => home.visit.state === "checking");
  }
  home.ready();
  await title(page, "All 4 checked");
  assert.equal(await askedPasskey(page), 0);
});

const CHECKS = ["bad_message", "no_permission", "parcel_used", "no_such_job", "not_assigned", "too_early", "too_late", "clock", "other_visit", "ended_by_household", "lock_class", "lock_unreachable", "lock_relock", "door_not_closed", "bolt_not_thrown",
  "lock_battery", "unaccounted_opening", "camera_class", "camera_not_live", "camera_frozen", "camera_covered", "camera_tampered", "disk_full", "record", "proof", "too_slow", "hub_unreachable"];
test("every refusal says why and what to do next", async (t) => {
  const { home, page } = await phone(t, { prepare: (h) => h.giveKey() });
  const seen = new Set();
  for (const [n, code] of CHECKS.entries()) {
    await press(page, "I'm at the door");
    await checking(page, home);
    home.refuse(code);
    await title(page, /^(Not yet|Not opened)$/);
    const [why, next] = await page.locator(".main .sub").allInnerTexts();
    assert.ok(why.length > 10 && next.length > 5 && !why.includes(code) && !/dispatcher|parcel|agency/i.test(await body(page)), `${code}: ${why} ${next}`);
    seen.add(why);
    if (n % 8 === 0) await keep(page, `refused-${code}`);
    await press(page, "Back to my key");
    await title(page, "You may come in");
  }
  assert.ok(seen.size >= CHECKS.length - 1, "each in words of its own");
  // The question itself may get a no; what this page does not know is said with its name.
  for (const [code, words] of [["no_permission", "no key that opens now"], ["odd_thing", "The house said no: odd_thing."]]) {
    home.refuses = { status: 409, code };
    await press(page, "I'm at the door");
    await page.getByText(words).waitFor();
    await press(page, "Back to my key");
  }
});

test("refused within a stay: the door stays locked, and it may be asked again", async (t) => {
  const { home, page } = await phone(t, { prepare: (h) => h.giveKey() });
  await toReady(home, page);
  await drag(page);
  await title(page, "About to open");
  home.tell({ state: "between" });
  await title(page, "The door is locked");
  await press(page, "I need to come in again");
  await checking(page, home);
  home.tell({ state: "between", check: "camera_covered" });
  await title(page, "Not yet");
  await page.getByText("The camera is covered").waitFor();
  await press(page, "Try again");
  await checking(page, home);
  assert.equal(home.asked.length, 3);
  home.tell({ state: "between", check: "parcel_used" });
  await title(page, "Not opened");
  await page.getByText("opens no more often in this visit").waitFor();
  await page.getByText("The door is locked.").waitFor();
  await keep(page, "used-up-within");
  assert.equal(await button(page, "Try again").count(), 0);
  await press(page, "I am leaving");
  home.end("OK");
  await title(page, "Locked");
});

test("the household's yes, another time, no key any more: each in its own words", async (t) => {
  const { home, page } = await phone(t, { prepare: (h) => h.giveKey({ mode: "ask" }) });
  await title(page, "You may come in");
  await page.getByText("The household is asked each time").waitFor();
  // The house makes the visit, refuses it for want of a yes, and asks the household.
  home.onAsk = () => {
    home.guestState = "waits_for_yes";
    home.refuse("no_permission");
  };
  await press(page, "I'm at the door");
  await title(page, "The household is asked");
  assert.equal(await page.getByText("no key that opens now").count(), 0);
  await keep(page, "yes");
  home.onAsk = () => undefined;
  home.guestState = "can_ask";
  await title(page, "You may come in");

  const minute = ((new Date().getUTCDay() + 6) % 7) * 1440 + new Date().getUTCHours() * 60 + new Date().getUTCMinutes();
  Object.assign(home.guestGrants[0], { mode: "notify", windows: [{ from: (minute + 1440) % 10080, minutes: 60 }] });
  home.guestState = "not_now";
  await page.reload();
  await title(page, "Not now");
  const clock = (m) => `${String(Math.floor(m / 60)).padStart(2, "0")}:${String(m % 60).padStart(2, "0")}`;
  assert.ok((await body(page)).includes(`Next: tomorrow ${clock(minute % 1440)}`), await body(page));
  await keep(page, "not-now");
  for (const [more, words] of [[{ state: "revoked" }, "The household took it back."], [{ state: "vetoed" }, "said no to it"], [{ state: "expired" }, "Its time is over."], [{ state: "live", used: 5 }, "It is used up."]]) {
    Object.assign(home.guestGrants[0], more);
    home.guestState = "none";
    await page.reload();
    await title(page, "No key any more");
    assert.ok((await body(page)).includes(words), words);
    assert.equal(await button(page, "I'm at the door").count(), 0);
  }
  await keep(page, "over");
});

test("the end: locked only by the house's signed word, for this visit and this phone's question", async (t) => {
  const { home, page } = await phone(t, { prepare: (h) => h.giveKey() });
  const round = async () => {
    await toReady(home, page);
    await drag(page);
    await title(page, "About to open");
    home.tell({ state: "closing" });
  };
  const bad = [
    ["another hub's", (h) => h.end("OK", { key: stranger })], ["of another visit", (h) => h.end("OK", { forge: { visit: "00000000000000aa" } })], ["for another question", (h) => h.end("OK", { forge: { nonce: "ab".repeat(32) } })],
    ["nothing at all", (h) => h.tell({ state: "ended" })], ["locked with no evidence", (h) => h.end("OK", { forge: { evidence: 0 } })], ["locked at no time", (h) => h.end("OK", { forge: { secured: 0 } })],
  ];
  for (const [name, end] of bad) {
    await round();
    end(home);
    await title(page, "Not confirmed");
    assert.equal(await page.getByText(/^Locked/).count(), 0, name);
    await page.getByText("Pull at the door, and tell the household.").waitFor();
    if (name === bad[0][0]) await keep(page, "unproven");
    await press(page, "Done");
  }
  await round();
  home.end("SECURED_UNCONFIRMED");
  await title(page, "Not confirmed");
  home.end("OK", { forge: { later: true } });
  await title(page, "Locked");
  await press(page, "Done");
  await round();
  home.tell({ state: "not_secured", alarms: ["held_open"] });
  await title(page, "The door is still open");
  await keep(page, "stuck");
  home.tell({ state: "unconfirmed" });
  await title(page, "Not confirmed");
  await keep(page, "unheard");
  home.end("NOT_SECURED");
  await title(page, "You may go");
});

test("no answer: said with its age, and gone by itself; a house that began anew says nothing of the lock", async (t) => {
  const { home, page } = await phone(t, { prepare: (h) => h.giveKey(), allow: /ERR_|Failed to load resource/ });
  await title(page, "You may come in");
  home.isDown = true;
  for (const s of home.sockets) s.destroy();
  await page.evaluate(() => dispatchEvent(new Event("online"))); // asked at once
  await page.getByText(/The house has not answered since/).waitFor();
  await keep(page, "down");
  home.isDown = false;
  await until("the line is gone", async () => (await page.getByText(/has not answered/).count()) === 0, 15000);
  await toReady(home, page);
  await drag(page);
  await title(page, "About to open");
  home.tell({ state: "inside" });
  await title(page, "Go in, close the door");
  await page.reload();
  await title(page, "Go in, close the door"); // a page that was killed is back where it was
  home.forgetVisit();
  await title(page, "Not confirmed");
  await page.getByText("says nothing about the lock").waitFor();
  await keep(page, "lost");
  await press(page, "Back to my key");
  await title(page, "You may come in");
});

test("who lives here is sent home; whose session is over signs in", async (t) => {
  const { home, page } = await phone(t);
  await title(page, /has to give you a key/);
  home.isSignedIn = false;
  await arrives(page, /\/signin$/, () => page.reload());
  await title(page, "Sign in");
  home.isSignedIn = true;
  await press(page, "Sign in with your passkey");
  await page.waitForURL(/\/guest$/);
});

for (const [name, more] of [["night", { dark: true }], ["desktop", { size: DESKTOP }], ["german", { locale: "de-DE" }], ["german-desktop-night", { locale: "de-DE", size: DESKTOP, dark: true }]]) {
  test(`the same page: ${name}`, async (t) => {
    const { home, page } = await phone(t, { ...more, prepare: (h) => h.giveKey({ mode: "ask", windows: [0, 1, 2, 3, 4].map((d) => ({ from: d * 1440 + 1020, minutes: 150 })) }) });
    const german = more.locale === "de-DE";
    await title(page, german ? "Sie dürfen hereinkommen" : "You may come in");
    await keep(page, `can-${name}`);
    await press(page, german ? "Ich stehe vor der Tür" : "I'm at the door");
    await until("checking", () => home.visit?.state === "checking");
    await page.locator(".ticks").waitFor();
    await keep(page, `checking-${name}`);
    home.ready();
    await page.locator(".slide").waitFor();
    await keep(page, `ready-${name}`);
    home.tell({ state: "inside" });
    await page.locator(".inside").waitFor();
    await keep(page, `inside-${name}`);
    home.tell({ state: "between" });
    await title(page, german ? "Die Tür ist verriegelt" : "The door is locked");
    await keep(page, `between-${name}`);
    home.end("OK");
    await title(page, german ? "Verriegelt" : "Locked");
    await keep(page, `locked-${name}`);
  });
}

test("text twice as large: all of it stays on the screen", async (t) => {
  const { home, page } = await phone(t, { prepare: (h) => h.giveKey({ mode: "ask" }), script: `addEventListener("DOMContentLoaded", () => { document.documentElement.style.fontSize = "200%"; });` });
  await title(page, "You may come in");
  await keep(page, "can-large");
  await press(page, "I'm at the door");
  await checking(page, home);
  await keep(page, "checking-large");
  home.ready();
  await title(page, "All 4 checked");
  await keep(page, "ready-large");
  home.tell({ state: "between" });
  await title(page, "The door is locked");
  await keep(page, "between-large");
  assert.equal(await heading(page), "The door is locked");
});
