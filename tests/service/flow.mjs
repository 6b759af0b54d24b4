// The way of a parcel through the service: order, assignment, door, receipt; and each refusal in words.
import assert from 'node:assert/strict';
import { Broker, Service, askBody, makePasskey, signed, slide, civil, hex, jobBody, main, makeAgency, makeHome, makeStreet, makeVisitor, noonZone, ok, pairingCode, permit, test, until, Hub } from './rig.mjs';

const broker = await new Broker().open();
const service = await (await new Service('flow', { broker: `127.0.0.1:${broker.port}` }).open()).linked();
const zone = noonZone();
const street = await makeStreet(service, broker, 'one', { zone, location: { lat: 52.3731, lon: 4.8926 } });
const { home, hub, agency, visitor } = street;

let parcels = 0;
const barcode = () => `PARCEL-${++parcels}`;
const order = async (code, more) => signed(service, agency, ok(await service.post('/v1/jobs', agency.token, jobBody(home, visitor, [code], more)), 201));
const ask = (who, job, code, more = {}) => service.post('/v1/visits', who.token, askBody(job, code, more));
const wait = async (visit, state, token = visitor.token) => {
  let v = visit;
  for (let i = 0; i < 20 && v.state !== state; i++) {
    v = ok(await service.get(`/v1/visits/${visit.id}?since=${v.news}&wait_ms=5000`, token), 200);
  }
  assert.equal(v.state, state, JSON.stringify(v));
  return v;
};
const refused = async (r, code) => {
  const v = ok(r, 201);
  assert.equal(v.state, 'refused');
  assert.equal(v.outcome, 'REFUSED');
  assert.equal(v.check.code, code);
  assert.match(v.check.text, /^[A-Z].*\.$/);
  assert.match(v.check.next, /^[A-Z].*\.$/);
  return v;
};

test('a delivery, from order to receipt', async () => {
  const mark = hub.mark;
  const code = barcode();
  const job = await order(code);
  assert.equal(job.state, 'open');
  assert.deepEqual(job.places, ['hall', 'doorstep']);
  const told = await hub.next((e) => e.event === 'job' && e.job === job.id, mark);
  assert.equal(told.revision, 1);
  assert.equal(told.visitor, visitor.id);
  assert.equal(told.name, 'Stewart');
  assert.equal(told.zone, zone);
  assert.equal(told.screening, 'Police');
  assert.equal(told.exp - told.nbf, 86400);

  hub.say('policy ready');
  const first = ok(await ask(visitor, job, code), 201);
  assert.equal(first.state, 'checking');
  assert.ok(first.passed.includes('wrong_parcel') && first.passed.includes('screening'));
  assert.ok(!first.passed.includes('hub_unreachable'));
  const hello = await hub.next((e) => e.event === 'hello' && e.visit === first.id, mark);
  assert.equal(hello.commitment, told.parcel);
  const ready = await wait(first, 'ready');
  assert.ok(ready.passed.includes('lock_class'));
  assert.ok(ready.ready_until);

  const slid = ok(await slide(service, visitor, first), 200);
  assert.equal(slid.state, 'sent');
  assert.equal((await hub.next((e) => e.event === 'stop' && e.visit === first.id, mark)).good, true);
  const again = ok(await slide(service, visitor, first), 200);
  assert.equal(again.slid, slid.slid);

  const t = Date.now() - 60000;
  const news = ['recording', 'looking', 'opening', 'unlocked', 'inside', 'closing'];
  news.forEach((s, i) => hub.say(`news ${first.id} ${i + 1} ${s} none 0 ${t + i * 1000}`));
  const closing = await wait(slid, 'closing');
  assert.deepEqual(closing.story.slice(2).map((l) => l.state), news);
  assert.equal(Date.parse(closing.story[2].at.time), t); // the hub's time, not ours
  assert.equal(closing.story[2].at.uncertain_ms, 5);
  hub.say(`receipt ${first.id} OK none ${t + 4000} ${t + 9000} 7 0`);
  const done = await wait(closing, 'ended');
  assert.equal(done.outcome, 'OK');
  assert.equal(done.receipt.lock_class, 'A');
  assert.equal(done.receipt.leaf, 7);
  assert.equal(Date.parse(done.receipt.secured.time), t + 9000);
  await hub.next((e) => e.event === 'ack' && e.visit === first.id && e.number === 0, mark);
  for (let i = 1; i <= news.length; i++) await hub.next((e) => e.event === 'ack' && e.visit === first.id && e.number === i, mark);
  assert.equal(hub.all('stop', mark).length, 1);
  assert.equal(hub.all('hello', mark).length, 1);

  const after = ok(await service.get(`/v1/jobs/${job.id}`, agency.token), 200);
  assert.equal(after.state, 'delivered');
  assert.deepEqual(after.parcels, [{ barcode: code, state: 'delivered', visit: first.id }]);
  await refused(await ask(visitor, job, code), 'parcel_used');
  // All who may see it see the same.
  for (const token of [visitor.token, agency.token, home.token, service.admin]) {
    assert.equal(ok(await service.get(`/v1/visits/${first.id}`, token), 200).outcome, 'OK');
    assert.ok(ok(await service.get('/v1/visits', token), 200).items.some((v) => v.id === first.id));
  }
  assert.equal((await service.patch(`/v1/jobs/${job.id}`, agency.token, { notes: 'x' })).status, 409);
});

