// Prints the files of web/ that pages are made of, one a line, for the build's dependencies.
import { readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
function walk(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((e) => {
    if (e.name === "node_modules" || e.name.startsWith(".")) return [];
    const path = join(folder, e.name);
    if (e.isDirectory()) return walk(path);
    return /\.(ts|tsx|mjs|json|css|html|svg|png|webmanifest|txt)$/.test(e.name) ? [relative(here, path)] : [];
  });
}
console.log(walk(here).sort().join("\n"));
