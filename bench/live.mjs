// The live picture: from the camera's exposure to what is drawn in Chromium over the real front, what the checks of a
// frame cost there, how soon the screen is dark when packets stop; and what ten screens cost the hub.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build, line, quantile, withStreet } from "./lib.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
process.env.DW_FRONT ??= path.join(build, "src/hub/front/doorward-front");
process.env.DW_FRONT_RIG ??= path.join(build, "tests/web/front-rig");
const { Rig, tempFolder, until } = await import("../tests/web/rig.mjs");
const { bundle, serveTrial } = await import("../tests/web/page.mjs");
const { Camera, clip, message, newKey, rawPub, sha } = await import("../tests/web/sign.mjs");
const { launch } = await import("../tests/e2e/browser.mjs");
const { readPng, share } = await import("../tests/e2e/png.mjs");

const FPS = 30;
const SECONDS = Number(process.env.DW_BENCH_LIVE_S ?? 12);
const CUTS = Number(process.env.DW_BENCH_CUTS ?? 6);
const VIEWERS = 10;
const KBIT = 2000;
const SOURCE = `testsrc2=s=1280x720:r=${FPS},lutrgb=r=val*0.6:g=40+val*0.8:b=40+val*0.8`;
const BITRATE = ["-b:v", `${KBIT}k`, "-maxrate", `${KBIT}k`, "-bufsize", `${KBIT}k`];

const monoMs = () => Number(process.hrtime.bigint()) / 1e6; // CLOCK_MONOTONIC, as the camera's clock on a machine that never slept
const ticks = (pid) => {
    try {
        const f = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
        return Number(f[11]) + Number(f[12]);
    } catch {
        return 0;
    }
};
const ROOM = tempFolder();
const file = path.join(ROOM, "clip.h264");
for (const [format, to] of [["h264", file], ["mp4", `${file}.mp4`]]) {
    const made = spawnSync("ffmpeg", ["-v", "error", "-y", "-f", "lavfi", "-i", SOURCE, "-t", "4", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", ...BITRATE,
        "-x264-params", `aud=1:keyint=${FPS}:min-keyint=${FPS}:scenecut=0`, "-f", format, to]);
    if (made.status !== 0)
        throw new Error(`ffmpeg: ${made.stderr}`);
}

async function drawn() {
    const rig = await Rig.start({}, [file]);
    const browser = await launch();
    try {
        const origin = `http://127.0.0.1:${rig.port}`;
        const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
        await context.addCookies(rig.cookies());
        const page = await context.newPage();
        await page.addInitScript(`globalThis.proofs = []; globalThis.Worker = class extends Worker {
            constructor(...a) { super(...a); this.addEventListener("message", (e) => e.data.k === "proof" && proofs.push([e.data.tExpUs / 1000, performance.now()])); } };`);
        await page.goto(await serveTrial(context, origin));
        rig.say("state bolt=1 contact=1 strike=1 is_secured=1 camera=1 lock_age_ms=300");
        rig.say(`play ${FPS}`);
        await until("a live picture", async () => (await page.locator(".live").getAttribute("data-picture")) === "live", 15000);
        // The page's clock against ours: the shortest of many questions.
        let offset = 0, best = Infinity;
        for (let i = 0; i < 60; i++) {
            const a = monoMs(), p = await page.evaluate(() => performance.now()), b = monoMs();
            if (b - a < best)
                [best, offset] = [b - a, (a + b) / 2 - p];
        }
        await page.evaluate(() => { globalThis.proofs.length = 0; });
        await new Promise((r) => setTimeout(r, SECONDS * 1000));
        const proofs = await page.evaluate(() => globalThis.proofs);
        const ms = proofs.map(([exposed, at]) => at + offset - exposed);
        const more = { frames: ms.length, of: SECONDS * FPS, load: Number(os.loadavg()[0].toFixed(1)), clock_error_ms: Number((best / 2).toFixed(2)), kbit: KBIT };
        line("720p30: exposure -> drawn in Chromium, beyond encoder delay, p50", Number(quantile(ms, 0.5).toFixed(1)), "ms", 150, more);
        line("720p30: exposure -> drawn in Chromium, beyond encoder delay, p95", Number(quantile(ms, 0.95).toFixed(1)), "ms", 250, more);
        line("720p30: frames drawn of those sent", Number((ms.length / (SECONDS * FPS)).toFixed(3)), "share", null, {});

        const box = await page.locator(".live-canvas").boundingBox();
        const part = { x: box.x + 40, y: box.y + 20, width: box.width - 80, height: box.height * 0.2 };
        const isLit = (shot) => share(readPng(shot.png, part.y + part.height + 1), part, (r, g, b) => r + g + b > 150) > 0.3;
        const cdp = await context.newCDPSession(page);
        let shots = [];
        cdp.on("Page.screencastFrame", (e) => {
            shots.push({ at: e.metadata.timestamp * 1000, png: Buffer.from(e.data, "base64") });
            cdp.send("Page.screencastFrameAck", { sessionId: e.sessionId }).catch(() => undefined);
        });
        const dark = [];
        for (let i = 0; i < CUTS; i++) {
            await until("live again", async () => (await page.locator(".live").getAttribute("data-picture")) === "live", 15000);
            shots = [];
            await cdp.send("Page.startScreencast", { format: "png", everyNthFrame: 1 });
            await new Promise((r) => setTimeout(r, 300 + 70 * i));
            rig.say("play 0");
            await until("dark", async () => (await page.locator(".live").getAttribute("data-picture")) === "blind", 5000);
            await until("a dark shot", () => shots.length > 0 && !isLit(shots.at(-1)), 5000);
            await cdp.send("Page.stopScreencast");
            const [exposed] = (await page.evaluate(() => globalThis.proofs)).at(-1);
            const wall = await page.evaluate(() => performance.timeOrigin);
            const lit = shots.findLastIndex((s) => isLit(s));
            if (lit < 0)
                throw new Error("no picture was on the screen before the cut: this machine is too busy");
            const at = shots[lit + 1].at;
            dark.push(at - (exposed - offset + wall));
            rig.say(`play ${FPS}`);
        }
        line("packets stop -> screen dark, from the exposure of the last frame, p50", Math.round(quantile(dark, 0.5)), "ms", 1600, { runs: CUTS });
        line("packets stop -> screen dark, from the exposure of the last frame, worst", Math.round(Math.max(...dark)), "ms", 1600, { runs: CUTS });

        await verify(context, origin);
    } finally {
        await browser.close();
        await rig.stop();
    }
}

