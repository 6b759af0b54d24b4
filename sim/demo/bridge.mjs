// A Zigbee lock instead of the reference lock: the real Zigbee2MQTT of tests/bridges/zigbee with its own
// simulated house. The demo's world and that house are kept the same: hands move the demo's door, the
// house moves the bolt.
import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { sleep } from "./procs.mjs";

export class Bridge {
    constructor(root, logFile, world, lock) {
        this.folder = path.join(root, "tests/bridges/zigbee");
        this.logFile = logFile;
        this.world = world;
        this.lock = lock; // "yale" or "kwikset"
    }
    async start() {
        this.child = spawn("node", ["bridge.mjs"], { cwd: this.folder, stdio: ["pipe", "pipe", "pipe"],
            env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } });
        this.child.stderr.pipe(createWriteStream(this.logFile, { flags: "a" }));
        this.over = new Promise((r) => this.child.once("exit", r));
        const line = await new Promise((resolve, reject) => {
            createInterface(this.child.stdout).once("line", resolve);
            this.child.once("exit", () => reject(new Error(`the Zigbee bridge ended; see ${this.logFile}`)));
        });
        Object.assign(this, { about: JSON.parse(line) });
        this.mqttPort = this.about.mqtt_port;
        this.isOn = true;
        this.sync();
    }
    async call(what) {
        const r = await fetch(`http://127.0.0.1:${this.about.control_port}/${what}`);
        return r.json().catch(() => null);
    }
    async sync() {
        let open = false;
        while (this.isOn) {
            const want = this.world.get("door_permille") > 20;
            if (want !== open) {
                await this.call(want ? "door/open" : "door/close").catch(() => {});
                open = want;
            }
            const s = await this.call("world/state").catch(() => null);
            const bolt = s?.[this.lock]?.bolt;
            if (bolt)
                this.world.set("bolt_permille", bolt === "thrown" ? 1000 : bolt === "retracted" ? 0 : 500);
            await sleep(30);
        }
    }
    settings(port) {
        const d = this.about.devices;
        return `broker=127.0.0.1:${port} base=${this.about.base} device=${d[this.lock]} contact=${d.contact}`;
    }
    async stop() {
        this.isOn = false;
        this.child.stdin.end();
        const timer = setTimeout(() => this.child.kill("SIGTERM"), 3000);
        await this.over;
        clearTimeout(timer);
    }
}
