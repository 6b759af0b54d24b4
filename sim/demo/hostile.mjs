// Attackers who hold all that one party has, and send it to the real hub over the real broker. Each attempt tells
// by whom it was refused and why; the bolt is watched all the time.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { Api } from "./api.mjs";
import { Agency, GRANT_CONTEXT, KIND, Key, STOP_CONTEXT, ack, challengeOf, decode, evidence, grantBytes, hello, jobBytes, sha256, stop,
    stopBytes, stopOf, thumbOf } from "./authority.mjs";
import { Courier, isOver } from "./courier.mjs";
import { MISHAPS } from "./mishaps.mjs";
import { Mqtt } from "./mqtt.mjs";
import { Passkey } from "./passkey.mjs";
import { Person } from "./people.mjs";
import { until } from "./procs.mjs";
import { civilNow } from "./street.mjs";
import { Truth } from "./truth.mjs";
import { PERSON } from "./world.mjs";

const HEARD_MS = 6000; // a refusal is there within this, or it did not come
const id16 = (hex) => Buffer.from(hex, "hex");

// Whoever has the service's keys: carries, asks and wraps in its name. And a look at what the hub says of it.
export class Carrier {
    constructor(street, options) {
        this.s = street;
        this.tell = options.tell ?? (() => {});
        this.onAttack = options.onAttack;
        this.service = Key.fromFile(street.at("service.key"));
        this.hub = thumbOf(Buffer.from(readFileSync(street.at("hub.key.pub"), "utf8").trim(), "hex"));
        this.topic = `doorward/v1/${this.hub.toString("hex", 0, 8)}`;
        this.own = new Set(); // visits that the service knows nothing of: somebody has to acknowledge them
        this.tape = [];
        this.attempts = [];
        this.isAllowed = false; // an honest visit is being played: the bolt may move
        this.hasOpened = false;
    }
    async open() {
        this.mqtt = new Mqtt(this.s.brokerPort, "carrier");
        this.mqtt.onMessage = (m) => this.hear(m);
        await this.mqtt.open(`${this.topic}/#`);
        this.look = setInterval(() => { this.hasOpened ||= !this.isAllowed && this.s.world.get("bolt_permille") < 950; }, 5);
        return this;
    }
    close() {
        clearInterval(this.look);
        this.mqtt?.close();
    }
    hear({ topic, payload }) {
        const kind = payload[0];
        if (topic.endsWith("/in") && [KIND.MANIFEST, KIND.HELLO, KIND.STOP].includes(kind))
            this.tape.push(payload);
        if (!topic.endsWith("/out") || ![KIND.OFFER, KIND.NEWS, KIND.RECEIPT].includes(kind))
            return;
        const m = this.read(payload), visit = BigInt(m.get(-70008));
        if (!this.own.has(visit))
            return;
        if (kind === KIND.OFFER)
            this.offer = m;
        else
            this.send(ack({ service: this.service, hub: this.hub, visit, number: kind === KIND.NEWS ? m.get(-70227) : 0 }));
    }
    read(payload) { return decode(decode(payload.subarray(1)).value[2]); }
    send(message) { this.mqtt.publish(`${this.topic}/in`, message); }

