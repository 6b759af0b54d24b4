// What the household wants of a delivery: declined, accepted, a place, another time, notes, an agency stopped.
// And the receipt's own bytes, the lists for who must look now, and what is forgotten in time.
import assert from 'node:assert/strict';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { Broker, Service, askBody, signed, civil, hex, jobBody, main, makeAgency, makeHome, makeStreet, makeVisitor, noonZone, ok, permit, test, until } from './rig.mjs';

const broker = await new Broker().open();
const service = await (await new Service('wishes', { broker: `127.0.0.1:${broker.port}` }).open()).linked();
const zone = noonZone();
const { home, hub, agency, visitor } = await makeStreet(service, broker, 'w', { zone });
const other = await makeStreet(service, broker, 'x', { zone });

const ACCEPT = 1, DECLINE = 2, PLACE = 3, MOVE = 4, NOTE = 5, STOP = 6, ALLOW = 7;
const PETS = 1, ALARM = 2, OTHER = 4;
const EVERY = '0'.repeat(32);
const today = Math.floor(Date.parse(`${civil(zone)}T00:00:00Z`) / 86400000);
let number = 0, parcels = 0;
const order = async (more, at = home, who = visitor, by = agency) => signed(service, by, ok(await service.post('/v1/jobs', by.token, jobBody(at, who, [`W-${++parcels}`], more)), 201));
const job = async (id, token = visitor.token) => ok(await service.get(`/v1/jobs/${id}`, token), 200);
async function wish(kind, id, { value = 0, day = 0, from = 0, to = 0, text = '', n = ++number, at = hub } = {}) {
  const mark = at.mark;
  at.say(`wish ${n} ${kind} ${id} ${value} ${day} ${from} ${to} ${text}`);
  return (await at.next((e) => e.event === 'wish_ack' && e.number === n, mark)).status;
}
const ask = (j, who = visitor) => service.post('/v1/visits', who.token, askBody(j, j.parcels[0].barcode));

test('declined: nobody is let in for it; accepted again: as before', async () => {
  hub.say('policy ready');
  const j = await order();
  const mark = hub.mark;
  assert.equal(await wish(DECLINE, j.id), 0);
  for (const token of [visitor.token, agency.token, home.token]) {
    const seen = await job(j.id, token);
    assert.deepEqual([seen.state, seen.wished], ['declined', 'decline']);
  }
  const v = ok(await ask(j), 201);
  assert.deepEqual([v.state, v.check.code], ['refused', 'no_permission']);
  assert.equal(hub.all('hello', mark).length, 0);
  assert.equal(hub.all('recall', mark).length, 0); // the hub has it, and knows
  assert.equal(await wish(ACCEPT, j.id), 0);
  const again = await job(j.id);
  assert.deepEqual([again.state, again.wished], ['open', 'accept']);
  assert.equal(ok(await ask(j), 201).state, 'checking');
  assert.ok(ok(await service.get('/v1/jobs', agency.token), 200).items.some((x) => x.id === j.id && x.wished === 'accept'));
});

test('each number once, the newest counts, whatever the order of arrival', async () => {
  const j = await order();
  const early = ++number, late = ++number;
  assert.equal(await wish(ACCEPT, j.id, { n: late }), 0);
  assert.equal(await wish(DECLINE, j.id, { n: early }), 0); // comes late: acknowledged, not applied
  assert.equal((await job(j.id)).wished, 'accept');
  assert.equal(await wish(ACCEPT, j.id, { n: late }), 0); // the broker says it twice
  assert.equal(await wish(PLACE, j.id, { text: 'garage', n: early }), 0); // about something else it still counts
  const seen = await job(j.id);
  assert.deepEqual([seen.wished, seen.place], ['accept', 'garage']);
});

