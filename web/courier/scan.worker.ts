// Reads barcodes in pictures of the camera, off the page's thread. The engine is loaded when the first picture comes.

import { type ReaderOptions, prepareZXingModule, readBarcodes } from "zxing-wasm/reader";

prepareZXingModule({ overrides: { locateFile: (name: string) => `/${name}` } });

const quick: ReaderOptions = {
  formats: ["Code128", "Code39", "Code93", "Codabar", "ITF", "EAN13", "EAN8", "UPCA", "UPCE", "DataBar", "DataBarExpanded", "QRCode", "MicroQRCode", "DataMatrix", "Aztec", "PDF417"],
  textMode: "Plain",
  maxNumberOfSymbols: 8,
  tryHarder: true,
  tryRotate: true,
  tryInvert: false,
  tryDownscale: true,
};
// Creased, dirty or badly lit: other ways to see black and white, in turn.
const harder: ReaderOptions[] = [
  { ...quick, tryDenoise: true, minLineCount: 1 },
  { ...quick, binarizer: "GlobalHistogram", tryInvert: true },
];

export interface Found {
  text: string;
  format: string;
  is2d: boolean;
}
export type ToScan = { t: "warm" } | { t: "bitmap"; bitmap: ImageBitmap; n: number } | { t: "pixels"; data: ArrayBuffer; width: number; height: number; n: number };
export type FromScan = { t: "ready" } | { t: "found"; n: number; found: Found[]; ms: number } | { t: "failed"; why: string };

const say = (m: FromScan): void => self.postMessage(m);
const FLAT = /QR|Matrix|Aztec|PDF417|MaxiCode/i;

function pixels(m: Exclude<ToScan, { t: "warm" }>): ImageData {
  if (m.t === "pixels") return new ImageData(new Uint8ClampedArray(m.data), m.width, m.height);
  const canvas = new OffscreenCanvas(m.bitmap.width, m.bitmap.height);
  const g = canvas.getContext("2d", { willReadFrequently: true })!;
  g.drawImage(m.bitmap, 0, 0);
  m.bitmap.close();
  return g.getImageData(0, 0, canvas.width, canvas.height);
}

self.onmessage = async (e: MessageEvent<ToScan>): Promise<void> => {
  const m = e.data;
  try {
    if (m.t === "warm") {
      await readBarcodes(new ImageData(16, 16), quick);
      say({ t: "ready" });
      return;
    }
    const from = performance.now();
    const image = pixels(m);
    let list = await readBarcodes(image, quick);
    if (list.length === 0 && m.n % 2 === 1) list = await readBarcodes(image, harder[(m.n >> 1) % harder.length]);
    const found = list.filter((r) => r.isValid && r.text !== "").map((r) => ({ text: r.text, format: r.format, is2d: FLAT.test(r.format) }));
    say({ t: "found", n: m.n, found, ms: performance.now() - from });
  } catch (err) {
    say({ t: "failed", why: String(err) });
  }
};
