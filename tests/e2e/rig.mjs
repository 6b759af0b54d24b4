// What the tests of the whole street share: a street in a folder of its own that is always stopped again,
// the demo as a user runs it, and a small list of named checks.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Street, root } from "../../sim/demo/street.mjs";

export const build = process.env.DW_BUILD ?? path.join(root, "build");
// What a busy machine may add to a bound. The bounds themselves are measured on a quiet one (./dw bench).
export const NOISE_MS = 1000;

// [I42] What is on the disks of home, service and agency after all that.
function keysAreApart(folder) {
    const { status, stdout } = spawnSync(path.join(root, "tools/check_keys"), ["--state", folder], { encoding: "utf8" });
    assert.equal(status, 0, `check_keys: ${stdout}`);
    assert.ok(Number(/^keys: (\d+)/.exec(stdout)?.[1]) >= 5, `too few keys were found: ${stdout}`);
}

export async function withStreet(options, play) {
    const folder = mkdtempSync(path.join(os.tmpdir(), "doorward-test-"));
    const street = new Street({ build, folder, ...options });
    let isGood = false;
    try {
        options.prepare?.(folder);
        await street.start();
        await play(street);
        keysAreApart(folder);
        isGood = true;
    } finally {
        await street.stop().catch((e) => process.stderr.write(`stop: ${e.message}\n`));
        options.clean?.(folder);
        if (isGood)
            rmSync(folder, { recursive: true, force: true });
        else
            process.stderr.write(`logs and records are kept in ${folder}\n`);
    }
}

// build/doorward demo ARGS: { status, last (its last line, parsed), stdout, stderr }.
export async function demo(args, ms = 90000) {
    const child = spawn(path.join(build, "doorward"), ["demo", ...args], { stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "", stderr = "";
    child.stdout.on("data", (b) => { stdout += b; });
    child.stderr.on("data", (b) => { stderr += b; });
    const timer = setTimeout(() => child.kill("SIGTERM"), ms);
    const status = await new Promise((r) => child.once("close", (code, signal) => r(code ?? signal)));
    clearTimeout(timer);
    let last = null;
    try {
        last = JSON.parse(stdout.trimEnd().split("\n").at(-1));
    } catch { /* the caller says what was there instead */ }
    return { status, last, stdout, stderr };
}

// Runs the named cases one after the other; all of them, also after a failure. Ends the process.
export async function runCases(cases) {
    let failed = 0;
    for (const [name, play] of cases) {
        const began = Date.now();
        try {
            await play();
            process.stdout.write(`ok    ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)\n`);
        } catch (e) {
            failed++;
            process.stdout.write(`FAIL  ${name}\n      ${String(e.stack ?? e).replaceAll("\n", "\n      ")}\n`);
        }
    }
    // What a failed case may have left running must not keep the test alive.
    setTimeout(() => process.exit(failed ? 1 : 0), 500).unref();
    process.exitCode = failed ? 1 : 0;
}

// Numbers between 0 and 1 that a printed seed repeats (mulberry32).
export function randomFrom(seed) {
    let a = seed >>> 0;
    return () => {
        a = (a + 0x6d2b79f5) >>> 0;
        let t = Math.imul(a ^ (a >>> 15), a | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
}
export function seedOf() {
    const seed = process.env.DW_SEED ? Number(process.env.DW_SEED) : Math.floor(Math.random() * 0xffffffff);
    process.stdout.write(`seed  ${seed} (DW_SEED=${seed} plays the same again)\n`);
    return seed;
}
export { assert };