test('each refusal of the service has its code and sentence', async () => {
  hub.say('policy ready');
  const code = barcode();
  const job = await order(code);
  const mark = hub.mark;
  await refused(await ask(visitor, { id: hex() }, code), 'no_such_job');
  const other = await makeVisitor(service, agency, 'Other');
  await refused(await ask(other, job, code), 'not_assigned');
  const strangers = await makeAgency(service, 'Strangers');
  const stranger = await makeVisitor(service, strangers, 'Stranger');
  await refused(await ask(stranger, job, code), 'no_such_job'); // and not a word of whose it is
  await refused(await ask(visitor, job, 'not this one'), 'wrong_parcel');

  const away = await makeHome(service, broker, 'away', { zone });
  await permit(service, away, agency);
  const awayCode = barcode();
  ok(await service.post('/v1/jobs', agency.token, jobBody(away, visitor, [awayCode])), 201);
  await refused(await ask(visitor, job, awayCode), 'wrong_home');

  const doors = ok(await service.get(`/v1/homes/${home.id}`, home.token), 200).doors;
  await refused(await ask(visitor, job, code, { door_code: doors[1].code }), 'wrong_door');
  await refused(await ask(visitor, job, code, { door_code: 'NOSUCH' }), 'wrong_door');

  const raw = await makeVisitor(service, agency, 'Unscreened', false);
  const rawCode = barcode();
  const rawJob = await order(rawCode, { visitor: raw.id });
  await refused(await ask(raw, rawJob, rawCode), 'screening');
  ok(await service.post(`/v1/visitors/${raw.id}/screenings`, agency.token,
    { issuer: 'Police', kind: 'background', valid_from: '2020-01-01', valid_to: civil(zone, -1) }), 201);
  await refused(await ask(raw, rawJob, rawCode), 'screening'); // yesterday
  ok(await service.post(`/v1/visitors/${raw.id}/screenings`, agency.token,
    { issuer: 'Police', kind: 'background', valid_from: civil(zone, 1), valid_to: '2099-01-01' }), 201);
  await refused(await ask(raw, rawJob, rawCode), 'screening'); // tomorrow

  const early = barcode(), late = barcode();
  await refused(await ask(visitor, await order(early, { window: { date: civil(zone, 1), from: '10:00', to: '14:00' } }), early), 'too_early');
  await refused(await ask(visitor, await order(late, { window: { date: civil(zone, -1), from: '10:00', to: '14:00' } }), late), 'too_late'); // over before anybody could sign it
  await refused(await ask(visitor, job, code, { location: { lat: 52.38, lon: 4.8926, accuracy: 20 } }), 'location');

  // Stopped at once, whatever was granted; allowed again, it is signed anew.
  hub.say(`wish 1 6 ${agency.id} 0 0 0 0`);
  await hub.next((e) => e.event === 'recall' && e.job === job.id, mark);
  await refused(await ask(visitor, job, code), 'no_permission');
  const allowed = hub.mark;
  hub.say(`wish 2 7 ${agency.id} 0 0 0 0`);
  await hub.next((e) => e.event === 'job' && e.job === job.id, allowed);
  // None of them reached a hub.
  assert.equal(hub.all('hello', mark).length, 0);
  assert.equal(away.hub.all('hello').length, 0);
  // Near the door, and with everything right, it goes on.
  const v = ok(await ask(visitor, job, code, { door_code: doors[0].code, location: { lat: 52.3732, lon: 4.8926, accuracy: 20 } }), 201);
  assert.ok((await wait(v, 'ready')).passed.includes('location'));
  hub.say(`receipt ${v.id} REFUSED too_slow 0 0 8 0`);
  assert.equal((await wait(v, 'refused')).check.code, 'too_slow');
  await away.hub.close();
});

