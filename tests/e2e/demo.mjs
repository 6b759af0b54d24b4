// The demo as a person starts it, for tests in browsers; and the README's pictures.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Site } from "../../sim/demo/api.mjs";
import { Person, tokenOf } from "../../sim/demo/people.mjs";
import { pressButton } from "../../sim/demo/presence.mjs";
import { childrenOf, freePort, until } from "../../sim/demo/procs.mjs";
import { root } from "../../sim/demo/street.mjs";
import { World } from "../../sim/demo/world.mjs";
import { artefacts } from "./browser.mjs";

export const build = process.env.DW_BUILD ?? path.join(root, "build");

/** The demo as `doorward demo` starts it. Its lines are kept with the time they came. */
export class Demo {
    lines = [];
    static async start(args = []) {
        const d = new Demo();
        // Not the addresses that a person gets: another test's demo may be about to take them.
        const port = args.includes("--lan") || args.includes("--2017") ? [] : ["--port", String(await freePort())];
        const pace = args.includes("--2017") ? [] : ["--pace", "1.5"]; // nobody has to follow it with the eyes
        d.folder = mkdtempSync(path.join(os.tmpdir(), "doorward-street-"));
        d.child = spawn(path.join(build, "doorward"), ["demo", "--keep", d.folder, ...pace, ...port, ...args], { stdio: ["ignore", "pipe", "pipe"] });
        d.ended = new Promise((r) => d.child.once("exit", (code, signal) => r(code ?? signal)));
        let rest = "";
        d.child.stderr.on("data", (b) => {
            const all = (rest + b).split("\n");
            rest = all.pop();
            for (const text of all)
                d.lines.push({ at: Date.now(), text });
        });
        d.child.stdout.resume();
        if (args.includes("--2017")) {
            await d.line(/one attack, two homes: /);
        } else {
            d.homeLink = (await d.line(/household +(https?:\S+)/)).match[1];
            d.courierLink = (await d.line(/courier +(https?:\S+)/)).match[1];
            d.stage = (await d.line(/label, sticker, hall (http:\S+)\//)).match[1];
            d.url = `${new URL(d.homeLink).origin}/`;
        }
        d.world = World.look(path.join(d.folder, "world"));
        return d;
    }
    /** An owner with two passkeys who is not in a browser; and her session for one. */
    async owner(ca) {
        if (!this.person) {
            this.person = new Person(new Site({ origin: new URL(this.homeLink).origin, base: "/api", ca }));
            await this.person.join(tokenOf(this.homeLink), "Test phone");
            this.pressButton();
            await this.person.join(tokenOf((await this.person.act("add_passkey")).link), "Test key");
        }
        return this.person;
    }
    /** Somebody stands at the hub: one more passkey or owner, within five minutes. */
    pressButton() {
        pressButton(path.join(build, "libexec"), path.join(this.folder, "hub.conf"));
    }
    async cookies() {
        return [...(await this.owner()).cookies].map(([name, value]) => ({ name, value, url: this.url }));
    }
    /** The first line after `from` that fits. */
    async line(re, from = 0, ms = 60000) {
        return until(`the demo to say ${re}`, () => {
            for (let i = from; i < this.lines.length; i++) {
                const match = re.exec(this.lines[i].text);
                if (match)
                    return { ...this.lines[i], i, match };
            }
            if (this.child.exitCode !== null)
                throw new Error(`the demo ended:\n${this.lines.map((l) => l.text).join("\n")}`);
            return null;
        }, ms, 20);
    }
    pidOf(name) {
        const deep = (pid) => childrenOf(pid).flatMap((c) => [c, ...deep(c.pid)]);
        return deep(this.child.pid).find((c) => c.name === name)?.pid;
    }
    /** What it left behind goes when all was good, and is named when not. */
    async stop(isGood, t) {
        this.child.kill("SIGINT");
        const late = setTimeout(() => this.child.kill("SIGKILL"), 10000);
        const status = await this.ended;
        clearTimeout(late);
        this.world?.close();
        if (isGood)
            rmSync(this.folder, { recursive: true, force: true });
        else
            t.diagnostic(`the demo's records are in ${this.folder}; it ended with ${status} and said:\n${this.lines.slice(-60).map((l) => l.text).join("\n")}`);
        return status;
    }
}

/** Written small, side by side, and only when asked for. */
export function forReadme(name, ...pngs) {
    if (process.env.DW_UPDATE_DOCS !== "1")
        return;
    const from = pngs.map((png, i) => {
        const file = path.join(artefacts, `readme-${i}-${name}`);
        writeFileSync(file, png);
        return file;
    });
    const beside = from.length > 1 ? `${from.map((_, i) => `[${i}:v]pad=iw+24:ih:12:0:white[p${i}]`).join(";")};${from.map((_, i) => `[p${i}]`).join("")}hstack=inputs=${from.length}[all];[all]` : "[0:v]";
    const r = spawnSync("ffmpeg", ["-v", "error", "-y", ...from.flatMap((f) => ["-i", f]), "-filter_complex",
        `${beside}split[a][b];[a]palettegen=stats_mode=full[p];[b][p]paletteuse=dither=none`, path.join(root, "docs/img", name)]);
    assert.equal(r.status, 0, String(r.stderr));
}
