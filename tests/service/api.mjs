// The API against its document, who may do what, and input that is wrong in every way.
import assert from 'node:assert/strict';
import process from 'node:process';
import { Person } from './people.mjs';
import { Broker, Service, Signer, askBody, prove, signed, civil, execFileSync, fs, hex, jobBody, main, makeAgency, makeStreet, makeVisitor, net, noonZone, ok, pairingCode, path, serviceExe, test, start, until } from './rig.mjs';

const broker = await new Broker().open();
const service = await (await new Service('api', { broker: `127.0.0.1:${broker.port}`, origin: 'http://service.localhost:8400' }).open()).linked();
const zone = noonZone();
const a = await makeStreet(service, broker, 'a', { zone });
const b = await makeStreet(service, broker, 'b', { zone });
for (const s of [a, b]) {
  s.job = await signed(service, s.agency, ok(await service.post('/v1/jobs', s.agency.token, jobBody(s.home, s.visitor, ['P1', 'P2'])), 201));
  s.hub.say('policy ready');
  s.staff = { id: ok(await service.post(`/v1/agencies/${s.agency.id}/staff`, s.agency.token, { name: 'Disp' }), 201).staff };
  s.over = ok(await service.post('/v1/visits', s.visitor.token, askBody(s.job, 'P2')), 201);
  await s.hub.next((e) => e.event === 'hello' && e.visit === s.over.id);
  s.hub.say(`receipt ${s.over.id} NOT_OPENED none 0 ${Date.now()} 3 0`);
  await until('receipt', async () => (await service.get(`/v1/visits/${s.over.id}/receipt`, s.visitor.token)).status === 200);
  s.visit = ok(await service.post('/v1/visits', s.visitor.token, askBody(s.job, 'P1')), 201);
  await s.hub.next((e) => e.event === 'hello' && e.visit === s.visit.id);
  await until('ready', async () => { s.ready = (await service.get(`/v1/visits/${s.visit.id}`, s.visitor.token)).body; return s.ready.state === 'ready'; });
  s.proof = prove(s.ready, s.visitor.passkey);
  await s.agency.signer.stop(); // from here on something waits for its signature
  ok(await service.post('/v1/jobs', s.agency.token, jobBody(s.home, s.visitor, [hex()])), 201);
  [s.item] = ok(await service.get('/v1/signing', s.agency.token), 200).items;
}
const doc = ok(await service.get('/v1/openapi.json'), 200);
const routes = execFileSync(serviceExe, ['--routes'], { encoding: 'utf8' }).trim().split('\n');
const operations = Object.entries(doc.paths).flatMap(([p, ms]) => Object.entries(ms).map(([m, o]) => [m.toUpperCase(), p, o]));

const deref = (s) => (s.$ref ? s.$ref.slice(2).split('/').reduce((o, k) => o[k], doc) : s);

// The part of JSON Schema that the document uses.
function misfits(value, schema, at = '$') {
  const s = deref(schema);
  if (s.anyOf) return s.anyOf.some((t) => misfits(value, t, at).length === 0) ? [] : [`${at}: fits none`];
  const types = [].concat(s.type ?? []);
  const is = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value === 'number' ? (Number.isInteger(value) ? 'integer' : 'number') : typeof value;
  if (types.length && !types.includes(is) && !(is === 'integer' && types.includes('number'))) return [`${at}: ${is}, not ${types}`];
  const out = [];
  if (s.enum && !s.enum.includes(value)) out.push(`${at}: ${value} not in enum`);
  if (is === 'string') {
    if (s.pattern && !new RegExp(s.pattern).test(value)) out.push(`${at}: pattern`);
    if (s.maxLength !== undefined && value.length > s.maxLength) out.push(`${at}: too long`);
    if (s.format === 'date-time' && Number.isNaN(Date.parse(value))) out.push(`${at}: no time`);
  }
  if (is === 'array') value.forEach((v, i) => out.push(...misfits(v, s.items ?? {}, `${at}[${i}]`)));
  if (is === 'object' && s.properties) {
    for (const k of s.required ?? []) if (!(k in value)) out.push(`${at}.${k}: missing`);
    for (const [k, v] of Object.entries(value)) {
      if (s.properties[k]) out.push(...misfits(v, s.properties[k], `${at}.${k}`));
      else if (s.additionalProperties === false) out.push(`${at}.${k}: not documented`);
    }
  }
  return out;
}
const documented = (method, p, r) => {
  const o = doc.paths[p][method.toLowerCase()];
  const answer = deref(o.responses[r.status] ?? o.responses.default);
  const [[type, { schema }]] = Object.entries(answer.content);
  assert.equal(r.type, type, `${method} ${p} ${r.status}`);
  assert.deepEqual(misfits(r.body, schema), [], `${method} ${p} ${r.status}: ${r.text}`);
};
const isProblem = (r, status, code) => {
  assert.equal(r.status, status, r.text);
  assert.equal(r.type, 'application/problem+json');
  assert.deepEqual(misfits(r.body, { $ref: '#/components/schemas/Problem' }), []);
  assert.equal(r.body.status, status);
  if (code) assert.equal(r.body.code, code);
  assert.match(r.body.detail, /\.$/);
  assert.match(r.body.next, /\.$/);
};

