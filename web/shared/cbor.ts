// Strict reader of the deterministic CBOR that Doorward signs [RFC 8949 4.2.1]: definite lengths,
// shortest heads, sorted and unique map keys, no floats, nothing after the end, at most 4 deep and
// 4 KiB long. A second reading of bytes must never be possible.

import { type Bytes, concat } from "./bytes";

export type Key = number | string;
export type Value = number | bigint | string | boolean | null | Bytes | Value[] | CborMap | Tagged;
export type CborMap = Map<Key, Value>;

export class Tagged {
  constructor(
    readonly tag: number,
    readonly value: Value,
  ) {}
}

export class CborError extends Error {}

export const DEPTH_MAX = 4;
export const INPUT_MAX = 4096;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

class Reader {
  at = 0;
  constructor(readonly bytes: Bytes) {}

  get left(): number {
    return this.bytes.length - this.at;
  }

  take(n: number): Bytes {
    if (n > this.left) throw new CborError("the input ends too early");
    const part = this.bytes.subarray(this.at, this.at + n);
    this.at += n;
    return part;
  }

  /** The argument of a head; bigint only beyond what a number holds exactly. */
  argument(info: number): number | bigint {
    if (info < 24) return info;
    if (info > 27) throw new CborError("lengths must be definite");
    const size = 1 << (info - 24);
    let value = 0n;
    for (const b of this.take(size)) value = (value << 8n) | BigInt(b);
    const least = [24n, 0x100n, 0x10000n, 0x100000000n][info - 24]!;
    if (value < least) throw new CborError("not the shortest form");
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
  }

  length(info: number): number {
    const n = this.argument(info);
    if (typeof n === "bigint" || n > this.left) throw new CborError("the input ends too early");
    return n;
  }

  value(depth: number): Value {
    const head = this.take(1)[0]!;
    const major = head >> 5;
    const info = head & 31;
    switch (major) {
      case 0:
        return this.argument(info);
      case 1: {
        const n = this.argument(info);
        return typeof n === "bigint" || n === Number.MAX_SAFE_INTEGER ? -1n - BigInt(n) : -1 - n;
      }
      case 2:
        return this.take(this.length(info));
      case 3: {
        const text = this.take(this.length(info));
        try {
          return utf8.decode(text);
        } catch {
          throw new CborError("the text is not UTF-8");
        }
      }
      case 4: {
        const count = this.length(info);
        this.deeper(depth);
        const list: Value[] = [];
        for (let i = 0; i < count; i++) list.push(this.value(depth + 1));
        return list;
      }
      case 5:
        return this.map(info, depth);
      case 6: {
        if (depth !== 0) throw new CborError("a tag inside");
        if (this.argument(info) !== 18) throw new CborError("a tag that is not used");
        return new Tagged(18, this.value(depth + 1));
      }
      default:
        if (info === 20) return false;
        if (info === 21) return true;
        if (info === 22) return null;
        throw new CborError("this kind of value is not used");
    }
  }

  private map(info: number, depth: number): CborMap {
    const count = this.length(info);
    this.deeper(depth);
    const map: CborMap = new Map();
    let before: Bytes | null = null;
    for (let i = 0; i < count; i++) {
      const from = this.at;
      const key = this.value(depth + 1);
      if (typeof key !== "number" && typeof key !== "string") throw new CborError("bad kind of key");
      const bytes = this.bytes.subarray(from, this.at);
      if (before && compare(before, bytes) >= 0) throw new CborError("keys are not sorted and unique");
      before = bytes;
      map.set(key, this.value(depth + 1));
    }
    return map;
  }

  private deeper(depth: number): void {
    if (depth >= DEPTH_MAX) throw new CborError("too deep");
  }
}

function compare(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
}

/** One value and nothing after it. Byte strings borrow the input. Throws CborError. */
export function decode(bytes: Bytes): Value {
  if (bytes.length > INPUT_MAX) throw new CborError("the input is larger than permitted");
  const r = new Reader(bytes);
  const v = r.value(0);
  if (r.left > 0) throw new CborError("there are bytes after the end");
  return v;
}

