// What the tests of the house share: a watch over the bolt, and a courier in a hurry.
import { randomBytes, randomUUID } from "node:crypto";
import { sleep, until } from "../../sim/demo/procs.mjs";
import { PERSON } from "../../sim/demo/world.mjs";
import { NOISE_MS } from "../e2e/rig.mjs";
import { openBody } from "./authority.mjs";

export const LEASE_MS = 4000, BOLT_MS = 2000; // lease_ms as these tests set it; the longest bolt travel
const IN_FLIGHT_MS = 1000; // a command that had left may still be obeyed (t_expire and the way)

// ---- what the bolt may do ----

export class BoltWatch {
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

// ---- a courier who is in a hurry ----

// Asks until the service answers; the same question has the same key, so that it is asked once.
export async function ask(api, method, path, body, ms) {
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

export const newNonce = () => randomBytes(32).toString("hex");
// What the courier's passkey signs for this visit. v: as `deliver` has it, with the nonce that the phone drew.
export const slideOf = async (api, v) =>
    openBody(api.passkeys[0], { ...await api.call("GET", `/v1/visits/${v.id}`), courier_nonce: v.nonce });

export async function deliver(street, bolt, truth, job, hooks = {}) {
    const api = street.courier.api, world = street.world;
    world.set("person", PERSON.outside);
    const nonce = newNonce();
    const v = await ask(api, "POST", "/v1/visits", { job: job.id, barcode: job.barcode, door_code: street.doorCode, nonce }, 4000);
    if (v.refusal)
        return { ended: v.refusal };
    v.nonce = nonce;
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
    await hooks.ready?.(v);
    bolt.slid(v.id);
    const proof = await slideOf(api, v).catch(() => null);
    const slid = proof ? await ask(api, "POST", `/v1/visits/${v.id}/open`, proof, 1500) : { refusal: "no answer" };
    if (!slid.refusal)
        said = slid;
    let opened = false;
    await until("the bolt", () => world.get("bolt_permille") === 0, hooks.patience ?? 2500, 5).then(() => { opened = true; }, () => {});
    if (opened && await world.moveDoor(900, 150)) {
        world.set("person", PERSON.inside);
        await sleep(250); // the parcel is put down: what a body does, not what a test waits for
        world.set("parcels_inside", world.get("parcels_inside") + 1);
        await hooks.inside?.();
        world.set("person", PERSON.outside);
        await world.moveDoor(0, 150);
    }
    await follow((x) => Boolean(x.outcome), hooks.patience ?? 2500);
    truth.told("courier's phone", said);
    return { visit: v.id, ended: said.outcome ?? said.state, check: said.check?.code, said };
}
