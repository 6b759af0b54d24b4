// What the app knows of the house: the session, the live link, and lists that are fetched when they are looked at and
// again when the story says that they changed. Nothing of it is kept on the device.

import { useEffect, useState } from "preact/hooks";
import { Link, type OwnerWord, type Story } from "../live/index";
import { Api, Problem } from "../shared/api";
import { type Asked, type Begun, type Card, type Control, type Grant, type Wanted, NotAsAsked, controlToSign, grantToSign } from "../shared/grant";
import { assert } from "../shared/passkey";
import { toSignIn } from "../shared/place";
import type { Alerts, Drill, Expected, Grants, Job, Look, Me, Mode, People, Settings, Visit } from "./types";

interface Lists {
  me: Me;
  jobs: Job[];
  visits: Visit[];
  people: People;
  grants: Grants;
  expected: Expected[];
  settings: Settings;
  looks: Look[];
  drills: Drill[];
  alerts: Alerts;
}
export type ListName = keyof Lists;

const PATHS: Record<ListName, [string, string | null]> = {
  me: ["/api/me", null],
  jobs: ["/api/jobs", "jobs"],
  visits: ["/api/history?limit=30", "visits"],
  people: ["/api/people", null],
  grants: ["/api/grants", null],
  expected: ["/api/expected", "items"],
  settings: ["/api/settings", null],
  looks: ["/api/viewers", "viewers"],
  drills: ["/api/drills", "drills"],
  alerts: ["/api/alerts", null],
};

/** Which lists a line of the story makes old. */
const CHANGES: Record<string, ListName[]> = {
  job_stored: ["jobs"], job_recalled: ["jobs"], wish: ["jobs", "people"], visit_asked: ["visits"], visit_refused: ["visits"], visit_ended: ["visits", "jobs", "expected"],
  confirmed_late: ["visits"], secured: ["visits"], opening: ["visits"], alarm: ["visits"], segment: ["visits"], people: ["people", "me"], grant: ["grants", "people", "jobs", "expected"], camera_mode: ["me", "settings"], setting: ["settings"],
};

const TOGETHER_MS = 250;
const STORY_KEPT = 120;

/** A taking away that was asked for here. "unknown": nobody said that it is stored. */
export interface Ending {
  what: "revoke" | "veto";
  state: "asked" | "confirmed" | "unknown" | "refused";
  /** When it was asked, or confirmed; the house's time. */
  at: number;
  error: unknown;
}

export interface Told extends Story {
  /** When it happened, on the page's clock. */
  when: number;
}

export class House {
  readonly api = new Api();
  readonly link: Link;
  readonly lists: Partial<Lists> = {};
  readonly failed: Partial<Record<ListName, unknown>> = {};
  nextVisits: string | null = null;
  story: Told[] = [];
  /** What a passkey is being asked for, as its bytes say it. */
  signing: Control | null = null;
  readonly endings = new Map<string, Ending>();
  private readonly used = new Set<ListName>();
  private readonly listeners = new Set<() => void>();
  private readonly old = new Set<ListName>();
  private readonly asking = new Map<ListName, Promise<void>>();
  private timer: ReturnType<typeof setTimeout> | null = null;
  private isLeaving = false;
  /** The house's time minus the page's clock; null: it has not told. */
  private hubOffset: number | null = null;

  constructor() {
    this.api.onSignedOut = () => this.leave();
    this.link = new Link({ onSignedOut: () => this.leave() });
    this.link.on("hello", () => {
      this.story = [];
      // The house was away: everything that is looked at may have changed.
      for (const n of this.used) this.changed(n);
    });
    this.link.on("story", (m, when) => this.hear(m, when));
    this.link.on("grants", () => this.changed("grants"));
  }

  /** The session is over. Once, whoever notices first. */
  leave(): void {
    if (this.isLeaving) return;
    this.isLeaving = true;
    this.link.close();
    toSignIn();
  }

  private hear(m: Story, when: number): void {
    this.story = [{ ...m, when }, ...this.story.filter((s) => s.n !== m.n)].sort((a, b) => b.n - a.n).slice(0, STORY_KEPT);
    if (m.utc_ms !== null) this.hubOffset = m.utc_ms - when;
    if (!m.past) for (const n of CHANGES[m.kind] ?? []) this.changed(n);
    this.tell();
  }

  private changed(n: ListName): void {
    this.old.add(n);
    this.timer ??= setTimeout(() => {
      this.timer = null;
      for (const o of this.old) if (this.used.has(o)) void this.load(o);
      this.old.clear();
    }, TOGETHER_MS);
  }

  /** The house's own time, ms since 1970: the phone's clock may be wrong. */
  now(): number {
    return this.hubOffset === null ? Date.now() : this.hubOffset + this.link.clock.now();
  }
  /** By how much this device's clock is wrong, ms. */
  clockError(): number {
    return this.hubOffset === null ? 0 : Date.now() - this.now();
  }
  /** A moment of the page's clock as the house's time. */
  utcOf(pageMs: number): number {
    return this.now() - (this.link.clock.now() - pageMs);
  }

