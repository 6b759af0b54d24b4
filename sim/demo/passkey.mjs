// A passkey in software, for the people that the demo and the tests play. It does what a phone's does: one
// key for one host, made for an invitation, asked over a challenge, with the person verified. Values go in
// and out as base64url, as docs/design/people.md has them.
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { cbor } from "./cbor.mjs";

const UP = 0x01, UV = 0x04, AT = 0x40; // present, verified, with a new key [WebAuthn L3 6.1]

const sha256 = (b) => createHash("sha256").update(b).digest();

export class Passkey {
    // origin: exactly as the page has it, "http://home1.localhost:8080"; rpId: its host, if not told otherwise
    constructor({ origin, rpId = new URL(origin).hostname }) {
        this.origin = origin;
        this.rpId = rpId;
        this.count = 0;
        this.id = randomBytes(32);
        this.pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
    }
    clientData(type, challenge) {
        return Buffer.from(JSON.stringify({ type: `webauthn.${type}`, challenge, origin: this.origin, crossOrigin: false }));
    }
    authData(flags, more = Buffer.alloc(0)) {
        const fixed = Buffer.alloc(5);
        fixed[0] = flags;
        fixed.writeUInt32BE(this.count, 1);
        return Buffer.concat([sha256(this.rpId), fixed, more]);
    }
    // options: { challenge }
    register({ challenge }) {
        const { x, y } = this.pair.publicKey.export({ format: "jwk" });
        const key = cbor(new Map([[1, 2], [3, -7], [-1, 1], [-2, Buffer.from(x, "base64url")], [-3, Buffer.from(y, "base64url")]]));
        const len = Buffer.from([this.id.length >> 8, this.id.length & 255]);
        const auth = this.authData(UP | UV | AT, Buffer.concat([Buffer.alloc(16), len, this.id, key]));
        return {
            id: this.id.toString("base64url"),
            client_data: this.clientData("create", challenge).toString("base64url"),
            attestation: cbor(new Map([["fmt", "none"], ["attStmt", new Map()], ["authData", auth]])).toString("base64url"),
        };
    }
    // options: { challenge }. isVerified false: touched, by whomever; the person was not asked for finger, face or PIN
    assert({ challenge }, { isVerified = true } = {}) {
        this.count++;
        const auth = this.authData(isVerified ? UP | UV : UP), client = this.clientData("get", challenge);
        return {
            id: this.id.toString("base64url"),
            client_data: client.toString("base64url"),
            auth_data: auth.toString("base64url"),
            signature: sign("sha256", Buffer.concat([auth, sha256(client)]), this.pair.privateKey).toString("base64url"),
        };
    }
}
