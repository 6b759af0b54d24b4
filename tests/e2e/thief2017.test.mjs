// One attack, two homes: `doorward demo --2017` in Chromium. The button is pressed, the same thief tries both
// doors; what each pane says is held against both simulated worlds. And nothing of the product knows of the
// simulator of 2017.
//
// Needs DW_BUILD. Pictures go to $DW_ARTEFACTS; DW_UPDATE_DOCS=1 also renews that of the README.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { root } from "../../sim/demo/street.mjs";
import { PERSON, World } from "../../sim/demo/world.mjs";
import { artefacts, axe, launch } from "./browser.mjs";
import { Demo, forReadme } from "./demo.mjs";
import { readPng } from "./png.mjs";
import { until } from "../../sim/demo/procs.mjs";

const T_DARK_MS = 1500, T_LOSS_MS = 2000, NOISE_MS = 1000;

test("no file of the product names the simulator of 2017 or imports from sim/", () => {
    const found = [];
    const walk = (folder) => {
        for (const e of readdirSync(folder, { withFileTypes: true })) {
            const p = path.join(folder, e.name);
            if (e.isDirectory() && e.name !== "node_modules")
                walk(p);
            else if (e.isFile() && /thief2017|hall-eye|hall_eye|sim\/demo/.test(readFileSync(p, "latin1")))
                found.push(p);
        }
    };
    walk(path.join(root, "src"));
    walk(path.join(root, "web"));
    assert.deepEqual(found, []);
});

/** How different two screenshots of one place are, 0 to 1. */
function differ(one, two, part) {
    const a = [], b = [];
    readPng(one).each(part, (...c) => a.push(c));
    readPng(two).each(part, (...c) => b.push(c));
    return a.filter((c, i) => Math.abs(c[0] - b[i][0]) + Math.abs(c[1] - b[i][1]) + Math.abs(c[2] - b[i][2]) > 40).length / a.length;
}

test("the old pane stays calm while a thief walks in; ours goes dark, locks and counts", { timeout: 240000 }, async (t) => {
    const demo = await Demo.start(["--2017"]);
    const link = (await demo.line(/two homes: (\S+)/)).match[1];
    const old = World.look(path.join(demo.folder, "world2017")), ours = demo.world;
    const browser = await launch();
    let isGood = false;
    t.after(async () => {
        await browser.close();
        await demo.stop(isGood, t);
    });

    const bare = link.replace(/\?.*/, "");
    const ask = async (url, headers = {}) => (await fetch(url.replace("demo2017.localhost", "127.0.0.1"), { headers, redirect: "manual" })).status;
    assert.equal(await ask(bare), 403, "a stranger is not let in");
    assert.equal(await ask(bare.replace(/\/2017\/$/, "/recordings/")), 403);

    const page = await browser.newPage({ viewport: { width: 1440, height: 810 } });
    const bad = [];
    page.on("console", (m) => m.type() === "error" && bad.push(m.text()));
    page.on("pageerror", (e) => bad.push(String(e)));
    await page.goto(link);
    const stage = (word, ms = 90000) => page.waitForSelector(`body[data-stage="${word}"]`, { timeout: ms });
    const shoot = (name) => page.screenshot({ path: path.join(artefacts, `2017-${name}.png`) });
    await stage("inside");
    assert.equal(ours.get("person"), PERSON.inside);
    assert.equal(old.get("person"), PERSON.inside);
    await shoot("inside-1440");

    await page.click("#jam");
    await stage("jammed");
    const b = await page.locator("#old").boundingBox();
    const shot = { x: b.x + 10, y: b.y + b.height * 0.25, width: b.width - 20, height: b.height * 0.4 };
    await page.waitForTimeout(300);
    const calm = await page.screenshot();
    await until("the thief inside the home of 2017", () => old.get("thief") === PERSON.inside, 12000, 10);
    const during = await shoot("thief-1440");
    assert.equal(differ(calm, during, shot), 0, "the old picture has not changed by a point");
    const app = page.frames().find((f) => f.url().startsWith("http://127.0.0.1:"));
    assert.equal(await app.locator("#is").textContent(), "Locked");
    assert.equal(old.get("bolt_permille"), 0, "and it is not");
    const real = page.frameLocator("#ours");
    assert.ok(!["live", "stale"].includes(await real.locator("[data-picture]").first().getAttribute("data-picture")), "no old picture in ours");
    await until("the seconds are counted", async () => /0:0[3-9]/.test(await real.locator("body").innerText()), 5000);
    assert.equal(ours.isLocked(), true, "the bolt holds");
    assert.equal(ours.get("thief"), PERSON.outside);
    await page.waitForTimeout(1200);
    forReadme("2017.png", await shoot("seconds-1440"));
    await page.setViewportSize({ width: 390, height: 844 });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "no sideways scrolling");
    await page.screenshot({ path: path.join(artefacts, "2017-seconds-390.png"), fullPage: true });
    await page.setViewportSize({ width: 1440, height: 810 });

    await stage("over");
    assert.equal(old.get("parcels_inside"), 0, "the thief has it");
    assert.equal(ours.get("parcels_inside"), 1);
    const said = await page.locator("#n-ours").textContent();
    const [, dark, told, bolt] = /Dark after (\d+\.\d) s, told after (\d+\.\d) s, the bolt home after (\d+\.\d) s/.exec(said) ?? [];
    t.diagnostic(said);
    assert.ok(dark * 1000 <= T_DARK_MS + 100 + NOISE_MS, `dark after ${dark} s`);
    assert.ok(told * 1000 <= T_LOSS_MS + 100 + NOISE_MS, `told after ${told} s`);
    assert.ok(bolt * 1000 <= 2400 + NOISE_MS, `bolt home after ${bolt} s`);
    assert.match(await page.locator("#n-old").textContent(), /Nobody was told for 1\d seconds/);
    assert.deepEqual(await axe(page), []);
    await shoot("over-1440");

    await page.click("#jam"); // and once more from the beginning
    await stage("inside");
    for (const w of [old, ours]) {
        assert.equal(w.get("parcels_inside"), 1);
        assert.equal(w.get("thief"), PERSON.none);
    }
    assert.equal(await page.locator("#f-old b").textContent(), "The courier is inside");
    assert.deepEqual(bad, []);
    isGood = true;
});
