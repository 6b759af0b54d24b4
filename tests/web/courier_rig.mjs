// A stand-in for the service, for the courier's and the agency's pages: the built files, and the routes of
// docs/service/openapi.json with answers that a test sets. It signs as an agency and as a hub, and looks at a passkey's word
// over a stop as a hub does.
import { execFileSync } from "node:child_process";
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from "node:crypto";
import { mkdtempSync, readFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Agency, STOP_CONTEXT, challengeOf, jobBytes, sha256, stopBytes } from "../../sim/demo/authority.mjs";
import { cbor } from "../../sim/demo/cbor.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const web = process.env.DW_WEB ?? join(here, "../../web");
const CSP = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; worker-src 'self'; img-src 'self'; media-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export function buildPages() {
  const folder = mkdtempSync(join(process.env.TMPDIR ?? tmpdir(), "dw-pages-"));
  execFileSync(process.execPath, [join(web, "build.mjs"), "service", join(folder, "assets.c"), "--folder", join(folder, "files")]);
  return join(folder, "files");
}

const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

export class HubKey {
  constructor() {
    this.secret = createPrivateKey({ key: Buffer.concat([PKCS8, randomBytes(32)]), format: "der", type: "pkcs8" });
    this.pub = Buffer.from(createPublicKey(this.secret).export({ format: "jwk" }).x, "base64url");
    this.thumb = createHash("sha256").update(cbor(new Map([[1, 1], [-1, 6], [-2, this.pub]]))).digest();
  }
  sign(context, typ, payload) {
    const prot = cbor(new Map([[1, -8], [4, this.thumb.subarray(0, 8)], [16, typ]]));
    const sig = sign(null, cbor(["Signature1", prot, Buffer.from(context), payload]), this.secret);
    return Buffer.concat([Buffer.from([0xd2]), cbor([prot, new Map(), payload, sig])]);
  }
  /** Ready, for this question; `more` is what a forger writes otherwise. */
  offer({ visit, nonce, hubNonce, check = 0, thumb = this.thumb, context = "doorward/offer/1", typ = "doorward-offer+cwt" }) {
    return this.sign(context, typ, cbor(new Map([
      [3, thumb], [10, hubNonce], [-70008, BigInt(`0x${visit}`)], [-70220, Buffer.from(nonce, "hex")], [-70224, check], [-70225, [2, 3, 4]], [-70238, 15000],
    ])));
  }
  receipt({ visit, nonce, outcome = 2, check = 0, gap = 0, opened = 0, secured = 0, inside = 0, evidence = 2, leaf = 4711, later = false, context = "doorward/receipt/1" }) {
    return this.sign(context, "doorward-receipt+cwt", cbor(new Map([
      [3, this.thumb], [-70008, BigInt(`0x${visit}`)], [-70220, Buffer.from(nonce, "hex")], [-70224, check], [-70231, outcome], [-70232, gap],
      [-70233, [opened, opened && opened + 20, secured, secured && secured + 20]], [-70234, inside], [-70235, evidence], [-70236, leaf], [-70237, later],
    ])));
  }
}

// ---- the courier's passkey ----

/** Lets a page of Chromium hold passkeys: { id, pair (P-256), rpId, count }. */
export async function hold(page, ...keys) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", { options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } });
  for (const key of keys) {
    await cdp.send("WebAuthn.addCredential", { authenticatorId, credential: {
      credentialId: key.id.toString("base64"), isResidentCredential: true, rpId: key.rpId, userHandle: key.id.subarray(0, 16).toString("base64"),
      privateKey: key.pair.privateKey.export({ format: "der", type: "pkcs8" }).toString("base64"), signCount: key.count,
    } });
  }
  return {
    /** Whether a person is there who shows finger or face. */
    person: (isUserVerified) => cdp.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified }),
    /** Nobody touches it: the question stays open. */
    nobody: () => cdp.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId, enabled: false }),
  };
}

/** A courier's passkey that we can check. */
export class CourierKey {
  id = randomBytes(32);
  rpId = "service.localhost";
  count = 0;
  pair = generateKeyPairSync("ec", { namedCurve: "P-256" });

