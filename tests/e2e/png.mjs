// Just enough PNG to look at what a browser drew: 8 bit, RGB or RGBA, not interlaced.
import { inflateSync } from "node:zlib";

/** Rows beyond `rows` are not read: they stay black. */
export function readPng(buffer, rows = Infinity) {
  let at = 8;
  let width = 0;
  let height = 0;
  let step = 4;
  const data = [];
  while (at < buffer.length) {
    const len = buffer.readUInt32BE(at);
    const type = buffer.toString("latin1", at + 4, at + 8);
    const body = buffer.subarray(at + 8, at + 8 + len);
    if (type === "IHDR") {
      width = body.readUInt32BE(0);
      height = body.readUInt32BE(4);
      if (body[8] !== 8 || (body[9] !== 2 && body[9] !== 6) || body[12] !== 0) throw new Error("PNG of another kind");
      step = body[9] === 6 ? 4 : 3;
    }
    if (type === "IDAT") data.push(body);
    at += 12 + len;
  }
  const raw = inflateSync(Buffer.concat(data));
  const row = width * step;
  const px = Buffer.alloc(row * height);
  for (let y = 0; y < Math.min(height, rows); y++) {
    const filter = raw[y * (row + 1)];
    for (let x = 0; x < row; x++) {
      const v = raw[y * (row + 1) + 1 + x];
      const a = x >= step ? px[y * row + x - step] : 0;
      const b = y > 0 ? px[(y - 1) * row + x] : 0;
      const c = x >= step && y > 0 ? px[(y - 1) * row + x - step] : 0;
      let add = 0;
      if (filter === 1) add = a;
      else if (filter === 2) add = b;
      else if (filter === 3) add = (a + b) >> 1;
      else if (filter === 4) {
        const p = a + b - c;
        const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
        add = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
      }
      px[y * row + x] = (v + add) & 255;
    }
  }
  return {
    width,
    height,
    /** Calls f(r, g, b) for pixels of a part, every `every`-th in both directions. */
    each(part, f, every = 3) {
      for (let y = Math.max(0, Math.round(part.y)); y < Math.min(height, part.y + part.height); y += every) {
        for (let x = Math.max(0, Math.round(part.x)); x < Math.min(width, part.x + part.width); x += every) {
          const i = y * row + x * step;
          f(px[i], px[i + 1], px[i + 2]);
        }
      }
    },
  };
}

/** Share of the part's pixels for which `test` holds, 0..1. */
export function share(png, part, test) {
  let hits = 0;
  let all = 0;
  png.each(part, (r, g, b) => {
    all++;
    if (test(r, g, b)) hits++;
  });
  return all ? hits / all : 0;
}
