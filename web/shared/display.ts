// What the hub lets one screen say about the door, and for how long. Signed by the hub and bound to the
// nonce that this screen sent, so that neither a delay nor a relay can make an old statement look new [I29].

import { type Bytes, toHex } from "./bytes";
import { Fields, asUint, decode } from "./cbor";
import { DISPLAY, type VerifyKey, open } from "./cose";

export const BOLT = ["unknown", "thrown", "retracted", "moving", "jammed"] as const;
export const CONTACT = ["unknown", "closed", "open"] as const;
export const STRIKE = ["unknown", "in", "out", "absent"] as const;

export interface Display {
  readonly nonce: string;
  readonly bolt: (typeof BOLT)[number];
  readonly contact: (typeof CONTACT)[number];
  readonly strike: (typeof STRIKE)[number];
  readonly isSecured: boolean;
  readonly leaseMs: number;
}

/** A screen never believes a lease longer than this [T_show], whatever is signed. */
export const LEASE_MAX_MS = 5000;

/** A statement that does not say SECURED needs no lease, but it is not of now for ever either. */
export const OTHER_MS = 3000;

/** For how long from sending its nonce a screen may show what the statement says. */
export function shownForMs(d: Display): number {
  return d.isSecured ? d.leaseMs : OTHER_MS;
}

export async function readDisplay(key: VerifyKey, object: Bytes): Promise<Display> {
  const f = new Fields(decode(await open(key, DISPLAY, object)));
  const hub = f.bytes(3, 32);
  if (toHex(hub) !== toHex(key.thumb)) throw new Error("a statement of another hub");
  const [bolt, contact, strike] = f.list(-70101, 3);
  const d: Display = {
    nonce: toHex(f.bytes(-70240, 32)),
    bolt: BOLT[asUint(bolt)] ?? "unknown",
    contact: CONTACT[asUint(contact)] ?? "unknown",
    strike: STRIKE[asUint(strike)] ?? "unknown",
    isSecured: f.bool(-70241),
    leaseMs: Math.min(f.uint(-70242, 0xffffffff), LEASE_MAX_MS),
  };
  f.uint(-70228, 255);
  f.end();
  return d;
}
