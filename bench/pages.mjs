// From a change that the hub tells its screens to the frame of the household's page that shows it: the door opens, and is
// locked again (which takes a statement signed for this screen). The hub's time is when another reader of the same hub,
// in this process, was told; both clocks are this machine's.
import { sleep } from "../sim/demo/procs.mjs";
import { launch } from "../tests/e2e/browser.mjs";
import { line, quantile, quickVisit, withStreet } from "./lib.mjs";

const VISITS = Number(process.env.DW_BENCH_VISITS ?? 20);

// In the page: each kind of word about the door, with the time of the frame after the one that drew it.
function notes() {
    globalThis.doorNotes = [];
    let last = "";
    const look = () => {
        const el = document.querySelector("[data-door]");
        const kind = /^Open/.test(el?.querySelector(".door-claim .door-word")?.textContent ?? "") ? "open" : el?.dataset.door ?? "none";
        if (kind !== last) {
            last = kind;
            requestAnimationFrame(() => globalThis.doorNotes.push({ kind, at: Date.now() }));
        }
    };
    new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
    look();
}

await withStreet({ cameraSettings: { fps: 30 }, params: { t_watch_ms: 1000 } }, async (street) => {
    await street.settled();
    const browser = await launch();
    try {
        const context = await browser.newContext({ viewport: { width: 390, height: 844 }, locale: "en-GB", serviceWorkers: "block" });
        await context.addCookies([...street.member.cookies].map(([name, value]) => ({ name, value, url: street.hubSite.origin })));
        const page = await context.newPage();
        await page.goto(`${street.hubSite.origin}/#/live`);
        await page.locator("[data-door=secured]").first().waitFor({ timeout: 30000 });
        await page.evaluate(notes);
        const open = [], locked = [];
        let runs = 0;
        for (let i = 0; i < VISITS; i++) {
            const from = Date.now();
            const v = await quickVisit(street, { inside: () => sleep(600) }).catch((e) => {
                process.stderr.write(`pages: a visit did not come to its end: ${e.message}\n`);
                return null;
            });
            if (!v)
                continue;
            await page.locator("[data-door=secured]").first().waitFor({ timeout: 10000 });
            const seen = (await page.evaluate(() => globalThis.doorNotes)).filter((n) => n.at >= from);
            const told = (at) => (at === undefined ? null : performance.timeOrigin + at);
            const opened = told(v.at("visit_state", "inside")), secured = told(v.at("secured"));
            const shownOpen = seen.find((n) => n.kind === "open"), shownLocked = seen.filter((n) => n.kind === "secured").at(-1);
            if (opened !== null && shownOpen)
                open.push(Math.max(0, shownOpen.at - opened));
            if (secured !== null && shownLocked)
                locked.push(Math.max(0, shownLocked.at - secured));
            runs++;
        }
        line("state change on the hub -> shown in the page (door opened), p50", quantile(open, 0.5), "ms", null, { runs });
        line("state change on the hub -> shown in the page (door opened), p95", quantile(open, 0.95), "ms", 100, { runs });
        line("locked on the hub -> shown in the page with its own proof, p50", quantile(locked, 0.5), "ms", null, { runs });
        line("locked on the hub -> shown in the page with its own proof, p95", quantile(locked, 0.95), "ms", 100, { runs });
    } finally {
        await browser.close();
    }
});
