// A hundred kill -9 at random moments of visits, over every process of the house and its service. After
// each of them the invariants hold:
//   - the bolt is withdrawn only for a courier who has just slid to open, once for each slide, and never on
//     an authority from before the guard died [I6, I12, I19];
//   - a closed door ends locked within the lease and the bolt's time [I16, I17];
//   - the record is whole and grows, every kept event is what its leaf committed to, the database is sound;
//   - a parcel whose visit has withdrawn the bolt stays used up [I11];
//   - nobody is told anything false.
//
// DW_KILLS says how many (100), DW_SEED plays the same moments again. DW_BUILD and DW_FACTS_CHECK are given
// by meson.
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { sleep, until } from "../../sim/demo/procs.mjs";
import { Truth } from "../../sim/demo/truth.mjs";
import { PERSON } from "../../sim/demo/world.mjs";
import { NOISE_MS, assert, randomFrom, runCases, seedOf, withStreet } from "../e2e/rig.mjs";

const KILLS = Number(process.env.DW_KILLS ?? 100);
const A_VISIT = 4;                    // kills in and around one visit
const SPAN_MS = 3200;                 // within so long after the scan
const LEASE_MS = 4000, BOLT_MS = 2000; // lease as set below; the longest bolt travel
const IN_FLIGHT_MS = 1000;            // a command that had left may still be obeyed (t_expire and the way)
const HOUSE = { guard: "doorward-guard", front: "doorward-front", "hub-camera": "doorward-hub-ca", "hub-lock": "doorward-hub-lo" };
const ALL = [...Object.keys(HOUSE), "nursery", "lock", "camera", "service", "broker"];

// ---- what the bolt may do ----

class BoltWatch {
    constructor(street) {
        this.world = street.world;
        this.was = this.world.get("bolt_permille");
        this.slide = null; // { at, used, visit }: the newest courier who slid
        this.wrongs = [];
        this.openings = [];
        this.timer = setInterval(() => this.look(), 5);
    }
    look() {
        if (this.world.isOver)
            return;
        const now = performance.now(), bolt = this.world.get("bolt_permille");
        if (this.was >= 950 && bolt < 950)
            this.withdrawn(now);
        this.was = bolt;
        if (bolt >= 950 || this.world.isDoorOpen())
            this.looseAt = null;
        else if ((this.looseAt ??= now) + LEASE_MS + BOLT_MS + NOISE_MS < now && this.looseAt !== this.told) {
            this.told = this.looseAt;
            this.wrongs.push("closed and not locked for longer than the lease and the bolt's time");
        }
    }
    withdrawn(now) {
        const s = this.slide;
        if (!s)
            this.wrongs.push("withdrawn before anybody slid");
        else if (s.used)
            this.wrongs.push(`withdrawn twice for the visit ${s.visit}`);
        else if (s.deadAt !== undefined && now - s.deadAt > IN_FLIGHT_MS)
            this.wrongs.push(`withdrawn ${Math.round(now - s.deadAt)} ms after the guard of visit ${s.visit} died`);
        else
            this.openings.push(s.visit);
        if (s)
            s.used = true;
    }
    lockStarts() { this.looseAt = null; } // a dead lock keeps no time
    slid(visit) { this.slide = { visit, used: false }; }
    guardDied() {
        if (this.slide && this.slide.deadAt === undefined)
            this.slide.deadAt = performance.now();
    }
    stop() { clearInterval(this.timer); }
}

// ---- killing, and starting again what nobody else starts ----

function pidOf(street, name) {
    if (name === "nursery")
        return street.procs.guard.isOver ? undefined : street.procs.guard.pid;
    if (HOUSE[name])
        return street.procs.guard.isOver ? undefined : street.hubPids().find((c) => c.name === HOUSE[name])?.pid;
    return street.procs[name].isOver ? undefined : street.procs[name].pid;
}

