// Firefox and WebKit for tests, as Debian ships them. Firefox is spoken to in Marionette's own protocol (what geckodriver
// speaks, which Debian does not ship), WebKit through WebKitWebDriver and MiniBrowser on a virtual display. Both give the
// same few verbs: goto, run, until, click, type, cookie, screenshot, close.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../sim/demo/procs.mjs";

const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";

const rest = (ms) => new Promise((r) => setTimeout(r, ms));

/** Asks again until something true comes back; what a page does has no event for us. */
async function until(what, ask, ms = 20000) {
  const end = performance.now() + ms;
  let last;
  for (;;) {
    try {
      const got = await ask();
      if (got) return got;
      last = null;
    } catch (e) {
      last = e;
    }
    if (performance.now() > end) throw new Error(`${what}: not within ${ms} ms${last ? ` (${last.message})` : ""}`);
    await rest(50);
  }
}

class Browser {
  constructor(name) {
    this.name = name;
    this.children = [];
    this.folder = mkdtempSync(join(process.env.TMPDIR ?? tmpdir(), `dw-${name}-`));
  }
  start(program, args, env = {}) {
    const p = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, HOME: this.folder, ...env }, detached: true });
    p.said = "";
    for (const s of [p.stdout, p.stderr]) s.on("data", (d) => (p.said = (p.said + d).slice(-20000)));
    p.on("error", (e) => (p.said += e.message));
    p.on("exit", () => (p.isOver = true));
    this.children.push(p);
    return p;
  }
  until(what, script, ...args) {
    return until(`${this.name}: ${what}`, () => this.run(script, ...args));
  }
  /** The page has this text somewhere that is shown. */
  text(wanted, ms) {
    return until(`${this.name}: the text "${wanted}"`, () => this.run("return document.body && document.body.innerText.includes(arguments[0])", wanted), ms);
  }
  /** Presses the button or link that says so. */
  async press(words) {
    await this.pressThe(await this.byWords(words));
  }
  /** The same, held with the space bar. */
  async hold(words, ms) {
    const element = await this.byWords(words);
    await this.run("arguments[0].focus()", { [ELEMENT]: element });
    await this.actions([{ type: "key", id: "keys", actions: [{ type: "keyDown", value: " " }, { type: "pause", duration: ms }, { type: "keyUp", value: " " }] }]);
  }
  async byWords(words) {
    const found = await until(`${this.name}: a button "${words}"`, () => this.run(`
      const all = [...document.querySelectorAll("button, a[href], [role=button]")];
      return all.find((e) => e.innerText.trim().startsWith(arguments[0]) && !e.disabled && e.getClientRects().length > 0) ?? null`, words));
    return found[ELEMENT];
  }
  async close() {
    try {
      await this.quit();
    } catch {
      // it is ended below
    }
    for (const p of this.children.reverse()) {
      if (p.isOver) continue;
      const over = new Promise((r) => p.once("exit", r));
      try {
        process.kill(-p.pid, "SIGTERM");
      } catch {
        continue;
      }
      const t = setTimeout(() => { try { process.kill(-p.pid, "SIGKILL"); } catch { /* gone */ } }, 5000);
      await over;
      clearTimeout(t);
    }
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

export class Firefox extends Browser {
  static isThere() {
    return existsSync("/usr/bin/firefox-esr");
  }
  static async launch({ width = 412, height = 915, prefs = {} } = {}) {
    const b = new Firefox("firefox");
    try {
      const port = await freePort();
      const all = {
        "marionette.port": port, "browser.shell.checkDefaultBrowser": false, "datareporting.policy.dataSubmissionEnabled": false,
        "app.update.enabled": false, "network.captive-portal-service.enabled": false, "network.connectivity-service.enabled": false,
        "services.settings.server": "data:,", "browser.safebrowsing.update.enabled": false, "extensions.systemAddon.update.enabled": false,
        "intl.accept_languages": "en-US", "browser.startup.page": 0, "toolkit.cosmeticAnimations.enabled": false,
        // its passkey holder of tests, see authenticator()
        "security.webauth.webauthn_enable_softtoken": true, "security.webauth.webauthn_enable_usbtoken": false, ...prefs,
      };
      writeFileSync(join(b.folder, "user.js"), Object.entries(all).map(([k, v]) => `user_pref(${JSON.stringify(k)}, ${JSON.stringify(v)});\n`).join(""));
      const p = b.start("/usr/bin/firefox-esr", ["--headless", "--no-remote", "--marionette", "--profile", b.folder], { MOZ_HEADLESS_WIDTH: String(width), MOZ_HEADLESS_HEIGHT: String(height) });
      b.socket = await until("firefox's control port", () => {
        if (p.isOver) throw new Error(`firefox ended: ${p.said}`);
        return new Promise((resolve) => {
          const s = net.connect(port, "127.0.0.1");
          s.once("error", () => resolve(null));
          s.once("connect", () => resolve(s));
        });
      }, 60000);
      b.waiting = new Map();
      b.number = 0;
      let room = Buffer.alloc(0);
      b.socket.on("data", (d) => {
        room = Buffer.concat([room, d]);
        for (;;) {
          const colon = room.indexOf(58);
          if (colon < 0) return;
          const len = Number(room.subarray(0, colon).toString());
          if (room.length < colon + 1 + len) return;
          const m = JSON.parse(room.subarray(colon + 1, colon + 1 + len).toString());
          room = room.subarray(colon + 1 + len);
          if (!Array.isArray(m)) continue; // the greeting
          const [, id, error, result] = m;
          const w = b.waiting.get(id);
          b.waiting.delete(id);
          if (error) w?.reject(new Error(`${error.error}: ${error.message}`));
          else w?.resolve(result);
        }
      });
      b.socket.on("close", () => b.waiting.forEach((w) => w.reject(new Error("firefox is gone"))));
      b.socket.on("error", () => {});
      await b.ask("WebDriver:NewSession", { strictFileInteractability: true });
      await b.ask("WebDriver:SetWindowRect", { width, height });
      return b;
    } catch (e) {
      await b.close();
      throw e;
    }
  }
  ask(name, params = {}) {
    const id = ++this.number;
    const body = JSON.stringify([0, id, name, params]);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.socket.write(`${Buffer.byteLength(body)}:${body}`);
    });
  }
  /** A passkey holder inside the device, that always says yes. */
  authenticator() {
    return this.ask("WebAuthn:AddVirtualAuthenticator", { protocol: "ctap2", transport: "internal", hasResidentKey: true,
      hasUserVerification: true, isUserConsenting: true, isUserVerified: true }).then((r) => r.value ?? r);
  }
  goto(url) {
    return this.ask("WebDriver:Navigate", { url });
  }
  run(script, ...args) {
    return this.ask("WebDriver:ExecuteScript", { script, args, sandbox: null, newSandbox: false }).then((r) => r.value);
  }
  async find(selector) {
    const r = await until(`firefox: ${selector}`, () => this.ask("WebDriver:FindElement", { using: "css selector", value: selector }));
    return r.value?.[ELEMENT] ?? r[ELEMENT];
  }
  async click(selector) {
    await this.pressThe(await this.find(selector));
  }
  pressThe(id) {
    return this.ask("WebDriver:ElementClick", { id });
  }
  actions(actions) {
    return this.ask("WebDriver:PerformActions", { actions });
  }
  async type(selector, text) {
    await this.ask("WebDriver:ElementSendKeys", { id: await this.find(selector), text });
  }
  cookie(c) {
    return this.ask("WebDriver:AddCookie", { cookie: c });
  }
  async screenshot(path) {
    const r = await this.ask("WebDriver:TakeScreenshot", { full: true });
    writeFileSync(path, Buffer.from(r.value, "base64"));
  }
  async quit() {
    await this.ask("Marionette:Quit", { flags: ["eForceQuit"] }).catch(() => {});
    this.socket?.destroy();
  }
}

