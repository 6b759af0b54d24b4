// Who may come, in Chromium against a stand-in for the hub that may lie: what is shown is read from the bytes that are signed,
// the one passkey that they name is asked and no other, "confirmed" is what the house has said to have stored.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test from "node:test";
import { axe } from "../e2e/browser.mjs";
import { DESKTOP, PHONE, go, heading, household, keep, open, overflow, passkey } from "./household_page.mjs";
import { challengeOf, hex } from "./household_rig.mjs";
import { until } from "./rig.mjs";

const { newHome } = household();

/** Remembers what a passkey was asked for; `asks.swap`: another one of this device answers instead. */
const SPY = `{
  const get = navigator.credentials.get.bind(navigator.credentials);
  const text = (b) => btoa(String.fromCharCode(...new Uint8Array(b))).replace(/\\+/g, "-").replace(/\\//g, "_").replace(/=+$/, "");
  const bytes = (s) => Uint8Array.from(atob(s.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  globalThis.asks = [];
  navigator.credentials.get = (o) => {
    asks.push({ challenge: text(o.publicKey.challenge), allow: (o.publicKey.allowCredentials ?? []).map((c) => text(c.id)), uv: o.publicKey.userVerification, shown: document.querySelector(".signing")?.textContent ?? "" });
    if (asks.swap) o = { publicKey: { ...o.publicKey, allowCredentials: [{ type: "public-key", id: bytes(asks.swap) }] } };
    return get(o);
  };
}`;
const asksOf = (page) => page.evaluate(() => [...globalThis.asks]);
const shown = (page) => page.locator("body").innerText();
const button = (page, name) => page.getByRole("button", { name });

async function withKeys(t, more = {}) {
  const home = await newHome(t, more);
  const { page, context } = await open(t, home, more.hash ?? "#/come", { script: SPY, ...more.open });
  const keys = [await passkey(context, page), await passkey(context, page)];
  home.allow = keys;
  home.credential = keys[0];
  return { home, page, context, keys };
}

for (const [name, size, dark] of [["phone", PHONE, false], ["desktop-night", DESKTOP, true]]) {
  test(`an agency asks, an owner chooses, reads, signs: ${name}`, async (t) => {
    const { home, page, keys } = await withKeys(t, { zone: "Europe/Berlin", open: { size, dark } });
    const acme = home.addAgency({ hosted: true });
    await page.reload();
    await page.waitForSelector("text=Acme Parcels asks for a key");
    await page.waitForSelector("text=Its signing key lies with the service.");
    await keep(page, `asks-${name}`);
    assert.deepEqual(await axe(page), []);
    await page.getByRole("link", { name: "Choose days and times: Acme Parcels" }).click();
    await until("the form", async () => (await heading(page)) === "A key for Acme Parcels");
    await button(page, /^Come in and stay/).click();
    await button(page, /^Own times/).click();
    await page.getByRole("checkbox", { name: "Thursday" }).uncheck();
    await page.getByRole("checkbox", { name: "Sunday" }).check();
    await page.getByLabel("Sunday, from").fill("18:00");
    await page.getByLabel("Sunday, to").fill("18:00");
    await page.waitForSelector("text=A day must not end when it begins.");
    await button(page, "Read what you sign").click({ force: true });
    assert.equal(home.asksOf("/api/acts/begin").length, 0, "nothing is written of times that are none");
    await page.getByLabel("Sunday, to").fill("02:00");
    await page.waitForSelector("text=Over midnight, until Monday 02:00.");
    await button(page, "7 days").click();
    await page.getByLabel("Times a day").selectOption("3");
    await page.getByLabel("Times in all").selectOption("25");
    await page.getByLabel("The door stands open for at most").selectOption("120000");
    await button(page, /^Ask us each time/).click();
    await page.getByLabel("Passkey that signs").selectOption({ label: "Key on the key ring" });
    await keep(page, `choose-${name}`);
    assert.deepEqual(await axe(page), []);
    assert.equal(await overflow(page), 0);
    await button(page, "Read what you sign").click();
    await until("to read", async () => (await heading(page)) === "Read and sign");
    const day = (d, from, minutes) => ({ from: d * 1440 + from, minutes });
    const windows = [day(0, 480, 600), day(1, 480, 600), day(2, 480, 600), day(4, 480, 600), day(6, 1080, 480)];
    assert.deepEqual(home.asksOf("/api/acts/begin")[0].body, { act: "grant", agency: acme.id, kind: "stay", windows, days: 7, uses: 25, per_day: 3, dwell_ms: 120000, mode: "ask", passkey: 2 });
    const [challenge, begun] = [...home.begun][0];
    const key = Buffer.from(begun.fields.get(2)).toString("hex");
    const text = await shown(page);
    for (const words of ["Acme Parcels may come in and stay", "Monday, Tuesday, Wednesday, and Friday, 08:00 to 18:00", "Sunday 18:00 to Monday 02:00", "In the time of Europe/Berlin", "At most 3 a day and 25 in all", "2 min", "Ask us each time", "Hosted", "Key on the key ring", `Key ${key.slice(0, 16).match(/..../g).join(" ")}`, "Front door", "seal its pictures itself", "A door held open by hand cannot be locked"]) assert.ok(text.includes(words), words);
    const to = new Intl.DateTimeFormat("en", { timeZone: "Europe/Berlin", day: "numeric", month: "long", year: "numeric" }).format(begun.fields.get(4) * 1000);
    assert.ok(text.includes(to), to);
    assert.equal((await asksOf(page)).length, 0, "reading asks no passkey");
    await keep(page, `read-${name}`);
    assert.deepEqual(await axe(page), []);
    assert.equal(await overflow(page), 0);
    await button(page, "Sign with your passkey").evaluate((b) => { b.click(); b.click(); });
    await page.waitForSelector("text=The new key waits");
    const asked = await asksOf(page);
    assert.equal(asked.length, 1);
    assert.deepEqual({ ...asked[0], shown: "" }, { challenge, allow: [keys[0]], uv: "required", shown: "" }, "the one passkey that the bytes name, though two could");
    const sent = home.asksOf("/api/acts/finish").map((r) => r.body);
    assert.equal(sent.length, 1);
    assert.equal(sent[0].id, keys[0]);
    assert.equal(JSON.parse(Buffer.from(sent[0].client_data, "base64url")).challenge, challenge);
    await keep(page, `signed-${name}`);
    assert.deepEqual(await axe(page), []);
    await page.getByRole("link", { name: "See all keys" }).click();
    await page.waitForSelector("text=left to say no");
    assert.match(await page.locator(".left .time").innerText(), /^(9:5\d|10:00)$/);
    assert.equal(await page.locator("text=asks for a key").count(), 0);
  });
}

