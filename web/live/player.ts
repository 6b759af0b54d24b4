// Verified pictures onto canvases, inside the worker. Authentic frames go to the decoder in order, old ones too (later
// ones build on them); only pictures that are proven to be of now are drawn. What was changed, is foreign or had before
// never reaches the decoder [I31].

import { DARK_MS, Freshness } from "../shared/age";
import { type Bytes, fromHex, toHex } from "../shared/bytes";
import type { SleepClock } from "../shared/clock";
import { VerifyKey } from "../shared/cose";
import { FrameJudge, type FrameMessage, HubNonces, readMessage, readSession } from "../shared/frame";
import { codecOf, inspect } from "../shared/h264";
import type { Cannot, Changed, Measures } from "./messages";

const BACKLOG_MAX = 45; // frames that wait to be verified
const DECODING_MAX = 15; // frames that wait to be decoded: half a second; more would only be late
const GIVEN_MS = 10000; // a decoder that was given frames for so long and never gave a picture has none to give
const GIVEN_LEAST = 3;
const DRAWING_MAX = 120; // frames that the decoder has taken and not given back
/** The most that a household may let pass as unchanged [t_still_ms]; the hub may say so earlier. */
const STILL_MS = 1500;

export interface PlayerEvents {
  /** A proven picture is on the canvases now. */
  proven(exposedAt: number, tExpUs: number, measures: Measures): void;
  unproven(at: number): void;
  /** The camera itself signs that its picture has not changed for too long. Not drawn. */
  frozen(stillMs: number): void;
  /** Refused before the decoder saw it. */
  changed(why: Changed): void;
  size(width: number, height: number): void;
  cannot(reason: Cannot): void;
  /** Authentic frames come that cannot be decoded before the next key frame. */
  wantsKey(): void;
}

interface Waiting {
  exposedAt: number | null;
  proof: { tExpUs: number; measures: Measures } | null;
}

export class Player {
  readonly freshness = new Freshness();
  readonly hubNonces = new HubNonces();
  private readonly views = new Map<number, { canvas: OffscreenCanvas; most: number }>();
  private isVisible = true;
  private judge: FrameJudge | null = null;
  private cameraPub: string | null = null;
  private cameraSession: string | null = null;
  private isK0 = false;
  private decoder: VideoDecoder | null = null;
  private codec = "";
  private needsKey = true;
  private chain: Promise<void> = Promise.resolve();
  private backlog = 0;
  private isSkipping = false;
  private stamp = 0;
  private hasDecoded = false;
  private given = 0;
  private firstGivenAt: number | null = null;
  private readonly waiting = new Map<number, Waiting>();
  private drawnAt = -Infinity;
  private isBlank = true;
  private width = 0;
  private height = 0;

  constructor(
    private readonly clock: SleepClock,
    private readonly ev: PlayerEvents,
  ) {}

  /** Frames that wait to be judged. */
  get pending(): Promise<void> {
    return this.chain;
  }

  attach(id: number, canvas: OffscreenCanvas): void {
    if (this.views.size === 0) this.restart();
    this.views.set(id, { canvas, most: Infinity });
    if (this.width > 0) this.ev.size(this.width, this.height);
  }

  /** It is seen this many pixels wide: more are not drawn. */
  resize(id: number, width: number): void {
    const v = this.views.get(id);
    if (v && width > 0) v.most = width;
  }

  detach(id: number): void {
    this.views.delete(id);
    if (this.views.size === 0) this.restart();
  }

  /** Nobody looks: what comes all the same is verified, and not decoded. */
  setVisible(on: boolean): void {
    if (on === this.isVisible) return;
    this.isVisible = on;
    this.wipe();
    this.restart();
  }

  /** The enrolled camera, as the hub names it, and what its key says of the key of this boot's frames. */
  async setCamera(pub: string | null, cameraClass: number, session: string | null): Promise<void> {
    const isK0 = pub === null && cameraClass === 0;
    if (pub === this.cameraPub && session === this.cameraSession && isK0 === this.isK0) return;
    this.cameraPub = pub;
    this.cameraSession = session;
    this.isK0 = isK0;
    this.judge = null;
    this.freshness.reset();
    this.wipe();
    this.restart();
    if (pub === null || session === null) return;
    let device: VerifyKey;
    try {
      device = await VerifyKey.of(fromHex(pub));
    } catch {
      this.ev.cannot("ed25519");
      return;
    }
    try {
      const key = await readSession(device, fromHex(session));
      if (this.cameraPub === pub && this.cameraSession === session)
        this.judge = new FrameJudge(key, (echo, viewers) => this.hubNonces.isEcho(echo, viewers));
    } catch {
      // the enrolled camera has not said so: whatever comes stays unjudged, and is not drawn
    }
  }

  /** One binary message. Work is done strictly one after the other. */
  take(buffer: ArrayBuffer): void {
    let m: FrameMessage;
    try {
      m = readMessage(buffer);
    } catch {
      return; // torn, or not from our front: nothing to judge; the gap that it leaves is seen
    }
    const isKeyHint = new Uint8Array(buffer)[2] === 1;
    if (this.backlog >= BACKLOG_MAX) this.isSkipping = true;
    if (this.isSkipping && (!isKeyHint || this.backlog > 2)) {
      this.needsKey = true;
      return;
    }
    this.isSkipping = false;
    this.backlog++;
    this.chain = this.chain
      .then(() => this.frame(m))
      .catch(() => this.restart())
      .finally(() => {
        this.backlog--;
      });
  }

