// What the service tells, as docs/service/openapi.json has it; fields that an older service does not send are optional.

export interface Me {
  role: string;
  visitor: string | null;
  staff: string | null;
  name: string;
  agency: string;
  agency_name?: string;
  csrf: string;
  /** Of a visitor: the passkey that a shift names, its page, and the agency's public key (64 hex). */
  credential_ids?: string[];
  rp_id?: string | null;
  agency_key?: string | null;
  /** The agency's signed shift (base64url): what a hub wants beside the manifest. */
  shift?: string | null;
}
export interface Parcel {
  barcode: string;
  state: "open" | "delivered";
  visit: string | null;
}
export type Place = "hall" | "garage" | "locker" | "neighbour" | "doorstep" | "parcel_box";
export interface HouseNote {
  kind: string;
  text: string;
  until: string | null;
}
export interface Job {
  id: string;
  home: string;
  home_name: string;
  agency: string;
  kind: "drop" | "stay";
  door: number;
  parcels: Parcel[];
  window: { date: string; from: string; to: string };
  zone: string | null;
  notes: string;
  places: Place[];
  visitor: string | null;
  revision: number;
  state: "open" | "unsigned" | "delivered" | "recalled" | "declined";
  created: string;
  hub_pub?: string | null;
  house_notes?: HouseNote[];
  place?: string | null;
  wished?: string | null;
  wished_window?: { date: string; from: string; to: string } | null;
  dwell_ms?: number | null;
  /** Of one job, for its visitor: the agency's signed object (base64url). */
  manifest?: string | null;
}
export interface Moment {
  time: string;
  uncertain_ms: number;
}
export interface Check {
  code: string;
  text: string;
  next: string;
}
export interface Line {
  number: number;
  by: "hub" | "service";
  state: string;
  outcome: string | null;
  check: Check | null;
  alarms: { code: string; text: string }[];
  at: Moment | null;
}
export interface Visit {
  id: string;
  job: string;
  home: string | null;
  agency: string;
  visitor: string;
  door: number;
  barcode: string;
  courier_nonce: string;
  state: string;
  outcome: string | null;
  check: Check | null;
  passed: string[];
  alarms: { code: string; text: string }[];
  news: number;
  asked: string;
  ready_until: string | null;
  slid: string | null;
  door_confirmed?: boolean;
  receipt: { outcome: string; confirmed_later: boolean; leaf: number } | null;
  story?: Line[];
  /** Of one visit: the hub's signed offer, the agency's signed manifest, the home's key (base64url); SHA-256 of the door's code (hex). */
  offer?: string | null;
  manifest?: string | null;
  hub_pub?: string | null;
  door_code_hash?: string;
}
export interface Page<T> {
  items: T[];
  next: string | null;
}

/** The civil day in that zone, as windows and notes have it: 2026-10-25. */
export function dayIn(zone: string | null, ms: number): string {
  const o: Intl.DateTimeFormatOptions = { calendar: "gregory", numberingSystem: "latn", year: "numeric", month: "2-digit", day: "2-digit" };
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en", zone ? { ...o, timeZone: zone } : o);
  } catch {
    format = new Intl.DateTimeFormat("en", o); // a zone that this phone does not know
  }
  // In parts: how a whole date is written differs between browsers, for one and the same language.
  const part = Object.fromEntries(format.formatToParts(ms).map((p) => [p.type, p.value]));
  return `${part.year}-${part.month}-${part.day}`;
}

/** 12:10:42 in the home's zone: the numbers that are on the household's screen too. */
export function timeIn(zone: string | null, ms: number, seconds = true): string {
  const o: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(seconds ? { second: "2-digit" } : {}) };
  try {
    return new Intl.DateTimeFormat("en-GB", zone ? { ...o, timeZone: zone } : o).format(ms);
  } catch {
    return new Intl.DateTimeFormat("en-GB", o).format(ms);
  }
}