/** One thing that is wrong in what the house would have signed; `what`: the words that say so. */
const FORGED = [
  ["more days and times", (f) => f.set(-70272, [[0, 10080]]), "days and times"],
  ["one minute more", (f) => { f.get(-70272)[4][1]++; }, "days and times"],
  ["a day longer", (f) => f.set(4, f.get(4) + 86400), "until when"],
  ["from another week", (f) => { f.set(4, f.get(4) + 604800); f.set(5, f.get(5) + 604800); }, "until when"],
  ["more uses", (f) => f.set(-70273, 51), "how often in all"],
  ["more a day", (f) => f.set(-70274, 3), "how often a day"],
  ["longer inside", (f) => f.set(-70207, 61000), "how long"],
  ["to stay", (f) => f.set(-70204, 1), "what for"],
  ["nobody asked", (f) => f.set(-70276, 2), "your say"],
  ["another door", (f) => f.set(-70205, 1), "the door"],
  ["another name", (f) => f.set(-70203, "Acme Parce1s"), "the name"],
  ["another key", (f) => f.set(2, Buffer.alloc(32, 7)), "the agency's key"],
  ["not hosted", (f) => f.set(-70277, true), "where its key lies"],
  ["one field more", (f) => f.set(-70299, 1), "in a form this page can read"],
  ["one field less", (f) => f.delete(-70276), "in a form this page can read"],
  ["a name that a screen obeys", (f) => f.set(-70203, "Acme\u202eParcels"), "in a form this page can read"],
  ["91 days", (f) => f.set(4, f.get(5) + 91 * 86400), "in a form this page can read"],
];
const BYTES = [
  ["bytes after the end", (b) => Buffer.concat([b, Buffer.from([0])])],
  ["bytes that end too early", (b) => b.subarray(0, b.length - 1)],
  ["a second form of the same", (b) => Buffer.concat([Buffer.from([0xb8, 20]), b.subarray(1)])],
  ["no bytes", () => Buffer.alloc(0)],
];
const BEGUN = [
  ["another challenge", (b) => { b.challenge = Buffer.from(hex(32), "hex").toString("base64url"); }, "is not what the house showed"],
  ["the challenge of another act", (b) => { b.challenge = challengeOf("doorward/control/1", Buffer.from(b.bytes, "base64url")).toString("base64url"); }, "is not what the house showed"],
  ["other bytes than those of the challenge", (b) => { const x = Buffer.from(b.bytes, "base64url"); x[x.length - 30] ^= 1; b.bytes = x.toString("base64url"); }, "is not what the house showed"],
  ["no bytes named", (b) => { delete b.bytes; }, "in a form this page can read"],
  ["no passkey named", (b) => { delete b.credential; }, "Another passkey"],
];

