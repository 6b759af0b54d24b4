// What the hub tells a guest (docs/design/guests.md).
import type { WeekWindow } from "../shared/grant";

export interface Me {
  member: { id: number; name: string; role: string };
  csrf: string;
  home: string;
  rp_id: string;
  /** The guest's passkey (base64url). */
  credential: string;
  /** The hub's key (base64url). */
  hub_pub: string;
}
export interface GrantOfGuest {
  id: string;
  from: string | null;
  to: string | null;
  windows: WeekWindow[];
  zone: string;
  uses: number;
  used: number;
  /** null: the house is not sure which day it is. */
  used_today: number | null;
  per_day: number;
  dwell_ms: number;
  mode: "ask" | "veto" | "notify" | "unknown";
  state: "waiting" | "live" | "vetoed" | "revoked" | "expired" | "unknown";
  live_at: string | null;
  over_at: string | null;
}
export interface Visit {
  visit: string;
  nonce: string;
  offer: string | null;
  manifest: string | null;
  hub_pub: string | null;
  /** The code that refused. */
  check: string | null;
  passed: string[];
  failed_checks: string[];
  state: string;
  alarms: string[];
  /** When it is over: the signed object (base64url). */
  receipt: string | null;
  expires_ms: number | null;
  /** Grows with each change. */
  news: number;
}
export interface Told {
  now: string | null;
  door: string | null;
  state: "can_ask" | "waits_for_yes" | "not_now" | "none";
  grants: GrantOfGuest[];
  visit: Visit | null;
}