/** What the checks of one frame cost, in a worker of Chromium: signature, hashes, chain, echo, proven age. */
async function verify(context, origin) {
    const key = newKey(), nonce = sha("hub"), mine = "aa".repeat(32);
    const cam = new Camera(key, nonce);
    const units = clip(SOURCE, FPS, 4, BITRATE);
    const frames = Array.from({ length: 300 }, (_, i) => {
        cam.now += 33000;
        return message(cam.frame(units[i % units.length], { viewers: Array.from({ length: VIEWERS - 1 }, () => "bb".repeat(32)).concat(mine) }));
    });
    const code = await bundle({ contents: `
        import { FrameJudge, HubNonces, readMessage } from "./shared/frame"; import { VerifyKey } from "./shared/cose"; import { Freshness } from "./shared/age";
        onmessage = async (e) => {
            const nonces = new HubNonces(); for (let i = 0; i < 3; i++) nonces.add(new Uint8Array(32)); nonces.add(e.data.nonce); nonces.add(new Uint8Array(32).fill(1));
            const judge = new FrameJudge(await VerifyKey.of(e.data.pub), (a, b) => nonces.isEcho(a, b)); const age = new Freshness(); age.ask(e.data.mine, performance.now());
            const ms = [];
            for (const b of e.data.frames) {
                const from = performance.now();
                const m = readMessage(b.buffer); const j = await judge.judge(m);
                const at = j.record && j.isEchoed ? age.exposedAt("b", j.record.tExpUs, m.viewerNonces) : null;
                ms.push(performance.now() - from);
                if (at === null) throw new Error("not proven: " + j.verdict + " " + j.why);
            }
            postMessage(ms);
        };` });
    await context.route(`${origin}/bench/judge.js`, (r) => r.fulfill({ contentType: "text/javascript", body: code }));
    const page = await context.newPage();
    await context.route(`${origin}/bench/empty.html`, (r) => r.fulfill({ contentType: "text/html", body: "<!doctype html>" }));
    await page.goto(`${origin}/bench/empty.html`);
    const ms = await page.evaluate(({ frames, pub, nonce, mine }) => new Promise((resolve, reject) => {
        const bytes = (t) => Uint8Array.from(atob(t), (c) => c.charCodeAt(0));
        const w = new Worker("/bench/judge.js", { type: "module" });
        w.onmessage = (e) => resolve(e.data);
        w.onerror = (e) => reject(new Error(e.message));
        w.postMessage({ frames: frames.map(bytes), pub: bytes(pub), nonce: bytes(nonce), mine });
    }), { frames: frames.map((f) => Buffer.from(f).toString("base64")), pub: Buffer.from(rawPub(key)).toString("base64"), nonce: Buffer.from(nonce).toString("base64"), mine });
    const warm = ms.slice(30), more = { frames: warm.length, mean_bytes: Math.round(frames.reduce((n, f) => n + f.length, 0) / frames.length) };
    line("all checks of a frame in Chromium's worker, p50", Number(quantile(warm, 0.5).toFixed(2)), "ms", 1, more);
    line("all checks of a frame in Chromium's worker, p95", Number(quantile(warm, 0.95).toFixed(2)), "ms", 1, more);
}

