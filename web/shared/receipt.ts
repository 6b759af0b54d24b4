// The hub's receipt of one visit, checked by the phone of the person it is for: signed by the home's own hub, for this
// visit, with the nonce that this phone drew before it asked [I34].

import { type Bytes, fromHex, toHex } from "./bytes";
import { type Value, Fields, asUint, decode } from "./cbor";
import { type Context, VerifyKey, open } from "./cose";
import { fromBase64url } from "./passkey";

export const RECEIPT: Context = { name: "doorward/receipt/1", typ: "doorward-receipt+cwt" };

// In the order of DW_OUTCOME_LIST and DW_CHECK_LIST of core/types.h: the receipt carries the numbers.
export const OUTCOMES = [
  "NONE", "REFUSED", "OK", "SECURED_WITH_GAP", "SECURED_TAMPERED", "SECURED_UNCONFIRMED", "NOT_SECURED", "NOT_OPENED", "ABORTED",
] as const;
export const CHECKS = [
  "", "bad_message", "wrong_home", "wrong_door", "no_such_job", "not_assigned", "screening", "wrong_parcel", "parcel_used",
  "no_permission", "too_early", "too_late", "clock", "location", "other_visit", "lock_class", "lock_unreachable", "lock_relock",
  "door_not_closed", "bolt_not_thrown", "lock_battery", "unaccounted_opening", "camera_class", "camera_not_live", "camera_frozen",
  "camera_covered", "camera_tampered", "disk_full", "record", "proof", "too_slow", "ended_by_household", "hub_unreachable",
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** A moment as the hub's clock knew it: the middle and how sure. */
export interface Moment {
  readonly ms: number;
  readonly uncertainMs: number;
}

export interface Receipt {
  readonly visit: string;
  readonly nonce: string;
  readonly outcome: Outcome;
  readonly check: string;
  readonly gapMs: number;
  readonly opened: Moment | null;
  readonly secured: Moment | null;
  readonly insideMs: number;
  /** A: signed by the lock; B: by radio; C: none. */
  readonly lockClass: "A" | "B" | "C";
  readonly leaf: string;
  readonly isConfirmedLater: boolean;
}

function moment(lo: Value | undefined, hi: Value | undefined): Moment | null {
  const a = asUint(lo);
  const b = asUint(hi);
  return a > 0 && b >= a ? { ms: a + Math.floor((b - a) / 2), uncertainMs: Math.ceil((b - a) / 2) } : null;
}

/** Throws when it is not this hub's receipt in the one form there is. */
export async function readReceipt(key: VerifyKey, object: Bytes): Promise<Receipt> {
  const f = new Fields(decode(await open(key, RECEIPT, object)));
  if (toHex(f.bytes(3, 32)) !== toHex(key.thumb)) throw new Error("a receipt of another hub");
  const times = f.list(-70233, 4);
  const outcome = OUTCOMES[f.uint(-70231, OUTCOMES.length - 1)];
  const check = CHECKS[f.uint(-70224, CHECKS.length - 1)];
  const lockClass = (["C", "B", "A"] as const)[f.uint(-70235, 2)];
  if (outcome === undefined || check === undefined || lockClass === undefined) throw new Error("a receipt of another time");
  const r: Receipt = {
    visit: f.id64(-70008),
    nonce: toHex(f.bytes(-70220, 32)),
    outcome,
    check,
    gapMs: f.uint(-70232, 0xffffffff),
    opened: moment(times[0], times[1]),
    secured: moment(times[2], times[3]),
    insideMs: f.uint(-70234, 0xffffffff),
    lockClass,
    leaf: BigInt(`0x${f.id64(-70236)}`).toString(),
    isConfirmedLater: f.bool(-70237),
  };
  f.end();
  return r;
}

/** Whether the receipt says that the door was sensed locked, with evidence of the lock. Nothing else says so [I34]. */
export function saysLocked(r: Receipt): boolean {
  const ended = r.outcome === "OK" || r.outcome === "SECURED_WITH_GAP" || r.outcome === "SECURED_TAMPERED" || r.outcome === "NOT_OPENED";
  return ended && r.secured !== null && r.lockClass !== "C";
}

/** What this phone itself could check of the receipt: "verified" is its own key's word, never what a server says of it [I34]. */
export type Proof =
  | { state: "none" }
  | { state: "asking" }
  | { state: "verified"; receipt: Receipt }
  | { state: "foreign"; receipt: Receipt } // signed by the home, but for a question that this phone did not ask
  | { state: "bad"; why: string };

/** Keys are sent as base64url or as hexadecimal. */
function keyBytes(text: string): Bytes {
  return /^[0-9a-f]{64}$/.test(text) ? fromHex(text) : fromBase64url(text);
}

/** `nonces`: those that this phone drew for that visit; null when it asked none. */
export async function judge(visit: string, pub: string, receipt: string, nonces: readonly string[] | null): Promise<Proof> {
  try {
    const r = await readReceipt(await VerifyKey.of(keyBytes(pub)), fromBase64url(receipt));
    if (r.visit !== visit) return { state: "bad", why: "a receipt of another visit" };
    if (nonces === null) return { state: "foreign", receipt: r };
    if (!nonces.includes(r.nonce)) return { state: "bad", why: "a receipt for another question" };
    return { state: "verified", receipt: r };
  } catch (e) {
    return { state: "bad", why: e instanceof Error ? e.message : String(e) };
  }
}
