// Asking until there is an answer: what passes (no network, a house that is busy) is waited for, with longer and longer
// pauses; since when nothing was heard is told.
import { Problem } from "./api";
import { toSignIn } from "./place";

const PAUSES_MS = [500, 1000, 2000, 4000, 8000];

function isPassing(p: Problem): boolean {
  return p.code === "no_connection" || p.status >= 500 || p.status === 429;
}

export class Patience {
  /** Since when nothing was answered, by this phone's clock. */
  downSince: number | null = null;
  private cut: (() => void) | null = null;

  constructor(private readonly changed: () => void) {}

  /** What waits is asked at once. */
  wake(): void {
    this.cut?.();
  }

  /** Another network, or the page is seen again: what waits is asked at once. (Not every browser says which network it is on.) */
  listen(): void {
    const again = (): void => this.wake();
    addEventListener("online", again);
    (navigator as { connection?: EventTarget }).connection?.addEventListener?.("change", again);
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") again();
    });
  }

  private heard(): void {
    if (this.downSince === null) return;
    this.downSince = null;
    this.changed();
  }
  private lost(): void {
    if (this.downSince !== null) return;
    this.downSince = Date.now();
    this.changed();
  }
  /** So long, or until somebody wakes it. */
  rest(ms: number): Promise<void> {
    return new Promise((done) => {
      const timer = setTimeout(done, ms);
      this.cut = () => {
        clearTimeout(timer);
        done();
      };
    });
  }

  /** Asks until there is an answer; undefined when `isWanted` says no more, or the session ended. Throws what will not pass. */
  async persist<T>(isWanted: () => boolean, ask: () => Promise<T>, untilMs = Infinity): Promise<T | undefined> {
    for (let tries = 0; isWanted(); tries++) {
      try {
        const answer = await ask();
        if (!isWanted()) return undefined;
        this.heard();
        return answer;
      } catch (e) {
        if (!isWanted()) return undefined;
        if (!(e instanceof Problem)) throw e;
        if (e.status === 401) {
          toSignIn();
          return undefined;
        }
        if (!isPassing(e)) {
          this.heard();
          throw e;
        }
        this.lost();
        if (Date.now() > untilMs) return undefined;
        await this.rest(PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)]! * (0.8 + Math.random() * 0.4));
      }
    }
    return undefined;
  }
}