test("bytes that are not what was chosen are not put before a passkey: it stops, and says what differs", async (t) => {
  const { home, page } = await withKeys(t);
  const acme = home.addAgency();
  const attempt = async (name, words) => {
    await go(page, "#/today", "Today");
    await go(page, `#/letin/${acme.id}`, "A key for Acme Parcels");
    const before = home.asksOf("/api/acts/begin").length;
    await button(page, "Read what you sign").click();
    await page.waitForSelector(".banner.is-act[role=alert]");
    assert.equal(home.asksOf("/api/acts/begin").length, before + 1, name);
    const text = await page.locator(".banner.is-act[role=alert]").innerText();
    assert.ok(text.includes("nothing was signed") && text.includes(words), `${name}: ${text}`);
    assert.equal(await button(page, "Sign with your passkey").count(), 0, name);
  };
  for (const [name, forge, words] of FORGED) {
    home.forge = forge;
    await attempt(name, words);
  }
  home.forge = null;
  await keep(page, "stopped");
  assert.deepEqual(await axe(page), []);
  for (const [name, forge] of BYTES) {
    home.forgeBytes = forge;
    await attempt(name, "in a form this page can read");
  }
  home.forgeBytes = null;
  for (const [name, forge, words] of BEGUN) {
    home.forgeBegun = forge;
    await attempt(name, words);
  }
  home.forgeBegun = null;
  assert.deepEqual(await asksOf(page), [], "no passkey was asked");
  assert.equal(home.asksOf("/api/acts/finish").length, 0);
  // And the same way, honestly: it can be read and signed.
  await go(page, "#/today", "Today");
  await go(page, `#/letin/${acme.id}`, "A key for Acme Parcels");
  await button(page, "Read what you sign").click();
  await button(page, "Sign with your passkey").click();
  await page.waitForSelector("text=The new key waits");
});

test("another passkey than the one that must sign: its answer goes nowhere", async (t) => {
  const { home, page, keys } = await withKeys(t);
  const acme = home.addAgency();
  await go(page, `#/letin/${acme.id}`, "A key for Acme Parcels");
  await button(page, "Read what you sign").click();
  await page.evaluate((k) => { globalThis.asks.swap = k; }, keys[1]);
  await button(page, "Sign with your passkey").click();
  await page.waitForSelector("text=Another passkey answered");
  assert.equal((await asksOf(page)).length, 1);
  assert.equal(home.asksOf("/api/acts/finish").length, 0);
  await keep(page, "other-passkey");
  await page.evaluate(() => { globalThis.asks.swap = null; });
  await button(page, "Sign with your passkey").click();
  await page.waitForSelector("text=The new key waits");
  assert.equal(home.asksOf("/api/acts/finish")[0].body.id, keys[0]);
});

test("every other act: its bytes are compared and said while the passkey is asked", async (t) => {
  const { home, page } = await withKeys(t, { hash: "#/people" });
  const number = (n) => Buffer.from(n.toString(16).padStart(32, "0"), "hex");
  await page.waitForSelector("text=Who lives here");
  const invite = async () => {
    await page.getByLabel("Their name").fill("Marta");
    await button(page, "Make the link").click();
  };
  for (const [name, forge] of [["another act", (f) => f.set(-70288, 12)], ["an owner", (f) => f.set(-70290, 1)], ["another name", (f) => f.set(-70291, "Mallory")], ["somebody", (f) => f.set(-70289, number(2))]]) {
    home.forge = forge;
    await invite();
    await page.waitForSelector("text=The house wrote something else than you chose");
    assert.deepEqual(await asksOf(page), [], name);
    await go(page, "#/today", "Today");
    await go(page, "#/people", "People");
  }
  home.forge = null;
  home.forgeBegun = (b) => { delete b.bytes; };
  await invite();
  await page.waitForSelector("text=in a form this page can read");
  home.forgeBegun = (b) => { b.challenge = challengeOf("doorward/grant/1", Buffer.from(b.bytes, "base64url")).toString("base64url"); };
  await invite();
  await page.waitForSelector("text=is not what the house showed");
  assert.deepEqual(await asksOf(page), []);
  assert.equal(home.asksOf("/api/acts/finish").length, 0);
  home.forgeBegun = null;
  home.routes["/api/acts/finish"] = () => ({ link: `${home.origin}/join#x`, until: new Date().toISOString() });
  await invite();
  await page.waitForSelector(".qr");
  delete home.routes["/api/acts/finish"];
  const remove = button(page, /emove: Android phone/);
  await remove.click();
  await remove.click();
  await until("removed", () => home.asksOf("/api/acts/finish").length === 2);
  await go(page, "#/settings", "Settings");
  await button(page, "Less: A delivery takes at most").click();
  home.forge = (f) => f.set(-70290, 180000);
  await button(page, "Save with your passkey").click();
  await page.waitForSelector("text=The house wrote something else than you chose");
  home.forge = null;
  await button(page, "Save with your passkey").click();
  await until("saved", () => home.asksOf("/api/acts/finish").length === 3);
  assert.deepEqual((await asksOf(page)).map((a) => a.shown), ["You sign: invite Marta (Occupant).", "You sign: remove the passkey Android phone.", "You sign: A delivery takes at most: 175 s."]);
  assert.equal(await page.locator(".signing").innerText(), "", "and no longer");
});

