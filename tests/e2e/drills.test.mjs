// Every drill ends as the table says that it must, and nobody is told anything false on the way.
//
//   node drills.test.mjs CASE       CASE: honest, refused, a drill's name, yale, kwikset, rtsp
//
// Needs DW_BUILD (the build folder). What is wanted stands here, not in the demo: a drill that is made
// kinder there fails here.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { playVisit } from "../../sim/demo/visit.mjs";
import { NOISE_MS, assert, demo, runCases, withStreet } from "./rig.mjs";

const T_LOSS_MS = 2000, T_STILL_MS = 1500; // core/params.h
const TOLD_MS = 500;                       // [I23]: known within 0.5 s

const GAP = ["SECURED_WITH_GAP", "SECURED_TAMPERED"];
const DURING = {
    "camera-cut": { outcomes: GAP, alarm: "camera_blind", within: T_LOSS_MS + TOLD_MS },
    // Off 0-1, 2-3, 4-5 s: blindness within 10 s has added up to T_loss during the third.
    "camera-flap": { outcomes: GAP, alarm: "camera_blind", within: 5000 + TOLD_MS },
    // The picture is told frozen after T_still; the camera looks at it five times a second.
    "camera-frozen": { outcomes: GAP, alarm: "camera_frozen", within: T_STILL_MS + 700 },
    "camera-replay": { outcomes: GAP, alarm: "camera_tampered", within: TOLD_MS },
    "lock-blocked": { outcomes: ["SECURED_UNCONFIRMED"], alarm: "lock_silent", confirmed: true },
    "camera-and-lock-cut": { outcomes: ["SECURED_UNCONFIRMED"], alarm: "camera_blind", within: T_LOSS_MS + TOLD_MS,
        confirmed: true },
    "wan-cut": { outcomes: ["OK"], late: true },
    "courier-no-signal": { outcomes: ["OK"], over: "guest network" },
    "walk-off": { outcomes: ["NOT_SECURED"], alarm: "held_open" },
    "reopen": { outcomes: ["OK"], second: "impossible" },
    "stays-inside": { outcomes: ["OK"], alarm: "someone_inside", within: 1000 },
    "hub-kill": { outcomes: ["ABORTED"], alarm: "restarted" },
    "power-cut": { outcomes: ["ABORTED"], alarm: "restarted" },
};
const REFUSED = {
    "wrong-parcel": ["wrong_parcel"], "wrong-door": ["wrong_door"], "too-early": ["too_early"],
    "expired-screening": ["screening"], "cloned-barcode": ["parcel_used"], "stranger": ["not_assigned", "no_such_job"],
};
const REFUSED_BEFORE = { // in this order: blindness and tampering are remembered for a while
    "camera-frozen": ["camera_frozen"], "camera-cut": ["camera_not_live"], "camera-flap": ["camera_not_live"],
    "camera-replay": ["camera_tampered", "camera_not_live"],
};

