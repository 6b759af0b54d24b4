// The one catalogue of words (strings/LANGUAGE/AREA.json). A key that does not exist is shown as itself: seen in tests,
// never blank. The language is the one chosen on this device, else the browser's first that we have, else English.

import words from "doorward:strings";

const catalogues: Record<string, Record<string, string>> = words;
const KEPT = "doorward.language";

export const languages: readonly string[] = Object.keys(catalogues);

function chosen(): string {
  let kept: string | null = null;
  try {
    kept = typeof localStorage === "undefined" ? null : localStorage.getItem(KEPT);
  } catch {
    kept = null; // storage is forbidden here
  }
  const asked = typeof navigator === "undefined" ? [] : (navigator.languages ?? []);
  for (const l of [kept, ...asked]) {
    const short = l?.slice(0, 2).toLowerCase();
    if (short && short in catalogues) return short;
  }
  return "en";
}

let current = chosen();

export function language(): string {
  return current;
}

/** Keeps the choice on this device. The page draws itself anew. */
export function setLanguage(l: string): void {
  if (!(l in catalogues)) return;
  current = l;
  try {
    localStorage.setItem(KEPT, l);
  } catch {
    // only for this page, then
  }
  if (typeof document !== "undefined") document.documentElement.lang = l;
}

export function has(key: string): boolean {
  return Object.hasOwn(catalogues[current] ?? {}, key) || Object.hasOwn(catalogues.en ?? {}, key);
}

/** The words of a key, with its {blanks} filled in. */
export function say(key: string, fill: Record<string, string | number> = {}): string {
  const text = catalogues[current]?.[key] ?? catalogues.en?.[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in fill ? String(fill[name]) : whole));
}

export const t = say;

/** All keys "PREFIX.NAME.TAIL" give NAME, in the catalogue's order. */
export function namesOf(prefix: string, tail: string): string[] {
  return Object.keys(catalogues.en ?? {})
    .filter((k) => k.startsWith(`${prefix}.`) && k.endsWith(`.${tail}`))
    .map((k) => k.slice(prefix.length + 1, -tail.length - 1))
    .filter((n) => !n.includes("."));
}
