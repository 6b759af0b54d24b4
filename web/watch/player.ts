// Verified pictures onto a canvas, inside the worker. Authentic frames go to the decoder in order, old
// ones too (later ones build on them); only pictures that are proven to be of now are drawn.

import { fromHex, toHex } from "../shared/bytes";
import { DARK_MS, Freshness } from "../shared/age";
import type { SleepClock } from "../shared/clock";
import { VerifyKey } from "../shared/cose";
import { FrameJudge, type FrameMessage, HubNonces, readMessage } from "../shared/frame";
import { codecOf, inspect } from "../shared/h264";

const BACKLOG_MAX = 45; // frames that wait to be verified
const DECODING_MAX = 15; // frames that wait to be decoded: half a second; more would only be late

export interface PlayerEvents {
  proven(exposedAt: number): void;
  unproven(at: number): void;
  changed(why: string): void;
  size(width: number, height: number): void;
  cannot(reason: "ed25519" | "webcodecs"): void;
}

type Waiting = { exposedAt: number | null; isProof: boolean };

export class Player {
  readonly freshness = new Freshness();
  readonly hubNonces = new HubNonces();
  private judge: FrameJudge | null = null;
  private cameraPub: string | null = null;
  private isK0 = false;
  private decoder: VideoDecoder | null = null;
  private codec = "";
  private needsKey = true;
  private chain: Promise<void> = Promise.resolve();
  private backlog = 0;
  private isSkipping = false;
  private stamp = 0;
  private readonly waiting = new Map<number, Waiting>();
  private drawnAt = -Infinity;
  private isBlank = true;

  constructor(
    private readonly canvas: OffscreenCanvas,
    private readonly clock: SleepClock,
    private readonly ev: PlayerEvents,
  ) {}

  /** The enrolled camera, as the hub names it. */
  async setCamera(pub: string | null, cameraClass: number): Promise<void> {
    const isK0 = pub === null && cameraClass === 0;
    if (pub === this.cameraPub && isK0 === this.isK0) return;
    this.cameraPub = pub;
    this.isK0 = isK0;
    this.judge = null;
    this.freshness.reset();
    this.restart();
    if (pub === null) return;
    try {
      const key = await VerifyKey.of(fromHex(pub));
      if (this.cameraPub === pub)
        this.judge = new FrameJudge(key, (echo, viewers) => this.hubNonces.isEcho(echo, viewers));
    } catch {
      this.ev.cannot("ed25519");
    }
  }

  /** One binary message. Work is done strictly one after the other. */
  take(buffer: ArrayBuffer): void {
    let m: FrameMessage;
    try {
      m = readMessage(buffer);
    } catch {
      return; // not from our front: nothing to judge
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
    if (this.isBlank || this.clock.now() - this.drawnAt <= DARK_MS) return;
    const ctx = this.canvas.getContext("2d");
    ctx?.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.isBlank = true;
  }

  restart(): void {
    this.needsKey = true;
    this.waiting.clear();
    if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    this.decoder = null;
  }

  private async frame(m: FrameMessage): Promise<void> {
    if (this.isK0) return this.unprovenFrame(m);
    if (!this.judge) return;
    const j = await this.judge.judge(m);
    if (j.verdict === "old") return;
    if (j.verdict === "changed") {
      this.restart();
      this.ev.changed(j.why);
      return;
    }
    if (j.verdict === "gap") this.needsKey = true;
    const boot = `${j.record.bootCount}:${toHex(j.record.bootSeed)}`;
    const exposedAt = j.isEchoed
      ? this.freshness.exposedAt(boot, j.record.tExpUs, m.viewerNonces)
      : null;
    this.decode(m, j.unit.isKey, j.unit.sps, { exposedAt, isProof: true });
  }

  private async unprovenFrame(m: FrameMessage): Promise<void> {
    const unit = await inspect(m.au);
    this.decode(m, unit.isKey, unit.sps, { exposedAt: this.clock.now(), isProof: false });
  }

  private decode(m: FrameMessage, isKey: boolean, sps: Uint8Array | null, w: Waiting): void {
    if (this.needsKey && !(isKey && sps)) return;
    if (isKey && sps) {
      const codec = codecOf(sps as never);
      if (!this.decoder || this.decoder.state === "closed" || codec !== this.codec) this.configure(codec);
      this.needsKey = false;
    }
    if (!this.decoder) return;
    if (this.decoder.decodeQueueSize > DECODING_MAX) {
      this.restart(); // this machine does not follow: on with the next key frame
      return;
    }
    this.stamp += 1000;
    this.waiting.set(this.stamp, w);
    if (this.waiting.size > 120) this.waiting.delete(this.waiting.keys().next().value!);
    this.decoder.decode(
      new EncodedVideoChunk({ type: isKey ? "key" : "delta", timestamp: this.stamp, data: m.au }),
    );
  }

  private configure(codec: string): void {
    if (typeof VideoDecoder === "undefined") {
      this.ev.cannot("webcodecs");
      throw new Error("no WebCodecs");
    }
    if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    const decoder = new VideoDecoder({
      output: (picture) => this.draw(picture),
      error: () => {
        if (this.decoder === decoder) this.restart();
      },
    });
    decoder.configure({ codec, optimizeForLatency: true }); // no description: Annex B
    this.decoder = decoder;
    this.codec = codec;
  }

  private draw(picture: VideoFrame): void {
    const w = this.waiting.get(picture.timestamp);
    this.waiting.delete(picture.timestamp);
    try {
      if (!w || w.exposedAt === null || w.exposedAt <= this.drawnAt) return;
      if (this.clock.now() - w.exposedAt > DARK_MS) return; // authentic, but of before
      const { displayWidth: width, displayHeight: height } = picture;
      if (this.canvas.width !== width || this.canvas.height !== height) {
        this.canvas.width = width;
        this.canvas.height = height;
        this.ev.size(width, height);
      }
      this.canvas.getContext("2d")?.drawImage(picture, 0, 0);
      this.isBlank = false;
      this.drawnAt = w.exposedAt;
      if (w.isProof) this.ev.proven(w.exposedAt);
      else this.ev.unproven(w.exposedAt);
    } finally {
      picture.close();
    }
  }
}