test("revoked is confirmed when the house has stored it, not known until then, and asked again", async (t) => {
  const { home, page } = await withKeys(t);
  const acme = home.addAgency();
  const g = home.addGrant(acme.id);
  await page.reload();
  const revoke = button(page, /evoke: Acme Parcels/);
  await revoke.click();
  assert.equal(home.asksOf("/api/grants/revoke").length, 0, "the first press only asks");
  await page.waitForSelector("text=The door then opens for nobody of Acme Parcels");
  let answer;
  const wait = () => new Promise((r) => { answer = r; });
  home.routes["/api/grants/revoke"] = () => wait();
  await revoke.evaluate((b) => { b.click(); b.click(); });
  await page.waitForSelector("text=Asked the house.");
  await until("the keyboard goes on there", () => page.evaluate(() => document.activeElement.classList.contains("ending-at")));
  assert.doesNotMatch(await page.locator(".grant").innerText(), /Revoked/);
  assert.match(await page.locator(".grant").innerText(), /Not confirmed yet/);
  await keep(page, "revoke-asked");
  assert.deepEqual(await axe(page), []);
  // The house dies over it: it may be stored or not.
  delete home.routes["/api/grants/revoke"];
  home.isDown = true;
  for (const s of home.sockets) s.destroy();
  await page.waitForSelector("text=the key may still open the door");
  await page.waitForSelector("text=They may be old");
  assert.doesNotMatch(await page.locator("main").innerText(), /Revoked - confirmed|Nothing was changed|In force/);
  await keep(page, "revoke-unknown");
  assert.deepEqual(await axe(page), []);
  home.isDown = false;
  // It is there again, and cannot store: still not known.
  home.routes["/api/grants/revoke"] = () => { Object.assign(g, { state: "revoked", over_at: new Date().toISOString() }); throw { status: 503, code: "storage" }; };
  await button(page, "Ask the house again").click();
  await until("asked twice", () => home.asksOf("/api/grants/revoke").length === 2);
  await page.waitForSelector("text=The house could not store it");
  await page.waitForSelector("text=Revoked, not confirmed.");
  assert.doesNotMatch(await page.locator(".grant").innerText(), /Revoked - confirmed/);
  await keep(page, "revoke-unstored");
  // An answer that does not say that it is stored is none.
  home.routes["/api/grants/revoke"] = () => ({});
  await button(page, "Ask the house again").click();
  await until("asked thrice", () => home.asksOf("/api/grants/revoke").length === 3);
  await page.waitForSelector("text=Not confirmed.");
  assert.doesNotMatch(await page.locator(".grant").innerText(), /Revoked - confirmed/);
  delete home.routes["/api/grants/revoke"];
  await until("a button", async () => (await button(page, "Ask the house again").count()) === 1);
  await button(page, "Ask the house again").click();
  await page.waitForSelector("text=The house has stored it.");
  assert.match(await page.locator(".grant").innerText(), /Revoked - confirmed/);
  assert.deepEqual(home.asksOf("/api/grants/revoke").map((r) => [r.body.id, r.csrf]), Array(4).fill([g.id, home.csrf]));
  assert.deepEqual(await asksOf(page), [], "taking away needs no passkey");
  await keep(page, "revoke-confirmed");
  assert.deepEqual(await axe(page), []);
  // Later, and on another screen: among those that are over, confirmed because it is stored.
  await page.reload();
  await page.locator("summary", { hasText: "Keys that are over: 1" }).click();
  assert.match(await page.locator(".grant").innerText(), /Revoked - confirmed\. Since/);
});

