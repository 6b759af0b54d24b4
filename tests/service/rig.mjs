// A real broker, a real service and fake hubs on loopback, for the tests of this folder.
import { spawn, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Key, openBody } from '../hub/authority.mjs';
import { Person } from './people.mjs';

export const [serviceExe, hubExe, agencyExe] = process.argv.slice(2);
export const pages = 'http://service.localhost:8400'; // where couriers sign in
export const folder = fs.mkdtempSync(path.join(process.env.TMPDIR ?? os.tmpdir(), 'dw-service-'));
const children = new Set();

export function freePort() {
  return new Promise((done, fail) => {
    const s = net.createServer().on('error', fail);
    s.listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => done(port)); });
  });
}

export function start(exe, args, options = {}) {
  const child = spawn(exe, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
  children.add(child);
  child.text = '';
  child.ended = new Promise((done) => child.on('exit', (code, signal) => {
    children.delete(child);
    child.code = code ?? signal;
    done(child.code);
  }));
  child.stderr.on('data', (d) => { child.text = (child.text + d).slice(-200000); });
  child.stdin.on('error', () => {});
  return child;
}

export async function until(what, test, ms = 10000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await test();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain: ${what}`);
    await sleep(10);
  }
}

export async function stopAll() {
  for (const s of [...signers]) s.stop();
  for (const c of children) c.kill('SIGKILL');
  await Promise.all([...children].map((c) => c.ended));
  if (!process.env.DW_KEEP) fs.rmSync(folder, { recursive: true, force: true });
}

// -- the broker --

export class Broker {
  async open(port) {
    this.port = port ?? await freePort();
    const conf = path.join(folder, `mosquitto-${this.port}.conf`);
    fs.writeFileSync(conf, `listener ${this.port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n`);
    this.child = start(fs.existsSync('/usr/sbin/mosquitto') ? '/usr/sbin/mosquitto' : 'mosquitto', ['-c', conf]);
    this.child.stdout.resume();
    await until('broker', () => new Promise((done) => {
      const s = net.connect(this.port, '127.0.0.1', () => { s.destroy(); done(true); }).on('error', () => done(false));
    }));
    return this;
  }

  async close() { this.child.kill('SIGKILL'); await this.child.ended; }
}

// -- the service --

export class Service {
  constructor(name, settings) {
    this.dir = path.join(folder, name);
    fs.mkdirSync(this.dir, { recursive: true });
    this.file = (f) => path.join(this.dir, f);
    this.settings = { listen: '127.0.0.1:0', port_file: this.file('port'), database: this.file('service.db'),
      key_file: this.file('key'), admin_token_file: this.file('admin'), origin: pages, ...settings };
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
  }

  async open(wrap = []) {
    const conf = this.file('conf');
    fs.writeFileSync(conf, Object.entries(this.settings).map(([k, v]) => `${k} = ${v}\n`).join(''));
    fs.rmSync(this.file('port'), { force: true });
    const [exe, ...args] = [...wrap, serviceExe, '--config', conf];
    this.child = start(exe, args);
    this.child.stdout.resume();
    await until('service to listen', () => {
      if (this.child.code !== undefined) throw new Error(`service ended: ${this.child.text}`);
      return fs.existsSync(this.file('port')) && fs.readFileSync(this.file('port'), 'utf8').endsWith('\n');
    }, 20000);
    this.port = Number(fs.readFileSync(this.file('port'), 'utf8'));
    this.admin = fs.readFileSync(this.file('admin'), 'utf8').trim();
    return this;
  }

  async linked() { await until('link to the broker', async () => (await this.get('/v1/health')).body.broker === 'up'); return this; }

  async kill() { this.child.kill('SIGKILL'); await this.child.ended; this.agent.destroy(); this.agent = new http.Agent({ keepAlive: true }); }

  async close() { this.child.kill('SIGTERM'); this.agent.destroy(); return this.child.ended; }

  // {status, type, body, headers}; body is parsed when it is JSON.
  // page: a signed-in person (see people.mjs); it brings its cookie, and what our own pages send.
  send(method, url, { token, body, raw, headers = {}, page } = {}) {
    return new Promise((done, fail) => {
      const bytes = raw !== undefined ? Buffer.from(raw) : body !== undefined ? Buffer.from(JSON.stringify(body)) : undefined;
      const all = { ...headers };
      if (token) all.authorization = `Bearer ${token}`;
      if (page) Object.assign(all, page.headers(method), headers);
      if (bytes !== undefined) {
        all['content-type'] ??= 'application/json';
        all['content-length'] ??= bytes.length;
      }
      const r = http.request({ host: '127.0.0.1', port: this.port, method, path: url, headers: all, agent: this.agent, timeout: 45000 }, (res) => {
        const parts = [];
        res.on('data', (d) => parts.push(d));
        res.on('end', () => {
          page?.keep(res.headers['set-cookie']);
          const text = Buffer.concat(parts).toString();
          const type = res.headers['content-type'];
          done({ status: res.statusCode, type, headers: res.headers, text,
            body: type?.includes('json') ? JSON.parse(text) : text });
        });
        res.on('error', fail);
      });
      r.on('error', fail);
      r.on('timeout', () => r.destroy(new Error('no answer')));
      r.end(bytes);
    });
  }

  get(url, token, headers) { return this.send('GET', url, { token, headers }); }
  post(url, token, body, headers) { return this.send('POST', url, { token, body, headers }); }
  patch(url, token, body) { return this.send('PATCH', url, { token, body }); }
  put(url, token, body) { return this.send('PUT', url, { token, body }); }
  del(url, token) { return this.send('DELETE', url, { token }); }
}

// -- a hub --

export class Hub {
  constructor(name, broker, { code, zone = 'Europe/Amsterdam', doors = ['front', 'garage'] }) {
    Object.assign(this, { name, broker, code, zone, doors, events: [], waiters: new Set() });
  }

  async open() {
    this.child = start(hubExe, [String(this.broker.port), path.join(folder, `${this.name}.key`), this.code, this.zone, ...this.doors]);
    let rest = '';
    this.child.stdout.on('data', (d) => {
      const lines = (rest + d).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        this.events.push(JSON.parse(line));
        for (const w of [...this.waiters]) w();
      }
    });
    await this.next((e) => e.event === 'up');
    return this;
  }

  say(line) { this.child.stdin.write(`${line}\n`); }

  // The first event from `from` on that fits.
  next(fits, from = 0, ms = 10000) {
    const want = typeof fits === 'string' ? (e) => e.event === fits : fits;
    return new Promise((done, fail) => {
      const look = () => {
        const e = this.events.slice(from).find(want);
        if (!e) return false;
        clearTimeout(timer);
        this.waiters.delete(look);
        done(e);
        return true;
      };
      const timer = setTimeout(() => {
        this.waiters.delete(look);
        fail(new Error(`${this.name}: waited ${ms} ms in vain for ${fits}; last: ${JSON.stringify(this.events.slice(-5))}`));
      }, ms);
      this.waiters.add(look);
      look();
    });
  }

  get mark() { return this.events.length; }
  all(event, from = 0) { return this.events.slice(from).filter((e) => e.event === event); }
  async close() { this.child.kill('SIGKILL'); await this.child.ended; }
}

// -- a street: agency with its key, visitor with screening and passkey, home with hub, grants --

export const hex = (n = 16) => [...crypto.getRandomValues(new Uint8Array(n))].map((b) => b.toString(16).padStart(2, '0')).join('');

// A zone where it is about noon now, so that "today" cannot end during a test.
export function noonZone() {
  const shift = new Date().getUTCHours() - 12; // hours to go back; POSIX sign: GMT+3 is west
  return shift === 0 ? 'Etc/GMT' : `Etc/GMT${shift > 0 ? '+' : '-'}${Math.abs(shift)}`;
}

export function civil(zone, days = 0) {
  const date = new Date(Date.now() + days * 86400000);
  return new Intl.DateTimeFormat('en-CA', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(date);
}

export function ok(r, status) {
  if (r.status !== status) throw new Error(`expected ${status}, got ${r.status}: ${r.text}`);
  return r.body;
}

// As `doorward hub --pairing-code` makes them: 26 letters, and two that follow from them.
export function pairingCode() {
  const letters = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789', spell = (bytes) => [...bytes].map((b) => letters[b & 31]).join('');
  const drawn = spell(crypto.getRandomValues(new Uint8Array(26)));
  const check = createHash('sha256').update(`doorward/pairing-check/1\0${drawn}`).digest();
  return (drawn + spell(check.subarray(0, 2))).match(/.{4}/g).join('-');
}

export async function makeHome(service, broker, name, { zone = noonZone(), location, doors } = {}) {
  const code = pairingCode();
  const hub = await new Hub(name, broker, { code, zone, ...(doors ? { doors } : {}) }).open();
  const home = ok(await service.post('/v1/homes', service.admin, { name: `Home ${name}`, pairing_code: code, ...(location ? { location } : {}) }), 201);
  hub.say('enrol');
  await hub.next('welcome');
  const now = ok(await service.get(`/v1/homes/${home.id}`, home.token), 200);
  return { ...now, token: home.token, hub };
}

// An agency's signer in a few lines: it signs whatever it is asked (tests/service/authority.mjs has the real one).
const signers = new Set();
export class Signer {
  constructor(service, token, key) {
    Object.assign(this, { service, token, key, on: true, signed: [] });
    signers.add(this);
    this.done = this.run();
  }

  static sign(key, item) { return key.sign(item.kind, Buffer.from(item.payload, 'base64url')).toString('base64url'); }

  async run() {
    while (this.on) {
      try {
        const r = await this.service.get('/v1/signing?wait_ms=2000', this.token);
        for (const item of r.status === 200 ? r.body.items : []) {
          const given = await this.service.post(`/v1/signing/${item.id}`, this.token, { object: Signer.sign(this.key, item) });
          if (given.status === 200) this.signed.push(item.kind);
        }
        if (r.status !== 200) await sleep(50);
      } catch { await sleep(50); } // the service is away for a moment
    }
  }

  stop() { this.on = false; signers.delete(this); return this.done; }
}

export async function makeAgency(service, name = 'Acme', { signs = true, hosted = false, key = new Key() } = {}) {
  const agency = ok(await service.post('/v1/agencies', service.admin, { name, key: key.hex, hosted }), 201);
  agency.pair = key;
  if (signs) agency.signer = new Signer(service, agency.token, key);
  return agency;
}

export async function makeVisitor(service, agency, name = 'Stewart', screened = true) {
  const v = ok(await service.post('/v1/visitors', agency.token, { name }), 201);
  if (screened) {
    ok(await service.post(`/v1/visitors/${v.id}/screenings`, agency.token,
      { issuer: 'Police', kind: 'background', valid_from: '2020-01-01', valid_to: '2099-12-31' }), 201);
  }
  return v;
}

// The visitor's passkey, made by an invitation as a phone does it.
export async function makePasskey(service, agency, visitor) {
  const { link } = ok(await service.post(`/v1/visitors/${visitor.id}/invitations`, agency.token, {}), 201);
  visitor.person = new Person(service, service.settings.origin);
  await visitor.person.join(link);
  visitor.passkey = visitor.person.passkey;
  return visitor;
}

// The passkey's word over the stop, once the hub's offer holds; `more` is what an attacker writes otherwise.
export const prove = (visit, passkey, more) => openBody(passkey, visit, more);

export async function slide(service, visitor, visit) {
  if (!visitor.passkey) throw new Error('makePasskey first');
  const now = ok(await service.get(`/v1/visits/${visit.id}`, visitor.token), 200);
  return service.post(`/v1/visits/${visit.id}/open`, visitor.token, prove(now, visitor.passkey));
}

// Grants of the home for the agency, as its owner would sign them; taken back by active = false.
export async function permit(service, home, agency, active = true) {
  home.grants ??= new Map();
  const before = home.grants.get(agency.id) ?? [];
  for (const id of before) home.hub.say(`revoke ${id}`);
  home.grants.set(agency.id, []);
  if (active) {
    for (const kind of [0, 1]) {
      const mark = home.hub.mark;
      home.hub.say(`grant ${agency.pair.hex} ${kind} 0 -3 80 0 10080 1000 ${home.zone} ${agency.name}`);
      home.grants.get(agency.id).push((await home.hub.next('granted', mark)).id);
    }
  }
  const want = (items) => [...before.map((id) => [id, 'revoked']), ...home.grants.get(agency.id).map((id) => [id, 'live'])]
    .every(([id, state]) => items.some((g) => g.grant.id === id && (g.state === state || (state === 'live' && g.state === 'stopped'))));
  await until('the grants to be known', async () => want(ok(await service.get(`/v1/homes/${home.id}/grants`, home.token), 200).items));
}

// The job, once its agency has signed it; what is over is not signed any more.
export const signed = (service, agency, job) => until('the job to be signed', async () => {
  const j = ok(await service.get(`/v1/jobs/${job.id}`, agency.token), 200);
  const time = new Intl.DateTimeFormat('en-GB', { timeZone: j.zone, hour: '2-digit', minute: '2-digit' }).format(new Date());
  const isOver = `${j.window.date} ${j.window.to}` <= `${civil(j.zone)} ${time}`;
  return (j.state !== 'unsigned' || isOver) && j;
});

export const askBody = (job, barcode, more = {}) => ({ job: job.id, barcode, nonce: hex(32), ...more });

export function jobBody(home, visitor, parcels, more = {}) {
  return { home: home.id, door: 0, kind: 'drop', parcels, window: { date: civil(home.zone), from: '00:00', to: '24:00' },
    notes: 'mind the cat', places: ['hall', 'doorstep'], ...(visitor ? { visitor: visitor.id } : {}), ...more };
}

export async function makeStreet(service, broker, name, options) {
  const home = await makeHome(service, broker, name, options);
  const agency = await makeAgency(service, `Agency ${name}`);
  const visitor = await makePasskey(service, agency, await makeVisitor(service, agency));
  await permit(service, home, agency);
  return { home, hub: home.hub, agency, visitor };
}

// -- running --

const tests = [];
export const test = (name, run) => tests.push([name, run]);

export async function main() {
  let failed = 0, passed = 0;
  const only = process.env.DW_ONLY;
  for (const [name, run] of tests) {
    if (only && !name.includes(only)) continue;
    const began = Date.now();
    try {
      await run();
      passed++;
      console.log(`ok      ${name} (${Date.now() - began} ms)`);
    } catch (e) {
      failed++;
      console.log(`FAILED  ${name}\n${e.stack}`);
    }
  }
  await stopAll();
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}
process.on('exit', () => { for (const c of children) c.kill('SIGKILL'); });
process.on('SIGTERM', () => stopAll().then(() => process.exit(1)));
export { execFileSync, sleep, fs, path, net };
