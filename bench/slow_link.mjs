// A slow and lossy link for benches, where the kernel has no netem: a TCP forwarder on loopback that holds bytes back as
// a path with this round trip and loss would. A lost segment (1,400 bytes) comes again one retransmission later (a
// round trip when others follow it, 200 ms more when it was the last), and what was sent after it waits for it, as TCP
// makes it. Losses come from a seeded generator: a run can be repeated.
import net from "node:net";

const SEGMENT = 1400;

function seeded(seed) {
    let s = seed >>> 0;
    return () => {
        s = (s + 0x6d2b79f5) >>> 0;
        let t = Math.imul(s ^ (s >>> 15), 1 | s);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
}

export class SlowLink {
    constructor(target, { rttMs = 400, loss = 0.05, seed = 1 } = {}) {
        this.target = target;
        this.rttMs = rttMs;
        this.loss = loss;
        this.random = seeded(seed);
        this.sockets = new Set();
        this.lost = 0;
        this.sent = 0;
    }
    async open(port = 0) {
        // Half-open sockets stay: an end travels like bytes do.
        this.server = net.createServer({ allowHalfOpen: true }, (near) => this.join(near));
        await new Promise((resolve, reject) => {
            this.server.once("error", reject);
            this.server.listen(port, "127.0.0.1", resolve);
        });
        this.port = this.server.address().port;
        return this.port;
    }
    join(near) {
        // The handshake costs a round trip before the first byte.
        const far = net.connect({ ...this.target, allowHalfOpen: true });
        const ready = performance.now() + this.rttMs;
        for (const s of [near, far]) {
            this.sockets.add(s);
            s.setNoDelay(true);
            s.on("error", () => {});
            s.on("close", () => { this.sockets.delete(s); near.destroy(); far.destroy(); });
        }
        this.carry(near, far, ready);
        this.carry(far, near, ready);
    }
    carry(from, to, ready) {
        const oneWay = this.rttMs / 2;
        let due = ready;
        const later = (act) => setTimeout(() => !to.destroyed && act(), Math.max(0, due - performance.now()));
        from.on("data", (bytes) => {
            for (let at = 0; at < bytes.length; at += SEGMENT) {
                const piece = bytes.subarray(at, at + SEGMENT), isLast = at + SEGMENT >= bytes.length;
                let wait = oneWay;
                this.sent++;
                while (this.random() < this.loss) {
                    this.lost++;
                    wait += this.rttMs + (isLast ? 200 : 0);
                }
                due = Math.max(due, performance.now() + wait); // in order
                later(() => to.write(piece));
            }
        });
        from.on("end", () => {
            due = Math.max(due, performance.now() + oneWay);
            later(() => to.end());
        });
    }
    async close() {
        for (const s of this.sockets)
            s.destroy();
        await new Promise((r) => this.server.close(r));
    }
}
