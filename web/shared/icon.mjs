// The icon of both apps: rows of app.mjs, and what their manifests say of it.
import { deflateSync } from "node:zlib";

// The lit doorway as a PNG, for those who want no SVG: painted here, so that no picture lies about without its source.
const COLOURS = { ground: [37, 33, 27], frame: [249, 244, 234], light: [232, 182, 89], door: [44, 92, 86] };
function colourAt(x, y, inset) {
  const u = (x - 0.5) / (1 - 2 * inset) + 0.5;
  const v = (y - 0.5) / (1 - 2 * inset) + 0.5;
  const within = (l, t, r, b) => u >= l && u < r && v >= t && v < b;
  if (Math.hypot(u - 0.5, v - 0.5625) < 0.03) return COLOURS.light;
  const edge = (u - 0.328) * (5 / 14); // the open leaf leans in
  if (u >= 0.328 && u < 0.547 && v >= 0.203 + edge && v < 0.844 - edge + 2 * edge) return COLOURS.door;
  if (within(0.328, 0.203, 0.672, 0.844)) return COLOURS.light;
  if (within(0.281, 0.156, 0.719, 0.844)) return COLOURS.frame;
  return COLOURS.ground;
}
function crc(bytes) {
  let c = ~0;
  for (const b of bytes) {
    c ^= b;
    for (let k = 0; k < 8; k++) c = (c >>> 1) ^ (c & 1 ? 0xedb88320 : 0);
  }
  return ~c >>> 0;
}
function chunk(type, body) {
  const b = Buffer.alloc(12 + body.length);
  b.writeUInt32BE(body.length);
  b.write(type, 4, "latin1");
  body.copy(b, 8);
  b.writeUInt32BE(crc(b.subarray(4, 8 + body.length)), 8 + body.length);
  return b;
}
function png(size, inset) {
  const rows = Buffer.alloc((1 + 3 * size) * size);
  const N = 3;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const sum = [0, 0, 0];
      for (let k = 0; k < N * N; k++) {
        const c = colourAt((x + ((k % N) + 0.5) / N) / size, (y + (Math.floor(k / N) + 0.5) / N) / size, inset);
        for (let i = 0; i < 3; i++) sum[i] += c[i];
      }
      for (let i = 0; i < 3; i++) rows[y * (1 + 3 * size) + 1 + 3 * x + i] = Math.round(sum[i] / (N * N));
    }
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(size, 0);
  head.writeUInt32BE(size, 4);
  head.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), chunk("IHDR", head), chunk("IDAT", deflateSync(rows, { level: 9 })), chunk("IEND", Buffer.alloc(0))]);
}

export const iconRows = [
  { path: "/icon.svg", file: "shared/icon.svg", open: true },
  { path: "/icon-192.png", text: png(192, 0), open: true },
  { path: "/icon-512.png", text: png(512, 0), open: true },
  { path: "/icon-mask.png", text: png(512, 0.12), open: true },
];
export const icons = [
  { src: "/icon.svg", sizes: "any", type: "image/svg+xml", purpose: "any" },
  { src: "/icon-192.png", sizes: "192x192", type: "image/png", purpose: "any" },
  { src: "/icon-512.png", sizes: "512x512", type: "image/png", purpose: "any" },
  { src: "/icon-mask.png", sizes: "512x512", type: "image/png", purpose: "maskable" },
];
