// What lies between two programs: the radio. A byte-for-byte TCP forwarder that can be jammed: bytes just
// stop, nothing is closed, as on a jammed channel. For the camera link it can also replay old frames.
import net from "node:net";

export class Air {
    constructor(name, target) {
        this.name = name;
        this.target = target; // { host, port }
        this.pairs = new Set();
        this.isJammed = false;
        this.tape = null; // frames seen so far, when taping
        this.timer = null;
    }
    async open() {
        this.server = net.createServer((near) => this.join(near));
        await new Promise((r) => this.server.listen(0, "127.0.0.1", r));
        this.port = this.server.address().port;
        return this.port;
    }
    join(near) {
        const far = net.connect(this.target);
        const pair = { near, far, toFar: [], toNear: [], rest: Buffer.alloc(0) };
        this.pairs.add(pair);
        for (const s of [near, far]) {
            s.setNoDelay(true);
            s.on("error", () => {});
            s.on("close", () => { near.destroy(); far.destroy(); this.pairs.delete(pair); });
        }
        near.on("data", (b) => this.carry(pair, pair.toFar, far, b));
        far.on("data", (b) => {
            if (this.tape && !this.replaying)
                this.keep(pair, b);
            if (!this.replaying)
                this.carry(pair, pair.toNear, near, b);
        });
    }
    carry(pair, queue, to, bytes) {
        if (this.isJammed)
            queue.push(bytes); // neither delivered nor acknowledged by a reset: it just does not come
        else
            to.write(bytes);
    }
    jam() { this.isJammed = true; }
    clear() {
        this.isJammed = false;
        for (const p of this.pairs) {
            for (const b of p.toFar.splice(0))
                p.far.write(b);
            for (const b of p.toNear.splice(0))
                p.near.write(b);
        }
    }
    // Camera link only: remembers whole framed messages (u32 length, u8 kind).
    keep(pair, bytes) {
        pair.rest = Buffer.concat([pair.rest, bytes]);
        while (pair.rest.length >= 4) {
            const len = pair.rest.readUInt32BE(0);
            if (pair.rest.length < 4 + len)
                break;
            const message = pair.rest.subarray(0, 4 + len);
            pair.rest = pair.rest.subarray(4 + len);
            if (message[4] === 4)
                this.tape.push(Buffer.from(message));
            if (this.tape.length > 200)
                this.tape.shift();
        }
    }
    record() { this.tape = []; }
    // The attacker's trick: old signed frames again and again, while the camera is not heard. Starts at
    // the end of a whole message, so that the link itself stays well formed.
    replay() {
        this.replaying = true;
        for (const p of this.pairs) {
            if (p.rest.length)
                p.near.write(Buffer.alloc(0));
        }
        let i = 0;
        const old = this.tape.slice(-60);
        this.timer = setInterval(() => {
            for (const p of this.pairs) {
                if (old.length)
                    p.near.write(old[i++ % old.length]);
            }
        }, 50);
    }
    stopReplay() {
        clearInterval(this.timer);
        this.timer = null;
        this.replaying = false;
        for (const p of this.pairs) // the attacker leaves: the camera link begins anew
            p.near.destroy();
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
