// The worker's clock in the page's time. Both only know how long something takes; neither the phone's date nor a
// shared origin of time is relied on. The page asks, the worker answers with its own time: that was after the page
// asked, so `worker's time + (asked - answered)` is never later than the truth. The best of the last answers counts: an
// error makes a picture older, never younger.

const KEPT = 16;

export class Sync {
  private offsets: number[] = [];
  private slept = "";

  /** `slept`: how much sleep of the machine each of the two clocks has counted. They may notice it one after the other:
   *  what was learned before says nothing then. */
  answer(page: number, worker: number, slept: string): void {
    if (slept !== this.slept) this.offsets = [];
    this.slept = slept;
    this.offsets.push(page - worker);
    if (this.offsets.length > KEPT) this.offsets.shift();
  }

  /** When it was on the page's clock, or earlier; null: not known, or what would be in the future of `now`. */
  toPage(worker: number, now: number): number | null {
    if (this.offsets.length === 0) return null;
    const at = worker + Math.max(...this.offsets);
    return at <= now ? at : null;
  }
}