test("anybody who lives here says no while it waits, and sees everything; only owners revoke and change", async (t) => {
  const { home, page } = await withKeys(t);
  home.me.member = { id: 2, name: "Ben", role: "occupant" };
  const acme = home.addAgency();
  home.addGrant(acme.id);
  const g = home.addGrant(acme.id, { state: "waiting", live_at: new Date(Date.now() + 95000).toISOString(), kind: "stay" });
  home.addAgency({ name: "Northway", id: "e".repeat(32) });
  await go(page, "#/today", "Today");
  await page.reload();
  await page.waitForSelector("text=A key for Acme Parcels waits");
  await page.waitForSelector("text=Northway asks for a key");
  await keep(page, "nudges");
  await page.getByRole("link", { name: /A key for Acme Parcels waits/ }).click();
  await until("the list", async () => (await page.locator(".grant").count()) === 2);
  await page.waitForSelector("text=Only an owner can give a key");
  for (const name of [/Revoke/, /Choose days/, /^Change/]) assert.equal(await page.getByRole("button", { name }).or(page.getByRole("link", { name })).count(), 0, String(name));
  assert.match(await page.locator(".left .time").innerText(), /^1:[123]\d$/);
  await keep(page, "occupant");
  assert.deepEqual(await axe(page), []);
  home.routes["/api/grants/veto"] = () => { throw { status: 409, code: "not_waiting" }; };
  await button(page, "Say no: Acme Parcels").click();
  await button(page, "Really say no: Acme Parcels").click();
  await page.waitForSelector("text=It does not wait any more");
  delete home.routes["/api/grants/veto"];
  await button(page, "Say no: Acme Parcels").click();
  await button(page, "Keep it").click();
  assert.equal(home.asksOf("/api/grants/veto").length, 1);
  await button(page, "Say no: Acme Parcels").click();
  await button(page, "Really say no: Acme Parcels").click();
  await page.waitForSelector("text=Refused - confirmed");
  assert.equal(home.asksOf("/api/grants/veto").at(-1).body.id, g.id);
  await go(page, `#/letin/${acme.id}`, "A key");
  await page.waitForSelector("text=Only an owner can give a key");
});

test("a change is a new key and the end of the old one; what is not confirmed is said", async (t) => {
  const { home, page } = await withKeys(t);
  const acme = home.addAgency();
  const odd = [{ from: 5 * 1440 + 1320, minutes: 600 }];
  const g = home.addGrant(acme.id, { windows: odd, mode: "notify", per_day: 4, dwell_ms: 45000 });
  await page.reload();
  await page.getByRole("link", { name: "Change: Acme Parcels" }).click();
  await until("the form", async () => (await heading(page)) === "Change the key of Acme Parcels");
  await page.getByLabel("Times in all").selectOption("100");
  await keep(page, "change");
  await button(page, "Read what you sign").click();
  await page.waitForSelector("text=Saturday 22:00 to Sunday 08:00");
  await page.waitForSelector("text=When you have signed, the old key is revoked");
  assert.deepEqual(home.asksOf("/api/acts/begin")[0].body, { act: "grant", agency: acme.id, kind: "drop", windows: odd, days: 30, uses: 100, per_day: 4, dwell_ms: 45000, mode: "notify" });
  // Somebody changed the house meanwhile: it is shown anew, nothing was signed, the old one stays.
  home.routes["/api/acts/finish"] = () => { throw { status: 409, code: "challenge" }; };
  await button(page, "Sign with your passkey").click();
  await page.waitForSelector("text=Begin again");
  assert.equal(home.asksOf("/api/grants/revoke").length, 0);
  delete home.routes["/api/acts/finish"];
  await button(page, "Show it again").click();
  home.routes["/api/grants/revoke"] = () => { throw { status: 503, code: "storage" }; };
  await button(page, "Sign with your passkey").click();
  await page.waitForSelector("text=The new key waits");
  await page.waitForSelector("text=the key may still open the door");
  assert.equal(home.asksOf("/api/grants/revoke")[0].body.id, g.id);
  await keep(page, "change-unknown");
  assert.deepEqual(await axe(page), []);
  delete home.routes["/api/grants/revoke"];
  await button(page, "Ask the house again").click();
  await page.waitForSelector("text=Revoked - confirmed");
  await page.waitForSelector("text=Until the new one counts, nobody of them can come");
  assert.deepEqual(home.grants.grants.map((x) => x.state), ["revoked", "waiting"]);
  await keep(page, "change-done");
});

