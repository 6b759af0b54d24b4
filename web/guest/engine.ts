// A guest at the door, as this phone knows it. What is shown follows from what the house answered; a tap asks and never
// changes a state by itself [I33]. Before the passkey is asked, the house's answer is checked as a courier's phone does it:
// with the hub's key as this phone saw it first.

import { Api, Problem } from "../shared/api";
import { type Bytes, fromHex, isSame, toHex } from "../shared/bytes";
import { VerifyKey } from "../shared/cose";
import { PasskeyError, assert, canPasskeys, fromBase64url, toBase64url } from "../shared/passkey";
import { Patience } from "../shared/patience";
import { type Proof, judge } from "../shared/receipt";
import { type Ready, type Why, Untrusted, readManifest, readOffer } from "../shared/stop";
import { type Kept, forget, readKept, writeKept } from "./kept";
import type { GrantOfGuest, Me, Told, Visit } from "./types";

export type Trust =
  | { state: "none" }
  | { state: "checking" }
  | { state: "good"; ready: Ready }
  | { state: "bad"; why: Why | "hub_changed" | "browser" };

const POLL_MS = 8000;
const POLL_LIMIT_MS = 12000;
const ASK_LIMIT_MS = 10000;
/** A slide whose answer does not come is sent again for this long; later the guest slides anew. */
const SLIDE_MS = 10000;
/** How soon the list is asked for again: while something is awaited of the household, and else. */
const SOON_MS = 3000;
const LATER_MS = 15000;
/** No agency has this id: the hub signs for guests itself. */
const NO_AGENCY = "0".repeat(32);
const NO_DOOR_CODE = new Uint8Array(32);
/** What the house may say of a confirmation; it can be given anew. */
const OF_PASSKEY = ["passkey", "user_verification", "origin", "stop", "proof"];

class Changed extends Error {}

/** Over, for this page: the hub has ended it, whatever came of it. */
export const isOver = (v: Visit): boolean => v.receipt !== null || v.state === "refused" || v.state === "ended";

export class Guest {
  readonly api = new Api();
  readonly patience = new Patience(() => this.changed());
  me: Me | null = null;
  told: Told | null = null;
  visit: Visit | null = null;
  trust: Trust = { state: "none" };
  proof: Proof = { state: "none" };
  /** Why the last slide came to nothing. */
  slip: string | null = null;
  /** The question itself was answered with a no. */
  refusal: Problem | null = null;
  /** A visit that was under way, of which the house knows nothing any more. */
  isLost = false;
  isAsking = false;
  isConfirming = false;
  isSliding = false;
  /** "I am leaving" was said and heard. */
  isLeaving = false;
  /** When this page first saw the visit in its present state. */
  seenAt = 0;

  private kept: Kept = readKept();
  private readonly listeners = new Set<() => void>();
  private run = 0;
  private abort = new AbortController();
  private confirming: AbortController | null = null;
  private trustedFor = "";
  private checkedFor = "";
  private checking: Promise<void> = Promise.resolve();
  /** The house's time less this phone's. */
  private offset = 0;

  onChange(f: () => void): () => void {
    this.listeners.add(f);
    return () => void this.listeners.delete(f);
  }
  private changed(): void {
    for (const f of this.listeners) f();
  }
  private keep(part: Partial<Kept>): void {
    this.kept = { ...this.kept, ...part };
    writeKept(this.kept);
  }

  now(): number {
    return Date.now() + this.offset;
  }
  /** A visit is on the screen. */
  get isBusy(): boolean {
    return this.isAsking || this.visit !== null || this.isLost;
  }
  get cannot(): boolean {
    return !canPasskeys();
  }
  /** The key that the visit uses. */
  get grant(): GrantOfGuest | null {
    const id = this.trust.state === "good" ? this.grantId : null;
    return this.told?.grants.find((g) => g.id === id) ?? null;
  }
  private grantId: string | null = null;

  start(): void {
    this.patience.listen();
    void this.watch();
  }

