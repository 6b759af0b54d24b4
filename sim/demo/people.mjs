// A person with passkeys at one of the two origins, as a browser would speak for them: Host and Origin are
// those of the page, the way is loopback, the cookie is kept, what changes something carries the CSRF word.
import { randomUUID } from "node:crypto";
import { answerOf } from "./api.mjs";
import { Passkey } from "./passkey.mjs";

export class Person {
    constructor(site) {
        this.site = site;
        this.cookies = new Map();
        this.passkeys = [];
        this.csrf = null;
    }
    cookie() { return [...this.cookies].map(([n, v]) => `${n}=${v}`).join("; "); }
    // What an answer says of cookies is kept; a handshake of a WebSocket may say it too.
    keep(headers) {
        for (const c of headers["set-cookie"] ?? []) {
            const [, name, value] = /^([^=;]+)=([^;]*)/.exec(c) ?? [];
            if (!name)
                continue;
            if (value === "" || /max-age=0(;|$)/i.test(c))
                this.cookies.delete(name);
            else
                this.cookies.set(name, value);
        }
    }
    async call(method, path, body, key) {
        const headers = {};
        if (this.cookies.size)
            headers.Cookie = this.cookie();
        if (method !== "GET") {
            headers.Origin = this.site.origin;
            if (this.csrf)
                headers["X-Doorward-Csrf"] = this.csrf;
            if (method === "POST")
                headers["Idempotency-Key"] = key ?? randomUUID();
        }
        const r = await this.site.request(method, path, headers, body);
        this.keep(r.headers);
        return answerOf(r);
    }
    get(path) { return this.call("GET", path); }
    post(path, body, key) { return this.call("POST", path, body, key); }
    put(path, body) { return this.call("PUT", path, body); }

    async me() {
        const me = await this.get(`${this.site.base}/me`);
        this.csrf = me.csrf ?? null;
        return me;
    }
    // Makes a passkey for an invitation; name: the first owner's. The answer may hold the recovery code.
    async join(token, label, name) {
        const begun = await this.post(`${this.site.base}/join/begin`, { token });
        const key = new Passkey({ origin: this.site.origin, rpId: begun.rp_id });
        const made = key.register(begun);
        const done = await this.post(`${this.site.base}/join/finish`, { challenge: begun.challenge, ...(name ? { name } : {}),
            client_data: made.client_data, attestation: made.attestation, label });
        this.passkeys.push(key);
        await this.me();
        return done;
    }
    async signIn(key = this.passkeys[0]) {
        this.csrf = null;
        const begun = await this.post(`${this.site.base}/signin/begin`, {});
        await this.post(`${this.site.base}/signin/finish`, { challenge: begun.challenge, ...key.assert(begun) });
        return this.me();
    }
    // What needs a passkey each time: the household's acts. look(begun): what a person reads before signing.
    async act(act, fields = {}, { key, look } = {}) {
        const begun = await this.post(`${this.site.base}/acts/begin`, { act, ...fields });
        look?.(begun);
        const own = key ?? this.passkeys.find((k) => begun.allow.includes(k.id.toString("base64url"))) ?? this.passkeys[0];
        return this.post(`${this.site.base}/acts/finish`, { challenge: begun.challenge, ...own.assert(begun) });
    }
}

export const tokenOf = (link) => link.slice(link.indexOf("#") + 1);
