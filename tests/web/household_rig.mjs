// A stand-in for the hub, for the household's pages: the built files, the routes of docs/design/people.md with answers
// that a test sets, and the live link of hub.mjs. It keeps what it was asked.
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cbor } from "../../sim/demo/cbor.mjs";
import { FakeHub } from "./hub.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const web = process.env.DW_WEB ?? join(here, "../../web");
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; worker-src 'self'; img-src 'self'; media-src 'self'; manifest-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'";

export function buildPages() {
  const folder = mkdtempSync(join(process.env.TMPDIR ?? tmpdir(), "dw-home-"));
  execFileSync(process.execPath, [join(web, "build.mjs"), "household", join(folder, "assets.c"), "--folder", join(folder, "files")]);
  const files = join(folder, "files");
  const list = JSON.parse(readFileSync(join(files, "files.json"), "utf8"));
  return { list, files: new Map(list.map((f) => [f.path, { type: f.type, open: f.open, bytes: readFileSync(join(files, f.path)) }])) };
}

const OPEN = ["/api/signin/begin", "/api/signin/finish", "/api/join/look", "/api/join/begin", "/api/join/finish", "/api/recover"];
const PARAMS = [
  ["t_loss_ms", 2000, 300, 2000], ["lease_ms", 15000, 1000, 15000], ["t_dwell_ms", 60000, 1000, 180000], ["t_visit_ms", 180000, 5000, 180000], ["t_stay_ms", 28800000, 60000, 28800000],
  ["t_show_ms", 5000, 500, 5000], ["t_watch_ms", 60000, 1000, 600000], ["throws_least", 3, 3, 100], ["t_gap_ms", 500, 100, 500], ["t_late_ms", 70, 40, 250],
];
export const hex = (n) => randomBytes(n).toString("hex");
const iso = (ms) => new Date(ms).toISOString();
export const today = () => {
  const d = new Date();
  return `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, "0")}-${String(d.getDate()).padStart(2, "0")}`;
};
const bytes = (n) => randomBytes(n).toString("base64url");
const sha = (...parts) => createHash("sha256").update(Buffer.concat(parts.map((x) => Buffer.from(x)))).digest();

export const ACTS = ["", "sign_in", "join", "unlock", "let_in", "invite", "add_passkey", "remove_member", "remove_passkey", "remove_invite", "set_param", "allow_agency", "new_recovery", "grant", "camera_key", "lock_key"];
export const ROLES = ["", "owner", "occupant", "guest"];
/** What a passkey signs of these bytes. */
export const challengeOf = (context, b) => sha(context, [0], b);
export const midnightOf = (ms) => new Date(ms).setUTCHours(0, 0, 0, 0) / 1000;

export class Home extends FakeHub {
  sockets = new Set();
  requests = []; // { method, path, body, csrf }
  isSignedIn = true;
  isDown = false;
  delayMs = 0;
  csrf = bytes(24);
  /** Of a route: (body) => answer; throw { status, code } to refuse. */
  routes = {};
  details = {};
  mp4 = null;
  me = { member: { id: 1, name: "Ana", role: "owner" }, home: "14 Linden Row", needs_second_passkey: false, camera_mode: "on", is_demo: false, recovery_until: null };
  jobs = [];
  visits = [];
  nextVisits = null;
  people = {
    members: [{ id: 1, name: "Ana", role: "owner", since: "2026-11-01T09:00:00.000Z" }, { id: 2, name: "Ben", role: "occupant", since: "2026-11-02T10:00:00.000Z" }],
    passkeys: [
      { number: 1, member: 1, label: "Ana's phone", added: "2026-11-01T09:00:00.000Z", used: "2026-11-20T07:30:00.000Z", synced: true },
      { number: 2, member: 1, label: "Key on the key ring", added: "2026-11-01T09:05:00.000Z", used: null, synced: false },
      { number: 3, member: 2, label: "Android phone", added: "2026-11-02T10:00:00.000Z", used: "2026-11-19T18:00:00.000Z", synced: true },
    ],
    invitations: [{ number: 4, name: "Marta", role: "occupant", until: "2026-11-29T12:00:00.000Z" }],
    agencies: [{ id: "a".repeat(32), name: "Acme", stopped: false }, { id: "b".repeat(32), name: "Northway", stopped: true }],
    epoch: 3,
    recovery_until: null,
  };
  expected = [];
  grants = { agencies: [], grants: [], epoch: 7, restored: false };
  zone = "UTC";
  waitMs = 600000;
  /** The stand-in at its worst: changes the fields of what is to be signed, its bytes, or the answer as a whole. */
  forge = null;
  forgeBytes = null;
  forgeBegun = null;
  begun = new Map(); // challenge -> { act, fields, body }
  looks = [];
  drills = [];
  alerts = { vapid_key: bytes(65), places: [], ntfy: false };
  params = PARAMS.map(([field, value, floor, ceiling]) => ({ field, value, default: value, floor, ceiling }));

