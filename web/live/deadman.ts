// Covers that come by themselves. Each is an opaque element over a claim; an animation of its opacity, run by the
// compositor, keeps it away until a deadline. Every new proof moves the deadline. When the page's main thread hangs,
// nobody moves it, and the cover comes. No timer of the page is involved. It is no decoration: reduced motion does not
// switch it off (style sheets cannot reach animations made here).

const AFTER_MS = 3600_000;

export class DeadMan {
  private running: Animation | null = null;
  private until = 0;

  /** `cover` is visible by its style sheet; only the animation hides it. `limitMs`: no deadline is ever further away. */
  constructor(
    private readonly cover: HTMLElement,
    private readonly limitMs: number,
  ) {}

  /** Keeps the cover away until `deadline`; one that has passed or is earlier changes nothing. */
  arm(deadline: number, now: number): void {
    deadline = Math.min(deadline, now + this.limitMs);
    const left = deadline - now;
    if (left <= 0 || deadline <= this.until) return;
    const isHidden = this.until > now;
    // Thirty proofs a second come: a new animation for less than a tenth of a second is not worth it.
    if (isHidden && deadline - this.until < 80 && this.until - now > 400) return;
    const at = left / (left + AFTER_MS);
    const next = this.cover.animate(
      [
        { opacity: 0, offset: 0, easing: "step-end" }, // away until `at`, then there at once
        { opacity: 1, offset: at },
        { opacity: 1, offset: 1 },
      ],
      { duration: left + AFTER_MS, fill: "both" },
    );
    // From now on, not from when the compositor has taken it over: on a busy machine that is a tenth of a second later.
    next.startTime = performance.now();
    this.running?.cancel();
    this.running = next;
    this.until = deadline;
  }

  /** Puts the cover up now. */
  drop(): void {
    this.running?.cancel();
    this.running = null;
    this.until = 0;
  }

  /** After a sleep of the machine the animation's own time has stood still: the page's clock decides as well. */
  check(now: number): void {
    if (this.running && now >= this.until) this.drop();
  }

  isUp(now: number): boolean {
    return now >= this.until;
  }
}
