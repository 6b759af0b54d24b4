// The one catalogue of words. A key that does not exist is shown as itself: seen in tests, never blank.

import en from "./strings.en.json";

const catalogue: Record<string, string> = en;

export function has(key: string): boolean {
  return Object.hasOwn(catalogue, key);
}

export function say(key: string, fill: Record<string, string | number> = {}): string {
  const text = has(key) ? catalogue[key]! : key;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in fill ? String(fill[name]) : whole));
}

/** All keys "PREFIX.NAME.TAIL" give NAME, in the catalogue's order. */
export function namesOf(prefix: string, tail: string): string[] {
  return Object.keys(catalogue)
    .filter((k) => k.startsWith(`${prefix}.`) && k.endsWith(`.${tail}`))
    .map((k) => k.slice(prefix.length + 1, -tail.length - 1))
    .filter((n) => !n.includes("."));
}
