// The courier's phone: from the moment a barcode was read by its camera to the moment the answer stands on the screen, and a
// whole honest visit without the courier's own hands. First the app alone, before a service that answers at once; then
// the whole house with both apps and the camera running; then with a processor six times slower, a round trip of 400 ms
// and 5 % loss.
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { until } from "../sim/demo/procs.mjs";
import { launch } from "../tests/e2e/browser.mjs";
import { film } from "../tests/web/courier_codes.mjs";
import { Service, buildPages, hold } from "../tests/web/courier_rig.mjs";
import { line, quantile, withStreet } from "./lib.mjs";
import { SlowLink } from "./slow_link.mjs";

const VISITS = Number(process.env.DW_BENCH_VISITS ?? 20);
const SLOW_VISITS = Math.ceil(VISITS / 2);
const only = process.env.DW_BENCH_PART; // alone, house or slow

const folder = mkdtempSync(path.join(os.tmpdir(), "doorward-bench-cam-"));
const cam = path.join(folder, "cam.mjpeg");

const withWebcam = (more = []) => launch(["--use-fake-device-for-media-stream", `--use-file-for-fake-video-capture=${cam}`, ...more]);

// Counts to the frame after the one in which the answer was drawn: then it is on the screen.
function watchAnswers() {
    const seen = new Set();
    const look = () => {
        const h = document.querySelector("h1")?.textContent ?? "";
        const name = document.querySelector(".slide:not(.is-waiting)") ? "ready" : document.querySelector(".refused") ? "refused" : document.querySelector(".is-locked") ? "locked" : null;
        if (!name || seen.has(name + h))
            return;
        seen.add(name + h);
        requestAnimationFrame(() => requestAnimationFrame(() => performance.mark(`doorward.${name}`)));
    };
    new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true });
}
const markAt = (page, name) => page.evaluate((n) => performance.getEntriesByName(`doorward.${n}`).at(-1)?.startTime ?? null, name);

async function press(page, name) {
    await page.getByRole("button", { name }).first().click();
}
async function slide(page) {
    const b = await page.locator(".slide").boundingBox();
    await page.mouse.move(b.x + 46, b.y + b.height / 2);
    await page.mouse.down();
    await page.mouse.move(b.x + b.width - 46, b.y + b.height / 2, { steps: 4 });
    await page.mouse.up();
}

// To the question: the sticker is typed, the parcel is read by the camera. Gives the two times.
async function scan(page, barcode, sticker) {
    await film(cam, barcode);
    await page.evaluate(() => localStorage.removeItem("doorward.courier")); // the visit before is over
    await page.reload();
    await press(page, /^Next:/);
    await press(page, "I am at the door");
    await press(page, "Type it");
    await page.locator("#code").fill(sticker);
    await page.keyboard.press("Enter");
    await page.locator(".slide:not(.is-waiting), .refused").waitFor({ timeout: 60000 });
    const answer = await until("the answer's mark", async () => await markAt(page, "ready") ?? await markAt(page, "refused"), 10000, 20);
    return answer - await markAt(page, "scan");
}

function tell(name, list, limit, runs) {
    line(`${name}, p50`, quantile(list, 0.5), "ms", null, { runs });
    line(`${name}, p95`, quantile(list, 0.95), "ms", limit, { runs });
}

async function phone(browser, origin, cookies = []) {
    const context = await browser.newContext({ viewport: { width: 390, height: 844 }, permissions: ["camera"], serviceWorkers: "block", locale: "en-GB" });
    await context.addCookies(cookies);
    await context.addInitScript(watchAnswers);
    const page = await context.newPage();
    page.setDefaultTimeout(60000);
    await page.goto(`${origin}/`);
    return page;
}

async function alone() {
    const service = await Service.start(buildPages());
    const browser = await withWebcam();
    try {
        service.onAsk = (v) => service.ready(v);
        service.addJob();
        const page = await phone(browser, service.origin);
        const times = [];
        for (let i = 0; i < VISITS; i++) {
            service.visits.length = 0;
            times.push(await scan(page, "ACM4471092813", "DW-DOOR-7"));
        }
        tell("scan -> answer shown, the app alone", times, null, VISITS);
    } finally {
        await browser.close();
        await service.stop();
    }
}

async function house({ slow }) {
    const count = slow ? SLOW_VISITS : VISITS;
    await withStreet({ cameraSettings: { fps: 30 }, params: { t_watch_ms: 1000 } }, async (street) => {
        await street.settled();
        const origin = street.serviceSite.origin;
        const link = slow ? new SlowLink({ host: "127.0.0.1", port: Number(new URL(origin).port) }, { rttMs: 400, loss: 0.05, seed: 7 }) : null;
        const more = link ? [`--host-resolver-rules=MAP ${new URL(origin).hostname} 127.0.0.1:${await link.open()}`] : [];
        const browser = await withWebcam(more);
        try {
            const cookies = (person, url) => [...(person?.cookies ?? [])].map(([name, value]) => ({ name, value, url }));
            const home = await browser.newPage();
            await home.context().addCookies(cookies(street.member, street.hubSite.origin));
            await home.goto(`${street.hubSite.origin}/`); // the household looks on
            const page = await phone(browser, origin, cookies(street.courier.api, origin));
            await hold(page, street.courier.api.passkeys.at(-1)); // asked at the end of each slide, without a finger
            if (slow) {
                const cdp = await page.context().newCDPSession(page);
                await cdp.send("Emulation.setCPUThrottlingRate", { rate: 6 });
            }
            const answers = [], whole = [];
            let good = 0;
            const visit = async () => {
                const job = await street.newJob(street.courier);
                const took = await scan(page, job.parcels[0].barcode ?? job.parcels[0], street.doorCode);
                if (await page.locator(".refused").count())
                    throw new Error(`refused: ${(await page.locator(".refused .main").textContent()).slice(0, 120)}`);
                answers.push(took);
                const at = performance.now();
                await slide(page);
                await until("the bolt to be withdrawn", () => street.world.get("bolt_permille") === 0, 15000, 4);
                await street.world.moveDoor(600, 100);
                await until("inside", () => street.watch.state?.visit_state === "inside", 8000, 5);
                await street.world.moveDoor(0, 100);
                await page.locator(".is-locked").waitFor({ timeout: 60000 });
                whole.push(took + performance.now() - at);
                good++;
            };
            for (let i = 0; i < count; i++) {
                await visit().catch((e) => {
                    process.stderr.write(`bench: visit ${i}: ${e.message.split("\n")[0]}\n`);
                    street.calm();
                });
                await until("the door to be free", () => ["none", undefined].includes(street.watch.state?.visit_state), 30000, 20).catch(() => {});
            }
            const how = slow ? ", 6x slower processor, 400 ms round trip, 5 % loss" : ", both apps and the camera running";
            tell(`scan -> answer shown${how}`, answers, slow ? 2000 : 400, count);
            tell(`scan -> locked shown, without the courier's hands (12 s of the 21 s)${how}`, whole, 9000, count);
            line(`visits that ended locked${how}`, good / count, "share", null, { runs: count });
        } finally {
            await browser.close();
            await link?.close?.();
        }
    });
}

try {
    if (!only || only === "alone")
        await alone();
    if (!only || only === "house")
        await house({ slow: false });
    if (!only || only === "slow")
        await house({ slow: true });
} finally {
    rmSync(folder, { recursive: true, force: true });
}