  constructor(built, ours = []) {
    super(built.files, ours);
  }

  async start(port = 0) {
    this.server = http.createServer((q, a) => void this.serve(q, a));
    this.server.keepAliveTimeout = 1000;
    this.server.on("connection", (s) => {
      this.sockets.add(s);
      s.on("close", () => this.sockets.delete(s));
    });
    this.server.on("upgrade", (req, socket) => {
      if (!this.isSignedIn || this.isDown) socket.destroy();
      else this.upgrade(req, socket);
    });
    await new Promise((r) => this.server.listen(port, "127.0.0.1", r));
    this.port = this.server.address().port;
    this.origin = `http://home1.localhost:${this.port}`;
    this.timer = setInterval(() => this.newNonce(), 500);
    return this;
  }

  /** Pages that are still open dial on and on: they find nobody. */
  stop() {
    this.isDown = true;
    for (const s of this.sockets) s.destroy();
    return super.stop();
  }

  async serve(q, a) {
    const path = q.url.split("?")[0];
    if (this.isDown) return void q.socket.destroy();
    if (path.startsWith("/api/")) return this.api(q, a, path);
    if (path.startsWith("/recordings/")) {
      if (!this.mp4) return void a.writeHead(404).end();
      return void a.writeHead(200, { "content-type": "video/mp4", "cache-control": "no-store" }).end(this.mp4);
    }
    const name = path === "/" ? "/index.html" : this.files.has(path) ? path : `${path}.html`;
    const f = this.files.get(name);
    if (!this.isSignedIn && !f?.open) return void a.writeHead(303, { location: "/signin" }).end();
    if (!f) return void a.writeHead(404).end("no such page");
    a.writeHead(200, { "content-type": f.type, "cache-control": "no-cache", "content-security-policy": CSP, "service-worker-allowed": "/" });
    a.end(f.bytes);
  }

  async api(q, a, path) {
    let text = "";
    for await (const d of q) text += d;
    const body = text === "" ? null : JSON.parse(text);
    this.requests.push({ method: q.method, path, body, csrf: q.headers["x-doorward-csrf"] ?? "" });
    if (this.delayMs) await new Promise((r) => setTimeout(r, this.delayMs));
    const say = (status, x) => a.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" }).end(JSON.stringify(x));
    if (!this.isSignedIn && !OPEN.includes(path)) return say(401, { code: "signed_out" });
    if (this.isSignedIn && q.method !== "GET" && !OPEN.includes(path) && q.headers["x-doorward-csrf"] !== this.csrf) return say(403, { code: "csrf" });
    try {
      const f = this.routes[path];
      say(200, f ? ((await f(body, q)) ?? {}) : await this.answer(path, body, new URL(q.url, this.origin)));
    } catch (e) {
      say(e.status ?? 500, { code: e.code ?? "storage", detail: String(e.message ?? "") });
    }
  }

