// The household's API: every route against strangers, sessions, bodies, and a guard that is slow.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import https from "node:https";
import net from "node:net";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import tls from "node:tls";
import { Rig, Ws, get, signIn, tempFolder, until } from "../web/rig.mjs";

const DAY = 86400000;
const VISIT = "00000000000000ab";
const b64 = (text) => Buffer.from(text).toString("base64url");
const assertion = (member, challenge) => ({ challenge, id: b64(`member-${member}-1`), client_data: b64("{}"), auth_data: b64("a"), signature: b64("s") });

const idOf = (n) => n.toString(16).padStart(32, "0");
/** What an owner chooses for an agency. */
const grant = (more = {}) => ({ act: "grant", agency: idOf(1), kind: "stay", windows: [{ from: 540, minutes: 120 }, { from: 9960, minutes: 240 }], days: 30, uses: 12, per_day: 2, dwell_ms: 90000, mode: "notify", ...more });

/** A browser tab: cookie, CSRF word, origin. */
class Tab {
  constructor(rig, cookie) {
    this.rig = rig;
    this.cookie = cookie;
  }
  static async open(rig, member = 1) {
    const tab = new Tab(rig, await signIn(rig.port, member));
    tab.me = (await tab.get("/api/me")).json;
    return tab;
  }
  async ask(method, path, { body, headers = {}, cookie = this.cookie } = {}) {
    const all = { ...headers };
    if (method !== "GET") {
      const usual = { origin: `http://127.0.0.1:${this.rig.port}`, "x-doorward-csrf": this.me?.csrf ?? "", "content-type": "application/json" };
      for (const [k, v] of Object.entries(usual)) if (!(k in all)) all[k] = v;
    }
    for (const k of Object.keys(all)) if (all[k] === null) delete all[k];
    const text = body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body);
    const r = await get(this.rig.port, path, { method, cookie, headers: all, body: text });
    try {
      r.json = JSON.parse(r.body);
    } catch {
      r.json = null;
    }
    return r;
  }
  get(path, o) {
    return this.ask("GET", path, o);
  }
  post(path, body = {}, o = {}) {
    return this.ask("POST", path, { body, ...o });
  }
  async act(act, fields = {}) {
    const begun = await this.post("/api/acts/begin", { act, ...fields });
    assert.equal(begun.status, 200, JSON.stringify(begun.json));
    return { begun: begun.json, done: await this.post("/api/acts/finish", assertion(this.me.member.id, begun.json.challenge)) };
  }
}

/** Gil, 7, is a guest. */
async function guestTab(rig) {
  rig.say("member 7 3 Gil");
  rig.say("guest 7 0 0 0 0");
  return until("Gil is known", () => Tab.open(rig, 7).catch(() => null));
}

/** Changes what the front remembers, while it does not run. */
function edit(state, sql) {
  execFileSync("python3", ["-c", "import sqlite3,sys; d=sqlite3.connect(sys.argv[1]); d.execute(sys.argv[2]); d.commit()", join(state, "front.sqlite"), sql]);
}

/** What a front says that does not start with these settings. */
async function refusal(lines) {
  const conf = join(tempFolder(), "c");
  writeFileSync(conf, `${lines}\n`);
  const rig = spawn(process.env.DW_FRONT_RIG, [process.env.DW_FRONT, conf]);
  let said = "";
  rig.stdout.on("data", (d) => (said += d));
  rig.stderr.on("data", (d) => (said += d));
  await new Promise((r) => rig.on("close", r));
  assert.doesNotMatch(said, /^ready/m, lines);
  return said;
}

function routes() {
  const out = execFileSync(process.env.DW_FRONT, ["--routes"], { encoding: "utf8" });
  return out.trim().split("\n").map((l) => {
    const [method, path, access] = l.split(" ");
    return { method, access, path: path.replace("{id}", VISIT).replace("{file}", "seg-0001.mp4") };
  });
}

