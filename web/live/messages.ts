// What the hub sends as text, what the worker tells the page, and what the page asks of the worker.

import type { Display } from "../shared/display";

/** A word of the hub's core with its sentence. */
export interface Coded {
  code: string;
  text: string;
  next?: string;
}

export type CameraMode = "on" | "visits" | "off" | "away" | "unknown";

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
  camera_mode?: CameraMode;
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
  camera_pub: string | null; // the device key
  camera_session: string | null; // what it says of the key of this boot's frames
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
  member?: number;
  word?: string;
  text?: string;
  next?: string;
}

export interface Hello {
  t: "hello";
  version: number;
  drills: boolean;
  recordings: boolean;
  /** The hub understands {"t":"key"}. */
  key?: boolean;
  hub_nonces: string[];
}

export interface DrillLine {
  t: "drill";
  name: string;
  line: string;
  over: boolean;
}

export interface Refused {
  t: "refused";
  why: string;
}

/** Agencies or permissions are not as they were: the list is worth asking for again. */
export interface GrantsChanged {
  t: "grants";
  epoch: number;
  /** Agencies that ask and have none. */
  waiting: number;
  /** No visitors until an owner acknowledges. */
  restored: boolean;
}

export type FrontText = State | Story | Hello | DrillLine | Refused | GrantsChanged | { t: "display"; cose: string } | { t: "hub_nonce"; n: string };

export type Cannot = "ed25519" | "webcodecs";
/** What was wrong: it does not fit its seal, or the camera itself signs that somebody handles it. */
export type Changed = "seal" | "camera";
export type OwnerWord = "lock_now" | "end_visit" | "acknowledge" | "let_in_again";

/** Measures of the picture that the camera signed. */
export interface Measures {
  stillMs: number;
  luma: number;
  spread: number;
}

/** Worker to page. Times are milliseconds of the worker's clock (sync.ts). */
export type FromWorker =
  | { k: "clock"; page: number; worker: number; slept: string }
  | { k: "link"; up: boolean; code: number; why: string }
  | { k: "text"; m: State | Story | Hello | DrillLine | Refused | GrantsChanged; at: number }
  | { k: "door"; d: Display; sentAt: number; until: number }
  | { k: "proof"; exposedAt: number; tExpUs: number; measures: Measures }
  | { k: "unproven"; at: number }
  | { k: "frozen"; at: number; stillMs: number }
  | { k: "changed"; at: number; why: Changed }
  | { k: "size"; width: number; height: number }
  | { k: "cannot"; reason: Cannot };

export type Said = { t: "saw_opening" } | { t: "drill"; name: string } | { t: "owner"; word: OwnerWord };

/** Page to worker. */
export type ToWorker =
  | { k: "start"; url: string }
  | { k: "clock"; page: number; slept: number }
  | { k: "attach"; id: number; canvas: OffscreenCanvas }
  | { k: "resize"; id: number; width: number }
  | { k: "detach"; id: number }
  | { k: "visible"; on: boolean }
  | { k: "dial" }
  | { k: "key" }
  | { k: "end" }
  | { k: "say"; m: Said };