test('every route is documented, and everything documented is a route', () => {
  assert.deepEqual(operations.map(([m, p]) => `${m} ${p}`).sort(), [...routes].sort());
  assert.ok(routes.length >= 25);
});

test('the document itself: parameters, problem answers, strict bodies, references', () => {
  assert.equal(doc.openapi, '3.1.0');
  const ids = new Set();
  for (const [m, p, o] of operations) {
    assert.ok(o.operationId && !ids.has(o.operationId), `${m} ${p}`);
    ids.add(o.operationId);
    assert.equal(deref(o.responses.default).content['application/problem+json'].schema.$ref, '#/components/schemas/Problem');
    const named = (o.parameters ?? []).map(deref).filter((q) => q.in === 'path').map((q) => q.name);
    assert.deepEqual(named, [...p.matchAll(/\{(\w+)\}/g)].map((x) => x[1]), `${m} ${p}`);
    if (o.requestBody) assert.equal(deref(o.requestBody.content['application/json'].schema).additionalProperties, false);
    assert.equal(o.security.length === 0, o['x-roles'].length === 0);
    assert.equal(o.security.some((x) => x.session), ['agency', 'visitor'].some((role) => o['x-roles'].includes(role)), `${m} ${p}`);
  }
  JSON.stringify(doc, (k, v) => { if (k === '$ref') assert.ok(deref({ $ref: v }), v); return v; });
});

// Each operation with ids of one street, and a body that is good.
const request = (s, method, p) => {
  const url = p.replace('{agency}', s.agency.id).replace('{visitor}', s.visitor.id).replace('{home}', s.home.id)
    .replace('{job}', s.job.id).replace('{visit}', p.endsWith('/receipt') ? s.over.id : s.visit.id).replace('{staff}', s.staff.id).replace('{signing}', s.item.id);
  const bodies = {
    'POST /v1/agencies': { name: 'N' }, 'POST /v1/visitors': { name: 'N', agency: s.agency.id },
    'PATCH /v1/visitors/{visitor}': { name: 'Stewart' },
    'POST /v1/visitors/{visitor}/screenings': { issuer: 'I', kind: 'K', valid_from: '2020-01-01', valid_to: '2099-01-01' },
    'POST /v1/homes': { name: 'H', pairing_code: pairingCode() }, 'PATCH /v1/agencies/{agency}': { hosted: false },
    'POST /v1/homes/{home}/introductions': {}, 'POST /v1/signing/{signing}': { object: Signer.sign(s.agency.pair, s.item) },
    'POST /v1/jobs': jobBody(s.home, s.visitor, [hex()]), 'PATCH /v1/jobs/{job}': { notes: 'n' },
    'POST /v1/visits': askBody(s.job, 'P1'), 'POST /v1/visits/{visit}/open': s.proof,
    'POST /v1/agencies/{agency}/staff': { name: 'N' }, 'POST /v1/visits/{visit}/door': { code: s.home.doors[0].code },
  };
  return [method, url, bodies[`${method} ${p}`]];
};
const tokens = (s) => ({ admin: service.admin, agency: s.agency.token, visitor: s.visitor.token, owner: s.home.token });