test('the hub refuses: its code, in words', async () => {
  for (const check of ['camera_class', 'lock_class', 'camera_not_live', 'other_visit']) {
    hub.say(`policy ${check}`);
    const code = barcode();
    const v = await wait(ok(await ask(visitor, await order(code), code), 201), 'refused');
    assert.equal(v.check.code, check);
    assert.equal((await service.post(`/v1/visits/${v.id}/open`, visitor.token, visitor.passkey.assert({ challenge: 'AAAA' }))).body.code, 'not_ready');
  }
  hub.say('policy ready');
});

test('news of the checks does not overtake the offer that belongs to it', async () => {
  hub.say('policy silent');
  const code = barcode();
  const v = ok(await ask(visitor, await order(code), code), 201);
  await hub.next((e) => e.event === 'hello' && e.visit === v.id);
  const mark = hub.mark;
  hub.say(`news ${v.id} 1 checking none 0 ${Date.now()}`);
  hub.say(`news ${v.id} 2 ready none 0 ${Date.now()}`);
  await hub.next((e) => e.event === 'ack' && e.visit === v.id && e.number === 2, mark);
  assert.equal(ok(await service.get(`/v1/visits/${v.id}`, visitor.token), 200).state, 'checking');
  hub.say(`offer ${v.id}`);
  await wait(v, 'ready');
  hub.say(`news ${v.id} 3 checking none 0 ${Date.now()}`);
  await hub.next((e) => e.event === 'ack' && e.visit === v.id && e.number === 3, mark);
  assert.equal(ok(await slide(service, visitor, v), 200).state, 'sent');
  assert.equal((await hub.next((e) => e.event === 'stop' && e.visit === v.id, mark)).good, true);
  // Refused after the slide: the receipt says so, with the check.
  hub.say(`news ${v.id} 4 none camera_frozen 0 ${Date.now()}`);
  hub.say(`receipt ${v.id} REFUSED camera_frozen 0 0 40 0`);
  assert.equal((await wait(v, 'refused')).check.code, 'camera_frozen');
});

test('two couriers at once: the second is refused by the hub', async () => {
  const second = await makeVisitor(service, agency, 'Second');
  const a = barcode(), b = barcode();
  const jobA = await order(a), jobB = await order(b, { visitor: second.id });
  hub.say('policy ready');
  const va = await wait(ok(await ask(visitor, jobA, a), 201), 'ready');
  hub.say('policy other_visit');
  const vb = await wait(ok(await ask(second, jobB, b), 201), 'refused', second.token);
  assert.equal(vb.check.code, 'other_visit');
  assert.equal(ok(await service.get(`/v1/visits/${va.id}`, visitor.token), 200).state, 'ready');
  hub.say(`receipt ${va.id} NOT_OPENED none 0 ${Date.now()} 9 0`);
  assert.equal((await wait(va, 'ended')).outcome, 'NOT_OPENED');
  // Nobody went in: the parcel is still to be delivered.
  assert.equal(ok(await service.get(`/v1/jobs/${jobA.id}`, agency.token), 200).state, 'open');
});

