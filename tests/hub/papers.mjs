// Papers that do not hold, shown to the running hub one by one: each is refused with a code of its own, in the log,
// in the record as far as it is about a visit or a permission, and in plain words for whoever stands there. Nothing
// changes. Whoever shows them has the service's key and, where it is needed, an agency's and a passkey: what is wrong
// is what its line says, and nothing else.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { Agency, CONTROL_CONTEXT, GRANT_CONTEXT, KIND, Key, challengeOf, evidence, hello, sha256, stopBytes } from "../../sim/demo/authority.mjs";
import { cbor } from "../../sim/demo/cbor.mjs";
import { Carrier, named, plan, today } from "../../sim/demo/hostile.mjs";
import { Passkey } from "../../sim/demo/passkey.mjs";
import { until } from "../../sim/demo/procs.mjs";
import { assert } from "../e2e/rig.mjs";

const id16 = (hex) => Buffer.from(hex, "hex");
const facts = (street) => JSON.parse(execFileSync(process.env.DW_FACTS_CHECK, [street.at("hub")], { encoding: "utf8" }));
const UP = 0x01, UV = 0x04;

// A passkey that does as it is told: other flags, other pages.
function assertion(key, challenge, { origin, rpId, flags = UP | UV, type = "get" } = {}) {
    const other = Object.assign(Object.create(Passkey.prototype), key, origin ? { origin } : {}, rpId ? { rpId } : {});
    other.authData = () => Passkey.prototype.authData.call(other, flags);
    other.clientData = (_, c) => Passkey.prototype.clientData.call(other, type, c);
    return other.assert({ challenge });
}

// The same map in another order of its keys, or with a number that is longer than it needs to be.
const reversed = (m) => {
    const pairs = [...m].reverse().map(([k, v]) => Buffer.concat([cbor(k), cbor(v)]));
    return Buffer.concat([Buffer.from([0xa0 | m.size]), ...pairs]);
};
const longNumber = (bytes, at) => Buffer.concat([bytes.subarray(0, at), Buffer.from([0x18, bytes[at]]), bytes.subarray(at + 1)]);