test('no token, a wrong token: 401 on every route that needs one', async () => {
  for (const [m, p, o] of operations) {
    const [method, url, body] = request(a, m, p);
    for (const token of [undefined, 'x', `dw${hex(32)}`, a.agency.token.slice(0, -1), `${a.agency.token}0`, 'A'.repeat(70)]) {
      const r = await service.send(method, url, { token, body });
      if (o['x-roles'].length) {
        isProblem(r, 401, token ? 'no_token' : 'signed_out');
        assert.equal(r.headers['www-authenticate'], 'Bearer');
      } else documented(m, p, r);
    }
  }
});

const changed = []; // [role, actor, route]: what was done, to be found in the audit
test('every route with every role: what the document says', async () => {
  for (const [m, p, o] of operations) {
    for (const [role, token] of Object.entries(tokens(a))) {
      if (m === 'DELETE' && o['x-roles'].includes(role)) continue; // at the end
      if (p.includes('{signing}')) [a.item] = ok(await service.get('/v1/signing', a.agency.token), 200).items; // others came in its place
      const [method, url, body] = request(a, m, p);
      const r = await service.send(method, url, { token, body });
      documented(m, p, r);
      if (/^\/v1\/(signin|join)\//.test(p)) continue; // tests/service/signin.mjs
      if (o['x-roles'].length && !o['x-roles'].includes(role)) isProblem(r, 403, 'not_permitted');
      else if (p.endsWith('/leave')) { isProblem(r, 409, 'no_stay'); continue; } // of a delivery; stays: flow.mjs
      else assert.ok(r.status < 300, `${role} ${m} ${url}: ${r.text}`);
      if (m !== 'GET' && o['x-roles'].includes(role)) changed.push([role, role === 'admin' ? null : { agency: a.agency.id, visitor: a.visitor.id, owner: a.home.id }[role], `${m} ${p}`]);
    }
  }
});

test('what is another\'s is not found: every object route with a foreign token', async () => {
  let looked = 0;
  for (const [m, p, o] of operations.filter(([, q]) => q.includes('{'))) {
    for (const [role, token] of Object.entries(tokens(b))) {
      if (role === 'admin' || !o['x-roles'].includes(role)) continue;
      if (p.endsWith('/introductions')) continue; // any household may be asked, by who was told its id
      const [method, url, body] = request(a, m, p);
      const r = await service.send(method, url, { token, body });
      isProblem(r, 404, 'not_found');
      const none = await service.send(method, url.replace(/[0-9a-f]{16,32}/, (id) => 'f'.repeat(id.length)), { token, body });
      assert.equal(none.text, r.text, 'no difference between foreign and absent');
      looked++;
    }
  }
  assert.ok(looked >= 15, String(looked));
});

const audit = async () => {
  const lines = [];
  for (let next = ''; next !== null;) {
    const page = ok(await service.get(`/v1/audit?limit=100${next && `&after=${next}`}`, service.admin), 200);
    lines.push(...page.items);
    next = page.next;
  }
  return lines;
};

test('every change is in the audit, by whom and of what; a refusal is none', async () => {
  const lines = await audit();
  assert.ok(changed.length >= 15, String(changed.length));
  for (const [role, actor, route] of changed) {
    const found = lines.filter((l) => l.role === role && l.route === route && (actor === null || l.actor === actor));
    assert.ok(found.length > 0, `${role} ${route}`);
    assert.ok(found.every((l) => Date.parse(l.at) <= Date.now()), route);
  }
  // Every route that changes something, by everybody who may not, and with another's ids: no line more.
  for (const [m, p, o] of operations.filter(([n, , d]) => n !== 'GET' && d['x-roles'].length)) {
    const [method, url, body] = request(a, m, p);
    for (const token of [...Object.entries(tokens(a)).filter(([r]) => !o['x-roles'].includes(r)).map(([, t]) => t), ...p.includes('{') && !p.endsWith('/introductions') ? [b.agency.token, b.visitor.token, b.home.token] : []]) {
      const r = await service.send(method, url, { token, body });
      assert.ok(r.status === 403 || r.status === 404, `${m} ${p}: ${r.status}`);
    }
  }
  const mine = (l) => ['admin', 'agency', 'visitor', 'owner', 'staff'].includes(l.role);
  assert.equal((await audit()).filter(mine).length, lines.filter(mine).length);
});

test('what is another\'s in a body is not found, as what does not exist', async () => {
  const none = (id) => 'f'.repeat(id.length);
  const pairs = [
    ['POST', '/v1/jobs', a.agency.token, (id) => ({ ...jobBody(a.home, a.visitor, ['Q']), visitor: id }), b.visitor.id],
    ['POST', '/v1/visitors', a.agency.token, (id) => ({ name: 'N', agency: id }), b.agency.id],
    ['PATCH', `/v1/jobs/${a.job.id}`, a.agency.token, (id) => ({ visitor: id }), b.visitor.id],
  ];
  for (const [method, url, token, body, id] of pairs) {
    const there = await service.send(method, url, { token, body: body(id) });
    const not = await service.send(method, url, { token, body: body(none(id)) });
    assert.ok(there.status >= 400 && there.status < 500, `${method} ${url}: ${there.status} ${there.text}`);
    assert.equal(there.text, not.text, `${method} ${url}`);
  }
  const asked = [];
  for (const id of [a.job.id, none(a.job.id)]) { // at the door a refusal is a visit, too
    const v = ok(await service.post('/v1/visits', b.visitor.token, { ...askBody(a.job, 'P1'), job: id }), 201);
    assert.deepEqual([v.state, v.check.code, v.home, v.agency, v.hub_pub, v.manifest], ['refused', 'no_such_job', null, b.agency.id, null, null]);
    asked.push(Object.keys(v).filter((k) => JSON.stringify(v[k]) !== 'null').sort().join());
  }
  assert.equal(asked[0], asked[1]);
  // A home's id may be told to any agency, so that it can introduce itself; without a grant it is good for nothing else.
  isProblem(await service.post('/v1/jobs', b.agency.token, jobBody(a.home, b.visitor, [hex()])), 409, 'no_grant');
});

test('lists show the asker\'s own only', async () => {
  for (const [p, key] of [['/v1/visitors', 'visitor'], ['/v1/jobs', 'job'], ['/v1/visits', 'visit'], ['/v1/homes', 'home']]) {
    for (const [role, token] of Object.entries(tokens(a))) {
      const r = await service.get(p, token);
      if (r.status === 403) continue;
      const ids = ok(r, 200).items.map((i) => i.id);
      assert.ok(ids.includes(a[key].id), `${role} ${p}`);
      assert.equal(ids.includes(b[key].id), role === 'admin', `${role} ${p}`);
    }
  }
  // And of another's things nothing can be made.
  isProblem(await service.post('/v1/visitors', a.agency.token, { name: 'N', agency: b.agency.id }), 404);
  isProblem(await service.post('/v1/jobs', a.agency.token, jobBody(a.home, b.visitor, ['Q'])), 404);
  // An agency sees a home by its permission, and not its name, place or the codes at its doors.
  isProblem(await service.get(`/v1/homes/${b.home.id}`, a.agency.token), 404);
  const seen = ok(await service.get(`/v1/homes/${a.home.id}`, a.agency.token), 200);
  assert.deepEqual(Object.keys(seen).sort(), ['asked', 'doors', 'grant', 'grants', 'id', 'revoked', 'state', 'zone']);
  assert.deepEqual([seen.grants.map((g) => g.kind).sort(), seen.grants[0]], [['drop', 'stay'], seen.grant]);
  assert.deepEqual([['drop', 'stay'].includes(seen.grant.kind), seen.grant.zone, seen.grant.windows], [true, a.home.zone, [{ from: 0, minutes: 10080 }]]);
  assert.deepEqual(Object.keys(seen.doors[0]).sort(), ['door', 'name']);
});

test('pages', async () => {
  const agency = await makeAgency(service, 'Paged');
  const made = [];
  for (let i = 0; i < 7; i++) made.push((await makeVisitor(service, agency, `V${i}`, false)).id);
  const got = [];
  let next = '';
  do {
    const page = ok(await service.get(`/v1/visitors?limit=3${next ? `&after=${next}` : ''}`, agency.token), 200);
    assert.ok(page.items.length <= 3);
    got.push(...page.items.map((v) => v.id));
    next = page.next;
  } while (next);
  assert.deepEqual(got.sort(), made.sort());
  for (const q of ['limit=0', 'limit=101', 'limit=x', 'limit=-1', 'after=zz', 'nonsense=1', 'limit', '&', '&&x', '=', `after=${'a'.repeat(200)}`]) {
    const r = await service.get(`/v1/visitors?${q}`, agency.token);
    assert.ok([400, 422].includes(r.status), `${q}: ${r.status}`);
    isProblem(r, r.status);
  }
});

test('idempotency: same key and body, same answer, token included; another body is refused', async () => {
  const key = { 'idempotency-key': hex() };
  const first = await service.post('/v1/agencies', service.admin, { name: 'Once' }, key);
  const again = await service.post('/v1/agencies', service.admin, { name: 'Once' }, key);
  assert.equal(again.status, 201);
  assert.deepEqual(again.body, first.body);
  isProblem(await service.post('/v1/agencies', service.admin, { name: 'Twice' }, key), 409, 'idempotency_key_reused');
  isProblem(await service.post('/v1/homes', service.admin, { name: 'Once', pairing_code: pairingCode() }, key), 409, 'idempotency_key_reused');
  // Keys of different people do not meet.
  ok(await service.post('/v1/visitors', a.agency.token, { name: 'V' }, key), 201);
  const many = await Promise.all(Array.from({ length: 20 }, () => service.post('/v1/visitors', a.agency.token, { name: 'Race' }, { 'idempotency-key': `${key['idempotency-key']}r` })));
  assert.equal(new Set(many.map((r) => r.body.id)).size, 1);
  // A refused request keeps nothing.
  const k2 = { 'idempotency-key': hex() };
  isProblem(await service.post('/v1/agencies', service.admin, { nam: 'x' }, k2), 422);
  ok(await service.post('/v1/agencies', service.admin, { name: 'x' }, k2), 201);
  for (const bad of ['', ' ', 'a b', 'x'.repeat(65), 'é']) {
    const r = await service.post('/v1/agencies', service.admin, { name: 'x' }, { 'idempotency-key': Buffer.from(bad).toString('latin1') });
    if (bad.trim() === '') assert.ok([201, 400].includes(r.status)); else isProblem(r, 400);
  }
  // The database holds no token.
  const bytes = Buffer.concat(fs.readdirSync(service.dir).filter((f) => f.startsWith('service.db')).map((f) => fs.readFileSync(path.join(service.dir, f))));
  for (const token of [first.body.token, a.agency.token, a.visitor.token, a.home.token]) assert.ok(!bytes.includes(token));
});

test('wrong bodies: each a problem in words, and nothing changes', async () => {
  const before = ok(await service.get('/v1/jobs', a.agency.token), 200).items.length;
  const good = jobBody(a.home, a.visitor, ['Z1']);
  const window = good.window;
  const table = [
    [{ ...good, extra: 1 }, 'unknown_field'], [{ ...good, home: undefined }, 'missing_field'], [{ ...good, window: undefined }, 'missing_field'],
    [{ ...good, parcels: undefined }, 'missing_field'], [{ ...good, parcels: [] }, 'bad_field'], [{ ...good, parcels: 'Z' }, 'bad_field'],
    [{ ...good, parcels: Array.from({ length: 17 }, (_, i) => `p${i}`) }, 'bad_field'], [{ ...good, parcels: ['x', 'x'] }, 'bad_field'],
    [{ ...good, parcels: [''] }, 'bad_barcode'], [{ ...good, parcels: [7] }, 'bad_barcode'], [{ ...good, parcels: [null] }, 'bad_barcode'],
    [{ ...good, parcels: ['x'.repeat(129)] }, 'bad_barcode'], [{ ...good, parcels: ['x'.repeat(4096)] }, 'bad_barcode'],
    [{ ...good, parcels: ['é'.repeat(65)] }, 'bad_barcode'], [{ ...good, parcels: ['a\nb'] }, 'bad_barcode'], [{ ...good, parcels: ['a\u001d'] }, 'bad_barcode'],
    [{ ...good, parcels: ['a\u007f'] }, 'bad_barcode'], [{ ...good, parcels: ['a\u0085'] }, 'bad_barcode'], [{ ...good, parcels: ['a\u202e'] }, 'bad_barcode'],
    [{ ...good, home: 'x' }, 'bad_field'], [{ ...good, home: a.home.id.toUpperCase() }, /^[a-z_]+$/], [{ ...good, home: 5 }, 'bad_field'],
    [{ ...good, home: 'f'.repeat(32) }, 'not_found'], [{ ...good, door: 2 }, 'bad_field'], [{ ...good, door: -1 }, 'bad_field'], [{ ...good, door: 0.5 }, 'bad_field'],
    [{ ...good, door: 99999999999999 }, 'bad_field'], [{ ...good, kind: 'fly' }, 'bad_field'], [{ ...good, notes: 'x'.repeat(201) }, 'bad_field'],
    [{ ...good, notes: 'a\u0000b' }, 'bad_json'], [{ ...good, notes: 7 }, 'bad_field'], [{ ...good, places: [] }, 'bad_field'], [{ ...good, places: ['roof'] }, 'bad_field'],
    [{ ...good, places: ['hall', 'hall'] }, 'bad_field'], [{ ...good, places: 'hall' }, 'bad_field'], [{ ...good, window: [] }, 'bad_field'],
    [{ ...good, window: { ...window, x: 1 } }, 'unknown_field'], [{ ...good, window: { ...window, date: '2026-02-30' } }, 'bad_field'],
    [{ ...good, window: { ...window, from: '25:00' } }, 'bad_field'], [{ ...good, window: { ...window, from: '12:00', to: '11:00' } }, 'bad_window'],
    [{ ...good, window: { date: '9999-12-31', from: '00:00', to: '24:00' } }, 'bad_window'], [{ ...good, window: { date: civil(zone, -3), from: '00:00', to: '24:00' } }, 'bad_window'],
    [{ ...good, visitor: 'nobody' }, 'bad_field'],
  ];
  for (const [body, code] of table) {
    const r = await service.post('/v1/jobs', a.agency.token, body);
    isProblem(r, r.status);
    if (code instanceof RegExp) assert.match(r.body.code, code); else assert.equal(r.body.code, code, JSON.stringify(body).slice(0, 200));
    assert.ok(r.status >= 400 && r.status < 500);
  }
  assert.equal(ok(await service.get('/v1/jobs', a.agency.token), 200).items.length, before);
  for (const name of ['', ' '.repeat(0), 'x'.repeat(48), 'a\tb', '\u2067x', 5, null, ['x'], {}]) {
    isProblem(await service.post('/v1/agencies', service.admin, { name }), 422);
  }
});

test('barcodes of 1 to 4,096 characters and any bytes, at the door', async () => {
  a.agency.signer = new Signer(service, a.agency.token, a.agency.pair);
  await signed(service, a.agency, a.job);
  const ask = (barcode) => service.post('/v1/visits', a.visitor.token, askBody(a.job, barcode));
  for (const n of [1, 2, 64, 127, 128]) {
    const v = ok(await ask('x'.repeat(n)), 201);
    assert.equal(v.check.code, 'wrong_parcel');
    assert.equal(v.barcode, 'x'.repeat(n));
  }
  for (const n of [129, 500, 1024, 4095, 4096]) isProblem(await ask('x'.repeat(n)), 422, 'bad_barcode');
  for (const c of ['\u0001', '\u001f', '\u007f', '\u0080', '\u2028', '\u202d', '\u200e']) isProblem(await ask(`a${c}b`), 422, 'bad_barcode');
  for (const c of ["'; DROP TABLE jobs;--", '%s%n%x', '../../etc/passwd', '\\', '"', '日本語', '😀', '{}', '<script>']) {
    assert.equal(ok(await ask(c), 201).check.code, 'wrong_parcel');
  }
  for (let i = 0; i < 256; i++) { // any byte, raw in the JSON text
    const raw = Buffer.concat([Buffer.from(`{"job":"${a.job.id}","nonce":"${hex(32)}","barcode":"a`), Buffer.from([i]), Buffer.from('b"}')]);
    const r = await service.send('POST', '/v1/visits', { token: a.visitor.token, raw });
    if (r.status === 201) assert.ok(i >= 0x20 && i < 0x7f && r.body.barcode === `a${String.fromCharCode(i)}b`, String(i));
    else isProblem(r, r.status);
    assert.ok(r.status < 500);
  }
});

test('not JSON, not UTF-8, doubled fields, wrong types of body', async () => {
  const send = (raw, headers) => service.send('POST', '/v1/agencies', { token: service.admin, raw, headers });
  for (const raw of ['', '{', '[]', '7', '"x"', 'null', '{"name":"a"}x', '{"name":"a","name":"b"}', '{"name":"\\ud800"}', '{"name":1e999}',
    '{"name":99999999999999999999999}', '[' .repeat(5000), '{"a":'.repeat(3000), Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), Buffer.from('{"name":"a\0b"}'),
    Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d])]) {
    isProblem(await send(raw), 400, 'bad_json');
  }
  for (const type of ['text/plain', 'application/jsonx', 'application/x-www-form-urlencoded', '']) {
    isProblem(await send('{"name":"a"}', { 'content-type': type }), 415, 'unsupported_media_type');
  }
  ok(await send('{"name":"a"}', { 'content-type': 'application/json; charset=utf-8' }), 201);
  isProblem(await send(Buffer.alloc(65537, 0x20)), 413, 'too_large');
  const padded = `{"name":"a"}${' '.repeat(65536 - 12)}`;
  ok(await send(padded), 201);
});

