// A stop at a door, as the phone of the visitor sees it [docs/spec/messages.md 5.6, 8.3, 8.5]: who stands behind the agency's
// manifest, whether it is the door's own hub that answers, and the bytes over which the visitor's passkey is asked. Nothing is
// signed before all of it holds. Pure: no network, no state.

import { type Bytes, concat, isSame, sha256, toHex } from "./bytes";
import { type Value, Fields, asUint, decode, encode } from "./cbor";
import { type Context, VerifyKey, open } from "./cose";

const MANIFEST: Context = { name: "doorward/manifest/1", typ: "doorward-manifest+cwt" };
const OFFER: Context = { name: "doorward/offer/1", typ: "doorward-offer+cwt" };
const STOP = "doorward/stop/1";

/** Why the passkey is not asked. The words are in the catalogue: courier.trust.WHY. */
export type Why = "no_agency" | "no_manifest" | "manifest" | "not_yours" | "other_hub" | "no_offer" | "offer" | "other_visit" | "not_asked" | "door_code";

export class Untrusted extends Error {
  constructor(readonly why: Why, detail = "") {
    super(detail || why);
  }
}

/** What the agency signed of this stop, as far as the phone needs it. */
export interface Manifest {
  readonly object: Bytes;
  readonly hash: Bytes;
  /** Thumbprint of the one hub that may answer for this door. */
  readonly hub: Bytes;
  readonly grant: string;
  readonly job: string;
  readonly agency: string;
  readonly visitor: string;
  readonly door: number;
}

/** Throws Untrusted unless `agency` signed exactly this. */
export async function readManifest(agency: VerifyKey, object: Bytes): Promise<Manifest> {
  try {
    const m = new Fields(decode(await open(agency, MANIFEST, object)));
    const hub = m.bytes(3, 32);
    const grant = toHex(m.bytes(7, 16));
    const job = new Fields(decode(m.some(-70284, 1, 1900)));
    m.end();
    if (!isSame(job.bytes(3, 32), hub)) throw new Error("the job is for another hub than the manifest");
    if (job.uint(5) > job.uint(4)) throw new Error("ends before it begins");
    const read = {
      object, hub, grant,
      hash: await sha256(object),
      job: toHex(job.bytes(7, 16)),
      agency: toHex(job.bytes(-70005, 16)),
      visitor: toHex(job.bytes(-70209, 16)),
      door: job.uint(-70205, 255),
    };
    // The rest is the hub's to judge; what is not known is refused all the same.
    job.upTo(-70006, 16);
    for (const key of [-70007, -70204]) job.uint(key, 255);
    for (const key of [-70200, -70203, -70210, -70212]) job.text(key);
    job.list(-70206, 3);
    for (const key of [-70207, -70208]) job.uint(key, 0xffffffff);
    job.list(-70211, 4);
    job.uint(-70213, 3);
    job.end();
    return read;
  } catch (e) {
    throw new Untrusted("manifest", e instanceof Error ? e.message : String(e));
  }
}

/** What this phone knows by itself of the question that it put. */
export interface Asked {
  readonly visit: string;
  /** Drawn here, before anybody was asked. */
  readonly nonce: string;
  readonly job: string;
  readonly agency: string;
  readonly visitor: string;
  /** SHA-256 of what was scanned as the door's code; 32 zeroes when nothing was. */
  readonly doorCode: Bytes;
}

/** That this manifest is of the stop that was asked for, and of this visitor. */
export function isFor(m: Manifest, a: Pick<Asked, "job" | "agency" | "visitor">): boolean {
  return m.job === a.job && m.agency === a.agency && m.visitor === a.visitor;
}

export interface Ready {
  readonly stop: Bytes;
  /** SHA-256(context, 0, stop): what the passkey is asked over. */
  readonly challenge: Bytes;
  readonly hubPub: Bytes;
}

/** The hub's word that it is ready, for this very question; and the stop that follows from it. Throws Untrusted. */
export async function readOffer(m: Manifest, asked: Asked, hubPub: Bytes, object: Bytes): Promise<Ready> {
  const hub = await VerifyKey.of(hubPub).catch(() => {
    throw new Untrusted("other_hub", "not a key");
  });
  if (!isSame(hub.thumb, m.hub)) throw new Untrusted("other_hub");
  let f: Fields;
  let nonce: Bytes;
  let visit: string;
  let own: string;
  let check: number;
  let isHub: boolean;
  try {
    f = new Fields(decode(await open(hub, OFFER, object)));
    isHub = isSame(f.bytes(3, 32), m.hub);
    nonce = f.bytes(10, 32);
    visit = f.id64(-70008);
    own = toHex(f.bytes(-70220, 32));
    check = f.uint(-70224, 255);
    f.upTo(-70225, 64).forEach((v: Value) => asUint(v, 255));
    f.uint(-70238, 0xffffffff);
    f.end();
  } catch (e) {
    throw new Untrusted("offer", e instanceof Error ? e.message : String(e));
  }
  if (!isHub) throw new Untrusted("other_hub");
  if (visit !== asked.visit) throw new Untrusted("other_visit");
  if (own !== asked.nonce) throw new Untrusted("not_asked");
  if (check !== 0 || nonce.every((b) => b === 0)) throw new Untrusted("offer", "not ready");
  const stop = encode(new Map<number, number | bigint | string | Uint8Array>([
    [3, m.hub], [7, m.hash], [10, nonce], [-70008, BigInt(`0x${asked.visit}`)], [-70205, m.door], [-70220, f.bytes(-70220, 32)], [-70226, "open"], [-70287, asked.doorCode],
  ]));
  return { stop, hubPub, challenge: await challengeOf(stop) };
}

function challengeOf(stop: Bytes): Promise<Bytes> {
  return sha256(concat(new TextEncoder().encode(STOP), new Uint8Array(1), stop));
}
