// A reader of the hub's watch socket: what a screen is told, with the time it was told.
import { randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import WebSocket from "ws";

const LEASE_MS_MAX = 5000; // T_show

export class Watch extends EventEmitter {
    // site: the hub's page; person: whose session it is
    constructor(site, person) {
        super();
        this.site = site;
        this.person = person;
        this.state = null;
        this.story = [];
        this.had = new Set(); // a screen that joins again hears the past once more
        this.frames = 0;
        this.isClosing = false;
        this.nonces = new Map();
        this.shown = { isSecured: false, until: 0 }; // what this screen may show, by its own lease
    }
    open() {
        if (this.isClosing)
            return;
        const { host, port, headers, ...tls } = this.site.options({ Cookie: this.person.cookie() });
        const ws = new WebSocket(`${this.site.isTls ? "wss" : "ws"}://${host}:${port}/watch`, "doorward-watch-1", {
            origin: this.site.origin, headers, perMessageDeflate: false, maxPayload: 8 << 20, ...tls });
        this.ws = ws;
        ws.on("upgrade", (r) => this.person.keep(r.headers));
        ws.on("unexpected-response", (q, r) => {
            this.isRefused = r.statusCode === 401;
            q.destroy();
            ws.terminate();
        });
        ws.on("open", () => this.ask());
        ws.on("message", (data, isBinary) => {
            if (isBinary) {
                this.frames++;
                this.emit("frame", performance.now());
                return;
            }
            this.hear(JSON.parse(data.toString()));
        });
        ws.on("error", () => {});
        ws.on("close", () => {
            this.state = null;
            this.shown = { isSecured: false, until: 0 };
            clearInterval(this.timer);
            if (!this.isClosing)
                setTimeout(() => this.again(), 200);
        });
        this.timer = setInterval(() => this.ask(), 1000);
    }
    // The session has ended: the same person signs in anew.
    async again() {
        if (this.isRefused)
            await this.person.signIn().catch(() => {});
        this.isRefused = false;
        this.open();
    }
    ask() {
        if (this.ws.readyState !== WebSocket.OPEN)
            return;
        const n = randomBytes(32).toString("hex");
        this.nonces.set(n, performance.now());
        if (this.nonces.size > 20)
            this.nonces.delete(this.nonces.keys().next().value);
        this.ws.send(JSON.stringify({ t: "nonce", n }));
    }
    hear(m) {
        const at = performance.now();
        if (m.t === "state") {
            this.state = m;
            if (m.opening) {
                this.shown = { isSecured: false, until: 0 };
                this.ws.send(JSON.stringify({ t: "saw_opening" }));
            }
            this.emit("state", m, at);
        } else if (m.t === "story") {
            const line = `${m.n} ${m.utc_ms} ${m.kind}`;
            if (this.had.has(line))
                return;
            this.had.add(line);
            this.story.push({ ...m, heard: at });
            this.emit("story", m, at);
        } else if (m.t === "display") {
            // { -70240: viewer nonce, -70241: secured, -70242: lease_ms } inside the signed statement
            const nonce = /3a0001125f5820([0-9a-f]{64})/.exec(m.cose)?.[1];
            const isSecured = m.cose.includes("3a00011260f5");
            const ms = /3a00011261(?:18(.{2})|19(.{4})|1a(.{8}))/.exec(m.cose);
            const lease = Math.min(LEASE_MS_MAX, parseInt(ms?.[1] ?? ms?.[2] ?? ms?.[3] ?? "0", 16));
            const sent = this.nonces.get(nonce);
            if (sent !== undefined)
                this.shown = { isSecured, until: sent + (isSecured ? lease : 0) };
            this.emit("display", m, at);
        }
    }
    // The household's buttons: "lock_now", "end_visit", "acknowledge".
    owner(word) { this.ws.send(JSON.stringify({ t: "owner", word })); }
    // What the screen shows at this moment.
    saysSecured() { return this.shown.isSecured && performance.now() < this.shown.until; }
    close() {
        this.isClosing = true;
        clearInterval(this.timer);
        this.ws?.terminate();
    }
}
