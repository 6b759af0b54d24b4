// doorward demo - a simulated street on loopback: service, broker, hub, camera, lock, courier.
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { DRILLS } from "./drills.mjs";
import { DUEL_LOCK, Duel } from "./duel.mjs";
import { linesOf } from "./labels.mjs";
import { Gate, Help, answerNames, makeCertificates, planOf } from "./lan.mjs";
import { freePort, until } from "./procs.mjs";
import { Stage } from "./stage.mjs";
import { Street, root } from "./street.mjs";
import { playVisit } from "./visit.mjs";

const HELP = `doorward demo [--once] [--json] [--drill NAME [--before]] [--lock reference|yale|kwikset]
              [--camera k2|rtsp] [--port N] [--keep FOLDER] [--verbose]
              [--lan [--name HOST] [--bind ADDRESS]] [--2017] [--pace N]

Starts a whole simulated street on this machine and plays deliveries until you stop it (Ctrl-C).
  --once      one delivery, then stop          --json    its result as one JSON object on the last line
  --2017      the attack of 2017 on two homes at once, side by side in a page
  --lan       for real phones: TLS under a name of your network, with codes to scan. --name says
              which (default: this machine's, as HOST.local), --bind at which address
  --drill     rehearse an attack or a mishap   --before  the attack begins before the scan
  --port      of the watch page (default 8080 when it is free)
  --pace      how many times as long as need be people take (default: as eyes can follow; --once 1)
  --keep      keep records and logs in FOLDER

Drills:
${Object.entries(DRILLS).map(([n, d]) => `  ${n.padEnd(20)} ${d.title}`).join("\n")}
`;

const options = {
    once: { type: "boolean" }, json: { type: "boolean" }, drill: { type: "string" }, before: { type: "boolean" },
    lock: { type: "string", default: "reference" }, camera: { type: "string", default: "k2" },
    port: { type: "string" }, keep: { type: "string" }, verbose: { type: "boolean" }, help: { type: "boolean" },
    build: { type: "string" }, 2017: { type: "boolean" },
    pace: { type: "string" }, lan: { type: "boolean" }, name: { type: "string" }, bind: { type: "string" },
};

function wrong(text) {
    process.stderr.write(`doorward demo: ${text}\n`);
    process.exit(2);
}

let args;
try {
    args = parseArgs({ options, allowPositionals: true });
} catch (e) {
    wrong(e.message);
}
const o = args.values;
if (o.help) {
    process.stdout.write(HELP);
    process.exit(0);
}
if (o.drill && !DRILLS[o.drill])
    wrong(`there is no drill '${o.drill}'. There are: ${Object.keys(DRILLS).join(", ")}`);
if (!["reference", "yale", "kwikset"].includes(o.lock))
    wrong("--lock is reference, yale or kwikset");
if (!["k2", "rtsp"].includes(o.camera))
    wrong("--camera is k2 or rtsp");

if (o.pace && !(Number(o.pace) >= 1 && Number(o.pace) <= 10))
    wrong("--pace is a number from 1 to 10");
if (o[2017] && (o.once || o.drill || o.lock !== "reference" || o.camera !== "k2"))
    wrong("--2017 plays its own attack on its own two homes; it takes --port, --keep and --verbose only");

if ((o.name || o.bind) && !o.lan)
    wrong("--name and --bind belong to --lan");
if (o.lan && (o.once || o[2017]))
    wrong("--lan is for playing along; it does not go with --once or --2017");
const plan = o.lan ? planOf(o) : null;
if (typeof plan === "string")
    wrong(plan);

const err = process.stderr;
const t0 = performance.now();
const line = (text) => err.write(`  ${((performance.now() - t0) / 1000).toFixed(1).padStart(6)} s  ${text}\n`);
const people = (text) => line(`street  ${text}`);