  /** Takes away what is no longer of now, so that nothing old lies under the cover. */
  sweep(): void {
    if (!this.isBlank && this.clock.now() - this.drawnAt > DARK_MS) this.wipe();
  }

  restart(): void {
    this.needsKey = true;
    this.waiting.clear();
    if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    this.decoder = null;
  }

  private wipe(): void {
    this.isBlank = true;
    for (const { canvas: c } of this.views.values()) c.getContext("2d")?.clearRect(0, 0, c.width, c.height);
  }

  /** Somebody looks at a view. */
  get isWatched(): boolean {
    return this.isVisible && this.views.size > 0;
  }

  private async frame(m: FrameMessage): Promise<void> {
    if (this.isK0) return this.unprovenFrame(m);
    if (!this.judge) return;
    const judge = this.judge;
    const j = await judge.judge(m);
    if (judge !== this.judge) return; // another camera since
    if (j.verdict === "old") return;
    if (j.verdict === "changed") {
      this.restart();
      this.ev.changed("seal");
      return;
    }
    if (j.verdict === "gap") this.needsKey = true;
    const r = j.record;
    const boot = `${r.bootCount}:${toHex(r.bootSeed)}`;
    const exposedAt = j.isEchoed ? this.freshness.exposedAt(boot, r.tExpUs, m.viewerNonces) : null;
    if (r.tamper !== 0) {
      this.restart();
      this.ev.changed("camera");
      return;
    }
    const isFrozen = r.stillMs > STILL_MS;
    if (isFrozen) this.ev.frozen(r.stillMs);
    const measures: Measures = { stillMs: r.stillMs, luma: r.luma, spread: r.spread };
    this.decode(j.unit.sealed, j.unit.isKey, j.unit.sps, { exposedAt: isFrozen ? null : exposedAt, proof: { tExpUs: r.tExpUs, measures } });
  }

  private async unprovenFrame(m: FrameMessage): Promise<void> {
    const unit = await inspect(m.au);
    if (!this.isK0) return;
    this.decode(unit.sealed, unit.isKey, unit.sps, { exposedAt: this.clock.now(), proof: null });
  }

  private decode(data: Bytes, isKey: boolean, sps: Bytes | null, w: Waiting): void {
    if (!this.isWatched) {
      this.firstGivenAt = null;
      this.needsKey = true;
      return;
    }
    if (this.needsKey && !(isKey && sps)) {
      this.ev.wantsKey();
      return;
    }
    if (isKey && sps) {
      const codec = codecOf(sps);
      if (!this.decoder || this.decoder.state === "closed" || codec !== this.codec) this.configure(codec);
      this.needsKey = false;
    }
    if (!this.decoder) return;
    if (!this.hasDecoded) {
      this.firstGivenAt ??= this.clock.now();
      if (++this.given > GIVEN_LEAST && this.clock.now() - this.firstGivenAt > GIVEN_MS) this.ev.cannot("webcodecs");
    }
    if (this.decoder.decodeQueueSize > DECODING_MAX) {
      this.restart(); // this machine does not follow: on with the next key frame
      this.ev.wantsKey();
      return;
    }
    this.stamp += 1000;
    this.waiting.set(this.stamp, w);
    if (this.waiting.size > DRAWING_MAX) this.waiting.delete(this.waiting.keys().next().value!);
    this.decoder.decode(new EncodedVideoChunk({ type: isKey ? "key" : "delta", timestamp: this.stamp, data }));
  }

  private configure(codec: string): void {
    if (typeof VideoDecoder === "undefined") {
      this.ev.cannot("webcodecs");
      throw new Error("no WebCodecs");
    }
    if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    const decoder = new VideoDecoder({
      output: (picture) => this.draw(decoder, picture),
      error: (e) => {
        if (this.decoder !== decoder) return;
        if (e.name === "NotSupportedError") this.ev.cannot("webcodecs");
        this.restart();
        this.ev.wantsKey();
      },
    });
    decoder.configure({ codec, optimizeForLatency: true }); // no description: Annex B
    this.decoder = decoder;
    this.codec = codec;
  }

  private draw(from: VideoDecoder, picture: VideoFrame): void {
    const waiting = this.waiting.get(picture.timestamp);
    this.hasDecoded = true;
    this.waiting.delete(picture.timestamp);
    try {
      if (from !== this.decoder || !waiting || waiting.exposedAt === null || waiting.exposedAt <= this.drawnAt) return;
      if (!this.isWatched || this.clock.now() - waiting.exposedAt > DARK_MS) return; // authentic, but of before
      const { displayWidth: width, displayHeight: height } = picture;
      for (const { canvas, most } of this.views.values()) {
        const scale = Math.min(1, most / width);
        const w = Math.max(1, Math.round(width * scale));
        const h = Math.max(1, Math.round(height * scale));
        if (canvas.width !== w || canvas.height !== h) {
          canvas.width = w;
          canvas.height = h;
        }
        canvas.getContext("2d")?.drawImage(picture, 0, 0, w, h);
      }
      if (width !== this.width || height !== this.height) {
        this.width = width;
        this.height = height;
        this.ev.size(width, height);
      }
      this.isBlank = false;
      this.drawnAt = waiting.exposedAt;
      if (waiting.proof) this.ev.proven(waiting.exposedAt, waiting.proof.tExpUs, waiting.proof.measures);
      else this.ev.unproven(waiting.exposedAt);
    } finally {
      picture.close();
    }
  }
}
