// A hundred kill -9 at random moments of visits, over every process of the house, its service and its agency. After
// each of them the invariants hold:
//   - the bolt is withdrawn only for a courier who has just slid to open, once for each slide, and never on
//     an authority from before the guard died [I6, I12, I19];
//   - a closed door ends locked within the lease and the bolt's time [I16, I17];
//   - the record is whole and grows, every kept event is what its leaf committed to, the database is sound;
//   - a parcel whose visit has withdrawn the bolt stays used up, and that visit is a use of its grant: it never
//     opens more often than its owner signed, and nothing that was ever sent opens a second time [I11];
//   - nobody is told anything false.
//
// DW_KILLS says how many (100), DW_SEED plays the same moments again. DW_BUILD and DW_FACTS_CHECK are given
// by meson.
import { execFileSync } from "node:child_process";
import { sleep, until } from "../../sim/demo/procs.mjs";
import { Truth } from "../../sim/demo/truth.mjs";
import { PERSON } from "../../sim/demo/world.mjs";
import { KIND } from "../../sim/demo/authority.mjs";
import { Mqtt } from "../../sim/demo/mqtt.mjs";
import { NOISE_MS, assert, randomFrom, runCases, seedOf, withStreet } from "../e2e/rig.mjs";
import { BOLT_MS, BoltWatch, LEASE_MS, deliver } from "./hurry.mjs";

const KILLS = Number(process.env.DW_KILLS ?? 100);
const A_VISIT = 4;                    // kills in and around one visit
const SPAN_MS = 3200;                 // within so long after the scan
const SLIDE_MS = 300;                 // in every other visit one of them, for the guard, within so long after the slide
const USES = 6;                       // of each grant
const HOUSE = { guard: "doorward-guard", front: "doorward-front", "hub-camera": "doorward-hub-ca", "hub-lock": "doorward-hub-lo" };
const ALL = [...Object.keys(HOUSE), "nursery", "lock", "camera", "service", "broker", "agency"];

// ---- killing, and starting again what nobody else starts ----

// The process that this test itself starts anew; whoever was killed once is not killed, and started, twice.
function procOf(street, name) {
    const p = street.procs[name === "nursery" || HOUSE[name] ? "guard" : name];
    return p.isOver || p.isDoomed ? null : p;
}
function pidOf(street, name) {
    const p = procOf(street, name);
    return p && HOUSE[name] ? street.hubPids().find((c) => c.name === HOUSE[name])?.pid : p?.pid;
}

async function startAgain(street, bolt, name, dead) {
    if (HOUSE[name])
        return; // the nursery does
    await dead.exited;
    if (name === "nursery") {
        const up = street.bootHub(), young = street.procs.guard;
        await up.catch((e) => { // killed again while it started: whoever did that starts the next
            if (!young.isDoomed)
                throw e;
        });
    } else if (name === "lock") {
        await street.startLock();
        bolt.lockStarts();
    } else if (name === "camera")
        await street.startCamera();
    else if (name === "broker")
        await street.launchBroker();
    else if (name === "agency")
        street.run("agency", ["run", "--config", street.at("agency.conf")]);
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
        const dead = procOf(street, victim);
        if (!HOUSE[victim])
            dead.isDoomed = true;
        if (victim === "guard" || victim === "nursery")
            bolt.guardDied();
        return { victim, again: startAgain(street, bolt, victim, dead) };
    }
    return null;
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

// ---- what was sent, to be sent again ----

class Tape {
    constructor(street) {
        this.s = street;
        this.kept = new Map(); // bytes in hexadecimal -> { topic, payload }
    }
    async open() {
        this.mqtt = new Mqtt(this.s.brokerPort, "tape");
        this.mqtt.onMessage = (m) => {
            if (!this.isPlaying && [KIND.HELLO, KIND.STOP].includes(m.payload[0]))
                this.kept.set(m.payload.toString("hex"), m);
        };
        await this.mqtt.open("doorward/v1/+/in");
    }
    // Every proof that was ever made, and the last questions.
    async play() {
        const all = [...this.kept.values()], of = (kind) => all.filter((m) => m.payload[0] === kind);
        this.isPlaying = true;
        for (const m of [...of(KIND.HELLO).slice(-2), ...of(KIND.STOP).reverse()])
            this.mqtt.publish(m.topic, m.payload);
        await this.mqtt.done();
        this.isPlaying = false;
        return of(KIND.STOP).length;
    }
    close() { this.mqtt?.close(); }
}

// A grant of few uses in the place of the one before, and what the agency plans on it.
async function newGrant(street, used) {
    if (street.grant)
        await street.member.post("/api/grants/revoke", { id: street.grant });
    street.grant = await street.giveKey(street.acme, { uses: USES });
    used.set(street.grant, new Set());
    const jobs = [];
    for (let i = 0; i < USES + 3; i++) {
        const j = await street.newJob(street.courier);
        jobs.push({ id: j.id, grant: street.grant, barcode: j.parcels[0].barcode ?? j.parcels[0] });
    }
    return jobs;
}