// Who says it, and what. What has been said already by another line is left out.
const STATES = {
    ready: "every check holds; the courier may ask to open",
    looking: "a picture of now is asked of the camera",
    opening: "the picture is proven; the bolt is told to withdraw, for one opening",
    unlocked: "the bolt is sensed back",
    closing: "the door is sensed closed; the bolt is on its way",
    between: "locked between two openings",
    not_secured: "the door does not lock",
    unconfirmed: "the lock is not heard: nothing is said to be locked",
};
const ENDED = {
    OK: "the visit ended well", SECURED_WITH_GAP: "locked, with a gap in the picture",
    SECURED_TAMPERED: "locked, and pictures were changed or frozen",
    SECURED_UNCONFIRMED: "ended, and the lock has not been heard", NOT_SECURED: "ended, and the door is not locked",
    NOT_OPENED: "nobody opened; locked again", ABORTED: "ended by a restart", REFUSED: "not let in",
};
const KEYS = {
    refused: "an agency asked for more than its key allows; nothing of it counts",
    revoked: "a key was taken back", vetoed: "somebody at home said no to a new key",
    restored: "the lock remembers more than this hub: no visitors until an owner has looked",
};
const WORDS = {
    grant: (m) => (KEYS[m.word] ? `hub     ${KEYS[m.word]}` : null),
    visit_asked: () => "hub     somebody asks at the door; person, parcel, door, time, lock and camera are checked",
    visit_state: (m) => (STATES[m.word] ? `hub     ${STATES[m.word]}` : null),
    visit_refused: (m) => `hub     REFUSED ${m.word}: ${m.text}`,
    unlock_intent: () => "record  key, visit, shift and stop are signed and hold; the intent to unlock is written and safe",
    opening: () => "lock    the door is sensed open",
    egress: () => "lock    opened from inside",
    secured: () => "lock    LOCKED, sensed: bolt in the frame, door closed",
    alarm: (m) => `ALARM   ${m.text}`,
    alarm_over: (m) => `over    ${m.text}`,
    degraded: () => "hub     nothing unlocks any more in this visit",
    camera_state: (m) => (["live", "late"].includes(m.word) ? null : `camera  ${m.word}`),
    visit_ended: (m) => (m.word === "REFUSED" ? null : `hub     ${ENDED[m.word] ?? m.word} (${m.word})`),
    confirmed_late: (m) => `hub     heard from the lock at last: ${ENDED[m.word] ?? m.word} (${m.word})`,
    child_lost: () => "hub     one of the hub's processes ended; it is started again",
    link: (m) => `hub     the service is ${m.word === "up" ? "reached" : "out of reach"}`,
};
// Where deliveries go on and on, drills must not take minutes, and a person has to follow with the eyes.
const SHORT = { t_unheard_ms: 6000, t_dwell_ms: 16000, t_release_ms: 10000 };
// A hub that has just started waits for what a screen of the one before may still show; here there was none.
const SHORT_ONCE = o.drill && !DRILLS[o.drill].isHostile ? { t_show_ms: 1000 } : {};
const pace = Number(o.pace ?? (o.once ? 1 : o[2017] ? 1.5 : 2.5));
const onStory = (m) => {
    const text = m.past ? null : WORDS[m.kind]?.(m);
    if (text)
        line(text);
};

if (o.keep && existsSync(o.keep) && readdirSync(o.keep).length > 0)
    wrong(`--keep: ${o.keep} is not empty`);
const folder = o.keep ? path.resolve(o.keep) : mkdtempSync(path.join(os.tmpdir(), "doorward-demo-"));
const drill = o.drill ? DRILLS[o.drill] : {};
const build = o.build ?? process.env.DW_BUILD ?? path.join(root, "build");
let help;
const gates = [];
// The hub does its own TLS; the service stays on this machine, as behind any proxy.
async function toTheNetwork() {
    const certs = makeCertificates(folder, plan);
    const inner = await freePort(), port = await freeOr(Number(o.port ?? 8443), plan.address) ?? await freePort();
    const gate = await new Gate(plan, certs, inner).open(await freeOr(8444, plan.address) ?? 0);
    help = await new Help(plan, certs).open(await freeOr(8081, plan.address) ?? 0);
    gates.push(gate, help, answerNames(plan));
    const site = (name, p) => ({ origin: `https://${name}:${p}`, host: plan.address, port: p, ca: certs.ca });
    return { port, servicePort: inner, lan: { home: site(plan.home, port), service: site(plan.service, gate.port),
        front: { "front.listen": `${plan.address}:${port}`, "front.tls_cert": certs.files.cert, "front.tls_key": certs.files.key } } };
}
const street = new Street({ build, folder, params: o.once ? { ...SHORT_ONCE, ...drill.needs } : SHORT, pace, lock: o.lock, camera: o.camera, verbose: o.verbose,
    ...(o[2017] ? { params: undefined, lockSettings: DUEL_LOCK } : {}),
    ...(plan ? await toTheNetwork() : { port: o.port ? Number(o.port) : (o.once ? undefined : await freeOr(8080)),
        servicePort: o.once || o.port ? undefined : await freeOr(8400) }), progress: (t) => line(`start   ${t}`) });

