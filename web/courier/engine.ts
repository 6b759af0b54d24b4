// One stop from the door to the receipt, as this phone knows it. What is shown follows from what the service answered;
// a tap asks and never changes a state by itself [I33]. Each question has a key that is kept before it is sent, so that
// neither a reload nor a second tap asks twice.

import { Api, Problem } from "../shared/api";
import { type Bytes, fromHex, sha256, toHex } from "../shared/bytes";
import { VerifyKey } from "../shared/cose";
import { PasskeyError, assert, canPasskeys, fromBase64url, toBase64url } from "../shared/passkey";
import { Patience } from "../shared/patience";
import { type Proof, judge } from "../shared/receipt";
import { type Manifest, type Ready, type Why, Untrusted, isFor, readManifest, readOffer } from "../shared/stop";
import { type Day, type Kept, type View, keepReceipt, nothing, pinned, readDay, readKept, writeDay, writeKept } from "./kept";
import type { Job, Me, Page, Visit } from "./types";

/** Whether it is the door's own hub that answers, to this phone's own question: before the passkey is asked. */
export type Trust =
  | { state: "none" }
  | { state: "checking" }
  | { state: "good"; ready: Ready }
  | { state: "bad"; why: Why | "agency_changed" | "browser" };

const POLL_MS = 8000;
const POLL_LIMIT_MS = 12000;
const ASK_LIMIT_MS = 10000;
/** A slide whose answer does not come is sent again for this long; later the courier slides anew, with the same key. */
const SLIDE_MS = 10000;
/** A question that was never answered is put again after a reload only while somebody still stands at the door. */
const ASK_FRESH_MS = 120000;
const LIST_MS = 30000;
const PAGES_MAX = 5;
const MINE_MAX = 20;
const MANIFESTS_MAX = 200;
/** What the service may say of a confirmation; it can be given anew. */
const OF_PASSKEY = ["passkey", "user_verification", "origin", "stop"];

class Changed extends Error {}

export class Engine {
  readonly api = new Api();
  me: Me | null = null;
  jobs: Job[] | null = null;
  /** When the list was last heard of, by this phone's clock; null: what stands there is what was kept. */
  listedAt: number | null = null;
  /** When what is kept was heard. */
  keptAt: number | null = null;
  /** Stops whose manifest does not hold, known before anybody walks up. */
  doubts = new Map<string, string>();
  /** Newest visit of each job. */
  visits = new Map<string, Visit>();
  kept: Kept = readKept();
  visit: Visit | null = null;
  proof: Proof = { state: "none" };
  trust: Trust = { state: "none" };
  /** Why the last slide came to nothing: of the passkey, or of what the service says of it. */
  slip: string | null = null;
  /** The passkey is being asked. */
  isConfirming = false;
  /** The service said no to the question itself (not a refusal at the door). */
  problem: Problem | null = null;
  /** The slide was sent and its answer is awaited. */
  isSliding = false;
  /** The visit of which this phone has said that its visitor is leaving. */
  leaving: string | null = null;
  /** When this page first saw the visit in its present state. */
  seenAt = 0;
  /** "checking" until the browser said whether another window has the visit. */
  place: "checking" | "here" | "elsewhere" = "checking";

  private listeners = new Set<() => void>();
  private run = 0;
  private abort = new AbortController();
  private readonly patience = new Patience(() => this.changed());
  private isAsking = false;
  private isFetching = false;
  private checkedFor = "";
  private trustedFor = "";
  private manifests = new Map<string, Promise<Manifest>>();
  private objects: Day["manifests"] = {};
  private agencyKey: Promise<VerifyKey> | null = null;
  private confirming: AbortController | null = null;
  private checking: Promise<void> = Promise.resolve();

  onChange(f: () => void): () => void {
    this.listeners.add(f);
    return () => this.listeners.delete(f);
  }
  private changed(): void {
    for (const f of this.listeners) f();
  }
  private keep(part: Partial<Kept>): void {
    this.kept = { ...this.kept, ...part };
    writeKept(this.kept);
    this.changed();
  }

