// The simulated home as sim/world.h lays it out: one small file that the lock and the camera map.
import { openSync, ftruncateSync, readSync, writeSync, closeSync } from "node:fs";

const MAGIC = 0x44575731;
const FIELDS = ["door_permille", "person", "thief", "parcels_inside", "is_night", "lens", "handle_inside",
    "key_outside", "bolt_blocked", "battery_pct", "contact_broken", "camera_power", "lock_power",
    "bolt_permille", "buzzer"];
export const PERSON = { none: 0, outside: 1, doorway: 2, inside: 3 };
export const LENS = { clear: 0, frozen: 1, covered: 2 };

export class World {
    constructor(path) {
        this.path = path;
        this.fd = openSync(path, "w+", 0o600);
        ftruncateSync(this.fd, 8 + 4 * FIELDS.length);
        this.set("bolt_permille", 1000);
        this.set("battery_pct", 87);
        this.set("camera_power", 1);
        this.set("lock_power", 1);
        const head = Buffer.alloc(8);
        head.writeUInt32LE(MAGIC);
        writeSync(this.fd, head, 0, 8, 0);
    }
    // A look at a world that somebody else keeps: nothing is written.
    static look(path) {
        const w = Object.create(World.prototype);
        w.path = path;
        w.fd = openSync(path, "r");
        return w;
    }
    // A world that another program has made, to move things in it too.
    static join(path) {
        const w = Object.create(World.prototype);
        w.path = path;
        w.fd = openSync(path, "r+");
        return w;
    }
    get(name) {
        const b = Buffer.alloc(4);
        readSync(this.fd, b, 0, 4, 8 + 4 * FIELDS.indexOf(name));
        return b.readInt32LE();
    }
    set(name, value) {
        const b = Buffer.alloc(4);
        b.writeInt32LE(value);
        writeSync(this.fd, b, 0, 4, 8 + 4 * FIELDS.indexOf(name));
    }
    // What is true, whoever says what.
    isLocked() { return this.get("bolt_permille") >= 950 && this.get("door_permille") <= 20; }
    isDoorOpen() { return this.get("door_permille") > 20; }
    // A leaf cannot leave the frame while the bolt stands in the way.
    tryDoor(permille) {
        if (permille > 0 && this.get("door_permille") === 0 && this.get("bolt_permille") > 0)
            return false;
        this.set("door_permille", permille);
        return true;
    }
    async moveDoor(to, ms = 500) {
        const from = this.get("door_permille"), steps = Math.max(1, Math.round(ms / 25));
        for (let i = 1; i <= steps; i++) {
            if (!this.tryDoor(Math.round(from + (to - from) * i / steps)))
                return false;
            await new Promise((r) => setTimeout(r, 25));
        }
        return true;
    }
    close() {
        this.isOver = true;
        closeSync(this.fd);
    }
}
