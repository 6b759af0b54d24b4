// Agencies sign for themselves: the real signing process, introductions, what a grant holds, shifts, the passkey's stop,
// and that the service itself can make none of it up.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import { Key, STOP_CONTEXT, challengeOf, decode, isSignedBy } from '../hub/authority.mjs';
import { Passkey } from '../../sim/demo/passkey.mjs';
import { Broker, Service, Signer, agencyExe, askBody, civil, execFileSync, fs, hex, jobBody, main, makeAgency, makeHome, makePasskey, makeStreet, makeVisitor, noonZone, ok, pages, path, permit, prove, signed, slide, start, test, until } from './rig.mjs';

const broker = await new Broker().open();
const service = await (await new Service('authority', { broker: `127.0.0.1:${broker.port}` }).open()).linked();
const zone = noonZone();
const { home, hub, agency, visitor } = await makeStreet(service, broker, 'one', { zone });
const no = (r, status, code) => { assert.equal(r.status, status, r.text); assert.equal(r.body.code, code, r.text); return r.body; };
const post = (by, body) => service.post('/v1/jobs', by.token, body);
const items = async (by) => ok(await service.get('/v1/signing', by.token), 200).items;
const ready = async (v, who = visitor) => until('ready', async () => { const r = (await service.get(`/v1/visits/${v.id}`, who.token)).body; return r.state === 'ready' && r; });

// The agency's own process: settings and state under `name`, at the service or whoever stands in its place.
function runSigner(name, { id, token, name: known, hosted }, port = service.port) {
  const file = (end) => path.join(service.dir, `${name}.${end}`);
  fs.writeFileSync(file('token'), token, { mode: 0o600 });
  fs.writeFileSync(file('conf'), Object.entries({ service: `http://127.0.0.1:${port}`, state: file('state'), token_file: file('token'), key_file: file('key'),
    agency: id, name: known, origin: pages, hosted: hosted ? 'yes' : 'no' }).map(([k, v]) => `${k} = ${v}\n`).join(''));
  const child = start(agencyExe, ['run', '--config', file('conf')]);
  child.stdout.resume();
  return { child, conf: file('conf') };
}