  get job(): Job | null {
    return this.jobs?.find((j) => j.id === this.kept.job) ?? null;
  }
  /** The service's time as well as this phone can tell. */
  now(): number {
    return Date.now() + this.kept.offset;
  }
  /** A visit is under way that only its end may take off the screen. */
  get isBusy(): boolean {
    if (this.kept.view !== "visit" || this.problem || this.isWarned) return false;
    return this.visit ? this.visit.outcome === null : this.kept.ask !== null || this.kept.visit !== null;
  }

  /** What answers is not to be trusted, and nothing has been opened: this stays said, whatever the service says next. */
  get isWarned(): boolean {
    return this.trust.state === "bad" && this.visit !== null && (this.visit.state === "ready" || this.visit.outcome === "REFUSED");
  }
  /** Why this phone can open no door at all. */
  get cannot(): "unsupported" | "no_passkey" | null {
    if (!canPasskeys()) return "unsupported";
    return this.me && (!this.me.rp_id || !this.me.credential_ids?.length) ? "no_passkey" : null;
  }

  // ---- start ----

  start(): void {
    this.patience.listen();
    this.claim(false);
  }

  /** One window has the visit: two would ask twice. */
  claim(steal: boolean): void {
    const hold = (): Promise<void> => {
      this.place = "here";
      this.kept = readKept();
      this.changed();
      void this.begin();
      return new Promise(() => undefined); // until this window goes
    };
    if (!("locks" in navigator)) {
      void hold();
      return;
    }
    const lost = (): void => {
      // Another window took over.
      this.stop();
      this.place = "elsewhere";
      this.changed();
      this.queue(hold, lost);
    };
    if (steal) {
      navigator.locks.request("doorward-courier", { steal: true }, hold).catch(lost);
      return;
    }
    void navigator.locks.request("doorward-courier", { ifAvailable: true }, (lock) => {
      if (lock) return hold();
      this.place = "elsewhere";
      this.changed();
      this.queue(hold, lost);
      return undefined;
    }).catch(lost);
  }
  private queue(hold: () => Promise<void>, lost: () => void): void {
    navigator.locks.request("doorward-courier", () => (this.place === "here" ? undefined : hold())).catch(() => {
      if (this.place === "here") lost();
    });
  }

  private async begin(): Promise<void> {
    this.restart();
    const run = this.run;
    const day = readDay();
    if (day && !this.me) {
      // Without network the day is here all the same; what it says is told with its age.
      this.me = day.me;
      this.jobs = day.jobs;
      this.objects = day.manifests;
      this.keptAt = day.at;
      this.changed();
    }
    if (!(await this.know(run))) return;
    if (!this.kept.visit) await this.findActive(run);
    if (run !== this.run) return;
    this.resume();
    if (run === this.run) void this.list(run);
    this.changed();
  }

  /** Who is signed in. A question that was put without network asks this first. */
  private async know(run: number): Promise<boolean> {
    if (this.api.csrf) return true;
    const me = await this.persist(run, () => this.api.get<Me>("/v1/me", { signal: this.abort.signal }));
    if (!me) return false;
    if (this.me && (this.me.visitor !== me.visitor || this.me.agency !== me.agency)) {
      this.jobs = null; // somebody else's day
      this.objects = {};
    }
    this.me = me;
    this.api.csrf = me.csrf;
    if (me.role === "visitor") return true;
    location.replace("/agency");
    return false;
  }

  /** A visit of ours that is under way although this phone does not remember it: killed in the middle, or cleared. */
  private async findActive(run: number): Promise<void> {
    const answer = await this.persist(run, () => this.api.get<Page<Visit>>("/v1/visits?active=1", { signal: this.abort.signal })).catch(() => undefined);
    const v = answer?.items.find((x) => x.outcome === null && x.state !== "watch");
    if (!v) return;
    this.keep({ view: "visit", job: v.job, visit: v.id, barcode: v.barcode, nonce: this.ownNonce(v), ask: null });
  }

  private ownNonce(v: Visit): string | null {
    return this.kept.mine.includes(v.courier_nonce) ? v.courier_nonce : null;
  }

  /** Signs out; nothing is asked or kept after it. */
  async end(): Promise<void> {
    this.stop();
    await this.api.post("/v1/signout").catch(() => undefined);
    this.stop();
  }