  private restart(): number {
    this.abort.abort();
    this.abort = new AbortController();
    this.confirming?.abort();
    this.patience.wake();
    return ++this.run;
  }
  private persist<T>(run: number, ask: () => Promise<T>, untilMs = Infinity): Promise<T | undefined> {
    return this.patience.persist(() => run === this.run, ask, untilMs);
  }

  // ---- what I may ----

  /** Who is signed in, then what this guest may: again and again, until there is a visit. */
  private async watch(): Promise<void> {
    const run = this.restart();
    try {
      while (run === this.run) {
        if (!(await this.know(run))) return;
        const told = await this.persist(run, () => this.api.get<Told>("/api/guest", { signal: this.abort.signal }));
        if (!told) return;
        this.hear(told);
        const v = told.visit;
        if (v && this.isToShow(v)) {
          this.take(v);
          return void this.follow();
        }
        this.changed();
        await this.patience.rest(told.state === "can_ask" ? LATER_MS : SOON_MS);
      }
    } catch (e) {
      if (run !== this.run) return;
      this.refusal = e instanceof Problem ? e : new Problem(0, "internal", String(e), "");
      this.changed();
    }
  }
  private isToShow(v: Visit): boolean {
    if (v.state === "none") return false; // of before the hub began anew
    return isOver(v) ? v.visit === this.kept.visit && v.visit !== this.kept.seen : true;
  }
  private hear(told: Told): void {
    this.told = told;
    if (told.state === "waits_for_yes") this.refusal = null; // the question was one to the household
    const now = Date.parse(told.now ?? "");
    if (Number.isFinite(now)) this.offset = now - Date.now();
  }
  private async know(run: number): Promise<boolean> {
    if (this.me) return true;
    const me = await this.persist(run, () => this.api.get<Me>("/api/me", { signal: this.abort.signal }));
    if (!me) return false;
    if (me.member.role !== "guest") {
      location.replace("/"); // who lives here has a page of their own
      return false;
    }
    this.me = me;
    this.api.csrf = me.csrf;
    if (this.kept.hub === null && me.hub_pub) this.keep({ hub: me.hub_pub });
    this.changed();
    return true;
  }

  /** Looks anew at what this guest may, now. */
  look(): void {
    this.refusal = null;
    this.changed();
    void this.watch();
  }

  async signOut(): Promise<void> {
    this.restart();
    await this.api.post("/api/signout").catch(() => undefined);
    forget();
    location.replace("/signin");
  }

  // ---- the question at the door ----

  /** At the door; and within a stay, for the next opening. */
  async ask(): Promise<void> {
    if (this.isAsking) return; // a second tap
    const nonce = toHex(crypto.getRandomValues(new Uint8Array(32)));
    const before = this.visit;
    this.isAsking = true;
    this.isLost = false;
    this.refusal = null;
    this.visit = null;
    this.proof = { state: "none" };
    this.forgetTrust();
    this.keep({ mine: [nonce, ...this.kept.mine] });
    const run = this.restart();
    this.changed();
    try {
      const r = await this.persist(run, () => this.api.post<{ visit: string }>("/api/guest/ask", { nonce }, { timeoutMs: ASK_LIMIT_MS, signal: this.abort.signal }));
      if (!r) return;
      this.keep({ visit: r.visit, seen: null });
      this.isAsking = false;
      void this.follow();
    } catch (e) {
      if (run !== this.run) return;
      this.isAsking = false;
      this.refusal = e instanceof Problem ? e : new Problem(0, "internal", String(e), "");
      this.visit = before;
      this.changed();
      void (before && !isOver(before) ? this.follow() : this.watch());
    }
  }

  /** Stops asking; nothing has been opened. What the house still says of it is followed no more. */
  leave(): void {
    if (this.visit) this.keep({ seen: this.visit.visit });
    this.visit = null;
    this.isAsking = false;
    this.isLost = false;
    this.isLeaving = false;
    this.refusal = null;
    this.proof = { state: "none" };
    this.forgetTrust();
    this.changed();
    void this.watch();
  }