async function startAgain(street, bolt, name) {
    if (HOUSE[name])
        return; // the nursery does
    await street.procs[name === "nursery" ? "guard" : name].exited;
    if (name === "nursery")
        await street.bootHub();
    else if (name === "lock") {
        await street.startLock();
        bolt.lockStarts();
    } else if (name === "camera")
        await street.startCamera();
    else if (name === "broker")
        await street.launchBroker();
    else
        await street.startService();
}

// Kills `name`, or the next in the list that runs. Returns what was killed and when it is there again.
function strike(street, bolt, name) {
    for (let i = 0; i < ALL.length; i++) {
        const victim = ALL[(ALL.indexOf(name) + i) % ALL.length];
        const pid = pidOf(street, victim);
        if (!pid)
            continue;
        try {
            process.kill(pid, "SIGKILL");
        } catch {
            continue;
        }
        if (victim === "guard" || victim === "nursery")
            bolt.guardDied();
        return { victim, again: startAgain(street, bolt, victim) };
    }
    return null;
}

// ---- a courier who is in a hurry ----

// Asks until the service answers; the same question has the same key, so that it is asked once.
async function ask(api, method, path, body, ms) {
    const key = randomUUID(), end = performance.now() + ms;
    for (;;) {
        try {
            return await api.call(method, path, body, key);
        } catch (e) {
            if (e.status && e.status < 500)
                return { refusal: e.problem?.code ?? e.status };
            if (performance.now() > end)
                return { refusal: "no answer" };
            await sleep(60);
        }
    }
}

async function deliver(street, bolt, truth, job) {
    const api = street.courier.api, world = street.world;
    world.set("person", PERSON.outside);
    const v = await ask(api, "POST", "/v1/visits", { job: job.id, barcode: job.barcode, door_code: street.doorCode }, 4000);
    if (v.refusal)
        return { ended: v.refusal };
    let said = v;
    const follow = async (test, ms) => {
        const end = performance.now() + ms;
        while (!test(said) && !said.outcome && performance.now() < end) {
            const r = await ask(api, "GET", `/v1/visits/${v.id}?since=${said.news}&wait_ms=500`, undefined, 500);
            if (r.refusal)
                await sleep(50);
            else
                said = r;
        }
        return test(said);
    };
    if (!await follow((x) => x.state === "ready", 4000))
        return { visit: v.id, ended: said.check?.code ?? said.state };
    bolt.slid(v.id);
    const slid = await ask(api, "POST", `/v1/visits/${v.id}/open`, undefined, 1500);
    if (!slid.refusal)
        said = slid;
    let opened = false;
    await until("the bolt", () => world.get("bolt_permille") === 0, 2500, 5).then(() => { opened = true; }, () => {});
    if (opened && await world.moveDoor(900, 150)) {
        world.set("person", PERSON.inside);
        await sleep(250); // the parcel is put down: what a body does, not what a test waits for
        world.set("parcels_inside", world.get("parcels_inside") + 1);
        world.set("person", PERSON.outside);
        await world.moveDoor(0, 150);
    }
    await follow((x) => Boolean(x.outcome), 2500);
    truth.told("courier's phone", said);
    return { visit: v.id, ended: said.outcome ?? said.state };
}

// ---- the facts ----

function facts(street) {
    const text = execFileSync(process.env.DW_FACTS_CHECK, [street.at("hub")], { encoding: "utf8" });
    const f = JSON.parse(text);
    assert.equal(f.record, "OK");
    assert.equal(f.integrity, "ok");
    assert.equal(f.wrong, 0, "an event is not what its leaf committed to");
    assert.ok(f.bodies >= f.rows, `${f.rows} events in the database, ${f.bodies} in the record`);
    return f;
}