// ---- writing: the few kinds that a page ever writes, in the same one form ----

export type Written = number | bigint | string | Uint8Array | ReadonlyMap<number, Written>;

function head(major: number, n: bigint): Bytes {
  const size = n < 24n ? 0 : n < 0x100n ? 1 : n < 0x10000n ? 2 : n < 0x100000000n ? 4 : 8;
  const out = new Uint8Array(1 + size);
  out[0] = (major << 5) | (size === 0 ? Number(n) : 23 + [1, 2, 4, 8].indexOf(size) + 1);
  for (let i = 0; i < size; i++) out[size - i] = Number((n >> BigInt(8 * i)) & 0xffn);
  return out;
}

export function encode(v: Written): Bytes {
  if (typeof v === "number" || typeof v === "bigint") {
    const n = BigInt(v); // throws for a fraction
    if (n >= 1n << 64n || n < -(1n << 64n)) throw new CborError("a number that is too large");
    return n < 0n ? head(1, -1n - n) : head(0, n);
  }
  if (typeof v === "string") {
    const text = new TextEncoder().encode(v);
    return concat(head(3, BigInt(text.length)), text);
  }
  if (v instanceof Uint8Array) return concat(head(2, BigInt(v.length)), v);
  const pairs = [...v].map(([key, value]) => ({ key: encode(key), value: encode(value) })).sort((a, b) => compare(a.key, b.key));
  return concat(head(5, BigInt(pairs.length)), ...pairs.flatMap((p) => [p.key, p.value]));
}

// ---- reading a map of known keys ----

/** Takes fields out of a map; `end` throws when something is left over: unknown fields are refused. */
export class Fields {
  private readonly taken = new Set<Key>();
  private readonly map: CborMap;

  constructor(v: Value) {
    if (!(v instanceof Map)) throw new CborError("not a map");
    this.map = v;
  }

  private get(key: Key): Value {
    const v = this.map.get(key);
    if (v === undefined) throw new CborError(`field ${key} is missing`);
    this.taken.add(key);
    return v;
  }

  bytes(key: Key, length: number): Bytes {
    return asBytes(this.get(key), length);
  }

  /** Bytes whose length lies in the range. */
  some(key: Key, least: number, most: number): Bytes {
    const v = this.get(key);
    if (!(v instanceof Uint8Array) || v.length < least || v.length > most) throw new CborError("not bytes of such a length");
    return v;
  }

  uint(key: Key, max = Number.MAX_SAFE_INTEGER): number {
    return asUint(this.get(key), max);
  }

  /** Any 64-bit number, as 16 hexadecimal digits. */
  id64(key: Key): string {
    const v = this.get(key);
    if ((typeof v !== "number" && typeof v !== "bigint") || v < 0) throw new CborError("not a number");
    return BigInt(v).toString(16).padStart(16, "0");
  }

  bool(key: Key): boolean {
    const v = this.get(key);
    if (typeof v !== "boolean") throw new CborError("not yes or no");
    return v;
  }

  text(key: Key): string {
    const v = this.get(key);
    if (typeof v !== "string") throw new CborError("not a text");
    return v;
  }

  /** The field must be exactly this number. */
  exactly(key: Key, value: number): void {
    if (this.get(key) !== value) throw new CborError(`field ${key} is not ${value}`);
  }

  any(key: Key): Value {
    return this.get(key);
  }

  list(key: Key, length: number): Value[] {
    return this.upTo(key, length, length);
  }

  /** A list of at most `most` values. */
  upTo(key: Key, most: number, least = 0): Value[] {
    const v = this.get(key);
    if (!Array.isArray(v) || v.length > most || v.length < least) throw new CborError("not a list of that length");
    return v;
  }

  end(): void {
    if (this.taken.size !== this.map.size) throw new CborError("a field is not known");
  }
}

export function asBytes(v: Value | undefined, length: number): Bytes {
  if (!(v instanceof Uint8Array) || v.length !== length) throw new CborError("not bytes of that length");
  return v;
}

export function asUint(v: Value | undefined, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof v !== "number" || v < 0 || v > max) throw new CborError("not a number in range");
  return v;
}
