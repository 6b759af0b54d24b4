// A stand-in for the hub as a guest's phone sees it (docs/design/guests.md): it signs manifest, offer and receipt with its own
// key, and looks at the passkey's word over a stop as a hub does.
import { randomBytes } from "node:crypto";
import { cbor } from "../../sim/demo/cbor.mjs";
import { jobBytes, sha256, stopBytes } from "../../sim/demo/authority.mjs";
import { ALL_CHECKS, CourierKey, HubKey } from "./courier_rig.mjs";
import { Home, hex } from "./household_rig.mjs";

const b64 = (b) => Buffer.from(b).toString("base64url");
const iso = (ms) => new Date(ms).toISOString();
const NO_AGENCY = Buffer.alloc(16);
export const FIRST_PASSED = ["wrong_home", "no_such_job", "not_assigned", "no_permission", "too_early", "too_late", "clock"];
const OUTCOMES = ["NONE", "REFUSED", "OK", "SECURED_WITH_GAP", "SECURED_TAMPERED", "SECURED_UNCONFIRMED", "NOT_SECURED", "NOT_OPENED", "ABORTED"];

export class GuestHome extends Home {
  hub = new HubKey();
  passkey = Object.assign(new CourierKey(), { rpId: "home1.localhost" });
  guest = { id: 7, name: "Maria" };
  guestState = "none";
  guestGrants = [];
  visit = null;
  proofs = [];
  asked = [];
  leaves = 0;
  /** What a question gets instead: { status, code }. */
  refuses = null;
  onAsk = () => undefined;
  #waiting = new Set();

  /** A key for this week, all of it; `more` is what a test says otherwise. */
  giveKey(more = {}) {
    const g = {
      id: hex(16), from: iso(Date.now() - 3600000), to: iso(new Date().setUTCHours(24, 0, 0, 0) + 6 * 86400000), windows: [{ from: 0, minutes: 10080 }], zone: "UTC", uses: 5, used: 1, used_today: 0,
      per_day: 2, dwell_ms: 60000, mode: "notify", state: "live", live_at: iso(Date.now() - 60000), over_at: null, ...more,
    };
    this.guestGrants.push(g);
    this.guestState = more.state && more.state !== "live" ? "none" : "can_ask";
    return g;
  }

