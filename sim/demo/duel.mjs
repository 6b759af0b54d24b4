// One attack, two homes: the street of Doorward and the home of 2017 (sim/thief2017, a program of its own)
// get the same courier, the same jammer and the same thief, move for move. What is told of either is what
// happened there: nothing on the page is a script but the people's steps.
import { spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { Eye, Film } from "../thief2017/eye.mjs";
import { Courier, isOver } from "./courier.mjs";
import { until, sleep } from "./procs.mjs";
import { Proxy } from "./proxy.mjs";
import { root } from "./street.mjs";
import { PERSON, World } from "./world.mjs";

const CALM_MS = 350;      // the door is closed and the picture at rest: now the jammer goes on
const BUTTON_MS = 450;    // the courier presses "lock" in the app of 2017
const THIEF_MS = 3600;    // somebody tries the handles
const ENDS_MS = 15000;    // the jammer goes off
const WAITS_MS = 40000;   // a courier who is not asked to leave goes by himself
const HOST = "demo2017.localhost";

// The lock as it comes: 1.5 s after the door has closed the bolt begins to move, and needs 0.9 s.
export const DUEL_LOCK = { settle_ms: 1500, travel_ms: 900 };

export class Duel extends EventEmitter {
    constructor(street, { build, tell = () => {} }) {
        super();
        Object.assign(this, { street, build, tell });
        this.state = { stage: "setting", events: {} };
        this.readers = new Set();
        this.films = { old: new Film(), ours: new Film() };
    }
    async start() {
        const eye = path.join(this.build, "sim/thief2017/hall-eye");
        if (!existsSync(eye))
            throw new Error(`${eye} is missing: run ./dw build`);
        const file = this.street.at("world2017");
        this.old = spawn(process.execPath, [path.join(root, "sim/thief2017/main.mjs"), "--world", file, "--eye", eye],
            { stdio: ["pipe", "pipe", "inherit"] });
        const lines = createInterface(this.old.stdout);
        this.oldPort = await new Promise((resolve, reject) => {
            lines.once("line", (l) => resolve(JSON.parse(l).port));
            this.old.once("exit", () => reject(new Error("the simulator of 2017 ended")));
        });
        this.oldWorld = World.join(file);
        for (const w of [this.oldWorld, this.street.world])
            w.set("is_night", 1);
        this.eyes = [[this.films.old, file], [this.films.ours, this.street.at("world")]].map(([film, world]) => {
            const e = new Eye(eye, world);
            e.on("picture", (jpeg) => film.show(jpeg));
            return e;
        });
        this.proxy = await new Proxy(this.street.hubSite, this.street.member, (q, r, p) => this.own(q, r, p)).open(HOST);
        this.street.watch.on("story", (m, at) => this.hear(m, at));
        return this;
    }
    get link() { return this.proxy.link("/2017/"); }
    do(word) { this.old.stdin.write(`${JSON.stringify({ do: word })}\n`); }

    // ---- the page ----
    own(q, r, p) {
        const files = { "/2017/": ["2017.html", "text/html"], "/2017/2017.css": ["2017.css", "text/css"],
            "/2017/2017.js": ["2017.js", "text/javascript"], "/2017/tokens.css": ["../../../web/shared/tokens.css", "text/css"] };
        if (files[p]) {
            const [name, type] = files[p];
            r.writeHead(200, { "Content-Type": `${type}; charset=utf-8`, "Cache-Control": "no-store",
                "Content-Security-Policy": `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self' http://127.0.0.1:${this.oldPort}; frame-ancestors 'none'` });
            r.end(readFileSync(new URL(`pages/${name}`, import.meta.url), "utf8").replaceAll("{{old}}", `http://127.0.0.1:${this.oldPort}/`));
        } else if (p === "/2017/old.mjpg" || p === "/2017/ours.mjpg") {
            this.films[p.slice(6, -5)].serve(q, r);
        } else if (p === "/2017/events") {
            r.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
            this.readers.add(r);
            q.on("close", () => this.readers.delete(r));
            r.write(`data: ${JSON.stringify(this.state)}\n\n`);
        } else if (p === "/2017/press" && q.method === "POST") {
            this.press?.();
            r.writeHead(204).end();
        } else {
            return p.startsWith("/2017") ? (r.writeHead(404).end(), true) : false;
        }
        return true;
    }
    show(change) {
        Object.assign(this.state, change);
        for (const r of this.readers)
            r.write(`data: ${JSON.stringify({ ...this.state, now: this.t0 ? Math.round(performance.now() - this.t0) : null })}\n\n`);
        this.emit("state", this.state);
    }
    happened(word, at = performance.now()) {
        if (this.t0 && this.state.events[word] === undefined) {
            this.state.events[word] = Math.round(at - this.t0);
            this.show({});
        }
    }
    hear(m, at) {
        if (!this.t0 || m.past)
            return;
        if ((m.kind === "alarm" && m.word === "camera_blind") || (m.kind === "camera_state" && m.word === "blind"))
            this.happened("told", at);
        if (m.kind === "secured")
            this.happened("secured", at);
    }

    // ---- the play ----
    // One delivery in both homes, jammed when somebody presses the button while the courier is inside.
    async play() {
        const s = this.street, worlds = [this.oldWorld, s.world];
        this.t0 = null;
        this.show({ stage: "setting", events: {}, end: null });
        this.do("new");
        for (const w of worlds) {
            w.set("parcels_inside", 0);
            w.set("thief", PERSON.none);
            w.set("door_permille", 0);
        }
        this.oldWorld.set("bolt_permille", 1000);
        await s.settled();
        const job = await s.newJob(s.courier);
        const ours = new Courier(s, s.courier), theirs = new Courier({ world: this.oldWorld, o: s.o }, null);
        const both = (f) => Promise.all([ours, theirs].map(f));
        this.show({ stage: "arriving" });
        this.oldWorld.set("person", PERSON.outside);
        await ours.scan(job, job.parcels[0].barcode ?? job.parcels[0]);
        if (isOver(ours.visit))
            throw new Error(`not let in: ${ours.visit.check?.text}`);
        this.do("unlock");
        await ours.slide();
        await ours.boltBack();
        await until("the bolt of 2017", () => this.oldWorld.get("bolt_permille") === 0);
        await both((c) => c.goIn());
        await both((c) => c.drop());
        const pressed = new Promise((r) => { this.press = () => r(true); });
        this.show({ stage: "inside" });
        const isJammed = await Promise.race([pressed, sleep(WAITS_MS)]) === true;
        this.press = null;
        // A camera that this machine was too busy for has made an alarm of its own: no stage for another.
        const isSpoilt = (s.watch.state?.alarms ?? []).length > 0;
        this.show({ stage: isSpoilt ? "setting" : "leaving", isJammed });
        await both((c) => c.goOut());
        await both((c) => c.closeDoor());
        if (isSpoilt) {
            this.do("lock");
            await ours.follow(isOver, 60000);
            both((c) => c.walkAway());
            throw new Error("this machine was too busy, and its camera late; it is played anew");
        }
        const closedAt = performance.now();
        await sleep(CALM_MS);
        if (isJammed)
            await this.attack(ours, worlds, closedAt);
        else
            this.do("lock");
        both((c) => c.walkAway());
        await ours.follow(isOver, 60000);
        this.show({ stage: "over", end: { outcome: ours.visit.outcome, lies: [], parcels: worlds.map((w) => w.get("parcels_inside")) } });
        worlds.forEach((w) => w.set("thief", PERSON.none));
    }
    async attack(ours, worlds, closedAt) {
        const s = this.street;
        this.t0 = performance.now();
        s.cameraAir.jam();
        this.do("jam");
        this.show({ stage: "jammed", closed: Math.round(closedAt - this.t0), events: { jam: 0 } });
        this.tell("the Wi-Fi of both homes is jammed");
        const look = setInterval(() => {
            if (s.world.isLocked())
                this.happened("bolt");
        }, 10);
        const from = (ms) => sleep(Math.max(0, this.t0 + ms - performance.now()));
        await from(BUTTON_MS);
        this.do("lock"); // in the app of 2017 it says "locked" from here on
        this.happened("pressed");
        await from(1100);
        worlds.forEach((w) => w.set("person", PERSON.none));
        await from(THIEF_MS - 900);
        worlds.forEach((w) => w.set("thief", PERSON.outside));
        await from(THIEF_MS);
        // The same hand on both handles.
        const [old, our] = worlds.map((w) => w.tryDoor(60));
        this.happened(our ? "ours_opened" : "tried");
        if (old) {
            this.happened("opened");
            this.tell("the thief opens the door of 2017");
            await this.oldWorld.moveDoor(900, 700);
            this.oldWorld.set("thief", PERSON.doorway);
            await sleep(900);
            this.oldWorld.set("thief", PERSON.inside);
            this.happened("inside");
            await from(THIEF_MS + 5000);
            this.oldWorld.set("parcels_inside", 0);
            this.happened("taken");
            await sleep(600);
            this.oldWorld.set("thief", PERSON.doorway);
            await sleep(700);
            worlds.forEach((w) => w.set("thief", PERSON.outside));
            await this.oldWorld.moveDoor(0, 500);
            await sleep(400);
        }
        worlds.forEach((w) => w.set("thief", PERSON.none));
        await from(ENDS_MS);
        clearInterval(look);
        s.cameraAir.clear();
        this.do("clear");
        this.happened("cleared");
    }
    // Until the demo ends; after each play the button begins it anew.
    async run(isStopping) {
        while (!isStopping()) {
            this.state.end = null;
            try {
                await this.play();
            } catch (e) {
                if (isStopping())
                    return;
                this.tell(`this play did not come to its end: ${e.message}`);
                this.street.calm();
                this.do("clear");
                if (!["inside", "leaving", "jammed"].includes(this.state.stage)) { // nobody has pressed anything yet
                    await sleep(3000);
                    continue;
                }
                this.show({ stage: "over", end: { why: e.message } });
            }
            await new Promise((r) => { this.press = r; });
            this.press = null;
        }
    }
    stop() {
        this.press?.();
        this.eyes?.forEach((e) => e.close());
        this.proxy?.close();
        this.old?.stdin.end();
        this.oldWorld?.close();
    }
}
