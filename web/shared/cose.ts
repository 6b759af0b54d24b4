// COSE_Sign1 with the one shape Doorward uses: Ed25519, the key's id, a type, and the context string as
// external data, so that a signature made for one purpose is never valid for another.

import { type Bytes, concat, isSame, sha256 } from "./bytes";
import { CborError, Fields, Tagged, asBytes, decode } from "./cbor";

export interface Context {
  readonly name: string;
  readonly typ: string;
}

export const FRAME: Context = { name: "doorward/frame/1", typ: "doorward-frame+cwt" };
export const DISPLAY: Context = { name: "doorward/display/1", typ: "doorward-display+cwt" };

/** What a key is called: the hash of the deterministic COSE_Key {1: 1, -1: 6, -2: x}. */
export function thumbOf(pub: Bytes): Promise<Bytes> {
  return sha256(concat(new Uint8Array([0xa3, 0x01, 0x01, 0x20, 0x06, 0x21, 0x58, 0x20]), pub));
}

export class VerifyKey {
  private constructor(
    private readonly key: CryptoKey,
    readonly thumb: Bytes,
  ) {}

  /** From the 32 bytes of an Ed25519 public key. Throws where the browser has no Ed25519. */
  static async of(pub: Bytes): Promise<VerifyKey> {
    const key = await crypto.subtle.importKey("raw", pub, "Ed25519", false, ["verify"]);
    return new VerifyKey(key, await thumbOf(pub));
  }

  verify(message: Bytes, sig: Bytes): Promise<boolean> {
    return crypto.subtle.verify("Ed25519", this.key, sig, message);
  }
}

function head(major: number, n: number): Bytes {
  const m = major << 5;
  if (n < 24) return new Uint8Array([m | n]);
  if (n < 0x100) return new Uint8Array([m | 24, n]);
  return new Uint8Array([m | 25, n >> 8, n & 0xff]);
}

function bstr(bytes: Uint8Array): Bytes {
  return concat(head(2, bytes.length), bytes);
}

/** ["Signature1", protected, external_aad, payload] */
export function toBeSigned(prot: Uint8Array, context: Context, payload: Uint8Array): Bytes {
  const text = new TextEncoder();
  return concat(
    new Uint8Array([0x84]),
    head(3, 10),
    text.encode("Signature1"),
    bstr(prot),
    bstr(text.encode(context.name)),
    bstr(payload),
  );
}

/** Checks shape, context, key id and signature; gives the payload. Throws otherwise. */
export async function open(key: VerifyKey, context: Context, object: Bytes): Promise<Bytes> {
  const outer = decode(object);
  if (!(outer instanceof Tagged) || outer.tag !== 18) throw new CborError("not a COSE_Sign1");
  const parts = outer.value;
  if (!Array.isArray(parts) || parts.length !== 4) throw new CborError("not a COSE_Sign1");
  const [prot, unprotected, payload, sig] = parts;
  if (!(prot instanceof Uint8Array) || !(payload instanceof Uint8Array))
    throw new CborError("not a COSE_Sign1");
  if (!(unprotected instanceof Map) || unprotected.size !== 0)
    throw new CborError("the unprotected header must be empty");

  const h = new Fields(decode(prot));
  h.exactly(1, -8); // EdDSA
  const kid = h.bytes(4, 8);
  if (h.text(16) !== context.typ) throw new CborError("an object of another type");
  h.end();
  if (!isSame(kid, key.thumb.subarray(0, 8))) throw new CborError("signed by another key");
  if (!(await key.verify(toBeSigned(prot, context, payload), asBytes(sig, 64))))
    throw new CborError("the signature does not verify");
  return payload;
}