test('the same request twice is one visit, and one question to the hub', async () => {
  hub.say('policy silent');
  const code = barcode();
  const job = await order(code);
  const mark = hub.mark;
  const body = askBody(job, code);
  const headers = { 'idempotency-key': hex() };
  const [a, b, c] = await Promise.all([1, 2, 3].map(() => service.post('/v1/visits', visitor.token, body, headers)));
  const d = ok(await service.post('/v1/visits', visitor.token, body), 200);
  assert.equal(new Set([a.body.id, b.body.id, c.body.id, d.id]).size, 1);
  assert.equal(b.status, 201);
  await hub.next('hello', mark);
  hub.say(`offer ${d.id}`);
  await wait(d, 'ready');
  assert.equal(hub.all('hello', mark).filter((e) => !e.repeat).length, 1);
  const slides = await Promise.all([1, 2, 3, 4].map(() => slide(service, visitor, d)));
  assert.equal(new Set(slides.map((s) => s.body.slid)).size, 1);
  await hub.next('stop', mark);
  assert.equal((await service.post('/v1/visits', visitor.token, { ...body, barcode: 'else' }, headers)).body.code, 'idempotency_key_reused');
  hub.say(`receipt ${d.id} OK none ${Date.now() - 9000} ${Date.now()} 10 0`);
  await wait(d, 'ended');
});

test('a silent hub: asked again, never twice; unreachable after its time; a late offer changes nothing', async () => {
  const quick = await (await new Service('quick', { broker: `127.0.0.1:${broker.port}`, hub_answer_ms: 5000 }).open()).linked();
  const s = await makeStreet(quick, broker, 'silent', { zone });
  s.hub.say('policy silent');
  const job = await signed(quick, s.agency, ok(await quick.post('/v1/jobs', s.agency.token, jobBody(s.home, s.visitor, ['P'])), 201));
  const v = ok(await quick.post('/v1/visits', s.visitor.token, askBody(job, 'P')), 201);
  const began = Date.now();
  const end = ok(await quick.get(`/v1/visits/${v.id}?since=${v.news}&wait_ms=20000`, s.visitor.token), 200);
  assert.equal(end.check.code, 'hub_unreachable');
  assert.ok(Date.now() - began < 8000);
  const hellos = s.hub.all('hello');
  assert.ok(hellos.length >= 2 && hellos.length <= 3, `${hellos.length} hellos`);
  assert.ok(hellos[1].age_ms >= 1900 && hellos[1].age_ms < 4000);
  assert.equal(hellos.filter((e) => !e.repeat).length, 1);
  s.hub.say(`offer ${v.id}`);
  s.hub.say(`news ${v.id} 1 none none 0 ${Date.now()}`);
  await s.hub.next((e) => e.event === 'ack' && e.visit === v.id);
  assert.equal(ok(await quick.get(`/v1/visits/${v.id}`, s.visitor.token), 200).state, 'refused');
  await s.hub.close();
  assert.equal(await quick.close(), 0);
});

test('reassignment, window and notes: a new revision each, and the old visitor is out', async () => {
  hub.say('policy ready');
  const second = await makeVisitor(service, agency, 'Relief');
  const code = barcode();
  const job = await order(code);
  const mark = hub.mark;
  const moved = ok(await service.patch(`/v1/jobs/${job.id}`, agency.token, { visitor: second.id, notes: 'ring twice' }), 200);
  assert.equal(moved.revision, 2);
  const told = await hub.next((e) => e.event === 'job' && e.job === job.id && e.revision === 2, mark);
  assert.equal(told.visitor, second.id);
  assert.equal(told.notes, 'ring twice');
  await refused(await ask(visitor, job, code), 'not_assigned');
  assert.equal((await service.get(`/v1/jobs/${job.id}`, visitor.token)).status, 404);
  ok(await service.get(`/v1/jobs/${job.id}`, second.token), 200);
  const none = ok(await service.patch(`/v1/jobs/${job.id}`, agency.token, { visitor: null }), 200);
  assert.equal(none.visitor, null);
  await hub.next((e) => e.event === 'recall' && e.job === job.id && e.revision === 3, mark);
  await refused(await ask(second, job, code), 'not_assigned');
  const window = { date: civil(zone, 2), from: '08:00', to: '09:30' };
  const later = ok(await service.patch(`/v1/jobs/${job.id}`, agency.token, { visitor: second.id, window }), 200);
  assert.deepEqual(later.window, window);
  const shifted = await hub.next((e) => e.event === 'job' && e.job === job.id && e.revision === 4, mark);
  assert.equal(shifted.exp - shifted.nbf, 5400);
  const strangers = await makeAgency(service, 'S2');
  const stranger = await makeVisitor(service, strangers, 'X');
  assert.equal((await service.patch(`/v1/jobs/${job.id}`, agency.token, { visitor: stranger.id })).status, 404);
});