test("a key that asks each time: a delivery waits for a yes, from anybody who lives here", async (t) => {
  const { home, page } = await withKeys(t, { hash: "#/today" });
  home.me.member = { id: 2, name: "Ben", role: "occupant" };
  const job = home.addJob({ needs_yes: true, mode: "ask" });
  const other = home.addJob({ needs_yes: true, mode: "ask", visitor: "Mira" });
  home.story("job_stored");
  await page.waitForSelector("text=Waits for your yes");
  await keep(page, "asks-each-time");
  assert.deepEqual(await axe(page), []);
  // It is the first thing on the page, and its yes and no are the first things in it.
  const first = page.locator("main .card").first();
  assert.equal(await first.locator("h2").innerText(), "Waits for your yes");
  assert.deepEqual(await first.locator("button, a").allInnerTexts(), ["Yes, let them come", "Decline", "Look at it"]);
  home.routes["/api/wish"] = (b) => { const j = home.jobs.find((x) => x.id === b.id); if (b.wish === "accept") j.needs_yes = false; else j.state = "declined"; };
  await first.getByRole("button", { name: /^Yes, let them come/ }).click();
  await until("one asks still", async () => (await page.locator(".card.asks").count()) === 1);
  await page.getByRole("button", { name: /^Decline/ }).click();
  await until("nothing asks", async () => (await page.locator(".card.asks").count()) === 0);
  assert.deepEqual(home.asksOf("/api/wish").map((r) => r.body), [{ wish: "accept", id: job.id }, { wish: "decline", id: other.id }]);
  assert.deepEqual((await page.locator("main article h2").allInnerTexts()).sort(), ["Declined by you", "Expected"]);

  job.needs_yes = true;
  home.story("wish");
  await page.waitForSelector("text=Waits for your yes");
  await page.getByRole("link", { name: "Look at it" }).first().click();
  await page.waitForSelector("text=Until one of you says yes, the door does not open");
  await button(page, "Yes, let them come").click();
  await page.waitForSelector("text=Accepted.");
  await until("expected", async () => (await page.locator(".state").first().innerText()) === "Expected");
  assert.equal(await button(page, "Yes, let them come").count(), 0);
});

test("a key with a veto: \"Not today\" on the first page, for this visit only; one that only tells has none", async (t) => {
  const { home, page } = await withKeys(t, { hash: "#/today" });
  const tomorrow = new Date(Date.now() + 86400e3);
  const date = `${tomorrow.getFullYear()}-${String(tomorrow.getMonth() + 1).padStart(2, "0")}-${String(tomorrow.getDate()).padStart(2, "0")}`;
  const job = home.addJob({ mode: "veto" });
  home.addJob({ mode: "veto", visitor: "Mira", date });
  home.addJob({ mode: "notify", visitor: "Olu" });
  const over = home.addJob({ mode: "unknown", visitor: "Pia" });
  home.story("job_stored");
  await page.waitForSelector("text=Mira");
  assert.deepEqual(await page.locator("main article button").allInnerTexts(), ["Not today", "Not this time"]);
  assert.equal(await page.locator(`#job-${over.id}`).innerText(), "Its key is over", "nothing that the door will not do is expected");
  await keep(page, "veto-today");
  assert.deepEqual(await axe(page), []);
  home.routes["/api/wish"] = () => { throw { status: 503, code: "storage" }; };
  await page.getByRole("button", { name: /^Not today/ }).click();
  await page.locator("main article [role=alert]").waitFor();
  home.routes["/api/wish"] = () => { job.state = "declined"; };
  await page.getByRole("button", { name: /^Not today/ }).click();
  await page.waitForSelector("text=Declined by you");
  assert.deepEqual(home.asksOf("/api/wish").at(-1).body, { wish: "decline", id: job.id });
  assert.deepEqual(await page.locator("main article button").allInnerTexts(), ["Not this time"]);
  await go(page, `#/delivery/${job.id}`);
  await page.waitForSelector("text=Accept again");
});

