// A courier's phone and hands, scripted: the same API that the courier's app uses, and a body in the hall.
import { randomBytes, randomUUID } from "node:crypto";
import { openBody } from "./authority.mjs";
import { PERSON } from "./world.mjs";
import { sleep, until } from "./procs.mjs";

export class Courier {
    constructor(street, visitor) {
        this.s = street;
        this.v = visitor;
        this.seen = []; // what the phone was told: { state, at }
    }
    async scan(job, barcode, extra = {}) {
        this.s.world.set("person", PERSON.outside);
        this.scannedAt = performance.now();
        this.nonce = randomBytes(32).toString("hex"); // the phone's own: an answer to another question is none
        this.visit = await this.persist("/v1/visits", { job: job.id, barcode, nonce: this.nonce, door_code: this.s.doorCode, ...extra });
        this.told(this.visit);
        return this.follow((v) => v.state !== "checking" && v.state !== "asked");
    }
    // What is asked has a key before it is sent: when no answer comes it is asked again, and counts once.
    async persist(path, body) {
        const key = randomUUID();
        for (let tries = 1; ; tries++) {
            try {
                return await this.v.api.post(path, body, key);
            } catch (e) {
                if (e.status || tries === 6)
                    throw e;
                await this.onSilence?.();
                await sleep(200);
            }
        }
    }
    told(v) {
        if (this.seen.at(-1)?.state !== v.state)
            this.seen.push({ state: v.state, outcome: v.outcome, at: performance.now() });
        this.visit = v;
    }
    async follow(test, ms = 60000) {
        const end = Date.now() + ms;
        while (!test(this.visit)) {
            if (Date.now() > end)
                throw new Error(`the courier's phone stayed at "${this.visit.state}"`);
            try {
                this.told(await this.v.api.get(`/v1/visits/${this.visit.id}?since=${this.visit.news}&wait_ms=2000`));
            } catch (e) {
                if (e.status)
                    throw e;
                await sleep(200); // no network for a moment: the phone tries again
            }
        }
        return this.visit;
    }
    // What the passkey signs for this stop, once the hub has proven itself. more: for whoever attacks.
    proof(more, passkey = this.v.api.passkeys[0]) {
        return openBody(passkey, { ...this.visit, courier_nonce: this.nonce }, more);
    }
    async slide(body = this.proof()) {
        this.slidAt = performance.now();
        this.told(await this.persist(`/v1/visits/${this.visit.id}/open`, body));
    }
    // Waits at the door until the bolt really is back, as a hand on the handle would feel it.
    async boltBack(ms = 8000) {
        await until("the bolt to be withdrawn", () => this.s.world.get("bolt_permille") === 0 || isOver(this.visit), ms, 4);
        this.boltAt = performance.now();
        if (this.s.world.get("bolt_permille") !== 0)
            throw new Error("the door stayed shut");
    }
    // People are slower where somebody watches them.
    takes(ms) { return sleep(ms * (this.s.o.pace ?? 1)); }
    async goIn() {
        if (!await this.s.world.moveDoor(900, 500))
            throw new Error("the door does not open");
        this.openedAt = performance.now();
        this.s.world.set("person", PERSON.doorway);
        await this.takes(500);
        this.s.world.set("person", PERSON.inside);
    }
    async drop() {
        await this.takes(700);
        this.s.world.set("parcels_inside", this.s.world.get("parcels_inside") + 1);
        await this.takes(500);
    }
    async goOut() {
        this.s.world.set("person", PERSON.doorway);
        await this.takes(400);
        this.s.world.set("person", PERSON.outside);
        await this.takes(200);
    }
    async closeDoor() {
        await this.s.world.moveDoor(0, 400);
        this.closedAt = performance.now();
    }
    walkAway() { this.s.world.set("person", PERSON.none); }
}

export const isOver = (v) => Boolean(v.outcome);
