// Sign-in at the service: invitations, passkeys, sessions, pages; and every route and page before a stranger.
import assert from 'node:assert/strict';
import https from 'node:https';
import { Passkey } from '../../sim/demo/passkey.mjs';
import { Person } from './people.mjs';
import { Broker, Service, askBody, signed, execFileSync, fs, hex, jobBody, main, makeAgency, makeStreet, makeVisitor, noonZone, ok, path, permit, prove, serviceExe, slide, start, test, until } from './rig.mjs';

const origin = 'http://service.localhost:8400';
const broker = await new Broker().open();
const service = await (await new Service('signin', { broker: `127.0.0.1:${broker.port}`, origin }).open()).linked();
const zone = noonZone();
const a = await makeStreet(service, broker, 'a', { zone });
const b = await makeStreet(service, broker, 'b', { zone });

const no = (r, status, code) => {
  assert.equal(r.status, status, r.text);
  assert.equal(r.body.code, code);
  assert.match(r.body.next, /\.$/);
  assert.equal(r.headers['set-cookie'], undefined);
};
const invite = async (visitor, token = a.agency.token, body) => ok(await service.post(`/v1/visitors/${visitor.id}/invitations`, token, body), 201);
const hire = async (agency, name = 'Disp', token = agency.token) => ok(await service.post(`/v1/agencies/${agency.id}/staff`, token, { name }), 201);
const courier = async (street = a, at = service) => {
  const v = await makeVisitor(at, street.agency, 'Ada');
  const p = new Person(at, origin);
  p.visitor = v;
  await p.join(ok(await at.post(`/v1/visitors/${v.id}/invitations`, street.agency.token), 201).link);
  return p;
};

