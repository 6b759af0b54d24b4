// A guest without an agency, through the pages: an owner invites, the guest makes a passkey with the link, the owner gives that
// passkey a key, the guest comes in under a live camera, goes in again with the Internet down, leaves, and is refused once
// the key is taken back. The service hears nothing of it. Both browsers are Chromium, the passkeys virtual ones.
//
// Needs DW_BUILD (the build folder). Pictures go to $DW_ARTEFACTS.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { Mqtt } from "../../sim/demo/mqtt.mjs";
import { until } from "../../sim/demo/procs.mjs";
import { PERSON } from "../../sim/demo/world.mjs";
import { hold } from "../web/courier_rig.mjs";
import { artefacts, launch } from "./browser.mjs";
import { forReadme } from "./demo.mjs";
import { slide, withPasskey } from "./phones.mjs";
import { withStreet } from "./rig.mjs";

const GUEST = "Maria Rossi";
const title = (page, name, ms = 30000) => page.getByRole("heading", { level: 1, name }).waitFor({ timeout: ms });
const press = (page, name) => page.getByRole("button", { name }).click();
const h1 = (page) => page.getByRole("heading", { level: 1 }).first().textContent({ timeout: 2000 }).catch(() => "");
const shut = (world) => world.moveDoor(0, 300);
/** What the hub answers to the page's own session. */
const asks = (page, where, body) => page.evaluate(async ([p, b]) => {
    const me = await (await fetch("/api/me")).json();
    const r = await fetch(p, b === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json", "X-Doorward-Csrf": me.csrf }, body: JSON.stringify(b) });
    return [r.status, (await r.json().catch(() => ({}))).code ?? null];
}, [where, body]);

test("a guest comes in on the household's own word", { timeout: 280000 }, async (t) => {
    const browser = await launch();
    const bad = [];
    t.after(() => browser.close());
    const phone = async (name) => {
        const context = await browser.newContext({ viewport: { width: 390, height: 844 }, colorScheme: "light", locale: "en-GB", timezoneId: "Europe/Amsterdam" });
        const page = await context.newPage();
        page.setDefaultTimeout(20000);
        page.on("console", (m) => m.type() === "error" && !/40[0-9]|ERR_/.test(m.text()) && bad.push(`${name}: ${m.text()}`));
        page.on("pageerror", (e) => bad.push(`${name}: ${e}`));
        return { name, context, page };
    };
    const keep = async ({ name, page }, moment) => {
        await page.screenshot({ path: path.join(artefacts, `guest-e2e-${name}-${moment}-390.png`), fullPage: true });
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, `${name}, ${moment}: scrolls sideways`);
    };

    await withStreet({}, async (street) => {
        const { world } = street, origin = street.hubSite.origin;
        const spy = await new Mqtt(street.brokerPort, "spy").open("doorward/v1/#");
        const owner = await phone("owner"), guest = await phone("guest");
        const told = [];
        guest.page.on("response", (r) => /guest\/visit/.test(r.url()) && r.json().then((v) => told.push(`${v.state}${v.check ? ` (${v.check})` : ""}`), () => {}));
        try {
            await play(street, world, origin, spy, owner, guest);
        } catch (e) {
            t.diagnostic(`what the guest's page was told: ${told.slice(-40).join(", ")}`);
            for (const p of [owner, guest])
                await p.page.screenshot({ path: path.join(artefacts, `guest-e2e-${p.name}-at-the-end.png`) }).catch(() => {});
            throw e;
        } finally {
            spy.close();
        }
    });
    assert.deepEqual(bad, []);

    async function play(street, world, origin, spy, owner, guest) {
        // Alex, who moved in before, at a browser: the same passkeys, the same session.
        await owner.context.addCookies([...street.member.cookies].map(([name, value]) => ({ name, value, url: origin })));
        await hold(owner.page, ...street.member.passkeys);
        await owner.page.goto(`${origin}/#/come`);
        await title(owner.page, "Who may come");
        await street.settled();
        const heard = spy.heard.length, before = await said(street);

        // The link makes a passkey, and nothing else.
        await owner.page.getByLabel("Name of the guest").fill(GUEST);
        await press(owner.page, "Make a link");
        await owner.page.getByRole("heading", { name: `Link for ${GUEST}` }).waitFor();
        const link = (await owner.page.locator(".given output").textContent()).trim();
        await keep(owner, "link");
        await press(owner.page, "Done");
        await owner.page.getByText("Waits for the link to be opened.").waitFor();
        await withPasskey(guest.context, guest.page);
        await guest.page.goto(link);
        await title(guest.page, `Welcome, ${GUEST}`);
        await press(guest.page, "Make a passkey");
        await guest.page.waitForURL(`${origin}/guest`);
        await title(guest.page, /has to give you a key now/);
        await keep(guest, "no-key");
        assert.deepEqual(await asks(guest.page, "/api/guest/ask", { nonce: "ab".repeat(32) }), [403, "no_permission"]);

        // An owner who sees whose passkey it is gives it a key.
        await owner.page.getByText("Has a passkey, and no key yet.").waitFor();
        await keep(owner, "joined");
        await owner.page.getByRole("link", { name: `Give a key: ${GUEST}` }).click();
        await title(owner.page, `A key for ${GUEST}`);
        await owner.page.getByRole("button", { name: /^Every week/ }).click();
        for (const row of await owner.page.locator("ul.days > li").all())
            for (const time of await row.locator("input[type=time]").all())
                await time.fill("00:00");
        await owner.page.getByLabel("Times a day").selectOption("10");
        await owner.page.getByLabel("Times in all").selectOption("10");
        await owner.page.getByRole("button", { name: /^Ask us each time/ }).click();
        await press(owner.page, "Read what you sign");
        await owner.page.getByRole("heading", { name: `${GUEST} may come in and stay` }).waitFor();
        await keep(owner, "read");
        await press(owner.page, "Sign with your passkey");
        await owner.page.getByText("The new key is in force").waitFor();

        // This key asks each time: at the door the household is asked, and somebody says yes.
        await title(guest.page, "You may come in");
        await keep(guest, "can");
        const can = await guest.page.screenshot();
        world.set("person", PERSON.outside);
        await press(guest.page, "I'm at the door");
        await title(guest.page, "The household is asked");
        await keep(guest, "asked");
        await owner.page.evaluate(() => { location.hash = "#/today"; });
        await keep(owner, "asked");
        await owner.page.getByRole("button", { name: new RegExp(`^Yes.*: ${GUEST}`) }).click();
        await title(guest.page, "You may come in");

        // In, with a live camera; the door locks behind.
        await toSlide(street, guest.page, "I'm at the door");
        await keep(guest, "ready");
        const ready = await guest.page.screenshot();
        assert.equal(world.isLocked(), true);
        await open(street, guest.page);
        await title(guest.page, "Go in, close the door");
        world.set("person", PERSON.inside);
        await shut(world);
        await title(guest.page, "The door is locked");
        assert.equal(world.isLocked(), true, "the phone says locked, and it is");
        await keep(guest, "between");
        forReadme("guest.png", can, ready);

        // Out by the inside handle is always possible; in again is asked anew, and needs no Internet.
        street.wan.jam();
        world.set("person", PERSON.outside);
        await toSlide(street, guest.page, "I need to come in again");
        await open(street, guest.page);
        await title(guest.page, "Go in, close the door");
        await press(guest.page, "I am leaving");
        await guest.page.getByText("The house knows that you are leaving.").waitFor();
        await shut(world);
        await title(guest.page, "Locked", 60000);
        assert.equal(world.isLocked(), true);
        await keep(guest, "locked");
        street.wan.clear();
        await press(guest.page, "Done");
        await title(guest.page, "You may come in");
        await guest.page.getByText("9 more times").waitFor(); // a stay is one use, however often it opens

        // Nothing of the household is a guest's.
        for (const where of ["/api/people", "/api/grants", "/api/history", "/api/jobs", "/api/settings", "/api/viewers"])
            assert.deepEqual(await asks(guest.page, where), [403, "role"], where);
        for (const [where, body] of [["/api/owner", { word: "end_visit" }], ["/api/acts/begin", { act: "unlock" }], ["/api/wish", { wish: "stop_agency", id: "0".repeat(32) }]])
            assert.deepEqual(await asks(guest.page, where, body), [403, "role"], where);

        // Taken back while the guest stands there with every check passed.
        await toSlide(street, guest.page, "I'm at the door");
        const card = owner.page.locator("article.grant").filter({ hasText: GUEST });
        await owner.page.evaluate(() => { location.hash = "#/come"; });
        await card.getByRole("button", { name: /^Revoke/ }).click();
        await card.getByRole("button", { name: /^Really revoke/ }).click();
        await card.getByText("Revoked - confirmed").first().waitFor();
        await slide(guest.page).catch(() => {}); // if the page has not heard it yet
        await title(guest.page, /^Not opened/);
        await keep(guest, "refused");
        assert.equal(world.isLocked(), true);
        await press(guest.page, "Back to my key");
        await title(guest.page, "No key any more");
        await guest.page.getByText("The household took it back.").waitFor();
        await keep(guest, "over");
        assert.deepEqual(await asks(guest.page, "/api/guest/ask", { nonce: "cd".repeat(32) }), [403, "no_permission"]);
        assert.equal(world.isLocked(), true);

        // Removed, the guest is nobody.
        await owner.page.getByRole("button", { name: `Remove: ${GUEST}` }).click();
        await owner.page.getByRole("button", { name: `Really remove: ${GUEST}` }).click();
        await until("the guest is gone", async () => (await owner.page.getByText(GUEST, { exact: true }).count()) <= 1);
        await guest.page.waitForURL(`${origin}/signin`);

        // The service: not one message, not one row, not the name.
        assert.deepEqual(spy.heard.slice(heard).map((m) => m.topic), [], "what went over the broker meanwhile");
        assert.deepEqual(await said(street), before);
        const folder = street.at("service");
        for (const name of readdirSync(folder, { recursive: true, withFileTypes: true }).filter((e) => e.isFile()))
            assert.ok(!readFileSync(path.join(name.parentPath ?? name.path, name.name)).includes(GUEST), `${name.name} knows the guest`);
    }

    /** What the service tells of this home, to its agency and to its owner. */
    async function said(street) {
        const [home, visits, jobs] = await Promise.all([street.agency.get(`/v1/homes/${street.home.id}`), street.agency.get("/v1/visits"), street.agency.get("/v1/jobs")]);
        return JSON.parse(JSON.stringify({ home, visits, jobs }));
    }

    /** Once more, when the camera sees again: on a busy machine it is late, or an offer runs out. */
    async function again(street, page) {
        await street.settled();
        await page.getByRole("button", { name: "Try again" }).click({ timeout: 2000 }).catch(() => {});
    }

    /** Up to the slide. */
    async function toSlide(street, page, button) {
        await street.settled();
        await press(page, button);
        await until("every check to hold", async () => {
            const h = await h1(page);
            if (h === "Not yet")
                await again(street, page);
            return h === "All 4 checked";
        }, 90000, 200);
    }

    /** Slides, and pushes the door when the bolt is back. */
    async function open(street, page) {
        const { world } = street;
        await until("the bolt to be withdrawn", async () => {
            const h = await h1(page);
            if (h === "All 4 checked")
                await slide(page).catch(() => {});
            else if (h === "Not yet")
                await again(street, page);
            return world.get("bolt_permille") === 0;
        }, 90000, 50);
        assert.equal(await world.moveDoor(900, 300), true, "the door opens");
    }
});