  /** "I am leaving": the stay ends when the door is locked. */
  async sayLeaving(): Promise<void> {
    if (this.isLeaving) return;
    this.isLeaving = true;
    this.changed();
    try {
      await this.api.post("/api/guest/leave", {});
    } catch (e) {
      this.isLeaving = false; // not heard: it may be said again
      this.slip = e instanceof Problem ? e.code : "failed";
      this.changed();
    }
  }

  // ---- following ----

  private take(v: Visit): void {
    if (this.visit && this.visit.visit === v.visit && v.news < this.visit.news) return; // a late answer turns nothing back
    if (this.visit?.visit !== v.visit || this.visit.state !== v.state) this.seenAt = Date.now();
    this.visit = v;
    if (v.state !== "ready") {
      this.isSliding = false;
      this.confirming?.abort(); // the time for it is over
    }
    void this.checkTrust(v);
    this.changed();
  }

  private isSettled(v: Visit): boolean {
    if (!isOver(v)) return false;
    if (v.receipt === null) return v.state === "refused"; // else the hub's word comes after the end
    return this.proof.state === "bad" || this.proof.state === "foreign" || (this.proof.state === "verified" && this.proof.receipt.outcome !== "SECURED_UNCONFIRMED");
  }

  private async follow(): Promise<void> {
    const run = this.restart();
    let known = this.visit ? this.visit.news : -1;
    while (run === this.run) {
      try {
        const query = known < 0 ? "" : `?since=${known}&wait_ms=${POLL_MS}`;
        const v = await this.persist(run, () => this.api.get<Visit>(`/api/guest/visit${query}`, { timeoutMs: POLL_LIMIT_MS, signal: this.abort.signal }));
        if (!v) return;
        known = v.news;
        if (await this.isAskedOf(run, v)) return this.leave();
        this.take(v);
        await this.checkReceipt(v);
        if (run !== this.run || this.isSettled(v)) return;
      } catch (e) {
        if (run !== this.run) return;
        return this.lose(e);
      }
    }
  }

  /** A key that asks each time: the first question is one to the household, not a refusal. */
  private async isAskedOf(run: number, v: Visit): Promise<boolean> {
    if (v.state !== "refused" || v.check !== "no_permission") return false;
    const told = await this.persist(run, () => this.api.get<Told>("/api/guest", { signal: this.abort.signal }));
    if (told) this.hear(told);
    if (told?.state !== "waits_for_yes") return false;
    this.keep({ seen: v.visit });
    return true;
  }

  /** The house does not know the visit any more. Before the slide nothing has happened; after it nobody knows. */
  private lose(e: unknown): void {
    const before = this.visit?.state ?? "checking";
    const isHarmless = before === "checking" || before === "ready";
    this.visit = null;
    this.isLost = !isHarmless;
    if (isHarmless) this.refusal = e instanceof Problem ? e : new Problem(0, "internal", String(e), "");
    this.forgetTrust();
    this.changed();
    if (isHarmless) void this.watch();
  }

  private checkReceipt(v: Visit): Promise<void> {
    if (v.receipt === null) return Promise.resolve();
    const name = `${v.visit}/${v.receipt}`;
    if (this.checkedFor !== name) {
      this.checkedFor = name;
      this.checking = this.readReceipt(v, v.receipt);
    }
    return this.checking;
  }
  private async readReceipt(v: Visit, receipt: string): Promise<void> {
    if (this.proof.state === "none") this.proof = { state: "asking" };
    this.changed();
    // Without a key that was kept there is nothing to check with: the receipt is then not called verified.
    this.proof = this.kept.hub === null ? { state: "bad", why: "no key of the hub is kept" } : await judge(v.visit, this.kept.hub, receipt, v.visit === this.kept.visit ? this.kept.mine : null);
    this.changed();
  }

  // ---- who answers ----

  private forgetTrust(): void {
    this.trust = { state: "none" };
    this.trustedFor = "";
    this.slip = null;
  }

