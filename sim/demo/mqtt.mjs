// As much MQTT 3.1.1 as a stranger on the broker needs: connect, subscribe, publish. For attacks in the demo and the tests.
import net from "node:net";
import { until } from "./procs.mjs";

const str = (s) => {
    const b = Buffer.from(s);
    return Buffer.concat([Buffer.from([b.length >> 8, b.length & 255]), b]);
};
function packet(head, body) {
    const len = [];
    let n = body.length;
    do {
        len.push((n % 128) | (n > 127 ? 128 : 0));
        n = Math.floor(n / 128);
    } while (n > 0);
    return Buffer.concat([Buffer.from([head, ...len]), body]);
}

export class Mqtt {
    constructor(port, name) {
        Object.assign(this, { port, name, heard: [], rest: Buffer.alloc(0), acks: 0, id: 0 });
    }
    async open(topic) {
        this.socket = net.connect(this.port, "127.0.0.1");
        this.socket.on("error", () => {});
        this.socket.on("data", (b) => this.read(b));
        this.socket.write(packet(0x10, Buffer.concat([str("MQTT"), Buffer.from([4, 2, 0, 0]), str(this.name)])));
        await until("CONNACK", () => this.isUp);
        this.socket.write(packet(0x82, Buffer.concat([Buffer.from([0, 1]), str(topic), Buffer.from([1])])));
        await until("SUBACK", () => this.isSubscribed);
        return this;
    }
    read(bytes) {
        this.rest = Buffer.concat([this.rest, bytes]);
        for (;;) {
            let len = 0, at = 1, more = true;
            for (let shift = 1; more && at < this.rest.length && at < 5; at++, shift *= 128) {
                len += (this.rest[at] & 127) * shift;
                more = this.rest[at] > 127;
            }
            if (more || this.rest.length < at + len)
                return;
            const head = this.rest[0], body = this.rest.subarray(at, at + len);
            this.rest = this.rest.subarray(at + len);
            if (head >> 4 === 2)
                this.isUp = true;
            else if (head >> 4 === 9)
                this.isSubscribed = true;
            else if (head >> 4 === 4)
                this.acks++;
            else if (head >> 4 === 3)
                this.take(head, Buffer.from(body));
        }
    }
    take(head, body) {
        const n = body.readUInt16BE(0), topic = body.toString("utf8", 2, 2 + n), qos = (head >> 1) & 3;
        if (qos)
            this.socket.write(Buffer.concat([Buffer.from([0x40, 2]), body.subarray(2 + n, 4 + n)]));
        const message = { topic, payload: body.subarray(2 + n + (qos ? 2 : 0)) };
        this.heard.push(message);
        this.onMessage?.(message);
    }
    // QoS 1; `done` waits until the broker has it.
    publish(topic, payload) {
        this.id = (this.id % 65535) + 1;
        this.socket.write(packet(0x32, Buffer.concat([str(topic), Buffer.from([this.id >> 8, this.id & 255]), payload])));
        this.sent = (this.sent ?? 0) + 1;
    }
    async done() { await until("the broker's acknowledgements", () => this.acks >= (this.sent ?? 0)); }
    close() { this.socket?.destroy(); }
}