async function house() {
    const seed = seedOf(), random = randomFrom(seed);
    const settings = { lease_ms: LEASE_MS, t_show_ms: 1000, "record.reserve_bytes": 1048576 };
    await withStreet({ params: settings }, async (street) => {
        street.o.servicePort = street.servicePort; // it comes back where it was
        street.acme = { id: street.agencyId, name: "Acme Parcels", key: street.agencyKey, hosted: true, api: street.agency };
        const bolt = new BoltWatch(street), truth = new Truth(street), tape = new Tape(street), count = {}, ends = {};
        const used = new Map();  // grant -> visits of which the bolt was withdrawn
        const spent = new Map(); // such a visit -> its job
        let jobs = [], kills = 0, leaf = 0, rounds = 0, isOver = 0, replayed = 0;
        try {
            leaf = facts(street).next_leaf;
            while (kills < KILLS) {
                if (jobs.length === 0)
                    jobs = await newGrant(street, used);
                rounds++;
                const job = jobs.shift(), n = Math.min(A_VISIT, KILLS - kills);
                const plan = Array.from({ length: n - 1 }, () => [random() * SPAN_MS, ALL[Math.floor(random() * ALL.length)]])
                    .sort((a, b) => a[0] - b[0]);
                const atSlide = random() * SLIDE_MS;
                const back = [];
                const hit = (name) => {
                    const h = strike(street, bolt, name);
                    if (!h)
                        return;
                    kills++;
                    count[h.victim] = (count[h.victim] ?? 0) + 1;
                    h.again.catch(() => {}); // its failure is awaited below
                    back.push(h.again);
                    const f = facts(street);
                    assert.ok(f.next_leaf >= leaf, `the record went back from ${leaf} to ${f.next_leaf}`);
                    leaf = f.next_leaf;
                };
                await tape.open();
                const began = performance.now();
                const killing = (async () => {
                    for (const [at, name] of plan) {
                        await sleep(Math.max(0, at - (performance.now() - began)));
                        hit(name);
                    }
                })();
                let aimed = Promise.resolve();
                const ready = () => { aimed = rounds % 2 ? sleep(atSlide).then(() => hit("guard")) : aimed; };
                const [r] = await Promise.all([deliver(street, bolt, truth, job, { ready }), killing]);
                await aimed;
                ends[r.ended] = (ends[r.ended] ?? 0) + 1;
                await Promise.all(back);
                // Everything that locks runs again: from here the bound counts.
                await until("the closed door to be locked", () => street.world.isLocked(),
                    LEASE_MS + BOLT_MS + NOISE_MS);
                street.world.set("person", PERSON.none);
                if (bolt.openings.includes(r.visit)) {
                    spent.set(r.visit, job);
                    used.get(job.grant).add(r.visit);
                }
                const isWhole = () => {
                    const s = street.watch.state;
                    return s && s.bolt === "thrown" && s.camera !== "unknown" && s.link &&
                        ["none", "watch"].includes(s.visit_state);
                };
                await until("the hub to be whole again", isWhole, 30000);
                if (street.watch.state?.alarms.length)
                    street.watch.owner("acknowledge"); // the household has looked
                const f = facts(street);
                for (const visit of spent.keys())
                    assert.ok(f.used.includes(visit), `the parcel of the visit ${visit} can be used again`);
                for (const [grant, visits] of used) {
                    assert.ok(visits.size <= f.grants[grant], `${visits.size} openings, but the grant says ${f.grants[grant]} uses`);
                    assert.ok(f.grants[grant] <= USES, `${f.grants[grant]} uses of ${USES}`);
                }
                isOver += f.grants[job.grant] === USES && r.ended === "no_permission" ? 1 : 0;
                // All of it once more, to a hub that has forgotten every visit.
                bolt.slide = null;
                tape.close();
                await tape.open();
                replayed += await tape.play();
                tape.close();
                await until("a bolt that moves", () => bolt.wrongs.length > 0, 400).catch(() => {});
                assert.deepEqual(bolt.wrongs, [], "after the replay");
                // A question of before, asked again, whose parcel is not used: nobody is at the door.
                await until("the door to be free", () => {
                    if (street.watch.state?.visit_state === "ready")
                        street.watch.owner("end_visit");
                    return ["none", "watch"].includes(street.watch.state?.visit_state);
                }, 10000, 50);
                assert.deepEqual(truth.lies.map((l) => l.key), []);
                if (f.grants[job.grant] === USES && isOver > 0 && r.ended === "no_permission")
                    jobs = []; // that grant is used up: the household gives another
            }
            const opened = bolt.openings.length;
            process.stdout.write(`      ${kills} kills ${JSON.stringify(count)}\n      visits ${JSON.stringify(ends)}, ` +
                `${opened} openings on ${used.size} grants, ${replayed} proofs replayed, ${leaf - 1} leaves\n`);
            assert.ok(opened >= rounds / 4, `only ${opened} of ${rounds} visits were let in`);

            // What was delivered is delivered, and the house still does its work.
            jobs = await newGrant(street, used);
            for (const job of [...spent.values()].slice(-2)) {
                const again = await deliver(street, bolt, truth, job);
                assert.ok(["parcel_used", "job_over", "job_done", "no_permission", "REFUSED"].includes(again.ended),
                    `a second use ended ${again.ended}`);
            }
            await until("an honest visit to end well", async () => (await deliver(street, bolt, truth, jobs.shift())).ended === "OK",
                45000, 1000);
            assert.deepEqual(bolt.wrongs, []);
            assert.deepEqual(truth.stop(), []);
        } finally {
            tape.close();
            bolt.stop();
            truth.stop();
        }
    });
}

await runCases([["kill -9", house]]);
