// doorward-hub-alert between a stand-in for the guard and a push service of our own. Pushes are read by an independent
// decrypter (http_ece), the sender's token by node's crypto.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createECDH, createPublicKey, randomBytes, verify } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { createRequire } from "node:module";
import net from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

const e2e = join(dirname(fileURLToPath(import.meta.url)), "../e2e");
if (!existsSync(join(e2e, "node_modules/http_ece"))) {
  console.error("the decrypter is missing. Run ./dw setup (or: cd tests/e2e && npm ci).");
  process.exit(1);
}
const ece = createRequire(join(e2e, "x.js"))("http_ece");
const words = Object.fromEntries(["en", "de"].map((l) => [l, JSON.parse(readFileSync(join(e2e, `../../web/strings/${l}/alerts.json`), "utf8"))]));
const VISIT = "00000000000000ab";
const [ADD, REMOVE, FORGET, TEST, SEEN] = [1, 2, 3, 4, 5];
const [PUSH, NTFY] = [1, 2];
const ALARM = { camera_blind: 0, held_open: 5, not_secured: 6, unaccounted: 10 };

async function until(what, probe, ms = 8000) {
  const end = Date.now() + ms;
  for (;;) {
    const v = await probe();
    if (v) return v;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((r) => setTimeout(r, 5));
  }
}

/** A push service: keeps what it is sent, answers as it is told. */
class Server {
  got = [];
  answer = () => 201;
  connections = 0;

  static async start() {
    const s = new Server();
    s.server = http.createServer((req, res) => {
      const parts = [];
      req.on("data", (d) => parts.push(d));
      req.on("end", async () => {
        const one = { path: req.url, method: req.method, headers: req.headers, body: Buffer.concat(parts), at: Date.now() };
        s.got.push(one);
        const a = await s.answer(one);
        if (a === "hang") return;
        const [status, headers, body] = Array.isArray(a) ? a : [a, {}, ""];
        res.writeHead(status, headers);
        res.end(body);
      });
    });
    s.server.on("connection", () => s.connections++);
    await new Promise((r) => s.server.listen(0, "127.0.0.1", r));
    s.origin = `http://127.0.0.1:${s.server.address().port}`;
    return s;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((r) => this.server.close(r));
  }
}

/** One browser that has subscribed. */
class Browser {
  constructor(server, name, lang = 0) {
    this.server = server;
    this.path = `/push/${name}`;
    this.endpoint = server.origin + this.path;
    this.lang = lang;
    this.ecdh = createECDH("prime256v1");
    this.ecdh.generateKeys();
    this.auth = randomBytes(16);
  }

  read(request) {
    const text = ece.decrypt(request.body, { version: "aes128gcm", privateKey: this.ecdh, authSecret: this.auth });
    return JSON.parse(text.toString("utf8"));
  }

  get requests() {
    return this.server.got.filter((g) => g.path === this.path);
  }

  get pushes() {
    return this.requests.map((r) => this.read(r));
  }

  /** The first push after the `from`-th whose title is that of `key`. */
  push(key, from = 0, blanks = {}) {
    const title = fill(words[this.lang ? "de" : "en"][key], blanks);
    return until(`a push: ${title}`, () => this.pushes.slice(from).find((p) => p.t === title));
  }
}

const fill = (text, blanks) => text.replace(/\{(\w+)\}/g, (_, k) => blanks[k] ?? `{${k}}`);

class Rig {
  lines = [];

  static async start(settings = {}, { folder = null, wants = "ready" } = {}) {
    const rig = new Rig();
    rig.folder = folder ?? mkdtempSync(join(process.env.TMPDIR ?? tmpdir(), "dw-alert-"));
    rig.state = join(rig.folder, "alert");
    const conf = join(rig.folder, "alert.conf");
    const all = { "alert.state": rig.state, "alert.subject": "mailto:house@example.org", "alert.origin": "https://home.example", "alert.zone": "Etc/UTC", ...settings };
    writeFileSync(conf, Object.entries(all).map(([k, v]) => `${k} = ${v}\n`).join(""));
    rig.child = spawn(process.env.DW_ALERT_RIG, [process.env.DW_ALERT, conf], { stdio: ["pipe", "pipe", "pipe"] });
    rig.exit = new Promise((r) => rig.child.on("exit", r));
    rig.log = "";
    rig.child.stderr.on("data", (d) => (rig.log += d));
    let rest = "";
    rig.child.stdout.on("data", (d) => {
      rest += d;
      const parts = rest.split("\n");
      rest = parts.pop();
      rig.lines.push(...parts);
    });
    rig.child.stdin.on("error", () => undefined);
    await until("the program is up, or has ended", () => rig.lines.some((l) => l.startsWith("key ") || l.startsWith("ended")));
    const is = rig.lines.includes("ready") ? "ready" : "ended";
    if (is !== wants) throw new Error(`${is}: ${rig.log}`);
    rig.key = rig.lines.find((l) => l.startsWith("key "))?.slice(4);
    return rig;
  }