  private async checkTrust(v: Visit): Promise<void> {
    if (v.state !== "ready") return;
    const name = `${v.visit}/${v.nonce}/${v.offer}/${v.manifest}/${v.hub_pub}`;
    if (this.trustedFor === name) return;
    this.trustedFor = name;
    this.trust = { state: "checking" };
    let trust: Trust;
    try {
      trust = { state: "good", ready: await this.trustOf(v) };
    } catch (e) {
      trust = { state: "bad", why: e instanceof Untrusted ? e.why : e instanceof Changed ? "hub_changed" : "browser" };
    }
    if (this.trustedFor !== name) return;
    this.trust = trust;
    this.changed();
  }

  private async trustOf(v: Visit): Promise<Ready> {
    const me = this.me;
    if (!me || v.nonce !== this.kept.mine[0] || v.visit !== this.kept.visit) throw new Untrusted("not_asked");
    if (!v.manifest) throw new Untrusted("no_manifest");
    if (!v.offer || !v.hub_pub) throw new Untrusted("no_offer");
    const pub = bytesOf(v.hub_pub, "other_hub");
    if (this.kept.hub === null) this.keep({ hub: toBase64url(pub) });
    if (!isSame(pub, bytesOf(this.kept.hub!, "other_hub"))) throw new Changed();
    const hub = await VerifyKey.of(pub).catch(() => {
      throw new Untrusted("other_hub", "not a key");
    });
    const m = await readManifest(hub, bytesOf(v.manifest, "manifest"));
    const visitor = me.member.id.toString(16).padStart(32, "0");
    if (m.agency !== NO_AGENCY || m.visitor !== visitor) throw new Untrusted("not_yours");
    this.grantId = m.grant;
    return readOffer(m, { visit: v.visit, nonce: v.nonce, job: m.job, agency: NO_AGENCY, visitor, doorCode: NO_DOOR_CODE }, pub, bytesOf(v.offer, "offer"));
  }

  // ---- the slide ----

  /** Asks the passkey over this very stop, and sends what it said. */
  async slide(): Promise<void> {
    const v = this.visit;
    const trust = this.trust;
    const me = this.me;
    if (!v || v.state !== "ready" || this.isSliding || trust.state !== "good" || !me || this.cannot) return;
    this.isSliding = true;
    this.slip = null;
    const run = this.run;
    let isHeard = false;
    this.confirming = new AbortController();
    this.isConfirming = true;
    // Nothing is awaited before this: some browsers ask a passkey only while the touch lasts.
    const asked = assert({ challenge: toBase64url(trust.ready.challenge), rp_id: me.rp_id, ...(me.credential ? { allow: [me.credential] } : {}), signal: this.confirming.signal });
    this.changed();
    try {
      const { challenge: _, ...body } = await asked;
      this.isConfirming = false;
      this.changed();
      const now = this.visit;
      if (run !== this.run || now?.visit !== v.visit || now.state !== "ready" || this.trust !== trust) return;
      const answer = await this.persist(run, () => this.api.post<object>("/api/guest/open", body, { timeoutMs: ASK_LIMIT_MS, signal: this.abort.signal }), Date.now() + SLIDE_MS);
      isHeard = answer !== undefined;
    } catch (e) {
      if (e instanceof PasskeyError) this.slip = e.code;
      // "not ready" and the like: what is so will be told by the next answer.
      else if (e instanceof Problem) this.slip = OF_PASSKEY.includes(e.code) ? (e.code === "proof" ? "stop" : e.code) : null;
      else throw e;
    } finally {
      this.isConfirming = false;
      this.confirming = null;
      // Heard: it springs back with the next word of the house, not before.
      if (!isHeard) this.isSliding = false;
      this.changed();
    }
  }
}

/** Keys may be sent in hexadecimal as well. */
function bytesOf(text: string, why: Why): Bytes {
  try {
    return /^[0-9a-f]{64}$/.test(text) ? fromHex(text) : fromBase64url(text);
  } catch {
    throw new Untrusted(why, "not base64url");
  }
}
