// Old words, old disks, wrong clocks and cut lines: nobody has a key that is not theirs, and still the door must stay
// shut. Each is played to the real hub like the attacks of hostile.mjs, and tells why it was refused.
import { cpSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { KIND } from "./authority.mjs";
import { Courier, isOver } from "./courier.mjs";
import { deliver, named } from "./hostile.mjs";
import { Mqtt } from "./mqtt.mjs";
import { sleep, until } from "./procs.mjs";

const HEARD_MS = 8000;
const LOCK_SAYS = { 1: "ACCEPTED", 2: "stale_nonce", 3: "stale_counter", 4: "wrong_epoch" }; // wire/lock.h
const LAST = Buffer.from([99, 0]); // of no kind: when it has been refused, what was sent before it has been heard

async function planned(s) {
    const job = await s.newJob(s.courier);
    return { job, barcode: job.parcels[0].barcode ?? job.parcels[0] };
}
// The courier asks at the door, with true papers: "READY", or why not.
async function scans(s, { job, barcode }) {
    const c = new Courier(s, s.courier);
    await c.scan(job, barcode);
    return c.visit.outcome ? c.visit.check?.code ?? c.visit.outcome : "READY";
}
async function stopHub(s) {
    await s.procs.guard.end();
    s.watch.state = null;
}
async function startHub(s) {
    await s.bootHub();
    await until("the hub to hear camera, lock and link", () => s.isReady() && s.watch.state.link, 20000);
    await s.settled();
}
const count = (s, kind, word) => s.watch.story.filter((m) => m.kind === kind && (!word || m.word === word)).length;

// ---- everything that was ever sent, again ----

function shuffled(list) {
    return list.map((m) => [Math.random(), m]).sort((x, y) => x[0] - y[0]).map((x) => x[1]);
}

async function replay(a) {
    const s = a.s, tape = [], radio = { toLock: [], toHub: [] };
    const ear = await new Mqtt(s.brokerPort, "recorder").open("doorward/#");
    ear.onMessage = (m) => tape.push(m);
    const { carry } = s.lockAir;
    s.lockAir.carry = (pair, queue, to, bytes) => {
        (queue === pair.toFar ? radio.toLock : radio.toHub).push(Buffer.from(bytes));
        carry.call(s.lockAir, pair, queue, to, bytes);
    };
    a.tell("an honest delivery; somebody records every byte of the broker and of the lock's radio");
    await a.honest(async () => {
        const p = await planned(s);
        await deliver(s, p.job, p.barcode);
    });
    await until("the door to be free", () => ["none", "watch"].includes(s.watch.state?.visit_state), HEARD_MS);
    delete s.lockAir.carry;
    ear.onMessage = undefined;
    ear.close();
    const had = [...tape];
    // Every reason that the hub names while it is played, once.
    const played = async (list, more = []) => {
        const from = a.log.length, asked = s.watch.story.length;
        for (const m of [...list, { topic: `${a.topic}/in`, payload: LAST }])
            a.mqtt.publish(m.topic, m.payload);
        const said = () => [...a.log.slice(from).matchAll(/warn guard (\S+ refused=(\S+).*)/g)];
        await until("the hub to hear all of it", () => said().some((m) => m[1].endsWith(`kind=${LAST[0]}`)), HEARD_MS);
        await until("the hub's other answers", () => more.every((x) => s.watch.story.slice(asked).some((m) => m.kind === "visit_refused" && m.word === x)), HEARD_MS);
        return [...new Set([...said().filter((m) => !m[1].endsWith(`kind=${LAST[0]}`)).map((m) => m[2].toLowerCase()), ...more])].sort();
    };
    await a.attempt("all of it once more, in order", () => played(had));
    await a.attempt("all of it, shuffled", () => played(shuffled(had)));
    await a.attempt("the hub's own words, sent back to it", () => played(had.filter((m) => m.topic.endsWith("/out"))
        .map((m) => ({ ...m, topic: `${a.topic}/in` }))));
    await a.attempt("to a hub that was started anew and has forgotten every visit", async () => {
        process.kill(s.guardPid(), "SIGKILL");
        await until("the old guard to be gone", () => !s.watch.state, HEARD_MS);
        await until("the hub to be back", () => s.isReady() && s.watch.state.link, 20000);
        return played(had, ["parcel_used"]);
    });
    // The lock's radio: what the hub said to the lock, and the lock to the hub.
    const lockLog = () => a.file("lock");
    await a.attempt("the recorded command to the lock, over its own radio", async () => {
        const from = lockLog().length;
        const pair = [...s.lockAir.pairs][0];
        for (const b of radio.toLock)
            pair.far.write(b);
        const answers = () => [...lockLog().slice(from).matchAll(/ command action=2 result=(\d+)/g)].map((m) => Number(m[1]));
        await until("the lock to answer the old command", () => answers().length > 0, HEARD_MS);
        return [...new Set(answers().map((r) => LOCK_SAYS[r] ?? `result ${r}`))];
    });
    await a.attempt("the lock's old words to the hub", async () => {
        const from = a.log.length;
        for (const b of radio.toHub)
            [...s.lockAir.pairs].forEach((p) => p.near.write(b));
        await until("the hub to refuse them", () => /lock_message refused=(EXPIRED|nonce)/.test(a.log.slice(from)), HEARD_MS);
        return ["expired"];
    });
    await until("the lock to be heard again", () => s.isReady() && s.watch.state.bolt === "thrown", 20000);
    if (s.watch.state.alarms.length)
        s.watch.owner("acknowledge");
}

// ---- the hub's disk of before ----

async function restoredBackup(a) {
    const s = a.s, hub = s.at("hub"), kept = s.at("hub-before");
    const first = await planned(s), next = await planned(s);
    a.tell("the hub is stopped, its disk is copied, and it is started again");
    await stopHub(s);
    cpSync(hub, kept, { recursive: true });
    await startHub(s);
    a.tell("an honest delivery, that the copy knows nothing of");
    await a.honest(() => deliver(s, first.job, first.barcode));
    await until("the door to be free", () => ["none", "watch"].includes(s.watch.state?.visit_state), HEARD_MS);
    const hello = a.read(a.tape.find((m) => m[0] === KIND.HELLO));
    a.tell("the copy is put back: its database and record say that this parcel was never delivered");
    await stopHub(s);
    rmSync(hub, { recursive: true });
    cpSync(kept, hub, { recursive: true });
    const told = count(s, "grant", "restored");
    await startHub(s);
    await until("the hub to see that the lock remembers more", () => count(s, "grant", "restored") > told, HEARD_MS);
    await a.attempt("another delivery, with true papers", async () => [await scans(s, next)]);
    await a.attempt("the delivered parcel, with the papers of before", async () => named(await a.ask({ job: hello.get(7),
        visitor: hello.get(-70209), barcode: hello.get(-70221), salt: hello.get(-70222), revision: hello.get(-70208) })));
    await a.attempt("after one more start", async () => {
        await stopHub(s);
        await startHub(s);
        return [await scans(s, next)];
    });
    a.tell("Alex looks, and acknowledges it");
    s.watch.owner("let_in_again");
    await until("the hub to take visitors again", async () => !(await s.member.get("/api/grants")).restored, HEARD_MS, 50);
    await a.honest(() => deliver(s, next.job, next.barcode));
    rmSync(kept, { recursive: true });
}

// ---- the wrong time ----

async function clockJump(a) {
    const s = a.s, file = s.at("clock"), hour = 3600000;
    const set = (ms, isUnkept = false) => {
        const b = Buffer.alloc(9);
        b.writeBigInt64LE(BigInt(ms));
        b[8] = isUnkept ? 1 : 0;
        writeFileSync(file, b, { flag: "r+" });
    };
    const trust = (isTrusted) => { s.hubConf = s.conf("hub", { ...s.hubSettings, trust_clock: isTrusted ? "yes" : "no" }); };
    const first = await planned(s), next = await planned(s);
    writeFileSync(file, Buffer.alloc(9));
    s.hubEnv = { LD_PRELOAD: path.join(s.o.build, "sim/libdemo_clock.so"), DOORWARD_DEMO_CLOCK: file,
        ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ""}:verify_asan_link_order=0` };
    try {
        await stopHub(s);
        await startHub(s);
        a.tell("the hub runs with a clock that somebody else can turn; at the right time a delivery is let in");
        await a.honest(() => deliver(s, first.job, first.barcode));
        await until("the door to be free", () => ["none", "watch"].includes(s.watch.state?.visit_state), HEARD_MS);
        await a.attempt("the clock is turned back by an hour", async () => {
            set(-hour);
            return [await scans(s, next)];
        });
        await a.attempt("it jumps a day ahead", async () => {
            set(24 * hour);
            return [await scans(s, next)];
        });
        await a.attempt("a start with a clock that nobody keeps", async () => {
            set(0, true);
            trust(false);
            await stopHub(s);
            await startHub(s);
            const why = await scans(s, next);
            trust(true);
            return [why];
        });
        await a.attempt("a start at a time after the window", async () => {
            set(24 * hour);
            await stopHub(s);
            await startHub(s);
            return [await scans(s, next)];
        });
        await a.attempt("a start before what the hub has known already", async () => {
            set(0);
            await stopHub(s);
            await startHub(s);
            return [await scans(s, next)];
        });
    } finally {
        s.hubEnv = undefined;
    }
}

// ---- taken back while nobody can be told ----

async function revokedWhileOffline(a) {
    const s = a.s, p = await planned(s), other = await planned(s), tRev = Number(s.o.params?.t_rev_ms ?? 900000);
    const c = new Courier(s, s.courier);
    await c.scan(p.job, p.barcode);
    if (c.visit.state !== "ready")
        throw new Error(`the honest courier is ${c.visit.state} ${c.visit.check?.code ?? ""}`);
    const bytes = c.proof(), cut = performance.now();
    a.tell("the courier stands at the door with everything signed; the home's line is cut, and now Alex takes the key back");
    s.wan.jam();
    const { epoch, at } = await s.member.post("/api/grants/revoke", { id: s.grant });
    a.tell(`the hub says that it is on its disk: epoch ${epoch}, ${at}`);
    await a.attempt("the courier slides, on papers of before", async () => {
        await s.courier.api.post(`/v1/visits/${c.visit.id}/open`, bytes);
        return [(await until("the hub's own end of the visit", () => a.refusal(c.visit.id), HEARD_MS)).check];
    });
    await a.attempt(`the line stays down for longer than T_rev (${Math.round(tRev / 1000)} s)`, async () => {
        const late = new Courier(s, s.courier);
        late.scan(other.job, other.barcode).catch(() => {});
        await sleep(Math.max(0, tRev + 1000 - (performance.now() - cut)));
        const v = await s.courier.api.get(`/v1/visits/${late.visit?.id ?? c.visit.id}`);
        return [v.outcome ? v.check?.code ?? v.outcome : `no answer from the hub (${v.state})`];
    });
    a.tell("the line is back; the hub tells the service what was taken back");
    s.wan.clear();
    await until("the service to know it", async () => !(await s.agency.get(`/v1/homes/${s.home.id}`)).grant, 30000, 100);
    await a.attempt("the courier who waited at the door", async () => {
        await c.follow(isOver, 20000);
        a.tell(`the phone says: ${c.visit.check?.text} ${c.visit.check?.next}`);
        return [/next place/.test(c.visit.check?.next) ? c.visit.check.code : `FAILED: the phone says only ${c.visit.check?.next}`];
    });
    await a.attempt("the other stop of the same key", async () => {
        const again = new Courier(s, s.courier);
        try {
            await again.scan(other.job, other.barcode);
        } catch (e) {
            return [e.problem?.code ?? e.message];
        }
        return [again.visit.check?.code ?? again.visit.state];
    });
    await a.attempt("the papers that the hub was given before, shown to it directly", async () => {
        const hello = a.read(a.tape.find((m) => m[0] === KIND.HELLO));
        return named(await a.ask({ job: hello.get(7), visitor: hello.get(-70209), barcode: hello.get(-70221), salt: hello.get(-70222),
            revision: hello.get(-70208) }));
    });
}

export const MISHAPS = { "replay": replay, "restored-backup": restoredBackup, "clock-jump": clockJump, "revoked-while-offline": revokedWhileOffline };