let stopping = false;
async function stop(code) {
    if (stopping)
        return;
    stopping = true;
    control?.close();
    duel?.stop();
    await stage?.stop().catch(() => {});
    gates.forEach((g) => g.close());
    await street.stop().catch(() => {});
    if (!o.keep && (code === 0 || !o.once))
        rmSync(folder, { recursive: true, force: true });
    else if (code !== 0)
        err.write(`  logs and records are kept in ${folder}\n`);
    process.exitCode = code;
    setTimeout(() => process.exit(code), 200).unref();
}
process.on("SIGINT", () => stop(0));
process.on("SIGTERM", () => stop(0));
process.on("SIGHUP", () => stop(0));
err.on("error", () => stop(0)); // nobody reads any more: the programs are not left behind

async function freeOr(port, host = "127.0.0.1") {
    return new Promise((r) => {
        const s = net.createServer();
        s.once("error", () => r(undefined));
        s.listen(port, host, () => s.close(() => r(port)));
    });
}

// The watch page's drill buttons arrive here: "drill NAME\n" in, lines of progress out.
let control, duel, stage, wanted = [];
function listen() {
    control = net.createServer((c) => {
        let text = "";
        c.on("error", () => {});
        c.on("data", (b) => {
            text += b.toString();
            const m = /^drill ([a-z-]+)( before)?\n/.exec(text);
            if (text.length > 200 || (text.includes("\n") && !m) || (m && !DRILLS[m[1]])) {
                c.end("There is no such drill.\n");
            } else if (m) {
                text = "";
                c.write("It begins with the next delivery.\n");
                wanted.push({ drill: m[1], phase: m[2] ? "before" : "during", c });
                wake?.();
            }
        });
    });
    control.listen(path.join(folder, "drill.sock"));
}
let wake;
const idle = (ms) => new Promise((r) => { const t = setTimeout(r, ms); wake = () => { clearTimeout(t); r(); }; });

// Nobody is at the door, as far as the hub knows.
function isQuiet() {
    const state = street.watch.state?.visit_state;
    return Boolean(street.watch.state) && [null, undefined, "NONE", "none", "watch"].includes(state) && street.world.get("door_permille") === 0;
}

// Where a person comes in: the two links, and a page with all that there is to scan.
async function welcome() {
    const eye = path.join(build, "sim/thief2017/hall-eye");
    stage = await new Stage(street, { tell: people, eye: existsSync(eye) ? eye : null, onCourier: () => wake?.() }).start();
    err.write(`
  To play along, open these in a browser on this machine:
    household            ${stage.homeLink}
    courier              ${stage.courierLink}
    label, sticker, hall ${stage.origin}/
`);
    if (!help)
        return;
    help.links = [["Household", stage.homeLink], ["Courier", stage.courierLink]];
    err.write(`
  Phones: in the same network, first the page with the demo's certificate (a phone makes passkeys only for a
  name with a certificate that it trusts; an address is not enough). Its fingerprint:
    ${help.print}
`);
    for (const [what, link] of [["1. certificate and help", help.url], ["2. household", stage.homeLink], ["3. courier", stage.courierLink]])
        err.write(`\n  ${what}: ${link}\n${(await linesOf(link)).map((l) => `    ${l}\n`).join("")}`);
}

// Equipment that serves no visitor refuses, whatever else is rehearsed.
const UNFIT = o.lock === "kwikset" ? "lock_class" : o.camera === "rtsp" ? "camera_class" : null;

const isRefused = (a) => a.refusals.length > 0 && !a.refusals.some((x) => /^(READY|OPENED|ACCEPTED|FAILED)/.test(x));
function judge(r) {
    if (UNFIT)
        return r.outcome === "REFUSED" && r.check === UNFIT;
    if (!o.drill && !r.drill)
        return r.outcome === "OK";
    const dr = DRILLS[r.drill];
    if (dr.isHostile)
        return r.outcome === "REFUSED" && r.attempts.length > 0 && r.attempts.every(isRefused);
    if (dr.refuses)
        return r.outcome === "REFUSED" && dr.refuses.includes(r.check);
    if (r.phase === "before")
        return r.outcome === "REFUSED" && dr.refusals.includes(r.check);
    return dr.outcomes.includes(r.outcome) && (!dr.alarm || r.alarms.includes(dr.alarm));
}

