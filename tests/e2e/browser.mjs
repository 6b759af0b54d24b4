// Chromium for tests: where it is, how it is started, where pictures go.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
if (!existsSync(join(here, "node_modules/playwright-core"))) {
  console.error("the browser driver is missing. Run ./dw setup (or: cd tests/e2e && npm ci).");
  process.exit(1);
}
const require = createRequire(join(here, "x.js"));
const { chromium } = require("playwright-core");

export const artefacts = process.env.DW_ARTEFACTS ?? join(process.env.DW_BUILD ?? join(here, "../../build"), "artefacts");
mkdirSync(artefacts, { recursive: true });

export function launch(more = []) {
  return chromium.launch({
    executablePath: process.env.DW_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", ...more],
  });
}

/** The page comes to `url` by itself, or is there. `go` may be what sets it off, a reload say: the page at times goes on
 *  before that has come to its end, which is no failure then. That it does not come to `url` is one. */
export async function arrives(page, url, go = () => Promise.resolve()) {
  const isThere = (f) => f === page.mainFrame() && url.test(f.url());
  const there = isThere(page.mainFrame()) || page.waitForEvent("framenavigated", { predicate: isThere });
  const superseded = (e) => assert.match(e.message, /net::ERR_ABORTED|interrupted by another navigation/);
  await Promise.all([there, go().catch(superseded)]);
  await page.waitForLoadState("domcontentloaded");
}

export async function axe(page) {
  if (!(await page.evaluate(() => "axe" in globalThis)))
    await page.evaluate(readFileSync(require.resolve("axe-core/axe.min.js"), "utf8")); // CDP: not subject to the CSP
  return page.evaluate(async () => {
    const r = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    return r.violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target} ${n.failureSummary}`).join(" | ")}`);
  });
}
