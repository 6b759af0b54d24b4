// Barcodes to look at: parcel labels, the sticker of a door, links for phones.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { prepareZXingModule, writeBarcode } from "zxing-wasm/writer";

prepareZXingModule({ overrides: { // from the package itself, never from the net
    wasmBinary: readFileSync(createRequire(import.meta.url).resolve("zxing-wasm/writer/zxing_writer.wasm")) } });

// format: "Code128" or "QRCode"
export async function svgOf(text, format) {
    const b = await writeBarcode(text, { format, scale: 4 });
    if (b.error)
        throw new Error(`${format} of '${text}': ${b.error}`);
    return b.svg.slice(b.svg.indexOf("<svg"));
}
export async function pngOf(text, format) {
    const b = await writeBarcode(text, { format, scale: 4 });
    if (b.error)
        throw new Error(`${format} of '${text}': ${b.error}`);
    return Buffer.from(await b.image.arrayBuffer());
}
// Dark on light, whatever the colours of the terminal.
export async function linesOf(text) {
    const { utf8 } = await writeBarcode(text, { format: "QRCode" });
    return utf8.trimEnd().split("\n").map((l) => `\x1b[30;107m ${l} \x1b[0m`);
}
