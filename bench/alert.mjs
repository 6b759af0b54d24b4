// From an alarm on the guard's socket to the push handed over, by TLS, to a push service on this machine: the first one, for
// which the connection is made, and those after it; to one phone and to eight.
import { spawn, spawnSync } from "node:child_process";
import { createECDH, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http2 from "node:http2";
import os from "node:os";
import path from "node:path";
import { until } from "../sim/demo/procs.mjs";
import { build, line, quantile } from "./lib.mjs";

const ALARMS = 14; // each counts once in a run: the same alarm is told again after 10 s only
const RUNS = 5;

const folder = mkdtempSync(path.join(os.tmpdir(), "doorward-bench-"));
const file = (name) => path.join(folder, name);
spawnSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file("key"), "-out", file("cert"),
    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], { stdio: "ignore" });

let heard = () => {};
const server = http2.createSecureServer({ allowHTTP1: true, key: readFileSync(file("key")), cert: readFileSync(file("cert")) }, (req, res) => {
    req.resume();
    req.on("end", () => {
        heard(performance.now());
        res.writeHead(201);
        res.end();
    });
});
const sessions = new Set();
server.on("session", (s) => { sessions.add(s); s.on("close", () => sessions.delete(s)); });
await new Promise((r) => server.listen(0, "127.0.0.1", r));
const origin = `https://127.0.0.1:${server.address().port}`;

async function run(places, first, later) {
    const state = mkdtempSync(file("state-"));
    writeFileSync(file("conf"), `alert.state = ${state}\nalert.own = ${origin}\nalert.ca = ${file("cert")}\nalert.subject = mailto:bench@example.org\n`);
    const rig = spawn(path.join(build, "tests/hub/alert-rig"), [path.join(build, "src/hub/alert/doorward-hub-alert"), file("conf")], { stdio: ["pipe", "pipe", "ignore"] });
    const over = new Promise((r) => rig.on("exit", r));
    let said = "";
    rig.stdout.on("data", (d) => (said += d));
    await until("the program", () => said.includes("key "), 10000);
    for (let i = 0; i < places; i++) {
        const e = createECDH("prime256v1");
        rig.stdin.write(`set 1 1 ${1 + i} 0 ${origin}/p${i} ${e.generateKeys("hex")} ${randomBytes(16).toString("hex")}\n`);
    }
    rig.stdin.write("state\n");
    await until("the places", () => { try { return readFileSync(path.join(state, "places"), "utf8").trim().split("\n").length === places + 1; } catch { return false; } }, 10000, 5);
    for (let i = 0; i < ALARMS; i++) {
        const all = new Promise((r) => {
            let count = 0;
            heard = (at) => { if (++count === places) r(at); };
        });
        const from = performance.now();
        rig.stdin.write(`story alarm ${i} 0 00000000000000ab\n`);
        (i === 0 ? first : later).push(await all - from);
    }
    rig.stdin.write("quit\n");
    await over;
}

try {
    for (const places of [1, 8]) {
        const first = [], later = [];
        for (let i = 0; i < RUNS; i++)
            await run(places, first, later);
        const to = places === 1 ? "one phone" : `${places} phones, the last`;
        line(`alarm -> push handed over, ${to}, first connection (TLS), worst`, Math.max(...first), "ms", 150, { runs: first.length });
        line(`alarm -> push handed over, ${to}, p50`, quantile(later, 0.5), "ms", 150, { runs: later.length });
        line(`alarm -> push handed over, ${to}, p99`, quantile(later, 0.99), "ms", 150, { runs: later.length });
    }
} finally {
    for (const s of sessions)
        s.destroy();
    server.close();
    rmSync(folder, { recursive: true, force: true });
}
