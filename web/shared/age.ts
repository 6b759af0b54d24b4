// The proven age of a picture [I31].
//
// This screen sends a new random nonce each second. The camera signs the nonces it has into each frame,
// together with its own exposure time. The first frame that carries a nonce was exposed after the nonce
// was sent, so it tells how this screen's clock and the camera's differ at most:
//     exposure (our clock) >= sent(nonce) + (exposure - exposure of that first frame, camera's clock)
// The best of the last nonces gives the least upper bound of the age. Nothing that the camera's clock
// says absolutely is used, and a relay that holds frames back only makes them older, never younger.

export const LIVE_MS = 1000;
export const DARK_MS = 1500;
const KEPT = 20;

interface Sent {
  readonly nonce: string;
  readonly at: number;
  firstExposureMs: number | null;
}

export class Freshness {
  private sent: Sent[] = [];
  private boot = "";

  /** A nonce was sent at `at` (ms on this screen's clock). */
  ask(nonce: string, at: number): void {
    this.sent.push({ nonce, at, firstExposureMs: null });
    if (this.sent.length > KEPT) this.sent.shift();
  }

  /** Forgets everything: the clock jumped, or the camera's key changed. */
  reset(): void {
    this.sent = [];
  }

  /** When the picture was exposed at the earliest, on this screen's clock; null: not proven to be of now
   *  at all, because none of this screen's own nonces is signed into it. Only for verified frames, in the
   *  order in which they came. */
  exposedAt(boot: string, exposureUs: number, signedNonces: readonly string[]): number | null {
    if (boot !== this.boot) {
      this.boot = boot;
      for (const s of this.sent) s.firstExposureMs = null;
    }
    const ms = exposureUs / 1000;
    let isOurs = false;
    let best = -Infinity;
    for (const s of this.sent) {
      if (signedNonces.includes(s.nonce)) {
        isOurs = true;
        s.firstExposureMs ??= ms;
      }
      if (s.firstExposureMs !== null) best = Math.max(best, s.at + ms - s.firstExposureMs);
    }
    return isOurs ? best : null;
  }
}

export type Liveness = "live" | "stale" | "blind";

export function livenessOf(ageMs: number): Liveness {
  if (ageMs <= LIVE_MS) return "live";
  return ageMs <= DARK_MS ? "stale" : "blind";
}