test('recall: the hub is told, the visitor refused; twice is once', async () => {
  const code = barcode();
  const job = await order(code);
  const mark = hub.mark;
  const gone = ok(await service.del(`/v1/jobs/${job.id}`, agency.token), 200);
  assert.equal(gone.state, 'recalled');
  await hub.next((e) => e.event === 'recall' && e.job === job.id && e.revision === 2, mark);
  assert.equal(ok(await service.del(`/v1/jobs/${job.id}`, agency.token), 200).revision, 2);
  await refused(await ask(visitor, job, code), 'no_such_job');
  assert.equal((await service.patch(`/v1/jobs/${job.id}`, agency.token, { notes: 'x' })).status, 409);
});

test('a household that revokes its grant takes the jobs from its hub; a new grant does not bring them back by itself', async () => {
  const code = barcode();
  const job = await order(code);
  let mark = hub.mark;
  await permit(service, home, agency, false);
  await hub.next((e) => e.event === 'recall' && e.job === job.id && e.revision === 2, mark);
  assert.equal(ok(await service.get(`/v1/jobs/${job.id}`, visitor.token), 200).state, 'declined');
  await refused(await ask(visitor, job, code), 'no_permission');
  assert.equal((await service.post('/v1/jobs', agency.token, jobBody(home, visitor, [barcode()]))).body.code, 'no_grant');
  assert.equal((await service.get(`/v1/homes/${home.id}`, agency.token)).status, 404);
  mark = hub.mark;
  await permit(service, home, agency, true);
  assert.equal(ok(await service.get(`/v1/jobs/${job.id}`, visitor.token), 200).state, 'declined');
  ok(await service.patch(`/v1/jobs/${job.id}`, agency.token, { notes: 'again' }), 200);
  await hub.next((e) => e.event === 'job' && e.job === job.id && e.revision === 3, mark);
});

test('a visitor who is put off duty is out at once', async () => {
  const v = await makeVisitor(service, agency, 'Leaver');
  const code = barcode();
  const job = await order(code, { visitor: v.id });
  const mark = hub.mark;
  ok(await service.patch(`/v1/visitors/${v.id}`, agency.token, { active: false }), 200);
  await hub.next((e) => e.event === 'recall' && e.job === job.id, mark);
  assert.equal((await ask(v, job, code)).status, 401);
});

test('a hub that comes back gets all its jobs again, with their revisions', async () => {
  const code = barcode();
  const job = await order(code);
  const mark = hub.mark;
  hub.say('enrol');
  await hub.next('welcome', mark);
  await hub.next((e) => e.event === 'job' && e.job === job.id && e.revision === 1, mark);
});

test('pairing works in either order; a wrong code waits; a code is used once', async () => {
  const code = pairingCode(), another = pairingCode();
  const early = await new Hub('early', broker, { code, zone }).open();
  early.say('enrol');
  await service.get('/v1/health');
  const other = ok(await service.post('/v1/homes', service.admin, { name: 'Other', pairing_code: another }), 201);
  assert.equal(other.state, 'waiting');
  // Typed as people type.
  const h = ok(await service.post('/v1/homes', service.admin, { name: 'Late', pairing_code: code.toLowerCase().replaceAll('-', ' ') }), 201);
  assert.equal((await early.next('welcome')).proven, true);
  const shown = ok(await service.get(`/v1/homes/${h.id}`, h.token), 200);
  assert.equal(shown.state, 'enrolled');
  assert.deepEqual(shown.doors.map((d) => d.name), ['front', 'garage']);
  assert.equal(ok(await service.get(`/v1/homes/${other.id}`, other.token), 200).state, 'waiting');
  assert.equal((await service.post('/v1/jobs', agency.token, jobBody({ ...other, zone }, null, ['x']))).body.code, 'no_hub');
  assert.equal((await service.post('/v1/homes', service.admin, { name: 'Twice', pairing_code: another })).body.code, 'exists');
  const slip = (code[0] === 'A' ? 'B' : 'A') + code.slice(1);
  for (const typed of [slip, code.slice(0, -1), 'correct-horse-battery-staple', `${code}A`]) {
    const no = await service.post('/v1/homes', service.admin, { name: 'Slip', pairing_code: typed });
    assert.equal(no.body.code, 'bad_field', `${typed}: ${no.text}`);
  }
  assert.equal((await service.post('/v1/homes', service.admin, { name: 'Again', pairing_code: code })).body.code, 'exists');
  // A second hub with the used code finds no home.
  const thief = await new Hub('thief', broker, { code, zone }).open();
  thief.say('enrol');
  thief.say('enrol');
  await assert.rejects(thief.next('welcome', 0, 700));
  // A hub that did not get its answer asks once more, and is answered.
  const mark = early.mark;
  early.say('enrol');
  assert.equal((await early.next('welcome', mark)).proven, true);
  await early.close();
  await thief.close();
});