    // A line of the hub's log: for what is refused before it is anybody's visit.
    get log() { return this.file("guard"); }
    file(name) { return readFileSync(this.s.at("log", `${name}.log`), "utf8"); }
    async logged(what, from) {
        const re = new RegExp(`warn guard ${what} refused=(\\S+)`, "g");
        return until(`the hub to refuse the ${what}`, () => {
            re.lastIndex = 0;
            return re.exec(this.log.slice(from))?.[1].toLowerCase();
        }, HEARD_MS);
    }
    // Sends, and waits until the hub says no in its log.
    async refuses(message, what = "link_message") {
        const from = this.log.length;
        this.send(message);
        return this.logged(what, from);
    }
    // Sends, and waits until the record has it: an agency asked for more than it may.
    async recorded(message) {
        const from = this.s.watch.story.length;
        this.send(message);
        return (await until("a line of the record", () => this.s.watch.story.slice(from)
            .find((m) => m.kind === "grant" && m.word === "refused"), HEARD_MS)).reason;
    }
    async stored(message) {
        const count = () => this.s.watch.story.filter((m) => m.kind === "job_stored").length, before = count();
        this.send(message);
        await until("the job at the hub", () => count() > before, HEARD_MS);
    }
    // Asks at the door: { visit, offer } when it is ready, else { check, reason } as the record has it.
    async ask({ job, visitor, barcode, salt, revision, door }) {
        const visit = randomBytes(8).readBigUInt64BE() >> 1n | 1n, nonce = randomBytes(32);
        this.own.add(visit);
        this.offer = null;
        this.s.world.set("person", PERSON.outside);
        this.send(hello({ service: this.service, hub: this.hub, job, visit, visitor, nonce, barcode, salt, revision, door }));
        const id = visit.toString(16).padStart(16, "0");
        return until("the hub's answer", () => this.offer?.get(-70224) === 0 ? { visit, id, nonce, offer: this.offer } : this.refusal(id), HEARD_MS);
    }
    refusal(id) {
        const m = this.s.watch.story.find((x) => x.kind === "visit_refused" && x.visit === id);
        return m && { check: m.word, reason: m.reason };
    }
    // A stop for a visit that is ready, carried to the hub; what the record says of it.
    async proves(id, message) {
        this.send(message);
        const r = await until("the hub's answer to the stop", () => this.refusal(id) ?? this.opening(id), 8000);
        if (r.check && !this.own.has(BigInt(`0x${id}`))) // until the service has heard it, too, the same question is this visit
            await until("the service to hear of it", async () => isOver(await this.s.admin.get(`/v1/visits/${id}`)), 8000);
        return r.check ? [r.check, r.reason].filter(Boolean) : ["OPENED"];
    }
    opening(id) { return this.s.watch.story.find((x) => x.kind === "visit_state" && x.word === "opening" && x.visit === id); }
    // bytes: of stopOf or stopOfAsk; assertion: when it is not one over them.
    stop(bytes, passkey, assertion) {
        return stop({ service: this.service, hub: this.hub, passkey, bytes, ...(assertion ? { assertion } : {}) });
    }
    stopOfAsk(v, planned) {
        return stopBytes({ hub: this.hub, manifest: planned.hash, hubNonce: v.offer.get(10), visit: v.visit, courierNonce: v.nonce });
    }

    // One attempt. play() gives every reason for which it was refused.
    async attempt(what, play) {
        this.onAttack?.();
        this.onAttack = undefined;
        await this.s.settled(); // refused for its own reason, not for a camera that was late
        let refusals = [];
        try {
            refusals = (await play()).flat();
        } catch (e) {
            refusals = [`FAILED: ${e.message}`];
        }
        this.attempts.push({ what, refusals });
        this.tell(`${what}: refused, ${refusals.join(", ")}`);
    }
    // The same door, the same broker, everybody honest: it opens. So what is refused was refused for its reason.
    async honest(play) {
        this.isAllowed = true;
        await play();
        await until("the door to be locked", () => this.s.world.isLocked(), 10000);
        this.isAllowed = false;
    }
}

// Days, minutes and Unix seconds of a window around now at home.
export function today({ before = 20, after = 40 } = {}) {
    const { date, minute } = civilNow("Europe/Amsterdam"), now = Math.floor(Date.now() / 60000) * 60;
    const day = Date.parse(date) / 86400000, from = Math.max(0, minute - before), to = Math.min(1440, minute + after);
    return { minute, of_week: (day + 3) % 7 * 1440 + minute, zone: "Europe/Amsterdam", window: [day, from, to],
        from: now - (minute - from) * 60, until: now + (to - minute) * 60 };
}

// What an agency's program would plan. more: what the attacker writes otherwise.
export function plan(a, { agency, visitor, name = "Robin", ...more }) {
    const t = { ...today(), ...more.time };
    const p = { id: randomBytes(16), barcode: `3S${randomBytes(6).toString("hex").toUpperCase()}`, salt: randomBytes(16), visitor, revision: 1, ...more };
    const bytes = jobBytes({ hub: more.hub ?? a.hub, agency: agency.id, agencyName: agency.name, zone: t.zone, window: t.window, from: t.from,
        until: t.until, visitor, visitorName: name, parcels: [sha256(p.salt, p.barcode)], dwellMs: 20000, ...more, id: p.id, revision: p.revision });
    return { ...p, job: p.id, bytes, ...agency.manifest({ hub: more.hub ?? a.hub, grant: more.grant, job: bytes }) };
}