test("every route refuses a stranger, a foreign session and one that has ended", async (t) => {
  const state = tempFolder();
  const records = tempFolder();
  mkdirSync(join(records, `visit-${VISIT}`));
  writeFileSync(join(records, `visit-${VISIT}`, "seg-0001.mp4"), "film");
  const settings = { "front.state": state, "record.folder": records };
  let rig = await Rig.start(settings, [], { signedIn: false });
  const idle = await signIn(rig.port);
  const old = await signIn(rig.port);
  await rig.stop();
  edit(state, `UPDATE session SET used = used - ${31 * DAY} WHERE id = 1`);
  edit(state, `UPDATE session SET created = created - ${91 * DAY} WHERE id = 2`);
  edit(state, "ALTER TABLE session DROP COLUMN credential"); // a file from before it had one
  rig = await Rig.start(settings, [], { signedIn: false });
  t.after(() => rig.stop());
  const over = await signIn(rig.port, 2);
  const tab = await Tab.open(rig);
  await new Tab(rig, over).post("/api/signout", {}, { headers: { "x-doorward-csrf": (await new Tab(rig, over).get("/api/me")).json.csrf } });
  rig.say("member 5 2 Eve");
  const gone = await until("Eve is known", () => signIn(rig.port, 5).catch(() => null));
  rig.say("gone 5");
  await until("Eve is gone", async () => (await get(rig.port, "/api/me", { cookie: gone })).status === 401);
  await rig.line(/^alert 5 3 /); // nothing of what was asked before comes later

  const list = routes();
  assert.ok(list.length > 20 && list.some((r) => r.path === "/api/me") && list.some((r) => r.method === "WS"));
  const strangers = {
    nobody: null,
    "a made-up session": `doorward_home=${"ab".repeat(32)}`,
    "a session of the service": tab.cookie.replace("doorward_home", "doorward_service"),
    "half a cookie": tab.cookie.slice(0, -1),
    "a cookie too long": `${tab.cookie}0`,
    "unused for 31 days": idle,
    "91 days old": old,
    "signed out": over,
    "of one who was removed": gone,
  };
  const from = rig.lines.length;
  for (const [who, cookie] of Object.entries(strangers)) {
    const nothing = await tab.get("/api/nothing", { cookie });
    for (const r of list) {
      const what = `${who}: ${r.method} ${r.path}`;
      if (r.method === "WS") {
        const ws = await Ws.open(rig.port, { cookie });
        assert.match(ws.answer, /^HTTP\/1.1 401 /, what);
        ws.end();
        for (const protocol of ["chat", null]) {
          const other = await Ws.open(rig.port, { cookie, protocol });
          assert.ok(!other.isOpen, what);
          other.end();
        }
        continue;
      }
      const a = await tab.ask(r.method, r.path, { cookie, body: r.method === "GET" ? undefined : {} });
      if (r.access === "open") {
        assert.notEqual(a.status, 401, what);
        continue;
      }
      assert.equal(a.status, 401, what);
      assert.equal(a.json?.code, "signed_out", what);
      assert.deepEqual(a.body, nothing.body, `${what}: the same as for what does not exist`);
      assert.equal(a.headers["set-cookie"], undefined, what);
      const page = await tab.get(r.path, { cookie, headers: { accept: "text/html,*/*" } });
      assert.equal(page.status, /^\/(api|recordings)\//.test(r.path) ? 401 : 303, what);
    }
    assert.equal((await tab.get("/nothing", { cookie })).status, 401);
  }
  const page = await tab.get("/some/page", { cookie: null, headers: { accept: "text/html" } });
  assert.equal(page.headers.location, "/signin");
  assert.deepEqual(rig.lines.slice(from).filter((l) => /^(owner|alert|viewer)/.test(l)), [], "the guard was asked for nothing");
  // And the same list serves somebody who lives here.
  for (const r of list.filter((x) => x.method === "GET" && !["open", "guest"].includes(x.access) && !x.path.includes(VISIT)))
    assert.equal((await tab.get(r.path)).status, 200, r.path);
  assert.equal((await tab.get(`/recordings/${VISIT}.mp4`)).body.toString(), "film");
});

test("a guest's session: its own few routes and no other", async (t) => {
  const state = tempFolder();
  const records = tempFolder();
  mkdirSync(join(records, `visit-${VISIT}`));
  writeFileSync(join(records, `visit-${VISIT}`, "seg-0001.mp4"), "film");
  const rig = await Rig.start({ "front.state": state, "record.folder": records });
  t.after(() => rig.stop());
  rig.say("params");
  const gil = await guestTab(rig);
  assert.deepEqual({ ...gil.me, csrf: "" }, { member: { id: 7, name: "Gil", role: "guest" }, csrf: "", home: "Elm Street 4", rp_id: "localhost", credential: b64("member-7-1"), hub_pub: Buffer.alloc(32, 7).toString("base64url") });
  const from = rig.lines.length;
  const html = { accept: "text/html,*/*" };
  for (const r of routes()) {
    const what = `${r.method} ${r.path} ${r.access}`;
    if (r.method === "WS") {
      const ws = await Ws.open(rig.port, { cookie: gil.cookie });
      assert.match(ws.answer, /^HTTP\/1.1 403 /, what);
      ws.end();
      continue;
    }
    if (r.access === "open" || /signout/.test(r.path)) continue;
    const a = await gil.ask(r.method, r.path, { body: r.method === "GET" ? undefined : {} });
    if (["all", "guest"].includes(r.access)) {
      assert.notEqual(a.json?.code, "role", what);
      assert.notEqual(a.status, 303, what);
      continue;
    }
    assert.deepEqual([a.status, a.json?.code], [403, "role"], what);
    if (r.method !== "GET" || r.path.startsWith("/api/")) continue;
    const page = await gil.get(r.path, { headers: html });
    assert.deepEqual([page.status, page.headers.location], r.path.startsWith("/recordings/") ? [403, undefined] : [303, "/guest"], what);
  }
  const home = await gil.get("/", { headers: html });
  assert.deepEqual([home.status, home.headers.location], [303, "/guest"]);
  assert.deepEqual(rig.lines.slice(from).filter((l) => !/^ask 17 /.test(l)), [], "but for leaving the guard was asked for nothing");
  for (const member of [1, 2]) {
    const tab = await Tab.open(rig, member);
    for (const r of routes().filter((x) => x.access === "guest")) {
      const a = await tab.ask(r.method, r.path, { body: r.method === "GET" ? undefined : {} });
      assert.deepEqual([a.status, a.json.code], [403, "role"], r.path);
    }
    assert.equal((await tab.get("/guest", { headers: html })).headers.location, "/");
  }
  rig.say("gone 7");
  await until("Gil is gone", async () => (await gil.get("/api/me")).status === 401);
});

test("a guest's page: what it may have, what it says, and who waits for it", async (t) => {
  const rig = await Rig.start();
  t.after(() => rig.stop());
  rig.say("params");
  rig.say("grant 5 2 Parcels");
  rig.say("grant_to 6 2 Gil 7");
  const gil = await guestTab(rig);
  const first = await until("the permission is told", async () => {
    const r = (await gil.get("/api/guest")).json;
    return r.grants.length === 1 && r;
  });
  assert.deepEqual(Object.keys(first).sort(), ["door", "grants", "news", "now", "state", "visit"]);
  assert.deepEqual([first.door, first.state, first.visit], ["Front door", "none", null]);
  assert.deepEqual(first.grants, [{ id: idOf(6), from: "2026-09-21T14:13:20.000Z", to: "2026-10-21T14:13:20.000Z", windows: [{ from: 540, minutes: 120 }, { from: 1980, minutes: 60 }], zone: "Europe/Amsterdam", uses: 30, used: 3, used_today: 1, per_day: 2, dwell_ms: 60000, mode: "veto", state: "live", live_at: "2026-09-21T14:23:20.000Z", over_at: null }]);
  assert.equal((await gil.get("/api/guest/visit")).status, 404);

  // Who waits is answered with the news, and at once when there were some.
  const waits = gil.get(`/api/guest?wait_ms=20000&since=${first.news}`);
  rig.say("guest 7 1 171 2 0"); // can ask; visit ab, ready
  const next = (await waits).json;
  assert.deepEqual([next.state, next.visit.state, next.visit.visit, next.visit.check, next.news > first.news], ["can_ask", "ready", VISIT, null, true]);
  const v = (await gil.get(`/api/guest/visit?wait_ms=20000&since=${first.news}`)).json;
  assert.deepEqual(Object.keys(v).sort(), ["alarms", "check", "expires_ms", "failed_checks", "hub_pub", "manifest", "news", "nonce", "offer", "outcome", "passed", "receipt", "state", "visit"]);
  assert.deepEqual([v.visit, v.nonce, v.offer, v.manifest, v.receipt], [VISIT, "0b".repeat(32), b64("offer"), b64("manifest"), null]);
  assert.ok(v.expires_ms > 50000 && v.expires_ms <= 60000);
  const quiet = Date.now();
  assert.equal((await gil.get(`/api/guest/visit?wait_ms=1500&since=${v.news}`)).json.news, v.news);
  assert.ok(Date.now() - quiet > 1000, "nothing has changed: it waited");
  const many = [1, 2, 3, 4].map(() => gil.get(`/api/guest/visit?wait_ms=20000&since=${v.news}`));
  await until("four wait", async () => {
    const at = Date.now();
    await gil.get(`/api/guest/visit?wait_ms=1500&since=${v.news}`); // and one more is answered at once
    return Date.now() - at < 1000;
  });
  rig.say("guest 7 1 171 0 14"); // refused
  for (const r of await Promise.all(many)) assert.deepEqual([r.json.state, r.json.check], ["refused", "other_visit"]);
  for (const query of ["wait_ms=20001", "wait_ms=-1", "wait_ms=x", "since=x", "other=1"]) assert.equal((await gil.get(`/api/guest?${query}`)).status, 400, query);

  // What it says; of the asker nothing but the session counts.
  assert.equal((await gil.post("/api/guest/ask", { nonce: "0b".repeat(31) })).status, 400);
  assert.equal((await gil.post("/api/guest/ask", { nonce: "0b".repeat(32), member: 1 })).status, 400);
  assert.equal((await gil.post("/api/guest/ask", { nonce: "0b".repeat(32) })).json.visit, VISIT);
  await rig.line(/^ask 15 0 7 /);
  assert.deepEqual((await gil.post("/api/guest/open", { id: b64("x"), client_data: b64("{}"), auth_data: b64("a"), signature: b64("s") })).json, {});
  await rig.line(/^ask 16 0 7 /);
  assert.deepEqual((await gil.post("/api/guest/leave")).json, {});
  await rig.line(/^ask 17 0 7 /);
  const refused = await until("its tries are bounded", async () => {
    const r = await gil.post("/api/guest/leave");
    return r.status !== 200 && r;
  });
  assert.deepEqual([refused.status, refused.json.code], [429, "too_many"]);

  // Owners invite guests and give to them; who waits for one who was removed is signed out.
  const ada = await Tab.open(rig);
  const lists = [(await ada.get("/api/grants")).json.grants.find((g) => g.id === idOf(6)), (await ada.get("/api/people")).json.members.find((m) => m.id === 7)];
  assert.deepEqual([lists[0].guest, lists[0].agency, lists[1].role, lists[1].key_thumb], [7, null, "guest", "07".repeat(32)]);
  assert.equal((await ada.post("/api/acts/begin", { act: "invite", role: "guest", name: "Hal" })).status, 200);
  await rig.line(/^ask 1 5 1 0 0 \[Hal\]/);
  const { agency, ...chosen } = grant();
  assert.equal((await ada.post("/api/acts/begin", { ...chosen, guest: 7 })).status, 200);
  await rig.line(/^ask 1 13 1 7 /);
  for (const more of [{ agency, guest: 7 }, {}, { guest: 0 }, { guest: "7" }]) assert.equal((await ada.post("/api/acts/begin", { ...chosen, ...more })).status, 400, JSON.stringify(more));
  const last = gil.get("/api/guest?wait_ms=20000");
  await until("it waits", async () => ((await gil.get("/api/me")).status === 200));
  rig.say("gone 7");
  assert.equal((await last).status, 401);
});

test("sign-in: cookie, me, sign-out, everywhere", async (t) => {
  const rig = await Rig.start({}, [], { signedIn: false });
  t.after(() => rig.stop());
  rig.say("params");
  const origin = `http://127.0.0.1:${rig.port}`;
  const anon = new Tab(rig, null);
  const begun = (await anon.post("/api/signin/begin")).json;
  assert.equal(Buffer.from(begun.challenge, "base64url").length, 32);
  assert.equal(begun.rp_id, "localhost");
  assert.equal((await anon.post("/api/signin/finish", assertion(0, begun.challenge))).json.code, "passkey");
  assert.equal((await anon.post("/api/signin/finish", assertion(1, begun.challenge))).json.code, "challenge", "a challenge counts once");
  const again = (await anon.post("/api/signin/begin")).json;
  const r = await anon.post("/api/signin/finish", assertion(1, again.challenge));
  assert.deepEqual(r.json, { member: { id: 1, name: "Ada", role: "owner" } });
  const cookie = r.headers["set-cookie"][0];
  for (const part of [/^doorward_home=[0-9a-f]{64};/, /; HttpOnly(;|$)/, /; SameSite=Strict(;|$)/, /; Path=\/(;|$)/, /; Max-Age=7776000(;|$)/]) assert.match(cookie, part);
  assert.doesNotMatch(cookie, /Domain|Secure/i);
  assert.equal(r.headers["cache-control"], "no-store");

  const ada = await Tab.open(rig, 1);
  const ben = await Tab.open(rig, 2);
  assert.deepEqual({ ...ada.me, csrf: "" }, { member: { id: 1, name: "Ada", role: "owner" }, csrf: "", home: "Elm Street 4", needs_second_passkey: false, camera_mode: "unknown", is_demo: false, recovery_until: null });
  assert.equal(ben.me.member.role, "occupant");
  assert.notEqual(ada.me.csrf, ben.me.csrf);
  const second = await Tab.open(rig, 1);
  const screen = await Ws.open(rig.port, { cookie: ada.cookie, origin });
  const other = await Ws.open(rig.port, { cookie: second.cookie, origin });
  await screen.text("hello");
  await other.text("hello");
  const out = await ada.post("/api/signout");
  assert.equal(out.status, 200);
  assert.match(out.headers["set-cookie"][0], /^doorward_home=; .*Max-Age=0/);
  assert.deepEqual(await screen.closed(), { code: 4401, why: "signed out" });
  assert.equal((await ada.get("/api/me")).status, 401);
  assert.equal((await second.get("/api/me")).status, 200);
  await second.post("/api/signout_everywhere");
  assert.equal((await other.closed()).code, 4401);
  assert.equal((await second.get("/api/me")).status, 401);
  const bens = await Ws.open(rig.port, { cookie: ben.cookie, origin });
  await bens.text("hello");
  rig.say("gone 2");
  assert.equal((await bens.closed()).code, 4401);
  assert.equal((await ben.get("/api/me")).status, 401);
  await rig.line(/^alert 2 3 0 0 \[\]$/); // its push places go too
});

test("only our own page may ask for anything: CSRF word and Origin", async (t) => {
  const rig = await Rig.start();
  t.after(() => rig.stop());
  const ada = await Tab.open(rig);
  const ben = await Tab.open(rig, 2);
  const gil = await guestTab(rig);
  const from = rig.lines.length;
  const wrong = [
    { "x-doorward-csrf": null },
    { "x-doorward-csrf": "" },
    { "x-doorward-csrf": ben.me.csrf },
    { "x-doorward-csrf": `${ada.me.csrf}0` },
    { "x-doorward-csrf": ada.me.csrf.slice(1) },
    { origin: null },
    { origin: "null" },
    { origin: "http://evil.example" },
    { origin: `https://127.0.0.1:${rig.port}` },
    { origin: `http://127.0.0.1:${rig.port}.evil.example` },
  ];
  for (const r of routes().filter((x) => x.method === "POST"))
    for (const headers of wrong) {
      if (r.access === "open" && "x-doorward-csrf" in headers) continue;
      const a = await (r.access === "guest" ? gil : ada).post(r.path, {}, { headers });
      assert.equal(a.status, 403, `${r.path} ${JSON.stringify(headers)}`);
      assert.equal(a.json.code, "csrf");
    }
  assert.deepEqual(rig.lines.slice(from), []);
  assert.equal((await ada.get("/api/owner")).status, 405);
  assert.equal((await ada.ask("DELETE", "/api/me")).status, 405);
  assert.equal((await ada.ask("PUT", "/api/owner", { body: {} })).status, 405);
  assert.equal((await ada.post("/api/owner", { word: "lock_now" })).status, 200);
  await rig.line(/^owner 1 1$/);
  assert.equal((await ben.post("/api/owner", { word: "end_visit" })).status, 200);
  await rig.line(/^owner 2 2$/);
});

test("with front.origin: that name, that Origin, that rp_id", async (t) => {
  const rig = await Rig.start({ "front.origin": "http://home1.localhost:9" }, [], { signedIn: false });
  t.after(() => rig.stop());
  const anon = new Tab(rig, null);
  assert.equal((await anon.post("/api/signin/begin")).status, 403, "the address alone is not the origin");
  const r = await anon.post("/api/signin/begin", {}, { headers: { origin: "http://home1.localhost:9", host: "home1.localhost:9" } });
  assert.equal(r.json.rp_id, "home1.localhost");
  for (const origin of ["home1.localhost", "ftp://x", "http://", "http://A.example", "http://a/b", "http://a:", "http://a:x", "https://a.example"])
    assert.match(await refusal(`front.listen = 127.0.0.1:0\nfront.origin = ${origin}`), /front.origin = .*: give http/, origin);
});

test("bad bodies change nothing and are told so", async (t) => {
  const rig = await Rig.start();
  t.after(() => rig.stop());
  const ada = await Tab.open(rig);
  const from = rig.lines.length;
  const bad = ["", "{", "[]", "null", '"x"', "7", "{}", '{"word":1}', '{"word":"unlock"}', '{"word":"lock_now","word":"lock_now"}', '{"word":"lock_now","more":1}', '{"word":"lock_now"}x', '{"word":"lock_now\\u0000"}', "\ufeff{}", `{"word":"${"a".repeat(3000)}"}`, "[".repeat(8000)];
  for (const body of bad) {
    const r = await ada.post("/api/owner", body);
    assert.equal(r.status, 400, body.slice(0, 60));
    assert.equal(r.json.code, "bad_request");
    assert.ok(r.json.title && r.json.detail && r.json.next);
  }
  assert.equal((await ada.post("/api/owner", `{"word":"lock_now"${" ".repeat(16384)}}`)).status, 413);
  assert.equal((await ada.post("/api/owner", { word: "lock_now" }, { headers: { "content-type": "text/plain" } })).status, 400);
  assert.equal((await ada.post("/api/owner", { word: "lock_now" }, { headers: { "transfer-encoding": "chunked" } })).status, 400);
  const c = b64("x".repeat(32));
  for (const [path, body] of [
    ["/api/acts/begin", { act: "open_sesame" }],
    ["/api/acts/begin", { act: "unlock", member: 1 }],
    ["/api/acts/begin", { act: "invite", name: "Zoe" }],
    ["/api/acts/begin", { act: "invite", name: "Zoe", role: "king" }],
    ["/api/acts/begin", { act: "invite", name: "Z".repeat(48), role: "owner" }],
    ["/api/acts/begin", { act: "invite", name: "a\nb", role: "owner" }],
    ["/api/acts/begin", { act: "remove_member", member: -1 }],
    ["/api/acts/begin", { act: "remove_member", member: 1.5 }],
    ["/api/acts/begin", { act: "remove_member", member: "1" }],
    ["/api/acts/begin", { act: "set_param", field: "t_dwell_ms", value: 4294967296 }],
    ["/api/acts/begin", { act: "allow_agency", id: "00" }],
    ["/api/acts/begin", { act: "camera_key", key: "00" }],
    ["/api/acts/begin", { act: "camera_key" }],
    ["/api/acts/begin", { act: "lock_key", key: "A".repeat(64) }],
    ["/api/acts/begin", { act: "lock_key", key: "a".repeat(66) }],
    ["/api/acts/begin", { act: "allow_agency", id: "A".repeat(32) }],
    ...[
      { agency: "00" },
      { agency: undefined },
      { kind: "burglary" },
      { kind: 0 },
      { mode: "never" },
      { windows: [] },
      { windows: {} },
      { windows: [[540, 60]] },
      { windows: [{ from: 540 }] },
      { windows: [{ from: 540, minutes: 60, more: 1 }] },
      { windows: [{ from: -1, minutes: 60 }] },
      { windows: [{ from: 10080, minutes: 60 }] },
      { windows: [{ from: 540, minutes: 0 }] },
      { windows: [{ from: 540, minutes: 10081 }] },
      { windows: [{ from: 540.5, minutes: 60 }] },
      { windows: Array.from({ length: 15 }, (_, i) => ({ from: i, minutes: 1 })) },
      { days: 91 },
      { days: "30" },
      { uses: 65536 },
      { uses: -1 },
      { per_day: 256 },
      { dwell_ms: 4294967296 },
      { door: 1 },
      { epoch: 7 },
      { passkey: "member-1-2" },
    ].map((wrong) => ["/api/acts/begin", { ...grant(), ...wrong }]),
    ["/api/grants/revoke", {}],
    ["/api/grants/revoke", { id: "00" }],
    ["/api/grants/revoke", { id: "G".repeat(32) }],
    ["/api/grants/veto", { id: 1 }],
    ["/api/grants/veto", { id: "0".repeat(32), epoch: 1 }],
    ["/api/expected", {}],
    ["/api/expected", { code: 7 }],
    ["/api/expected", { code: "A\u0007" }],
    ["/api/expected", { code: "1".repeat(129) }],
    ["/api/expected", { code: "A", note: "x".repeat(65) }],
    ["/api/expected", { code: "A", member: 1 }],
    ["/api/expected/remove", { code: "A", note: "" }],
    ["/api/acts/finish", assertion(1, b64("x".repeat(31)))],
    ["/api/acts/finish", assertion(1, b64("x".repeat(33)))],
    ["/api/acts/finish", { ...assertion(1, c), id: b64("x".repeat(129)) }],
    ["/api/acts/finish", { ...assertion(1, c), client_data: b64("x".repeat(1025)) }],
    ["/api/acts/finish", { ...assertion(1, c), signature: "" }],
    ["/api/acts/finish", { ...assertion(1, c), signature: "a" }],
    ["/api/acts/finish", { ...assertion(1, c), signature: "ab=" }],
    ["/api/acts/finish", { ...assertion(1, c), signature: "a+b/" }],
    ["/api/acts/finish", { ...assertion(1, c), signature: "ab" }], // bits that are left over
    ["/api/wish", { wish: "accept" }],
    ["/api/wish", { wish: "place", id: "0".repeat(32), place: "roof" }],
    ["/api/wish", { wish: "move", id: "0".repeat(32), date: "2026-02-30", from: "09:00", to: "11:00" }],
    ["/api/wish", { wish: "move", id: "0".repeat(32), date: "2026-2-3", from: "09:00", to: "11:00" }],
    ["/api/wish", { wish: "move", id: "0".repeat(32), date: "2026-02-03", from: "24:00", to: "11:00" }],
    ["/api/wish", { wish: "note", note: "cats", text: "two", until: "2026-12-01" }],
    ["/api/mode", { mode: "unknown" }],
    ["/api/alerts", { word: "add", channel: "push", endpoint: "https://push.example/x" }],
    ["/api/alerts", { word: "add", channel: "push", endpoint: "https://push.example/x", p256dh: b64("x".repeat(65)), auth: b64("x".repeat(16)) }],
    ["/api/alerts", { word: "add", channel: "ntfy", endpoint: "http://10.0.0.1/x" }],
    ["/api/alerts", { word: "add", channel: "ntfy", endpoint: "file:///etc/passwd" }],
    ["/api/alerts", { word: "forget" }],
  ])
    assert.equal((await ada.post(path, body)).status, 400, JSON.stringify(body).slice(0, 100));
  for (const q of ["?before=x", "?limit=0", "?limit=101", "?before=99999999999999999999", "?limit=-1"]) assert.equal((await ada.get(`/api/history${q}`)).status, 400, q);
  for (const id of ["00", "zz", "00000000000000AB", "0000000000000000", `${VISIT}0`]) assert.equal((await ada.get(`/api/visits/${id}`)).status, 404, id);
  assert.deepEqual(rig.lines.slice(from), [], "nothing was asked of the guard");
  // A body that never comes: the connection ends by itself, the others go on.
  const s = net.connect(rig.port, "127.0.0.1");
  s.on("error", () => undefined);
  s.write(`POST /api/owner HTTP/1.1\r\nHost: 127.0.0.1:${rig.port}\r\nOrigin: http://127.0.0.1:${rig.port}\r\nCookie: ${ada.cookie}\r\nX-Doorward-Csrf: ${ada.me.csrf}\r\nContent-Type: application/json\r\nContent-Length: 19\r\n\r\n{"word"`);
  assert.equal((await ada.get("/api/me")).status, 200);
  s.destroy();
  assert.equal((await ada.get("/api/me")).status, 200);
});

test("acts, invitations and recovery pass to the guard and back", async (t) => {
  const rig = await Rig.start();
  t.after(() => rig.stop());
  const ada = await Tab.open(rig);
  const { begun, done } = await ada.act("unlock");
  assert.deepEqual(begun.allow, [b64("member-1-2"), b64("member-1-1")]);
  assert.deepEqual(done.json, {});
  await rig.line(/^ask 1 3 1 0 0 /);
  const twice = await ada.post("/api/acts/finish", assertion(1, begun.challenge));
  assert.equal(twice.status, 409, "a double tap opens once");
  assert.equal(twice.json.code, "challenge");
  const other = await ada.post("/api/acts/begin", { act: "let_in" });
  assert.equal((await ada.post("/api/acts/finish", assertion(2, other.json.challenge))).json.code, "passkey", "not with somebody else's");
  const invited = await ada.act("invite", { name: "Zoë", role: "occupant" });
  assert.deepEqual(invited.done.json, { link: `http://localhost:${rig.port}/join#TEXT`, until: "2030-03-17T17:46:40.000Z" });
  await rig.line(/^ask 1 5 1 0 0 \[Zoë\]/);
  assert.deepEqual((await ada.act("new_recovery")).done.json, { recovery_code: "TEXT" });
  await ada.act("set_param", { field: "t_dwell_ms", value: 45000 });
  await rig.line(/^ask 1 10 1 0 45000 \[t_dwell_ms\]/);
  await ada.act("remove_member", { member: 2 });
  await rig.line(/^ask 1 7 1 2 0 /);
  await ada.act("remove_passkey", { number: 1 });
  await rig.line(/^ask 1 8 1 1 0 .* member-1-2$/);
  assert.equal((await ada.post("/api/acts/begin", { act: "remove_passkey", number: 99 })).json.code, "no_such");
  rig.say("no 13"); // two_passkeys ... whatever the guard says comes back by its code
  const no = await ada.post("/api/acts/begin", { act: "unlock" });
  assert.ok(no.status >= 400 && no.json.code.length > 2 && no.json.next.length > 2);

  const anon = new Tab(rig, null);
  assert.equal((await anon.post("/api/join/look", { token: "bad" })).json.code, "invitation");
  assert.deepEqual((await anon.post("/api/join/look", { token: "good" })).json, { name: "Cleo", role: "owner", until: "2030-03-17T17:46:40.000Z", is_first: true, home: "" });
  const join_ = (await anon.post("/api/join/begin", { token: "good" })).json;
  assert.equal(Buffer.from(join_.user, "base64url").length, 16);
  const joined = await anon.post("/api/join/finish", { challenge: join_.challenge, client_data: b64("{}"), attestation: b64("a"), label: "phone" });
  assert.equal(joined.json.recovery_code, "SECRET-CODE");
  assert.deepEqual(joined.json.member, { id: 3, name: "Cleo", role: "owner" });
  const cleo = new Tab(rig, joined.headers["set-cookie"][0].split(";")[0]);
  assert.equal((await cleo.get("/api/me")).json.needs_second_passkey, true);
  assert.equal((await anon.post("/api/recover", { code: "wrong" })).json.code, "presence");
  assert.equal((await anon.post("/api/recover", { code: "the code" })).json.until, "2030-03-17T17:46:40.000Z");
  assert.equal((await ada.post("/api/recover/stop")).status, 200);
  assert.equal((await anon.post("/api/recover/stop")).status, 401);
  const p = (await ada.get("/api/people")).json;
  assert.deepEqual(p.members.map((m) => m.name), ["Ada", "Ben", "Cleo"]);
  assert.equal(p.passkeys.length, 4);
  assert.ok(!JSON.stringify(p).includes("member-1"), "ids of credentials are not listed");
});

test("permissions: the list, signed with the passkey that is named, revoked, objected to, pushed", async (t) => {
  const rig = await Rig.start();
  t.after(() => rig.stop());
  const origin = `http://127.0.0.1:${rig.port}`;
  const ada = await Tab.open(rig);
  const ben = await Tab.open(rig, 2);
  assert.deepEqual((await ada.get("/api/grants")).json, { agencies: [], grants: [], epoch: 0, restored: false });
  const screens = [await Ws.open(rig.port, { cookie: ada.cookie, origin }), await Ws.open(rig.port, { cookie: ben.cookie, origin })];
  for (const s of screens) await s.text("hello");
  rig.say("params");
  rig.say("agency 1 1 Parcels");
  for (const s of screens) assert.deepEqual(await s.text("grants"), { t: "grants", epoch: 7, waiting: 1, restored: false });
  rig.say("grant 5 1 Parcels");
  rig.say("grant 6 2 Parcels");
  const list = await until("two permissions", async () => {
    const r = (await ben.get("/api/grants")).json; // everybody who lives here sees all of them [I47]
    return r.grants.length === 2 && r;
  });
  assert.deepEqual(list.agencies, [{ id: idOf(1), name: "Parcels", hosted: true, key: "0101010101010101", waiting: true, asked_at: "2030-03-17T17:46:40.000Z" }]);
  assert.deepEqual(list.grants[0], { id: idOf(5), agency: idOf(1), guest: null, name: "Parcels", hosted: false, kind: "drop", mode: "veto", state: "waiting", windows: [{ from: 540, minutes: 120 }, { from: 1980, minutes: 60 }], zone: "Europe/Amsterdam", from: "2026-09-21T14:13:20.000Z", to: "2026-10-21T14:13:20.000Z", door: "Front door", door_number: 0, uses: 30, used: 3, used_today: 1, per_day: 2, dwell_ms: 60000, camera: "k2", live_at: "2026-09-21T14:23:20.000Z", over_at: null, over_stored: false, signed_by: 1, signed_at: "2026-09-21T14:13:20.000Z" });
  assert.equal(list.grants[1].state, "live");

  // What is signed, over exactly the passkey that it names.
  const begun = (await ada.post("/api/acts/begin", grant())).json;
  // The passkey of this session, which this device has, unless another one is named.
  await rig.line(/^grant 0+1 kind=1 mode=2 days=30 uses=12 per_day=2 dwell=90000 windows=540\+120,9960\+240, by=member-1-1$/);
  assert.equal(begun.credential, b64("member-1-1"));
  assert.deepEqual(begun.allow, [b64("member-1-1")], "the page has no other to ask");
  assert.deepEqual(Buffer.from(begun.bytes, "base64url"), Buffer.alloc(1024, 0xa5));
  assert.deepEqual(Object.keys(begun).sort(), ["allow", "bytes", "challenge", "credential", "rp_id"]);
  const other = await ada.post("/api/acts/finish", { ...assertion(1, begun.challenge), id: b64("member-1-2") });
  assert.deepEqual([other.status, other.json.code], [403, "passkey"]);
  const again = (await ada.post("/api/acts/begin", grant())).json;
  assert.deepEqual((await ada.post("/api/acts/finish", { ...assertion(1, again.challenge), id: again.credential })).json, { grant: idOf(99) });
  const number = (await ada.get("/api/people")).json.passkeys.find((k) => k.member === 1 && k.label === "key 2").number;
  const named = (await ada.post("/api/acts/begin", grant({ passkey: number }))).json;
  assert.equal(named.credential, b64("member-1-2"));
  const foreign = (await ada.get("/api/people")).json.passkeys.find((k) => k.member === 2).number;
  assert.equal((await ada.post("/api/acts/begin", grant({ passkey: foreign }))).json.code, "no_such", "not somebody else's");
  assert.ok(!("credential" in (await ada.post("/api/acts/begin", { act: "unlock" })).json));

  // Roles and foreign objects.
  const from = rig.lines.length;
  assert.deepEqual([(await ben.post("/api/acts/begin", grant())).json.code, (await ben.post("/api/grants/revoke", { id: idOf(6) })).json.code], ["role", "role"]);
  assert.deepEqual(rig.lines.slice(from).filter((l) => /^ask \d+ \d+ 2 /.test(l)), [], "the guard was not asked");
  for (const path of ["/api/grants/revoke", "/api/grants/veto"]) {
    const none = await ada.post(path, { id: idOf(77) });
    assert.deepEqual([none.status, none.json.code], [404, "no_such"]);
  }
  const late = await ben.post("/api/grants/veto", { id: idOf(6) });
  assert.deepEqual([late.status, late.json.code], [409, "not_waiting"]);
  assert.equal((await ada.get("/api/grants")).json.epoch, 7, "nothing has changed");
  assert.deepEqual((await ben.post("/api/grants/veto", { id: idOf(5) })).json, { epoch: 8, at: "2030-03-17T17:46:40.000Z" });
  assert.deepEqual((await ada.post("/api/grants/revoke", { id: idOf(6) })).json, { epoch: 9, at: "2030-03-17T17:46:40.000Z" });
  assert.deepEqual((await ben.get("/api/grants")).json.grants.map((g) => [g.state, g.over_at, g.over_stored]), [["vetoed", "2030-03-17T17:46:40.000Z", false], ["revoked", "2030-03-17T17:46:40.000Z", true]]);
  for (const s of screens) await until("told of both", () => s.texts.some((m) => m.t === "grants" && m.epoch === 9));

  // The hub does not answer, or cannot store: never a yes.
  rig.say("no 16"); // storage
  const full = await until("storage", async () => {
    const r = await ada.post("/api/grants/revoke", { id: idOf(6) });
    return r.status !== 200 && r;
  });
  assert.deepEqual([full.status, full.json.code], [503, "storage"]);
  // Told once more without news: no page hears of it.
  const heard = screens[0].texts.length;
  rig.say("grants");
  rig.say("restored 1");
  await until("restored", () => screens[0].texts.slice(heard).some((m) => m.t === "grants" && m.restored));
  assert.equal(screens[0].texts.slice(heard).filter((m) => m.t === "grants").length, 1);
  assert.equal((await ada.get("/api/grants")).json.restored, true);
  // Parcels that are expected: everybody's list, and everybody hears of it.
  assert.deepEqual((await ada.get("/api/expected")).json, { items: [] });
  assert.equal((await ben.post("/api/expected", { code: "JVGL 1", note: "Shoes" })).status, 200);
  assert.deepEqual((await ada.get("/api/expected")).json.items, [{ code: "JVGL 1", note: "Shoes", member: 2, at: "2030-03-17T17:46:40.000Z" }]);
  assert.equal((await ada.post("/api/expected/remove", { code: "other" })).json.code, "no_such");
  assert.equal((await ada.post("/api/expected/remove", { code: "JVGL 1" })).status, 200);
  assert.deepEqual((await ben.get("/api/expected")).json, { items: [] });
  // Words of the story: asked, given, refused with its reason, restored, acknowledged.
  for (const line of ["26 1 1 0 0", "26 2 1 0 1", "26 6 16 0 0", "26 7 0 0 0", "26 7 1 0 1"]) rig.say(`story ${line}`);
  await until("five lines", () => screens[0].texts.filter((m) => m.kind === "grant").length === 5);
  assert.deepEqual(screens[0].texts.filter((m) => m.kind === "grant").map((m) => m.reason ?? m.word), ["asked", "given", "manifest_scope", "restored", "acknowledged"]);
  for (const s of screens) s.end();
});

test("every refusal of the guard has a code and words of its own", async (t) => {
  const rig = await Rig.start();
  t.after(() => rig.stop());
  const ada = await Tab.open(rig);
  const codes = /DW_PEOPLE_NO_LIST\(X\)[\s\S]*?enum dw_people_no/.exec(readFileSync(new URL("../../src/hub/people.h", import.meta.url), "utf8"))[0].match(/X\([A-Z_]+,[\s\\]*"[a-z_]+"\)/g).map((x) => /"(.*)"/.exec(x)[1]);
  assert.ok(codes.length > 20 && codes.includes("not_waiting"));
  const titles = new Set();
  for (const [i, code] of codes.entries()) {
    rig.say(`no ${i + 1}`);
    const r = await until(code, async () => {
      const a = await ada.post("/api/acts/begin", { act: "unlock" });
      return a.status !== 200 && a;
    });
    assert.equal(r.json.code, code);
    assert.ok(r.status >= 400 && r.status < 600 && r.json.detail && r.json.next, code);
    assert.notEqual(r.json.title, "Not now", code);
    titles.add(r.json.title);
  }
  assert.equal(titles.size, codes.length);
});

test("deliveries, settings, mode, alerts", async (t) => {
  const rig = await Rig.start();
  t.after(() => rig.stop());
  const ada = await Tab.open(rig);
  rig.say("params");
  rig.say("job 1 1 Parcels");
  rig.say("job 2 2 Parcels");
  const { jobs } = await until("two jobs", async () => {
    const r = (await ada.get("/api/jobs")).json;
    return r.jobs.length === 2 && r;
  });
  const id = `${"0".repeat(31)}1`;
  assert.deepEqual([jobs[0].id, jobs[0].state, jobs[0].date, jobs[0].from, jobs[0].to, jobs[0].door, jobs[0].mode, jobs[1].state], [id, "expected", "2026-11-16", "09:00", "11:00", "Front door", "ask", "declined"]);
  rig.say("job 2 0 Parcels");
  await until("one job", async () => (await ada.get("/api/jobs")).json.jobs.length === 1);
  const wishes = [
    [{ wish: "accept", id }, /^ask 7 1 1 0 0 \[\] \[\] \[\] 0+1 /],
    [{ wish: "decline", id }, /^ask 7 2 /],
    [{ wish: "place", id, place: "garage" }, /^ask 7 3 1 0 0 \[\] \[garage\]/],
    [{ wish: "move", id, date: "2026-11-17", from: "13:00", to: "15:30" }, /^ask 7 4 .* 20774 780 930 -$/],
    [{ wish: "note", note: "pets", text: "A dog", until: "2026-11-16" }, /^ask 7 5 1 0 1 \[\] \[A dog\] \[\] 0+ 20773 /],
    [{ wish: "stop_agency", id: `07${"0".repeat(30)}` }, /^ask 7 6 .* 070+ /],
  ];
  for (const [body, line] of wishes) {
    assert.equal((await ada.post("/api/wish", body)).status, 200, JSON.stringify(body));
    await rig.line(line);
  }
  assert.deepEqual((await ada.get("/api/settings")).json, { params: [{ field: "t_dwell_ms", value: 45000, default: 60000, floor: 1000, ceiling: 180000 }], camera_mode: "unknown", door_names: ["Front door"] });
  assert.equal((await ada.post("/api/mode", { mode: "away" })).status, 200);
  await until("away", async () => (await ada.get("/api/me")).json.camera_mode === "away");

  assert.equal((await ada.get("/api/alerts")).json.vapid_key, null);
  rig.say("vapid");
  await until("the key", async () => Buffer.from((await ada.get("/api/alerts")).json.vapid_key ?? "", "base64url").length === 65);
  const endpoint = "https://push.example/secret-of-a-browser";
  const key = Buffer.alloc(65, 1);
  key[0] = 4;
  assert.equal((await ada.post("/api/alerts", { word: "add", channel: "push", endpoint, p256dh: key.toString("base64url"), auth: b64("x".repeat(16)), lang: "de" })).status, 200);
  await rig.line(/^alert 1 1 1 1 \[https:\/\/push.example\/secret-of-a-browser\]$/);
  assert.equal((await ada.post("/api/alerts", { word: "add", channel: "ntfy", endpoint: "http://127.0.0.1:9/topic" })).status, 200);
  const { places, ntfy } = (await ada.get("/api/alerts")).json;
  assert.equal(places.length, 2);
  assert.equal(ntfy, true);
  assert.ok(!JSON.stringify(places).includes("secret"), "an endpoint is not told again");
  rig.say(`alert_done 201 0 ${endpoint}`);
  await until("its status", async () => (await ada.get("/api/alerts")).json.places.some((p) => p.last_status === 201));
  const ben = await Tab.open(rig, 2);
  assert.equal((await ben.get("/api/alerts")).json.places.length, 0);
  assert.equal((await ben.post("/api/alerts", { word: "remove", endpoint: places[0].endpoint })).status, 404, "not somebody else's");
  assert.equal((await ada.post("/api/alerts", { word: "remove", endpoint: places.find((p) => p.channel === "ntfy").endpoint })).status, 200);
  await rig.line(/^alert 1 2 0 0 \[http:\/\/127.0.0.1:9\/topic\]$/);
  rig.say(`alert_done 410 1 ${endpoint}`);
  await until("gone for good", async () => (await ada.get("/api/alerts")).json.places.length === 0);
  await ada.post("/api/alerts", { word: "test" });
  await rig.line(/^alert 1 4 /);
  await ada.post("/api/alerts", { word: "seen" });
  await rig.line(/^alert 1 5 /);
});

test("history: told, fetched when missing, kept over restarts, dropped with the guard's old life", async (t) => {
  const state = tempFolder();
  const records = tempFolder();
  let rig = await Rig.start({ "front.state": state, "record.folder": records });
  t.after(() => rig.stop());
  let ada = await Tab.open(rig);
  rig.say("who 0xab 0 0 0 Stewart Parcels");
  for (let i = 0; i < 600; i++) rig.say(`story 4 2 80 0 0 -`); // only when asked for
  rig.say("story 7 0 0 0xab 0 -"); // asked
  rig.say("story 15 1 0 0xab 0 -"); // opened: by command
  rig.say("story 12 0 0 0xab 0 -"); // alarm: blind
  rig.say("story 16 0 0 0xab 0 -"); // secured
  rig.say("story 17 3 4200 0xab"); // ended: secured with a gap; this one is told
  const one = await until("the visit", async () => (await ada.get("/api/history")).json.visits.find((v) => v.outcome && v.opened_at));
  assert.deepEqual([one.visit, one.visitor, one.agency, one.kind, one.outcome, one.gap_ms, one.alarms, one.has_recording, one.member], [VISIT, "Stewart", "Parcels", "drop", "SECURED_WITH_GAP", 4200, ["camera_blind"], false, null]);
  assert.ok(one.opened_at >= one.asked_at && one.inside_ms >= 0);
  mkdirSync(join(records, `visit-${VISIT}`));
  writeFileSync(join(records, `visit-${VISIT}`, "seg-0001.mp4"), "film");
  const full = (await ada.get(`/api/visits/${VISIT}`)).json;
  assert.equal(full.has_recording, true);
  assert.deepEqual(full.lines.map((l) => l.kind), ["visit_asked", "opening", "alarm", "secured", "visit_ended"]);
  assert.equal((await ada.get("/api/visits/00000000000000cd")).status, 404);

  await get(rig.port, `/recordings/${VISIT}.mp4`, { cookie: ada.cookie });
  const watched = (await ada.get(`/api/visits/${VISIT}`)).json.viewers;
  assert.deepEqual([watched.length, watched[0].member, watched[0].what], [1, 1, "recording"]);
  await get(rig.port, `/recordings/${VISIT}.mp4`, { cookie: ada.cookie, headers: { range: "bytes=0-1" } });
  assert.equal((await ada.get("/api/viewers")).json.viewers.length, 1, "parts of one film are one look");

  for (let i = 1; i <= 40; i++) rig.say(`story 7 0 0 ${0x100 + i}`);
  const newest = await until("forty more", async () => {
    const r = (await ada.get("/api/history?limit=10")).json;
    return r.visits[0]?.visit === "0000000000000128" && r;
  });
  const next = (await ada.get(`/api/history?limit=10&before=${newest.next}`)).json;
  assert.equal(next.visits[0].visit, "000000000000011e");
  await rig.stop();

  rig = await Rig.start({ "front.state": state, "record.folder": records }, [], { signedIn: false });
  const back = await new Tab(rig, ada.cookie).get("/api/viewers");
  assert.equal(back.status, 200, "a restart of the front signs nobody out");
  assert.deepEqual([back.json.viewers[0].name, back.json.viewers[0].visit], ["Ada", VISIT]);
  // This stand-in counts from one again: another life of the guard.
  rig.say("story 7 0 0 0xcd");
  ada = await Tab.open(rig);
  await until("the old life is forgotten", async () => {
    const { visits } = (await ada.get("/api/history")).json;
    return visits.length === 1 && visits[0].visit === "00000000000000cd";
  }, 15000);
});

test("a session turns; a lost answer, two tabs and a late tab sign nobody out", async (t) => {
  const state = tempFolder();
  let rig = await Rig.start({ "front.state": state }, [], { signedIn: false });
  t.after(() => rig.stop());
  const first = await signIn(rig.port);
  const due = async (sql = `UPDATE session SET turned = turned - ${16 * 60000}`) => {
    await rig.stop();
    edit(state, sql);
    rig = await Rig.start({ "front.state": state }, [], { signedIn: false });
  };
  const me = (cookie) => get(rig.port, "/api/me", { cookie });
  const fresh = (r) => r.headers["set-cookie"]?.[0].split(";")[0];
  assert.equal(fresh(await me(first)), undefined, "not at once");
  await due();
  const both = await Promise.all([me(first), me(first)]);
  assert.deepEqual(both.map((r) => r.status), [200, 200]);
  const turned = both.map(fresh).filter(Boolean);
  assert.equal(turned.length, 1, "one of two tabs gets the new token");
  assert.equal((await me(first)).status, 200, "the new one has not been used yet");
  await due();
  assert.equal((await me(first)).status, 200, "the answer with the new one was lost");
  assert.equal((await me(turned[0])).status, 200);
  const csrf = JSON.parse((await me(turned[0])).body).csrf;
  assert.equal(JSON.parse((await me(first)).body).csrf, csrf, "both tabs keep their word");
  await due("UPDATE session SET before_until = before_until - 61000");
  assert.equal((await me(first)).status, 401, "a minute after the new one came, the old one is over");
  assert.equal((await me(turned[0])).status, 200);
  const stored = readFileSync(join(state, "front.sqlite")).toString("latin1");
  for (const cookie of [first, turned[0]]) assert.ok(!stored.includes(cookie.slice(14)) && !stored.includes(Buffer.from(cookie.slice(14), "hex").toString("latin1")), "tokens are not stored");
});

test("a damaged file of sessions costs the sessions, not the pages", async (t) => {
  const state = tempFolder();
  let rig = await Rig.start({ "front.state": state });
  const { cookie } = rig;
  await rig.stop();
  edit(state, "DELETE FROM view"); // whoever opens it last writes everything into the one file
  for (const damage of [Buffer.from("this is no database ".repeat(400)), Buffer.concat([readFileSync(join(state, "front.sqlite")).subarray(0, 4096), Buffer.alloc(20000, 0xa5)])]) {
    rmSync(join(state, "front.sqlite-wal"), { force: true }); // SQLite would mend it from there
    writeFileSync(join(state, "front.sqlite"), damage);
    rig = await Rig.start({ "front.state": state });
    assert.equal((await get(rig.port, "/api/me", { cookie })).status, 401);
    assert.equal((await get(rig.port, "/api/me")).status, 200);
    assert.deepEqual(readFileSync(join(state, "front.sqlite.damaged")), damage, "what was there is kept");
    await rig.stop();
  }
});

test("a guard that does not answer: busy in time, no place taken for ever", async (t) => {
  const rig = await Rig.start();
  t.after(() => rig.stop());
  const ada = await Tab.open(rig);
  rig.say("mute 1");
  const begin = Date.now();
  const open = [];
  for (let i = 0; i < 64; i++) {
    open.push(ada.post("/api/acts/begin", { act: "unlock" }));
    await until("it is with the guard", () => rig.lines.filter((l) => l.startsWith("ask 1 3")).length === i + 1);
  }
  const more = await ada.post("/api/acts/begin", { act: "unlock" });
  assert.equal(more.status, 503);
  assert.ok(Date.now() - begin < 4000, "one too many is told at once");
  assert.equal((await ada.get("/api/me")).status, 200, "what needs no guard goes on");
  const all = await Promise.all(open);
  assert.ok(all.every((r) => r.status === 503 && r.json.code === "busy"));
  assert.ok(Date.now() - begin < 8000);
  // Askers that leave, and an answer that comes for nobody.
  for (let i = 0; i < 10; i++) {
    const s = net.connect(rig.port, "127.0.0.1");
    s.on("error", () => undefined);
    s.write(`POST /api/acts/begin HTTP/1.1\r\nHost: 127.0.0.1:${rig.port}\r\nOrigin: http://127.0.0.1:${rig.port}\r\nCookie: ${ada.cookie}\r\nX-Doorward-Csrf: ${ada.me.csrf}\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"act":"let_in"}`);
    await until("it is asked", () => rig.lines.filter((l) => l.startsWith("ask 1 4")).length === i + 1);
    s.destroy();
  }
  rig.say("mute 0");
  assert.equal((await ada.act("unlock")).done.status, 200);
});

test("strangers have a bounded number of tries, the household is not locked out", async (t) => {
  const rig = await Rig.start();
  t.after(() => rig.stop());
  const ada = await Tab.open(rig);
  const anon = new Tab(rig, null);
  let last;
  for (let i = 0; i < 40 && last?.status !== 429; i++) last = await anon.post("/api/join/look", { token: `guess ${i}` });
  assert.equal(last.json.code, "too_many");
  assert.ok(rig.lines.filter((l) => l.startsWith("ask 6") || l.includes("[guess")).length < 15);
  assert.equal((await ada.act("unlock")).done.status, 200);
  assert.equal((await ada.post("/api/owner", { word: "lock_now" })).status, 200);
});

test("the screen: who looks is written down, pictures can be switched off, key frames asked for", async (t) => {
  const rig = await Rig.start();
  t.after(() => rig.stop());
  const ben = await Tab.open(rig, 2);
  const ws = await Ws.open(rig.port, { cookie: ben.cookie });
  await ws.text("hello");
  assert.equal((await ben.get("/api/viewers")).json.viewers.length, 0, "an open page is not a look");
  rig.say("state camera=1 visit=0xab");
  await ws.text("state");
  rig.say("frame 5000 1");
  await until("a frame", () => ws.binaries.length === 1);
  const rows = (await ben.get("/api/viewers")).json.viewers;
  assert.deepEqual([rows.length, rows[0].name, rows[0].what, rows[0].visit], [1, "Ben", "live", VISIT]);
  const { to } = await until("the look grows with the pictures", async () => {
    rig.say("frame 5000 1");
    const r = (await ben.get("/api/viewers")).json.viewers;
    return r.length === 1 && r[0].to > rows[0].to && r[0];
  });
  rig.say("state camera=1 visit=0xcd");
  await until("another visit, another look", async () => (rig.say("frame 5000 1"), (await ben.get("/api/viewers")).json.viewers.length === 2));
  assert.ok((await ben.get("/api/viewers")).json.viewers[1].to >= to);
  ws.send({ t: "pictures", on: false });
  ws.send({ t: "key" });
  await rig.line(/^key_wanted$/);
  const told = async (n) => {
    rig.say("story 10 0 0 0xab");
    await until("the story", () => ws.texts.filter((m) => m.t === "story").length === n);
  };
  await told(1); // what was sent before has arrived
  const off = ws.binaries.length;
  rig.say("frame 5000 1");
  await told(2);
  assert.equal(ws.binaries.length, off);
  ws.send({ t: "pictures", on: true });
  await until("a frame again", () => (rig.say("frame 5000 1"), ws.binaries.length > off));
  ws.end();
});

test("TLS: 1.2 and newer, Secure cookies, one origin", async (t) => {
  const folder = tempFolder();
  const key = join(folder, "key.pem");
  const cert = join(folder, "cert.pem");
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=home.example"], { stdio: "ignore" });
  const rig = await Rig.start({ "front.tls_cert": cert, "front.tls_key": key, "front.origin": "https://home.example" }, [], { signedIn: false });
  t.after(() => rig.stop());
  const ask = (path, body) =>
    new Promise((resolve, reject) => {
      const req = https.request({ host: "127.0.0.1", port: rig.port, path, method: "POST", servername: "home.example", ca: readFileSync(cert), agent: false, headers: { host: "home.example", origin: "https://home.example", "content-type": "application/json" } }, (res) => {
        let text = "";
        res.on("data", (d) => (text += d));
        res.on("end", () => resolve({ res, json: JSON.parse(text) }));
      });
      req.on("error", reject);
      req.end(JSON.stringify(body));
    });
  const begun = await ask("/api/signin/begin", {});
  assert.equal(begun.json.rp_id, "home.example");
  const { res } = await ask("/api/signin/finish", assertion(1, begun.json.challenge));
  assert.match(res.headers["set-cookie"][0], /; Secure$/);
  const hello = (version) =>
    new Promise((resolve) => {
      const s = tls.connect({ host: "127.0.0.1", port: rig.port, minVersion: version, maxVersion: version, rejectUnauthorized: false, ciphers: "DEFAULT@SECLEVEL=0" }, () => {
        resolve(s.getProtocol());
        s.destroy();
      });
      s.on("error", () => resolve(null));
    });
  assert.equal(await hello("TLSv1.3"), "TLSv1.3");
  assert.equal(await hello("TLSv1.2"), "TLSv1.2");
  assert.equal(await hello("TLSv1.1"), null);
  for (const [lines, said] of [
    [`front.listen = 0.0.0.0:0`, /this machine only/],
    [`front.listen = 127.0.0.1:0\nfront.tls_cert = ${cert}`, /give both or none/],
    [`front.listen = 127.0.0.1:0\nfront.tls_cert = ${cert}\nfront.tls_key = ${cert}`, /do not fit/],
  ])
    assert.match(await refusal(lines), said, lines);
});