export async function papers(h) {
    const { street, bolt } = h, a = await new Carrier(street, {}).open();
    const visitor = randomBytes(16), phone = new Passkey({ origin: street.serviceSite.origin }), thief = new Passkey({ origin: street.serviceSite.origin });
    const acme = new Agency({ id: id16(street.agencyId), name: "Acme Parcels", key: Key.fromFile(street.at("agency.key")) });
    const grant = id16(street.grant), now = Math.floor(Date.now() / 1000);
    const plans = (more = {}) => plan(a, { agency: acme, visitor, grant, ...more });
    const manifest = (m) => Buffer.concat([Buffer.from([KIND.MANIFEST]), acme.key.sign("manifest", m)]);
    const shiftOf = (more = {}) => acme.shift({ visitor, visitorName: "Robin", passkey: phone, from: now - 600, until: now + 3600, ...more });
    const asks = async (p) => named(await a.ask(p));

    // Asks with good papers, and slides with what `make` gives: { bytes, passkey, as, context } of a stop.
    const good = plans();
    const slides = async (make) => {
        const v = await a.ask(good);
        assert.ok(!v.check, `the good papers were refused: ${v.check}`);
        const bytes = a.stopOfAsk(v, good), m = make(bytes, v);
        const wrapped = (m.by ?? a.service).message(KIND.STOP, evidence({ hub: m.hub ?? a.hub, id: randomBytes(16), context: m.context ?? "doorward/stop/1",
            bytes: m.bytes ?? bytes, assertion: m.assertion }));
        return { v, wrapped };
    };
    // Refused by the record, and the question is over with it.
    const proof = async (make) => {
        const { v, wrapped } = await slides(make);
        return a.proves(v.id, wrapped);
    };
    // Not even for the question that is open: the log says so, the question stays open until the household ends it.
    const mismatch = async (make, what = "stop") => {
        const { v, wrapped } = await slides(make);
        const said = await a.refuses(wrapped, what);
        assert.equal(street.watch.state.visit_state, "ready", "the open question suffered");
        street.watch.owner("end_visit");
        await until("the question to be over", () => a.refusal(v.id) ?? street.watch.state.visit_state === "none");
        return [said];
    };
    const own = (bytes, more) => ({ assertion: assertion(phone, challengeOf("doorward/stop/1", bytes), more) });

    const CASES = {
        // whom it is for
        "wrong audience: a manifest for another hub": ["manifest_audience", "no_such_job", async () => {
            const p = plans({ hub: sha256("another hub") });
            return [await a.refuses(p.message, "manifest"), await asks(p)];
        }],
        "wrong audience: a question to another home": ["wrong_home", async () => {
            const visit = 79n;
            a.own.add(visit);
            a.send(hello({ service: a.service, hub: sha256("another hub"), job: good.job, visit, visitor, nonce: randomBytes(32), barcode: good.barcode, salt: good.salt }));
            return named(await until("the refusal", () => a.refusal(visit.toString(16).padStart(16, "0"))));
        }],
        "wrong audience: a stop at another hub": ["mismatch", () => mismatch((bytes, v) => {
            const other = stopBytes({ hub: sha256("another hub"), manifest: good.hash, hubNonce: v.offer.get(10), visit: v.visit, courierNonce: v.nonce });
            return { bytes: other, ...own(other) };
        })],
        // when
        "expired: the window is over": ["too_late", async () => {
            const p = plans({ time: today({ before: 20, after: 0 }) });
            await a.stored(p.message);
            return asks(p);
        }],
        "not yet valid: the window has not begun": ["too_early", async () => {
            const p = plans({ time: today({ before: -30, after: 90 }) });
            await a.stored(p.message);
            return asks(p);
        }],
        // whose
        "unknown key: an agency that nobody knows": ["manifest_signature", "no_such_job", async () => {
            const p = plans({ agency: new Agency({ id: acme.id, name: acme.name }) });
            return [await a.refuses(p.message, "manifest"), await asks(p)];
        }],
        "unknown key: another service": ["key", async () => [await a.refuses(hello({ service: new Key(), hub: a.hub, job: good.job, visit: 77n,
            visitor, nonce: randomBytes(32), barcode: good.barcode, salt: good.salt }))]],
        "unknown key: another passkey": ["proof", "proof_key", () => proof((bytes) => ({ assertion: assertion(thief, challengeOf("doorward/stop/1", bytes)) }))],
        "unknown key: a shift by nobody": ["key", async () => [await a.refuses(new Agency({ id: acme.id }).shift({ visitor, passkey: thief,
            from: now, until: now + 3600 }), "shift")]],
        // what for
        "wrong context: a shift in the place of a manifest": ["manifest_signature", async () =>
            [await a.refuses(Buffer.concat([Buffer.from([KIND.MANIFEST]), shiftOf().subarray(1)]), "manifest")]],
        "wrong context: a manifest in the place of a shift": ["context", async () =>
            [await a.refuses(Buffer.concat([Buffer.from([KIND.SHIFT]), good.message.subarray(1)]), "shift")]],
        "wrong context: what is signed for a permission": ["proof", "proof_origin", () => proof((bytes) =>
            ({ assertion: assertion(phone, challengeOf(GRANT_CONTEXT, bytes)) }))],
        "wrong context: what is signed for a setting": ["proof", "proof_origin", () => proof((bytes) =>
            ({ assertion: assertion(phone, challengeOf(CONTROL_CONTEXT, bytes)) }))],
        "wrong context: evidence of a permission": ["mismatch", () => mismatch((bytes) => ({ context: GRANT_CONTEXT, ...own(bytes) }))],
        "wrong context: a new passkey in the place of an assertion": ["proof", "proof_origin", () => proof((bytes) => own(bytes, { type: "create" }))],
        // how much
        "widened scope: another door": ["manifest_scope", "no_such_job", async () => {
            const p = plans({ door: 1 });
            return [await a.recorded(p.message), await asks({ ...p, door: 0 })];
        }],
        "widened scope: as long as it likes": ["manifest_scope", "no_such_job", async () => {
            const p = plans({ dwellMs: 180001 });
            return [await a.recorded(p.message), await asks(p)];
        }],
        "widened scope: a stay on a key for deliveries": ["manifest_scope", "no_such_job", async () => {
            const p = plans({ kind: 1, openings: 9 });
            return [await a.recorded(p.message), await asks(p)];
        }],
        "widened scope: the key of nobody": ["manifest_grant", "no_such_job", async () => {
            const p = plans({ grant: randomBytes(16) });
            return [await a.recorded(p.message), await asks(p)];
        }],
        // from where, and by whom in person
        "wrong origin: another page": ["proof", "proof_origin", () => proof((bytes) => own(bytes, { origin: "https://evil.example" }))],
        "wrong origin: another host's passkey": ["proof", "proof_origin", () => proof((bytes) => own(bytes, { rpId: "evil.example" }))],
        "missing user verification": ["proof", "proof_origin", () => proof((bytes) => own(bytes, { flags: UP }))],
        "nobody touched it": ["proof", "proof_origin", () => proof((bytes) => own(bytes, { flags: UV }))],
        // which rules
        "downgraded version: an older form of evidence": ["version", () => mismatch((bytes) => ({ context: "doorward/stop/0", ...own(bytes) }), "link_message")],
        "downgraded version: a plain job, as before there were permissions": ["kind", "no_such_job", async () => {
            const p = plans();
            return [await a.refuses(a.service.message(KIND.JOB, p.bytes)), await asks(p)];
        }],
        "downgraded version: a plain proof": ["kind", async () => [await a.refuses(a.service.message(KIND.PROOF, new Map([[3, a.hub], [10, randomBytes(32)],
            [-70008, 5], [-70205, 0], [-70220, randomBytes(32)], [-70226, "open"]])))]],
        "downgraded version: another algorithm in the head": ["manifest_signature", async () => {
            const m = Buffer.from(good.message), at = m.indexOf(Buffer.from([0x01, 0x27])); // 1: -8
            assert.ok(at > 0 && at < 12, "the head is not where it was");
            m[at + 1] = 0x26;
            return [await a.refuses(m, "manifest")];
        }],
        // how it is written
        "not canonical: keys in another order": ["manifest_form", async () => [await a.refuses(manifest(reversed(new Map([[3, a.hub], [7, grant],
            [-70284, plans().bytes]]))), "manifest")]],
        "not canonical: a number longer than it need be": ["manifest_form", async () => {
            const b = cbor(new Map([[3, a.hub], [7, grant], [-70284, plans().bytes]]));
            assert.equal(b[1], 3);
            return [await a.refuses(manifest(longNumber(b, 1)), "manifest")];
        }],
        "not canonical: bytes after the end": ["manifest_form", async () => [await a.refuses(manifest(Buffer.concat([cbor(new Map([[3, a.hub], [7, grant],
            [-70284, plans().bytes]])), Buffer.from([0])])), "manifest")]],
        "not canonical: a word more than there is": ["manifest_form", async () => [await a.refuses(manifest(new Map([[3, a.hub], [7, grant],
            [-70284, plans().bytes], [-79999, 1]])), "manifest")]],
    };

    try {
        await street.settled();
        a.send(good.message);
        a.send(shiftOf());
        await until("the good papers at the hub", () => street.watch.story.some((m) => m.kind === "job_stored"));
        const before = facts(street), pids = h.pids();
        for (const [what, want] of Object.entries(CASES)) {
            const play = want.pop(), from = street.watch.story.length;
            const got = (await play()).flat();
            assert.deepEqual(got, want, what);
            for (const m of street.watch.story.slice(from).filter((x) => x.kind === "visit_refused"))
                assert.ok(/^[A-Z].{10,}\.$/.test(m.text) && /^[A-Z].{5,}\.$/.test(m.next), `${what}: no plain words: ${m.text} ${m.next}`);
        }

        // Shifts come and go: their own rules, with a courier of their own.
        const late = { visitor: randomBytes(16), visitorName: "Kim", passkey: thief };
        const at = plans({ visitor: late.visitor });
        await a.stored(at.message);
        const withShift = async (from, to) => {
            a.send(acme.shift({ ...late, from, until: to }));
            const v = await a.ask(at);
            return v.check ? named(v) : a.proves(v.id, a.stop(a.stopOfAsk(v, at), thief));
        };
        assert.deepEqual(await withShift(now - 9000, now - 60), ["too_late", "shift_expired"]);
        assert.deepEqual(await withShift(now + 1800, now + 9000), ["too_early", "shift_not_yet"]);
        assert.deepEqual([await a.refuses(acme.shift({ ...late, from: now, until: now + 86401 }), "shift")], ["invalid"], "a shift of more than a day");

        // Stale policy: written for the owner to sign in one epoch of the home, signed in the next.
        const begin = (more) => street.member.post("/api/acts/begin", { act: "grant", agency: street.agencyId, kind: "drop", mode: "notify",
            windows: [{ from: 0, minutes: 10080 }], days: 9, uses: 5, per_day: 5, dwell_ms: 30000, ...more });
        const finish = (begun, made) => street.member.post("/api/acts/finish", { challenge: begun.challenge, ...made })
            .then(() => "accepted", (e) => { assert.ok(e.problem?.detail?.length > 10, "no plain words"); return e.problem.code; });
        const keyOf = (begun) => street.member.passkeys.find((k) => begun.allow.includes(k.id.toString("base64url")));
        let begun = await begin();
        const spare = await street.giveKey({ id: street.agencyId, name: "Acme Parcels", key: street.agencyKey, hosted: true, api: street.agency }, { uses: 2 });
        await street.member.post("/api/grants/revoke", { id: spare });
        assert.equal(await finish(begun, keyOf(begun).assert(begun)), "challenge", "a permission of an older epoch");
        const stale = plans({ grant: id16(spare) });
        assert.equal(await a.recorded(stale.message), "grant_expired", "on a key that was taken back");
        // The household's own signature: page, person, use, and use again.
        begun = await begin();
        assert.equal(await finish(begun, assertion(keyOf(begun), begun.challenge, { origin: "https://evil.example" })), "origin");
        begun = await begin();
        assert.equal(await finish(begun, assertion(keyOf(begun), begun.challenge, { flags: UP })), "user_verification");
        assert.equal(await finish(begun, keyOf(begun).assert(begun)), "challenge", "a nonce that was used");

        // One bit, anywhere: every byte of every paper, each with one bit of it turned.
        const count = () => (h.log("guard").match(/refused=/g) ?? []).length;
        const open = await a.ask(good);
        const stop = a.stop(a.stopOfAsk(open, good), phone);
        const question = hello({ service: a.service, hub: a.hub, job: good.job, visit: 78n, visitor, nonce: randomBytes(32), barcode: good.barcode, salt: good.salt });
        const fresh = plans(), asked = h.count("visit_asked"), jobs = h.count("job_stored"), from = count();
        let sent = 0;
        for (const [paper, message] of Object.entries({ stop, question, manifest: fresh.message, shift: shiftOf({ until: now + 7200 }),
            introduction: new Agency({ name: "Nobody" }).introduce(a.hub) }))
            for (let at = 1; at < message.length; at++) { // the first says what kind it is: see "broker"
                const b = Buffer.from(message);
                b[at] ^= 1 << (at * 5 + paper.length) % 8;
                a.send(b);
                if (++sent % 32 === 0 || at === message.length - 1) // the hub holds so many, and drops what is more
                    await until(`refusals in the log, ${sent} of them`, () => count() - from >= sent, 10000, 2);
            }
        assert.equal(h.count("visit_asked"), asked, "a question with a wrong bit was heard");
        assert.equal(h.count("job_stored"), jobs, "a manifest with a wrong bit was stored");
        assert.equal((await street.member.get("/api/grants")).agencies.some((x) => x.name === "Nobody"), false);
        assert.equal(street.watch.state.visit_state, "ready", "the question that is open suffered");
        process.stdout.write(`      ${Object.keys(CASES).length + 8} papers that do not hold, ${sent} with one wrong bit\n`);

        // Not one of them changed anything.
        const after = facts(street);
        assert.deepEqual(after.used, before.used);
        assert.deepEqual(after.grants[street.grant], before.grants[street.grant]);
        assert.deepEqual(h.pids(), pids, "a process died of it");
        assert.equal(bolt.openings.length, 0);
        assert.deepEqual(bolt.wrongs, []);
        assert.equal(a.hasOpened, false);

        // The same papers without a fault open the door; and once more they do not: its nonce, and its parcel.
        a.isAllowed = true;
        bolt.slid(open.id);
        a.send(stop);
        await until("the bolt to be withdrawn", () => street.world.get("bolt_permille") === 0, 8000, 4);
        await street.world.moveDoor(900, 150);
        await street.world.moveDoor(0, 150);
        await until("the visit to be over", () => street.watch.story.some((m) => m.kind === "visit_ended" && m.visit === open.id), 15000);
        a.isAllowed = false;
        assert.deepEqual([await a.refuses(stop, "stop")], ["mismatch"], "reused nonce: the same stop again");
        assert.deepEqual([await a.refuses(hello({ service: a.service, hub: a.hub, job: good.job, visit: open.visit, visitor, nonce: randomBytes(32),
            barcode: good.barcode, salt: good.salt }), "hello")], ["visit_reused"]);
        assert.deepEqual(await asks(good), ["parcel_used"], "second use");
        assert.equal(facts(street).grants[street.grant], (before.grants[street.grant] ?? 0) + 1);
    } finally {
        a.close();
    }
}
