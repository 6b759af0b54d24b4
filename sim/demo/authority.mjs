// What people and agencies sign, made here in node from docs/spec/messages.md 8 alone, for the demo and for tests
// that play an agency, an owner, a visitor or a service: keys, introductions, grants, manifests, shifts, stops,
// and the link's envelopes. What makes checks nothing: whoever writes an attack needs the wrong forms, too. What
// reads as an honest page or phone would (offerOf, openBody, shownGrant) does.
//
//   const agency = new Agency({ name: "Acme" });            // id, key, Ed25519
//   agency.introduce(hub)            -> Buffer: kind byte and COSE, as it goes over the broker
//   agency.manifest({ grant, job })  -> { message, object, hash }
//   agency.shift({ passkey, ... })   -> Buffer
//   stop({ passkey, ... })           -> Buffer, wrapped by the service's key
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { cbor } from "./cbor.mjs";

export const KIND = { ENROL: 1, WELCOME: 2, JOB: 3, RECALL: 4, HELLO: 5, OFFER: 6, PROOF: 7, NEWS: 8, RECEIPT: 9, ACK: 10,
    WISH: 11, WISH_ACK: 12, INTRODUCE: 13, GRANT: 14, REVOKED: 15, MANIFEST: 16, SHIFT: 17, STOP: 18 };
const TYPE = { 1: "enrol", 2: "welcome", 3: "job", 4: "recall", 5: "hello", 6: "offer", 7: "proof", 8: "news", 9: "receipt",
    10: "ack", 11: "wish", 12: "wish-ack", 13: "introduce", 14: "evidence", 15: "revoked", 16: "manifest", 17: "shift",
    18: "stop-evidence" };
export const GRANT_CONTEXT = "doorward/grant/1", CONTROL_CONTEXT = "doorward/control/1", STOP_CONTEXT = "doorward/stop/1";

export const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts.map((p) => Buffer.from(p)))).digest();

// ---- deterministic CBOR ----

export { cbor as encode };

// Integers come as Number where they fit, else BigInt; maps as Map; a tag as { tag, value }.
export function decode(bytes) {
    let at = 0;
    const take = (n) => {
        if (at + n > bytes.length)
            throw new Error("ends too early");
        return bytes.subarray(at, (at += n));
    };
    const small = (n) => (n <= BigInt(Number.MAX_SAFE_INTEGER) && n >= -BigInt(Number.MAX_SAFE_INTEGER) ? Number(n) : n);
    const item = () => {
        const first = take(1)[0], info = first & 31;
        const n = info < 24 ? BigInt(info) : BigInt(`0x${Buffer.from(take(1 << (info - 24))).toString("hex")}`);
        switch (first >> 5) {
        case 0: return small(n);
        case 1: return small(-1n - n);
        case 2: return Buffer.from(take(Number(n)));
        case 3: return Buffer.from(take(Number(n))).toString("utf8");
        case 4: return Array.from({ length: Number(n) }, item);
        case 5: return new Map(Array.from({ length: Number(n) }, () => [item(), item()]));
        case 6: return { tag: Number(n), value: item() };
        default: return n === 21n;
        }
    };
    const value = item();
    if (at !== bytes.length)
        throw new Error("bytes after the end");
    return value;
}

// ---- keys and COSE_Sign1 ----

const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

// SHA-256 of an Ed25519 key as COSE_Key: names a hub, an agency, a service.
export const thumbOf = (pub) => sha256(cbor(new Map([[1, 1], [-1, 6], [-2, pub]])));

export class Key {
    // seed: 32 bytes; none: a new key
    constructor(seed) {
        this.secret = seed ? createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" })
            : generateKeyPairSync("ed25519").privateKey;
        this.pub = Buffer.from(createPublicKey(this.secret).export({ format: "jwk" }).x, "base64url");
        this.thumb = thumbOf(this.pub);
        this.hex = this.pub.toString("hex");
    }
    // A key file of ours: the seed is its first 32 bytes in hexadecimal, wherever they stand.
    static fromFile(file) {
        const b = readFileSync(file), text = b.toString("latin1").match(/[0-9a-f]{64}/i)?.[0];
        return new Key(text ? Buffer.from(text, "hex") : b.subarray(0, 32));
    }
    // A tagged COSE_Sign1 of the type "manifest", "shift" ...
    sign(type, payload) {
        const bytes = Buffer.isBuffer(payload) ? payload : cbor(payload);
        const protect = cbor(new Map([[1, -8], [4, this.thumb.subarray(0, 8)], [16, `doorward-${type}+cwt`]]));
        const toSign = cbor(["Signature1", protect, Buffer.from(`doorward/${type}/1`), bytes]);
        return Buffer.concat([Buffer.from([0xd2]), cbor([protect, new Map(), bytes, sign(null, toSign, this.secret)])]);
    }
    // The same, as it goes over the broker.
    message(kind, payload) { return Buffer.concat([Buffer.from([kind]), this.sign(TYPE[kind], payload)]); }
}