  answer(path, body) {
    if (path.startsWith("/api/visits/")) {
      const id = path.split("/")[3];
      const v = this.visits.find((x) => x.visit === id);
      if (!v) throw { status: 404, code: "not_found" };
      return { ...v, lines: this.details[id]?.lines ?? [], viewers: this.details[id]?.viewers ?? [] };
    }
    const challenge = () => ({ challenge: bytes(32), rp_id: "home1.localhost" });
    switch (path) {
      case "/api/me": return { ...this.me, csrf: this.csrf };
      case "/api/jobs": return { jobs: this.jobs };
      case "/api/history": return { visits: this.visits, next: this.nextVisits };
      case "/api/people": return this.people;
      case "/api/settings": return { params: this.params, camera_mode: this.me.camera_mode, door_names: ["Front door"] };
      case "/api/viewers": return { viewers: this.looks };
      case "/api/drills": return { drills: this.drills };
      case "/api/alerts": return body === null ? this.alerts : {};
      case "/api/signin/begin": return { ...challenge(), ...(this.allow ? { allow: this.allow } : {}) };
      case "/api/acts/begin": return this.begin(body);
      case "/api/acts/finish": return this.finish(body);
      case "/api/grants": return this.grants;
      case "/api/grants/revoke": case "/api/grants/veto": return this.end(body.id, path.endsWith("veto") ? "vetoed" : "revoked");
      case "/api/expected":
        if (body === null) return { items: this.expected };
        this.expected.push({ code: body.code.replaceAll(" ", ""), note: body.note ?? "", member: this.me.member.id, at: iso(Date.now()) });
        return {};
      case "/api/expected/remove": this.expected = this.expected.filter((x) => x.code !== body.code); return {};
      case "/api/owner": if (body.word === "let_in_again") this.grants.restored = false; return {};
      case "/api/signin/finish": this.isSignedIn = true; return { member: this.me.member };
      case "/api/join/look": return { name: "Ben", role: "occupant", until: "2026-11-29T12:00:00.000Z", is_first: false, home: this.me.home };
      case "/api/join/begin": return { ...challenge(), user: bytes(16), name: "Ben", role: "occupant" };
      case "/api/join/finish": this.isSignedIn = true; return { member: { id: 2, name: "Ben", role: "occupant" } };
      case "/api/signout": case "/api/signout_everywhere": this.isSignedIn = false; return {};
      case "/api/mode": this.me.camera_mode = body.mode; return {};
      case "/api/recover/stop": this.me.recovery_until = null; this.people.recovery_until = null; return {};
      default: return {};
    }
  }

  /** What the hub writes for an act, and the challenge that is made of it. */
  begin(body) {
    const hub = sha("hub");
    const nonce = randomBytes(32);
    const number = (n) => Buffer.from(Number(n).toString(16).padStart(32, "0"), "hex");
    let fields;
    const isGrant = body.act === "grant";
    if (isGrant) {
      const guest = this.people.members.find((m) => m.role === "guest" && m.id === body.guest);
      const a = guest ? { name: guest.name, hosted: false, thumb: Buffer.from(guest.key_thumb, "hex") } : this.grants.agencies.find((x) => x.id === body.agency);
      if (!a || (guest && body.kind !== "stay")) throw { status: 404, code: "no_such" };
      const from = midnightOf(Date.now());
      fields = new Map([
        [1, sha("owner")], [2, a.thumb ?? Buffer.concat([Buffer.from(a.key, "hex"), sha(a.id).subarray(8)])], [3, hub], [4, from + body.days * 86400], [5, from], [7, randomBytes(16)],
        [-70200, this.zone], [-70203, a.name], [-70204, ["drop", "stay"].indexOf(body.kind)], [-70205, 0], [-70207, body.dwell_ms], [-70213, 2], [-70270, nonce], [-70271, this.grants.epoch],
        [-70272, body.windows.map((w) => [w.from, w.minutes])], [-70273, body.uses], [-70274, body.per_day], [-70275, 0], [-70276, ["ask", "veto", "notify"].indexOf(body.mode)], [-70277, a.hosted],
      ]);
    } else {
      const thumb = body.key ? sha(Buffer.from("a301012006215820", "hex"), Buffer.from(body.key, "hex")) : null;
      const target = thumb ? thumb.subarray(0, 16) : body.act === "allow_agency" ? Buffer.from(body.id, "hex") : number(body.member ?? body.number ?? 0);
      const value = thumb ? thumb.readBigUInt64BE(16) : body.act === "invite" ? ROLES.indexOf(body.role) : (body.value ?? 0);
      fields = new Map([[3, hub], [-70270, nonce], [-70271, this.grants.epoch], [-70288, ACTS.indexOf(body.act)], [-70289, target], [-70290, value], [-70291, body.name ?? body.field ?? ""]]);
    }
    this.forge?.(fields);
    let b = cbor(fields);
    if (this.forgeBytes) b = this.forgeBytes(b);
    const challenge = challengeOf(isGrant ? "doorward/grant/1" : "doorward/control/1", b).toString("base64url");
    this.begun.set(challenge, { act: body.act, fields, body });
    const begun = { challenge, rp_id: "home1.localhost", bytes: b.toString("base64url"), ...(this.allow ? { allow: this.allow } : {}), ...(isGrant ? { credential: this.credential } : {}) };
    this.forgeBegun?.(begun);
    return begun;
  }