// What each attempt is refused for: in the hub's log or the record before it is a visit, in the record after that.
const HOSTILE = {
    "hostile-service": {
        "the service makes up a job": ["kind", "no_such_job"],
        "the service signs a visit itself, in the agency's name": ["manifest_signature", "no_such_job"],
        "an agency that it made up uses the household's key": ["grant_grantee", "no_such_job"],
        "the service grants itself a key": ["kind", "manifest_grant", "no_such_job"],
        "a delivered visit's own papers are brought again": ["parcel_used"],
        "papers that the agency has changed since are brought again": ["no_such_job"],
        "the service says by itself that the courier slid": ["kind"],
        "a shift that names the service's own passkey": ["key", "proof", "proof_key"],
        "a stop of its own under the courier's name": ["proof", "proof_signature"],
        "the courier's sign-in taken for a permission": ["proof", "proof_origin"],
    },
    "hostile-agency": {
        "it comes outside of its days and times": ["manifest_scope", "no_such_job"],
        "it wants the garage, too": ["manifest_scope", "no_such_job"],
        "it wants to come and go like a cleaner": ["manifest_scope", "no_such_job"],
        "it wants to stay longer": ["manifest_scope", "no_such_job"],
        "it uses the key of another agency": ["grant_grantee", "no_such_job"],
        "a visit that it signed for another home": ["manifest_audience", "no_such_job"],
        "in the name of another agency": ["manifest_signature", "no_such_job"],
        "its courier has no shift": ["not_assigned", "shift_form"],
        "its courier's shift was over this morning": ["too_late", "shift_expired"],
        "a shift of a week": ["invalid"],
        "the same parcel once more": ["parcel_used"],
        "a second delivery on a key for one a day": ["no_permission"],
    },
    // At the service, as a phone can send it; then at the hub, as if the service let everything through.
    "stolen-phone": {
        "the courier's phone, signed in, without the courier's finger or face": ["user_verification", "proof", "proof_origin"],
        "a passkey of the thief's own": ["passkey", "proof", "proof_key"],
        "what the courier signed at another stop": ["stop", "proof", "proof_origin"],
        "after the courier's shift": ["too_late", "shift_expired"],
        "after the window": ["too_late"],
        "the household's phone, signed in: opening the door with another passkey": ["passkey"],
        "opening the door without finger or face": ["user_verification"],
        "a sign-in taken for an opening": ["origin"],
        "giving a key to an agency without the passkey": ["passkey"],
    },
    "replay": {
        "all of it once more, in order": ["mismatch"],
        "all of it, shuffled": ["mismatch"],
        "the hub's own words, sent back to it": ["kind"],
        "to a hub that was started anew and has forgotten every visit": ["mismatch", "parcel_used"],
        "the recorded command to the lock, over its own radio": ["stale_nonce"],
        "the lock's old words to the hub": ["expired"],
    },
    "restored-backup": {
        "another delivery, with true papers": ["record"],
        "the delivered parcel, with the papers of before": ["record"],
        "after one more start": ["record"],
    },
    "clock-jump": {
        "the clock is turned back by an hour": ["clock"],
        "it jumps a day ahead": ["clock"],
        "a start with a clock that nobody keeps": ["clock"],
        "a start at a time after the window": ["too_late"],
        "a start before what the hub has known already": ["clock"],
    },
    "revoked-while-offline": {
        "the courier slides, on papers of before": ["ended_by_household"],
        "the line stays down for longer than T_rev (60 s)": ["hub_unreachable"],
        "the courier who waited at the door": ["ended_by_household"],
        "the other stop of the same key": ["no_permission"],
        "the papers that the hub was given before, shown to it directly": ["no_such_job"],
    },
};

function isTrue(r) {
    assert.deepEqual(r.lies, [], "somebody was told something false");
    assert.equal(r.door_locked, true, "the door is not locked at the end");
}

function endsAs(r, want) {
    assert.ok(want.outcomes.includes(r.outcome), `ended ${r.outcome} ${r.check ?? ""}, wanted ${want.outcomes}`);
    isTrue(r);
    if (want.alarm)
        assert.ok(r.alarms.includes(want.alarm), `no alarm ${want.alarm}, only ${r.alarms}`);
    if (want.within !== undefined) {
        assert.ok(r.ms.alarm !== null, "nobody knows when the alarm came");
        assert.ok(r.ms.alarm <= want.within + NOISE_MS, `the alarm took ${r.ms.alarm} ms, bound ${want.within} ms`);
    }
    if (want.confirmed) {
        assert.equal(r.confirmed, true, "the link came back and nothing was confirmed");
        assert.equal(r.receipt.confirmed_later, true);
    }
    if (want.late) { // told late, with the times at which it happened
        assert.ok(r.late_by_ms > 1000, `it was secured ${r.late_by_ms} ms before the link was back`);
        assert.equal(r.receipt.outcome, "OK");
    }
    if (want.over) { // the same question, asked once; and the hub's own receipt, checked on the phone
        assert.equal(r.over, want.over);
        assert.equal(r.receipt_holds, true, "the phone has no receipt of the hub's");
        assert.equal(r.states.filter((s) => s.state === "checking").length, 1, "it was asked twice");
    }
    if (want.second)
        assert.equal(r.second_opening, want.second);
}