test('addresses and methods that do not exist', async () => {
  for (const [m, u, status] of [['GET', '/v1', 404], ['GET', '/v1/', 404], ['GET', '/v1/agencies/', 404], ['POST', '/v2/health', 404], ['DELETE', '/', 404],
    ['GET', `/v1/agencies/${'x'.repeat(300)}`, 404], ['GET', '/v1/agencies/%00', 404], ['GET', '/v1/agencies/zz', 404],
    ['DELETE', '/v1/agencies', 405], ['PUT', '/v1/health', 405], ['POST', '/v1/health', 405], ['PATCH', '/v1/visits', 405], ['OPTIONS', '/v1/jobs', 405]]) {
    const r = await service.send(m, u, { token: service.admin });
    isProblem(r, status);
    if (status === 405) assert.ok(r.headers.allow.length > 2);
  }
  assert.deepEqual((await service.send('DELETE', `/v1/jobs/${a.job.id}x`, { token: a.agency.token })).status, 404);
});

// One raw connection: writes, then everything that comes back until it closes or is quiet.
const rawTalk = (bytes, { end = false, ms = 3000 } = {}) => new Promise((done) => {
  const s = net.connect(service.port, '127.0.0.1');
  let text = '';
  const finish = () => { s.destroy(); done(text); };
  s.setTimeout(ms, finish);
  s.on('data', (d) => { text += d; if (/\r\n\r\n[^]*\}$/.test(text)) finish(); }).on('error', finish).on('close', finish);
  s.on('connect', () => (end ? s.end(bytes) : s.write(bytes)));
});