/** Ten screens in a process of their own: they ask as pages do and read everything. */
const READERS = `
const { Ws, until } = await import(${JSON.stringify(path.join(here, "../tests/web/rig.mjs"))});
const [port, cookie, origin, host, count] = process.argv.slice(1);
const all = [];
for (let i = 0; i < Number(count); i++) { const w = await Ws.open(Number(port), { cookie, origin, host }); if (!w.isOpen) { console.error(w.answer); process.exit(1); } all.push(w); }
let bytes = 0;
setInterval(() => { for (const w of all) { w.nonce(); bytes += w.binaries.reduce((n, b) => n + b.length, 0); w.had = (w.had ?? 0) + w.binaries.length; w.binaries.length = 0; w.texts.length = 0; } }, 1000);
console.log("open");
process.stdin.on("data", () => { console.log(JSON.stringify({ frames: all.map((w) => w.had ?? 0), bytes })); process.exit(0); });
`;

async function cpuOf(pids, seconds) {
    const before = pids.map(ticks), t = performance.now();
    await new Promise((r) => setTimeout(r, seconds * 1000));
    const s = (performance.now() - t) / 1000;
    return pids.map((p, i) => ((ticks(p) - before[i]) / s));
}

async function viewers() {
    await withStreet({ cameraSettings: { fps: FPS, width: 1280, height: 720, bitrate_kbit: KBIT } }, async (street) => {
        street.watch.close(); // its own screen does not look any more
        const person = street.member;
        const pids = [{ pid: street.procs.guard.pid, name: "guard" }, ...street.hubPids()];
        const list = pids.map((p) => p.pid);
        await new Promise((r) => setTimeout(r, 2000));
        const none = await cpuOf(list, SECONDS);
        const site = street.watch.site, o = site.options({});
        const readers = spawn(process.execPath, ["--input-type=module", "-e", READERS, String(o.port), person.cookie(), site.origin, new URL(site.origin).host, String(VIEWERS)], { stdio: ["pipe", "pipe", "inherit"] });
        let said = "";
        readers.stdout.on("data", (b) => { said += b; });
        try {
            await until("ten screens", () => said.includes("open") || readers.exitCode !== null, 15000);
            await new Promise((r) => setTimeout(r, 2000));
            const ten = await cpuOf(list, SECONDS);
            readers.stdin.write("end\n");
            await until("what they had", () => said.includes("}"), 5000);
            const had = JSON.parse(said.slice(said.indexOf("{")));
            const sum = (a) => a.reduce((n, v) => n + v, 0);
            const each = Object.fromEntries(pids.map((p, i) => [p.name, [Number(none[i].toFixed(1)), Number(ten[i].toFixed(1))]]));
            const front = pids.findIndex((p) => p.name.includes("front"));
            const more = { screens: VIEWERS, frames_each: Math.min(...had.frames), mbit_s: Number((had.bytes * 8 / 1e6 / (SECONDS + 2)).toFixed(1)) };
            const peer = await fanOut();
            line("ten screens of one camera, 720p30: CPU of the hub above none, of a core", Number((sum(ten) - sum(none)).toFixed(1)), "%", 15, { ...more, peer: "ffmpeg -c copy to ten TCP readers", peer_value: peer });
            line("ten screens of one camera, 720p30: CPU of the front, of a core", Number(ten[front].toFixed(1)), "%", 15, { ...more, each_none_and_ten: each });
        } finally {
            readers.kill();
        }
    });
}

/** The peer: the same stream, copied by ffmpeg to ten readers in real time. */
async function fanOut() {
    const server = net.createServer((c) => c.on("error", () => undefined).resume());
    await new Promise((r) => server.listen(0, "127.0.0.1", r));
    const { port } = server.address();
    const outs = Array.from({ length: VIEWERS }, () => `[f=mpegts]tcp://127.0.0.1:${port}`).join("|");
    const p = spawn("ffmpeg", ["-v", "error", "-re", "-stream_loop", "-1", "-i", `${file}.mp4`, "-map", "0:v", "-c", "copy", "-f", "tee", outs], { stdio: "ignore" });
    await new Promise((r) => setTimeout(r, 2000));
    const [cpu] = await cpuOf([p.pid], SECONDS);
    const isOver = p.exitCode !== null;
    p.kill();
    server.close();
    return isOver ? null : Number(cpu.toFixed(1));
}

for (const [p, why] of [[process.env.DW_FRONT_RIG, "tests/web/front-rig"], [process.env.DW_FRONT, "doorward-front"]]) {
    if (!existsSync(p))
        throw new Error(`${why} is not built: ./dw build`);
}
await drawn();
await viewers();
process.exit(0);