  /** Where the courier was before the page went. */
  private resume(): void {
    const k = this.kept;
    if (k.visit) {
      void this.follow(k.visit);
    } else if (k.view === "visit" && k.ask) {
      if (Date.now() - k.ask.at < ASK_FRESH_MS && Date.now() >= k.ask.at) void this.sendAsk();
      else this.keep({ view: "parcel", ask: null, barcode: null });
    } else if (k.view === "visit") {
      this.keep({ view: k.job ? "stop" : "list" });
    }
  }

  private restart(): void {
    this.stop();
    this.abort = new AbortController();
  }
  private stop(): void {
    this.run++;
    this.abort.abort();
    this.patience.wake();
    this.isAsking = false;
    this.isSliding = false;
    this.confirming?.abort();
  }

  // ---- asking, with patience ----

  get downSince(): number | null {
    return this.patience.downSince;
  }
  private persist<T>(run: number, ask: () => Promise<T>, untilMs = Infinity): Promise<T | undefined> {
    return this.patience.persist(() => run === this.run, ask, untilMs);
  }

  // ---- the day's stops ----

  private async list(run: number): Promise<void> {
    while (run === this.run) {
      await this.refresh(run).catch(() => undefined);
      await new Promise((done) => setTimeout(done, LIST_MS));
    }
  }
  async refresh(run = this.run): Promise<void> {
    const jobs = await this.persist(run, () => this.pages<Job>("/v1/jobs", "today=1&"));
    if (!jobs) return;
    this.jobs = jobs;
    this.listedAt = Date.now();
    this.changed();
    this.keepDay();
    void this.fetchManifests(run);
    const visits = await this.persist(run, () => this.pages<Visit>("/v1/visits", "recent=1&"));
    if (!visits) return;
    const newest = new Map<string, Visit>();
    for (const v of visits) {
      const before = newest.get(v.job);
      if (!before || before.asked < v.asked) newest.set(v.job, v);
    }
    this.visits = newest;
    this.changed();
    // The day's shift is signed some time after the first stop is planned.
    if (!this.api.csrf || this.me?.shift) return;
    const me = await this.persist(run, () => this.api.get<Me>("/v1/me", { signal: this.abort.signal }));
    if (!me || me.visitor !== this.me?.visitor) return;
    this.me = me;
    this.keepDay();
    this.changed();
  }
  private keepDay(): void {
    if (!this.me || this.me.role !== "visitor" || !this.jobs || this.listedAt === null) return;
    const here = new Set(this.jobs.map((j) => j.id));
    this.objects = Object.fromEntries(Object.entries(this.objects).filter(([id]) => here.has(id)));
    writeDay({ at: this.listedAt, me: this.me, jobs: this.jobs, manifests: this.objects });
  }

  private isKept(job: Job): boolean {
    const one = this.objects[job.id];
    return one !== undefined && one.revision === job.revision && one.by === this.me?.agency_key;
  }

  /** What the agency signed of the day's stops, fetched once for each revision and checked before it is kept. */
  private async fetchManifests(run: number): Promise<void> {
    const me = this.me;
    if (!me || this.isFetching) return;
    this.isFetching = true;
    try {
      for (const job of this.jobs ?? []) {
        if (run !== this.run) return;
        if (job.state !== "open" || this.isKept(job)) continue;
        const one = await this.api.get<Job>(`/v1/jobs/${job.id}`, { signal: this.abort.signal });
        if (run !== this.run) return;
        if (!one.manifest) continue;
        try {
          const m = await this.manifestOf(one.manifest);
          if (!isFor(m, { job: job.id, agency: me.agency, visitor: me.visitor ?? "" })) throw new Untrusted("not_yours");
          this.doubts.delete(job.id);
          this.objects[job.id] = { revision: one.revision, object: one.manifest, by: me.agency_key ?? "" };
        } catch (e) {
          this.doubts.set(job.id, e instanceof Untrusted ? e.why : e instanceof Changed ? "agency_changed" : "browser");
        }
      }
      this.keepDay();
      this.changed();
    } catch {
      // no network, or gone from the list: with the next list
    } finally {
      this.isFetching = false;
    }
  }
  private async pages<T>(path: string, query: string): Promise<T[]> {
    const all: T[] = [];
    let after: string | null = null;
    for (let n = 0; n < PAGES_MAX; n++) {
      const page: Page<T> = await this.api.get(`${path}?${query}limit=100${after ? `&after=${after}` : ""}`, { signal: this.abort.signal });
      all.push(...page.items);
      after = page.next;
      if (!after) break;
    }
    return all;
  }