// Does this key stand behind the object, as that type and no other?
export function isSignedBy(pub, type, object) {
    const [protect, , payload, signature] = decode(object).value;
    const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: pub.toString("base64url") }, format: "jwk" });
    return decode(protect).get(16) === `doorward-${type}+cwt` &&
        verify(null, cbor(["Signature1", protect, Buffer.from(`doorward/${type}/1`), payload]), key, signature);
}

// { kind, payload: Map } of a message on the broker. The signature is the reader's to check.
export function open(message) {
    const { value } = decode(message.subarray(1));
    return { kind: message[0], payload: decode(value[2]), bytes: value[2], object: message.subarray(1) };
}

// ---- what a passkey signs ----

// What the passkey is asked over: base64url of SHA-256(context, 0, bytes).
export function challengeOf(context, bytes) {
    return sha256(Buffer.from(context), Buffer.from([0]), bytes).toString("base64url");
}

const raw = (s) => Buffer.from(s, "base64url");

// An assertion of sim/demo/passkey.mjs as evidence; `more` overrides parts.
export function evidence({ hub, id, context, bytes, assertion, ...more }) {
    return cbor(new Map([[3, hub], [7, id], [-70278, context], [-70279, bytes], [-70280, raw(assertion.id)],
        [-70281, raw(assertion.auth_data)], [-70282, raw(assertion.client_data)], [-70283, raw(assertion.signature)],
        ...Object.entries(more).map(([k, v]) => [Number(k), v])]));
}

// SHA-256 of a passkey's key as COSE_Key: how a grant names its owner.
export function passkeyThumb(passkey) {
    const { x, y } = passkey.pair.publicKey.export({ format: "jwk" });
    return sha256(cbor(new Map([[1, 2], [-1, 1], [-2, raw(x)], [-3, raw(y)]])));
}

// The parts of a grant as the hub writes them (for whoever plays the hub, or forges one).
export function grantBytes({ owner, grantee, hub, id = randomBytes(16), zone = "Etc/UTC", name = "Agency", kind = 0, door = 0,
    dwellMs = 60000, cameraClass = 2, nonce = randomBytes(32), epoch = 0, windows = [[0, 10080]], uses = 100, perDay = 10,
    presence = 0, mode = 2, isHosted = false, from, until }) {
    return cbor(new Map([[1, owner], [2, grantee], [3, hub], [4, until], [5, from], [7, id], [-70200, zone], [-70203, name],
        [-70204, kind], [-70205, door], [-70207, dwellMs], [-70213, cameraClass], [-70270, nonce], [-70271, epoch],
        [-70272, windows], [-70273, uses], [-70274, perDay], [-70275, presence], [-70276, mode], [-70277, isHosted]]));
}

// The grant that a page shows before it is signed, read from the very bytes whose hash the passkey signs.
export function shownGrant({ bytes, challenge }) {
    const b = raw(bytes), m = decode(b);
    if (challengeOf(GRANT_CONTEXT, b) !== challenge)
        throw new Error("what is shown is not what would be signed");
    return { bytes: b, id: m.get(7).toString("hex"), grantee: m.get(2), hub: m.get(3), name: m.get(-70203), kind: m.get(-70204),
        dwellMs: m.get(-70207), windows: m.get(-70272), uses: m.get(-70273), perDay: m.get(-70274), mode: m.get(-70276),
        isHosted: m.get(-70277) };
}

// ---- what an agency signs ----

export class Agency {
    constructor({ id = randomBytes(16), name = "Agency", key = new Key(), isHosted = false } = {}) {
        Object.assign(this, { id, name, key, isHosted });
    }
    introduce(hub) {
        return this.key.message(KIND.INTRODUCE, new Map([[1, this.key.pub], [3, hub], [-70005, this.id], [-70203, this.name],
            [-70277, this.isHosted]]));
    }
    // job: bytes of a job (jobBytes). The hash is what a stop names.
    manifest({ hub, grant, job }) {
        const object = this.key.sign("manifest", new Map([[3, hub], [7, grant], [-70284, job]]));
        return { message: Buffer.concat([Buffer.from([KIND.MANIFEST]), object]), object, hash: sha256(object) };
    }
    // passkey: sim/demo/passkey.mjs (ES256); its own origin, if not told otherwise
    shift({ visitor, visitorName = "Visitor", passkey, origin = passkey.origin, from, until }) {
        const { x, y } = passkey.pair.publicKey.export({ format: "jwk" });
        return this.key.message(KIND.SHIFT, new Map([[4, until], [5, from], [-70005, this.id], [-70209, visitor],
            [-70210, visitorName], [-70280, passkey.id], [-70285, [1, Buffer.concat([raw(x), raw(y)])]], [-70286, origin]]));
    }
}

