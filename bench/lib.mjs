// What the benches of the whole house share: a street, honest visits, quantiles, lines of JSON.
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Courier, isOver } from "../sim/demo/courier.mjs";
import { until } from "../sim/demo/procs.mjs";
import { Street, root } from "../sim/demo/street.mjs";

export const build = process.env.DW_BUILD ?? path.join(root, "build");

export function line(name, value, unit, limit, more = {}) {
    const o = { name, value, unit, limit, ...more };
    if (limit !== null && limit !== undefined && value !== null)
        o.ratio = Number((value / limit).toFixed(3));
    process.stdout.write(`${JSON.stringify(o)}\n`);
}

export function quantile(list, q) {
    if (!list.length)
        return null;
    const s = [...list].sort((a, b) => a - b);
    return s[Math.min(s.length - 1, Math.max(0, Math.ceil(q * s.length) - 1))];
}

export async function withStreet(options, work) {
    const folder = mkdtempSync(path.join(os.tmpdir(), "doorward-bench-"));
    const street = new Street({ build, folder, ...options });
    try {
        await street.start();
        return await work(street);
    } finally {
        await street.stop().catch(() => {});
        rmSync(folder, { recursive: true, force: true });
    }
}

// One honest visit without the walking; every time is milliseconds of this process's clock.
export async function quickVisit(street, { inside } = {}) {
    const job = await street.newJob(street.courier);
    const c = new Courier(street, street.courier);
    const from = street.watch.story.length;
    await c.scan(job, job.parcels[0].barcode ?? job.parcels[0]);
    if (c.visit.state !== "ready")
        throw new Error(`refused: ${c.visit.check?.code}`);
    await c.slide();
    await c.boltBack();
    await street.world.moveDoor(600, 100);
    await until("inside", () => street.watch.state?.visit_state === "inside", 8000, 5);
    if (inside)
        await inside(c);
    await c.s.world.moveDoor(0, 100);
    c.closedAt = performance.now();
    await c.follow(isOver, 30000);
    const heard = street.watch.story.slice(from);
    const at = (kind, word) => heard.find((m) => m.kind === kind && (!word || m.word === word))?.heard;
    return { courier: c, at, outcome: c.visit.outcome, heard };
}