export class WebKit extends Browser {
  static isThere() {
    return existsSync("/usr/bin/WebKitWebDriver") && (existsSync("/usr/bin/Xvfb") || !!process.env.DISPLAY) && WebKit.program() !== null;
  }
  static program() {
    return ["4.1", "4.0", "6.0"].map((v) => `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu/webkit${v === "6.0" ? "gtk" : "2gtk"}-${v}/MiniBrowser`).find((p) => existsSync(p)) ?? null;
  }
  static async launch({ width = 412, height = 915 } = {}) {
    const b = new WebKit("webkit");
    try {
      let display = process.env.DISPLAY;
      if (existsSync("/usr/bin/Xvfb")) {
        const told = join(b.folder, "display");
        const x = b.start("/bin/sh", ["-c", `exec /usr/bin/Xvfb -displayfd 3 -screen 0 ${width + 40}x${height + 120}x24 -nolisten tcp 3>"${told}"`]);
        display = `:${await until("the virtual display", () => {
          if (x.isOver) throw new Error(`Xvfb ended: ${x.said}`);
          return existsSync(told) && readFileSync(told, "utf8").trim();
        })}`;
      }
      b.display = display;
      b.size = `${width}x${height + 80}`;
      const port = await freePort();
      const env = { DISPLAY: display, WEBKIT_DISABLE_COMPOSITING_MODE: "1", LIBGL_ALWAYS_SOFTWARE: "1", GDK_BACKEND: "x11", XDG_RUNTIME_DIR: b.folder,
        WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1", NO_AT_BRIDGE: "1", LC_ALL: "en_US.UTF-8", LANGUAGE: "en_US" };
      const p = b.start("/usr/bin/WebKitWebDriver", [`--port=${port}`, "--host=127.0.0.1"], env);
      b.base = `http://127.0.0.1:${port}`;
      await until("WebKitWebDriver", async () => {
        if (p.isOver) throw new Error(`WebKitWebDriver ended: ${p.said}`);
        return (await fetch(`${b.base}/status`)).ok;
      });
      const r = await b.ask("POST", "/session", { capabilities: { alwaysMatch: { "webkitgtk:browserOptions": { binary: WebKit.program(), args: ["--automation"] } } } });
      b.session = `/session/${r.sessionId}`;
      await b.ask("POST", `${b.session}/window/rect`, { width, height }).catch(() => {});
      return b;
    } catch (e) {
      await b.close();
      throw e;
    }
  }
  async ask(method, path, body) {
    const r = await fetch(this.base + path, { method, headers: { "content-type": "application/json" }, ...(body ? { body: JSON.stringify(body) } : {}) });
    const text = await r.text();
    const value = text ? JSON.parse(text).value : null;
    if (!r.ok) throw new Error(`${path}: ${value?.error} ${value?.message}`);
    return value;
  }
  goto(url) {
    return this.ask("POST", `${this.session}/url`, { url });
  }
  run(script, ...args) {
    return this.ask("POST", `${this.session}/execute/sync`, { script, args });
  }
  async find(selector) {
    const r = await until(`webkit: ${selector}`, () => this.ask("POST", `${this.session}/element`, { using: "css selector", value: selector }));
    return r[ELEMENT];
  }
  async click(selector) {
    await this.pressThe(await this.find(selector));
  }
  pressThe(id) {
    return this.ask("POST", `${this.session}/element/${id}/click`, {});
  }
  actions(actions) {
    return this.ask("POST", `${this.session}/actions`, { actions });
  }
  async type(selector, text) {
    await this.ask("POST", `${this.session}/element/${await this.find(selector)}/value`, { text });
  }
  cookie(c) {
    return this.ask("POST", `${this.session}/cookie`, { cookie: c });
  }
  /** Of the display, not by the driver: MiniBrowser dies of a snapshot of a page with such canvases. */
  async screenshot(path) {
    const r = spawnSync("ffmpeg", ["-v", "error", "-y", "-f", "x11grab", "-video_size", this.size, "-i", this.display, "-frames:v", "1", path]);
    if (r.status !== 0) throw new Error(`webkit: no picture of the display: ${r.stderr}`);
  }
  async quit() {
    if (this.session) await this.ask("DELETE", this.session);
  }
}