  // ---- steps ----

  go(view: View, part: Partial<Kept> = {}): void {
    this.keep({ view, ...part });
  }
  openStop(job: string): void {
    const isSame = this.kept.job === job;
    this.problem = null;
    this.keep({ view: "stop", job, ...(isSame ? {} : { door: null, barcode: null }), ask: null, visit: null, nonce: null, open: null, hub: null, place: null });
    this.visit = null;
    this.proof = { state: "none" };
    this.forgetTrust();
    this.changed();
  }
  /** Back to the stops; what is over stays on the service. */
  leave(): void {
    this.restart();
    this.visit = null;
    this.problem = null;
    this.proof = { state: "none" };
    this.forgetTrust();
    this.keep({ ...nothing(), offset: this.kept.offset, elsewhere: this.kept.elsewhere, mine: this.kept.mine });
    void this.list(this.run);
  }
  wentElsewhere(place: string): void {
    if (this.kept.job) this.keep({ elsewhere: { ...this.kept.elsewhere, [this.kept.job]: place } });
    this.leave();
  }

  // ---- the question at the door ----

  ask(barcode: string): void {
    if (this.isAsking || this.kept.ask) return; // a second tap
    const nonce = toHex(crypto.getRandomValues(new Uint8Array(32)));
    this.visit = null;
    this.proof = { state: "none" };
    this.problem = null;
    this.forgetTrust();
    this.keep({ view: "visit", barcode, visit: null, nonce: null, open: null, hub: null, mine: [nonce, ...this.kept.mine].slice(0, MINE_MAX), ask: { key: crypto.randomUUID(), nonce, at: Date.now() } });
    void this.sendAsk();
  }

  private async sendAsk(): Promise<void> {
    if (this.isAsking) return;
    this.isAsking = true;
    this.restart();
    this.isAsking = true;
    const run = this.run;
    const k = this.kept;
    const ask = k.ask!;
    let started = Date.now();
    try {
      if (!(await this.know(run))) return;
      const v = await this.persist(run, () => {
        started = Date.now();
        return this.api.post<Visit>(
          "/v1/visits",
          { job: k.job, barcode: k.barcode, ...(k.door ? { door_code: k.door } : {}), nonce: ask.nonce },
          { idempotencyKey: ask.key, timeoutMs: ASK_LIMIT_MS, signal: this.abort.signal },
        );
      });
      if (!v) return;
      const took = Date.now() - started;
      const skew = Date.parse(v.asked) - (started + took / 2);
      const isNew = started - ask.at < 3000 && took < 3000; // else `asked` may be the time of an earlier try
      this.keep({ ask: null, visit: v.id, nonce: this.ownNonce(v), ...(isNew && Number.isFinite(skew) ? { offset: Math.abs(skew) < 3000 ? 0 : Math.round(skew) } : {}) });
      this.take(v);
      void this.follow(v.id);
    } catch (e) {
      if (run !== this.run) return;
      this.problem = e instanceof Problem ? e : new Problem(0, "internal", String(e), "");
      this.keep({ ask: null });
    } finally {
      if (run === this.run) this.isAsking = false;
    }
  }

  /** The same parcel at the same door once more, as a new question. */
  again(): void {
    const barcode = this.kept.barcode ?? this.visit?.barcode ?? null;
    if (barcode === null) this.go("parcel", { visit: null, open: null });
    else this.ask(barcode);
  }

  // ---- following ----

  private take(v: Visit): void {
    if (this.visit?.id === v.id && v.news < this.visit.news) return; // a late answer turns nothing back
    if (this.visit?.id !== v.id || this.visit.state !== v.state || this.visit.outcome !== v.outcome) this.seenAt = Date.now();
    this.visit = v;
    this.visits.set(v.job, v);
    if (v.slid || v.state !== "ready") {
      this.isSliding = false;
      this.confirming?.abort(); // the time for it is over
    }
    void this.checkTrust(v);
    this.changed();
    void this.checkReceipt(v);
  }

  private isSettled(v: Visit): boolean {
    if (v.outcome === null || v.outcome === "SECURED_UNCONFIRMED") return false;
    if (v.outcome === "REFUSED" && !v.receipt) return true;
    return this.proof.state === "verified" || this.proof.state === "foreign" || this.proof.state === "bad";
  }