export const named = (r) => (r.check ? [r.check, r.reason].filter(Boolean) : ["READY"]);

// ---- the service, with its keys, its database and its code ----

async function hostileService(a) {
    const s = a.s, agency = { id: id16(s.agencyId), name: "Acme Parcels" }, visitor = id16(s.courier.id);
    const thief = new Passkey({ origin: s.serviceSite.origin });
    const grant = id16(s.grant);
    const mine = (key) => new Agency({ ...agency, key });
    const asks = async (p) => named(await a.ask(p));

    a.tell("first, an honest delivery: the service sees all of it");
    const job = await s.newJob(s.courier), barcode = job.parcels[0].barcode ?? job.parcels[0];
    await a.honest(() => deliver(s, job, barcode));
    const old = { manifest: a.tape.find((m) => m[0] === KIND.MANIFEST), hello: a.read(a.tape.find((m) => m[0] === KIND.HELLO)) };

    await a.attempt("the service makes up a job", async () => {
        const p = plan(a, { agency: mine(a.service), visitor, grant });
        return [await a.refuses(a.service.message(KIND.JOB, p.bytes)), await asks(p)];
    });
    await a.attempt("the service signs a visit itself, in the agency's name", async () => {
        const p = plan(a, { agency: mine(a.service), visitor, grant });
        return [await a.refuses(p.message, "manifest"), await asks(p)];
    });
    const own = new Agency({ name: "Acme Parcels" });
    await a.attempt("an agency that it made up uses the household's key", async () => {
        a.send(own.introduce(a.hub)); // a card on a page; nothing follows from it
        const p = plan(a, { agency: own, visitor, grant });
        return [await a.recorded(p.message), await asks(p)];
    });
    await a.attempt("the service grants itself a key", async () => {
        const id = randomBytes(16), t = today();
        const bytes = grantBytes({ owner: sha256("owner"), grantee: own.key.thumb, hub: a.hub, id, zone: t.zone, from: t.from, until: t.until });
        const assertion = thief.assert({ challenge: challengeOf(GRANT_CONTEXT, bytes) });
        const message = a.service.message(KIND.GRANT, evidence({ hub: a.hub, id, context: GRANT_CONTEXT, bytes, assertion }));
        const p = plan(a, { agency: own, visitor, grant: id });
        return [await a.refuses(message), await a.recorded(p.message), await asks(p)];
    });
    await a.attempt("a delivered visit's own papers are brought again", async () => {
        a.send(old.manifest);
        const h = old.hello;
        return [await asks({ job: h.get(7), visitor: h.get(-70209), barcode: h.get(-70221), salt: h.get(-70222), revision: h.get(-70208) })];
    });
    await a.attempt("papers that the agency has changed since are brought again", async () => {
        const from = a.tape.length, changed = await s.newJob(s.courier);
        const first = a.tape.slice(from).find((m) => m[0] === KIND.MANIFEST);
        const stored = () => s.watch.story.filter((m) => m.kind === "job_stored").length, before = stored();
        await s.agency.call("PATCH", `/v1/jobs/${changed.id}`, { window: { date: civilNow("Europe/Amsterdam", 2).date, from: "10:00", to: "14:00" } });
        await until("the change at the hub", () => stored() > before, HEARD_MS);
        a.send(first);
        return [await asks({ job: id16(changed.id), visitor, barcode: changed.parcels[0].barcode ?? changed.parcels[0], salt: randomBytes(16), revision: 1 })];
    });

    // An honest courier at an honest door; the service does not wait for the passkey.
    const next = await s.newJob(s.courier), code = next.parcels[0].barcode ?? next.parcels[0];
    const atTheDoor = async () => {
        const c = new Courier(s, s.courier);
        await c.scan(next, code);
        if (isOver(c.visit) || c.visit.state !== "ready")
            throw new Error(`the honest courier is ${c.visit.state} ${c.visit.check?.code ?? ""}`);
        return c.visit;
    };
    let ready;
    await a.attempt("the service says by itself that the courier slid", async () => {
        ready = await atTheDoor();
        const stop = decode(stopOf(ready));
        return [await a.refuses(a.service.message(KIND.PROOF, new Map([[3, a.hub], [10, stop.get(10)], [-70008, stop.get(-70008)], [-70205, 0],
            [-70220, stop.get(-70220)], [-70226, "open"]])))];
    });
    await a.attempt("a shift that names the service's own passkey", async () => {
        const t = today(), v = ready;
        const shift = mine(a.service).shift({ visitor, visitorName: "Stewart", passkey: thief, from: t.from, until: t.until });
        return [await a.refuses(shift, "shift"), await a.proves(v.id, a.stop(stopOf(v), thief))];
    });
    await a.attempt("a stop of its own under the courier's name", async () => {
        const v = await atTheDoor(), as = new Passkey({ origin: s.serviceSite.origin });
        as.id = s.courier.api.passkeys[0].id;
        return [await a.proves(v.id, a.stop(stopOf(v), as))];
    });
    await a.attempt("the courier's sign-in taken for a permission", async () => {
        const v = await atTheDoor(), person = s.courier.api;
        const begun = await person.post("/v1/signin/begin", {}), assertion = person.passkeys[0].assert(begun);
        return [await a.proves(v.id, a.stop(stopOf(v), thief, assertion))];
    });
}

