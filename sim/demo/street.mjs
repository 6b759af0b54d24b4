// The street: every program of Doorward, real, on loopback, with the simulated home between them.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Air } from "./air.mjs";
import { Api, Site } from "./api.mjs";
import { Key, shownGrant, thumbOf } from "./authority.mjs";
import { makeKey } from "./keys.mjs";
import { Liar } from "./liar.mjs";
import { Person, tokenOf } from "./people.mjs";
import { Proc, childrenOf, freePort, portFrom, sleep, until } from "./procs.mjs";
import { Watch } from "./watch.mjs";
import { World } from "./world.mjs";

// What the demo's household gives the agency: any hour of the week, so that the demo plays at any.
export const KEY_OF_ALL_WEEK = { windows: [{ from: 0, minutes: 10080 }], days: 30, uses: 1000, per_day: 200, dwell_ms: 180000 };

const here = path.dirname(fileURLToPath(import.meta.url));
export const root = path.resolve(here, "../..");

export class Street {
    // options: build (folder with libexec), folder, params (core parameters), lock, camera, port, progress(text),
    // lan: { home, service } as Site takes them, { front }: the hub's settings for it
    constructor(options) {
        this.o = options;
        this.folder = options.folder;
        this.libexec = path.join(options.build, "libexec");
        this.procs = {};
        this.lock = options.lock ?? "reference";
        this.camera = options.camera ?? "k2";
    }
    at(...parts) { return path.join(this.folder, ...parts); }
    conf(name, settings) {
        const text = Object.entries(settings).map(([k, v]) => `${k} = ${v}\n`).join("");
        writeFileSync(this.at(`${name}.conf`), text, { mode: 0o600 });
        return this.at(`${name}.conf`);
    }
    exe(name) {
        const exe = path.join(this.libexec, `doorward-${name}`);
        if (!existsSync(exe))
            throw new Error(`${exe} is missing: run ./dw build`);
        return exe;
    }
    run(name, args = [], as = name, env = {}) {
        const p = new Proc(as, this.exe(name), args, this.at("log", `${as}.log`), env);
        this.procs[as] = p;
        return p;
    }
    say(text) { this.o.progress?.(text); }

