// One frame as the front sends it, its signed record, and the judgement whether it is the next authentic
// frame of the enrolled camera. Whether it is also new is the question of age.ts.

import { type Bytes, concat, isSame, sha256, toHex } from "./bytes";
import { CborError, Fields, asBytes, asUint, decode } from "./cbor";
import { type Context, FRAME, VerifyKey, open } from "./cose";
import { type AccessUnit, inspect } from "./h264";

const HEAD_BYTES = 14;
const VIEWERS_MAX = 16;
const RECORD_MAX = 480;

export interface FrameMessage {
  readonly cameraClass: number;
  readonly record: Bytes; // empty with class K0
  readonly viewers: Bytes; // n * 32 bytes, as signed
  readonly viewerNonces: string[];
  readonly au: Bytes;
}

/** u8 version, u8 class, u8 is_key, u8 viewers, u16 record length, u64 arrived, then the three parts. */
export function readMessage(buffer: ArrayBuffer): FrameMessage {
  const b = new Uint8Array(buffer);
  if (b.length < HEAD_BYTES || b[0] !== 1) throw new CborError("a frame of a version not known");
  const count = b[3]!;
  const recordLen = (b[4]! << 8) | b[5]!;
  const before = HEAD_BYTES + recordLen + 32 * count;
  if (count > VIEWERS_MAX || recordLen > RECORD_MAX || before >= b.length)
    throw new CborError("the frame's parts do not fit");
  const viewers = b.subarray(HEAD_BYTES + recordLen, before);
  const viewerNonces: string[] = [];
  for (let i = 0; i < count; i++) viewerNonces.push(toHex(viewers.subarray(32 * i, 32 * i + 32)));
  return {
    cameraClass: b[1]!,
    record: b.subarray(HEAD_BYTES, HEAD_BYTES + recordLen),
    viewers,
    viewerNonces,
    au: b.subarray(before),
  };
}

export interface FrameRecord {
  readonly echo: Bytes;
  readonly bootCount: number;
  readonly bootSeed: Bytes;
  readonly visit: string;
  readonly seq: number;
  readonly tRxUs: number;
  readonly tExpUs: number;
  readonly auHash: Bytes;
  readonly psetHash: Bytes;
  readonly stillMs: number;
  readonly luma: number;
  readonly spread: number;
  readonly chain: Bytes;
  readonly tamper: number;
}

export function readRecord(payload: Bytes): FrameRecord {
  const f = new Fields(decode(payload));
  const picture = f.list(-70012, 5);
  const r: FrameRecord = {
    echo: f.bytes(10, 32),
    bootCount: f.uint(267, 0xffffffff),
    bootSeed: f.bytes(268, 16),
    visit: f.id64(-70008),
    seq: f.uint(-70009),
    tRxUs: f.uint(-70010),
    tExpUs: f.uint(-70011),
    auHash: asBytes(picture[0], 32),
    psetHash: asBytes(picture[1], 32),
    stillMs: asUint(picture[2], 0xffffffff),
    luma: asUint(picture[3], 255),
    spread: asUint(picture[4], 255),
    chain: f.bytes(-70013, 32),
    tamper: f.uint(-70014, 0xffffffff),
  };
  if (typeof f.list(271, 1)[0] !== "string") throw new CborError("not a text");
  f.end();
  if (r.tExpUs < r.tRxUs) throw new CborError("exposed before it was asked");
  return r;
}

const SESSION: Context = { name: "doorward/camera-session/1", typ: "doorward-camera-session+cwt" };

/** The key of a camera's boot, as its device key has signed it. Throws when it has not. */
export async function readSession(device: VerifyKey, object: Bytes): Promise<VerifyKey> {
  const f = new Fields(decode(await open(device, SESSION, object)));
  f.uint(267, 0xffffffff);
  f.bytes(268, 16);
  const pub = f.bytes(-70300, 32);
  f.end();
  return VerifyKey.of(pub);
}

export type Judgement =
  | { verdict: "next"; record: FrameRecord; unit: AccessUnit; isEchoed: boolean }
  | { verdict: "gap"; record: FrameRecord; unit: AccessUnit; isEchoed: boolean } // authentic; frames before it are missing
  | { verdict: "old"; why: string } // authentic, but had before: a replay
  | { verdict: "changed"; why: string };

/** Follows one camera from frame to frame. Calls must not overlap. */
export class FrameJudge {
  private last: { bootCount: number; bootSeed: Bytes; seq: number; hash: Bytes } | null = null;
  private pset: Bytes | null = null;

  constructor(
    private readonly key: VerifyKey,
    /** SHA-256(one of the newest hub nonces || list) equals the echo. */
    private readonly isEchoOf: (echo: Bytes, viewers: Bytes) => Promise<boolean>,
  ) {}

  async judge(m: FrameMessage): Promise<Judgement> {
    let record: FrameRecord;
    let unit: AccessUnit;
    try {
      record = readRecord(await open(this.key, FRAME, m.record));
      unit = await inspect(m.au);
    } catch (e) {
      return { verdict: "changed", why: e instanceof Error ? e.message : "not readable" };
    }
    if (!isSame(unit.hash, record.auHash)) return { verdict: "changed", why: "the picture differs from its seal" };
    if (unit.psetHash && !isSame(unit.psetHash, record.psetHash))
      return { verdict: "changed", why: "the picture's parameters differ from their seal" };

    const last = this.last;
    const isSameBoot =
      last !== null && last.bootCount === record.bootCount && isSame(last.bootSeed, record.bootSeed);
    if (last && !isSameBoot && record.bootCount <= last.bootCount)
      return { verdict: "old", why: "from before the camera's last start" };
    if (last && isSameBoot && record.seq <= last.seq) return { verdict: "old", why: "had before" };
    const isNext = last !== null && isSameBoot && record.seq === last.seq + 1;
    if (isNext && !isSame(record.chain, last.hash))
      return { verdict: "changed", why: "does not follow the frame before" };
    // An access unit without parameter sets is decoded with those in force.
    const pset = unit.psetHash ?? this.pset;
    const isDecodable = isNext && pset !== null && isSame(pset, record.psetHash);

    this.last = {
      bootCount: record.bootCount,
      bootSeed: record.bootSeed.slice(),
      seq: record.seq,
      hash: await sha256(m.record),
    };
    this.pset = record.psetHash.slice();
    const isEchoed = await this.isEchoOf(record.echo, m.viewers);
    return { verdict: isDecodable || unit.isKey ? "next" : "gap", record, unit, isEchoed };
  }
}

/** The newest hub nonces; it is no secret, it only has to be fixed before the frame was signed. */
export class HubNonces {
  private readonly nonces: Bytes[] = [];

  add(nonce: Bytes): void {
    this.nonces.unshift(nonce);
    if (this.nonces.length > 20) this.nonces.pop();
  }

  async isEcho(echo: Bytes, viewers: Bytes): Promise<boolean> {
    for (const n of this.nonces) {
      if (isSame(await sha256(concat(n, viewers)), echo)) return true;
    }
    return false;
  }
}