  onChange(f: () => void): () => void {
    this.listeners.add(f);
    return () => void this.listeners.delete(f);
  }
  tell(): void {
    for (const f of this.listeners) f();
  }

  load(n: ListName): Promise<void> {
    this.used.add(n);
    const running = this.asking.get(n);
    if (running) return running;
    const [path, inside] = PATHS[n];
    const p = this.api
      .get<Record<string, unknown>>(path)
      .then(
        (r) => {
          (this.lists as Record<string, unknown>)[n] = inside === null ? r : r[inside];
          if (n === "me") this.api.csrf = (r as unknown as Me).csrf;
          if (n === "visits") this.nextVisits = (r.next as string | null) ?? null;
          delete this.failed[n];
        },
        (e: unknown) => {
          this.failed[n] = e;
        },
      )
      .finally(() => {
        this.asking.delete(n);
        this.tell();
      });
    this.asking.set(n, p);
    return p;
  }

  async moreVisits(): Promise<void> {
    if (this.nextVisits === null) return;
    const r = await this.api.get<{ visits: Visit[]; next: string | null }>(`/api/history?limit=30&before=${encodeURIComponent(this.nextVisits)}`);
    this.lists.visits = [...(this.lists.visits ?? []), ...r.visits];
    this.nextVisits = r.next;
    this.tell();
  }

  /** Something that needs this person's passkey, each time. Its bytes must say what was asked, and are shown meanwhile. */
  async act<T = Record<string, never>>(what: Asked): Promise<T> {
    const b = await this.api.post<Begun>("/api/acts/begin", what);
    this.signing = await controlToSign(b, what);
    this.tell();
    // The words are on the screen before the device asks.
    await new Promise((r) => setTimeout(r, 0));
    try {
      return await this.sign<T>(b, b.allow);
    } finally {
      this.signing = null;
      this.tell();
    }
  }

  /** Asks these passkeys and no other; what another one made goes nowhere. */
  private async sign<T>(b: Begun, allow: string[] | undefined): Promise<T> {
    const signed = await assert({ challenge: b.challenge, rp_id: b.rp_id, ...(allow ? { allow } : {}) });
    if (allow && !allow.includes(signed.id)) throw new NotAsAsked("sign_passkey");
    return this.api.post<T>("/api/acts/finish", signed);
  }

  /** The house writes the permission; nothing is signed yet. What comes back is what its bytes say. */
  async beginGrant(want: Wanted, card: Card, passkey: number | null): Promise<{ begun: Begun; grant: Grant }> {
    const begun = await this.api.post<Begun>("/api/acts/begin", { act: "grant", ...want, ...(passkey === null ? {} : { passkey }) });
    return { begun, grant: await grantToSign(begun, want, card, this.now() / 1000) };
  }

  /** Exactly the passkey whose thumbprint stands in the bytes. */
  async signGrant(begun: Begun): Promise<void> {
    await this.sign(begun, [begun.credential!]);
    await this.load("grants");
  }

  /** Takes a permission away. Confirmed is what the house says to have stored, and nothing before. */
  async end(id: string, what: "revoke" | "veto"): Promise<boolean> {
    if (this.endings.get(id)?.state === "asked") return false;
    const say = (e: Ending): void => {
      this.endings.set(id, e);
      this.tell();
    };
    say({ what, state: "asked", at: this.now(), error: null });
    try {
      const r = await this.api.post<{ epoch?: number; at: string | null }>(`/api/grants/${what}`, { id });
      // An answer that does not say since when has not said that it is stored.
      if (typeof r?.epoch !== "number") throw new Problem(0, "no_connection", "", "");
      say({ what, state: "confirmed", at: r.at === null ? this.now() : Date.parse(r.at), error: null });
    } catch (e) {
      // A plain no changed nothing. Everything else is not known: it may be stored or not.
      const isNo = e instanceof Problem && e.status >= 400 && e.status < 500;
      say({ what, state: isNo ? "refused" : "unknown", at: this.now(), error: e });
    }
    await this.load("grants");
    return this.endings.get(id)?.state === "confirmed";
  }

  async wish(what: { wish: string } & Record<string, unknown>): Promise<void> {
    await this.api.post("/api/wish", what);
    await Promise.all([this.load("jobs"), this.used.has("people") ? this.load("people") : null]);
  }

  async mode(mode: Mode): Promise<void> {
    await this.api.post("/api/mode", { mode });
    await this.load("me");
  }

  async owner(word: OwnerWord): Promise<void> {
    // The socket is the quicker way; when it is down, the question goes the other way.
    if (!this.link.act(word)) await this.api.post("/api/owner", { word });
  }

  memberName(id: number | null): string {
    if (id === null) return "";
    return this.lists.people?.members.find((m) => m.id === id)?.name ?? (this.lists.me?.member.id === id ? this.lists.me.member.name : "");
  }
}

/** Draws anew when the house has news; fetches the lists that are named. */
export function useHouse(house: House, ...names: ListName[]): void {
  const [, set] = useState(0);
  useEffect(() => {
    const off = house.onChange(() => set((n) => n + 1));
    set((n) => n + 1); // what changed since this was drawn
    for (const n of names) void house.load(n);
    return off;
  }, [house, names.join()]);
}