export async function deliver(s, job, barcode) {
    const c = new Courier(s, s.courier);
    await c.scan(job, barcode);
    await c.slide();
    await c.boltBack();
    await walkThrough(c);
    await c.follow(isOver);
    if (c.visit.outcome !== "OK")
        throw new Error(`the honest delivery ended ${c.visit.outcome}`);
}
async function walkThrough(c) {
    await c.goIn();
    await c.drop();
    await c.goOut();
    await c.closeDoor();
    c.walkAway();
}

// ---- an agency with its own true key; the service carries whatever it likes ----

async function hostileAgency(a) {
    const s = a.s, t = today(), bolt = new Agency({ name: "Bolt Couriers" }), visitor = randomBytes(16);
    const phone = new Passkey({ origin: s.serviceSite.origin });
    const registered = await s.admin.post("/v1/agencies", { name: bolt.name, key: bolt.key.hex, hosted: false });
    bolt.id = id16(registered.id);
    a.send(bolt.introduce(a.hub));
    const card = { id: registered.id, name: bolt.name, key: bolt.key.hex, hosted: false, api: new Api(s.serviceSite, registered.token) };
    await until("the card", async () => (await s.member.get("/api/grants")).agencies.some((x) => x.id === card.id), HEARD_MS, 50);
    const around = (at) => [{ from: (at + 10080 - 30) % 10080, minutes: 90 }];
    const narrow = { days: 7, uses: 3, per_day: 1, dwell_ms: 30000 };
    const key = id16(await s.giveKey(card, { ...narrow, windows: around(t.of_week) }));
    const tomorrow = id16(await s.giveKey(card, { ...narrow, windows: around(t.of_week + 1440) }));
    const plans = (more) => plan(a, { agency: bolt, visitor, grant: key, ...more });
    const asks = async (p) => named(await a.ask(p));
    const beyond = (what, more) => a.attempt(what, async () => {
        const p = plans(more);
        return [await a.recorded(p.message), await asks({ ...p, door: 0 })];
    });
    a.tell("the household gave Bolt Couriers a key: one delivery a day, around this hour, 30 seconds inside");

    await beyond("it comes outside of its days and times", { grant: tomorrow });
    await beyond("it wants the garage, too", { door: 1 });
    await beyond("it wants to come and go like a cleaner", { kind: 1, openings: 4 });
    await beyond("it wants to stay longer", { dwellMs: 60000 });
    await beyond("it uses the key of another agency", { grant: id16(s.grant) });
    await a.attempt("a visit that it signed for another home", async () => {
        const p = plans({ hub: sha256("another hub") });
        return [await a.refuses(p.message, "manifest"), await asks(p)];
    });
    await a.attempt("in the name of another agency", async () => {
        const p = plan(a, { agency: new Agency({ id: id16(s.agencyId), name: "Acme Parcels", key: bolt.key }), visitor, grant: key });
        return [await a.refuses(p.message, "manifest"), await asks(p)];
    });

    const good = plans();
    await a.stored(good.message);
    const atTheDoor = async (p, passkey = phone) => {
        const v = await a.ask(p);
        return v.check ? named(v) : a.proves(v.id, a.stop(a.stopOfAsk(v, p), passkey));
    };
    await a.attempt("its courier has no shift", async () => [await atTheDoor(good)]);
    const shift = (from, to) => a.send(bolt.shift({ visitor, visitorName: "Robin", passkey: phone, from, until: to }));
    const now = Math.floor(Date.now() / 1000);
    await a.attempt("its courier's shift was over this morning", async () => {
        shift(now - 20000, now - 10000);
        return [await atTheDoor(good)];
    });
    await a.attempt("a shift of a week", async () => [await a.refuses(bolt.shift({ visitor, visitorName: "Robin", passkey: phone, from: now, until: now + 7 * 86400 }), "shift")]);

    a.tell("and now within its key, with a courier in shift");
    shift(now - 60, now + 3600);
    await a.honest(async () => {
        const v = await a.ask(good);
        if (v.check)
            throw new Error(`within its key it is refused: ${v.check}`);
        a.send(a.stop(a.stopOfAsk(v, good), phone));
        const c = new Courier(s, null);
        await until("the bolt to be withdrawn", () => s.world.get("bolt_permille") === 0, 8000, 4);
        await walkThrough(c);
        await until("the visit to be over", () => s.watch.story.some((m) => m.kind === "visit_ended" && m.visit === v.id), 15000);
    });
    await a.attempt("the same parcel once more", async () => {
        const again = plans({ id: good.id, barcode: good.barcode, salt: good.salt, revision: 2 });
        await a.stored(again.message);
        return [await atTheDoor(again)];
    });
    await a.attempt("a second delivery on a key for one a day", async () => {
        const second = plans();
        await a.stored(second.message);
        return [await atTheDoor(second)];
    });
    for (const id of [key, tomorrow]) // the household has seen enough
        await s.member.post("/api/grants/revoke", { id: id.toString("hex") });
}

