// Asking a program over HTTP, and the service's public API as any carrier's program would use it.
import { randomUUID } from "node:crypto";
import http from "node:http";
import https from "node:https";

export class ApiError extends Error {
    constructor(status, problem) {
        super(`${status} ${problem?.code ?? ""} ${problem?.detail ?? ""}`);
        this.status = status;
        this.problem = problem;
    }
}

// The body of a good answer; anything else is thrown as the problem it is.
export function answerOf(r) {
    if (r.status < 200 || r.status >= 300)
        throw new ApiError(r.status, r.json);
    return r.json;
}

// Where an app is served. base: "/api" (hub) or "/v1" (service); ca: of a demo with TLS. Host is that of the
// origin; the way is loopback, whatever the name says.
export class Site {
    // patienceMs: how long an answer may take
    constructor({ origin, base, host = "127.0.0.1", port, ca, patienceMs = 20000 }) {
        const url = new URL(origin);
        Object.assign(this, { origin, base, host, ca, patienceMs, name: url.host, isTls: url.protocol === "https:" });
        this.port = port ?? Number(url.port);
        this.http = this.isTls ? https : http;
        this.agent = new this.http.Agent({ keepAlive: true });
    }
    // The same page over another network: what was open is not used again.
    goOver({ host = this.host, port }) {
        this.agent.destroy();
        this.agent = new this.http.Agent({ keepAlive: true });
        Object.assign(this, { host, port });
    }
    // What a browser would send with a request or a WebSocket; `host` is where it really goes.
    options(headers = {}) {
        const o = { host: this.host, port: this.port, headers: { Host: this.name, ...headers } };
        return this.isTls ? { ...o, ca: this.ca, servername: this.name.split(":")[0] } : o;
    }
    request(method, path, headers = {}, body) {
        const text = body === undefined ? undefined : JSON.stringify(body);
        const o = { method, path, agent: this.agent, ...this.options(headers) };
        if (text !== undefined)
            o.headers["Content-Type"] = "application/json";
        if (method !== "GET")
            o.headers["Content-Length"] = text === undefined ? 0 : Buffer.byteLength(text);
        return new Promise((resolve, reject) => {
            const q = this.http.request(o, (r) => {
                const parts = [];
                r.on("data", (b) => parts.push(b));
                r.on("error", reject);
                r.on("end", () => {
                    const said = Buffer.concat(parts).toString();
                    let json = null;
                    try { json = said ? JSON.parse(said) : null; } catch { /* not JSON: the text stays */ }
                    resolve({ status: r.statusCode, headers: r.headers, text: said, json });
                });
            });
            // A kept connection that the other side has just closed says nothing about the question.
            q.on("error", (e) => (q.reusedSocket && e.code === "ECONNRESET"
                ? this.request(method, path, headers, body).then(resolve, reject) : reject(e)));
            q.setTimeout(this.patienceMs, () => q.destroy(new Error(`no answer to ${method} ${path}`)));
            q.end(text);
        });
    }
}

export class Api {
    // where: a Site, or the port on this machine
    constructor(where, token) {
        this.site = where instanceof Site ? where : new Site({ origin: `http://127.0.0.1:${where}`, base: "/v1" });
        this.token = token;
    }
    async call(method, path, body, key = randomUUID()) {
        const headers = { Authorization: `Bearer ${this.token}` };
        if (method === "POST")
            headers["Idempotency-Key"] = key;
        return answerOf(await this.site.request(method, path, headers, body));
    }
    get(path) { return this.call("GET", path); }
    post(path, body, key) { return this.call("POST", path, body, key); }
    put(path, body) { return this.call("PUT", path, body); }
    patch(path, body) { return this.call("PATCH", path, body); }
}