test("what can go wrong at the signing: closed, refused, not answered", async (t) => {
  const { home, page } = await withKeys(t);
  const acme = home.addAgency();
  await go(page, `#/letin/${acme.id}`, "A key for Acme Parcels");
  for (const [code, status, words] of [["two_passkeys", 409, "Owners keep at least two"], ["clock", 409, "not sure of the time"], ["scope", 422, "does not take these days"], ["full", 409, "no more room"], ["role", 403, "Only an owner"]]) {
    home.routes["/api/acts/begin"] = () => { throw { status, code }; };
    await button(page, "Read what you sign").click();
    await page.waitForSelector(`text=${words}`);
  }
  delete home.routes["/api/acts/begin"];
  await button(page, "Read what you sign").click();
  await until("to read", async () => (await heading(page)) === "Read and sign");
  await page.evaluate(() => { const get = navigator.credentials.get; navigator.credentials.get = () => { navigator.credentials.get = get; return Promise.reject(new DOMException("", "NotAllowedError")); }; });
  await button(page, "Sign with your passkey").click();
  await page.waitForSelector("text=The passkey dialog was closed");
  assert.equal(home.asksOf("/api/acts/finish").length, 0);
  home.routes["/api/acts/finish"] = (b, q) => { q.socket.destroy(); return new Promise(() => undefined); };
  await button(page, "Sign with your passkey").click();
  await page.waitForSelector("text=It may have the key or not");
  assert.equal(await button(page, "Sign with your passkey").count(), 0);
  await keep(page, "sign-unsure");
  assert.deepEqual(await axe(page), []);
});

for (const [name, size, dark] of [["phone-night", PHONE, true], ["desktop", DESKTOP, false]]) {
  test(`a restored backup was noticed: said on every page, an owner looks and says so, ${name}`, async (t) => {
    const { home, page } = await withKeys(t, { hash: "#/today", open: { size, dark } });
    const acme = home.addAgency();
    home.addGrant(acme.id);
    home.addGrant(acme.id, { state: "unknown" });
    home.grants.restored = true;
    home.people.agencies = [{ id: acme.id, name: "Acme Parcels", stopped: true }];
    await page.reload();
    await page.waitForSelector("text=Nobody is let in: an old backup was noticed");
    await keep(page, `restored-today-${name}`);
    await go(page, "#/come", "Who may come");
    await page.waitForSelector("text=Held back.");
    await keep(page, `restored-${name}`);
    assert.deepEqual(await axe(page), []);
    assert.equal(await overflow(page), 0);
    await button(page, "I have looked").click();
    await page.waitForSelector("text=every key that is in force counts again");
    assert.equal(home.asked.filter((m) => m.t === "owner").length, 0, "the first press only asks");
    await button(page, "Yes, let visitors in again").click();
    await until("asked", () => home.asked.some((m) => m.t === "owner" && m.word === "let_in_again"));
    // It stays until the house says otherwise.
    await page.waitForSelector("text=This stays until the house says otherwise");
    home.grants.restored = false;
    home.story("grant");
    await until("gone", async () => (await page.locator("text=an old backup was noticed").count()) === 0);
    await page.waitForSelector("text=You stopped this agency");
    home.grants.restored = true;
    home.me.member = { id: 2, name: "Ben", role: "occupant" };
    await page.reload();
    await page.waitForSelector("text=Only an owner can let visitors in again");
    assert.equal(await button(page, "I have looked").count(), 0);
  });
}

test("a passkey more needs somebody at the hub: what to do there, and once more", async (t) => {
  const { home, page } = await withKeys(t, { hash: "#/people" });
  let isThere = false;
  const begin = home.begin.bind(home);
  home.begin = (body) => { if (!isThere) throw { status: 409, code: "presence" }; return begin(body); };
  await page.waitForSelector("text=Who lives here");
  await button(page, "Add a passkey").click();
  await page.waitForSelector("text=Somebody must be at the hub");
  await page.waitForSelector("text=doorward presence");
  assert.deepEqual(await asksOf(page), []);
  await keep(page, "presence");
  assert.deepEqual(await axe(page), []);
  await button(page, "Done at the hub: go on").click();
  await until("asked again", () => home.asksOf("/api/acts/begin").length === 2);
  await page.waitForSelector("text=Somebody must be at the hub");
  isThere = true;
  home.routes["/api/acts/finish"] = () => ({ link: `${home.origin}/join#x`, until: new Date(Date.now() + 3600000).toISOString() });
  await button(page, "Done at the hub: go on").click();
  await page.waitForSelector(".qr");
  assert.equal(await page.locator("text=doorward presence").count(), 0);
});

