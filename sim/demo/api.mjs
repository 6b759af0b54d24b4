// The service's public API, as any carrier's program would use it.
import { randomUUID } from "node:crypto";

export class ApiError extends Error {
    constructor(status, problem) {
        super(`${status} ${problem?.code ?? ""} ${problem?.detail ?? ""}`);
        this.status = status;
        this.problem = problem;
    }
}

export class Api {
    constructor(port, token) {
        this.base = `http://127.0.0.1:${port}`;
        this.token = token;
    }
    async call(method, path, body, key = randomUUID()) {
        const headers = { authorization: `Bearer ${this.token}` };
        if (body !== undefined)
            headers["content-type"] = "application/json";
        if (method === "POST")
            headers["idempotency-key"] = key;
        const r = await fetch(this.base + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
        const text = await r.text();
        const json = text ? JSON.parse(text) : null;
        if (!r.ok)
            throw new ApiError(r.status, json);
        return json;
    }
    get(path) { return this.call("GET", path); }
    post(path, body, key) { return this.call("POST", path, body, key); }
    put(path, body) { return this.call("PUT", path, body); }
}
