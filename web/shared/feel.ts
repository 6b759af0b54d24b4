// Sound and vibration of the states (the table is in docs/design/courier.md). Nothing before the first touch, nothing when
// the courier has switched it off; no vibration where less motion is wished.

const QUIET = "doorward.quiet";

let context: AudioContext | null = null;
let alarmTimer: ReturnType<typeof setInterval> | undefined;

export function isQuiet(): boolean {
  try {
    return localStorage.getItem(QUIET) === "yes";
  } catch {
    return false;
  }
}
export function setQuiet(quiet: boolean): void {
  try {
    localStorage.setItem(QUIET, quiet ? "yes" : "no");
  } catch {
    // for this page only, then
  }
  if (quiet) hush();
}

/** Browsers let a page sound only after a touch. */
export function listenForTouch(): void {
  const first = (): void => {
    context ??= typeof AudioContext === "undefined" ? null : new AudioContext();
    void context?.resume();
  };
  addEventListener("pointerdown", first);
  addEventListener("keydown", first);
}

function note(hz: number, at: number, length: number, level = 0.14): void {
  if (!context || context.state !== "running" || isQuiet()) return;
  const from = context.currentTime + at;
  const o = context.createOscillator();
  const g = context.createGain();
  o.type = "sine";
  o.frequency.value = hz;
  g.gain.setValueAtTime(0, from);
  g.gain.linearRampToValueAtTime(level, from + 0.02);
  g.gain.exponentialRampToValueAtTime(0.001, from + length);
  o.connect(g).connect(context.destination);
  o.start(from);
  o.stop(from + length + 0.05);
}

function buzz(pattern: number | number[]): void {
  if (isQuiet() || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  try {
    navigator.vibrate?.(pattern);
  } catch {
    // not before a touch
  }
}

export type Feeling = "seen" | "opened" | "secured" | "unknown" | "refused" | "alarm";

export function feel(f: Feeling): void {
  if (f !== "alarm") hush();
  switch (f) {
    case "seen":
      note(880, 0, 0.09, 0.08);
      return buzz(30);
    case "opened":
      note(523, 0, 0.18);
      note(784, 0.16, 0.26);
      return buzz(60);
    case "secured":
      note(784, 0, 0.2);
      note(523, 0.18, 0.4);
      return buzz(400);
    case "unknown":
      note(196, 0, 0.5);
      return buzz([120, 90, 120]);
    case "refused":
      note(440, 0, 0.3, 0.1);
      return;
    case "alarm": {
      hush();
      const once = (): void => {
        note(880, 0, 0.22, 0.2);
        note(659, 0.26, 0.22, 0.2);
        buzz([200, 100, 200]);
      };
      once();
      alarmTimer = setInterval(once, 1500);
    }
  }
}

/** The alarm pattern goes on until somebody says that it was heard, or the state is over. */
export function hush(): void {
  clearInterval(alarmTimer);
  alarmTimer = undefined;
}

let wakeLock: WakeLockSentinel | null = null;
let isWanted = false;

/** Keeps the screen on while a visit is under way. */
export function stayAwake(on: boolean): void {
  isWanted = on;
  if (!on) {
    void wakeLock?.release().catch(() => undefined);
    wakeLock = null;
    return;
  }
  if (wakeLock || !("wakeLock" in navigator) || document.visibilityState !== "visible") return;
  navigator.wakeLock.request("screen").then(
    (l) => {
      if (!isWanted) return void l.release();
      wakeLock = l;
      l.addEventListener("release", () => {
        if (wakeLock === l) wakeLock = null;
      });
    },
    () => undefined, // low battery, or not permitted
  );
}
document.addEventListener("visibilitychange", () => {
  if (isWanted) stayAwake(true);
});