// ---- somebody else's phone ----

async function stolenPhone(a) {
    const s = a.s;
    const job = await s.newJob(s.courier), code = job.parcels[0].barcode ?? job.parcels[0];
    const other = await s.newJob(s.courier), otherCode = other.parcels[0].barcode ?? other.parcels[0];
    const thief = new Passkey({ origin: s.serviceSite.origin }), own = s.courier.api.passkeys[0];
    const no = (call) => call.then(() => ["ACCEPTED"], (e) => [e.problem?.code ?? e.message]);
    const scans = async (j, c) => {
        const courier = new Courier(s, s.courier);
        await courier.scan(j, c);
        if (courier.visit.state !== "ready")
            throw new Error(`the visit is ${courier.visit.state} ${courier.visit.check?.code ?? ""}`);
        return courier;
    };
    const slides = (c, body) => no(s.courier.api.post(`/v1/visits/${c.visit.id}/open`, body));
    // First as a phone can send it; then as if the service let everything through.
    const both = async (c, passkey, assertion) => [await slides(c, assertion), await a.proves(c.visit.id, a.stop(stopOf(c.visit), passkey, assertion))];

    let genuine;
    await a.attempt("the courier's phone, signed in, without the courier's finger or face", async () => {
        const c = await scans(job, code), challenge = challengeOf(STOP_CONTEXT, stopOf(c.visit));
        genuine = c.proof(); // what the courier signed for this stop, before the phone was gone
        return both(c, own, own.assert({ challenge }, { isVerified: false }));
    });
    await a.attempt("a passkey of the thief's own", async () => {
        const c = await scans(job, code);
        return both(c, thief, c.proof({}, thief));
    });
    await a.attempt("what the courier signed at another stop", async () => {
        const c = await scans(other, otherCode);
        return both(c, own, genuine);
    });
    await a.attempt("after the courier's shift", async () => {
        const acme = new Agency({ id: id16(s.agencyId), name: "Acme Parcels", key: Key.fromFile(s.at("agency.key")) });
        const visitor = randomBytes(16), now = Math.floor(Date.now() / 1000), p = plan(a, { agency: acme, visitor, grant: id16(s.grant) });
        a.send(acme.shift({ visitor, visitorName: "Robin", passkey: thief, from: now - 30000, until: now - 1 }));
        await a.stored(p.message);
        const v = await a.ask(p);
        return [v.check ? named(v) : await a.proves(v.id, a.stop(a.stopOfAsk(v, p), thief))];
    });
    await a.attempt("after the window", async () => {
        const acme = new Agency({ id: id16(s.agencyId), name: "Acme Parcels", key: Key.fromFile(s.at("agency.key")) });
        const p = plan(a, { agency: acme, visitor: id16(s.courier.id), grant: id16(s.grant), time: today({ before: 20, after: 0 }) });
        await a.stored(p.message);
        return [named(await a.ask(p))];
    });

    // The household's phone: it is signed in, and can look. What opens or changes asks for the passkey each time.
    const phone = Object.assign(new Person(s.hubSite), { csrf: s.member.csrf });
    phone.cookies = new Map(s.member.cookies);
    const mine = s.member.passkeys[0], stranger = new Passkey({ origin: s.hubSite.origin });
    const acts = (fields, sign) => no((async () => {
        const begun = await phone.post("/api/acts/begin", fields);
        return phone.post("/api/acts/finish", { challenge: begun.challenge, ...await sign(begun) });
    })());
    await a.attempt("the household's phone, signed in: opening the door with another passkey", async () =>
        [await acts({ act: "unlock" }, (b) => stranger.assert(b))]);
    await a.attempt("opening the door without finger or face", async () => [await acts({ act: "unlock" }, (b) => mine.assert(b, { isVerified: false }))]);
    await a.attempt("a sign-in taken for an opening", async () => [await acts({ act: "unlock" }, async () => mine.assert(await phone.post("/api/signin/begin", {})))]);
    await a.attempt("giving a key to an agency without the passkey", async () => [await acts({ act: "grant", agency: s.agencyId, kind: "stay", mode: "notify",
        windows: [{ from: 0, minutes: 10080 }], days: 90, uses: 1000, per_day: 200, dwell_ms: 180000 }, (b) => stranger.assert(b))]);
}

