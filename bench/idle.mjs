// The hub at rest, without a camera: memory, CPU, time to ready.
import { readFileSync } from "node:fs";
import { line, quantile, withStreet } from "./lib.mjs";

function pssKb(pid) {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0);
}
function ticks(pid) {
    const f = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
    return Number(f[11]) + Number(f[12]);
}

const SECONDS = 20;
await withStreet({}, async (street) => {
    const ready = [];
    for (let i = 0; i < 5; i++) {
        await street.procs.guard.end();
        street.watch.state = null;
        const t = performance.now();
        await street.bootHub();
        ready.push(performance.now() - t);
    }
    street.procs.camera.kill();
    await street.procs.camera.exited;
    street.watch.close(); // no screen looks
    await new Promise((r) => setTimeout(r, 1500));
    const pids = [street.procs.guard.pid, ...street.hubPids().map((c) => c.pid)];
    const before = pids.map(ticks);
    await new Promise((r) => setTimeout(r, SECONDS * 1000));
    const used = pids.reduce((n, p, i) => n + ticks(p) - before[i], 0) / 100;
    const each = Object.fromEntries(street.hubPids().map((c) => [c.name, Math.round(pssKb(c.pid) / 102.4) / 10]));
    line("hub start -> ready and answering, p50", Math.round(quantile(ready, 0.5)), "ms", 1000, { runs: ready.length });
    line("hub idle, no camera: PSS of all processes", Math.round(pids.reduce((n, p) => n + pssKb(p), 0) / 102.4) / 10, "MB", 40, { each_mb: each });
    line("hub idle, no camera: CPU of a core", Number((100 * used / SECONDS).toFixed(2)), "%", 1, {});
});