test('whoever overhears a hub that asks cannot take its place', async () => {
  const code = pairingCode();
  const early = await new Hub('overheard', broker, { code, zone }).open();
  const thief = await new Hub('overhears', broker, { code: pairingCode(), zone }).open();
  const heard = (await early.next('hub')).pairing;
  assert.ok(!heard.includes(code) && !heard.includes(Buffer.from(code).toString('hex')));
  thief.say(`overhear ${heard}`);
  const dropped = async () => ok(await service.get('/v1/health'), 200).messages_dropped;
  const before = await dropped();
  early.say('enrol');
  thief.say('enrol'); // before anybody typed the code: both wait, side by side
  const h = ok(await service.post('/v1/homes', service.admin, { name: 'Overheard', pairing_code: code }), 201);
  thief.say('enrol'); // and after it
  assert.equal((await early.next('welcome')).proven, true);
  await until('the thief to be refused', async () => await dropped() > before);
  assert.equal(ok(await service.get(`/v1/homes/${h.id}`, service.admin), 200).hub, (await early.next('hub')).id);
  assert.ok(!thief.events.some((e) => e.event === 'welcome'));
  await early.close();
  await thief.close();
});

test('late and double reports: original times, each once, acknowledged each time', async () => {
  hub.say('policy ready');
  const code = barcode();
  const v = await wait(ok(await ask(visitor, await order(code), code), 201), 'ready');
  ok(await slide(service, visitor, v), 200);
  const t = Date.now() - 3600000;
  const mark = hub.mark;
  hub.say(`news ${v.id} 3 inside none 0 ${t + 3000}`);
  const inside = await wait(v, 'inside');
  hub.say(`news ${v.id} 2 unlocked none 0 ${t + 2000}`); // overtaken on the way
  hub.say(`news ${v.id} 3 inside none 0 ${t + 3000}`);   // twice
  const acks = (n) => hub.all('ack', mark).filter((e) => e.visit === v.id && e.number === n).length;
  await until('each to be acknowledged', () => acks(2) === 1 && acks(3) === 2);
  const now = ok(await service.get(`/v1/visits/${v.id}`, visitor.token), 200);
  assert.equal(now.state, 'inside');
  assert.deepEqual(now.story.slice(2).map((l) => [l.state, Date.parse(l.at.time)]), [['inside', t + 3000], ['unlocked', t + 2000]]);
  hub.say(`receipt ${v.id} SECURED_UNCONFIRMED none ${t + 3000} 0 20 0`);
  const open = await wait(now, 'unconfirmed');
  assert.equal(open.receipt.secured, null);
  hub.say(`receipt ${v.id} SECURED_WITH_GAP none ${t + 3000} ${t + 60000} 21 1`);
  const end = await wait(open, 'ended');
  assert.equal(end.outcome, 'SECURED_WITH_GAP');
  assert.equal(end.receipt.confirmed_later, true);
  await hub.next((e) => e.event === 'ack' && e.visit === v.id && e.number === 4294967295, mark);
  hub.say(`receipt ${v.id} SECURED_UNCONFIRMED none ${t + 3000} 0 20 0`); // the old one again
  hub.say(`news ${v.id} 4 watch none 256 ${t + 90000}`);
  const alarmed = ok(await service.get(`/v1/visits/${v.id}?since=${end.news}&wait_ms=5000`, visitor.token), 200);
  assert.equal(alarmed.outcome, 'SECURED_WITH_GAP');
  assert.equal(alarmed.alarms[0].code, 'someone_inside');
  assert.ok(inside);
});

