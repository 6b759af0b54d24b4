// The phone's camera as a reader of barcodes. The engine lives in a worker and is fetched when a stop is opened.

import type { Found, FromScan, ToScan } from "./scan.worker";

export type Trouble = "blocked" | "none" | "busy" | "insecure" | "engine";

let worker: Worker | null = null;
let hear: ((m: FromScan) => void) | null = null;

function engine(): Worker {
  if (worker) return worker;
  worker = new Worker("/scan.worker.js", { type: "module" });
  worker.onmessage = (e: MessageEvent<FromScan>) => hear?.(e.data);
  worker.onerror = () => {
    hear?.({ t: "failed", why: "worker" });
    worker = null; // the next try loads it anew
  };
  return worker;
}

/** Loads the reader before it is needed. */
export function warm(): void {
  try {
    engine().postMessage({ t: "warm" } satisfies ToScan);
  } catch {
    // typing remains
  }
}

const WIDTH_MAX = 1280;

export class Scanner {
  private stream: MediaStream | null = null;
  private isOver = false;
  private n = 0;
  private isReading = false;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly onFound: (found: Found[]) => void,
    private readonly onTrouble: (t: Trouble) => void,
    private readonly onTorch: (can: boolean) => void,
  ) {}

  async start(): Promise<void> {
    if (!navigator.mediaDevices?.getUserMedia) return this.onTrouble("insecure");
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: { facingMode: { ideal: "environment" }, width: { ideal: 1280 }, height: { ideal: 720 } },
      });
      if (this.isOver) {
        for (const track of stream.getTracks()) track.stop();
        return;
      }
      this.stream = stream;
    } catch (e) {
      const name = e instanceof DOMException ? e.name : "";
      return this.onTrouble(name === "NotAllowedError" ? "blocked" : name === "NotFoundError" || name === "OverconstrainedError" ? "none" : "busy");
    }
    const track = this.stream.getVideoTracks()[0];
    track?.addEventListener("ended", () => !this.isOver && this.onTrouble("busy"));
    const can = track?.getCapabilities?.() as { torch?: boolean } | undefined;
    this.onTorch(can?.torch === true);
    this.video.srcObject = this.stream;
    await this.video.play().catch(() => undefined);
    hear = (m) => this.take(m);
    this.next();
  }

  private take(m: FromScan): void {
    if (this.isOver) return;
    if (m.t === "failed") {
      this.isReading = false;
      this.onTrouble("engine");
    } else if (m.t === "found") {
      this.isReading = false;
      this.onFound(m.found);
      this.next();
    }
  }

  private next(): void {
    if (this.isOver) return;
    const v = this.video;
    if ("requestVideoFrameCallback" in v) v.requestVideoFrameCallback(() => void this.read());
    else requestAnimationFrame(() => void this.read());
  }

  private async read(): Promise<void> {
    const v = this.video;
    if (this.isOver || this.isReading) return;
    if (v.videoWidth === 0) return this.next();
    this.isReading = true;
    const scale = Math.min(1, WIDTH_MAX / Math.max(v.videoWidth, v.videoHeight));
    const width = Math.round(v.videoWidth * scale);
    const height = Math.round(v.videoHeight * scale);
    this.n++;
    try {
      if (typeof OffscreenCanvas !== "undefined" && typeof createImageBitmap === "function") {
        const bitmap = await createImageBitmap(v, { resizeWidth: width, resizeHeight: height });
        if (this.isOver) return bitmap.close();
        engine().postMessage({ t: "bitmap", bitmap, n: this.n } satisfies ToScan, [bitmap]);
      } else {
        const canvas = document.createElement("canvas");
        canvas.width = width;
        canvas.height = height;
        const g = canvas.getContext("2d", { willReadFrequently: true })!;
        g.drawImage(v, 0, 0, width, height);
        const data = g.getImageData(0, 0, width, height).data.buffer as ArrayBuffer;
        engine().postMessage({ t: "pixels", data, width, height, n: this.n } satisfies ToScan, [data]);
      }
    } catch {
      this.isReading = false;
      this.next(); // a frame that was gone before it could be read
    }
  }

  async torch(on: boolean): Promise<boolean> {
    try {
      await this.stream?.getVideoTracks()[0]?.applyConstraints({ advanced: [{ torch: on } as MediaTrackConstraintSet] });
      return on;
    } catch {
      return false;
    }
  }

  stop(): void {
    this.isOver = true;
    hear = null;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.video.srcObject = null;
  }
}

const STEADY_MS = 1500;

/** Chooses among what is seen: the code of this stop at once; another only when it stays and none of ours comes. */
export class Chooser {
  private since = new Map<string, number>();

  constructor(
    private readonly wanted: readonly string[],
    private readonly only2d: boolean,
  ) {}

  choose(found: Found[], now: number): string | null {
    const ours = found.find((f) => this.wanted.includes(f.text));
    if (ours) return ours.text;
    const seen = found.filter((f) => (!this.only2d || f.is2d) && f.text.length <= 128);
    if (seen.length === 0) return null; // a frame without a code does not count against one that was there
    const texts = new Set(seen.map((f) => f.text));
    for (const text of this.since.keys()) if (!texts.has(text)) this.since.delete(text);
    for (const text of texts) {
      const first = this.since.get(text);
      if (first === undefined) this.since.set(text, now);
      else if (this.wanted.length === 0 ? now > first : now - first >= STEADY_MS) return text;
    }
    return null;
  }
}
