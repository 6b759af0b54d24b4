// What a guest's phone keeps: the hub's key as it saw it first, and the nonces that it drew for the visit that is on.

const NAME = "doorward.guest";
const MINE_MAX = 20;

export interface Kept {
  /** The hub's key (base64url). */
  hub: string | null;
  visit: string | null;
  /** Drawn here, newest first: an answer to any other question is not to us. */
  mine: string[];
  /** A visit that is over and was looked at. */
  seen: string | null;
}

const NOTHING: Kept = { hub: null, visit: null, mine: [], seen: null };

export function readKept(): Kept {
  try {
    const k: unknown = JSON.parse(localStorage.getItem(NAME) ?? "null");
    if (k && typeof k === "object" && !Array.isArray(k)) return { ...NOTHING, ...(k as Partial<Kept>) };
  } catch {
    // forbidden or damaged: as if new
  }
  return { ...NOTHING };
}

export function writeKept(k: Kept): void {
  try {
    localStorage.setItem(NAME, JSON.stringify({ ...k, mine: k.mine.slice(0, MINE_MAX) }));
  } catch {
    // without storage it works until the page is closed
  }
}

export function forget(): void {
  try {
    localStorage.removeItem(NAME);
  } catch {
    // nothing was kept
  }
}
