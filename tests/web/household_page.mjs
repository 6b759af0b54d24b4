// The household's app in Chromium, for its tests: a house, a page whose console is watched, a passkey, a picture kept.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { after, before } from "node:test";
import { artefacts, launch } from "../e2e/browser.mjs";
import { Home, buildPages, hex } from "./household_rig.mjs";
import { until } from "./rig.mjs";

export const PHONE = { width: 390, height: 844 };
export const DESKTOP = { width: 1440, height: 900 };
let browser, built;

/** `clip`: gives the pictures that the house plays. */
export function household(clip = () => []) {
  let ours;
  before(async () => {
    built = buildPages();
    ours = clip();
    browser = await launch();
  });
  after(() => browser?.close());
  return {
    built: () => built,
    async newHome(t, more = {}, Kind = Home) {
      const home = await new Kind(built, ours).start();
      Object.assign(home, more);
      t.after(() => home.stop());
      return home;
    },
  };
}

/** A page with nothing bad on its console but what a test allows. */
export async function open(t, home, hash = "#/today", { size = PHONE, dark = false, workers = "block", script = "", reducedMotion = "reduce", locale = "en-GB", allow = /WebSocket connection|Failed to load resource/, path = `/${hash}` } = {}) {
  const context = await browser.newContext({ viewport: size, colorScheme: dark ? "dark" : "light", serviceWorkers: workers, reducedMotion, locale });
  const page = await context.newPage();
  const bad = [];
  page.on("console", (m) => m.type() === "error" && !allow.test(m.text()) && bad.push(m.text()));
  page.on("pageerror", (e) => bad.push(String(e)));
  if (script) await page.addInitScript(script);
  t.after(async () => {
    await context.close();
    assert.deepEqual(bad, []);
  });
  await page.goto(home.origin + path);
  await page.waitForSelector("h1");
  return { page, context };
}

export const heading = (page) => page.locator("h1").textContent();
export const go = async (page, hash, title) => {
  await page.evaluate((h) => void (location.hash = h), hash);
  if (title) await until(title, async () => (await heading(page)) === title);
};
export const doorWord = (page) => page.locator(".door-claim .door-word").first().textContent();
/** By how much the page, or a card within itself, is wider than it may be: a card hides what goes over its edge. */
export const overflow = (page, cards = ".card") => page.evaluate((c) => [document.documentElement, ...document.querySelectorAll(c)].reduce((n, e) => Math.max(n, e.scrollWidth - e.clientWidth), 0), cards);
export const keep = (page, name) => page.screenshot({ path: join(artefacts, `home-${name}.png`), fullPage: true });

/** A passkey on this device; its id. Further ones go onto the same device. */
export async function passkey(context, page) {
  page.device ??= (async () => {
    const cdp = await context.newCDPSession(page);
    await cdp.send("WebAuthn.enable");
    const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
      options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
    });
    return { cdp, authenticatorId };
  })();
  const { cdp, authenticatorId } = await page.device;
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const id = Buffer.from(hex(16), "hex");
  await cdp.send("WebAuthn.addCredential", {
    authenticatorId,
    credential: { credentialId: id.toString("base64"), isResidentCredential: true, rpId: "home1.localhost", privateKey: privateKey.export({ format: "der", type: "pkcs8" }).toString("base64"), userHandle: Buffer.from(hex(16), "hex").toString("base64"), signCount: 1 },
  });
  return id.toString("base64url");
}