function isRefused(r, codes) {
    assert.equal(r.outcome, "REFUSED");
    assert.ok(codes.includes(r.check), `refused with ${r.check}, wanted ${codes}`);
    assert.ok(r.says?.length > 10 && r.says.endsWith("."), `no sentence: ${r.says}`);
    assert.deepEqual(r.courier.map((s) => s.state).filter((s) => !["asked", "checking", "REFUSED"].includes(s)), [],
        "the courier was told more than a refusal");
    const openings = r.states.filter((s) => s.state === "opening").length;
    assert.equal(openings, r.drill === "cloned-barcode" ? 1 : 0, "it was opened"); // once, for the honest one
    isTrue(r);
}

function isShut(r, want) {
    assert.deepEqual(Object.fromEntries(r.attempts.map((a) => [a.what, a.refusals])), want);
    assert.equal(r.outcome, "REFUSED");
    assert.equal(r.has_opened, false, "the bolt moved");
    // The record names them, too: of every visit that was asked for, and of what was signed but not within a key.
    const recorded = r.refused_in_record.flatMap((x) => [x.check, x.reason]);
    for (const reason of Object.values(want).flat().filter((x) => /^(grant|manifest_(grant|scope)|shift_|proof|too_|no_|parcel)/.test(x)))
        assert.ok(recorded.includes(reason), `the record says nothing of ${reason}`);
    isTrue(r);
}

// As a user runs it: JSON on the last line, the rest on stderr, status 0 when it ended as it must.
async function byCommand(args) {
    const d = await demo(["--once", "--json", ...args]);
    assert.ok(d.last, `the last line is no JSON object: ${d.stdout.slice(-300)}\n${d.stderr.slice(-1500)}`);
    assert.ok(d.last.outcome !== "FAILED", `${d.last.why}\n${d.stderr.slice(-1500)}`);
    assert.equal(d.stdout.trim().split("\n").length, 1, "more than the object on stdout");
    try {
        return await Promise.resolve(d.last);
    } finally {
        d.last.status = d.status;
        if (d.last.recording)
            d.last.throwAway = () => rmSync(path.resolve(d.last.recording, "../.."), { recursive: true, force: true });
    }
}

// ---- the recording ----

function probe(file, ...more) {
    return JSON.parse(execFileSync("ffprobe", ["-v", "error", "-of", "json", "-show_streams", ...more, file],
        { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }));
}

// CLOCK_BOOTTIME to UTC, by the present difference of the two.
function utcOfBoot(ms) {
    const boot = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000;
    return ms + Date.now() - boot;
}

const KEY_EVERY_MS = 1000; // the camera's distance of key frames; a segment ends with one

