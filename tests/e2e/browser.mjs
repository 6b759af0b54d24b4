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

/** What of the page's text cannot be read: over the edge of the screen, cut off by what holds it, or under other text. */
function cramped() {
  const found = new Set();
  const name = (e) => `${e.tagName.toLowerCase()}${e.className && typeof e.className === "string" ? `.${e.className.trim().replace(/\s+/g, ".")}` : ""}`;
  const styles = new Map();
  const styleOf = (e) => styles.get(e) ?? (styles.set(e, getComputedStyle(e)), styles.get(e));
  const isFor = (e, test) => { for (let a = e; a && a !== document.documentElement; a = a.parentElement) if (test(a, styleOf(a))) return a; return null; };
  const lines = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n; (n = walker.nextNode());) {
    const e = n.parentElement, text = n.textContent.trim();
    if (text === "" || !e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || isFor(e, (a, s) => a.classList.contains("vh") || a.classList.contains("skip") || s.clipPath !== "none" || a.tagName === "svg")) continue;
    const range = document.createRange();
    range.selectNodeContents(n);
    const say = (what) => found.add(`${what}: "${text.slice(0, 40)}" in ${name(e)}`);
    const isMoving = isFor(e, (a, s) => s.overflowX === "auto" || s.overflowX === "scroll" || a.tagName === "SELECT");
    const layer = isFor(e, (a, s) => s.position !== "static" && s.position !== "relative");
    for (const r of range.getClientRects()) {
      if (r.width < 1 || r.height < 1) continue;
      const lost = isFor(e, (a, s) => s.overflowY === "hidden" && a.closest("[aria-hidden=true]") && (r.top + r.bottom) / 2 >= a.getBoundingClientRect().bottom);
      if (lost) continue; // a name in a picture that has no room for it: said elsewhere
      if (!isMoving && (r.left < -1 || r.right > innerWidth + 1)) say("over the edge");
      const box = isFor(e, (a, s) => (s.overflowX === "hidden" || s.overflowX === "clip") && (r.left < a.getBoundingClientRect().left - 1 || r.right > a.getBoundingClientRect().right + 1));
      if (box && !isMoving) say(`cut off by ${name(box)}`);
      const low = isFor(e, (a, s) => (s.overflowY === "hidden" || s.overflowY === "clip") && (r.top + r.height / 2 < a.getBoundingClientRect().top || r.top + r.height / 2 > a.getBoundingClientRect().bottom));
      if (low) say(`cut off below by ${name(low)}`);
      if (!isMoving) lines.push({ r, e, text, layer });
    }
  }
  for (let i = 0; i < lines.length; i++) {
    for (let k = i + 1; k < lines.length; k++) {
      const a = lines[i], b = lines[k];
      if (a.e === b.e || a.layer !== b.layer) continue; // covers and bars lie over the rest, as they should
      const wide = Math.min(a.r.right, b.r.right) - Math.max(a.r.left, b.r.left), high = Math.min(a.r.bottom, b.r.bottom) - Math.max(a.r.top, b.r.top);
      if (wide > 3 && high > Math.min(a.r.height, b.r.height) / 2) found.add(`"${a.text.slice(0, 30)}" and "${b.text.slice(0, 30)}" in ${name(b.e)} lie on each other`);
    }
  }
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) found.add(`scrolls sideways by ${root.scrollWidth - root.clientWidth}`);
  return [...found];
}

/** The page on a phone of 320 px, and with text twice as large: all of it can be read. Afterwards it is as it was. */
export async function readable(page, name) {
  const size = page.viewportSize();
  for (const [width, zoom] of [[320, "100%"], [390, "200%"]]) {
    await page.setViewportSize({ width, height: 844 });
    await page.evaluate((z) => {
      document.documentElement.style.fontSize = z;
      return new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)));
    }, zoom);
    assert.deepEqual(await page.evaluate(cramped), [], `${name} at ${width} px, text ${zoom}`);
  }
  await page.evaluate(() => { document.documentElement.style.fontSize = ""; });
  await page.setViewportSize(size);
}
