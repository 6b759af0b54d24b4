// A link as a QR code, so that another phone opens it: byte mode, level M, versions 1 to 10 [ISO/IEC 18004].

import type { JSX } from "preact";

// For each version at level M: bytes of error correction a block, blocks of the first and second kind with their data bytes.
const BLOCKS: [number, number, number, number, number][] = [
  [10, 1, 16, 0, 0], [16, 1, 28, 0, 0], [26, 1, 44, 0, 0], [18, 2, 32, 0, 0], [24, 2, 43, 0, 0], [16, 4, 27, 0, 0], [18, 4, 31, 0, 0], [22, 2, 38, 2, 39], [22, 3, 36, 2, 37], [26, 4, 43, 1, 44],
];
const ALIGN = [[], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50]];

const exp: number[] = [];
const log: number[] = [];
for (let i = 0, x = 1; i < 255; i++) {
  exp[i] = x;
  log[x] = i;
  x = x & 128 ? (x << 1) ^ 0x11d : x << 1;
}
const mul = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : exp[(log[a]! + log[b]!) % 255]!);

function correction(data: number[], count: number): number[] {
  let gen = [1];
  for (let i = 0; i < count; i++) {
    const next = new Array<number>(gen.length + 1).fill(0);
    gen.forEach((g, k) => {
      next[k]! ^= g;
      next[k + 1]! ^= mul(g, exp[i]!);
    });
    gen = next;
  }
  const rest = [...data, ...new Array<number>(count).fill(0)];
  for (let i = 0; i < data.length; i++) {
    const f = rest[i]!;
    if (f !== 0) gen.forEach((g, k) => (rest[i + k]! ^= mul(g, f)));
  }
  return rest.slice(data.length);
}

function codewords(text: string): { version: number; words: number[] } | null {
  const bytes = new TextEncoder().encode(text);
  for (let version = 1; version <= BLOCKS.length; version++) {
    const [ec, n1, d1, n2, d2] = BLOCKS[version - 1]!;
    const room = n1 * d1 + n2 * d2;
    const lengthBits = version < 10 ? 8 : 16;
    if (4 + lengthBits + bytes.length * 8 > room * 8) continue;
    const bits: number[] = [];
    const put = (value: number, count: number): void => {
      for (let i = count - 1; i >= 0; i--) bits.push((value >> i) & 1);
    };
    put(4, 4);
    put(bytes.length, lengthBits);
    bytes.forEach((b) => put(b, 8));
    put(0, Math.min(4, room * 8 - bits.length));
    while (bits.length % 8) bits.push(0);
    const data: number[] = [];
    for (let i = 0; i < bits.length; i += 8) data.push(bits.slice(i, i + 8).reduce((v, b) => v * 2 + b, 0));
    for (let pad = 0xec; data.length < room; pad ^= 0xfd) data.push(pad);
    const blocks: number[][] = [];
    for (let i = 0, at = 0; i < n1 + n2; i++) {
      const size = i < n1 ? d1 : d2;
      blocks.push(data.slice(at, at + size));
      at += size;
    }
    const ecs = blocks.map((b) => correction(b, ec));
    const words: number[] = [];
    for (let i = 0; i < Math.max(d1, d2); i++) for (const b of blocks) if (i < b.length) words.push(b[i]!);
    for (let i = 0; i < ec; i++) for (const e of ecs) words.push(e[i]!);
    return { version, words };
  }
  return null;
}

/** Dark modules, row by row; null: too long. */
export function qr(text: string): boolean[][] | null {
  const made = codewords(text);
  if (!made) return null;
  const { version, words } = made;
  const size = 17 + 4 * version;
  const at: (boolean | null)[][] = Array.from({ length: size }, () => new Array<boolean | null>(size).fill(null));
  const set = (x: number, y: number, v: boolean): void => {
    if (x >= 0 && y >= 0 && x < size && y < size) at[y]![x] = v;
  };
  const finder = (cx: number, cy: number): void => {
    for (let y = -4; y <= 4; y++) for (let x = -4; x <= 4; x++) {
      const d = Math.max(Math.abs(x), Math.abs(y));
      set(cx + x, cy + y, d !== 2 && d !== 4);
    }
  };
  for (let i = 8; i < size - 8; i++) {
    set(i, 6, i % 2 === 0);
    set(6, i, i % 2 === 0);
  }
  finder(3, 3);
  finder(size - 4, 3);
  finder(3, size - 4);
  const places = ALIGN[version - 1]!;
  for (const cy of places) for (const cx of places) {
    const isFinder = (cx === 6 && cy === 6) || (cx === 6 && cy === size - 7) || (cx === size - 7 && cy === 6);
    if (isFinder) continue;
    for (let y = -2; y <= 2; y++) for (let x = -2; x <= 2; x++) set(cx + x, cy + y, Math.max(Math.abs(x), Math.abs(y)) !== 1);
  }
  if (version >= 7) {
    let rest = version;
    for (let i = 0; i < 12; i++) rest = (rest << 1) ^ ((rest >> 11) * 0x1f25);
    const info = (version << 12) | rest;
    for (let i = 0; i < 18; i++) {
      const bit = ((info >> i) & 1) === 1;
      set(size - 11 + (i % 3), Math.floor(i / 3), bit);
      set(Math.floor(i / 3), size - 11 + (i % 3), bit);
    }
  }
  // Level M is 00, mask 0 is 000: one mask always, readers do not mind.
  const format = 0b101010000010010;
  for (let i = 0; i < 15; i++) {
    const bit = ((format >> i) & 1) === 1;
    set(8, i < 6 ? i : i < 8 ? i + 1 : size - 15 + i, bit);
    set(i < 8 ? size - 1 - i : i < 9 ? 7 : 14 - i, 8, bit);
  }
  set(8, size - 8, true);
  let n = 0;
  for (let right = size - 1, up = true; right > 0; right -= 2, up = !up) {
    if (right === 6) right = 5;
    for (let k = 0; k < size; k++) {
      const y = up ? size - 1 - k : k;
      for (const x of [right, right - 1]) {
        if (at[y]![x] !== null) continue;
        const word = words[n >> 3] ?? 0;
        const bit = ((word >> (7 - (n & 7))) & 1) === 1;
        n++;
        at[y]![x] = bit !== ((x + y) % 2 === 0);
      }
    }
  }
  return at.map((row) => row.map((v) => v === true));
}

/** Dark on light also at night: readers want it so. */
export function Qr({ text, label }: { text: string; label: string }): JSX.Element | null {
  const rows = qr(text);
  if (!rows) return null;
  const size = rows.length + 8;
  const path = rows.flatMap((row, y) => row.map((v, x) => (v ? `M${x + 4} ${y + 4}h1v1h-1z` : ""))).join("");
  return <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shape-rendering="crispEdges"><rect class="qr-paper" width={size} height={size} /><path class="qr-ink" d={path} /></svg>;
}
