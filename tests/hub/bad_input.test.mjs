// What strangers may send, and what may fail: clear answers, nothing changes, nothing opens, and the next
// honest visit works. Each case is a street of its own.
//
//   node bad_input.test.mjs CASE...     CASE: broker, links, screens, couriers, papers, disk, stops
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, statfsSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import WebSocket from "../../sim/demo/node_modules/ws/wrapper.mjs";
import { sleep, until } from "../../sim/demo/procs.mjs";
import { Truth } from "../../sim/demo/truth.mjs";
import { NOISE_MS, assert, randomFrom, runCases, seedOf, withStreet } from "../e2e/rig.mjs";
import { KIND } from "./authority.mjs";
import { BoltWatch, LEASE_MS, ask, deliver, newNonce, slideOf } from "./hurry.mjs";
import { Mqtt } from "./mqtt.mjs";
import { papers } from "./papers.mjs";

const random = randomFrom(seedOf());
const below = (n) => Math.floor(random() * n);
const noise = (n) => Buffer.from(Array.from({ length: n }, () => below(256)));

// A street under watch: the bolt, the truth, and at the end both must be clean.
function house(options, play) {
    return withStreet({ ...options, params: { lease_ms: LEASE_MS, t_show_ms: 1000, ...options.params } }, async (street) => {
        street.o.servicePort = street.servicePort;
        const bolt = new BoltWatch(street), truth = new Truth(street);
        const h = { street, bolt, truth,
            job: async () => {
                const j = await street.newJob(street.courier);
                return { id: j.id, barcode: j.parcels[0].barcode ?? j.parcels[0] };
            },
            // All processes that face the world: a crash is a new pid.
            pids: () => Object.fromEntries([...street.hubPids().map((c) => [c.name, c.pid]),
                ...["lock", "camera", "service"].map((n) => [n, street.procs[n].isOver ? "over" : street.procs[n].pid])]),
            count: (kind, word) => street.watch.story.filter((s) => s.kind === kind && (!word || s.word === word)).length,
            log: (name) => readFileSync(street.at("log", `${name}.log`), "utf8"),
        };
        h.honest = async (hooks) => {
            await street.settled();
            const before = bolt.openings.length;
            const r = await deliver(street, bolt, truth, await h.job(), { patience: 10000, ...hooks });
            assert.equal(r.ended, "OK", `an honest visit ended ${r.ended} ${r.check ?? ""}`);
            assert.equal(bolt.openings.length, before + 1, "not exactly one opening");
            return r;
        };
        try {
            await play(h);
            await until("the door to be locked", () => street.world.isLocked(), 8000);
            assert.deepEqual(bolt.wrongs, []);
            assert.deepEqual(truth.stop(), []);
        } finally {
            bolt.stop();
            truth.stop();
        }
    });
}

// ---- messages of the service: doubled, replayed, mangled ----