  into(page) {
    return hold(page, this);
  }
  /** Why this assertion is not this passkey's word over `bytes`; "" when it is. */
  looks(body, origin, bytes) {
    const raw = (s) => Buffer.from(s, "base64url");
    if (Object.keys(body).sort().join() !== "auth_data,client_data,id,signature") return "fields";
    const client = JSON.parse(raw(body.client_data)), auth = raw(body.auth_data);
    if (!raw(body.id).equals(this.id)) return "another passkey";
    if (client.type !== "webauthn.get" || client.origin !== origin || client.crossOrigin) return "another page";
    if (client.challenge !== challengeOf(STOP_CONTEXT, bytes)) return "another challenge";
    if (!auth.subarray(0, 32).equals(sha256(this.rpId)) || (auth[32] & 5) !== 5) return "not verified";
    return verify("sha256", Buffer.concat([auth, sha256(raw(body.client_data))]), this.pair.publicKey, raw(body.signature)) ? "" : "signature";
  }
}

// ---- the service ----

const OUTCOMES = ["NONE", "REFUSED", "OK", "SECURED_WITH_GAP", "SECURED_TAMPERED", "SECURED_UNCONFIRMED", "NOT_SECURED", "NOT_OPENED", "ABORTED"];
export const ALL_CHECKS = ["bad_message", "wrong_home", "wrong_door", "no_such_job", "not_assigned", "screening", "wrong_parcel", "parcel_used",
  "no_permission", "too_early", "too_late", "clock", "location", "other_visit", "lock_class", "lock_unreachable", "lock_relock", "door_not_closed",
  "bolt_not_thrown", "lock_battery", "unaccounted_opening", "camera_class", "camera_not_live", "camera_frozen", "camera_covered", "camera_tampered",
  "disk_full", "record", "proof", "too_slow", "ended_by_household", "hub_unreachable"];
const SERVICE_PASSED = ["wrong_home", "wrong_door", "no_such_job", "not_assigned", "screening", "wrong_parcel", "parcel_used", "no_permission", "too_early", "too_late"];
const today = () => new Date().toISOString().slice(0, 10);
const hex = (n) => randomBytes(n).toString("hex");

export class Service {
  jobs = [];
  visits = [];
  visitors = [];
  homes = []; // as an agency sees them
  waiting = []; // for the agency's signer
  /** What planning a stop is refused with: { status, code, detail }. */
  planned = null;
  screenings = {};
  asked = []; // every POST that arrived: { path, key, body }
  answered = new Map(); // Idempotency-Key -> answer
  role = "visitor";
  isSignedOut = false;
  isDown = false;
  delayMs = 0;
  /** What a question at the door gets. */
  onAsk = (visit) => visit;
  onOpen = () => undefined;
  /** Changes what the visitor's /v1/me says. */
  me = {};
  /** Of each slide: "" or why a hub would not take it. */
  proofs = [];
  /** Jobs that were asked for one by one, for their manifest; and what is given for it instead. */
  fetched = [];
  forged = null;
  #waiting = new Set();