  stop() {
    for (const w of this.#waiting) w();
    return super.stop();
  }

  answer(path, body, url) {
    switch (path) {
      case "/api/me": return { member: { ...this.guest, role: "guest" }, csrf: this.csrf, home: this.me.home, rp_id: "home1.localhost", credential: b64(this.passkey.id), hub_pub: b64(this.hub.pub) };
      case "/api/join/look": return { name: "Maria", role: "guest", until: "2026-11-29T12:00:00.000Z", is_first: false, home: this.me.home };
      case "/api/join/finish": this.isSignedIn = true; return { member: { ...this.guest, role: "guest" } };
      case "/api/guest": return { now: iso(Date.now()), door: "Front door", state: this.guestState, grants: this.guestGrants, visit: this.visit && this.told() };
      case "/api/guest/ask": return this.ask(body);
      case "/api/guest/open": return this.open(body);
      case "/api/guest/leave": this.leaves++; return {};
      case "/api/guest/visit": return this.news(url);
      case "/api/signin/begin": case "/api/signin/finish": case "/api/join/begin": case "/api/signout": return super.answer(path, body);
      default: throw { status: 403, code: "role" };
    }
  }

  ask({ nonce }) {
    if (this.refuses) throw this.refuses;
    this.asked.push(nonce);
    const isFurther = this.visit?.state === "between";
    this.visit = {
      visit: isFurther ? this.visit.visit : hex(8), nonce, offer: null, manifest: null, hub_pub: b64(this.hub.pub), check: null, passed: [], failed_checks: [], state: "none", alarms: [], receipt: null,
      expires_ms: null, news: (this.visit?.news ?? 0) + 1, job: this.visit?.job ?? randomBytes(16), hubNonce: null,
    };
    this.visit.manifest = b64(this.manifest(this.visit));
    // As the hub does it: the question is there before the door has heard of it.
    const v = this.visit;
    setTimeout(() => {
      if (this.visit !== v || v.state !== "none") return;
      this.tell({ passed: [...FIRST_PASSED], state: "checking" });
      this.onAsk(v);
    }, 40);
    return { visit: v.visit };
  }
  /** `more`: parts of the job that are otherwise. */
  manifest(v, { hub = this.hub, ...more } = {}) {
    const now = Math.floor(Date.now() / 1000), day = Math.floor(now / 86400);
    const job = jobBytes({ hub: hub.thumb, from: now - 3600, until: now + 3600, id: v.job, agency: NO_AGENCY, agencyName: "", openings: 8, kind: 1, window: [day, 0, 1440],
      visitor: Buffer.from(this.guest.id.toString(16).padStart(32, "0"), "hex"), visitorName: this.guest.name, ...more });
    return hub.sign("doorward/manifest/1", "doorward-manifest+cwt", cbor(new Map([[3, hub.thumb], [7, Buffer.from(this.guestGrants[0]?.id ?? hex(16), "hex")], [-70284, job]])));
  }
  told() {
    const { job, hubNonce, ...v } = this.visit;
    return v;
  }
  tell(part) {
    Object.assign(this.visit, part);
    this.visit.news++;
    for (const w of [...this.#waiting]) w();
  }
  /** `forge`: what the answer says otherwise; `offer`: what is signed otherwise. */
  ready(forge = {}, offer = {}) {
    const v = this.visit;
    v.hubNonce = randomBytes(32);
    this.tell({ state: "ready", passed: [...ALL_CHECKS], expires_ms: 15000, offer: b64(this.hub.offer({ visit: v.visit, nonce: v.nonce, hubNonce: v.hubNonce, ...offer })), ...forge });
  }
  refuse(check) {
    this.tell({ state: "refused", check, failed_checks: [check] });
  }
  end(outcome, { forge = {}, key = this.hub, state = "ended" } = {}) {
    const n = OUTCOMES.indexOf(outcome);
    const v = this.visit;
    this.tell({ state, receipt: b64(key.receipt({ visit: v.visit, nonce: v.nonce, outcome: n, opened: Date.now() - 18000, secured: [2, 3, 4, 7].includes(n) ? Date.now() : 0, inside: 16200, ...forge })) });
  }
  stopOf(v) {
    return stopBytes({ hub: this.hub.thumb, manifest: sha256(Buffer.from(v.manifest, "base64url")), hubNonce: v.hubNonce, visit: BigInt(`0x${v.visit}`), door: 0, courierNonce: Buffer.from(v.nonce, "hex") });
  }
  open(body) {
    const v = this.visit;
    if (v?.state !== "ready") throw { status: 409, code: "not_ready" };
    const why = this.passkey.looks(body, this.origin, this.stopOf(v));
    this.proofs.push(why);
    if (why) throw { status: 403, code: "stop" };
    this.tell({ state: "recording" });
    return {};
  }
  async news(url) {
    if (!this.visit) throw { status: 404, code: "not_found" };
    const since = Number(url.searchParams.get("since") ?? -1), wait = Number(url.searchParams.get("wait_ms") ?? 0);
    if (wait && this.visit.news === since) {
      await new Promise((done) => {
        const end = () => {
          clearTimeout(timer);
          this.#waiting.delete(end);
          done();
        };
        const timer = setTimeout(end, wait);
        this.#waiting.add(end);
      });
    }
    if (!this.visit) throw { status: 404, code: "not_found" };
    return this.told();
  }
  /** The hub began anew. */
  forgetVisit() {
    this.visit = null;
    for (const w of [...this.#waiting]) w();
  }
}
