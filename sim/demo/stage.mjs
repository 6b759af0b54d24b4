// A person plays along: an invitation to the household, another for a courier who has a stop at this house, the
// labels and the sticker to scan, and hands. Hands are simulated because the door is: when the bolt is back
// and nobody of the demo's own stands there, the person's body opens, puts the parcel down and closes.
import { readFileSync } from "node:fs";
import http from "node:http";
import { Eye, Film } from "../thief2017/eye.mjs";
import { Courier } from "./courier.mjs";
import { svgOf } from "./labels.mjs";
import { tokenOf } from "./people.mjs";
import { pressButton } from "./presence.mjs";
import { sleep } from "./procs.mjs";
import { PERSON } from "./world.mjs";

const LOOK_MS = 1000;
const HOST = "demo.localhost";

export class Stage {
    // options: tell(text), onCourier() when somebody has used the courier's link, eye: the program hall-eye or null
    constructor(street, options = {}) {
        Object.assign(this, { street, tell: options.tell ?? (() => {}), eye: options.eye, onCourier: options.onCourier });
        this.isPlaying = false; // a person is the courier
        this.isBusy = false;    // the demo's own courier is at the door
        this.svgs = new Map();
        this.film = new Film();
    }
    async start(port = 0) {
        await this.invite();
        const v = await this.street.hire("Sam");
        this.visitor = v;
        this.courierLink = (await this.street.agency.post(`/v1/visitors/${v.id}/invitations`)).link;
        this.job = await this.street.newJob(v);
        this.server = http.createServer((q, r) => this.answer(q, r).catch(() => r.destroy()));
        await new Promise((resolve, reject) => {
            this.server.once("error", reject);
            this.server.listen(port, "127.0.0.1", resolve);
        });
        this.origin = `http://${HOST}:${this.server.address().port}`;
        this.loop = this.follow();
        return this;
    }
    // The button on the hub: without it nobody becomes an owner, and no owner gets one more passkey.
    pressButton() {
        pressButton(this.street.libexec, this.street.hubConf);
    }
    async invite() {
        this.pressButton();
        const answer = await this.street.member.act("invite", { name: "Kim", role: "owner" });
        this.homeLink = answer.link;
        return this.homeLink;
    }

    // ---- the page ----
    async barcode(text, format) {
        const key = `${format} ${text}`;
        if (!this.svgs.has(key))
            this.svgs.set(key, await svgOf(text, format));
        return this.svgs.get(key);
    }
    async answer(q, r) {
        const [path, query] = q.url.split("?");
        const files = { "/": ["stage.html", "text/html"], "/stage.css": ["stage.css", "text/css"],
            "/stage.js": ["stage.js", "text/javascript"], "/tokens.css": ["../../../web/shared/tokens.css", "text/css"] };
        const send = (type, body, status = 200) => r.writeHead(status, { "Content-Type": type, "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-ancestors 'none'" }).end(body);
        if (`http://${q.headers.host}` !== this.origin)
            send("text/plain", "Open the address that the demo printed.\n", 403);
        else if (q.method === "GET" && files[path])
            send(`${files[path][1]}; charset=utf-8`, readFileSync(new URL(`pages/${files[path][0]}`, import.meta.url)));
        else if (path === "/favicon.ico")
            r.writeHead(204).end();
        else if (q.method === "GET" && path === "/state")
            send("application/json", JSON.stringify({ home: this.homeLink, courier: this.courierLink, isPlaying: this.isPlaying,
                parcels: this.job.parcels.map((p) => p.barcode ?? p), door: this.street.doorCode, hands: this.hands ?? null,
                hasEye: Boolean(this.eye) }));
        else if (q.method === "GET" && path === "/code.svg") {
            const ask = new URLSearchParams(query), format = ask.get("format"), text = ask.get("text") ?? "";
            if (!["Code128", "QRCode"].includes(format) || !text || text.length > 300)
                send("text/plain", "", 404);
            else
                send("image/svg+xml", await this.barcode(text, format));
        } else if (q.method === "GET" && path === "/hall.mjpg" && this.eye) {
            this.watchHall();
            this.film.serve(q, r);
        } else if (q.method === "POST" && path === "/invite" && q.headers.origin === this.origin) {
            await this.invite();
            send("text/plain", "");
        } else if (q.method === "POST" && path === "/button" && q.headers.origin === this.origin) {
            this.pressButton();
            this.tell("the button on the hub was pressed: five minutes for one more passkey");
            send("text/plain", "");
        } else
            send("text/plain", "There is no such page.\n", 404);
    }
    watchHall() { // drawn only while somebody looks
        if (!this.hall) {
            this.hall = new Eye(this.eye, this.street.at("world"));
            this.hall.on("picture", (jpeg) => this.film.show(jpeg));
        }
    }

    // ---- the stop and the hands ----
    async follow() {
        let looked = 0;
        while (!this.isOver) {
            await sleep(30);
            const w = this.street.world;
            const state = this.street.watch.state, isMine = !this.isBusy || state?.visitor === this.visitor.name;
            if (isMine && w.get("bolt_permille") === 0 && w.get("door_permille") === 0 && state?.visit_state === "unlocked")
                await this.act().catch((e) => this.tell(`your hands did not come to an end: ${e.message}`));
            if (performance.now() - looked < LOOK_MS)
                continue;
            looked = performance.now();
            await this.look().catch(() => {}); // the service may be away for a moment
        }
    }
    async look() {
        if (!this.isPlaying) {
            const visits = await this.street.agency.get("/v1/visits");
            if ((visits.items ?? []).some((v) => v.visitor === this.visitor.id) || await this.hasJoined()) {
                this.isPlaying = true;
                this.tell("somebody plays the courier: the demo's own waits");
                this.onCourier?.();
            }
        }
        const job = await this.street.agency.get(`/v1/jobs/${this.job.id}`);
        if (job.state !== "open") { // delivered: the next parcel, for the same courier
            this.job = await this.street.newJob(this.visitor);
            this.tell("there is a new parcel for you");
        }
    }
    // An invitation counts once; what it is for is told as long as it counts.
    async hasJoined() {
        const r = await this.street.serviceSite.request("POST", "/v1/join/look", { Origin: this.street.serviceSite.origin }, { token: tokenOf(this.courierLink) });
        return r.status >= 400 && r.json?.code === "invitation";
    }
    async act() {
        const s = this.street, c = new Courier(s, null), isOwner = s.watch.state?.is_owner === true;
        this.hands = "The door opens.";
        this.tell(isOwner ? "somebody of the house opens the door" : "the bolt is back; your body goes in with the parcel");
        s.world.set("person", PERSON.outside);
        await sleep(600);
        await c.goIn();
        this.hands = "Inside.";
        if (!isOwner)
            await c.drop();
        await c.goOut();
        this.hands = "The door closes.";
        await c.closeDoor();
        await sleep(1500);
        c.walkAway();
        this.hands = null;
    }
    async stop() {
        this.isOver = true;
        this.hall?.close();
        this.server?.close();
        this.server?.closeAllConnections();
        await this.loop;
    }
}
