// H.264 access units in Annex B: walking NAL units, what is hashed of them, and what of them may be decoded. The same
// rules as src/media/h264.h.

import { type Bytes, concat, isSame, sha256 } from "./bytes";

/** NAL units, header byte first, without start codes, trailing zero bytes stripped. */
export function nals(au: Bytes): Bytes[] {
  const starts: number[] = [];
  for (let i = 0; i + 2 < au.length; i++) {
    if (au[i] === 0 && au[i + 1] === 0 && au[i + 2] === 1) {
      starts.push(i);
      i += 2;
    }
  }
  const out: Bytes[] = [];
  starts.forEach((from, n) => {
    let end = n + 1 < starts.length ? starts[n + 1]! : au.length;
    while (end > from + 3 && au[end - 1] === 0) end--;
    if (end > from + 3) out.push(au.subarray(from + 3, end));
  });
  return out;
}

export interface AccessUnit {
  readonly hash: Bytes;
  readonly isKey: boolean;
  readonly psetHash: Bytes | null;
  readonly sps: Bytes | null;
  /** Exactly what the two hashes cover, in Annex B: this goes to the decoder and nothing else. Whatever was put
   *  between is not in it. */
  readonly sealed: Bytes;
}

/** A set that is repeated is the same set; any other beside it counts, so that none can be slipped in. */
function distinct(list: Bytes[]): Bytes[] {
  return list.filter((n, i) => i === 0 || !isSame(n, list[0]!));
}

/** Each with its length before it: where a unit ends is signed too. */
function toBeHashed(list: Bytes[]): Bytes {
  return concat(...list.flatMap((n) => [new Uint8Array([n.length >>> 24, n.length >>> 16, n.length >>> 8, n.length]), n]));
}

const START = new Uint8Array([0, 0, 0, 1]);

/** Throws when there is no picture in it. */
export async function inspect(au: Bytes): Promise<AccessUnit> {
  const vcl: Bytes[] = [];
  const spss: Bytes[] = [];
  const ppss: Bytes[] = [];
  let isKey = false;
  for (const nal of nals(au)) {
    const type = nal[0]! & 0x1f;
    if (type >= 1 && type <= 5) vcl.push(nal);
    if (type === 5) isKey = true;
    if (type === 7) spss.push(nal);
    if (type === 8) ppss.push(nal);
  }
  if (vcl.length === 0) throw new Error("no picture in the access unit");
  // Half a pair is not hashed; then it is not decoded either.
  const psets = spss.length > 0 && ppss.length > 0 ? [...distinct(spss), ...distinct(ppss)] : [];
  return {
    hash: await sha256(toBeHashed(vcl)),
    isKey,
    psetHash: psets.length > 0 ? await sha256(toBeHashed(psets)) : null,
    sps: psets.length > 0 ? spss[0]! : null,
    sealed: concat(...[...psets, ...vcl].flatMap((n) => [START, n])),
  };
}

/** "avc1.PPCCLL" for WebCodecs. */
export function codecOf(sps: Bytes): string {
  const hex = [...sps.subarray(1, 4)].map((b) => b.toString(16).padStart(2, "0")).join("");
  if (hex.length !== 6) throw new Error("the parameter set is too short");
  return `avc1.${hex}`;
}