test('a stay: each opening is asked anew within one visit; a refused one does not end it', async () => {
  hub.say('policy ready');
  const code = barcode();
  const job = await order(code, { kind: 'stay' });
  const v = await wait(ok(await ask(visitor, job, code), 201), 'ready');
  ok(await slide(service, visitor, v), 200);
  hub.say(`news ${v.id} 1 inside none 0 ${Date.now()}`);
  hub.say(`news ${v.id} 2 between none 0 ${Date.now()}`);
  let now = await wait(v, 'between');
  const mark = hub.mark;
  // Refused by the service (wrong code): a visit of its own.
  const other = await refused(await ask(visitor, job, 'no'), 'wrong_parcel');
  assert.notEqual(other.id, v.id);
  // Refused by the hub: still between.
  hub.say('forget');
  hub.say('policy camera_not_live');
  now = ok(await ask(visitor, job, code), 201);
  assert.equal(now.id, v.id);
  assert.notEqual(now.courier_nonce, v.courier_nonce);
  now = await wait(now, 'between');
  assert.equal(now.check.code, 'camera_not_live');
  assert.equal(now.outcome, null);
  // And let in again.
  hub.say('forget');
  hub.say('policy ready');
  now = await wait(ok(await ask(visitor, job, code), 201), 'ready');
  assert.equal(now.id, v.id);
  ok(await slide(service, visitor, v), 200);
  assert.equal((await hub.next((e) => e.event === 'stop' && e.visit === v.id, mark)).good, true);
  hub.say(`news ${v.id} 3 inside none 0 ${Date.now()}`);
  now = await wait(now, 'inside');
  // "I am leaving" is told, as often as it is said, and by nobody else; a delivery knows no such word.
  for (const since of [mark, hub.mark]) {
    ok(await service.post(`/v1/visits/${v.id}/leave`, visitor.token, {}), 200);
    await hub.next((e) => e.event === 'leaving' && e.visit === v.id, since);
  }
  assert.equal((await service.post(`/v1/visits/${v.id}/leave`, agency.token, {})).status, 403);
  hub.say(`receipt ${v.id} OK none ${Date.now() - 1000} ${Date.now()} 30 0`);
  await wait(now, 'ended');
  const after = hub.mark;
  assert.equal(ok(await service.post(`/v1/visits/${v.id}/leave`, visitor.token, {}), 200).state, 'ended');
  const parcel = barcode();
  const short = await wait(ok(await ask(visitor, await order(parcel), parcel), 201), 'ready');
  assert.equal((await service.post(`/v1/visits/${short.id}/leave`, visitor.token, {})).body.code, 'no_stay');
  assert.equal(hub.events.slice(after).some((e) => e.event === 'leaving'), false);
  assert.equal(ok(await service.get(`/v1/jobs/${job.id}`, agency.token), 200).state, 'open'); // may come again
});

test('civil windows follow the home\'s zone', async () => {
  const nl = await makeHome(service, broker, 'nl', { zone: 'Europe/Amsterdam' });
  const post = (window) => service.post('/v1/jobs', agency.token, jobBody(nl, visitor, ['D'], { window }));
  assert.equal((await post({ date: '2026-10-25', from: '02:30', to: '04:00' })).body.code, 'local_time_ambiguous');
  assert.equal((await post({ date: '2026-03-29', from: '02:30', to: '04:00' })).body.code, 'local_time_missing');
  assert.equal((await post({ date: '2026-10-25', from: '01:00', to: '02:30' })).body.code, 'local_time_ambiguous');
  assert.equal((await post({ date: '2001-01-01', from: '01:00', to: '02:30' })).body.code, 'bad_window');
  assert.equal((await post({ date: '2026-12-01', from: '12:00', to: '12:00' })).body.code, 'bad_window');
  await nl.hub.close();
});

await main();
