// Pictures of barcodes for a fake webcam: made by the writer of the same library family, spoiled by ffmpeg.
import { spawnSync } from "node:child_process";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const web = join(here, "../../web");
const require = createRequire(join(web, "build.mjs"));
const { prepareZXingModule, writeBarcode } = await import(pathToFileURL(require.resolve("zxing-wasm/writer")));
prepareZXingModule({ overrides: { wasmBinary: readFileSync(require.resolve("zxing-wasm/writer/zxing_writer.wasm")).buffer } });

/** A label on a brown wall, 1280 by 720, as a film for --use-file-for-fake-video-capture. `spoil`: filters of ffmpeg. */
export async function film(path, text, { format = "Code128", spoil = null, width = 520 } = {}) {
  const made = await writeBarcode(text, { format, scale: format === "QRCode" ? 12 : 4, addHRT: true, addQuietZones: true });
  if (made.error) throw new Error(made.error);
  const png = `${path}.png`;
  writeFileSync(png, Buffer.from(await made.image.arrayBuffer()));
  const label = `[1:v]scale=${width}:-1:flags=neighbor,pad=iw+60:ih+60:30:30:white[c];[0:v][c]overlay=(W-w)/2:(H-h)/2${spoil ? `,${spoil}` : ""}`;
  const r = spawnSync("ffmpeg", ["-v", "error", "-y", "-f", "lavfi", "-i", "color=c=0x80603f:s=1280x720:r=10", "-loop", "1", "-i", png,
    "-filter_complex", label, "-t", "1", "-r", "10", "-pix_fmt", "yuvj420p", "-q:v", "3", "-f", "mjpeg", `${path}.new`]);
  if (r.status !== 0) throw new Error(String(r.stderr));
  renameSync(`${path}.new`, path); // the webcam reads the file when it is opened
}

/** A wall without any code. */
export function wall(path) {
  const r = spawnSync("ffmpeg", ["-v", "error", "-y", "-f", "lavfi", "-i", "color=c=0x80603f:s=1280x720:r=10", "-t", "1", "-pix_fmt", "yuvj420p", "-f", "mjpeg", `${path}.new`]);
  if (r.status !== 0) throw new Error(String(r.stderr));
  renameSync(`${path}.new`, path);
}
