// Ed25519 key files as crypto/crypto.h describes them: the seed, or the public key, in hexadecimal.
import { createPrivateKey, createPublicKey, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";

const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

export function makeKey(path) {
    const seed = randomBytes(32);
    const secret = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });
    const pub = Buffer.from(createPublicKey(secret).export({ format: "jwk" }).x, "base64url");
    writeFileSync(path, `${seed.toString("hex")}\n`, { mode: 0o600 });
    writeFileSync(`${path}.pub`, `${pub.toString("hex")}\n`, { mode: 0o644 });
    return pub;
}