// The service as its operator might have changed it: what it says to signers goes through `lie`.
async function lyingService() {
  const liar = { lie: (item) => item };
  const server = http.createServer((req, res) => {
    const parts = [];
    req.on('data', (d) => parts.push(d)).on('end', async () => {
      const body = Buffer.concat(parts);
      const { host, connection, ...headers } = req.headers;
      const r = await service.send(req.method, req.url, { headers, ...(body.length ? { raw: body } : {}) }).catch(() => null);
      if (!r) return res.destroy(); // the service ends while somebody waits
      const said = req.url.startsWith('/v1/signing?') && r.status === 200 ? { ...r.body, items: r.body.items.map((i) => liar.lie(i)) } : r.body;
      res.writeHead(r.status, { 'content-type': r.type }).end(JSON.stringify(said));
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return Object.assign(liar, { port: server.address().port, close: () => server.close() });
}

if (agencyExe) test('an agency by its own process, from its key to an open door', async () => {
  const file = (name) => path.join(service.dir, name);
  const key = execFileSync(agencyExe, ['key', file('agency.key')], { encoding: 'utf8' }).trim();
  assert.match(key, /^[0-9a-f]{64}$/);
  const own = ok(await service.post('/v1/agencies', service.admin, { name: 'Own Parcels', key, hosted: true }), 201);
  own.pair = { hex: key };
  assert.deepEqual([own.key, own.hosted], [key, true]);
  no(await service.post('/v1/agencies', service.admin, { name: 'Copy', key }), 409, 'exists');
  const { child } = runSigner('agency', own);
  // It asks for a key; the household sees who, and that the key is hosted.
  const mark = hub.mark;
  assert.equal(ok(await service.post(`/v1/homes/${home.id}/introductions`, own.token), 201).state, 'unsigned');
  assert.deepEqual(await hub.next('introduce', mark), { event: 'introduce', agency: own.id, name: 'Own Parcels', hosted: true, good: true });
  const asked = ok(await service.get(`/v1/homes/${home.id}`, own.token), 200);
  assert.deepEqual([asked.grant, asked.zone, asked.doors, asked.revoked], [null, null, [], null]);
  assert.ok(Date.parse(asked.asked) > Date.now() - 60000);
  const homes = async (query) => ok(await service.get(`/v1/homes${query}`, own.token), 200).items;
  assert.deepEqual(await homes(''), []);
  assert.deepEqual(await homes('?known=1'), [asked]); // where it stands with each
  no(await post(own, jobBody(home, null, ['X'])), 409, 'no_grant');
  await permit(service, home, own);
  const [given] = await homes('?known=1');
  assert.deepEqual([given.asked, given.revoked, given.id], [null, null, home.id]);
  assert.ok(given.grant);
  const who = await makePasskey(service, own, await makeVisitor(service, own, 'Sam'));
  assert.equal(ok(await service.get('/v1/me', who.token), 200).agency_key, key); // what the app keeps
  const job = await signed(service, own, ok(await post(own, jobBody(home, who, ['OWN-1'])), 201));
  hub.say('policy ready');
  const v = await ready(ok(await service.post('/v1/visits', who.token, askBody(job, 'OWN-1', { door_code: home.doors[0].code })), 201), who);
  ok(await slide(service, who, v), 200);
  const stop = await hub.next((e) => e.event === 'stop' && e.visit === v.id);
  assert.deepEqual([stop.good, stop.why, stop.door_code], [true, '', true]);
  child.kill('SIGTERM');
  assert.equal(await child.ended, 0, child.text);
});

if (agencyExe) test('a signer is not told by the service whose hub it is, nor what a household permits', async () => {
  const key = execFileSync(agencyExe, ['key', path.join(service.dir, 'wary.key')], { encoding: 'utf8' }).trim();
  const wary = { ...ok(await service.post('/v1/agencies', service.admin, { name: 'Wary', key }), 201), pair: { hex: key } };
  const other = await makeHome(service, broker, 'neighbour', { zone });
  const liar = await lyingService();
  let { child, conf } = runSigner('wary', wary, liar.port);
  for (const h of [home, other]) {
    const mark = h.hub.mark;
    ok(await service.post(`/v1/homes/${h.id}/introductions`, wary.token), 201);
    assert.equal((await h.hub.next((e) => e.event === 'introduce' && e.agency === wary.id, mark)).good, true);
    await permit(service, h, wary);
  }
  const sam = await makeVisitor(service, wary, 'Sam');
  // A job that is true in every part, put up with a lie; it is refused for that, and signed once the lie has ended.
  const refusedFor = async (lie, why, h = home) => {
    const from = child.text.length;
    liar.lie = lie;
    const job = ok(await post(wary, jobBody(h, sam, [hex()])), 201);
    await until(`refused: ${why}`, () => child.text.slice(from).includes(`kind=manifest why="${why}"`));
    assert.equal(ok(await service.get(`/v1/jobs/${job.id}`, wary.token), 200).state, 'unsigned');
    liar.lie = (item) => item;
    await signed(service, wary, job);
  };
  const manifest = (change) => (item) => item.kind === 'manifest' ? { ...item, ...change } : item;
  const none = 'without this household\'s permission', swapped = 'for another hub than this home\'s', never = 'for a home that was never introduced';
  await refusedFor(manifest({ home: home.id }), swapped, other); // the neighbour's hub behind our door
  await refusedFor(manifest({ home: hex() }), never);
  await refusedFor(manifest({ grant: null }), none);
  let kept;
  liar.lie = (item) => { kept ??= item.kind === 'manifest' && item; return item; };
  await signed(service, wary, ok(await post(wary, jobBody(other, sam, [hex()])), 201));
  assert.match(kept.hub, /^[0-9a-f]{64}$/);
  await refusedFor(manifest({ grant: kept.grant }), none); // of another household
  await refusedFor((item) => item.kind === 'manifest' ? { ...item, grant: `${item.grant.slice(0, 500)}${item.grant[500] === 'A' ? 'B' : 'A'}${item.grant.slice(501)}` } : item, none);
  // What it has seen outlives it; a person may say otherwise, while it runs.
  child.kill('SIGTERM');
  assert.equal(await child.ended, 0, child.text);
  ({ child, conf } = runSigner('wary', wary, liar.port));
  await refusedFor(manifest({ home: home.id }), swapped, other);
  const [, home0, hub0] = /other_hub home=([0-9a-f]{32}) hub=([0-9a-f]{64}) /.exec(child.text);
  assert.equal(home0, home.id);
  liar.lie = manifest({ home: home.id });
  const job = ok(await post(wary, jobBody(other, sam, [hex()])), 201);
  assert.throws(() => execFileSync(agencyExe, ['accept-home', '--config', conf, home0, hub0.slice(1)], { stdio: 'pipe' }));
  assert.match(execFileSync(agencyExe, ['accept-home', '--config', conf, home0, hub0], { encoding: 'utf8' }), new RegExp(`hub ${hub0}, before: [0-9a-f]{64}`));
  await signed(service, wary, job);
  child.kill('SIGTERM');
  assert.equal(await child.ended, 0, child.text);
  liar.close();
  await other.hub.close();
});

test('introductions: three a day at most, and none after the household has answered', async () => {
  const shy = await makeAgency(service, 'Shy');
  const mark = hub.mark;
  const ask = () => service.post(`/v1/homes/${home.id}/introductions`, shy.token);
  ok(await ask(), 201);
  await hub.next((e) => e.event === 'introduce' && e.agency === shy.id, mark);
  for (let i = 0; i < 5; i++) {
    const at = hub.mark;
    hub.say('enrol'); // the hub comes back
    await hub.next('welcome', at);
    ok(await ask(), 201);
  }
  const seen = () => hub.all('introduce', mark).filter((e) => e.agency === shy.id).length;
  const at = hub.mark;
  hub.say('enrol');
  await hub.next('welcome', at);
  assert.equal(seen(), 3);
  no(await service.post(`/v1/homes/${'f'.repeat(32)}/introductions`, shy.token), 404, 'not_found');
  const keyless = ok(await service.post('/v1/agencies', service.admin, { name: 'Keyless' }), 201);
  assert.equal(keyless.key, null);
  no(await service.post(`/v1/homes/${home.id}/introductions`, keyless.token), 409, 'no_key');
  const key = new Key();
  assert.equal(ok(await service.patch(`/v1/agencies/${keyless.id}`, service.admin, { key: key.hex }), 200).key, key.hex);
  ok(await service.post(`/v1/homes/${home.id}/introductions`, keyless.token), 201);
  for (const bad of ['', 'x', key.hex.slice(2), key.hex.toUpperCase(), 7]) assert.equal((await service.patch(`/v1/agencies/${keyless.id}`, service.admin, { key: bad })).status, 422);
});

test('what a grant does not hold is said in words, part by part', async () => {
  const narrow = await makeAgency(service, 'Narrow');
  const day = (Math.floor(Date.parse(`${civil(zone)}T00:00:00Z`) / 86400000) + 3) % 7;
  const at = hub.mark;
  hub.say(`grant ${narrow.pair.hex} 0 0 -3 20 ${day * 1440 + 600} 120 50 ${zone} Narrow`); // today from 10:00 to 12:00
  await hub.next('granted', at);
  await until('known', async () => (await service.get(`/v1/homes/${home.id}`, narrow.token)).status === 200);
  const window = (from, to, days = 0) => ({ window: { date: civil(zone, days), from, to } });
  const job = (more) => post(narrow, jobBody(home, null, [hex()], more));
  for (const [more, part] of [[window('09:00', '11:00'), 'window'], [window('10:00', '12:01'), 'window'], [window('10:00', '12:00', 1), 'window'],
    [{ ...window('10:00', '12:00'), kind: 'stay' }, 'kind'], [{ ...window('10:00', '12:00'), door: 1 }, 'door'], [window('10:00', '12:00', 28), 'time']]) {
    assert.match(no(await job(more), 409, 'outside_grant').detail, new RegExp(`\\(${part}\\)`));
  }
  const good = ok(await job(window('10:00', '12:00')), 201);
  assert.match(good.grant, /^[0-9a-f]{32}$/);
  no(await service.patch(`/v1/jobs/${good.id}`, narrow.token, window('11:00', '13:00')), 409, 'outside_grant');
  assert.equal(ok(await service.get(`/v1/jobs/${good.id}`, narrow.token), 200).revision, 1); // nothing changed
});

test('unsigned: no visit; only the agency\'s own signature over just this counts', async () => {
  const slow = await makeAgency(service, 'Slow', { signs: false });
  await permit(service, home, slow);
  const who = await makePasskey(service, slow, await makeVisitor(service, slow, 'Una'));
  const job = ok(await post(slow, jobBody(home, who, ['U'])), 201);
  assert.equal(job.state, 'unsigned');
  const v = ok(await service.post('/v1/visits', who.token, askBody(job, 'U')), 201);
  assert.deepEqual([v.state, v.check.code], ['refused', 'no_such_job']);
  const list = await items(slow);
  assert.deepEqual(list.map((i) => i.kind).sort(), ['manifest', 'shift']);
  assert.ok(list.every((i) => /^[A-Z].*\.$/.test(i.words) && Date.parse(i.created) > Date.now() - 60000));
  const item = list.find((i) => i.kind === 'manifest'), url = `/v1/signing/${item.id}`;
  const give = (object, token = slow.token) => service.post(url, token, { object });
  const bytes = Buffer.from(item.payload, 'base64url');
  const as = (key, type, payload = bytes) => key.sign(type, payload).toString('base64url');
  no(await give(as(new Key(), 'manifest')), 422, 'bad_signature'); // another key
  no(await give(as(agency.pair, 'manifest')), 422, 'bad_signature'); // another agency's
  for (const type of ['shift', 'introduce', 'job']) no(await give(as(slow.pair, type)), 422, 'bad_signature'); // another context
  const changed = Buffer.from(bytes);
  changed[changed.length - 1] ^= 1;
  no(await give(as(slow.pair, 'manifest', changed)), 422, 'bad_signature');
  const whole = Buffer.from(as(slow.pair, 'manifest'), 'base64url');
  for (const i of [0, 3, 20, whole.length - 70, whole.length - 1]) {
    const flipped = Buffer.from(whole);
    flipped[i] ^= 1;
    no(await give(flipped.toString('base64url')), 422, 'bad_signature');
  }
  for (const bad of ['', '!', 'AA==', 7, null]) assert.equal((await give(bad)).status, 422);
  no(await give(as(slow.pair, 'manifest'), agency.token), 404, 'not_found');
  assert.equal(hub.all('job').filter((e) => e.job === job.id).length, 0);
  // A change takes the place of what waited.
  ok(await service.patch(`/v1/jobs/${job.id}`, slow.token, { notes: 'new' }), 200);
  no(await give(as(slow.pair, 'manifest')), 404, 'not_found');
  for (const i of await items(slow)) ok(await service.post(`/v1/signing/${i.id}`, slow.token, { object: Signer.sign(slow.pair, i) }), 200);
  assert.equal((await hub.next((e) => e.event === 'job' && e.job === job.id)).revision, 2);
  assert.deepEqual(await items(slow), []);
  // A long poll ends when something is there.
  const began = Date.now(), waits = service.get('/v1/signing?wait_ms=20000', slow.token);
  ok(await service.patch(`/v1/jobs/${job.id}`, slow.token, { notes: 'newer' }), 200);
  assert.equal(ok(await waits, 200).items[0].kind, 'manifest');
  assert.ok(Date.now() - began < 5000);
});

test('shifts: of the newest passkey, for at most a day, anew with a new passkey', async () => {
  const who = await makePasskey(service, agency, await makeVisitor(service, agency, 'Shift'));
  let mark = hub.mark;
  ok(await post(agency, jobBody(home, who, [hex()])), 201);
  const shift = await hub.next((e) => e.event === 'shift' && e.visitor === who.id, mark);
  assert.ok(shift.exp - shift.nbf <= 86400 && shift.nbf <= Date.now() / 1000 && shift.exp > Date.now() / 1000);
  const me = ok(await service.get('/v1/me', who.token), 200);
  assert.deepEqual([me.credential_ids, me.rp_id], [[who.passkey.id.toString('base64url')], 'service.localhost']);
  // What its phone keeps for where there is no network: the shift, and the manifest of each of its jobs.
  const signedBy = (object, type) => isSignedBy(agency.pair.pub, type, Buffer.from(object, 'base64url'));
  assert.ok(signedBy(me.shift, 'shift'));
  const own = ok(await service.get('/v1/jobs?today=1', who.token), 200).items[0];
  assert.equal('manifest' in own, false);
  const one = await until('signed', async () => { const j = ok(await service.get(`/v1/jobs/${own.id}`, who.token), 200); return j.manifest && j; });
  assert.ok(signedBy(one.manifest, 'manifest'));
  assert.equal('manifest' in ok(await service.get(`/v1/jobs/${own.id}`, agency.token), 200), false);
  mark = hub.mark;
  await makePasskey(service, agency, who);
  await hub.next((e) => e.event === 'shift' && e.visitor === who.id, mark);
  assert.deepEqual(ok(await service.get('/v1/me', who.token), 200).credential_ids, [who.passkey.id.toString('base64url')]);
  assert.deepEqual(ok(await service.get('/v1/me', agency.token), 200).credential_ids, []);
});

test('the slide: this passkey, this stop, this page; what is refused here can be tried again', async () => {
  hub.say('policy ready');
  const job = await signed(service, agency, ok(await post(agency, jobBody(home, visitor, ['S'])), 201));
  no(await service.post('/v1/visits', visitor.token, { job: job.id, barcode: 'S' }), 422, 'missing_field');
  for (const nonce of ['', 'x', 'A'.repeat(64), hex(31), 7]) assert.equal((await service.post('/v1/visits', visitor.token, { job: job.id, barcode: 'S', nonce })).status, 422);
  const nonce = hex(32);
  const v = await ready(ok(await service.post('/v1/visits', visitor.token, { job: job.id, barcode: 'S', nonce }), 201));
  assert.deepEqual([v.courier_nonce, v.door_code_hash], [nonce, '0'.repeat(64)]);
  assert.equal(decode(decode(Buffer.from(v.offer, 'base64url')).value[2]).get(-70008), BigInt(`0x${v.id}`));
  const open = (body) => service.post(`/v1/visits/${v.id}/open`, visitor.token, body);
  const good = prove(v, visitor.passkey);
  no(await open({ ...good, id: randomBytes(32).toString('base64url') }), 403, 'passkey');
  no(await open(prove(v, new Passkey({ origin: pages }))), 403, 'passkey');
  for (const more of [{ visit: 7n }, { door: 1 }, { hubNonce: Buffer.alloc(32) }, { courierNonce: Buffer.alloc(32) }, { manifest: Buffer.alloc(32) }, { hub: Buffer.alloc(32) }, { doorCode: Buffer.alloc(32, 1) }])
    no(await open(prove(v, visitor.passkey, more)), 403, 'stop');
  const { challenge } = ok(await visitor.person.post('/v1/signin/begin'), 200);
  no(await open(visitor.passkey.assert({ challenge })), 403, 'stop'); // a sign-in is no stop
  no(await open(visitor.passkey.assert({ challenge: challengeOf('doorward/grant/1', Buffer.alloc(8)) })), 403, 'stop');
  const elsewhere = Object.assign(new Passkey({ origin: 'http://evil.example', rpId: 'service.localhost' }), { id: visitor.passkey.id, pair: visitor.passkey.pair });
  no(await open(prove(v, elsewhere)), 403, 'stop');
  for (const [part, bad] of [['signature', ''], ['signature', 'AA=='], ['auth_data', 'x'.repeat(2000)], ['client_data', 7]]) assert.equal((await open({ ...good, [part]: bad })).status, 422);
  assert.equal((await open()).status, 415);
  assert.equal(hub.all('stop').filter((e) => e.visit === v.id).length, 0);
  assert.notEqual(STOP_CONTEXT, 'doorward/grant/1');
  // The sticker, scanned after the offer, is part of what is signed.
  ok(await service.post(`/v1/visits/${v.id}/door`, visitor.token, { code: home.doors[0].code }), 200);
  no(await open(good), 403, 'stop');
  assert.equal(ok(await slide(service, visitor, v), 200).state, 'sent');
  const stop = await hub.next((e) => e.event === 'stop' && e.visit === v.id);
  assert.deepEqual([stop.good, stop.why, stop.door_code], [true, '', true]);
  hub.say(`receipt ${v.id} OK none ${Date.now() - 9000} ${Date.now()} 10 0`);
});

test('grants of other homes, of strangers, or forged are no grants', async () => {
  const other = await makeHome(service, broker, 'other', { zone });
  const lone = await makeAgency(service, 'Lone');
  const dropped = async () => ok(await service.get('/v1/health'), 200).messages_dropped;
  const before = await dropped();
  const at = other.hub.mark;
  other.hub.say(`grant ${new Key().hex} 0 0 -3 20 0 10080 50 ${zone} Nobody`); // a key that is nobody's
  await other.hub.next('granted', at);
  other.hub.say(`raw doorward/v1/${hub.events[0].id}/out 0e${hex(300)}`);
  await until('two dropped', async () => (await dropped()) >= before + 2);
  no(await post(lone, jobBody(other, null, ['L'])), 409, 'no_grant');
  // Revoked before it was heard of: it does not come to life.
  await permit(service, other, lone);
  const [id] = other.grants.get(lone.id);
  const acked = (grant, number) => other.hub.next((e) => e.event === 'ack' && e.visit === grant.slice(0, 16) && e.number === number);
  await acked(id, 4294967294);
  other.hub.say(`revoke ${id}`);
  const gone = hex();
  other.hub.say(`revoke ${gone}`);
  await acked(gone, 4294967293);
  await until('revoked', async () => ok(await service.get(`/v1/homes/${other.id}/grants`, other.token), 200).items.some((g) => g.grant.id === id && g.state === 'revoked' && g.revoked));
  // Another home's hub revokes nothing here.
  other.hub.say(`revoke ${home.grants.get(agency.id)[0]}`);
  await until('heard', async () => ok(await service.get('/v1/audit?limit=100', service.admin), 200).items.length > 0);
  assert.ok(ok(await service.get(`/v1/homes/${home.id}/grants`, home.token), 200).items.some((g) => g.grant.id === home.grants.get(agency.id)[0] && g.state === 'live'));
  await other.hub.close();
});

test('every change has a line that says who made it', async () => {
  const made = ok(await service.post('/v1/visitors', agency.token, { name: 'Audited' }), 201);
  ok(await service.patch(`/v1/visitors/${made.id}`, agency.token, { name: 'Renamed' }), 200);
  no(await service.patch(`/v1/visitors/${made.id}`, service.admin, { nam: 'x' }), 422, 'unknown_field');
  const all = [];
  for (let next = ''; next !== null;) {
    const page = ok(await service.get(`/v1/audit?limit=100${next && `&after=${next}`}`, service.admin), 200);
    all.push(...page.items);
    next = page.next;
  }
  const of = (object) => all.filter((l) => l.object === object).map((l) => [l.role, l.actor, l.route]);
  assert.deepEqual(of(made.id), [['agency', agency.id, 'POST /v1/visitors'], ['agency', agency.id, 'PATCH /v1/visitors/{visitor}']]); // the refused one changed nothing
  assert.deepEqual(all.find((l) => l.object === agency.id && l.route === 'POST /v1/agencies').role, 'admin');
  assert.ok(all.some((l) => l.role === 'hub' && l.actor === home.id && l.route === 'GRANT' && l.object === home.grants.get(agency.id)[0]));
  for (const token of [agency.token, visitor.token, home.token]) no(await service.get('/v1/audit', token), 403, 'not_permitted');
  assert.equal(await service.close(), 0, service.child.text);
  assert.doesNotMatch(service.child.text, /Sanitizer|runtime error/);
});

await main();
