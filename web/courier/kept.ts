// What must outlive the page: ids, keys of requests, and the two codes of the stop that is on; and the day's stops, with
// addresses, for where there is no network. Those go with the sign-out, and after a day.

import type { Job, Me } from "./types";

export type View = "list" | "stop" | "door" | "parcel" | "visit" | "receipt" | "place";

export interface Kept {
  view: View;
  job: string | null;
  door: string | null;
  barcode: string | null;
  /** Drawn before the question is sent: the same question after a reload is the same request. */
  ask: { key: string; nonce: string; at: number } | null;
  visit: string | null;
  /** Our own nonce in that visit; null when the question was not this phone's. */
  nonce: string | null;
  /** The nonces that this phone drew lately: a question that was left and put again may be answered as the first one. */
  mine: string[];
  /** The slide and what the passkey said to it: the same stop is never put to the passkey twice. */
  open: { key: string; challenge: string; body: { id: string; client_data: string; auth_data: string; signature: string } } | null;
  /** The door's hub (its public key, base64url) as the agency's manifest of this visit names it. */
  hub: string | null;
  /** The service's clock less this phone's, ms. */
  offset: number;
  /** Jobs that went to another place today: job -> place. Only a mark on this phone. */
  elsewhere: Record<string, string>;
  place: string | null;
}

const NAME = "doorward.courier";
const AGENCY = "doorward.agency";
const DAY = "doorward.day";
const DAY_MS = 20 * 3600000;
const RECEIPTS = "doorward.receipts";
const RECEIPTS_MAX = 50;

export const nothing = (): Kept => ({
  view: "list", job: null, door: null, barcode: null, ask: null, visit: null, nonce: null, mine: [], open: null, hub: null, offset: 0, elsewhere: {}, place: null,
});

function read(name: string): unknown {
  try {
    const text = localStorage.getItem(name);
    return text === null ? null : JSON.parse(text);
  } catch {
    return null; // forbidden or damaged: begin anew, the service knows the visit
  }
}

function write(name: string, value: unknown): void {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // Without storage the app works until it is closed.
  }
}

export function readKept(): Kept {
  const k = read(NAME);
  return k && typeof k === "object" && !Array.isArray(k) ? { ...nothing(), ...(k as Partial<Kept>) } : nothing();
}

export function writeKept(k: Kept): void {
  write(NAME, k);
}

/** The day as this phone has it: who asks, its stops, and what the agency signed of each (its hub's key stands in the stop). */
export interface Day {
  at: number;
  me: Me;
  jobs: Job[];
  /** By job: the signed manifest of that revision, which this phone has checked with that key of the agency. */
  manifests: Record<string, { revision: number; object: string; by: string }>;
}

export function readDay(): Day | null {
  const d = read(DAY) as Partial<Day> | null;
  if (!d || typeof d.at !== "number" || !d.me || !Array.isArray(d.jobs) || !d.manifests) return null;
  if (Math.abs(Date.now() - d.at) < DAY_MS) return d as Day;
  forgetDay();
  return null;
}

export function writeDay(d: Day): void {
  write(DAY, { ...d, me: { ...d.me, csrf: "" } });
}

function forgetDay(): void {
  try {
    localStorage.removeItem(DAY);
  } catch {
    // nothing was kept
  }
}

/** The courier's own copies: signed bytes, no address. */
export interface KeptReceipt {
  visit: string;
  hub_pub: string;
  receipt: string;
  nonce: string | null;
}

export function keepReceipt(r: KeptReceipt): void {
  const list = keptReceipts().filter((x) => x.visit !== r.visit);
  write(RECEIPTS, [r, ...list].slice(0, RECEIPTS_MAX));
}

export function keptReceipts(): KeptReceipt[] {
  const list = read(RECEIPTS);
  return Array.isArray(list) ? (list as KeptReceipt[]) : [];
}

/** The agency's key as this phone saw it first; it stays until the courier signs out. "changed": now another one is named. */
export function pinned(agency: string, key: string): "same" | "changed" {
  const before = read(AGENCY) as { agency?: unknown; key?: unknown } | null;
  if (before && typeof before.key === "string" && before.agency === agency) return before.key === key ? "same" : "changed";
  write(AGENCY, { agency, key });
  return "same";
}

export function forgetAll(): void {
  try {
    localStorage.removeItem(NAME);
    localStorage.removeItem(AGENCY);
    forgetDay();
  } catch {
    // nothing was kept
  }
}