export const HOSTILE = { "hostile-service": hostileService, "hostile-agency": hostileAgency, "stolen-phone": stolenPhone, ...MISHAPS };

// ---- one of them, from its beginning to the closed door ----

export async function playHostile(street, name, options = {}) {
    await street.settled();
    const truth = new Truth(street), a = await new Carrier(street, options).open();
    const story0 = street.watch.story.length, began = Date.now(), alarms = new Set();
    const onStory = (m) => {
        if (m.kind === "alarm" && !m.past)
            alarms.add(m.word);
        if (!["visit_refused", "visit_asked"].includes(m.kind) || a.isAllowed) // each is told with its attempt
            options.onStory?.(m);
    };
    street.watch.on("story", onStory);
    try {
        await HOSTILE[name](a);
    } finally {
        a.close();
        street.watch.off("story", onStory);
        street.world.set("person", PERSON.none);
    }
    const reasons = [...new Set(a.attempts.flatMap((x) => x.refusals))];
    return {
        outcome: a.hasOpened ? "OPENED" : "REFUSED", drill: name, phase: "before", check: reasons[0] ?? null, says: null,
        attempts: a.attempts, reasons, has_opened: a.hasOpened, door_locked: street.world.isLocked(), alarms: [...alarms],
        refused_in_record: street.watch.story.slice(story0).filter((m) => m.kind === "visit_refused" || (m.kind === "grant" && m.word === "refused"))
            .map((m) => ({ check: m.word, reason: m.reason ?? null, visit: m.visit })),
        states: [], courier: [], ms: { alarm: null }, recording: null, receipt: null, began_utc_ms: began, lies: truth.stop(),
    };
}
