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
import { sleep, until } from "../../sim/demo/procs.mjs";
import { Truth } from "../../sim/demo/truth.mjs";
import { PERSON } from "../../sim/demo/world.mjs";
import { NOISE_MS, assert, randomFrom, runCases, seedOf, withStreet } from "../e2e/rig.mjs";
import { BOLT_MS, BoltWatch, LEASE_MS, deliver } from "./hurry.mjs";

const KILLS = Number(process.env.DW_KILLS ?? 100);
const A_VISIT = 4;                    // kills in and around one visit
const SPAN_MS = 3200;                 // within so long after the scan
const HOUSE = { guard: "doorward-guard", front: "doorward-front", "hub-camera": "doorward-hub-ca", "hub-lock": "doorward-hub-lo" };
const ALL = [...Object.keys(HOUSE), "nursery", "lock", "camera", "service", "broker"];

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

async function house() {
    const seed = seedOf(), random = randomFrom(seed);
    const settings = { lease_ms: LEASE_MS, t_show_ms: 1000, "record.reserve_bytes": 1048576 };
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