test('malformed, oversized and truncated HTTP: refused or closed, and the service lives', async () => {
  const auth = `Authorization: Bearer ${service.admin}\r\n`;
  const chunked = await rawTalk(`POST /v1/agencies HTTP/1.1\r\nHost: x\r\n${auth}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n{"name":"a"}\r\n0\r\n\r\n`);
  assert.match(chunked, /^HTTP\/1\.1 411 /);
  assert.match(await rawTalk(`GET /v1/health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello`), /^HTTP\/1\.1 400 /);
  assert.match(await rawTalk(`POST /v1/agencies HTTP/1.1\r\nHost: x\r\n${auth}Content-Type: application/json\r\nContent-Length: 99999999999999999999\r\n\r\n`), /^HTTP\/1\.1 413 |^$/);
  assert.doesNotMatch(await rawTalk(`POST /v1/agencies HTTP/1.1\r\nHost: x\r\n${auth}Content-Type: application/json\r\nContent-Length: -1\r\n\r\n`), /HTTP\/1\.1 2/);
  for (const bytes of ['\0\0\0\0', 'GET\r\n\r\n', 'GARBAGE / HTTP/9.9\r\n\r\n', `GET /${'a'.repeat(20000)} HTTP/1.1\r\n\r\n`,
    `GET /v1/health HTTP/1.1\r\nX: ${'y'.repeat(100000)}\r\n\r\n`, `GET /v1/agencies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${'z'.repeat(3000)}\r\n\r\n`,
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n']) {
    assert.doesNotMatch(await rawTalk(bytes, { ms: 1000 }), /HTTP\/1\.1 2/);
  }
  const upgrade = await rawTalk('GET /v1/health HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n', { ms: 1500 });
  assert.doesNotMatch(upgrade, /101/);
  // Cut in the middle of a body: nothing is made of it.
  const before = ok(await service.get('/v1/health'), 200).requests;
  await rawTalk(`POST /v1/agencies HTTP/1.1\r\nHost: x\r\n${auth}Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{"name":"Cut"}`, { end: true });
  assert.ok(ok(await service.get('/v1/health'), 200).requests <= before + 2);
  assert.ok(!ok(await service.get('/v1/agencies', service.admin), 200).items.some((x) => x.name === 'Cut'));
  // Two requests in one packet are two requests.
  const two = await rawTalk('GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n', { ms: 1500 });
  assert.match(two, /^HTTP\/1\.1 200 /);
});

test('noise: requests with random bytes changed, cut or doubled', async () => {
  let seed = Number(process.env.DW_SEED ?? Date.now() % 1000000);
  console.log(`        seed ${seed} (DW_SEED)`);
  const draw = (n) => { seed = (Math.imul(seed, 1103515245) + 12345) >>> 0; return Math.floor((seed / 4294967296) * n); };
  const body = JSON.stringify(jobBody(a.home, a.visitor, ['NOISE']));
  const good = Buffer.from(`POST /v1/jobs?x=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${a.agency.token}\r\nIdempotency-Key: k\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  const noisy = () => {
    let b = Buffer.from(good);
    for (let k = draw(6); k >= 0; k--) {
      const at = draw(b.length);
      const kind = draw(4);
      if (kind === 0) b[at] = draw(256);
      else if (kind === 1) b = b.subarray(0, Math.max(1, at));
      else if (kind === 2) b = Buffer.concat([b.subarray(0, at), b.subarray(Math.max(0, at - draw(60)))]);
      else b = Buffer.concat([b.subarray(0, at), Buffer.alloc(draw(300), draw(256)), b.subarray(at)]);
    }
    return b;
  };
  for (let i = 0; i < 20; i++) await Promise.all(Array.from({ length: 25 }, () => rawTalk(noisy(), { end: true, ms: 400 })));
  ok(await service.get('/v1/health'), 200);
  // No job was made of any of them: even the unchanged request has a parameter that is not known.
  assert.ok(!ok(await service.get('/v1/jobs', a.agency.token), 200).items.some((j) => j.parcels.some((p) => p.barcode === 'NOISE')));
});

test('binds to loopback only, unless a proxy is said to be there', async () => {
  const dir = path.join(service.dir, 'bind');
  fs.mkdirSync(dir);
  const conf = (more) => {
    fs.writeFileSync(path.join(dir, 'conf'), `listen = 0.0.0.0:0\nport_file = ${dir}/port\ndatabase = ${dir}/db\nkey_file = ${dir}/key\nadmin_token_file = ${dir}/admin\nbroker = 127.0.0.1:${broker.port}\n${more}`);
    return start(serviceExe, ['--config', path.join(dir, 'conf')]);
  };
  const refusedChild = conf('');
  assert.equal(await refusedChild.ended, 1);
  assert.match(refusedChild.text, /behind_proxy = yes/);
  const c = conf('nonsense = 1\n');
  assert.equal(await c.ended, 2);
  assert.match(c.text, /conf:7: .*nonsense/);
  for (const mode of ['key', 'admin']) assert.equal(fs.statSync(path.join(dir, mode)).mode & 0o777, 0o600);
});

test('the last: recall by its own agency only', async () => {
  isProblem(await service.del(`/v1/jobs/${a.job.id}`, b.agency.token), 404);
  documented('DELETE', '/v1/jobs/{job}', await service.del(`/v1/jobs/${a.job.id}`, a.agency.token));
  assert.equal(await service.close(), 0, service.child.text);
  assert.doesNotMatch(service.child.text, /Sanitizer|runtime error/);
});

await main();
