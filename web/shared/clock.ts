// Milliseconds that also pass while the machine sleeps. performance.now() stops on a closed laptop in
// some browsers; a picture from before must not look new after. The wall clock is only ever used to make
// things older.

const JUMP_MS = 250;

export class SleepClock {
  /** Milliseconds of sleep that were counted so far. */
  lost = 0;
  private lastWall: number;
  private lastMono: number;

  constructor(
    private readonly mono: () => number = () => performance.timeOrigin + performance.now(),
    private readonly wall: () => number = () => Date.now(),
  ) {
    this.lastWall = this.wall();
    this.lastMono = this.mono();
  }

  now(): number {
    const wall = this.wall();
    const mono = this.mono();
    const ahead = wall - this.lastWall - (mono - this.lastMono);
    if (ahead > JUMP_MS) this.lost += ahead;
    // Slow drift between the two clocks never adds up to a jump: compare from call to call.
    this.lastWall = wall;
    this.lastMono = mono;
    return mono + this.lost;
  }
}