test('an invitation: looked at, joined once, and it is over', async () => {
  const visitor = await makeVisitor(service, a.agency, 'Ada');
  const { link, until: end } = await invite(visitor);
  assert.match(link, /^http:\/\/service\.localhost:8400\/join#dw[0-9a-f]{64}$/);
  assert.ok(Date.parse(end) > Date.now() + 71 * 3600000);
  const token = link.split('#')[1];
  const p = new Person(service, origin);
  const seen = ok(await p.post('/v1/join/look', { token }), 200);
  assert.deepEqual([seen.name, seen.role, seen.agency, seen.agency_name, seen.until], ['Ada', 'visitor', a.agency.id, a.agency.name, end]);
  no(await p.post('/v1/join/look', { token: `${token.slice(0, -1)}x` }), 404, 'invitation');
  const me = await p.join(link);
  assert.deepEqual([me.role, me.visitor, me.staff, me.name, me.agency], ['visitor', visitor.id, null, 'Ada', a.agency.id]);
  assert.match(p.cookies[0], /^doorward_service=[0-9a-f]{64}; Path=\/; Max-Age=86400; HttpOnly; SameSite=Strict$/);
  assert.deepEqual(ok(await p.get('/v1/me'), 200), me);
  assert.equal(ok(await p.get('/v1/jobs?today=1'), 200).items.length, 0);
  for (const route of ['look', 'begin']) no(await new Person(service, origin).post(`/v1/join/${route}`, { token }), 404, 'invitation');
  // A newer link ends the one before; of two who begin, the last may finish.
  const first = await invite(visitor), second = await invite(visitor);
  no(await p.post('/v1/join/look', { token: first.link.split('#')[1] }), 404, 'invitation');
  const q = new Person(service, origin), r = new Person(service, origin);
  const early = ok(await q.post('/v1/join/begin', { token: second.link.split('#')[1] }), 200);
  await r.join(second.link, 'tablet');
  const { client_data, attestation } = q.passkey.register(early);
  no(await q.post('/v1/join/finish', { challenge: early.challenge, client_data, attestation }), 403, 'challenge');
  // The same request again is the same link, and the database has neither it nor a cookie.
  const key = { 'idempotency-key': hex() };
  const once = await service.post(`/v1/visitors/${visitor.id}/invitations`, a.agency.token, {}, key);
  const twice = await service.post(`/v1/visitors/${visitor.id}/invitations`, a.agency.token, {}, key);
  assert.deepEqual(once.body, twice.body);
  const bytes = Buffer.concat(fs.readdirSync(service.dir).filter((f) => f.startsWith('service.db')).map((f) => fs.readFileSync(path.join(service.dir, f))));
  for (const secret of [once.body.link.split('#')[1], token, p.cookie, r.cookie]) assert.ok(!bytes.includes(secret));
});

test('joining refuses what was made elsewhere, or for another challenge', async () => {
  const visitor = await makeVisitor(service, a.agency, 'Bo');
  const { link } = await invite(visitor);
  const token = link.split('#')[1];
  const p = new Person(service, origin);
  const begin = async () => ok(await p.post('/v1/join/begin', { token }), 200);
  const finish = (begun, passkey, more = {}) => {
    const { client_data, attestation } = passkey.register(begun);
    return p.post('/v1/join/finish', { challenge: begun.challenge, client_data, attestation, ...more });
  };
  for (const other of ['http://home1.localhost:8400', 'http://service.localhost:8401', 'https://service.localhost:8400', 'http://evil.example'])
    no(await finish(await begin(), new Passkey({ origin: other, rpId: 'service.localhost' })), 403, 'origin');
  no(await finish(await begin(), new Passkey({ origin, rpId: 'localhost' })), 403, 'origin');
  const begun = await begin();
  no(await finish({ ...begun, challenge: Buffer.alloc(32, 7).toString('base64url') }, new Passkey({ origin })), 403, 'challenge');
  const other = new Passkey({ origin }).register({ challenge: Buffer.alloc(32, 7).toString('base64url') });
  no(await p.post('/v1/join/finish', { challenge: begun.challenge, client_data: other.client_data, attestation: other.attestation }), 403, 'origin');
  for (const bad of ['', 'a', '====', 'A'.repeat(3000), 'é', 7]) {
    const r = await finish(begun, new Passkey({ origin }), { attestation: bad });
    assert.equal(r.status, 422, r.text);
  }
  no(await finish(begun, new Passkey({ origin }), { attestation: 'AAAA' }), 403, 'passkey');
  // A credential of somebody else is not taken over.
  const mine = await courier();
  no(await finish(begun, mine.passkey), 409, 'exists');
  ok(await finish(begun, new Passkey({ origin }), { label: 'x' }), 200);
});

test('signing in: once for each challenge, with the right passkey, verified, on our page', async () => {
  const p = await courier();
  const cookie = p.cookie;
  const me = ok(await p.signIn(), 200);
  assert.equal(me.visitor, p.visitor.id);
  assert.notEqual(p.cookie, cookie);
  const begin = async () => ok(await p.post('/v1/signin/begin'), 200).challenge;
  const finish = (body, headers) => service.send('POST', '/v1/signin/finish', { body, headers: { origin, ...headers } });
  const challenge = await begin();
  const good = { challenge, ...p.passkey.assert({ challenge }) };
  ok(await finish(good), 200);
  no(await finish(good), 403, 'challenge');
  const flip = (text, at, bit = 1) => { const x = Buffer.from(text, 'base64url'); x[at] ^= bit; return x.toString('base64url'); };
  for (const c of [Buffer.alloc(32).toString('base64url'), Buffer.alloc(16).toString('base64url'), flip(await begin(), 20)])
    no(await finish({ ...good, challenge: c }), 403, 'challenge');
  const fresh = async (change, passkey = p.passkey) => {
    const c = await begin();
    const body = { challenge: c, ...passkey.assert({ challenge: c }) };
    return finish(change ? change(body) ?? body : body);
  };
  no(await fresh(null, new Passkey({ origin })), 403, 'passkey');
  const thief = new Passkey({ origin });
  thief.id = p.passkey.id;
  no(await fresh(null, thief), 403, 'passkey');
  no(await fresh((x) => ({ ...x, signature: flip(x.signature, 40) })), 403, 'passkey');
  no(await fresh((x) => ({ ...x, auth_data: flip(x.auth_data, 32, 4) })), 403, 'user_verification');
  no(await fresh((x) => ({ ...x, auth_data: flip(x.auth_data, 3) })), 403, 'origin');
  const elsewhere = new Passkey({ origin: 'http://home1.localhost:8400', rpId: 'service.localhost' });
  Object.assign(elsewhere, { id: p.passkey.id, pair: p.passkey.pair });
  no(await fresh(null, elsewhere), 403, 'origin');
  // Somebody else's page cannot sign anybody in.
  const c2 = await begin();
  for (const o of ['http://evil.example', 'null', `${origin}/`, ''])
    no(await finish({ challenge: c2, ...p.passkey.assert({ challenge: c2 }) }, { origin: o }), 403, 'csrf');
  // An Idempotency-Key makes no second session.
  const key = { 'idempotency-key': hex() };
  const body = { challenge: c2, ...p.passkey.assert({ challenge: c2 }) };
  assert.ok(ok(await finish(body, key), 200).csrf);
  no(await finish(body, key), 403, 'challenge');
});

test('what changes something must come from our page; tokens do not need it', async () => {
  const p = await courier();
  const job = await signed(service, a.agency, ok(await service.post('/v1/jobs', a.agency.token, jobBody(a.home, p.visitor, ['C1'])), 201));
  const body = askBody(job, 'C1');
  const cookie = `doorward_service=${p.cookie}`;
  const send = (headers) => service.send('POST', '/v1/visits', { body, headers });
  const csrf = { 'x-doorward-csrf': p.csrf };
  for (const headers of [{ cookie }, { cookie, origin }, { cookie, ...csrf }, { cookie, origin: 'http://evil.example', ...csrf }, { cookie, origin: 'http://home1.localhost:8400', ...csrf },
    { cookie, origin, 'x-doorward-csrf': `${p.csrf.slice(0, -1)}x` }, { cookie, origin, 'x-doorward-csrf': p.csrf.slice(2) }, { cookie, origin, 'x-doorward-csrf': 'x'.repeat(200) }])
    no(await send(headers), 403, 'csrf');
  assert.equal(ok(await p.get('/v1/visits'), 200).items.length, 0);
  a.hub.say('policy ready');
  const visit = ok(await p.post('/v1/visits', body), 201);
  assert.equal(visit.door_confirmed, false);
  // What a killed app takes up again, in one request.
  const active = ok(await p.get('/v1/visits?active=1'), 200).items;
  assert.deepEqual(active.map((v) => v.id), [visit.id]);
  assert.ok(active[0].story.length >= 1);
  assert.equal((await p.get('/v1/visits?active=1&stuck=1')).status, 422);
  assert.equal((await p.get(`/v1/visits?active=1&after=${visit.id}`)).status, 422);
  // Asked again with the same key, by an app that was killed and by its person who signed in anew: one visit.
  const key = { 'idempotency-key': hex() }, third = await signed(service, a.agency, ok(await service.post('/v1/jobs', a.agency.token, jobBody(a.home, p.visitor, ['C3'])), 201)), ask3 = askBody(third, 'C3');
  const asked = await p.post('/v1/visits', ask3, key);
  ok(await p.signIn(), 200);
  assert.equal(ok(await p.post('/v1/visits', ask3, key), 201).id, asked.body.id);
  assert.equal(a.hub.all('hello').filter((e) => e.visit === asked.body.id && !e.repeat).length <= 1, true);
  // The sticker.
  const [front, garage] = ok(await service.get(`/v1/homes/${a.home.id}`, a.home.token), 200).doors;
  no(await p.post(`/v1/visits/${visit.id}/door`, { code: garage.code }), 409, 'wrong_door');
  no(await p.post(`/v1/visits/${visit.id}/door`, { code: 'NOSUCH' }), 409, 'wrong_door');
  assert.equal(ok(await p.post(`/v1/visits/${visit.id}/door`, { code: front.code }), 200).door_confirmed, true);
  const other = await courier();
  no(await other.post(`/v1/visits/${visit.id}/door`, { code: front.code }), 404, 'not_found');
  // Asked with the scan, it is confirmed from the start.
  const second = await signed(service, a.agency, ok(await service.post('/v1/jobs', a.agency.token, jobBody(a.home, p.visitor, ['C2'])), 201));
  assert.equal(ok(await p.post('/v1/visits', askBody(second, 'C2', { door_code: front.code })), 201).door_confirmed, true);
});

test('staff act as their agency, and get no tokens', async () => {
  const made = await hire(a.agency, 'Dora');
  const p = new Person(service, origin);
  const me = await p.join(made.link);
  assert.deepEqual([me.role, me.staff, me.visitor, me.name, me.agency], ['staff', made.staff, null, 'Dora', a.agency.id]);
  const v = ok(await p.post('/v1/visitors', { name: 'New' }), 201);
  assert.equal(v.token, undefined);
  assert.match(ok(await p.post(`/v1/visitors/${v.id}/invitations`), 201).link, /#dw/);
  assert.ok(ok(await p.get('/v1/visitors'), 200).items.some((x) => x.id === v.id));
  assert.equal((await p.post('/v1/agencies', { name: 'Mine' })).status, 403);
  const list = ok(await p.get(`/v1/agencies/${a.agency.id}/staff`), 200).items;
  assert.ok(list.some((x) => x.id === made.staff && x.joined));
  no(await p.get(`/v1/agencies/${b.agency.id}/staff`), 404, 'not_found');
  no(await p.post(`/v1/visitors/${b.visitor.id}/invitations`), 404, 'not_found');
  // Another member takes this one out: signed out at once, and the passkey is worth nothing.
  const boss = new Person(service, origin);
  await boss.join((await hire(a.agency, 'Boss')).link);
  no(await boss.ask('DELETE', `/v1/agencies/${b.agency.id}/staff/${made.staff}`), 404, 'not_found');
  ok(await boss.ask('DELETE', `/v1/agencies/${a.agency.id}/staff/${made.staff}`), 200);
  no(await p.get('/v1/me'), 401, 'signed_out');
  no(await p.signIn(), 403, 'passkey');
});

test('sessions end: signed out, deactivated, phone lost', async () => {
  const p = await courier();
  const again = new Person(service, origin, p.passkey);
  ok(await again.signIn(), 200);
  const old = p.cookie;
  const out = await p.signOut();
  assert.match(out.headers['set-cookie'][0], /^doorward_service=; Path=\/; Max-Age=0;/);
  no(await service.send('GET', '/v1/me', { headers: { cookie: `doorward_service=${old}` } }), 401, 'signed_out');
  assert.equal(ok(await again.get('/v1/me'), 200).visitor, p.visitor.id); // the other one goes on
  ok(await service.patch(`/v1/visitors/${p.visitor.id}`, a.agency.token, { active: false }), 200);
  no(await again.get('/v1/me'), 401, 'signed_out');
  no(await again.signIn(), 403, 'passkey');
  no(await service.post(`/v1/visitors/${p.visitor.id}/invitations`, a.agency.token), 409, 'conflict');
  ok(await service.patch(`/v1/visitors/${p.visitor.id}`, a.agency.token, { active: true }), 200);
  no(await again.get('/v1/me'), 401, 'signed_out'); // ended is ended
  ok(await again.signIn(), 200);
  const { link } = await invite(p.visitor, a.agency.token, { replace: true });
  no(await again.get('/v1/me'), 401, 'signed_out');
  no(await again.signIn(), 403, 'passkey');
  const next = new Person(service, origin);
  await next.join(link);
  // Nine sessions of one person are one too many: the oldest goes.
  for (let i = 0; i < 8; i++) ok(await new Person(service, origin, next.passkey).signIn(), 200);
  no(await next.get('/v1/me'), 401, 'signed_out');
});

const get = (at, cookie) => at.send('GET', '/v1/me', { headers: { cookie: `doorward_service=${cookie}` } });
const cookieOf = (r) => /=([0-9a-f]{64});/.exec(r.headers['set-cookie']?.[0] ?? '')?.[1];

test('the cookie is renewed, and an answer that gets lost signs nobody out', async () => {
  const brisk = await new Service('brisk', { broker: `127.0.0.1:${broker.port}`, origin, session_rotate_s: 1 }).open();
  const p = await courier({ agency: await makeAgency(brisk) }, brisk);
  const first = p.cookie;
  // Twice the answer with the new cookie is lost: the old one goes on counting, and is given another.
  const renewed = () => until('a renewal', async () => {
    const r = await get(brisk, first);
    assert.equal(r.status, 200);
    return cookieOf(r);
  }, 8000);
  const lost = await renewed(), second = await renewed();
  assert.equal(new Set([first, lost, second]).size, 3);
  assert.equal((await get(brisk, lost)).status, 401); // overtaken
  assert.equal((await get(brisk, second)).status, 200); // arrived: seen
  const late = await get(brisk, first); // a request that was under way
  assert.deepEqual([late.status, cookieOf(late)], [200, undefined]);
  // Then the old one is over, for whoever copied it. The word against forgery is that of the session: two tabs.
  await until('the end of the old cookie', async () => (await get(brisk, first)).status === 401, 8000);
  p.cookie = second;
  ok(await p.signOut(), 200);
  assert.equal(await brisk.close(), 0);
});

test('time ends a session; making a way in for somebody needs a fresh one', async () => {
  const brief = await new Service('brief', { broker: `127.0.0.1:${broker.port}`, origin, session_idle_s: 2, session_max_s: 4, session_fresh_s: 1 }).open();
  const agency = await makeAgency(brief);
  const p = await courier({ agency }, brief);
  // Used all the time it ends at its last hour; unused it ends sooner.
  ok(await p.signIn(), 200);
  const start2 = Date.now();
  await until('the last hour', async () => (await p.get('/v1/me')).status === 401, 12000);
  const lasted = Date.now() - start2;
  assert.ok(lasted > 3500 && lasted < 8000, String(lasted));
  ok(await p.signIn(), 200);
  const idle = p.cookie, start3 = Date.now();
  await until('two seconds', () => Date.now() - start3 > 2100, 5000);
  for (const route of execFileSync(serviceExe, ['--routes'], { encoding: 'utf8' }).trim().split('\n')) {
    const [method, url] = route.split(' ');
    if (/\/v1\/(health|openapi|problems|signin|join)/.test(url)) continue;
    no(await brief.send(method, url, { body: method === 'GET' || method === 'DELETE' ? undefined : {}, headers: { cookie: `doorward_service=${idle}`, origin, 'x-doorward-csrf': p.csrf } }), 401, 'signed_out');
  }
  // Making a way in for somebody needs a sign-in of the last minutes (here: of the last second).
  const boss = new Person(brief, origin);
  await boss.join((ok(await brief.post(`/v1/agencies/${agency.id}/staff`, agency.token, { name: 'Boss' }), 201)).link);
  const acts = () => [['POST', `/v1/agencies/${agency.id}/staff`, { name: 'X' }], ['POST', `/v1/visitors/${p.visitor.id}/invitations`, {}], ['DELETE', `/v1/agencies/${agency.id}/staff/${hex()}`]];
  const start4 = Date.now();
  await until('a second', () => Date.now() - start4 > 1100, 5000);
  for (const act of acts()) {
    const r = await boss.ask(...act); // its cookie may be renewed meanwhile
    assert.deepEqual([r.status, r.body.code], [403, 'sign_in_again']);
  }
  const before = boss.cookie;
  ok(await boss.signIn(), 200);
  no(await get(brief, before), 401, 'signed_out'); // one browser, one session
  ok(await boss.ask(...acts()[0]), 201);
  assert.equal(await brief.close(), 0);
});

test('every route before strangers: the same answer for what is there and what is not', async () => {
  const doc = ok(await service.get('/v1/openapi.json'), 200);
  const street = async (s) => {
    s.job = await signed(service, s.agency, ok(await service.post('/v1/jobs', s.agency.token, jobBody(s.home, s.visitor, [hex(), hex()])), 201));
    s.hub.say('policy ready');
    s.visit = ok(await service.post('/v1/visits', s.visitor.token, askBody(s.job, s.job.parcels[0].barcode)), 201);
    s.courier = new Person(service, origin);
    await s.courier.join((await invite(s.visitor, s.agency.token)).link);
    s.staff = new Person(service, origin);
    const made = await hire(s.agency);
    s.member = made.staff;
    await s.agency.signer.stop(); // from here on something waits for it
    ok(await service.post('/v1/jobs', s.agency.token, jobBody(s.home, s.visitor, [hex()])), 201);
    s.item = ok(await service.get('/v1/signing', s.agency.token), 200).items[0].id;
    await s.staff.join(made.link);
  };
  await street(a);
  await street(b);
  const gone = new Person(service, origin);
  await gone.join((await hire(a.agency)).link);
  const ended = { cookie: `doorward_service=${gone.cookie}`, origin, 'x-doorward-csrf': gone.csrf };
  await gone.signOut();
  const ids = (s) => ({ agency: s.agency.id, visitor: s.visitor.id, home: s.home.id, job: s.job.id, visit: s.visit.id, staff: s.member, signing: s.item });
  const none = Object.fromEntries(Object.entries(ids(a)).map(([k, v]) => [k, 'f'.repeat(v.length)]));
  const fill = (p, from) => p.replace(/\{(\w+)\}/g, (_, k) => from[k]);
  const body = (m) => (m === 'GET' || m === 'DELETE' ? undefined : {});
  let walked = 0, foreign = 0;
  const health = () => service.get('/v1/jobs', a.agency.token).then((r) => r.text);
  const before = await health();
  for (const [p, methods] of Object.entries(doc.paths)) {
    for (const [m, o] of Object.entries(methods)) {
      const method = m.toUpperCase();
      if (o['x-roles'].length === 0) {
        // Open to all, but what begins a session needs our page.
        if (method === 'POST') no(await service.send(method, p, { body: { token: 'x' }, headers: { origin: 'http://evil.example' } }), 403, 'csrf');
        continue;
      }
      // Nobody, somebody whose session is over, a cookie that never was: one answer, byte for byte.
      const texts = new Set();
      for (const headers of [{}, ended, { cookie: 'doorward_service=' }, { cookie: `doorward_service=${hex(32)}` }, { cookie: `doorward_home=${gone.cookie}` }, { cookie: `doorward_service=${'x'.repeat(900)}` }]) {
        for (const url of [fill(p, ids(a)), fill(p, none), '/v1/no/such', `${p}/none`]) {
          const r = await service.send(method, url, { body: body(method), headers });
          no(r, 401, 'signed_out');
          texts.add(r.text);
        }
      }
      assert.equal(texts.size, 1, `${method} ${p}`);
      walked++;
      // People of another agency, another home's owner: not found, the same bytes as what does not exist.
      if (!p.includes('{')) continue;
      const others = [['agency', { page: b.staff }], ['visitor', { page: b.courier }], ['owner', { token: b.home.token }]];
      for (const [role, how] of others) {
        const there = await service.send(method, fill(p, ids(a)), { body: body(method), ...how });
        const not = await service.send(method, fill(p, none), { body: body(method), ...how });
        // Any agency may ask any household, once it has been told the home's id: that is what an introduction is.
        if (role === 'agency' && p.endsWith('/introductions')) { ok(there, 201); no(not, 404, 'not_found'); continue; }
        if (o['x-roles'].includes(role)) { no(there, 404, 'not_found'); foreign++; } else no(there, 403, 'not_permitted');
        assert.equal(there.text, not.text, `${role} ${method} ${p}`);
      }
    }
  }
  assert.ok(walked >= 31 && foreign >= 25, `${walked} ${foreign}`);
  assert.equal(await health(), before);
  // The same people do reach their own.
  ok(await a.courier.get(`/v1/jobs/${a.job.id}`), 200);
  ok(await a.staff.get(`/v1/jobs/${a.job.id}`), 200);
  ok(await a.courier.get(`/v1/visits/${a.visit.id}`), 200);
});

test('every page before strangers: the way to /signin, whether it is there or not', async () => {
  const open = ['/signin', '/join'];
  const get = (url, person, headers) => service.send('GET', url, { page: person, headers });
  const seen = new Set();
  for (const url of ['/', '/agency', '/index.html', '/agency.html', '/no/such', '/x.js', '/v2/health', '/index.html?x=1', '/../etc/passwd', '/v1/../../etc/passwd', '/v1/jobs/..%2f..', '/v1/../index.html', '/v1x', `/${'y'.repeat(200)}`]) {
    for (const headers of [{}, { cookie: `doorward_service=${hex(32)}` }, { authorization: `Bearer ${a.agency.token}` }]) {
      const r = await get(url, undefined, headers);
      assert.equal(r.status, 303, `${url} ${r.status}`);
      assert.equal(r.headers.location, '/signin');
      assert.match(r.headers['content-security-policy'], /^default-src 'none'; script-src 'self' 'wasm-unsafe-eval';/);
      assert.match(r.headers['permissions-policy'], /camera=\(self\)/);
      seen.add(r.text);
    }
  }
  assert.deepEqual([...seen], ['']);
  for (const url of open) {
    const r = await get(url);
    assert.ok([200, 404].includes(r.status), String(r.status)); // 404: built without pages
    assert.equal(r.headers['x-content-type-options'], 'nosniff');
  }
  const p = await courier();
  assert.equal((await get('/agency', p)).headers.location, '/');
  assert.equal((await get('/no/such', p)).status, 404);
  const home = await get('/', p);
  if (home.status === 200) {
    assert.equal(home.headers['content-type'], 'text/html; charset=utf-8');
    assert.equal((await get('/', p, { 'if-none-match': home.headers.etag })).status, 304);
    const files = [...new Set([...home.text.matchAll(/(?:src|href)="(\/[^"#]+)"/g)].map((m) => m[1]))];
    for (const f of files) {
      assert.equal((await get(f, p)).status, 200, f);
      const packed = await get(f, p, { 'accept-encoding': 'gzip' });
      assert.equal(packed.status, 200);
    }
    assert.equal((await service.send('HEAD', '/', { page: p })).text, '');
  }
  const s = new Person(service, origin);
  await s.join((await hire(a.agency)).link);
  const has = (await get('/agency', s)).status === 200;
  assert.equal((await get('/', s)).headers.location, has ? '/agency' : undefined);
});

test('TLS of its own; an address that is wrong is refused in words; without one nobody signs in', async () => {
  const dir = path.join(service.dir, 'tls');
  fs.mkdirSync(dir);
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=service.localhost',
    '-addext', 'subjectAltName=DNS:service.localhost', '-keyout', path.join(dir, 'key.pem'), '-out', path.join(dir, 'cert.pem')], { stdio: 'ignore' });
  const tls = await new Service('tls-service', { broker: `127.0.0.1:${broker.port}`, origin: 'https://service.localhost', tls_cert: path.join(dir, 'cert.pem'), tls_key: path.join(dir, 'key.pem') }).open();
  const answer = await new Promise((done, fail) => {
    https.get({ host: '127.0.0.1', port: tls.port, path: '/v1/health', servername: 'service.localhost', ca: fs.readFileSync(path.join(dir, 'cert.pem')), agent: false }, (r) => {
      r.on('data', (d) => { r.socket.getProtocol(); done({ status: r.statusCode, protocol: r.socket.getProtocol(), text: String(d) }); });
    }).on('error', fail);
  });
  assert.equal(answer.status, 200);
  assert.match(answer.protocol, /^TLSv1\.[23]$/);
  await assert.rejects(() => tls.get('/v1/health'));
  assert.equal(await tls.close(), 0);
  const conf = (name, more) => {
    const at = path.join(dir, name);
    fs.mkdirSync(at);
    fs.writeFileSync(path.join(at, 'conf'), `listen = 127.0.0.1:0\nport_file = ${at}/port\ndatabase = ${at}/db\nkey_file = ${at}/key\nadmin_token_file = ${at}/admin\nbroker = 127.0.0.1:${broker.port}\n${more}`);
    return start(serviceExe, ['--config', path.join(at, 'conf')]);
  };
  for (const [i, bad] of ['http://service.example', 'https://a/b', 'https://A.example', 'https://a.example/', 'ftp://x', 'https://', 'http://notlocalhost', 'https://x:123456', 'https://x:', 'http://127.0.0.1:1'].entries()) {
    const child = conf(`bad${i}`, `origin = ${bad}\n`);
    assert.equal(await child.ended, 1, bad);
    assert.match(child.text, /origin.*must be https/);
  }
  const half = conf('half', `tls_cert = ${dir}/cert.pem\n`);
  assert.equal(await half.ended, 1);
  assert.match(half.text, /go together/);
  const off = await new Service('off', { broker: `127.0.0.1:${broker.port}`, origin: '' }).open();
  assert.match(off.child.text, /sign-in.*origin is not set/);
  no(await off.send('POST', '/v1/signin/begin', { body: {}, headers: { origin } }), 409, 'no_signin');
  const agency = await makeAgency(off);
  const v = await makeVisitor(off, agency);
  no(await off.post(`/v1/visitors/${v.id}/invitations`, agency.token), 409, 'no_signin');
  assert.equal(await off.close(), 0);
});

// [I45]
test('what does not hold is bounded for each who shows it, and shuts out nobody else', async () => {
  const AT_ONCE = 60;
  // Behind a proxy, so that here are several addresses; what a client writes itself stands before the proxy's word.
  const own = await (await new Service('tries', { broker: `127.0.0.1:${broker.port}`, origin, behind_proxy: 'yes' }).open()).linked();
  const street = await makeStreet(own, broker, 'tries', { zone });
  const from = (address) => ({ 'x-forwarded-for': `198.51.100.${Math.floor(Math.random() * 250)}, ${address}` });
  const codes = (answers) => answers.reduce((n, r) => ({ ...n, [r.body.code]: (n[r.body.code] ?? 0) + 1 }), {});
  const isBounded = (n, wrong, began) => {
    assert.deepEqual(Object.keys(n).sort(), [wrong, 'too_many'].sort(), JSON.stringify(n));
    const more = Math.ceil((Date.now() - began) / 1000);
    assert.ok(n[wrong] >= AT_ONCE && n[wrong] <= AT_ONCE + more, `${JSON.stringify(n)} in ${more} s`);
  };
  const visitor = await makeVisitor(own, street.agency, 'Ada');
  const { link } = ok(await own.post(`/v1/visitors/${visitor.id}/invitations`, street.agency.token), 201);
  const stranger = new Person(own, origin), friend = new Person(own, origin);

  let began = Date.now(); // all at once: no more than one after another
  isBounded(codes(await Promise.all(Array.from({ length: 90 }, () => stranger.post('/v1/join/look', { token: `dw${hex(32)}` }, from('203.0.113.5'))))), 'invitation', began);
  const began_signin = ok(await stranger.post('/v1/signin/begin', {}, from('203.0.113.5')), 200);
  const again = await stranger.post('/v1/signin/finish', { challenge: began_signin.challenge, ...street.visitor.passkey.assert(began_signin) }, from('203.0.113.5'));
  no(again, 429, 'too_many'); // not even a true one, from there
  for (let i = 0; i < AT_ONCE + 10; i++) ok(await friend.post('/v1/join/look', { token: link.split('#')[1] }, from('203.0.113.6')), 200); // what holds costs nothing
  ok(await friend.ask('POST', '/v1/signin/begin', {}, from('203.0.113.6')), 200);
  assert.equal((await friend.join(link)).role, 'visitor');

  // An agency's signer, a courier at a door: each its own.
  const other = await makeAgency(own, 'Other', { signs: false });
  await permit(own, street.home, other);
  const job = ok(await own.post('/v1/jobs', other.token, jobBody(street.home, await makeVisitor(own, other), ['T'])), 201);
  const [item] = await until('an item', async () => { const l = ok(await own.get('/v1/signing', other.token), 200).items; return l.length && l; });
  const page = ok(await own.get('/v1/signing?limit=1', other.token), 200);
  assert.deepEqual([page.items[0].id, page.next], [item.id, item.id]);
  assert.deepEqual(ok(await own.get(`/v1/signing?limit=1&after=${page.next}`, other.token), 200), { items: [], next: null });
  began = Date.now();
  isBounded(codes(await Promise.all(Array.from({ length: 90 }, () => own.post(`/v1/signing/${item.id}`, other.token, { object: 'AAAA' })))), 'bad_signature', began);
  assert.equal(ok(await own.get(`/v1/jobs/${job.id}`, other.token), 200).state, 'unsigned');
  const theirs = await signed(own, street.agency, ok(await own.post('/v1/jobs', street.agency.token, jobBody(street.home, street.visitor, ['U'])), 201));
  street.hub.say('policy ready');
  const v = ok(await own.post('/v1/visits', street.visitor.token, askBody(theirs, 'U')), 201);
  await until('ready', async () => ok(await own.get(`/v1/visits/${v.id}`, street.visitor.token), 200).state === 'ready');
  began = Date.now();
  const shown = ok(await own.get(`/v1/visits/${v.id}`, street.visitor.token), 200), wrong = prove(shown, street.visitor.passkey, { door: 1 });
  isBounded(codes(await Promise.all(Array.from({ length: 90 }, () => own.post(`/v1/visits/${v.id}/open`, street.visitor.token, wrong)))), 'stop', began);
  await until('a second later it is one more', async () => (await slide(own, street.visitor, v)).status === 200);
  assert.equal(await own.close(), 0, own.child.text);
});

test('after a restart whoever was signed in is signed in', async () => {
  const p = await courier();
  await service.kill();
  await service.open();
  assert.equal(ok(await p.get('/v1/me'), 200).visitor, p.visitor.id);
  ok(await p.signIn(), 200);
  assert.equal(await service.close(), 0, service.child.text);
  assert.doesNotMatch(service.child.text, /Sanitizer|runtime error/);
});

await main();