function inWords(r) {
    if (r.attempts)
        return `${r.outcome} ${r.reasons.join(", ")}; ${r.attempts.length} attempts, ${r.has_opened ? "the bolt MOVED" : "the bolt never moved"}; ` +
            `door ${r.door_locked ? "locked" : "NOT locked"}${r.lies.length ? `; LIES: ${JSON.stringify(r.lies)}` : "; nobody was told anything false"}`;
    const alarm = r.ms.alarm !== null ? `; alarm after ${(r.ms.alarm / 1000).toFixed(1)} s` : "";
    const says = r.outcome === "REFUSED" && r.says ? `; ${r.says.replace(/\.$/, "")}` : "";
    return `${r.outcome}${r.check ? ` ${r.check}` : ""}${says}${alarm}; door ${r.door_locked ? "locked" : "NOT locked"}` +
        `${r.lies.length ? `; LIES: ${JSON.stringify(r.lies)}` : "; nobody was told anything false"}`;
}

function attacked(name) {
    if (name)
        line(`ATTACK  ${DRILLS[name].title}`);
}

try {
    err.write(`\n  Doorward - a simulated street on this machine (${folder})\n\n`);
    await street.start();
    if (o.once) {
        const r = await playVisit(street, { drill: o.drill, phase: o.before ? "before" : "during",
            tell: people, onStory, onAttack: () => attacked(o.drill) });
        const good = judge(r) && r.lies.length === 0;
        err.write(`\n  ${inWords(r)}\n`);
        if (o.keep && r.recording)
            err.write(`  recording: ${r.recording}\n`);
        if (o.json)
            process.stdout.write(`${JSON.stringify(r)}\n`);
        if (!o.keep && good && r.recording && existsSync(r.recording) && o.json)
            o.keep = folder; // the JSON names the recording: it stays
        await stop(good ? 0 : 1);
    } else if (o[2017]) {
        listen();
        duel = await new Duel(street, { build, tell: people }).start();
        street.watch.on("story", onStory);
        line(`ready   one attack, two homes: ${duel.link}`);
        await duel.run(() => stopping);
    } else {
        listen();
        await welcome();
        err.write("\n  Deliveries go on until you press Ctrl-C. Open the household's page, and attack the house with its drills.\n" +
            `  So that no drill takes minutes, this hub calls a door held open after ${SHORT.t_dwell_ms / 1000} s.\n`);
        let n = 0;
        while (!stopping) {
            if (!street.isReady()) {
                line("street  the next courier waits until camera and lock have been heard well for a while");
                await until("camera and lock", () => stopping || street.isReady(), 20000).catch(() => {});
            }
            const next = wanted.shift();
            if (!next && stage?.isPlaying) { // a person is the courier; drills are played by the demo's own
                await idle(60000);
                continue;
            }
            await until("the house to be quiet", () => stopping || isQuiet(), 200000, 200).catch(() => {});
            if (stopping)
                break;
            if (stage)
                stage.isBusy = true;
            err.write(`\n  Delivery ${++n}${next ? `. Drill ${next.drill}: ${DRILLS[next.drill].title}` : ""}\n`);
            const onAttack = () => {
                attacked(next?.drill);
                if (next && !next.c.destroyed)
                    next.c.write('{"attack":true}\n'); // the page counts the seconds from here
            };
            let r;
            try {
                r = await playVisit(street, { drill: next?.drill, phase: next?.phase, tell: people, onStory, onAttack });
            } catch (e) {
                if (stopping)
                    break;
                if (street.procs.guard.isOver)
                    throw e;
                line(`street  this delivery did not come to its end: ${e.message}`);
                next?.c.end(`It did not come to its end: ${e.message}\n`);
                street.calm();
                await idle(8000);
                continue;
            } finally {
                if (stage)
                    stage.isBusy = false;
            }
            line(`        ${inWords(r)}`);
            next?.c.end(`${inWords(r)}\n`);
            if (wanted.length === 0)
                await idle(8000);
        }
    }
} catch (e) {
    if (!stopping) {
        err.write(`\n  doorward demo: ${e.message}\n`);
        if (o.json)
            process.stdout.write(`${JSON.stringify({ outcome: "FAILED", why: e.message, drill: o.drill ?? null, lies: [] })}\n`);
        await stop(1);
    }
}
