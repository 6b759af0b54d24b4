// What people and agencies sign, made here in node from docs/spec/messages.md 8 alone, for tests and the demo
// that play an agency, an owner, a visitor or a service: keys, introductions, grants, manifests, shifts, stops,
// and the link's envelopes. Nothing is checked here: whoever writes an attack needs the wrong forms, too.
//
//   const agency = new Agency({ name: "Acme" });            // id, key, Ed25519
//   agency.introduce(hub)            -> Buffer: kind byte and COSE, as it goes over the broker
//   agency.manifest({ grant, job })  -> { message, object, hash }
//   agency.shift({ passkey, ... })   -> Buffer
//   stop({ passkey, ... })           -> Buffer, wrapped by the service's key
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { readFileSync } from "node:fs";

export const KIND = { ENROL: 1, WELCOME: 2, JOB: 3, RECALL: 4, HELLO: 5, OFFER: 6, PROOF: 7, NEWS: 8, RECEIPT: 9, ACK: 10,
    WISH: 11, WISH_ACK: 12, INTRODUCE: 13, GRANT: 14, REVOKED: 15, MANIFEST: 16, SHIFT: 17, STOP: 18 };
const TYPE = { 1: "enrol", 2: "welcome", 3: "job", 4: "recall", 5: "hello", 6: "offer", 7: "proof", 8: "news", 9: "receipt",
    10: "ack", 11: "wish", 12: "wish-ack", 13: "introduce", 14: "evidence", 15: "revoked", 16: "manifest", 17: "shift",
    18: "stop-evidence" };
export const GRANT_CONTEXT = "doorward/grant/1", CONTROL_CONTEXT = "doorward/control/1", STOP_CONTEXT = "doorward/stop/1";

export const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts.map((p) => Buffer.from(p)))).digest();

// ---- deterministic CBOR ----

function head(major, value) {
    const n = BigInt(value);
    if (n < 24n)
        return Buffer.from([major << 5 | Number(n)]);
    for (const [info, bytes] of [[24, 1], [25, 2], [26, 4], [27, 8]]) {
        if (n < 1n << BigInt(8 * bytes)) {
            const b = Buffer.alloc(9);
            b.writeBigUInt64BE(n, 1);
            b[8 - bytes] = major << 5 | info;
            return b.subarray(8 - bytes);
        }
    }
    throw new Error("too large a number");
}

// Numbers and BigInt are integers; a Map is a map: its integer keys are put into the order of the encoding.
export function encode(v) {
    if (typeof v === "bigint" || typeof v === "number")
        return v < 0 ? head(1, -1n - BigInt(v)) : head(0, v);
    if (typeof v === "boolean")
        return Buffer.from([v ? 0xf5 : 0xf4]);
    if (typeof v === "string")
        return Buffer.concat([head(3, Buffer.byteLength(v)), Buffer.from(v)]);
    if (v instanceof Uint8Array)
        return Buffer.concat([head(2, v.length), v]);
    if (Array.isArray(v))
        return Buffer.concat([head(4, v.length), ...v.map(encode)]);
    const pairs = [...v].map(([k, x]) => [encode(k), encode(x)]).sort((a, b) => Buffer.compare(a[0], b[0]));
    return Buffer.concat([head(5, pairs.length), ...pairs.flat()]);
}

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
export const thumbOf = (pub) => sha256(encode(new Map([[1, 1], [-1, 6], [-2, pub]])));

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
        const bytes = Buffer.isBuffer(payload) ? payload : encode(payload);
        const protect = encode(new Map([[1, -8], [4, this.thumb.subarray(0, 8)], [16, `doorward-${type}+cwt`]]));
        const toSign = encode(["Signature1", protect, Buffer.from(`doorward/${type}/1`), bytes]);
        return Buffer.concat([Buffer.from([0xd2]), encode([protect, new Map(), bytes, sign(null, toSign, this.secret)])]);
    }
    // The same, as it goes over the broker.
    message(kind, payload) { return Buffer.concat([Buffer.from([kind]), this.sign(TYPE[kind], payload)]); }
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
    return encode(new Map([[3, hub], [7, id], [-70278, context], [-70279, bytes], [-70280, raw(assertion.id)],
        [-70281, raw(assertion.auth_data)], [-70282, raw(assertion.client_data)], [-70283, raw(assertion.signature)],
        ...Object.entries(more).map(([k, v]) => [Number(k), v])]));
}