test("another camera: the key that was typed is the key that is signed, with somebody at the hub", async (t) => {
  const { home, page } = await withKeys(t, { hash: "#/devices" });
  const key = hex(32);
  const sign = button(page, "Sign the new key: Another camera");
  const field = page.getByLabel("Its public key").first();
  await field.fill(key.slice(1));
  await page.waitForSelector("text=These are 63.");
  await sign.click({ force: true });
  await field.fill(key.toUpperCase().match(/.{1,8}/g).join(" "));
  const thumb = createHash("sha256").update(Buffer.from(`a301012006215820${key}`, "hex")).digest("hex");
  const words = thumb.slice(0, 16).match(/..../g).join(" ");
  await page.waitForSelector(`text=${words}`);
  assert.deepEqual(await axe(page), []);
  home.forge = (f) => f.set(-70290, 1n);
  await sign.click();
  await page.waitForSelector("text=The house wrote something else than you chose");
  home.forge = (f) => { f.get(-70289)[0] ^= 1; };
  await sign.click();
  await until("asked twice", () => home.asksOf("/api/acts/begin").length === 2);
  await page.waitForSelector("text=The house wrote something else than you chose");
  home.forge = null;
  assert.deepEqual(await asksOf(page), []);
  home.routes["/api/acts/begin"] = () => { throw { status: 409, code: "presence" }; };
  await sign.click();
  await page.waitForSelector("text=Somebody must be at the hub");
  delete home.routes["/api/acts/begin"];
  await button(page, "Done at the hub: go on").click();
  await page.waitForSelector("text=The house believes the new key");
  assert.deepEqual(home.asksOf("/api/acts/begin").map((r) => r.body), Array(4).fill({ act: "camera_key", key }));
  assert.deepEqual((await asksOf(page)).map((a) => a.shown), [`You sign: another camera, with the key ${words}.`]);
});

test("no list, no connection, an agency that is gone: said, with what to do", async (t) => {
  const { home, page } = await withKeys(t);
  home.routes["/api/grants"] = () => { throw { status: 503, code: "busy" }; };
  await page.reload();
  await page.waitForSelector("text=The house is busy");
  await keep(page, "come-failed");
  assert.deepEqual(await axe(page), []);
  delete home.routes["/api/grants"];
  await button(page, "Try again").click();
  await page.waitForSelector("text=Nobody has a key");
  await go(page, "#/letin/00", "A key");
  await page.waitForSelector("text=not there any more");
  await go(page, "#/change/00", "A key");
  await page.waitForSelector("text=not there any more");
  // The list of another screen's doing comes by itself.
  await go(page, "#/come", "Who may come");
  const acme = home.addAgency();
  home.story("grant");
  await page.waitForSelector("text=Acme Parcels asks for a key");
  home.addGrant(acme.id);
  for (const s of home.screens) s.say({ t: "grants", epoch: 8, waiting: 0, restored: false });
  await page.waitForSelector("text=In force.");
});

for (const [name, size, dark] of [["phone", PHONE, true], ["desktop", DESKTOP, false]]) {
  test(`parcels that are expected, beside a key that asks each time: ${name}`, async (t) => {
    const home = await newHome(t);
    const acme = home.addAgency({ waiting: false });
    home.addGrant(acme.id, { mode: "notify" });
    const { page } = await open(t, home, "#/come", { size, dark });
    await page.waitForSelector("text=Acme Parcels");
    assert.equal(await page.getByText("Parcels you expect").count(), 0, "nothing asks, so nothing is listed");
    home.addGrant(acme.id, { mode: "ask" });
    await page.reload();
    await page.waitForSelector("text=None. Each visit asks you.");
    home.routes["/api/expected"] = () => { throw { status: 400, code: "barcode" }; };
    await page.getByLabel("Number on the label").fill("\u00e4");
    await button(page, "Add to the list").click();
    await page.waitForSelector("text=That is not a number as a label carries it");
    delete home.routes["/api/expected"];
    await page.getByLabel("Number on the label").fill(" JJD 0001 42 ");
    await page.getByLabel("What it is, if you like").fill("Shoes");
    await button(page, "Add to the list").click();
    await page.waitForSelector("text=It is on the list.");
    assert.deepEqual(home.asksOf("/api/expected").filter((r) => r.body !== null).at(-1).body, { code: "JJD 0001 42", note: "Shoes" });
    await page.waitForSelector("text=JJD000142");
    assert.equal(await page.getByLabel("Number on the label").inputValue(), "");
    assert.deepEqual(await axe(page), []);
    assert.equal(await overflow(page, ".card"), 0);
    await keep(page, `expected-${name}`);
    await button(page, "Take off the list: Shoes").click();
    await page.waitForSelector("text=It is off the list.");
    assert.deepEqual(home.asksOf("/api/expected/remove")[0].body, { code: "JJD000142" });
  });
}
