// What lies between two programs: the radio. A byte-for-byte TCP forwarder that can be jammed: bytes just
// stop, nothing is closed, as on a jammed channel. The camera's bytes are sealed: it can do no more to them.
import net from "node:net";

export class Air {
    constructor(name, target) {
        this.name = name;
        this.target = target; // { host, port }
        this.pairs = new Set();
        this.isJammed = false;
    }
    async open() {
        this.server = net.createServer((near) => this.join(near));
        await new Promise((r) => this.server.listen(0, "127.0.0.1", r));
        this.port = this.server.address().port;
        return this.port;
    }
    join(near) {
        const far = net.connect(this.target);
        const pair = { near, far, toFar: [], toNear: [] };
        this.pairs.add(pair);
        for (const s of [near, far]) {
            s.setNoDelay(true);
            s.on("error", () => {});
            s.on("close", () => { near.destroy(); far.destroy(); this.pairs.delete(pair); });
        }
        near.on("data", (b) => this.carry(pair, pair.toFar, far, b));
        far.on("data", (b) => this.carry(pair, pair.toNear, near, b));
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
    // Somebody else answers from now on; who is connected has to dial again.
    lead(port) {
        this.target = { ...this.target, port };
        for (const p of this.pairs)
            p.near.destroy();
    }
    close() {
        for (const p of this.pairs) {
            p.near.destroy();
            p.far.destroy();
        }
        this.server?.close();
    }
}
