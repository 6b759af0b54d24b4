// H.264 access units in Annex B: walking NAL units and what is hashed of them. The same rules as
// src/media/h264.h.

import { type Bytes, concat, sha256 } from "./bytes";

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
}

/** Throws when there is no picture in it. */
export async function inspect(au: Bytes): Promise<AccessUnit> {
  const vcl: Bytes[] = [];
  let sps: Bytes | null = null;
  let pps: Bytes | null = null;
  let isKey = false;
  for (const nal of nals(au)) {
    const type = nal[0]! & 0x1f;
    if (type >= 1 && type <= 5) vcl.push(nal);
    if (type === 5) isKey = true;
    if (type === 7 && !sps) sps = nal;
    if (type === 8 && !pps) pps = nal;
  }
  if (vcl.length === 0) throw new Error("no picture in the access unit");
  const psetHash = sps && pps ? await sha256(concat(sps, pps)) : null;
  return { hash: await sha256(concat(...vcl)), isKey, psetHash, sps };
}

/** "avc1.PPCCLL" for WebCodecs. */
export function codecOf(sps: Bytes): string {
  const hex = [...sps.subarray(1, 4)].map((b) => b.toString(16).padStart(2, "0")).join("");
  if (hex.length !== 6) throw new Error("the parameter set is too short");
  return `avc1.${hex}`;
}