test('a place, another time; a new window from the agency answers it', async () => {
  const j = await order();
  assert.equal(await wish(PLACE, j.id, { text: 'parcel_box' }), 0);
  assert.equal(await wish(MOVE, j.id, { day: today + 1, from: 600, to: 720 }), 0);
  const seen = await job(j.id, agency.token);
  assert.deepEqual([seen.place, seen.wished, seen.state], ['parcel_box', 'move', 'open']);
  assert.deepEqual(seen.wished_window, { date: civil(zone, 1), from: '10:00', to: '12:00' });
  ok(await service.patch(`/v1/jobs/${j.id}`, agency.token, { notes: 'later' }), 200);
  assert.equal((await job(j.id)).wished, 'move'); // not yet
  const moved = ok(await service.patch(`/v1/jobs/${j.id}`, agency.token, { window: seen.wished_window }), 200);
  assert.deepEqual([moved.wished, moved.wished_window, moved.place], [null, null, 'parcel_box']);
});

test('notes: for the visitor of the day, never after their last day', async () => {
  const j = await order();
  const tomorrow = await order({ window: { date: civil(zone, 1), from: '09:00', to: '18:00' } });
  assert.equal(await wish(NOTE, EVERY, { value: PETS, day: today, text: 'two dogs, friendly' }), 0);
  assert.equal(await wish(NOTE, j.id, { value: ALARM, day: today + 3, text: 'keypad left' }), 0);
  assert.equal(await wish(NOTE, EVERY, { value: OTHER, day: today - 1, text: 'was yesterday' }), 0);
  const notes = [{ kind: 'pets', text: 'two dogs, friendly', until: civil(zone) }, { kind: 'alarm', text: 'keypad left', until: civil(zone, 3) }];
  assert.deepEqual((await job(j.id)).house_notes, notes);
  assert.deepEqual((await job(tomorrow.id)).house_notes, []); // its day has not come
  assert.deepEqual((await job(j.id, agency.token)).house_notes, []); // whoever comes needs them, nobody else
  assert.deepEqual((await job(j.id, home.token)).house_notes, notes);
  const second = await order();
  assert.deepEqual((await job(second.id)).house_notes, [notes[0]]);
  assert.equal(await wish(NOTE, EVERY, { value: PETS, day: today, text: 'one dog' }), 0);
  assert.equal((await job(second.id)).house_notes[0].text, 'one dog');
  assert.equal(await wish(NOTE, EVERY, { value: PETS, day: today }), 0); // no text: taken away
  assert.deepEqual((await job(second.id)).house_notes, []);
  ok(await service.del(`/v1/jobs/${j.id}`, agency.token), 200);
  assert.deepEqual((await job(j.id)).house_notes, []);
});

test('an agency stopped and allowed: its jobs leave the hub and come back, its grants stay', async () => {
  const j = await order();
  await hub.next((e) => e.event === 'job' && e.job === j.id);
  const mark = hub.mark;
  assert.equal(await wish(STOP, agency.id), 0);
  await hub.next((e) => e.event === 'recall' && e.job === j.id, mark);
  const read = async () => ok(await service.get(`/v1/homes/${home.id}/grants`, home.token), 200).items.filter((x) => x.agency === agency.id).map((x) => x.state);
  assert.deepEqual(await read(), ['stopped', 'stopped']);
  assert.equal((await service.get(`/v1/homes/${home.id}`, agency.token)).status, 404);
  const again = hub.mark;
  assert.equal(await wish(ALLOW, agency.id), 0);
  const told = await hub.next((e) => e.event === 'job' && e.job === j.id, again);
  assert.ok(told.revision >= 3);
  assert.deepEqual(await read(), ['live', 'live']);
  const stranger = await makeAgency(service, 'New');
  assert.equal(await wish(STOP, stranger.id), 0); // before it ever asked
  await permit(service, home, stranger);
  assert.equal((await service.post('/v1/jobs', stranger.token, jobBody(home, null, ['S']))).body.code, 'no_grant');
});