// A job of messages.md 5.3. times: Unix seconds; window: [day, from minute, to minute] in the home's time.
export function jobBytes({ hub, from, until, id = randomBytes(16), agency, agencyName = "Agency", parcels = [], openings = 1,
    zone = "Etc/UTC", kind = 0, door = 0, window, dwellMs = 60000, revision = 1, visitor, visitorName = "Visitor",
    screening = ["Issuer", "Kind", window[0] - 1, window[0] + 1], notes = "", cameraClass = 2 }) {
    return cbor(new Map([[3, hub], [4, until], [5, from], [7, id], [-70005, agency], [-70006, parcels], [-70007, openings],
        [-70200, zone], [-70203, agencyName], [-70204, kind], [-70205, door], [-70206, window], [-70207, dwellMs],
        [-70208, revision], [-70209, visitor], [-70210, visitorName], [-70211, screening], [-70212, notes],
        [-70213, cameraClass]]));
}

// ---- at the door ----

// What the visitor's passkey signs. manifest: its hash; nonces: 32 bytes; visit: BigInt or Number.
export function stopBytes({ hub, manifest, hubNonce, visit, door = 0, courierNonce, doorCode = Buffer.alloc(32) }) {
    return cbor(new Map([[3, hub], [7, manifest], [10, hubNonce], [-70008, visit], [-70205, door], [-70220, courierNonce],
        [-70226, "open"], [-70287, doorCode]]));
}

// The service's question to the hub: somebody is at the door. ids: 16 bytes; visit: BigInt; nonce: 32 bytes.
export function hello({ service, hub, job, visit, visitor, nonce, barcode, salt, door = 0, revision = 1, ageMs = 0 }) {
    return service.message(KIND.HELLO, new Map([[3, hub], [7, job], [-70008, visit], [-70205, door], [-70208, revision],
        [-70209, visitor], [-70220, nonce], [-70221, Buffer.from(barcode)], [-70222, salt], [-70223, ageMs]]));
}

// The service has stored what the hub said of a visit: news by their number, 0 the receipt.
export function ack({ service, hub, visit, number }) {
    return service.message(KIND.ACK, new Map([[3, hub], [-70008, visit], [-70227, number]]));
}

// The hub's offer in GET /v1/visits/{visit}, checked as a visitor's app checks it before any passkey is asked: it is
// signed by the hub that the agency's manifest names, and answers the nonce that this phone drew. Throws if not.
export function offerOf(visit, nonce = visit.courier_nonce) {
    if (!visit.offer)
        throw new Error(`there is no offer: the visit is ${visit.state} ${visit.refused ?? ""}`);
    const pub = raw(visit.hub_pub), object = raw(visit.offer), manifest = decode(decode(raw(visit.manifest)).value[2]);
    const offer = decode(decode(object).value[2]);
    const checks = {
        "the hub's signature": isSignedBy(pub, "offer", object),
        "the hub of the manifest": thumbOf(pub).equals(manifest.get(3)) && offer.get(3).equals(manifest.get(3)),
        "the nonce of this phone": offer.get(-70220).equals(Buffer.from(nonce, "hex")),
        "the visit": BigInt(offer.get(-70008)) === BigInt(`0x${visit.id}`),
        "ready": offer.get(-70224) === 0,
    };
    for (const [what, holds] of Object.entries(checks))
        if (!holds)
            throw new Error(`the hub's offer does not hold: ${what}`);
    return offer;
}

// The stop of a visit that is ready. more: parts that an attacker writes otherwise.
export function stopOf(visit, more = {}) {
    const offer = offerOf(visit);
    return stopBytes({ hub: offer.get(3), manifest: sha256(raw(visit.manifest)), hubNonce: offer.get(10),
        visit: offer.get(-70008), door: visit.door ?? 0, courierNonce: offer.get(-70220),
        doorCode: Buffer.from(visit.door_code_hash, "hex"), ...more });
}

// What a visitor's app does when the visit is ready: checks the offer, and lets the passkey sign the stop, as
// POST /v1/visits/{visit}/open takes it.
export function openBody(passkey, visit, more) {
    const bytes = stopOf(visit, more);
    return passkey.assert({ challenge: challengeOf(STOP_CONTEXT, bytes) });
}

// STOP, wrapped by `service` (a Key). `bytes` of stopBytes; `context` and `assertion` only for who attacks.
export function stop({ service, hub, passkey, bytes, id = randomBytes(16), context = STOP_CONTEXT,
    assertion = passkey.assert({ challenge: challengeOf(STOP_CONTEXT, bytes) }) }) {
    return service.message(KIND.STOP, evidence({ hub, id, context, bytes, assertion }));
}
