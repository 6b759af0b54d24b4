// Two phones for tests: a browser with a passkey of its own in each context, and a webcam that plays barcodes.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { pngOf } from "../../sim/demo/labels.mjs";

/** The passkey of a phone, for one page (and every page that comes after it in the same tab). */
export async function withPasskey(context, page) {
    const cdp = await context.newCDPSession(page);
    await cdp.send("WebAuthn.enable");
    const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", { options: { protocol: "ctap2", transport: "internal",
        hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } });
    return { cdp, authenticatorId, credentials: async () => (await cdp.send("WebAuthn.getCredentials", { authenticatorId })).credentials };
}

/** A film of labels on a brown wall, each for a second and a half, again and again. codes: [[text, format]] */
export async function filmOf(folder, codes) {
    const inputs = ["-f", "lavfi", "-i", "color=c=0x80603f:s=1280x720:r=10"], parts = [], at = [];
    for (const [i, [text, format]] of codes.entries()) {
        const png = path.join(folder, `label-${i}.png`);
        writeFileSync(png, await pngOf(text, format));
        inputs.push("-loop", "1", "-i", png);
        parts.push(`[${i + 1}:v]scale=${format === "QRCode" ? 320 : 620}:-1:flags=neighbor,pad=iw+80:ih+80:40:40:white[c${i}]`);
        at.push(`[${i === 0 ? "0:v" : `o${i - 1}`}][c${i}]overlay=(W-w)/2:(H-h)/2:enable='eq(mod(floor(t/1.5)\\,${codes.length})\\,${i})'[o${i}]`);
    }
    const file = path.join(folder, "webcam.mjpeg");
    const r = spawnSync("ffmpeg", ["-v", "error", "-y", ...inputs, "-filter_complex", [...parts, ...at].join(";"), "-map", `[o${codes.length - 1}]`,
        "-t", String(1.5 * codes.length), "-r", "10", "-pix_fmt", "yuvj420p", "-q:v", "3", "-f", "mjpeg", file]);
    if (r.status !== 0)
        throw new Error(String(r.stderr));
    return file;
}
export const webcam = (file) => ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", `--use-file-for-fake-video-capture=${file}`];

/** The knob of the courier's slide, as a thumb moves it. */
export async function slide(page) {
    const b = await page.locator(".slide").boundingBox();
    const y = b.y + b.height / 2;
    await page.mouse.move(b.x + 46, y);
    await page.mouse.down();
    await page.mouse.move(b.x + b.width / 2, y, { steps: 4 });
    await page.mouse.move(b.x + b.width - 46, y, { steps: 4 });
    await page.mouse.up();
}