    async start() {
        for (const d of ["log", "hub", "front", "lock", "camera", "recordings", "service"])
            mkdirSync(this.at(d), { recursive: true, mode: 0o700 });
        for (const who of ["hub", "lock", "camera"])
            makeKey(this.at(`${who}.key`));
        copyFileSync(this.at("hub.key"), this.at("hub/hub.key"));
        chmodSync(this.at("hub/hub.key"), 0o600);
        this.world = new World(this.at("world"));

        this.say("broker");
        await this.startBroker();
        this.say("service");
        await this.startService();
        this.say("camera");
        await this.startCamera();
        this.say("lock");
        await this.startLock();
        this.say("hub");
        await this.startHub();
        this.say("people and parcels");
        await this.settleIn();
        return this;
    }
    async startBroker() {
        this.brokerPort = await freePort();
        writeFileSync(this.at("mosquitto.conf"),
            `listener ${this.brokerPort} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n`);
        await this.launchBroker();
        this.wan = new Air("wan", { host: "127.0.0.1", port: this.brokerPort });
        await this.wan.open();
    }
    async launchBroker() {
        this.procs.broker = new Proc("broker", "mosquitto", ["-c", this.at("mosquitto.conf")],
            this.at("log/broker.log"), { PATH: `${process.env.PATH}:/usr/sbin` });
        await until("the broker", () => portOpen(this.brokerPort));
    }
    async startService() {
        this.servicePort = this.o.servicePort ?? await freePort();
        this.serviceSite = new Site({ origin: `http://service.localhost:${this.servicePort}`, ...this.o.lan?.service, base: "/v1" });
        const conf = this.conf("service", {
            listen: `127.0.0.1:${this.servicePort}`, origin: this.serviceSite.origin,
            port_file: this.at("service.port"),
            database: this.at("service/service.sqlite"),
            key_file: this.at("service.key"), admin_token_file: this.at("admin.token"),
            broker: `127.0.0.1:${this.brokerPort}` });
        this.run("service", ["--config", conf]);
        await portFrom(this.at("service.port"));
        await until("the admin's token", () => existsSync(this.at("admin.token")));
        this.admin = new Api(this.serviceSite, readFileSync(this.at("admin.token"), "utf8").trim());
        await until("the service", () => this.admin.get("/v1/health").then(() => true, () => false));
    }
    async startCamera() {
        if (this.camera !== "k2")
            return this.startRtspCamera();
        const conf = this.conf("camera", {
            listen: `127.0.0.1:${this.cameraPort ?? 0}`, port_file: this.at("camera.port"),
            key_file: this.at("camera.key"), hub_key_file: this.at("hub.key.pub"), state: this.at("camera"),
            source: "hall", world: this.at("world"), ...this.o.cameraSettings });
        rmSync(this.at("camera.port"), { force: true });
        this.run("camera", ["--config", conf]);
        this.cameraPort = await portFrom(this.at("camera.port"));
        if (!this.cameraAir) {
            this.cameraAir = new Air("camera", { host: "127.0.0.1", port: this.cameraPort });
            await this.cameraAir.open();
        }
    }
    // The camera's key is in other hands: the same device, as it seems, begins a new boot (liar.mjs).
    async corruptCamera() {
        const count = Number(readFileSync(this.at("camera/boot-count"), "utf8")) + 1;
        writeFileSync(this.at("camera/boot-count"), `${count}\n`, { mode: 0o600 });
        this.liar = await new Liar({ device: Key.fromFile(this.at("camera.key")), hub: Key.fromFile(this.at("hub.key")),
            target: { host: "127.0.0.1", port: this.cameraPort }, boot: count }).open();
        this.cameraAir.lead(this.liar.port);
        await until("some frames on the tape", () => this.liar.tape.length > 40, 8000);
        await until("the camera to be live", () => this.watch.state?.camera === "live" && (this.watch.state.blind_ms ?? 0) < 500, 15000);
    }
    // Taken back: the honest program starts on it again.
    async mendCamera() {
        this.liar?.close();
        this.liar = null;
        await this.procs.camera.end();
        await this.startCamera();
        this.cameraAir.lead(this.cameraPort);
    }
    // An ordinary camera: a real RTSP server that signs nothing.
    async startRtspCamera() {
        const exe = path.join(this.o.build, "tests/media/test_rtsp_server");
        if (!existsSync(exe))
            throw new Error(`${exe} is missing: it is built with libgstrtspserver-1.0-dev`);
        this.procs.camera = new Proc("rtsp", exe, [String(this.cameraPort ?? 0)], this.at("log/rtsp.log"));
        const said = () => existsSync(this.at("log/rtsp.log")) &&
            /^port (\d+)$/m.exec(readFileSync(this.at("log/rtsp.log"), "utf8"))?.[1];
        this.cameraPort = await until("the RTSP server", () => Number(said()));
    }
    async startLock() {
        if (this.lock !== "reference")
            return this.startBridge();
        const conf = this.conf("lock", {
            listen: `127.0.0.1:${this.lockPort ?? 0}`, port_file: this.at("lock.port"),
            key_file: this.at("lock.key"), hub_key_file: this.at("hub.key.pub"), state: this.at("lock"),
            world: this.at("world"), travel_ms: 250, settle_ms: 400, ...this.o.lockSettings });
        rmSync(this.at("lock.port"), { force: true });
        this.run("lock", ["--config", conf]);
        this.lockPort = await portFrom(this.at("lock.port"));
        if (!this.lockAir) {
            this.lockAir = new Air("lock", { host: "127.0.0.1", port: this.lockPort });
            await this.lockAir.open();
        }
        return undefined;
    }
    async startBridge() {
        const { Bridge } = await import("./bridge.mjs");
        this.bridge = new Bridge(root, this.at("log/bridge.log"), this.world, this.lock);
        await this.bridge.start();
        this.lockAir = new Air("lock", { host: "127.0.0.1", port: this.bridge.mqttPort });
        await this.lockAir.open();
    }
    async startHub() {
        this.pairing = execFileSync(this.exe("guard"), ["--pairing-code"], { encoding: "utf8" }).trim();
        this.watchPort ??= this.o.port ?? await freePort();
        this.hubSite = new Site({ origin: `http://home1.localhost:${this.watchPort}`, ...this.o.lan?.home, base: "/api" });
        const settings = {
            state: this.at("hub"), "record.folder": this.at("recordings"), zone: "Europe/Amsterdam",
            door_1: "Front door", trust_clock: "yes", pairing_code: this.pairing, ready_file: this.at("hub/ready"),
            "front.listen": `127.0.0.1:${this.watchPort}`, "front.drill_socket": this.at("drill.sock"),
            "front.origin": this.hubSite.origin, "front.state": this.at("front"),
            "link.broker": `127.0.0.1:${this.wan.port}`, grant_wait_ms: 0, ...this.o.lan?.front, ...this.o.params };
        if (this.camera === "k2") {
            settings.camera_key = this.at("camera.key.pub");
            settings["camera.class"] = "k2";
            settings["camera.address"] = `127.0.0.1:${this.cameraAir.port}`;
            settings["record.trust_system_clock"] = "yes";
        } else {
            settings["camera.class"] = "k0";
            settings["rtsp.url"] = `rtsp://127.0.0.1:${this.cameraPort}/cam`;
        }
        if (this.lock === "reference") {
            settings.lock_key = this.at("lock.key.pub");
            settings["lock.adapter"] = "reference";
            settings["lock.settings"] = `address=127.0.0.1:${this.lockAir.port}`;
        } else {
            settings["lock.adapter"] = "zigbee2mqtt";
            settings["lock.settings"] = this.bridge.settings(this.lockAir.port);
        }
        this.hubSettings = settings;
        this.hubConf = this.conf("hub", settings);
        await this.bootHub();
    }
    async bootHub() {
        rmSync(this.at("hub/ready"), { force: true });
        this.bootedAt = performance.now();
        this.run("guard", ["--config", this.hubConf, ...(this.o.verbose ? ["--verbose"] : [])], "guard", this.hubEnv);
        await until("the hub", () => existsSync(this.at("hub/ready")) || this.procs.guard.isOver, 20000);
        if (this.procs.guard.isOver)
            throw new Error(`the hub did not start; see ${this.at("log/guard.log")}`);
        if (!this.watch) {
            await this.moveIn();
            this.watch = new Watch(this.hubSite, this.member);
            this.watch.open();
        }
        await until("the watch socket", () => this.watch.state);
    }
    // The first owner: with the link that the hub leaves for whoever sets it up, and two passkeys.
    async moveIn() {
        const person = new Person(this.hubSite);
        await until("the invitation of the first owner", () => existsSync(this.at("hub/first-owner")), 5000);
        const token = readFileSync(this.at("hub/first-owner"), "utf8").trim();
        this.recoveryCode = (await person.join(tokenOf(token), "Alex's phone", "Alex")).recovery_code;
        const { link } = await person.act("add_passkey");
        await person.join(tokenOf(link), "Alex's key");
        this.member = person;
    }
    // The home, an agency, its courier, and the key that the household gives.
    async settleIn() {
        this.home = await this.admin.post("/v1/homes", { name: "Oak Lane 7", pairing_code: this.pairing });
        await until("the pairing", async () =>
            (await this.admin.get(`/v1/homes/${this.home.id}`)).state === "enrolled", 15000, 50);
        this.owner = new Api(this.serviceSite, this.home.token);
        const agency = await this.startAgency("Acme Parcels");
        this.agencyId = agency.id;
        this.agency = agency.api;
        this.agencyKey = agency.key;
        await this.introduced(agency);
        this.grant = await this.giveKey(agency);
        this.say("Stewart, the courier, makes a passkey on the own phone");
        this.courier = await this.newVisitor("Stewart");
        this.doorCode = (await this.owner.get(`/v1/homes/${this.home.id}`)).doors[0].code;
        // The hub is ready for visitors when camera and lock have been heard.
        await until("the camera and the lock", () => this.isReady(), 20000);
    }
    // An agency that hosts with the operator: a key of its own, and a process of its own that signs with it.
    async startAgency(name, as = "agency", { hosted = true } = {}) {
        const file = (what) => this.at(`${as}.${what}`);
        const key = execFileSync(this.exe("agency"), ["key", file("key")], { encoding: "utf8" }).trim();
        const { id, token } = await this.admin.post("/v1/agencies", { name, key, hosted });
        writeFileSync(file("token"), token, { mode: 0o600 });
        this.run("agency", ["run", "--config", this.conf(as, { service: `http://127.0.0.1:${this.servicePort}`, agency: id, name,
            state: file("state"), token_file: file("token"), key_file: file("key"), origin: this.serviceSite.origin, hosted: hosted ? "yes" : "no" })], as);
        this.say(`${name} has a key of its own and signs what it plans in a process of its own${hosted ? " (hosted)" : ""}`);
        return { id, name, key, hosted, api: new Api(this.serviceSite, token) };
    }
    // The agency asks for a key; the household sees a card, and nothing else follows.
    async introduced(agency) {
        await agency.api.post(`/v1/homes/${this.home.id}/introductions`);
        await until("the agency's card at the hub", async () =>
            (await this.member.get("/api/grants")).agencies.some((a) => a.id === agency.id), 15000, 50);
        this.say(`${agency.name} asks for a key: its introduction is signed by the agency, and the hub shows a card`);
    }
    // An owner reads what the hub has written and signs it; live when the hub and the service know it.
    async giveKey(agency, more = {}) {
        const wanted = { agency: agency.id, kind: "drop", mode: "notify", ...KEY_OF_ALL_WEEK, ...more };
        const thumb = thumbOf(Buffer.from(agency.key, "hex"));
        const { grant } = await this.member.act("grant", wanted, { look: (begun) => {
            const g = shownGrant(begun);
            if (!g.grantee.equals(thumb) || g.name !== agency.name || g.uses !== wanted.uses || g.isHosted !== agency.hosted)
                throw new Error("the hub shows another grant than was chosen");
        } });
        this.say("Alex gives it: read on the hub's page, signed by Alex's passkey, checked and kept by the hub");
        await until("the key to be live", async () => {
            const own = (await this.member.get("/api/grants")).grants.find((g) => g.id === grant);
            const theirs = await agency.api.get(`/v1/homes/${this.home.id}`).catch(() => null);
            return own?.state === "live" && theirs?.grant;
        }, 15000, 50);
        return grant;
    }
    // Would the hub let an honest visitor in, as far as camera and lock are concerned?
    isReady() {
        const s = this.watch.state;
        return s && (this.camera !== "k2" || s.camera === "live") && s.bolt !== "unknown" &&
            (this.lock !== "yale" || s.lock_class === "B");
    }
    // The moment at which an honest visit has nothing to wait for: the camera is live and was, and a hub that
    // has just started need not wait any more for what a screen of the one before may still show (T_show).
    async settled() {
        const show = Number(this.o.params?.t_show_ms ?? 5000) + 100;
        await until("the house to have settled", () => {
            const s = this.watch.state;
            return s && performance.now() - this.bootedAt > show &&
                (this.camera !== "k2" || (s.camera === "live" && (s.blind_ms ?? 0) < 500));
        }, 20000).catch(() => {});
    }
    // A visitor of the agency, screened.
    async hire(name, { expired = false } = {}) {
        const v = await this.agency.post("/v1/visitors", { name });
        const day = (n) => new Date(Date.now() + n * 86400000).toISOString().slice(0, 10);
        await this.agency.post(`/v1/visitors/${v.id}/screenings`, {
            issuer: "Fair Checks", kind: "identity and record", valid_from: day(-400), valid_to: day(expired ? -2 : 200) });
        return v;
    }
    async newVisitor(name, options) {
        const v = await this.hire(name, options);
        return { id: v.id, name, api: await this.signedIn(v) };
    }
    // The visitor's phone: a passkey of its own, made with the agency's invitation.
    async signedIn(v) {
        const person = new Person(this.serviceSite);
        const { link } = await this.agency.post(`/v1/visitors/${v.id}/invitations`);
        await person.join(tokenOf(link), "Courier's phone");
        return person;
    }
    // A job whose window is around now, in the home's own civil time.
    async newJob(visitor, { parcels, early = false, kind = "drop" } = {}) {
        const { date, minute } = civilNow("Europe/Amsterdam");
        let from = Math.max(0, minute - 60), to = Math.min(1440, minute + 120), day = date;
        if (early) {
            day = civilNow("Europe/Amsterdam", 2).date;
            from = 600;
            to = 840;
        }
        const hhmm = (m) => `${String(Math.floor(m / 60)).padStart(2, "0")}:${String(m % 60).padStart(2, "0")}`;
        const stored = () => this.watch.story.filter((s) => s.kind === "job_stored").length, before = stored();
        const { id } = await this.agency.post("/v1/jobs", {
            home: this.home.id, door: 0, kind, parcels: parcels ?? [`3S${randomBytes(6).toString("hex").toUpperCase()}`],
            window: { date: day, from: hhmm(from), to: hhmm(to) }, notes: "Mind the cat.",
            places: ["hall", "garage", "doorstep"], visitor: visitor.id });
        const job = await until("the agency to sign the job", async () => {
            const j = await this.agency.get(`/v1/jobs/${id}`);
            return j.state !== "unsigned" && j;
        }, 8000, 10);
        await until("the job at the hub", () => stored() > before, 8000);
        return job;
    }
    signers() { return Object.keys(this.procs).filter((n) => n.startsWith("agency")); }
    guardPid() { return childrenOf(this.procs.guard.pid).find((c) => c.name.startsWith("doorward-guard"))?.pid; }
    hubPids() { return childrenOf(this.procs.guard.pid); }

