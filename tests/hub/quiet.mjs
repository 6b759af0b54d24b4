// A street without camera and lock, for what is between hub and service: no door is asked about.
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { makeKey } from "../../sim/demo/keys.mjs";
import { freePort } from "../../sim/demo/procs.mjs";
import { Street } from "../../sim/demo/street.mjs";

const nobody = async () => ({ port: await freePort(), clear() {}, close() {} });

export class Quiet extends Street {
    constructor(name) {
        super({ build: process.env.DW_BUILD, folder: mkdtempSync(path.join(process.env.TMPDIR ?? os.tmpdir(), `dw-${name}-`)) });
    }
    async startCamera() {
        makeKey(this.at("camera.key"));
        this.cameraAir = await nobody();
    }
    async startLock() {
        makeKey(this.at("lock.key"));
        this.lockAir = await nobody();
    }
    isReady() { return true; }
    async stop() {
        await super.stop();
        rmSync(this.folder, { recursive: true, force: true });
    }
}