// SHA-256 of a passkey's key as COSE_Key: how a grant names its owner.
export function passkeyThumb(passkey) {
    const { x, y } = passkey.pair.publicKey.export({ format: "jwk" });
    return sha256(encode(new Map([[1, 2], [-1, 1], [-2, raw(x)], [-3, raw(y)]])));
}

// The parts of a grant as the hub writes them (for whoever plays the hub, or forges one).
export function grantBytes({ owner, grantee, hub, id = randomBytes(16), zone = "Etc/UTC", name = "Agency", kind = 0, door = 0,
    dwellMs = 60000, cameraClass = 2, nonce = randomBytes(32), epoch = 0, windows = [[0, 10080]], uses = 100, perDay = 10,
    presence = 0, mode = 2, isHosted = false, from, until }) {
    return encode(new Map([[1, owner], [2, grantee], [3, hub], [4, until], [5, from], [7, id], [-70200, zone], [-70203, name],
        [-70204, kind], [-70205, door], [-70207, dwellMs], [-70213, cameraClass], [-70270, nonce], [-70271, epoch],
        [-70272, windows], [-70273, uses], [-70274, perDay], [-70275, presence], [-70276, mode], [-70277, isHosted]]));
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
    return encode(new Map([[3, hub], [4, until], [5, from], [7, id], [-70005, agency], [-70006, parcels], [-70007, openings],
        [-70200, zone], [-70203, agencyName], [-70204, kind], [-70205, door], [-70206, window], [-70207, dwellMs],
        [-70208, revision], [-70209, visitor], [-70210, visitorName], [-70211, screening], [-70212, notes],
        [-70213, cameraClass]]));
}

// ---- at the door ----

// What the visitor's passkey signs. manifest: its hash; nonces: 32 bytes; visit: BigInt or Number.
export function stopBytes({ hub, manifest, hubNonce, visit, door = 0, courierNonce, doorCode = Buffer.alloc(32) }) {
    return encode(new Map([[3, hub], [7, manifest], [10, hubNonce], [-70008, visit], [-70205, door], [-70220, courierNonce],
        [-70226, "open"], [-70287, doorCode]]));
}

// What a visitor's app does with GET /v1/visits/{visit} when it is ready: the stop, signed by the passkey, as
// POST /v1/visits/{visit}/open takes it.
export function openBody(passkey, visit, doorCode) {
    const offer = open(Buffer.concat([Buffer.from([KIND.OFFER]), raw(visit.offer)])).payload;
    const bytes = stopBytes({ hub: offer.get(3), manifest: sha256(raw(visit.manifest)), hubNonce: offer.get(10),
        visit: offer.get(-70008), door: visit.door ?? 0, courierNonce: offer.get(-70220),
        doorCode: doorCode ?? Buffer.from(visit.door_code_hash, "hex") });
    return passkey.assert({ challenge: challengeOf(STOP_CONTEXT, bytes) });
}

// STOP, wrapped by `service` (a Key). `bytes` of stopBytes; `context` and `assertion` only for who attacks.
export function stop({ service, hub, passkey, bytes, id = randomBytes(16), context = STOP_CONTEXT,
    assertion = passkey.assert({ challenge: challengeOf(STOP_CONTEXT, bytes) }) }) {
    return service.message(KIND.STOP, evidence({ hub, id, context, bytes, assertion }));
}
