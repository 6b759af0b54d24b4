// What the front sends as text, what the worker tells the page, and what the page asks of the worker.

import type { Display } from "../shared/display";

export interface Coded {
  code: string;
  text: string;
  next?: string;
}

export interface State {
  t: "state";
  visit: string | null;
  bolt: string;
  contact: string;
  strike: string;
  lock_class: string;
  secured: boolean;
  visit_state: string;
  outcome: string;
  check: Coded | null;
  camera: string;
  camera_class: number;
  opening: boolean;
  battery: number | null;
  link: boolean;
  room: boolean;
  clock: boolean;
  degraded: boolean;
  lock_age_ms: number | null;
  picture_age_ms: number | null;
  blind_ms: number | null;
  inside_ms: number | null;
  frames: number;
  visitor: string;
  agency: string;
  hub_pub: string | null;
  camera_pub: string | null;
  alarms: Coded[];
}

export interface Story {
  t: "story";
  n: number;
  kind: string;
  age_ms: number;
  utc_ms: number | null;
  visit: string | null;
  value: number;
  ms: number;
  past: boolean;
  word?: string;
  text?: string;
  next?: string;
}

export interface Hello {
  t: "hello";
  version: number;
  drills: boolean;
  recordings: boolean;
  hub_nonces: string[];
}

export interface DrillLine {
  t: "drill";
  name: string;
  line: string;
  over: boolean;
}

export type FrontText =
  | State
  | Story
  | Hello
  | DrillLine
  | { t: "display"; cose: string }
  | { t: "hub_nonce"; n: string }
  | { t: "refused"; why: string };

/** Worker to page. Times are milliseconds of SleepClock. */
export type FromWorker =
  | { k: "link"; up: boolean; why: string }
  | { k: "text"; m: State | Story | Hello | DrillLine | { t: "refused"; why: string }; at: number }
  | { k: "display"; d: Display; sentAt: number; until: number }
  | { k: "proof"; exposedAt: number }
  | { k: "unproven"; at: number }
  | { k: "changed"; at: number; why: string }
  | { k: "size"; width: number; height: number }
  | { k: "cannot"; reason: "ed25519" | "webcodecs" };

/** Page to worker. */
export type ToWorker =
  | { k: "start"; url: string; canvas: OffscreenCanvas | null }
  | { k: "say"; m: { t: "saw_opening" } | { t: "drill"; name: string } | { t: "owner"; word: "lock_now" } };
