// The one catalogue of words: strings/LANGUAGE/AREA.json. A page carries the areas that its app names, in every
// language. Keys are unique over all areas; every language has every key with the same {blanks}.
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = join(dirname(fileURLToPath(import.meta.url)), "strings");

export const languages = readdirSync(folder).filter((n) => /^[a-z]{2}$/.test(n)).sort((a, b) => (a === "en" ? -1 : b === "en" ? 1 : a < b ? -1 : 1));
export const areas = readdirSync(join(folder, "en")).filter((n) => n.endsWith(".json")).map((n) => n.slice(0, -5)).sort();

export function readArea(language, area) {
  try {
    return JSON.parse(readFileSync(join(folder, language, `${area}.json`), "utf8"));
  } catch (e) {
    if (e.code === "ENOENT") return {};
    throw new Error(`strings/${language}/${area}.json: ${e.message}`);
  }
}

/** { en: { key: text }, de: { ... } } of these areas (all when none is named). */
export function catalogue(wanted = areas) {
  return Object.fromEntries(languages.map((l) => [l, Object.assign({}, ...wanted.map((a) => readArea(l, a)))]));
}

/** For esbuild: what `import words from "doorward:strings"` gives. */
export function stringsPlugin(wanted) {
  return {
    name: "strings",
    setup(build) {
      build.onResolve({ filter: /^doorward:strings$/ }, () => ({ path: "strings", namespace: "doorward" }));
      build.onLoad({ filter: /.*/, namespace: "doorward" }, () => ({ contents: JSON.stringify(catalogue(wanted)), loader: "json" }));
    },
  };
}