async function broker(h) {
    const { street, bolt } = h;
    const stranger = await new Mqtt(street.brokerPort, "stranger").open("doorward/v1/+/in");
    const own = new Set();
    const repeat = (topic, payload) => {
        own.add(payload.toString("hex"));
        stranger.publish(topic, payload);
    };
    try {
        // Everything arrives three times, as fast as it can: still one visit, one opening.
        stranger.onMessage = (m) => {
            if (!own.has(m.payload.toString("hex"))) {
                repeat(m.topic, m.payload);
                repeat(m.topic, m.payload);
            }
        };
        await h.honest();
        stranger.onMessage = undefined;
        const tape = [...new Map(stranger.heard.map((m) => [m.payload.toString("hex"), m])).values()];
        const of = (kind) => tape.filter((m) => m.payload[0] === kind);
        assert.ok(of(KIND.MANIFEST).length && of(KIND.HELLO).length && of(KIND.STOP).length, "MANIFEST, HELLO and STOP are on the tape");
        const topic = of(KIND.HELLO)[0].topic, openings = bolt.openings.length;

        // All of it again later: nothing opens, and the hub goes on.
        for (const m of tape)
            repeat(m.topic, m.payload);
        await stranger.done();
        await h.honest();
        assert.equal(bolt.openings.length, openings + 1);

        // And again to a hub that has forgotten all visits: the parcel is used up for good [I11, I12].
        const asked = h.count("visit_refused", "parcel_used");
        process.kill(street.guardPid(), "SIGKILL");
        await until("the old guard to be gone", () => street.watch.state === null, 5000);
        await until("the hub to be back", () => street.watch.state?.camera === "live" && street.watch.state.link, 15000);
        for (let i = 0; i < 3; i++) { // HELLO, STOP, and both again
            for (const m of [...of(KIND.HELLO), ...of(KIND.STOP)])
                repeat(m.topic, m.payload);
        }
        await stranger.done();
        await until("the old question to be refused", () => h.count("visit_refused", "parcel_used") > asked);
        await h.honest();
        assert.equal(bolt.openings.length, openings + 2);

        // Garbage of every length and kind, and real messages with one bit wrong or an end missing.
        const pids = h.pids(), questions = h.count("visit_asked"), jobs = h.count("job_stored");
        const bad = [Buffer.alloc(0), ...Array.from({ length: 256 }, (_, kind) => Buffer.from([kind]))];
        for (const n of [2, 3, 16, 200, 3399, 3400, 3401, 5000, 65536, 1 << 20])
            bad.push(noise(n), Buffer.concat([Buffer.from([5]), noise(n)]));
        for (const m of [...of(KIND.MANIFEST), ...of(KIND.HELLO), ...of(KIND.STOP), ...of(KIND.SHIFT)]) {
            for (let i = 0; i < 12; i++) {
                const b = Buffer.from(m.payload);
                b[below(b.length)] ^= 1 << below(8);
                bad.push(b, m.payload.subarray(0, below(m.payload.length)), Buffer.concat([m.payload, noise(1 + below(9))]));
            }
            for (let kind = 0; kind < 20; kind++) // signed for one purpose, sent as another
                if (kind !== m.payload[0])
                    bad.push(Buffer.concat([Buffer.from([kind]), m.payload.subarray(1)]));
        }
        for (const b of bad)
            stranger.publish(topic, b);
        await stranger.done();
        await h.honest();
        assert.deepEqual(h.pids(), pids, "a process died of it");
        assert.equal(h.count("visit_asked"), questions + 1, "something in it was taken for a question");
        assert.equal(h.count("job_stored"), jobs + 1, "something in it was taken for a job");
        assert.ok((h.log("guard").match(/link_message refused=/g) ?? []).length > 20, "the guard's log says nothing of it");
    } finally {
        stranger.close();
    }
}

// ---- the air of camera and lock ----

const framed = (kind, body) => {
    const b = Buffer.alloc(5);
    b.writeUInt32BE(1 + body.length);
    b[4] = kind;
    return Buffer.concat([b, body]);
};

