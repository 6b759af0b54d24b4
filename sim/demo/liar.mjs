// A camera that has gone over to the other side: it has the enrolled camera's own key, so its link and its frames
// are good, and it can show again what it has shown before. It gets real pictures by posing as the hub to an
// honest camera (the demo has the hub's key, too; an attacker would film by himself).
import { randomBytes } from "node:crypto";
import tls from "node:tls";
import { decode, encode, Key, sha256 } from "./authority.mjs";
import { CAMERA_ALPN, certificate } from "./certificate.mjs";

const HELLO = 3, FRAME = 4;
const TAPE = 200; // messages
const BOOT = 267, SEED = 268, SEQ = -70009, CHAIN = -70013, SESSION_KEY = -70300;

export class Liar {
    // device: the camera's Key, hub: the hub's Key, target: { host, port } of the honest camera, boot: its next boot
    constructor({ device, hub, target, boot }) {
        Object.assign(this, { device, target, boot });
        this.session = new Key();
        this.seed = randomBytes(16);
        this.shown = certificate(this.session, device.sign("camera-session",
            new Map([[BOOT, boot], [SEED, this.seed], [SESSION_KEY, this.session.pub]])));
        const link = new Key();
        this.posed = certificate(link, hub.sign("hub-link", new Map([[2, device.thumb], [SESSION_KEY, link.pub]])));
        this.seq = 0;
        this.chain = sha256(this.seed);
        this.tape = [];
        this.pairs = new Set();
    }
    async open() {
        this.server = tls.createServer({ ...this.shown, requestCert: true, rejectUnauthorized: false,
            minVersion: "TLSv1.3", ALPNProtocols: [CAMERA_ALPN] }, (near) => this.join(near));
        this.server.on("tlsClientError", () => {});
        await new Promise((r) => this.server.listen(0, "127.0.0.1", r));
        this.port = this.server.address().port;
        return this;
    }
    join(near) {
        const far = tls.connect({ ...this.target, ...this.posed, rejectUnauthorized: false, minVersion: "TLSv1.3",
            ALPNProtocols: [CAMERA_ALPN] });
        const pair = { near, far, rest: Buffer.alloc(0) };
        this.pairs.add(pair);
        for (const s of [near, far]) {
            s.setNoDelay(true);
            s.on("error", () => {});
            s.on("close", () => { near.destroy(); far.destroy(); this.pairs.delete(pair); });
        }
        near.on("data", (b) => far.write(b));
        far.on("data", (b) => this.hear(pair, b));
    }
    // Whole messages of the honest camera (u32 length, u8 kind).
    hear(pair, bytes) {
        pair.rest = Buffer.concat([pair.rest, bytes]);
        while (pair.rest.length >= 4 && pair.rest.length >= 4 + pair.rest.readUInt32BE(0)) {
            const end = 4 + pair.rest.readUInt32BE(0);
            const kind = pair.rest[4], body = Buffer.from(pair.rest.subarray(5, end));
            pair.rest = pair.rest.subarray(end);
            if (kind === HELLO)
                this.send(pair, kind, this.own("camera-hello", body));
            else if (kind === FRAME && !this.timer)
                this.send(pair, kind, this.frame(body));
        }
    }
    // The same words in this camera's name.
    own(type, object, more = []) {
        const payload = decode(decode(object).value[2]);
        for (const [key, value] of [[BOOT, this.boot], [SEED, this.seed], ...more])
            payload.set(key, value);
        return this.session.sign(type, encode(payload));
    }
    frame(body) {
        const len = body.readUInt16BE(0);
        const record = this.own("frame", body.subarray(3, 3 + len), [[SEQ, ++this.seq], [CHAIN, this.chain]]);
        this.chain = sha256(record);
        const head = Buffer.from([record.length >> 8, record.length & 255, body[2]]);
        const whole = Buffer.concat([head, record, body.subarray(3 + len)]);
        this.tape.push(whole);
        if (this.tape.length > TAPE)
            this.tape.shift();
        return whole;
    }
    send(pair, kind, body) {
        const head = Buffer.alloc(5);
        head.writeUInt32BE(body.length + 1);
        head[4] = kind;
        pair.near.write(Buffer.concat([head, body]));
    }
    // The trick: what was signed before, again and again, instead of what is there now.
    replay() {
        const old = this.tape.slice(-60);
        let i = 0;
        this.timer = setInterval(() => {
            for (const p of this.pairs)
                this.send(p, FRAME, old[i++ % old.length]);
        }, 50);
    }
    close() {
        clearInterval(this.timer);
        for (const p of this.pairs) {
            p.near.destroy();
            p.far.destroy();
        }
        this.server?.close();
    }
}
