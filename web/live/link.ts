// The page's end of the live link: owns the worker, and with it the one WebSocket. What it keeps is what this screen may
// show; components ask it on every tick and never remember anything themselves.

import { SleepClock } from "../shared/clock";
import { LEASE_MAX_MS } from "../shared/display";
import type { DrillLine, FromWorker, GrantsChanged, Hello, OwnerWord, State, Story, ToWorker } from "./messages";
import { type DoorSeen, type Lease, Picture, type PictureWord } from "./seen";
import { Sync } from "./sync";

const TICK_MS = 100;
const SYNC_MS = 1000;

export interface LinkEvents {
  /** A connection has begun; the hub tells its newest lines again. */
  hello: (m: Hello) => void;
  state: (m: State) => void;
  /** `at`: when it happened, on the page's clock. */
  story: (m: Story, at: number) => void;
  /** A signed statement about the door, proven and within its lease. */
  door: (lease: Lease) => void;
  /** The hub is about to withdraw the bolt: SECURED comes down everywhere, now. */
  takedown: () => void;
  drill: (m: DrillLine) => void;
  grants: (m: GrantsChanged) => void;
  refused: (why: string) => void;
  link: (up: boolean) => void;
  /** The word of the picture has changed. */
  picture: (word: PictureWord) => void;
  /** Ten times a second, and whenever something changed. */
  tick: (now: number) => void;
  size: (width: number, height: number) => void;
  /** Covers: proven up to then. */
  proof: (exposedAt: number, now: number) => void;
  /** Covers come down on the picture now. */
  dark: () => void;
}

export interface View {
  detach(): void;
  resize(width: number): void;
}

export interface LinkOptions {
  /** Default: /watch of this origin. */
  url?: string;
  /** Default: /live-worker.js */
  worker?: string;
  onSignedOut?: () => void;
}

export class Link {
  readonly clock = new SleepClock(() => performance.now());
  readonly picture = new Picture();
  readonly door: DoorSeen = { state: null, stateAt: 0, lease: null, lastLeaseAt: null, isOpening: false, canVerify: true };
  isUp = false;
  /** Since when there is (or is not) a connection, on the page's clock. */
  linkSince: number;
  /** Why the hub does not let this screen watch; null: it does. */
  refused: string | null = null;
  hello: Hello | null = null;
  ratio = { width: 16, height: 9 };
  onSignedOut: (() => void) | null;

  private readonly worker: Worker;
  private readonly sync = new Sync();
  private readonly listeners = new Map<keyof LinkEvents, Set<(...a: never[]) => void>>();
  private readonly timers: ReturnType<typeof setInterval>[] = [];
  private lastWord: PictureWord = "wait";
  private views = 0;
  private nextId = 1;
  private answers = 0;
  private readonly onVisible = (): void => this.visible(!document.hidden);
  private readonly onOnline = (): void => this.send({ k: "dial" });

  constructor(o: LinkOptions = {}) {
    this.onSignedOut = o.onSignedOut ?? null;
    this.linkSince = this.clock.now();
    this.worker = new Worker(o.worker ?? "/live-worker.js", { type: "module" });
    this.worker.onmessage = (e: MessageEvent<FromWorker>) => this.hear(e.data);
    this.worker.onerror = () => {
      this.picture.cannot = "webcodecs";
      this.door.canVerify = false;
      this.emit("dark");
      this.tick();
    };
    if (typeof HTMLCanvasElement === "undefined" || !("transferControlToOffscreen" in HTMLCanvasElement.prototype)) this.picture.cannot = "webcodecs";
    this.askClock();
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.send({ k: "start", url: o.url ?? `${scheme}://${location.host}/watch` });
    if (document.hidden) this.send({ k: "visible", on: false });
    this.timers.push(setInterval(() => this.tick(), TICK_MS), setInterval(() => this.askClock(), SYNC_MS));
    document.addEventListener("visibilitychange", this.onVisible);
    addEventListener("online", this.onOnline);
  }

  on<K extends keyof LinkEvents>(event: K, f: LinkEvents[K]): () => void {
    let set = this.listeners.get(event);
    if (!set) this.listeners.set(event, (set = new Set()));
    set.add(f as never);
    return () => void set.delete(f as never);
  }

  get state(): State | null {
    return this.door.state;
  }

  pictureWord(now = this.clock.now()): PictureWord {
    return this.picture.word(this.isUp ? this.door.state : null, now);
  }

  /** The household's button. False: the house does not answer, nothing was asked. */
  act(word: OwnerWord): boolean {
    return this.say({ k: "say", m: { t: "owner", word } });
  }

  drill(name: string): boolean {
    return this.say({ k: "say", m: { t: "drill", name } });
  }

  /** Asks for a key frame; the worker does that by itself when it needs one. */
  key(): void {
    this.send({ k: "key" });
  }

  /** After signing in again, or when somebody does not want to wait. */
  dial(): void {
    this.send({ k: "dial" });
  }

  /** Draws onto this canvas until it is detached. A canvas can be given once. `resize`: how many pixels wide it is seen. */
  attach(canvas: HTMLCanvasElement): View {
    if (!("transferControlToOffscreen" in canvas)) return { detach: () => undefined, resize: () => undefined };
    const id = this.nextId++;
    const off = canvas.transferControlToOffscreen();
    if (this.views++ === 0) this.picture.forget();
    this.send({ k: "attach", id, canvas: off }, [off]);
    return {
      detach: () => {
        this.views--;
        this.send({ k: "detach", id });
      },
      resize: (width) => this.send({ k: "resize", id, width }),
    };
  }