async function links(h) {
    const { street } = h;
    const pids = h.pids();
    const bad = () => [noise(64), Buffer.from([0, 0, 0, 0]), Buffer.from([0xff, 0xff, 0xff, 0xff, 1]), framed(0, noise(10)),
        framed(4, noise(300)), framed(4, Buffer.alloc(0)), framed(99, noise(40)), framed(2, noise(2000)), noise(70000)];
    for (const [name, air, port] of [["camera", street.cameraAir, street.cameraPort], ["lock", street.lockAir, street.lockPort]]) {
        let joined = 0, fresh = 0; // connections since; words of the device that came since
        air.server.on("connection", () => { joined++; });
        const onFrame = () => { fresh += name === "camera" ? 1 : 0; };
        const onState = (m) => { fresh += name === "lock" && m.lock_age_ms !== null && m.lock_age_ms < 400 ? 1 : 0; };
        street.watch.on("frame", onFrame);
        street.watch.on("state", onState);
        const isWell = () => fresh >= 3 && street.watch.state && air.pairs.size > 0 &&
            (name === "camera" ? street.watch.state.camera === "live" : street.watch.state.bolt === "thrown");
        // Into the stream to the hub, and into the stream to the device.
        for (const side of ["near", "far"]) {
            for (const b of side === "near" ? bad() : bad().slice(0, 5)) {
                for (const p of air.pairs)
                    p[side].write(b);
                fresh = 0;
                await until(`the ${name} link after ${b.length} bad bytes to the ${side === "near" ? "hub" : name}`, isWell, 30000);
            }
        }
        // Strangers at its door: each is dropped, all at once too.
        const strangers = bad().map((b) => {
            const s = net.connect(port, "127.0.0.1");
            s.on("error", () => {});
            s.write(b);
            return s;
        });
        await until(`the ${name} among strangers`, isWell, 30000);
        strangers.forEach((s) => s.destroy());
        fresh = 0;
        await until(`the ${name} after them`, isWell, 30000);
        street.watch.off("frame", onFrame);
        street.watch.off("state", onState);
        process.stdout.write(`      ${name}: ${joined} times joined anew\n`);
        assert.ok(joined >= bad().length, `after ${bad().length + 5} spoilt streams the link was begun anew ${joined} times only`);
    }
    assert.equal(h.bolt.openings.length, 0);
    const now = h.pids();
    for (const n of Object.keys(pids).filter((x) => x !== "doorward-hub-ca")) // that one the guard itself starts anew
        assert.equal(now[n], pids[n], `${n} died of it`);
    await until("blindness to be forgotten", () => street.watch.state?.blind_ms === 0, 15000);
    if (street.watch.state.alarms.length)
        street.watch.owner("acknowledge");
    await h.honest();
}

// ---- pages, and who pretends to be one ----

async function screens(h) {
    const { street } = h, port = street.watchPort, pids = h.pids();
    const raw = (bytes) => new Promise((r) => {
        const s = net.connect(port, "127.0.0.1");
        let got = "";
        s.on("data", (b) => { got += b.toString("latin1"); });
        s.on("error", () => {});
        s.on("close", () => r(got));
        s.setTimeout(2000, () => s.destroy());
        s.write(bytes);
    });
    const said = await Promise.all([noise(400), Buffer.from("GET / HTTP/1.1\r\n\r\n"), Buffer.from("\r\n\r\n\r\n"),
        Buffer.from(`GET /${"a".repeat(70000)} HTTP/1.1\r\nHost: x\r\n\r\n`), Buffer.from("GET /../../etc/passwd HTTP/1.0\r\n\r\n"),
        Buffer.from(`POST /watch HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n`),
        Buffer.from(`GET / HTTP/1.1\r\nHost: x\r\n${"X: y\r\n".repeat(5000)}\r\n`)].map(raw));
    assert.ok(!said.some((s) => s.includes("root:")), "a file of the machine was served");

    const { origin } = street.hubSite, cookie = street.member.cookie();
    const page = ({ from = origin, as = cookie } = {}) => new Promise((r, no) => {
        const { headers } = street.hubSite.options(as ? { Cookie: as } : {});
        const ws = new WebSocket(`ws://127.0.0.1:${port}/watch`, "doorward-watch-1", { origin: from, headers, perMessageDeflate: false });
        ws.once("open", () => r(ws));
        ws.once("error", no);
    });
    await assert.rejects(page({ from: "http://evil.example" }), "a page of another site was let in");
    await assert.rejects(page({ as: null }), "somebody without a session was let in");
    const closed = [noise(40), "", "[]", "{", "{}", "null", `{"t":"nonce","n":"zz"}`, `{"t":"owner","word":"open"}`,
        `{"t":"owner","word":"lock_now","more":1}`, `{"t":"open"}`, `{"t":"drill","name":"../x"}`, "x".repeat(1025), "x".repeat(200000),
        `{"t":"nonce","t":"owner"}`].map(async (text) => {
        const ws = await page();
        const over = new Promise((r) => { ws.once("close", r); ws.on("error", () => {}); });
        ws.send(text);
        const timer = setTimeout(() => ws.terminate(), 6000);
        const code = await over;
        clearTimeout(timer);
        return [String(text).slice(0, 30), code];
    });
    for (const [text, code] of await Promise.all(closed))
        assert.ok(code >= 1002 && code !== 1006, `${text} ended with ${code}, not with a word from the hub`);

    // A thousand who say nothing; the screen that is there is served, and a visit goes its way.
    const idle = Array.from({ length: 1000 }, () => net.connect(port, "127.0.0.1").on("error", () => {}));
    try {
        await until("a thousand connections", () => idle.every((s) => !s.connecting), 15000);
        const states = street.watch.frames;
        await h.honest();
        assert.ok(street.watch.frames > states, "no picture came to the screen meanwhile");
    } finally {
        idle.forEach((s) => s.destroy());
    }
    assert.deepEqual(h.pids(), pids, "a process died of it");
    assert.equal(h.count("owner_act"), 0, "a bad message was taken for the household");
}