function holdsTheVisit(r) {
    const at = (name) => path.join(r.recording, name);
    const about = JSON.parse(readFileSync(at("visit.json"), "utf8"));
    const list = readFileSync(at("visit.m3u8"), "utf8");
    assert.equal(about.visit, r.visit);
    assert.match(list, /#EXT-X-ENDLIST\n$/);
    const segments = [...list.matchAll(/^#DOORWARD-SEGMENT:(.*)$/gm)].map((m) =>
        Object.fromEntries(m[1].split(",").map((x) => x.split("="))));
    assert.equal(segments.length, about.segments);
    assert.deepEqual(readdirSync(r.recording).filter((n) => n.endsWith(".part")), []);

    let packets = 0, next = Number(segments[0].first), end = 0;
    segments.forEach((s, i) => {
        const file = at(`seg-${String(i + 1).padStart(4, "0")}.mp4`);
        const ms = (Number(s.end_us) - Number(s.begin_us)) / 1000;
        assert.ok(ms <= 2000 + KEY_EVERY_MS, `segment ${i + 1} is ${ms} ms long`);
        assert.equal(Number(s.begin_us), end, `a hole before segment ${i + 1}`);
        end = Number(s.end_us);
        assert.equal(Number(s.first), next, "frames are missing between two segments");
        next = Number(s.last) + 1;
        const { streams } = probe(file, "-count_packets");
        assert.equal(streams.length, 1, "one stream, the picture: no sound is recorded");
        assert.equal(streams[0].codec_type, "video");
        assert.equal(Number(streams[0].nb_read_packets), Number(s.frames), `frames of segment ${i + 1}`);
        packets += Number(streams[0].nb_read_packets);
        assert.equal(execFileSync("sha256sum", [file], { encoding: "utf8" }).slice(0, 64), s.sha256);
    });
    const whole = probe(at("visit.m3u8"), "-count_packets", "-allowed_extensions", "ALL");
    assert.deepEqual(whole.streams.map((s) => s.codec_type), ["video"]);
    assert.equal(Number(whole.streams[0].nb_read_packets), packets, "the list plays other than its segments");

    // Begun before the bolt moved, ended after it was out again.
    const base = utcOfBoot(Number(/^#DOORWARD-BASE:(\d+)$/m.exec(list)[1]));
    const when = (state) => r.states.find((s) => s.state === state).utc_ms;
    assert.ok(base < when("looking"), `the first frame is ${Math.round(base - when("looking"))} ms late`);
    assert.ok(base < when("unlocked"));
    const last = base + end / 1000, secured = Date.parse(r.receipt.secured.time);
    // A frame stands for the time up to the next one; the clocks are compared by 10 ms.
    assert.ok(last > secured - 100, `the last frame is ${Math.round(secured - last)} ms before SECURED`);

    // Every frame that was verified while it recorded is in it: the sequence has no hole, and what lies
    // between asking and the end is as many frames as the guard has verified since the question.
    assert.equal(about.frames, packets);
    assert.equal(about.last_seq - about.first_seq + 1, packets);
    assert.equal(r.frames.recorded, packets, "the story tells of other frames than there are");
    const seconds = (when("watch") - when("checking")) / 1000;
    assert.ok(packets / seconds > 8, `${packets} frames in ${seconds.toFixed(1)} s`);
    assert.ok(r.frames.verified > 0.9 * packets * (secured - when("checking")) / (end / 1000),
        `${r.frames.verified} verified, ${packets} recorded`);
}

async function honest() {
    const r = await byCommand([]);
    assert.equal(r.status, 0);
    endsAs(r, { outcomes: ["OK"] });
    assert.deepEqual(r.alarms, []);
    const order = ["checking", "ready", "recording", "looking", "opening", "unlocked", "inside", "closing", "watch"];
    assert.deepEqual(r.states.map((s) => s.state), order);
    r.states.forEach((s, i) => {
        assert.ok(Number.isFinite(s.ms) && Number.isFinite(s.utc_ms));
        assert.ok(i === 0 || (s.utc_ms >= r.states[i - 1].utc_ms && s.ms >= r.states[i - 1].ms), `${s.state} is out of order`);
    });
    assert.ok(r.ms.request_to_bolt <= 500 + NOISE_MS, `slide to bolt ${r.ms.request_to_bolt} ms`);
    assert.ok(r.ms.close_to_secured <= 1000 + NOISE_MS, `closed to secured ${r.ms.close_to_secured} ms`);
    assert.equal(r.receipt.outcome, "OK");
    holdsTheVisit(r);
    r.throwAway();
}

async function drillByCommand(name) {
    const r = await byCommand(["--drill", name]);
    endsAs(r, DURING[name]);
    assert.equal(r.status, 0);
    assert.equal(r.drill, name);
    assert.ok(r.recording && existsSync(r.recording), "there is no recording of it");
    r.throwAway?.();
}

async function hostileByCommand(name) {
    const r = await byCommand(["--drill", name]);
    isShut(r, HOSTILE[name]);
    assert.equal(r.status, 0);
    assert.equal(r.drill, name);
}

async function refusedByCommand(args, codes) {
    const r = await byCommand(args);
    isRefused(r, codes);
    assert.equal(r.status, 0);
    r.throwAway?.();
    return r;
}

// ---- the cases ----

const one = process.argv[2];
const cases = [];
if (one === "honest") {
    cases.push(["honest", honest]);
} else if (one === "refused") {
    cases.push(["refused", () => withStreet({ params: { t_show_ms: 1000 } }, async (street) => {
        for (const [name, codes] of Object.entries(REFUSED)) {
            isRefused(await playVisit(street, { drill: name }), codes);
            process.stdout.write(`      ${name}\n`);
        }
        // After all of them the door still opens for whom it should.
        endsAs(await playVisit(street), { outcomes: ["OK"] });
        for (const [name, codes] of Object.entries(REFUSED_BEFORE)) {
            isRefused(await playVisit(street, { drill: name, phase: "before" }), codes);
            process.stdout.write(`      ${name}, before\n`);
        }
    })], ["by the command", async () => {
        await refusedByCommand(["--drill", "wrong-parcel"], REFUSED["wrong-parcel"]);
        await refusedByCommand(["--drill", "camera-frozen", "--before"], REFUSED_BEFORE["camera-frozen"]);
    }]);
} else if (one === "yale") {
    // Class L-B: locked is radio evidence, and the lock's own relock time ends what the radio cannot.
    cases.push(["yale", () => withStreet({ lock: "yale", params: { t_unheard_ms: 6000, t_show_ms: 1000 } }, async (street) => {
        const r = await playVisit(street);
        endsAs(r, { outcomes: ["OK"] });
        assert.equal(r.receipt.lock_class, "B");
        endsAs(await playVisit(street, { drill: "reopen" }), DURING.reopen);
        endsAs(await playVisit(street, { drill: "lock-blocked" }), DURING["lock-blocked"]);
        endsAs(await playVisit(street, { drill: "camera-cut" }), DURING["camera-cut"]);
    })]);
} else if (one === "kwikset") {
    cases.push(["kwikset", async () => {
        const r = await refusedByCommand(["--lock", "kwikset"], ["lock_class"]);
        process.stdout.write(`      ${r.says}\n`);
    }]);
} else if (one === "rtsp") {
    cases.push(["rtsp", () => withStreet({ camera: "rtsp" }, async (street) => {
        const { until } = await import("../../sim/demo/procs.mjs");
        await until("the picture of the ordinary camera", () => street.watch.frames > 30, 15000);
        assert.equal(street.watch.state.camera, "unproven", "pictures come, and prove nothing");
        const r = await playVisit(street);
        isRefused(r, ["camera_class"]);
        const files = readdirSync(r.recording);
        assert.ok(files.includes("visit.m3u8"), `no recording in ${files}`);
        const { streams } = probe(path.join(r.recording, "seg-0001.mp4"));
        assert.deepEqual(streams.map((s) => s.codec_type), ["video"], "the camera sends sound; none is kept");
    })]);
} else if (HOSTILE[one]) {
    cases.push([one, () => hostileByCommand(one)]);
} else if (DURING[one]) {
    cases.push([one, () => drillByCommand(one)]);
} else {
    process.stderr.write(`usage: drills.test.mjs honest|refused|yale|kwikset|rtsp|${[...Object.keys(HOSTILE), ...Object.keys(DURING)].join("|")}\n`);
    process.exit(2);
}
await runCases(cases);