  private async follow(id: string): Promise<void> {
    this.restart();
    const run = this.run;
    if (this.listedAt === null) void this.list(run);
    // What the answer to the question said is known: the next answer is awaited at once, not asked for first.
    let known = this.visit?.id === id ? this.visit.news : -1;
    while (run === this.run) {
      try {
        const query = known < 0 ? "" : `?since=${known}&wait_ms=${POLL_MS}`;
        const v = await this.persist(run, () => this.api.get<Visit>(`/v1/visits/${id}${query}`, { timeoutMs: POLL_LIMIT_MS, signal: this.abort.signal }));
        if (!v) return;
        known = v.news;
        this.take(v);
        if (v.outcome !== null && v.receipt) await this.checkReceipt(v);
        if (run !== this.run || this.isSettled(v)) break;
      } catch (e) {
        if (run !== this.run) return;
        this.problem = e instanceof Problem ? e : new Problem(0, "internal", String(e), "");
        this.changed();
        return;
      }
    }
    if (run === this.run) void this.list(run);
  }

  // ---- who answers ----

  private forgetTrust(): void {
    this.trust = { state: "none" };
    this.trustedFor = "";
    this.slip = null;
  }

  /** The manifest is read as soon as it comes; with the hub's offer all of it is checked, before the slide is shown. */
  private async checkTrust(v: Visit): Promise<void> {
    if (v.manifest) void this.manifestOf(v.manifest).catch(() => undefined);
    if (v.state !== "ready" || v.slid) return;
    const name = `${v.id}/${v.courier_nonce}/${v.offer}/${v.manifest}/${v.hub_pub}/${v.door_code_hash}`;
    if (this.trustedFor === name) return;
    this.trustedFor = name;
    this.trust = { state: "checking" };
    let trust: Trust;
    const began = performance.now();
    try {
      const ready = await this.trustOf(v);
      trust = { state: "good", ready };
    } catch (e) {
      trust = { state: "bad", why: e instanceof Untrusted ? e.why : e instanceof Changed ? "agency_changed" : "browser" };
    }
    if (this.trustedFor !== name) return;
    performance.measure("doorward-offer", { start: began });
    this.trust = trust;
    if (trust.state === "good") this.keep({ hub: toBase64url(trust.ready.hubPub) });
    else this.changed();
  }

  private async manifestOf(object: string): Promise<Manifest> {
    const me = this.me;
    if (!me) throw new Untrusted("no_agency");
    if (!me.agency_key || !/^[0-9a-f]{64}$/.test(me.agency_key)) throw new Untrusted("no_agency");
    if (pinned(me.agency, me.agency_key) === "changed") throw new Changed();
    this.agencyKey ??= VerifyKey.of(fromHex(me.agency_key));
    const key = await this.agencyKey;
    let known = this.manifests.get(object);
    if (!known) {
      if (this.manifests.size >= MANIFESTS_MAX) this.manifests.clear();
      known = readManifest(key, bytesOf(object, "manifest"));
      this.manifests.set(object, known);
    }
    return known;
  }

  private async trustOf(v: Visit): Promise<Ready> {
    const me = this.me;
    const nonce = this.kept.nonce;
    if (!me) throw new Untrusted("no_agency");
    if (nonce === null || nonce !== v.courier_nonce || v.id !== this.kept.visit) throw new Untrusted("not_asked");
    if (!v.manifest) throw new Untrusted("no_manifest");
    if (!v.offer || !v.hub_pub) throw new Untrusted("no_offer");
    const manifest = await this.manifestOf(v.manifest);
    const code = this.kept.door;
    const doorCode = code ? await sha256(new TextEncoder().encode(code)) : new Uint8Array(32);
    const asked = { visit: v.id, nonce, job: v.job, agency: me.agency, visitor: me.visitor ?? "", doorCode };
    if (this.kept.job !== v.job || !isFor(manifest, asked)) throw new Untrusted("not_yours");
    if (v.door_code_hash !== toHex(doorCode)) throw new Untrusted("door_code");
    return readOffer(manifest, asked, bytesOf(v.hub_pub, "other_hub"), bytesOf(v.offer, "offer"));
  }

  // ---- the slide ----