// ---- two at the door, the same question twice ----

async function couriers(h) {
    const { street, bolt, truth } = h;
    const other = await street.newVisitor("Robin");
    const theirs = await street.newJob(other), code = theirs.parcels[0].barcode ?? theirs.parcels[0];
    await h.honest({
        ready: async (v) => {
            const b = await ask(other.api, "POST", "/v1/visits", { job: theirs.id, barcode: code, door_code: street.doorCode, nonce: newNonce() }, 4000);
            const end = await until("the answer to the second courier", async () => {
                const x = await other.api.get(`/v1/visits/${b.id}`);
                return x.outcome ? x : null;
            }, 8000);
            assert.equal(end.outcome, "REFUSED");
            assert.equal(end.check.code, "other_visit", "the second courier was told something else");
            // The first slides twice at the same moment, and a stranger slides for them.
            const proof = await slideOf(street.courier.api, v);
            bolt.slid(v.id);
            await assert.rejects(other.api.post(`/v1/visits/${v.id}/open`, proof), "somebody else's visit was opened");
            const key = randomUUID();
            await Promise.all([0, 1, 2].map((i) => street.courier.api.call("POST", `/v1/visits/${v.id}/open`, proof,
                i < 2 ? key : randomUUID()).catch(() => {})));
        },
    });
    // A parcel's code is bytes of the courier's choice.
    const pids = h.pids(), job = await h.job();
    for (const barcode of ["", "x", "x".repeat(128), "x".repeat(129), "x".repeat(4096), "\u0000", "'; DROP TABLE parcel;--", "\u{1F4E6}\u202e", "\n\r\t"]) {
        const v = await ask(street.courier.api, "POST", "/v1/visits", { job: job.id, barcode, door_code: street.doorCode, nonce: newNonce() }, 4000);
        if (v.refusal)
            continue; // refused by the service at once, with its problem
        const end = await until("an answer", async () => {
            const x = await street.courier.api.get(`/v1/visits/${v.id}`);
            return x.outcome ? x : null;
        }, 8000);
        assert.equal(end.check?.code, "wrong_parcel", `${JSON.stringify(barcode.slice(0, 20))} ended ${end.outcome} ${end.check?.code}`);
    }
    assert.deepEqual(h.pids(), pids);
    assert.equal((await deliver(street, bolt, truth, job, { patience: 10000 })).ended, "OK", "after the wrong codes, the right one");
}

// ---- no room ----

