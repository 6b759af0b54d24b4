// The worker's clock in the page's time. Both only know how long something takes; neither the phone's date nor a
// shared origin of time is relied on. The page asks, the worker answers with its own time: that was after the page
// asked, so `page + (t - worker)` is never later than the truth. The best of the last answers counts. An error makes
// a picture older, never younger.

const KEPT = 16;

export class Sync {
  private offsets: number[] = [];

  answer(page: number, worker: number): void {
    this.offsets.push(page - worker);
    if (this.offsets.length > KEPT) this.offsets.shift();
  }

  /** When it was on this page's clock, at the latest possible cost: never later than it was. null: not known yet. */
  toPage(worker: number): number | null {
    return this.offsets.length === 0 ? null : worker + Math.max(...this.offsets);
  }
}