test('wishes about what is not there, not this home\'s, or over', async () => {
  const theirs = await order({}, other.home, other.visitor, other.agency);
  for (const kind of [ACCEPT, DECLINE]) assert.equal(await wish(kind, theirs.id), 1);
  assert.equal((await job(theirs.id, other.visitor.token)).wished, null);
  assert.equal(await wish(DECLINE, hex()), 1);
  assert.equal(await wish(STOP, hex()), 1);
  assert.equal(await wish(NOTE, theirs.id, { value: PETS, day: today, text: 'x' }), 1);
  const gone = await order();
  ok(await service.del(`/v1/jobs/${gone.id}`, agency.token), 200);
  assert.equal(await wish(DECLINE, gone.id), 2);
  assert.equal((await job(gone.id)).wished, null);
  // Unsigned, cut, of another hub: dropped.
  const dropped = () => service.get('/v1/health').then((r) => r.body.messages_dropped);
  const before = await dropped();
  const id = ok(await service.get(`/v1/homes/${home.id}`, home.token), 200).hub;
  hub.say(`raw doorward/v1/${id}/out 0b0102`);
  hub.say(`raw doorward/v1/${id}/out ${hex(200)}`);
  await until('two dropped', async () => (await dropped()) >= before + 2);
});

test('stops of the day in the order of their windows, and the key of each home', async () => {
  const far = await makeHome(service, broker, 'far', { zone: 'Etc/GMT' });
  await permit(service, far, agency);
  const who = await makeVisitor(service, agency, 'Round');
  const at = (from, to, days = 0) => ({ window: { date: civil(zone, days), from, to } });
  const made = [];
  for (const more of [at('15:00', '16:00'), at('08:00', '20:00'), at('08:00', '09:00'), at('08:00', '09:00', 1), at('08:00', '09:00', -1)]) made.push(await order(more, home, who));
  const recalled = await order(at('07:00', '08:00'), home, who);
  ok(await service.del(`/v1/jobs/${recalled.id}`, agency.token), 200);
  const list = ok(await service.get('/v1/jobs?today=1', who.token), 200);
  assert.deepEqual(list.items.map((j) => j.id), [made[2].id, made[1].id, made[0].id]);
  assert.equal(list.next, null);
  for (const token of [agency.token, home.token, service.admin]) assert.ok(ok(await service.get('/v1/jobs?today=1', token), 200).items.some((j) => j.id === made[2].id));
  for (const q of ['today=2', 'today=x', `today=1&after=${made[0].id}`, 'today=1&limit=0']) assert.equal((await service.get(`/v1/jobs?${q}`, who.token)).status, 422);
  const pub = Buffer.from(list.items[0].hub_pub, 'base64url');
  assert.equal(pub.length, 32);
  assert.equal(createHash('sha256').update(pub).digest('hex').length, 64);
});