    // After a delivery that went wrong: nobody jams, nobody is there, the door is shut.
    calm() {
        for (const a of [this.wan, this.cameraAir, this.lockAir])
            a?.clear();
        for (const [name, value] of [["person", 0], ["lens", 0], ["handle_inside", 0], ["door_permille", 0]])
            this.world.set(name, value);
    }
    async stop() {
        this.watch?.close();
        await Promise.all(["guard", "camera", "lock", ...this.signers(), "service"].map((n) => this.procs[n]?.end()));
        await this.bridge?.stop();
        this.liar?.close();
        for (const a of [this.wan, this.cameraAir, this.lockAir])
            a?.close();
        await this.procs.broker?.end();
        this.world?.close();
    }
}

async function portOpen(port) {
    const net = await import("node:net");
    return new Promise((r) => {
        const s = net.connect(port, "127.0.0.1");
        s.once("connect", () => { s.destroy(); r(true); });
        s.once("error", () => r(false));
    });
}

export function civilNow(zone, plusDays = 0) {
    const parts = Object.fromEntries(new Intl.DateTimeFormat("en-CA", { timeZone: zone, hourCycle: "h23",
        year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" })
        .formatToParts(new Date(Date.now() + plusDays * 86400000)).map((p) => [p.type, p.value]));
    return { date: `${parts.year}-${parts.month}-${parts.day}`, minute: Number(parts.hour) * 60 + Number(parts.minute) };
}
export { sleep };