  finish(body) {
    const b = this.begun.get(body.challenge);
    if (!b) throw { status: 409, code: "challenge" };
    this.begun.delete(body.challenge);
    if (b.act === "invite" && b.body.role === "guest") return this.inviteGuest(b.body.name);
    if (b.act === "remove_member") this.removeMember(b.body.member);
    if (b.act !== "grant") return {};
    if (body.id !== this.credential) throw { status: 403, code: "passkey" };
    const g = this.addGrant(b.body.agency ?? null, {
      ...(b.body.guest ? { guest: b.body.guest } : {}),
      id: Buffer.from(b.fields.get(7)).toString("hex"), kind: b.body.kind, windows: b.body.windows, uses: b.body.uses, per_day: b.body.per_day, dwell_ms: b.body.dwell_ms, mode: b.body.mode,
      to: iso(b.fields.get(4) * 1000), state: this.waitMs ? "waiting" : "live", live_at: iso(Date.now() + this.waitMs),
    });
    return { grant: g.id };
  }

  /** Takes a grant away, as the guard does: at once, and stored before it is answered. */
  end(id, state) {
    const g = this.grants.grants.find((x) => x.id === id);
    if (!g) throw { status: 404, code: "no_such" };
    Object.assign(g, { state, over_at: iso(Date.now()), over_stored: true });
    this.grants.epoch++;
    return { epoch: this.grants.epoch, at: g.over_at };
  }

  addAgency(more = {}) {
    const a = { id: hex(16), name: "Acme Parcels", hosted: false, key: hex(8), waiting: true, asked_at: iso(Date.now() - 1200000), ...more };
    this.grants.agencies.push(a);
    return a;
  }

  inviteGuest(name) {
    const until = iso(Date.now() + 72 * 3600000);
    this.people.invitations.push({ number: 90 + this.people.invitations.length, name, role: "guest", until });
    return { link: `${this.origin}/join#${"k".repeat(43)}`, until };
  }
  /** The link was opened: a guest with a passkey. */
  addGuest(name, { label = "iPhone", thumb = hex(32) } = {}) {
    const m = { id: Math.max(...this.people.members.map((x) => x.id)) + 1, name, role: "guest", since: iso(Date.now()), key_thumb: thumb };
    this.people.invitations = this.people.invitations.filter((i) => i.name !== name);
    this.people.members.push(m);
    this.people.passkeys.push({ number: 50 + m.id, member: m.id, label, added: iso(new Date().setHours(14, 2, 0, 0)), used: null, synced: true });
    return m;
  }
  removeMember(id) {
    for (const key of ["members", "passkeys"]) this.people[key] = this.people[key].filter((x) => (x.member ?? x.id) !== id);
    for (const g of this.grants.grants) if (g.guest === id) this.end(g.id, "revoked");
  }

