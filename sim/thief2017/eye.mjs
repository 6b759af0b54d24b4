// Pictures of a simulated hall for browsers: hall-eye (eye.c) draws them, an <img> shows them as they come.
// Such an image has no age: when nothing comes any more, the last picture stays. That is the point of it.
import { spawn } from "node:child_process";
import { EventEmitter } from "node:events";

export class Eye extends EventEmitter {
    constructor(program, world, { width = 640, height = 400, fps = 12 } = {}) {
        super();
        this.child = spawn(program, [world, String(width), String(height), String(fps)],
            { stdio: ["ignore", "pipe", "inherit"] });
        this.child.on("error", (e) => this.emit("broken", e));
        let rest = Buffer.alloc(0);
        this.child.stdout.on("data", (b) => {
            rest = Buffer.concat([rest, b]);
            while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE(0)) {
                const end = 4 + rest.readUInt32BE(0);
                this.emit("picture", rest.subarray(4, end));
                rest = rest.subarray(end);
            }
        });
    }
    close() { this.child.kill("SIGTERM"); }
}

const RIM = "picture";
const WAITING_MAX = 1 << 20; // of one reader; who is slower misses pictures

export class Film {
    readers = new Set();
    last = null;
    serve(q, r) {
        r.writeHead(200, { "Content-Type": `multipart/x-mixed-replace; boundary=${RIM}`, "Cache-Control": "no-store" });
        r.write(`--${RIM}\r\n`);
        this.readers.add(r);
        q.on("close", () => this.readers.delete(r));
        if (this.last)
            this.put(r, this.last);
    }
    // The next rim goes out at once: a browser shows a picture when it sees where it ends.
    put(r, jpeg) {
        if (r.writableLength > WAITING_MAX)
            return;
        r.write(`Content-Type: image/jpeg\r\nContent-Length: ${jpeg.length}\r\n\r\n`);
        r.write(jpeg);
        r.write(`\r\n--${RIM}\r\n`);
    }
    show(jpeg) {
        this.last = Buffer.from(jpeg);
        for (const r of this.readers)
            this.put(r, this.last);
    }
}