test('the receipt as the hub signed it: anybody can check it', async () => {
  hub.say('policy ready');
  const j = await order();
  const v = ok(await ask(j), 201);
  assert.equal((await service.get(`/v1/visits/${v.id}/receipt`, visitor.token)).status, 404); // not yet
  await hub.next((e) => e.event === 'hello' && e.visit === v.id);
  const t = Date.now();
  hub.say(`receipt ${v.id} OK none ${t} ${t + 9000} 7 0`);
  const r = await until('receipt', async () => { const x = await service.get(`/v1/visits/${v.id}/receipt`, visitor.token); return x.status === 200 && x.body; });
  assert.equal(r.hub_pub, (await job(j.id)).hub_pub);
  // COSE_Sign1 = [protected, {}, payload, signature]; what is signed is ["Signature1", protected, context, payload].
  const bytes = Buffer.from(r.receipt, 'base64url');
  const head = (at) => { const m = bytes[at] & 31; return m < 24 ? [at + 1, m] : m === 24 ? [at + 2, bytes[at + 1]] : [at + 3, bytes.readUInt16BE(at + 1)]; };
  let at = bytes[0] === 0xd2 ? 1 : 0;
  assert.equal(bytes[at++], 0x84);
  const part = () => { const [from, len] = head(at); at = from + len; return bytes.subarray(from, at); };
  const prot = part();
  if (bytes[at] === 0xa0) at++; else { const [from] = head(at); at = from; throw new Error('unprotected header'); }
  const payload = part(), signature = part();
  assert.equal(at, bytes.length);
  assert.equal(signature.length, 64);
  const bstr = (b) => Buffer.concat([b.length < 24 ? Buffer.from([0x40 | b.length]) : b.length < 256 ? Buffer.from([0x58, b.length]) : Buffer.from([0x59, b.length >> 8, b.length & 255]), b]);
  const key = createPublicKey({ key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(r.hub_pub, 'base64url')]), format: 'der', type: 'spki' });
  const signed = (aad) => Buffer.concat([Buffer.from([0x84, 0x6a]), Buffer.from('Signature1'), bstr(prot), bstr(Buffer.from(aad)), bstr(payload)]);
  assert.ok(verify(null, signed('doorward/receipt/1'), key, signature), 'the signature holds');
  const changed = signed('doorward/receipt/1');
  changed[20] ^= 1;
  assert.ok(!verify(null, changed, key, signature), 'and of nothing else');
  // Who may not see the visit may not see it.
  assert.equal((await service.get(`/v1/visits/${v.id}/receipt`, other.visitor.token)).status, 404);
});

test('what did not lock comes first for the dispatcher, with its times', async () => {
  hub.say('policy ready');
  const j = await order();
  const v = ok(await ask(j), 201);
  await hub.next((e) => e.event === 'hello' && e.visit === v.id);
  const t = Date.now();
  hub.say(`news ${v.id} 1 inside none 0 ${t}`);
  hub.say(`news ${v.id} 2 not_secured none 64 ${t + 1000}`);
  const stuck = await until('stuck', async () => ok(await service.get('/v1/visits?stuck=1', agency.token), 200).items.find((x) => x.id === v.id));
  assert.equal(stuck.state, 'not_secured');
  assert.equal(Date.parse(stuck.story.at(-1).at.time), t + 1000);
  assert.deepEqual(ok(await service.get('/v1/visits?stuck=1', other.agency.token), 200).items, []);
  hub.say(`receipt ${v.id} NOT_SECURED none ${t} 0 8 0`);
  await until('receipt', async () => ok(await service.get('/v1/visits?stuck=1', agency.token), 200).items.some((x) => x.id === v.id && x.receipt?.outcome === 'NOT_SECURED'));
  assert.ok(!ok(await service.get('/v1/visits?active=1', visitor.token), 200).items.some((x) => x.id === v.id));
  const recent = ok(await service.get('/v1/visits?recent=1&limit=100', visitor.token), 200).items;
  assert.equal(recent[0].id, v.id);
  assert.deepEqual(recent.map((x) => x.asked), recent.map((x) => x.asked).sort().reverse());
  assert.equal(ok(await service.get('/v1/visits?recent=1&limit=1', visitor.token), 200).items.length, 1);
  const paged = [];
  for (let next = ''; next !== null;) {
    const page = ok(await service.get(`/v1/visits?recent=1&limit=2${next && `&after=${next}`}`, visitor.token), 200);
    paged.push(...page.items.map((x) => x.id));
    next = page.next;
  }
  assert.deepEqual(paged, recent.map((x) => x.id));
  for (const q of ['recent=1&stuck=1', 'recent=2', `stuck=1&after=${v.id}`, 'active=1&limit=0']) assert.equal((await service.get(`/v1/visits?${q}`, visitor.token)).status, 422);
});

test('wishes survive a kill right after the acknowledgement', async () => {
  const j = await order();
  assert.equal(await wish(DECLINE, j.id), 0);
  await service.kill();
  await service.open();
  assert.equal((await job(j.id)).wished, 'decline');
  assert.equal(await service.close(), 0, service.child.text);
  assert.doesNotMatch(service.child.text, /Sanitizer|runtime error/);
});

await main();