  addGrant(agency, more = {}) {
    const a = agency === null ? { name: this.people.members.find((m) => m.id === more.guest).name, hosted: false } : this.grants.agencies.find((x) => x.id === agency);
    a.waiting = false;
    const g = {
      id: hex(16), agency, name: a.name, hosted: a.hosted, kind: "drop", windows: [0, 1, 2, 3, 4].map((d) => ({ from: d * 1440 + 480, minutes: 600 })), zone: this.zone, from: iso(midnightOf(Date.now()) * 1000),
      to: iso((midnightOf(Date.now()) + 30 * 86400) * 1000), door: "Front door", door_number: 0, uses: 50, used: 7, used_today: 1, per_day: 2, dwell_ms: 60000, camera: "k2", mode: "veto", state: "live",
      live_at: iso(Date.now() - 86400000), over_at: null, over_stored: false, signed_by: 1, signed_at: iso(Date.now() - 87000000), ...more,
    };
    this.grants.grants.push(g);
    return g;
  }

  asksOf(path) {
    return this.requests.filter((r) => r.path === path);
  }
  /** The session is over on the hub's side. */
  signOut() {
    this.isSignedIn = false;
    for (const s of this.screens) s.close(4401, "signed out");
  }

  addJob(more = {}) {
    const j = {
      id: hex(16), kind: "drop", state: "expected", agency: "Acme", agency_id: "a".repeat(32), agency_stopped: false, visitor: "Stewart",
      screening: { issuer: "Screen Ltd", kind: "basic", from: "2026-01-01", to: "2027-01-01" }, date: today(), from: "10:00", to: "14:00", zone: "UTC", door: "Front door", notes: "",
      parcels: 1, parcels_used: 0, dwell_ms: 60000, place: null, needs_yes: false, mode: "notify", ...more,
    };
    this.jobs.push(j);
    return j;
  }

  addVisit(more = {}) {
    const at = more.at ?? Date.now() - 600000;
    const v = {
      visit: hex(8), kind: "drop", visitor: "Omar", agency: "Acme", is_owner: false, member: null, asked_at: iso(at), opened_at: iso(at + 6000), secured_at: iso(at + 24000),
      inside_ms: 18000, outcome: "OK", check: null, gap_ms: 0, blind_ms: 0, alarms: [], has_recording: true, ...more,
    };
    delete v.at;
    this.visits.unshift(v);
    const lines = [];
    const line = (ms, kind, value = 0, value2 = 0, word = undefined, member = null) => lines.push({ number: lines.length + 1, at: iso(at + ms), utc: at + ms, kind, value, value2, member, ...(word ? { word } : {}) });
    line(0, "visit_asked");
    if (v.outcome === "REFUSED") {
      line(900, "visit_refused", 1, 0, v.check);
    } else {
      line(4000, "unlock_intent");
      line(5000, "lock_state", 2 | (1 << 8), 0, "retracted");
      line(6000, "opening", 0, 0, "visitor");
      line(6000, "lock_state", 2 | (2 << 8), 0, "retracted");
      if (v.blind_ms) {
        line(14500, "camera_state", 3, 500, "blind");
        line(14000 + v.blind_ms, "camera_state", 1, 80, "live");
        for (const a of v.alarms) line(16000, "alarm", 1, 0, a);
      }
      line(21000, "lock_state", 2 | (1 << 8), 0, "retracted");
      line(24000, "lock_state", 1 | (1 << 8) | (1 << 16), 0, "thrown");
      line(24000, "secured");
      line(24100, "visit_ended", 2, v.gap_ms, v.outcome);
    }
    this.details[v.visit] = { lines, viewers: v.outcome === "REFUSED" ? [] : [{ member: 1, what: "live", visit: v.visit, from: iso(at + 6000), to: iso(at + 30000) }, { member: 2, what: "recording", visit: v.visit, from: iso(at + 60000), to: iso(at + 90000) }] };
    return v;
  }
}
