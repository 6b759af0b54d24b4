// A certificate as the camera link wants it (docs/spec/messages.md 3): over one Ed25519 key, signed with that key,
// with what vouches for it inside. Written from the text alone, for whoever plays a camera or a hub in node.
import { createPublicKey, sign } from "node:crypto";

const tlv = (tag, ...parts) => {
    const body = Buffer.concat(parts);
    const size = body.length < 128 ? [body.length] : body.length < 256 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 255];
    return Buffer.concat([Buffer.from([tag, ...size]), body]);
};
const seq = (...parts) => tlv(0x30, ...parts);
const text = (tag, s) => tlv(tag, Buffer.from(s));

function oid(dotted) {
    const [a, b, ...rest] = dotted.split(".").map(BigInt);
    const bytes = [a * 40n + b, ...rest].flatMap((n) => {
        const out = [Number(n & 127n)];
        for (let left = n >> 7n; left > 0n; left >>= 7n)
            out.unshift(Number(left & 127n) | 128);
        return out;
    });
    return tlv(6, Buffer.from(bytes));
}

const PROOF = "2.25.212489766933273556147063737252242303217";
export const CAMERA_ALPN = "doorward-camera/1";

// { key, cert } in PEM for node:tls. `key`: a Key of authority.mjs; `proof`: a signed object, or nothing.
export function certificate(key, proof) {
    const ed25519 = seq(oid("1.3.101.112"));
    const name = seq(tlv(0x31, seq(oid("2.5.4.3"), text(0x0c, "doorward"))));
    const part = seq(tlv(0xa0, tlv(2, Buffer.from([2]))), tlv(2, Buffer.from([1])), ed25519, name,
        seq(text(0x18, "20000101000000Z"), text(0x18, "99991231235959Z")), name,
        createPublicKey(key.secret).export({ format: "der", type: "spki" }),
        ...(proof ? [tlv(0xa3, seq(seq(oid(PROOF), tlv(4, proof))))] : []));
    const der = seq(part, ed25519, tlv(3, Buffer.from([0]), sign(null, part, key.secret)));
    const lines = der.toString("base64").match(/.{1,64}/g).join("\n");
    return {
        key: key.secret.export({ format: "pem", type: "pkcs8" }),
        cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    };
}