  /** Asks the passkey over this very stop, then sends what it said, once: a second slide carries the same. */
  async slide(): Promise<void> {
    const v = this.visit;
    const trust = this.trust;
    const me = this.me;
    if (!v || v.state !== "ready" || v.slid || this.isSliding || trust.state !== "good" || !me?.rp_id || this.cannot) return;
    this.isSliding = true;
    this.slip = null;
    const run = this.run;
    const challenge = toBase64url(trust.ready.challenge);
    let open = this.kept.open?.challenge === challenge ? this.kept.open : null;
    if (!open) {
      // Nothing is awaited before this: some browsers ask a passkey only while the touch lasts.
      this.confirming = new AbortController();
      this.isConfirming = true;
      const asked = assert({ challenge, rp_id: me.rp_id, allow: me.credential_ids ?? [], signal: this.confirming.signal });
      this.changed();
      try {
        const { challenge: _, ...body } = await asked;
        open = { key: crypto.randomUUID(), challenge, body };
      } catch (e) {
        this.slip = e instanceof PasskeyError ? e.code : "failed";
      }
      this.isConfirming = false;
      this.confirming = null;
      const now = this.visit;
      if (run !== this.run || !open || now?.id !== v.id || now.state !== "ready" || this.trust !== trust) {
        this.isSliding = false;
        this.changed();
        return;
      }
      this.keep({ open });
    }
    this.changed();
    const { key, body } = open;
    const end = Date.now() + SLIDE_MS;
    try {
      const answer = await this.persist(
        run,
        () => this.api.post<Visit>(`/v1/visits/${v.id}/open`, body, { idempotencyKey: key, timeoutMs: ASK_LIMIT_MS, signal: this.abort.signal }),
        end,
      );
      if (answer) this.take(answer);
    } catch (e) {
      // "not ready" and the like: what is so will be told by the next answer.
      if (!(e instanceof Problem)) throw e;
      if (run === this.run && OF_PASSKEY.includes(e.code)) {
        this.slip = e.code;
        this.keep({ open: null });
      }
    } finally {
      if (run === this.run) {
        this.isSliding = false;
        this.changed();
      }
    }
  }

  /** "I am leaving": the next locking ends the stay. Not heard, it may be said again. */
  async sayLeaving(): Promise<void> {
    const v = this.visit;
    if (!v || this.leaving === v.id) return;
    this.leaving = v.id;
    this.slip = null;
    this.changed();
    try {
      this.take(await this.api.post<Visit>(`/v1/visits/${v.id}/leave`, {}, { timeoutMs: ASK_LIMIT_MS, signal: this.abort.signal }));
    } catch (e) {
      this.leaving = null;
      this.slip = e instanceof Problem ? e.code : "failed";
      this.changed();
    }
  }

  // ---- the receipt ----

  private checkReceipt(v: Visit): Promise<void> {
    if (!v.receipt) return Promise.resolve();
    const name = `${this.run}/${v.id}/${v.outcome}/${v.receipt.confirmed_later}`;
    if (this.checkedFor !== name) {
      this.checkedFor = name;
      this.checking = this.fetchReceipt(v);
    }
    return this.checking;
  }
  private async fetchReceipt(v: Visit): Promise<void> {
    this.proof = { state: "asking" };
    const run = this.run;
    try {
      const r = await this.persist(run, () => this.api.get<{ hub_pub: string; receipt: string }>(`/v1/visits/${v.id}/receipt`, { signal: this.abort.signal }));
      if (!r) return;
      const pub = this.kept.hub ?? this.jobs?.find((j) => j.id === v.job)?.hub_pub ?? r.hub_pub;
      this.proof = await judge(v.id, pub, r.receipt, this.kept.nonce === null ? null : [this.kept.nonce]);
      if (this.proof.state === "verified" || this.proof.state === "foreign") {
        keepReceipt({ visit: v.id, hub_pub: pub, receipt: r.receipt, nonce: this.kept.nonce });
      }
    } catch (e) {
      if (run !== this.run) return;
      this.proof = { state: "bad", why: e instanceof Error ? e.message : String(e) };
    }
    this.changed();
  }
}

function bytesOf(text: string, why: Why): Bytes {
  try {
    return fromBase64url(text);
  } catch {
    throw new Untrusted(why, "not base64url");
  }
}
