// Starting and ending processes by their own id, and waiting for files and ports instead of sleeping.
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { createWriteStream, existsSync, readFileSync, watch } from "node:fs";
import net from "node:net";
import path from "node:path";

export const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

export async function until(what, test, ms = 15000, step = 20) {
    const end = Date.now() + ms;
    for (;;) {
        const v = await test();
        if (v)
            return v;
        if (Date.now() > end)
            throw new Error(`waited ${ms} ms for ${what}`);
        await sleep(step);
    }
}

const listens = (socket, begin) => new Promise((r) => {
    socket.once("error", () => r(false));
    socket.once("listening", () => r(true));
    begin();
});

// A port for somebody who is told its number before taking it. The system gives none of these by itself, and of several
// streets side by side one alone has the datagram port of the same number, which it keeps to its end.
export async function freePort() {
    for (let tries = 0; tries < 1000; tries++) {
        const port = 20000 + randomInt(12000), claim = createSocket("udp4"), s = net.createServer();
        if (await listens(claim, () => claim.bind(port, "127.0.0.1"))) {
            claim.unref();
            if (await listens(s, () => s.listen(port, "127.0.0.1"))) {
                await new Promise((r) => s.close(r));
                return port;
            }
        }
    }
    throw new Error("no port is free");
}

export async function portFrom(file, ms = 15000) {
    return until(`${path.basename(file)}`, () => existsSync(file) && Number(readFileSync(file, "utf8").trim()), ms);
}

export class Proc {
    constructor(name, command, args, logFile, env = {}) {
        this.name = name;
        this.logFile = logFile;
        this.log = createWriteStream(logFile, { flags: "a" });
        this.child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
        this.child.stdout.pipe(this.log, { end: false });
        this.child.stderr.pipe(this.log, { end: false });
        this.exited = new Promise((r) => this.child.once("exit", (code, signal) => {
            this.isOver = true;
            r({ code, signal });
        }));
        this.child.once("error", (e) => { this.isOver = true; this.log.write(`${e}\n`); });
    }
    get pid() { return this.child.pid; }
    kill(signal = "SIGKILL") {
        if (!this.isOver)
            this.child.kill(signal);
    }
    async end(ms = 3000) {
        if (this.isOver)
            return;
        this.kill("SIGTERM");
        const timer = setTimeout(() => this.kill("SIGKILL"), ms);
        await this.exited;
        clearTimeout(timer);
    }
}

// The children of a process, read from /proc: name -> pid (comm is cut at 15 characters).
export function childrenOf(pid) {
    const found = [];
    try {
        for (const t of readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean))
            found.push({ pid: Number(t), name: readFileSync(`/proc/${t}/comm`, "utf8").trim() });
    } catch { /* it ended meanwhile */ }
    return found;
}
