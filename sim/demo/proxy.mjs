// Lets one page of the demo show the real household page in a frame: every byte comes from the hub, over the
// session of the demo's own member, and only the rule that forbids frames is changed. The hub itself has
// nothing of the kind. Whoever asks must have the demo's own cookie first.
import { randomBytes, timingSafeEqual } from "node:crypto";
import http from "node:http";
import net from "node:net";
import tls from "node:tls";

const COOKIE = "doorward_demo";

export class Proxy {
    // site, member: of the hub; own(q, r, path): answers the demo's own pages, false when it is none of them
    constructor(site, member, own) {
        Object.assign(this, { site, member, own });
        this.token = randomBytes(16).toString("hex");
        this.server = http.createServer((q, r) => this.answer(q, r));
        this.server.on("upgrade", (q, near, head) => this.join(q, near, head));
        this.joined = new Set();
    }
    async open(name, port = 0) {
        await new Promise((resolve, reject) => {
            this.server.once("error", reject);
            this.server.listen(port, "127.0.0.1", resolve);
        });
        this.origin = `http://${name}:${this.server.address().port}`;
        return this;
    }
    link(path) { return `${this.origin}${path}?k=${this.token}`; }
    isOurs(q) {
        if (`http://${q.headers.host}` !== this.origin)
            return false;
        const [, said] = new RegExp(`(?:^|; )${COOKIE}=([0-9a-f]{32})(?:;|$)`).exec(q.headers.cookie ?? "") ?? [];
        return Boolean(said) && timingSafeEqual(Buffer.from(said), Buffer.from(this.token));
    }
    answer(q, r) {
        const [path, query] = q.url.split("?");
        if (query === `k=${this.token}` && q.method === "GET") {
            r.writeHead(303, { Location: path, "Set-Cookie": `${COOKIE}=${this.token}; HttpOnly; SameSite=Strict; Path=/` }).end();
            return;
        }
        if (q.headers["service-worker"] === "script") { // the page's own would outlive the demo in this browser
            r.writeHead(200, { "Content-Type": "text/javascript", "Cache-Control": "no-store" }).end("self.registration.unregister();\n");
            return;
        }
        if (!this.isOurs(q)) {
            r.writeHead(403, { "Content-Type": "text/plain" }).end("Open the link that the demo printed.\n");
            return;
        }
        if (q.method !== "GET" && q.headers.origin !== this.origin) {
            r.writeHead(403).end();
            return;
        }
        if (!this.own(q, r, path))
            this.pass(q, r);
    }
    headersOf(q) {
        const headers = { ...q.headers, host: this.site.name };
        delete headers.cookie;
        delete headers.referer;
        headers.cookie = this.member.cookie();
        if (headers.origin)
            headers.origin = this.site.origin;
        return headers;
    }
    pass(q, r) {
        const { host, port } = this.site;
        const up = this.site.http.request({ ...this.site.options(), host, port, method: q.method, path: q.url, headers: this.headersOf(q) }, (a) => {
            const headers = { ...a.headers };
            this.member.keep(headers);
            delete headers["set-cookie"];
            delete headers["x-frame-options"];
            if (headers["content-security-policy"])
                headers["content-security-policy"] = headers["content-security-policy"].replace("frame-ancestors 'none'", "frame-ancestors 'self'");
            r.writeHead(a.statusCode, headers);
            a.pipe(r);
        });
        up.on("error", () => r.destroy());
        r.on("close", () => up.destroy());
        q.pipe(up);
    }
    // The page's socket, byte for byte after its first request.
    join(q, near, head) {
        if (!this.isOurs(q) || q.headers.origin !== this.origin) {
            near.end("HTTP/1.1 403 Forbidden\r\n\r\n");
            return;
        }
        const { host, port } = this.site;
        const far = this.site.isTls ? tls.connect({ host, port, ca: this.site.ca, servername: this.site.options().servername }) : net.connect(port, host);
        for (const s of [near, far]) {
            this.joined.add(s);
            s.on("error", () => {});
            s.on("close", () => { near.destroy(); far.destroy(); this.joined.delete(s); });
        }
        const lines = Object.entries(this.headersOf(q)).map(([n, v]) => `${n}: ${v}\r\n`).join("");
        far.write(`GET ${q.url} HTTP/1.1\r\n${lines}\r\n`);
        far.write(head);
        near.pipe(far);
        far.pipe(near);
    }
    close() {
        this.server.close();
        this.server.closeAllConnections();
        this.joined.forEach((s) => s.destroy());
    }
}