const DISK = 24 << 20, RESERVE = 6 << 20;
let mounted = null;
const onSmallDisk = {
    params: { "record.reserve_bytes": RESERVE },
    prepare: (folder) => {
        mkdirSync(path.join(folder, "recordings"), { mode: 0o700 });
        try {
            execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK},mode=0700`, "doorward", path.join(folder, "recordings")],
                { stdio: "ignore" });
            mounted = path.join(folder, "recordings");
        } catch { /* not root, or no right to: said below */ }
    },
    clean: () => { if (mounted) execFileSync("umount", [mounted]); },
};

async function disk(h) {
    const { street, bolt, truth } = h;
    if (!mounted) {
        process.stdout.write("      SKIPPED: a small disk needs the right to mount one\n");
        return;
    }
    const filler = path.join(mounted, "filler");
    const fill = (leave) => {
        const s = statfsSync(mounted);
        try {
            writeFileSync(filler, Buffer.alloc(Math.max(0, s.bavail * s.bsize - leave)));
        } catch (e) {
            assert.equal(e.code, "ENOSPC"); // the recorder was faster: full is full
        }
    };
    await h.honest();
    fill(RESERVE / 2);
    await until("the hub to see that there is no room", () => street.watch.state?.room === false, 15000);
    const r = await deliver(street, bolt, truth, await h.job());
    assert.equal(r.ended, "disk_full");
    assert.ok(r.said?.check?.text ?? true);
    writeFileSync(filler, "");
    await until("room again", () => street.watch.state?.room === true, 15000);
    // It runs full while the door is open: the visit goes on, and the door locks.
    const during = await deliver(street, bolt, truth, await h.job(), { patience: 15000,
        inside: async () => { fill(0); await sleep(2500); } }); // longer than a segment, so that one must be written
    assert.ok(["OK", "SECURED_WITH_GAP", "SECURED_TAMPERED"].includes(during.ended), `ended ${during.ended}`);
    await until("the door to be locked", () => street.world.isLocked(), 5000);
    writeFileSync(filler, "");
    await until("room again", () => street.watch.state?.room === true, 15000);
    await h.honest();
}

// ---- what stops in the middle ----

async function stops(h) {
    const { street, bolt, truth } = h;
    // The broker ends and comes back: the visit goes on, the receipt arrives.
    await h.honest({ inside: async () => {
        street.procs.broker.kill();
        await street.procs.broker.exited;
        await until("the hub to miss it", () => street.watch.state?.link === false, 8000);
        await street.launchBroker();
    }, patience: 20000 });

    // A process of the hub that hangs. The one that watches: the guard notices the lack of pictures.
    const pidOf = (name) => street.hubPids().find((c) => c.name === name).pid;
    const hang = async (name, then) => {
        const pid = pidOf(name);
        process.kill(pid, "SIGSTOP");
        try {
            await then();
        } finally {
            try { process.kill(pid, "SIGCONT"); } catch { /* the guard has ended it */ }
        }
    };
    let closedAt, lockedAt;
    const close = async () => {
        await street.world.moveDoor(0, 150);
        closedAt = performance.now();
        await until("the closed door to be locked", () => street.world.isLocked(), 6000, 10);
        lockedAt = performance.now();
    };
    const inTime = () => assert.ok(lockedAt - closedAt <= 2000 + NOISE_MS, `locked ${Math.round(lockedAt - closedAt)} ms after closing`);
    await until("the camera to be live", () => street.watch.state?.camera === "live", 30000);
    let r = await deliver(street, bolt, truth, await h.job(), { patience: 15000, inside: () => hang("doorward-hub-ca", async () => {
        const at = performance.now();
        await until("the alarm", () => street.watch.state?.alarms.some((a) => a.code === "camera_blind"), 8000, 5);
        const took = performance.now() - at;
        assert.ok(took <= 2500 + NOISE_MS, `camera_blind after ${Math.round(took)} ms`);
        await close();
    }) });
    inTime();
    assert.ok(["SECURED_WITH_GAP", "SECURED_TAMPERED"].includes(r.ended), `with a hanging camera process it ended ${r.ended}`);
    await until("the camera to be live again", () => street.watch.state?.camera === "live", 30000);
    await until("blindness to be forgotten", () => street.watch.state?.blind_ms === 0, 15000);
    if (street.watch.state.alarms.length)
        street.watch.owner("acknowledge");

    // The one that talks: nobody hears anything, but the door locks, and what happened is told afterwards.
    r = await deliver(street, bolt, truth, await h.job(), { patience: 20000, inside: () => hang("doorward-front", close) });
    inTime();
    assert.equal(r.ended, "OK");
    await h.honest();
}

const CASES = { broker, links, screens, couriers, papers, disk, stops };
const wanted = process.argv.slice(2);
if (wanted.length === 0 || wanted.some((w) => !CASES[w])) {
    process.stderr.write(`usage: bad_input.test.mjs ${Object.keys(CASES).join("|")}...\n`);
    process.exit(2);
}
await runCases(wanted.map((w) => [w, () => house(w === "disk" ? onSmallDisk : {}, CASES[w])]));