  close(): void {
    for (const t of this.timers) clearInterval(t);
    document.removeEventListener("visibilitychange", this.onVisible);
    removeEventListener("online", this.onOnline);
    this.send({ k: "end" });
    this.listeners.clear();
  }

  private send(m: ToWorker, transfer: Transferable[] = []): void {
    this.worker.postMessage(m, transfer);
  }

  private say(m: ToWorker): boolean {
    if (!this.isUp) return false;
    this.send(m);
    return true;
  }

  private emit<K extends keyof LinkEvents>(event: K, ...a: Parameters<LinkEvents[K]>): void {
    for (const f of this.listeners.get(event) ?? []) (f as (...x: unknown[]) => void)(...a);
  }

  private askClock(): void {
    const page = this.clock.now();
    this.send({ k: "clock", page, slept: this.clock.lost });
  }

  /** null: the two clocks do not fit at the moment; nothing is believed until they were compared again. */
  private pageTime(worker: number, now: number): number | null {
    const at = this.sync.toPage(worker, now);
    if (at === null) this.askClock();
    return at;
  }

  private visible(on: boolean): void {
    if (on) this.picture.forget();
    this.emit("dark");
    this.send({ k: "visible", on });
    if (on) this.tick();
  }

  private tick(): void {
    const now = this.clock.now();
    const lease = this.door.lease;
    if (lease && now >= lease.until) {
      this.door.lastLeaseAt = lease.until;
      this.door.lease = null;
    }
    const word = this.pictureWord(now);
    if (word !== this.lastWord) {
      this.lastWord = word;
      this.emit("picture", word);
    }
    this.emit("tick", now);
  }

  private hear(m: FromWorker): void {
    const now = this.clock.now();
    switch (m.k) {
      case "clock":
        this.sync.answer(m.page, m.worker, m.slept);
        if (this.answers++ < 3) this.askClock(); // the first answer came while the worker was starting
        return;
      case "link":
        this.onLink(m.up, m.code, now);
        return;
      case "text":
        this.onText(m.m, this.pageTime(m.at, now) ?? now);
        return;
      case "door": {
        const sentAt = this.pageTime(m.sentAt, now);
        if (sentAt === null) return;
        const until = sentAt + (m.until - m.sentAt);
        if (this.door.isOpening && m.d.isSecured) return; // said before the opening
        const lease = { d: m.d, sentAt, until: Math.min(until, now + LEASE_MAX_MS) };
        if (lease.until <= now) return;
        this.door.lease = lease;
        this.emit("door", lease);
        this.tick();
        return;
      }
      case "proof": {
        const exposedAt = this.pageTime(m.exposedAt, now);
        if (exposedAt !== null && this.picture.proof(exposedAt)) this.emit("proof", exposedAt, now);
        return;
      }
      case "unproven": {
        const at = this.pageTime(m.at, now);
        if (at === null) return;
        this.picture.unproven(at);
        this.emit("proof", at, now);
        return;
      }
      case "frozen":
        this.picture.frozen(this.pageTime(m.at, now) ?? now, m.stillMs);
        this.tick();
        return;
      case "changed":
        this.picture.refused(this.pageTime(m.at, now) ?? now, m.why);
        this.emit("dark");
        this.tick();
        return;
      case "size":
        this.ratio = { width: m.width, height: m.height };
        this.emit("size", m.width, m.height);
        return;
      case "cannot":
        this.picture.cannot ??= m.reason;
        if (m.reason === "ed25519") this.door.canVerify = false;
        this.emit("dark");
        this.tick();
    }
  }

  private onLink(up: boolean, code: number, now: number): void {
    if (up !== this.isUp) this.linkSince = now;
    this.isUp = up;
    if (up) {
      this.refused = null;
    } else {
      this.door.isOpening = false; // what it was about to do is not known any more
      this.picture.lost();
    }
    this.emit("link", up);
    this.tick();
    if (code === 4401) this.onSignedOut?.();
  }

  private onText(m: State | Story | Hello | DrillLine | GrantsChanged | { t: "refused"; why: string }, at: number): void {
    switch (m.t) {
      case "state": {
        const wasOpening = this.door.isOpening;
        this.door.state = m;
        this.door.stateAt = at;
        this.door.isOpening = m.opening;
        this.picture.heard(m, at);
        if (m.opening && !wasOpening) this.takeDown();
        this.emit("state", m);
        this.tick();
        return;
      }
      case "story":
        this.emit("story", m, at - m.age_ms);
        return;
      case "hello":
        this.hello = m;
        this.emit("hello", m);
        return;
      case "drill":
        this.emit("drill", m);
        return;
      case "grants":
        this.emit("grants", m);
        return;
      case "refused":
        this.refused = m.why;
        this.emit("refused", m.why);
        this.tick();
    }
  }

  /** SECURED comes down, and only when that is on the screen is it acknowledged. */
  private takeDown(): void {
    this.door.lease = null;
    this.emit("takedown");
    this.tick();
    const done = (): void => void this.say({ k: "say", m: { t: "saw_opening" } });
    if (document.hidden) done();
    else requestAnimationFrame(() => setTimeout(done));
  }
}