  static async start(files) {
    const s = new Service();
    s.files = files;
    s.list = JSON.parse(readFileSync(join(files, "files.json"), "utf8"));
    s.hub = new HubKey();
    s.agency = new Agency({ id: Buffer.from("a".repeat(32), "hex"), name: "Acme Parcel" });
    s.passkey = new CourierKey();
    s.server = http.createServer((q, a) => void s.#serve(q, a));
    s.server.keepAliveTimeout = 1000;
    await new Promise((r) => s.server.listen(0, "127.0.0.1", r));
    s.port = s.server.address().port;
    s.origin = `http://service.localhost:${s.port}`;
    return s;
  }
  stop() {
    for (const w of this.#waiting) w();
    this.server.closeAllConnections();
    return new Promise((r) => this.server.close(r));
  }

  addJob(more = {}) {
    const job = {
      id: hex(16), home: hex(16), home_name: "14 Linden Row", agency: "a".repeat(32), kind: "drop", door: 0,
      parcels: [{ barcode: "ACM4471092813", state: "open", visit: null }], window: { date: today(), from: "00:00", to: "24:00" }, zone: "UTC",
      notes: "", places: ["hall", "locker", "doorstep"], visitor: "b".repeat(32), revision: 1, state: "open", created: new Date().toISOString(),
      hub_pub: this.hub.pub.toString("base64url"), house_notes: [], place: null, wished: null, wished_window: null, ...more,
    };
    this.jobs.push(job);
    return job;
  }
  addHome({ grant = null, grants = grant ? [grant] : [], ...more } = {}) {
    const home = { id: hex(16), state: "enrolled", zone: grants.length > 0 ? "UTC" : null, doors: grants.length > 0 ? [{ door: 0, name: "Front" }] : [], asked: null, revoked: null, ...more,
      grants: grants.map((g) => ({ id: hex(16), from: new Date().toISOString(), to: `${new Date(Date.now() + 30 * 86400000).toISOString().slice(0, 10)}T00:00:00.000Z`, zone: "UTC",
        windows: [0, 1, 2, 3, 4, 5].map((d) => ({ from: d * 1440 + 480, minutes: 720 })), kind: "drop", door: 0, per_day: 2, uses: 50, dwell_ms: 60000, camera: 2, mode: "veto", hosted: false, ...g })) };
    home.grant = home.grants[0] ?? null;
    this.homes.push(home);
    return home;
  }
  newVisit(job, more = {}) {
    const v = {
      id: hex(8), job: job.id, home: job.home, agency: job.agency, visitor: job.visitor, door: 0, barcode: job.parcels[0].barcode, courier_nonce: hex(32),
      state: "checking", outcome: null, check: null, passed: [...SERVICE_PASSED], alarms: [], news: 0, asked: new Date().toISOString(), ready_until: null,
      slid: null, door_confirmed: true, receipt: null, story: [], offer: null, hub_pub: this.hub.pub.toString("base64url"), door_code_hash: "0".repeat(64), ...more,
    };
    v.manifest ??= this.manifest(job).toString("base64url");
    this.visits.push(v);
    return v;
  }
  /** News of a visit: what changed, as the hub would tell. */
  tell(v, part) {
    Object.assign(v, part);
    v.news++;
    v.story.push({ number: v.news, by: "hub", state: v.state, outcome: v.outcome, check: v.check, alarms: v.alarms, at: { time: new Date().toISOString(), uncertain_ms: 10 } });
    for (const w of [...this.#waiting]) w();
  }
  refuse(v, code) {
    this.tell(v, { state: "refused", outcome: "REFUSED", check: { code, text: `text ${code}`, next: `next ${code}` } });
  }
  /** A job as the agency signed it; `more` are parts that are otherwise. */
  manifest(job, { hub = this.hub, agency = this.agency, signer = agency, ...more } = {}) {
    const day = Math.floor(Date.parse(job.window.date) / 86400000), now = Math.floor(Date.now() / 1000);
    const bytes = jobBytes({ hub: hub.thumb, from: now - 3600, until: now + 3600, id: Buffer.from(job.id, "hex"), agency: agency.id, agencyName: agency.name, window: [day, 0, 1440],
      parcels: [randomBytes(32)], visitor: Buffer.from(job.visitor ?? "0".repeat(32), "hex"), visitorName: "Stewart Boyle", door: job.door, ...more });
    return signer.manifest({ hub: hub.thumb, grant: Buffer.alloc(16, 7), job: bytes }).object;
  }
  /** The stop as the hub writes it, from what it knows itself. */
  stopOf(v) {
    return stopBytes({ hub: this.hub.thumb, manifest: sha256(Buffer.from(v.manifest, "base64url")), hubNonce: v.hubNonce, visit: BigInt(`0x${v.id}`), door: v.door,
      courierNonce: Buffer.from(v.courier_nonce, "hex"), doorCode: Buffer.from(v.door_code_hash, "hex") });
  }
  /** `forge`: parts of the visit that a dishonest service gives instead. */
  ready(v, forge = {}) {
    v.hubNonce = randomBytes(32);
    v.offer = this.hub.offer({ visit: v.id, nonce: v.courier_nonce, hubNonce: v.hubNonce }).toString("base64url");
    Object.assign(v, forge);
    this.tell(v, { state: "ready", passed: [...ALL_CHECKS], ready_until: new Date(Date.now() + 15000).toISOString() });
  }
  /** The end, with a receipt; `forge` changes what is signed. */
  end(v, outcome, { state = "ended", forge = {}, key = this.hub } = {}) {
    const number = OUTCOMES.indexOf(outcome);
    const secured = [2, 3, 4, 7].includes(number) ? Date.now() : 0;
    v.signed = key.receipt({ visit: v.id, nonce: v.courier_nonce, outcome: number, opened: Date.now() - 18000, secured, inside: 16200, gap: number === 3 ? 1400 : 0, ...forge });
    this.tell(v, { state, outcome, receipt: { outcome, gap_ms: 0, opened: null, secured: null, inside_ms: 0, lock_class: "A", leaf: 4711, confirmed_later: forge.later ?? false } });
  }
  get latest() {
    return this.visits.at(-1);
  }
  posts(pattern) {
    return this.asked.filter((a) => pattern.test(a.path));
  }

  async #serve(q, a) {
    const url = new URL(q.url, this.origin);
    const parts = [];
    for await (const d of q) parts.push(d);
    if (this.isDown) return void q.socket.destroy();
    const body = parts.length ? JSON.parse(Buffer.concat(parts).toString()) : null;
    const answer = (status, value) => {
      if (this.isDown) return void q.socket.destroy();
      a.writeHead(status, { "content-type": "application/json", "cache-control": "no-store", "content-security-policy": CSP });
      a.end(JSON.stringify(value));
    };
    const no = (status, code) => answer(status, { type: "about:blank", status, code, title: code, detail: code, next: "" });
    if (this.delayMs) await new Promise((r) => setTimeout(r, this.delayMs));
    const page = { "/": "/index.html", "/agency": "/agency.html", "/signin": "/signin.html", "/join": "/join.html" }[url.pathname] ?? url.pathname;
    const file = this.list.find((f) => f.path === page);
    if (file) {
      if (this.isSignedOut && !file.open) return void a.writeHead(303, { location: "/signin" }).end();
      a.writeHead(200, { "content-type": file.type, "content-security-policy": CSP, "cache-control": "no-cache", "x-content-type-options": "nosniff" });
      return void a.end(readFileSync(join(this.files, page)));
    }
    if (!url.pathname.startsWith("/v1/")) {
      if (url.pathname === "/signin") return void a.writeHead(200, { "content-type": "text/html", "content-security-policy": CSP }).end("<!doctype html><title>Sign in</title><h1>Sign in</h1>");
      return no(404, "not_found");
    }
    if (this.isSignedOut) return no(401, "signed_out");
    if (q.method !== "GET" && q.headers["x-doorward-csrf"] !== "the-word") return no(403, "csrf");
    const key = q.headers["idempotency-key"];
    if (q.method !== "GET") this.asked.push({ method: q.method, path: url.pathname, key, body });
    if (key && this.answered.has(key)) return answer(200, this.answered.get(key)());
    const answers = (status, get) => {
      if (key) this.answered.set(key, get);
      return answer(status, get());
    };
    const p = url.pathname.split("/").slice(2);
    const flat = ({ story, signed, hubNonce, offer, manifest, hub_pub, door_code_hash, ...v }) => v;
    const full = (v) => {
      const { signed, hubNonce, ...rest } = v;
      return rest;
    };
    if (p[0] === "me") return answer(200, this.role === "visitor"
      ? { role: "visitor", visitor: "b".repeat(32), staff: null, name: "Stewart Boyle", agency: "a".repeat(32), agency_name: "Acme Parcel", csrf: "the-word",
        credential_ids: [this.passkey.id.toString("base64url")], rp_id: "service.localhost", agency_key: this.agency.key.hex, ...this.me }
      : { role: "staff", visitor: null, staff: "c".repeat(32), name: "Dana Cole", agency: "a".repeat(32), agency_name: "Acme Parcel", csrf: "the-word" });
    if (p[0] === "homes" && q.method === "GET") return answer(200, { items: url.searchParams.get("known") === "1" ? this.homes : this.homes.filter((h) => h.grants.length > 0), next: null });
    if (p[0] === "homes") {
      const h = this.homes.find((x) => x.id === p[1]);
      if (!h) return no(404, "not_found");
      h.asked = new Date().toISOString();
      this.waiting.push({ id: hex(16), kind: "introduce", payload: "AA", words: "A household is asked for a grant.", created: h.asked });
      return answers(201, () => ({ home: h.id, state: "unsigned" }));
    }
    if (p[0] === "signing") return answer(200, { items: this.waiting });
    if (p[0] === "jobs" && q.method === "POST") {
      if (this.planned) {
        a.writeHead(this.planned.status, { "content-type": "application/problem+json" });
        return void a.end(JSON.stringify({ type: "about:blank", title: "", next: "", ...this.planned }));
      }
      const job = this.addJob({ ...body, state: "unsigned", parcels: body.parcels.map((barcode) => ({ barcode, state: "open", visit: null })), visitor: body.visitor ?? null });
      this.waiting.push({ id: hex(16), kind: "manifest", payload: "AA", words: "", created: job.created });
      return answers(201, () => job);
    }
    if (p[0] === "jobs" && p[1]) {
      const job = this.jobs.find((j) => j.id === p[1]);
      this.fetched.push(p[1]);
      return job ? answer(200, { ...job, manifest: this.forged ?? (job.state === "open" ? this.manifest(job).toString("base64url") : null) }) : no(404, "not_found");
    }
    if (p[0] === "jobs") return answer(200, { items: this.jobs, next: null });
    if (p[0] === "signout") {
      this.isSignedOut = true;
      return answer(200, {});
    }
    if (p[0] === "visitors") return this.#people(q.method, p, body, answers, no);
    if (p[0] === "visits" && p.length === 1 && q.method === "GET") {
      if (url.searchParams.has("active")) return answer(200, { items: this.visits.filter((v) => v.outcome === null).map(full), next: null });
      if (url.searchParams.has("stuck")) return answer(200, { items: this.visits.filter((v) => ["not_secured", "unconfirmed"].includes(v.state)).map(full), next: null });
      return answer(200, { items: this.visits.map(flat), next: null });
    }
    if (p[0] === "visits" && p.length === 1) {
      const job = this.jobs.find((j) => j.id === body.job);
      if (!job) return no(404, "not_found");
      const same = this.visits.find((x) => x.job === job.id && x.barcode === body.barcode && x.outcome === null);
      if (same) return answers(200, () => full(same)); // under way already
      if (!/^[0-9a-f]{64}$/.test(body.nonce)) return no(422, "missing_field");
      const v = this.newVisit(job, { barcode: body.barcode, courier_nonce: body.nonce, ...(body.door_code ? { door_code_hash: sha256(body.door_code).toString("hex") } : {}) });
      this.onAsk(v, body);
      return answers(201, () => full(v));
    }
    const v = this.visits.find((x) => x.id === p[1]);
    if (!v) return no(404, "not_found");
    if (p[2] === "open") {
      if (v.state !== "ready") return no(409, "not_ready");
      const why = this.passkey.looks(body, this.origin, this.stopOf(v));
      this.proofs.push(why);
      if (why) return no(403, "stop");
      this.tell(v, { state: "sent", slid: new Date().toISOString() });
      this.onOpen(v);
      return answers(200, () => full(v));
    }
    if (p[2] === "leave") {
      if (this.refusesLeaving) return no(503, "busy");
      this.left = v.id;
      return answers(200, () => full(v));
    }
    if (p[2] === "receipt") return v.signed ? answer(200, { hub_pub: this.hub.pub.toString("base64url"), receipt: v.signed.toString("base64url") }) : no(404, "not_found");
    const since = Number(url.searchParams.get("since") ?? -1);
    const wait = Number(url.searchParams.get("wait_ms") ?? 0);
    if (wait && v.news <= since) {
      await new Promise((done) => {
        const end = () => {
          clearTimeout(timer);
          this.#waiting.delete(end);
          done();
        };
        const timer = setTimeout(end, wait);
        this.#waiting.add(end);
        a.once("close", end);
      });
    }
    return answer(200, full(v));
  }

  #people(method, p, body, answers, no) {
    if (p.length === 1 && method === "GET") return answers(200, () => ({ items: this.visitors, next: null }));
    if (p.length === 1) {
      const v = { id: hex(16), agency: "a".repeat(32), name: body.name, active: true, created: new Date().toISOString() };
      this.visitors.push(v);
      return answers(201, () => v);
    }
    const v = this.visitors.find((x) => x.id === p[1]);
    if (!v) return no(404, "not_found");
    if (method === "PATCH") return answers(200, () => Object.assign(v, body));
    if (p[2] === "screenings" && method === "GET") return answers(200, () => ({ items: this.screenings[v.id] ?? [] }));
    if (p[2] === "screenings") {
      const s = { id: hex(16), ...body, created: new Date().toISOString() };
      this.screenings[v.id] = [s, ...(this.screenings[v.id] ?? [])];
      return answers(201, () => s);
    }
    if (p[2] === "invitations") return answers(201, () => ({ link: `${this.origin}/join#${"k".repeat(43)}`, until: new Date(Date.now() + 86400000).toISOString() }));
    return no(404, "not_found");
  }
}
