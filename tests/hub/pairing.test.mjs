// Somebody on the broker answers a hub that pairs before its service does, and asks the service in the hub's place:
// the real hub, broker and service.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { KIND, Key, open, thumbOf } from "../../sim/demo/authority.mjs";
import { until } from "../../sim/demo/procs.mjs";
import { Mqtt } from "./mqtt.mjs";
import { Quiet } from "./quiet.mjs";

const PUB = 1, HUB = 3, HOME_NAME = -70202, PROOF = -70293;

class Watched extends Quiet {
    refusals() { return readFileSync(this.at("log/guard.log"), "utf8").match(/welcome refused=proof/g)?.length ?? 0; }
    async startHub() {
        this.thief = new Key();
        this.heard = [];
        const broker = await new Mqtt(this.brokerPort, "thief").open("doorward/v1/enrol");
        broker.onMessage = ({ topic, payload }) => this.answer(broker, topic, payload);
        await super.startHub();
    }
    // With whatever it can make of what it heard; and the hub's own words under the thief's key.
    answer(broker, topic, payload) {
        const { kind, payload: said } = open(payload);
        const pub = Buffer.from(said.get(PUB)), hub = thumbOf(pub);
        if (kind !== KIND.ENROL || pub.equals(this.thief.pub))
            return;
        this.heard.push(payload);
        for (const proof of [randomBytes(32), Buffer.from(said.get(PROOF)), Buffer.alloc(32)])
            broker.publish(`doorward/v1/${hub.toString("hex").slice(0, 16)}/in`, this.thief.message(KIND.WELCOME,
                new Map([[PUB, this.thief.pub], [HUB, hub], [HOME_NAME, "Home"], [PROOF, proof]])));
        broker.publish(topic, this.thief.message(KIND.ENROL, new Map([...said, [PUB, this.thief.pub]])));
    }
    async settleIn() {
        await until("the thief to have been refused", () => this.refusals() >= 3);
        await super.settleIn(); // the true service is taken: it brings an introduction, a permission comes back
    }
}

const street = new Watched("pairing");
after(() => street.stop());

test("who answers first without the code is refused, and the right one is waited for", async () => {
    await street.start();
    const id = thumbOf(Key.fromFile(street.at("hub.key")).pub).toString("hex").slice(0, 16);
    assert.equal((await street.owner.get(`/v1/homes/${street.home.id}`)).hub, id);
    const code = street.pairing.replaceAll("-", "");
    assert.equal(code.length, 28);
    assert.ok(street.heard.length > 0 && street.heard.every((m) => !m.includes(code) && !m.includes(street.pairing)));
    const job = await street.newJob(street.courier); // agency, service, hub: all speak with each other
    assert.equal(job.state, "open");
    assert.equal((await street.admin.get("/v1/homes")).items.length, 1);
});