async function house() {
    const seed = seedOf(), random = randomFrom(seed);
    const settings = { lease_ms: LEASE_MS, "record.reserve_bytes": 1048576 };
    await withStreet({ params: settings }, async (street) => {
        street.o.servicePort = street.servicePort; // it comes back where it was
        const rounds = Math.ceil(KILLS / A_VISIT), jobs = [];
        for (let i = 0; i < rounds + 12; i++) {
            const j = await street.newJob(street.courier);
            jobs.push({ id: j.id, barcode: j.parcels[0].barcode ?? j.parcels[0] });
        }
        const bolt = new BoltWatch(street), truth = new Truth(street), count = {}, ends = {};
        let kills = 0, leaf = 0;
        const used = new Map(); // visit -> job, of which the bolt was withdrawn
        try {
            leaf = facts(street).next_leaf;
            while (kills < KILLS) {
                const n = Math.min(A_VISIT, KILLS - kills);
                const plan = Array.from({ length: n }, () => [random() * SPAN_MS, ALL[Math.floor(random() * ALL.length)]])
                    .sort((a, b) => a[0] - b[0]);
                const job = jobs.shift();
                assert.ok(job, "no jobs are left: too many visits without a kill");
                const began = performance.now(), back = [];
                const killing = (async () => {
                    for (const [at, name] of plan) {
                        await sleep(Math.max(0, at - (performance.now() - began)));
                        const hit = strike(street, bolt, name);
                        if (!hit)
                            continue;
                        kills++;
                        count[hit.victim] = (count[hit.victim] ?? 0) + 1;
                        hit.again.catch(() => {}); // its failure is awaited below
                        back.push(hit.again);
                        const f = facts(street);
                        assert.ok(f.next_leaf >= leaf, `the record went back from ${leaf} to ${f.next_leaf}`);
                        leaf = f.next_leaf;
                    }
                })();
                const [r] = await Promise.all([deliver(street, bolt, truth, job), killing]);
                ends[r.ended] = (ends[r.ended] ?? 0) + 1;
                await Promise.all(back);
                // Everything that locks runs again: from here the bound counts.
                await until("the closed door to be locked", () => street.world.isLocked(),
                    LEASE_MS + BOLT_MS + NOISE_MS);
                street.world.set("person", PERSON.none);
                if (bolt.openings.includes(r.visit))
                    used.set(r.visit, job);
                await until("the hub to be whole again", () => {
                    const s = street.watch.state;
                    return s && s.bolt === "thrown" && s.camera !== "unknown" && s.link &&
                        ["none", "watch"].includes(s.visit_state);
                }, 20000);
                if (street.watch.state?.alarms.length)
                    street.watch.owner("acknowledge"); // the household has looked
                const f = facts(street);
                for (const visit of used.keys())
                    assert.ok(f.used.includes(visit), `the parcel of the visit ${visit} can be used again`);
                assert.deepEqual(bolt.wrongs, []);
                assert.deepEqual(truth.lies.map((l) => l.key), []);
            }
            process.stdout.write(`      ${kills} kills ${JSON.stringify(count)}\n      visits ${JSON.stringify(ends)}, ` +
                `${bolt.openings.length} openings, ${leaf - 1} leaves\n`);
            assert.ok(bolt.openings.length >= rounds / 4, `only ${bolt.openings.length} of ${rounds} visits were let in`);

            // What was delivered is delivered, and the house still does its work.
            const copies = [...used.values()].slice(-2);
            for (const job of copies) {
                const again = await deliver(street, bolt, truth, job);
                assert.ok(["parcel_used", "job_over", "job_done", "REFUSED"].includes(again.ended), `a second use ended ${again.ended}`);
            }
            await until("an honest visit to end well", async () => (await deliver(street, bolt, truth, jobs.shift())).ended === "OK",
                45000, 1000);
            assert.deepEqual(bolt.wrongs, []);
            assert.deepEqual(truth.stop(), []);
        } finally {
            bolt.stop();
            truth.stop();
        }
    });
}

await runCases([["kill -9", house]]);