  say(line) {
    this.child.stdin.write(`${line}\n`);
  }

  add(b, member = 1) {
    this.say(`set ${ADD} ${PUSH} ${member} ${b.lang} ${b.endpoint} ${b.ecdh.getPublicKey("hex")} ${b.auth.toString("hex")}`);
  }

  line(pattern, from = 0) {
    return until(String(pattern), () => this.lines.slice(from).find((l) => pattern.test(l)));
  }

  places() {
    const file = join(this.state, "places");
    return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").slice(1) : [];
  }

  async stop({ keep = false } = {}) {
    if (this.child.exitCode === null) this.say("quit");
    await this.exit;
    if (!keep) rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Everything at home on one server of our own, times short. */
async function home(t, settings = {}) {
  const server = await Server.start();
  t.after(() => server.stop());
  const rig = await Rig.start({ "alert.own": server.origin, "alert.retry_ms": 50, ...settings });
  t.after(() => rig.stop());
  return { server, rig };
}

/** Checks the token of a push [RFC 8292] and gives its claims. */
function claims(request, keyHex) {
  const [, t, k] = /^vapid t=([\w.-]+), k=([\w-]+)$/.exec(request.headers.authorization);
  const point = Buffer.from(k, "base64url");
  assert.equal(point.toString("hex"), keyHex);
  const key = createPublicKey({ format: "jwk", key: { kty: "EC", crv: "P-256", x: point.subarray(1, 33).toString("base64url"), y: point.subarray(33).toString("base64url") } });
  const [head, body, sig] = t.split(".");
  assert.deepEqual(JSON.parse(Buffer.from(head, "base64url")), { typ: "JWT", alg: "ES256" });
  assert.ok(verify("sha256", Buffer.from(`${head}.${body}`), { key, dsaEncoding: "ieee-p1363" }, Buffer.from(sig, "base64url")));
  return JSON.parse(Buffer.from(body, "base64url"));
}

test("a push: sealed, signed for, readable by nobody but the browser", async (t) => {
  const { server, rig } = await home(t);
  const b = new Browser(server, "one");
  rig.add(b);
  rig.say("state");
  rig.say(`set ${TEST} 0 1 0 -`);
  const p = await b.push("alert.test.title");
  assert.deepEqual(Object.keys(p), ["t", "b", "at", "tag", "url", "level"]);
  assert.match(p.b, /^Sent at \d\d:\d\d:\d\d\. Alerts of your door arrive here\.$/);
  assert.ok(Math.abs(Date.parse(p.at) - Date.now()) < 60000);
  assert.deepEqual([p.tag, p.url, p.level], ["test", "/#/alerts", "info"]);
  const r = b.requests[0];
  assert.equal(r.method, "POST");
  assert.equal(r.headers["content-encoding"], "aes128gcm");
  assert.ok(Number(r.headers.ttl) > 0 && Number(r.headers.ttl) <= 300);
  assert.equal(r.headers.urgency, "normal");
  assert.match(r.headers.topic, /^[\w-]{32}$/);
  assert.equal((r.body.length - 103) % 512, 0, "padded");
  assert.ok(!r.body.includes("Alerts"));
  const c = claims(r, rig.key);
  assert.equal(c.aud, server.origin);
  assert.equal(c.sub, "mailto:house@example.org");
  assert.ok(c.exp > Date.now() / 1000 && c.exp <= Date.now() / 1000 + 86400);
  assert.match(await rig.line(/^done /), new RegExp(`^done 1 1 1 0 201 \\d+ ${b.endpoint}$`));

  const other = new Browser(server, "other");
  assert.throws(() => other.read(r), "another browser");
  const bent = { ...r, body: Buffer.from(r.body) };
  bent.body[bent.body.length - 1] ^= 1;
  assert.throws(() => b.read(bent), "changed on the way");
  assert.equal(statSync(join(rig.state, "vapid.key")).mode & 0o777, 0o600);
  assert.equal(statSync(join(rig.state, "places")).mode & 0o777, 0o600);
});

test("a visit in two languages, with names, times and seconds", async (t) => {
  const { server, rig } = await home(t);
  const en = new Browser(server, "en");
  const de = new Browser(server, "de", 1);
  rig.add(en, 1);
  rig.add(de, 2);
  rig.say("state");
  rig.say(`who ${VISIT} 0 Stewart Acme`);
  const who = { who: "Stewart, Acme" };
  rig.say(`story visit_asked 0 0 ${VISIT}`);
  const asked = await en.push("alert.asked.title", 0, who);
  assert.equal(asked.url, "/#/live");
  assert.equal(asked.tag, `visit-${VISIT}`);
  await de.push("alert.asked.title", 0, who);
  rig.say(`story opening 1 0 ${VISIT} 18000`);
  await en.push("alert.opened.title", 0, who);
  rig.say(`story secured 0 0 ${VISIT}`);
  rig.say(`story visit_ended 2 0 ${VISIT}`);
  const locked = await en.push("alert.locked.title");
  assert.match(locked.b, /^Stewart, Acme was inside for 18 s\. Bolt and door agreed at \d\d:\d\d:\d\d\.$/);
  assert.equal(locked.level, "info");
  assert.equal(locked.url, `/#/visit/${VISIT}`);
  assert.match((await de.push("alert.locked.title")).b, /^Stewart, Acme war 18 s drinnen\./);
  for (const x of [en, de]) for (const p of x.pushes) assert.ok(!/[{}]|undefined|\?\./.test(p.t + p.b), JSON.stringify(p));
});

/** What the guard has to tell of a job, its state, and the mode of its permission. */
const NEWS = { none: 0, asks: 1, comes: 2, soon: 3 };
const JOB = { expected: 1, declined: 2 };
const MODE = { ask: 0, veto: 1 };
const ID = "07" + "00".repeat(15);

test("a delivery that waits for a yes: said once, in two languages, with what to do and where", async (t) => {
  const { server, rig } = await home(t);
  const en = new Browser(server, "en");
  const de = new Browser(server, "de", 1);
  rig.add(en, 1);
  rig.add(de, 2);
  rig.say("state");
  rig.say(`job 7 ${NEWS.asks} ${JOB.expected} 1 ${MODE.ask}`);
  const p = await en.push("alert.job.asks", 0, { who: "Stewart, Acme" });
  assert.equal(p.b, "Monday, 23 November, 10:00-14:00. Say yes or no on the page. Without a yes the door does not open for it.");
  assert.deepEqual([p.tag, p.url, p.level], [`job-${ID.slice(0, 16)}`, `/#/delivery/${ID}`, "notice"]);
  const ttl = Number(en.requests[0].headers.ttl);
  assert.ok(ttl > 3500 && ttl <= 3600, `until its window is over, not ${ttl}`);
  assert.match((await de.push("alert.job.asks", 0, { who: "Stewart, Acme" })).b, /^Montag, 23\. November, 10:00-14:00\. Sagen Sie auf der Seite ja oder nein\./);
  rig.say(`job 7 ${NEWS.none} ${JOB.expected} 0 ${MODE.ask}`); // somebody said yes
  rig.say(`job 8 ${NEWS.comes} ${JOB.expected} 0 ${MODE.veto}`);
  assert.match((await en.push("alert.job.comes", 0, { who: "Stewart, Acme" })).b, /say no on the page before they come\.$/);
  rig.say(`job 8 ${NEWS.soon} ${JOB.expected} 0 ${MODE.veto}`);
  assert.equal((await en.push("alert.job.soon", 0, { who: "Stewart, Acme" })).tag, "job-0800000000000000");
  rig.say(`set ${TEST} 0 1 0 -`);
  await en.push("alert.test.title");
  assert.equal(en.pushes.length, 4, "each once");
});

test("what was decided before it could be handed over is not sent", async (t) => {
  const { server, rig } = await home(t, { "alert.retry_ms": 200 });
  const b = new Browser(server, "one");
  rig.add(b);
  rig.say("state");
  server.answer = () => 503;
  rig.say(`job 7 ${NEWS.asks} ${JOB.expected} 1 ${MODE.ask}`);
  await until("a first try", () => b.requests.length === 1);
  server.answer = () => 201;
  rig.say(`job 7 ${NEWS.none} ${JOB.declined} 1 ${MODE.ask}`);
  rig.say(`set ${TEST} 0 1 0 -`);
  await b.push("alert.test.title");
  await new Promise((r) => setTimeout(r, 600)); // longer than the next try would take
  assert.deepEqual(b.pushes.map((p) => p.tag).filter((x) => x !== "test"), [`job-${ID.slice(0, 16)}`]);
});

test("each outcome says what is proven, and no more", async (t) => {
  const { server, rig } = await home(t);
  const b = new Browser(server, "one");
  rig.add(b);
  rig.say("state");
  const rows = [[3, "gap"], [4, "tampered"], [5, "unconfirmed"], [6, "open"], [7, "not_opened"], [8, "aborted"]];
  for (const [value, key] of rows) {
    const visit = String(value).padStart(16, "0");
    rig.say(`story visit_ended ${value} 2400 ${visit}`);
    const p = await b.push(`alert.${key}.title`, 0, { who: "A visitor" });
    assert.ok(value === 7 || p.level === "notice");
    if (value === 3) assert.match(p.b, /blind for 3 s/);
    if (value === 5 || value === 6) assert.ok(!/^Locked/.test(p.t) && !/agreed/.test(p.b), "never called locked");
  }
  rig.say(`story confirmed_late 5 0 ${VISIT}`);
  await b.push("alert.later.title");
  rig.say(`story visit_refused 7 0 ${VISIT}`);
  const r = await b.push("alert.refused.title", 0, { who: "A visitor" });
  assert.match(r.b, /: the parcel does not belong to this stop\.$/);
});

test("what is old is not told as new; the start of the hub is", async (t) => {
  const { server, rig } = await home(t);
  const b = new Browser(server, "one");
  rig.add(b);
  rig.say("state");
  rig.say(`story visit_asked 0 0 ${VISIT} 61000`);
  rig.say("story alarm 5 0 0 61000");
  rig.say("story hub_started 0 0 0 30000");
  await b.push("alert.hub.title");
  rig.say(`set ${TEST} 0 1 0 -`);
  await b.push("alert.test.title");
  assert.equal(b.pushes.length, 2);
});

test("an alarm is said again, with the count, until somebody has seen it", async (t) => {
  const { server, rig } = await home(t, { "alert.repeat_1_ms": 100, "alert.repeat_2_ms": 150, "alert.repeat_3_ms": 200, "alert.repeat_ms": 50 });
  const all = [new Browser(server, "one"), new Browser(server, "two")];
  rig.add(all[0], 1);
  rig.add(all[1], 2);
  rig.say(`state visit=0xab visit_state=7 visitor=Stewart`);
  rig.say(`story alarm ${ALARM.held_open} 0 ${VISIT}`);
  rig.say(`state alarms=${1 << ALARM.held_open}`);
  for (const b of all) {
    const first = await b.push("alert.alarm.held_open");
    assert.equal(first.level, "act");
    assert.match(first.b, /^Noticed at \d\d:\d\d:\d\d, visit of Stewart\./);
    assert.equal(b.requests[0].headers.urgency, "high");
    await until("third time", () => b.pushes.some((p) => /Said 3 times/.test(p.b)));
    assert.ok(b.pushes.every((p) => p.tag === "alarm-held_open"));
    assert.equal(new Set(b.requests.map((r) => r.headers.topic)).size, 1, "the newest takes the place of those that wait");
  }
  const at = all[0].requests.map((r) => r.at);
  assert.ok(at[1] - at[0] >= 90 && at[2] - at[1] >= 140, "the pauses grow");
  rig.say(`set ${SEEN} 0 2 0 -`);
  rig.say("set 4 0 1 0 -"); // a test comes after whatever was still on its way
  await all[0].push("alert.test.title");
  const count = all[0].pushes.length;
  await new Promise((r) => setTimeout(r, 600)); // longer than two more repeats would take
  assert.equal(all[0].pushes.length, count, "seen is seen");

  // Another alarm begins anew, and its end ends it.
  rig.say(`story alarm ${ALARM.not_secured} 0 ${VISIT}`);
  await until("again", () => all[1].pushes.some((p) => p.tag === "alarm-not_secured" && /Said 2 times/.test(p.b)));
  rig.say(`story alarm_over ${ALARM.not_secured} 0 ${VISIT}`);
  const over = await all[1].push("alert.alarm.over.title", 0, { what: words.en["alert.alarm.not_secured"] });
  assert.equal(over.level, "notice");
  await new Promise((r) => setTimeout(r, 400));
  assert.equal(all[1].pushes.at(-1).t, over.t, "nothing after the end");
});

test("never more than ten repeats; what is less than urgent is told once", async (t) => {
  const { server, rig } = await home(t, { "alert.repeat_1_ms": 50, "alert.repeat_2_ms": 50, "alert.repeat_3_ms": 50, "alert.repeat_ms": 50 });
  const b = new Browser(server, "one");
  rig.add(b);
  rig.say(`state alarms=${(1 << ALARM.camera_blind) | (1 << ALARM.unaccounted)}`); // we come into the middle of them
  await until("eleventh time", () => b.pushes.some((p) => /Said 11 times/.test(p.b)));
  await new Promise((r) => setTimeout(r, 300));
  assert.equal(b.pushes.filter((p) => p.tag === "alarm-camera_blind").length, 11);
  assert.equal(b.pushes.filter((p) => p.tag === "alarm-unaccounted").length, 1);
});

test("acknowledged at the door's own page counts too", async (t) => {
  const { server, rig } = await home(t, { "alert.repeat_1_ms": 150 });
  const b = new Browser(server, "one");
  rig.add(b);
  rig.say(`state alarms=${1 << ALARM.held_open}`);
  rig.say("story owner_act 3 0 0");
  await b.push("alert.alarm.held_open");
  await new Promise((r) => setTimeout(r, 500));
  assert.equal(b.pushes.length, 1);
});

test("the house: camera, link, battery, disk, people, recovery, mode", async (t) => {
  const { server, rig } = await home(t, { "alert.camera_wait_ms": 50, "alert.link_wait_ms": 50 });
  const b = new Browser(server, "one");
  rig.add(b);
  rig.say("state");
  rig.say("state camera=3");
  await b.push("alert.camera.blind");
  rig.say("state camera=1");
  await b.push("alert.camera.back.title");
  rig.say("state is_link_up=0");
  await b.push("alert.link.title");
  rig.say("state is_link_up=1");
  await b.push("alert.link.back.title");
  rig.say("state battery_pct=19");
  assert.match((await b.push("alert.battery.title")).b, /^19 % left/);
  rig.say("state battery_pct=18"); // a little less is not news
  rig.say("state has_room=0");
  await b.push("alert.disk.title");
  rig.say("story people 8 0 0");
  const recovery = await b.push("alert.recovery.title");
  assert.equal(recovery.level, "act");
  rig.say("story people 1 2 0");
  await b.push("alert.people.join");
  // Who may come: a key that waits can only be objected to by somebody who has heard of it [I47].
  for (const [value, word, tag] of [[1, "asked", "agency"], [2, "given", "grant"], [3, "live", "grant"], [4, "vetoed", "grant"], [5, "revoked", "grant"], [6, "refused", "agency"]]) {
    rig.say(`story grant ${value} 7 0`);
    const p = await b.push(`alert.grant.${word}`);
    assert.deepEqual([p.level, p.tag, p.url], ["notice", tag, "/#/come"], word);
  }
  rig.say("story grant 7 0 0");
  assert.equal((await b.push("alert.grant.restored")).level, "act");
  rig.say("story grant 7 1 0");
  assert.equal((await b.push("alert.grant.seen")).level, "notice");
  rig.say("story camera_mode 4 0 0");
  await b.push("alert.mode.title", 0, { mode: words.en["alert.mode.away"] });
  assert.equal(b.pushes.filter((p) => p.tag === "battery").length, 1);
  // Off by wish: a camera that is blind then is no news.
  const n = b.pushes.length;
  rig.say("state camera_mode=3 camera=3");
  await new Promise((r) => setTimeout(r, 300));
  assert.equal(b.pushes.length, n);
});

test("a time that is not sure is not said as if it were", async (t) => {
  const { server, rig } = await home(t, { "alert.camera_wait_ms": 50 });
  const b = new Browser(server, "one");
  rig.add(b);
  rig.say("state is_clock_sure=0 camera=4");
  const p = await b.push("alert.camera.frozen");
  assert.ok(p.b.includes(words.en["alert.time.unknown"]));
  assert.equal(p.at, "");
});

test("ntfy gets the same words", async (t) => {
  const { server, rig } = await home(t);
  rig.say(`set ${ADD} ${NTFY} 1 1 ${server.origin}/our-door?auth=abc`);
  rig.say(`state alarms=${1 << ALARM.held_open}`);
  const got = await until("a message", () => server.got[0]);
  assert.equal(got.path, "/?auth=abc");
  const m = JSON.parse(got.body);
  assert.equal(m.topic, "our-door");
  assert.equal(m.title, words.de["alert.alarm.held_open"]);
  assert.match(m.message, /^Bemerkt um /);
  assert.equal(m.priority, 5);
  assert.deepEqual(m.tags, ["rotating_light"]);
  assert.equal(m.click, "https://home.example/#/live");
});

test("places that are gone are dropped and told; others are tried again while it is true", async (t) => {
  const { server, rig } = await home(t);
  const gone = new Browser(server, "gone");
  const moved = new Browser(server, "moved");
  const busy = new Browser(server, "busy");
  const no = new Browser(server, "no");
  let tries = 0;
  server.answer = ({ path }) =>
    path === gone.path ? 410
    : path === moved.path ? [307, { location: `${server.origin}/elsewhere` }, ""]
    : path === no.path ? 403
    : path === busy.path && ++tries < 3 ? 503
    : 201;
  for (const [i, b] of [gone, moved, busy, no].entries()) rig.add(b, i + 1);
  await until("four places", () => rig.places().length === 4);
  rig.say(`state alarms=${1 << ALARM.held_open}`);
  await rig.line(new RegExp(`^done 1 1 0 1 410 \\d+ ${gone.endpoint}$`));
  await rig.line(new RegExp(`^done 2 1 0 0 307 \\d+ ${moved.endpoint}$`));
  await rig.line(new RegExp(`^done 3 1 1 0 201 \\d+ ${busy.endpoint}$`));
  await rig.line(new RegExp(`^done 4 1 0 0 403 \\d+ ${no.endpoint}$`));
  assert.equal(tries, 3);
  assert.ok(!server.got.some((g) => g.path === "/elsewhere"), "redirects are not followed");
  assert.equal(moved.requests.length, 1);
  assert.equal(rig.places().length, 3);
  assert.ok(!rig.places().join().includes(gone.path));
});

test("what is over is not told any more", async (t) => {
  const { server, rig } = await home(t, { "alert.retry_ms": 300, "alert.repeat_1_ms": 10000 });
  const b = new Browser(server, "one");
  let up = false;
  server.answer = () => (up ? 201 : 500);
  rig.add(b);
  rig.say("state");
  rig.say(`story alarm ${ALARM.held_open} 0 ${VISIT}`);
  await until("first try", () => b.requests.length === 1);
  rig.say(`story alarm_over ${ALARM.held_open} 0 ${VISIT}`);
  up = true;
  await b.push("alert.alarm.over.title", 1, { what: words.en["alert.alarm.held_open"] });
  await new Promise((r) => setTimeout(r, 700));
  assert.equal(b.pushes.filter((p) => p.t === words.en["alert.alarm.held_open"]).length, 1, "only the try while it was true");
});

test("a slow server holds up nobody else, and an alarm passes what waits", async (t) => {
  const { server, rig } = await home(t, { "alert.reply_ms": 1500 });
  const slow = new Browser(server, "slow");
  const quick = new Browser(server, "quick");
  server.answer = ({ path }) => (path === slow.path ? "hang" : 201);
  rig.add(slow, 1);
  rig.add(quick, 2);
  rig.say("state");
  rig.say(`story visit_asked 0 0 ${VISIT}`);
  await until("both asked", () => slow.requests.length === 1 && quick.requests.length === 1);
  const from = Date.now();
  rig.say(`story alarm ${ALARM.held_open} 0 ${VISIT}`);
  await until("the alarm at both", () => slow.requests.length === 2 && quick.requests.length === 2, 1000);
  assert.ok(Date.now() - from < 1000);
  assert.equal(slow.read(slow.requests[1]).tag, "alarm-held_open");
  await rig.line(/^done 1 1 0 0 0 /); // not reached in time
});

test("an answer without end, torn connections, a port where nobody listens", async (t) => {
  const { server, rig } = await home(t);
  const big = new Browser(server, "big");
  server.answer = () => [201, {}, Buffer.alloc(1 << 20)];
  rig.add(big);
  rig.say("state");
  rig.say(`set ${TEST} 0 1 0 -`);
  await rig.line(/^done 1 1 1 0 201 /);
  await server.stop();
  const n = rig.lines.length;
  rig.say(`set ${TEST} 0 1 0 -`);
  await rig.line(/^done 1 1 0 0 0 /, n);
  const torn = net.createServer((c) => c.destroy());
  await new Promise((r) => torn.listen(Number(new URL(server.origin).port), "127.0.0.1", r));
  t.after(() => torn.close());
  const m = rig.lines.length;
  rig.say(`set ${TEST} 0 1 0 -`);
  await rig.line(/^done 1 1 0 0 0 /, m);
});

test("TLS: only with a certificate that is trusted for that name", async (t) => {
  const folder = mkdtempSync(join(process.env.TMPDIR ?? tmpdir(), "dw-alert-tls-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const made = spawnSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", join(folder, "key"),
    "-out", join(folder, "cert"), "-days", "2", "-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1"], { encoding: "utf8" });
  assert.equal(made.status, 0, made.stderr);
  let count = 0;
  const tls = https.createServer({ key: readFileSync(join(folder, "key")), cert: readFileSync(join(folder, "cert")) }, (req, res) => {
    count++;
    req.resume();
    res.writeHead(201).end();
  });
  await new Promise((r) => tls.listen(0, "127.0.0.1", r));
  t.after(() => tls.closeAllConnections());
  t.after(() => tls.close());
  const port = tls.address().port;
  for (const [ca, host, wants] of [["", "127.0.0.1", "0 0 0"], [join(folder, "cert"), "localhost", "0 0 0"], [join(folder, "cert"), "127.0.0.1", "1 0 201"]]) {
    const origin = `https://${host}:${port}`;
    const rig = await Rig.start({ "alert.own": origin, "alert.ca": ca });
    rig.add(new Browser({ origin }, "one"));
    rig.say("state");
    rig.say(`set ${TEST} 0 1 0 -`);
    assert.match(await rig.line(/^done /), new RegExp(`^done 1 1 ${wants} `), `${host} ${ca}`);
    await rig.stop();
  }
  assert.equal(count, 1, "nothing is said before the certificate is checked");
});

test("only public https, or a server of our own", async (t) => {
  const { server, rig } = await home(t);
  const key = new Browser(server, "x").ecdh.getPublicKey("hex");
  const auth = "00".repeat(16);
  const bad = ["http://push.example/x", "http://127.0.0.1:1/x", "https://push.example:8443/x", "https://u:p@push.example/x", "ftp://push.example/x",
    "file:///etc/passwd", "https://push.example/x#y", "javascript:alert(1)", "nothing", `${server.origin}.evil.example/x`, `https://${"a".repeat(300)}.example/x`];
  for (const endpoint of bad) {
    const n = rig.lines.length;
    rig.say(`set ${ADD} ${PUSH} 1 0 ${endpoint} ${key} ${auth}`);
    assert.match(await rig.line(/^done /, n), /^done 1 1 0 1 0 0 /, endpoint);
  }
  const n = rig.lines.length;
  rig.say(`set ${ADD} ${PUSH} 1 0 https://push.example/x ${key.slice(0, -2)}${key.endsWith("00") ? "01" : "00"} ${auth}`);
  assert.match(await rig.line(/^done /, n), /^done 1 1 0 1 0 0 /, "a key that is no point");
  rig.say(`set ${ADD} ${PUSH} 1 0 ${"https://push.example/" + "a".repeat(520)} ${key} ${auth}`); // does not even end
  rig.say(`set ${ADD} 3 1 0 https://push.example/x ${key} ${auth}`);
  rig.say(`set ${ADD} ${PUSH} 0 0 https://push.example/x ${key} ${auth}`);
  rig.say(`set 9 ${PUSH} 1 0 https://push.example/x ${key} ${auth}`);
  assert.equal(rig.places().length, 0);

  // Names and addresses that lead into the house are taken, and never dialled.
  const port = new URL(server.origin).port;
  const inside = ["https://127.0.0.1/a", "https://localhost/b", "https://[::1]/c", "https://10.0.0.1/d", "https://192.168.1.1/e", "https://169.254.169.254/f",
    "https://[fd00::1]/g", "https://[::ffff:127.0.0.1]/h"];
  for (const [i, endpoint] of inside.entries()) rig.say(`set ${ADD} ${PUSH} ${1 + (i % 8)} 0 ${endpoint} ${key} ${auth}`);
  await until("taken", () => rig.places().length === inside.length);
  assert.ok(port);
  const m = rig.lines.length;
  rig.say(`state alarms=${1 << ALARM.held_open}`);
  for (const endpoint of inside) await until(endpoint, () => rig.lines.slice(m).some((l) => l.endsWith(` 0 0 0 ${l.split(" ")[6]} ${endpoint}`)));
  assert.ok((rig.log.match(/refused=private_address/g) ?? []).length >= inside.length);
});

test("places: kept over a restart, replaced, removed, forgotten, bounded", async (t) => {
  const server = await Server.start();
  t.after(() => server.stop());
  const first = await Rig.start({ "alert.own": server.origin });
  const b = new Browser(server, "kept");
  first.add(b, 7);
  first.add(b, 7); // the same again is one
  await until("kept", () => first.places().length === 1);
  const key = first.key;
  await first.stop({ keep: true });

  const rig = await Rig.start({ "alert.own": server.origin }, { folder: first.folder });
  t.after(() => rig.stop());
  assert.equal(rig.key, key, "browsers pin it");
  rig.say(`set ${TEST} 0 7 0 -`);
  await b.push("alert.test.title");

  const more = Array.from({ length: 9 }, (_, i) => new Browser(server, `m${i}`));
  for (const x of more) rig.add(x, 7);
  assert.match(await rig.line(/^done 7 1 0 1 0 0 /), /m7$/, "eight of a member");
  await until("eight", () => rig.places().length === 8);
  rig.say(`set ${REMOVE} ${PUSH} 8 0 ${b.endpoint}`); // of somebody else
  rig.say(`set ${REMOVE} ${PUSH} 7 0 ${b.endpoint}`);
  await until("seven", () => rig.places().length === 7);
  rig.say(`set ${FORGET} 0 7 0 -`);
  await until("none", () => rig.places().length === 0);
  for (let i = 0; i < 65; i++) rig.add(new Browser(server, `all${i}`), 100 + (i >> 3));
  await rig.line(/^done 108 1 0 1 0 0 .*all64$/);
  await until("64", () => rig.places().length === 64);
});

test("a file of places that is damaged does not stop the house", async (t) => {
  const server = await Server.start();
  t.after(() => server.stop());
  const first = await Rig.start({ "alert.own": server.origin });
  first.add(new Browser(server, "one"), 1);
  await until("kept", () => first.places().length === 1);
  await first.stop({ keep: true });
  const file = join(first.state, "places");
  writeFileSync(file, readFileSync(file, "utf8") + "1 9 0 1 zz zz https://x\nnonsense\n1 1 0 1 00 00 http://10.0.0.1/\n");
  const rig = await Rig.start({ "alert.own": server.origin }, { folder: first.folder });
  t.after(() => rig.stop());
  await until("said", () => /alert_places count=1 unreadable=3/.test(rig.log));
});

test("a flood of what is not urgent is cut; an alarm still comes through", async (t) => {
  const { server, rig } = await home(t);
  const b = new Browser(server, "one");
  rig.add(b);
  rig.say("state");
  for (let i = 1; i <= 100; i++) rig.say(`story visit_refused 1 0 ${i.toString(16).padStart(16, "0")}`);
  rig.say(`story alarm ${ALARM.held_open} 0 ${VISIT}`);
  await b.push("alert.alarm.held_open");
  await until("thirty", () => b.pushes.length >= 31);
  rig.say("story people 8 0 0");
  await b.push("alert.recovery.title");
  assert.ok(b.pushes.length <= 33, `${b.pushes.length}`);
  assert.ok(server.connections <= 6, `connections are kept: ${server.connections}`);
});

test("settings: times only shorter, addresses of the right form, a key that others can read", async () => {
  const bad = { "alert.repeat_1_ms": 10001, "alert.repeat_ms": 120001, "alert.retry_ms": 2001, "alert.subject": "somebody", "alert.own": "10.0.0.1", "alert.zone": "../../etc/passwd", "alert.nothing": 1 };
  for (const [k, v] of Object.entries(bad)) {
    const rig = await Rig.start({ [k]: v }, { wants: "ended" });
    assert.match(rig.lines.join(), /ended 1/, k);
    await rig.stop();
  }
  const first = await Rig.start();
  await first.stop({ keep: true });
  const file = join(first.state, "vapid.key");
  spawnSync("chmod", ["644", file]);
  const rig = await Rig.start({}, { folder: first.folder, wants: "ended" });
  assert.match(rig.log, /vapid\.key/);
  await rig.stop();
});

test("garbage from the guard's side, and not started by hand", async () => {
  const rig = await Rig.start();
  rig.say("garbage 100");
  await rig.line(/^ended/);
  await rig.stop();
  const r = spawnSync(process.env.DW_ALERT, ["--config", "/dev/null"], { encoding: "utf8" });
  assert.equal(r.status, 1);
  assert.equal(spawnSync(process.env.DW_ALERT, [], { encoding: "utf8" }).status, 2);
});
