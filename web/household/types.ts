// What the hub answers (docs/design/people.md).

export type Mode = "on" | "visits" | "off" | "away" | "unknown";
export interface Me {
  member: { id: number; name: string; role: "owner" | "occupant" };
  csrf: string;
  home: string;
  needs_second_passkey: boolean;
  camera_mode: Mode;
  is_demo: boolean;
  recovery_until: string | null;
}
export interface Job {
  id: string;
  kind: "drop" | "stay";
  state: "none" | "expected" | "declined" | "recalled" | "used" | "over";
  agency: string;
  agency_id: string | null;
  /** Made by the house itself for a guest (its number as a member). */
  guest?: number | null;
  agency_stopped: boolean;
  visitor: string;
  screening: { issuer: string; kind: string; from: string | null; to: string | null };
  date: string | null;
  from: string;
  to: string;
  zone: string;
  door: string | null;
  notes: string;
  parcels: number;
  parcels_used: number;
  dwell_ms: number;
  place: string | null;
  /** Its key asks each time, and nobody has said yes. */
  needs_yes: boolean;
  /** Of its key; "unknown": that is over, and the door opens for nobody on it. */
  mode: GrantRow["mode"];
}
export interface Visit {
  visit: string;
  kind: "drop" | "stay" | "owner" | null;
  visitor: string;
  agency: string;
  is_owner: boolean;
  member: number | null;
  asked_at: string | null;
  opened_at: string | null;
  secured_at: string | null;
  inside_ms: number | null;
  outcome: string | null;
  check: string | null;
  gap_ms: number;
  blind_ms: number;
  alarms: string[];
  has_recording: boolean;
}
export interface Line {
  number: number;
  at: string | null;
  utc: number;
  kind: string;
  value: number;
  value2: number;
  member: number | null;
  word?: string;
}
export interface Look {
  member: number;
  name?: string | null;
  what: "live" | "recording";
  visit: string | null;
  from: string;
  to: string;
}
export interface VisitDetail extends Visit {
  lines: Line[];
  viewers: Look[];
}
export interface Member {
  id: number;
  name: string;
  /** A guest does not live here. */
  role: "owner" | "occupant" | "guest";
  since: string | null;
  /** Of a guest: the passkey's thumbprint (64 hex), null before there is one. */
  key_thumb?: string | null;
}
export interface Passkey {
  number: number;
  member: number;
  label: string;
  added: string | null;
  used: string | null;
  synced: boolean;
}
export interface People {
  members: Member[];
  passkeys: Passkey[];
  invitations: { number: number; name: string; role: string; until: string }[];
  agencies: { id: string; name: string; stopped: boolean }[];
  epoch: number;
  recovery_until: string | null;
}
export interface Param {
  field: string;
  value: number;
  default: number;
  floor: number;
  ceiling: number;
}
export interface Settings {
  params: Param[];
  camera_mode: Mode;
  door_names: string[];
}
export interface Drill {
  name: string;
  at: string;
  result: string;
  seconds_to_alarm: number | null;
}
export interface Alerts {
  vapid_key: string | null;
  places: { channel: "push" | "ntfy"; endpoint: string; added: string | null; last_status: number | null }[];
  ntfy: boolean;
}

export interface Agency {
  id: string;
  name: string;
  hosted: boolean;
  /** First digits of its key's thumbprint. */
  key: string;
  /** It asks and has no permission yet. */
  waiting: boolean;
  asked_at: string | null;
}
export interface GrantRow {
  id: string;
  /** null: to a guest. */
  agency: string | null;
  /** The guest's number as a member. */
  guest?: number | null;
  name: string;
  hosted: boolean;
  kind: "drop" | "stay" | "unknown";
  windows: { from: number; minutes: number }[];
  zone: string;
  from: string | null;
  to: string | null;
  door: string | null;
  uses: number;
  used: number;
  /** null: the house is not sure which day it is. */
  used_today: number | null;
  per_day: number;
  dwell_ms: number;
  camera: string;
  mode: "ask" | "veto" | "notify" | "unknown";
  state: "waiting" | "live" | "vetoed" | "revoked" | "expired" | "unknown";
  live_at: string | null;
  over_at: string | null;
  /** That it is over is on the disk: it is so after a power cut, too. */
  over_stored: boolean;
  signed_by: number;
  signed_at: string | null;
}
export interface Grants {
  agencies: Agency[];
  grants: GrantRow[];
  epoch: number;
  /** An old database was noticed: no visitors until an owner has looked. */
  restored: boolean;
}

/** A parcel that the household expects. */
export interface Expected {
  code: string;
  note: string;
  member: number;
  at: string | null;
}
