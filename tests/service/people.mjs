// People at the service's pages: a passkey in software, a cookie, and what our own pages send along.
import { Passkey } from '../../sim/demo/passkey.mjs';
import { ok } from './rig.mjs';

export class Person {
  constructor(service, origin, passkey = new Passkey({ origin })) {
    Object.assign(this, { service, origin, passkey, cookie: null, csrf: null, cookies: [] });
  }

  headers(method) {
    const all = {};
    if (this.cookie) all.cookie = `other=1; doorward_service=${this.cookie}; more=x`;
    if (method !== 'GET') Object.assign(all, { origin: this.origin, ...(this.csrf ? { 'x-doorward-csrf': this.csrf } : {}) });
    return all;
  }

  keep(lines) {
    for (const line of lines ?? []) {
      const [, value] = /^doorward_service=([^;]*);/.exec(line);
      this.cookies.push(line);
      this.cookie = value || null;
    }
  }

  ask(method, url, body, headers) { return this.service.send(method, url, { body, headers, page: this }); }
  get(url) { return this.ask('GET', url); }
  post(url, body = {}, headers) { return this.ask('POST', url, body, headers); }

  async join(link, label = 'phone') {
    const token = link.split('#')[1];
    const begun = ok(await this.post('/v1/join/begin', { token }), 200);
    const { client_data, attestation } = this.passkey.register(begun);
    const me = ok(await this.post('/v1/join/finish', { challenge: begun.challenge, client_data, attestation, label }), 200);
    this.csrf = me.csrf;
    return me;
  }

  async signIn() {
    const { challenge } = ok(await this.post('/v1/signin/begin'), 200);
    const r = await this.post('/v1/signin/finish', { challenge, ...this.passkey.assert({ challenge }) });
    this.csrf = r.body.csrf ?? this.csrf;
    return r;
  }

  signOut() { return this.post('/v1/signout'); }
}
