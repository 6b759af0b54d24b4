// When things break: broker, service, disk, clients and messages. Nothing is lost, nothing is asked twice.
import assert from 'node:assert/strict';
import { Broker, Service, askBody, signed, slide, execFileSync, fs, hex, jobBody, main, makeStreet, net, noonZone, ok, sleep, test, until } from './rig.mjs';

const zone = noonZone();
const broker = await new Broker().open();
const open = async (name, settings = {}) => (await new Service(name, { broker: `127.0.0.1:${broker.port}`, ...settings }).open()).linked();
const order = async (service, s, code) => signed(service, s.agency, ok(await service.post('/v1/jobs', s.agency.token, jobBody(s.home, s.visitor, [code])), 201));
const ask = async (service, s, job, code) => ok(await service.post('/v1/visits', s.visitor.token, askBody(job, code)), 201);
const settle = async (service, s, v, state) => {
  let now = v;
  for (let i = 0; i < 20 && now.state !== state; i++) now = ok(await service.get(`/v1/visits/${v.id}?since=${now.news}&wait_ms=5000`, s.visitor.token), 200);
  assert.equal(now.state, state, JSON.stringify(now));
  return now;
};
const health = async (service) => ok(await service.get('/v1/health'), 200);

test('broker restart: refused while it is away, nothing lost, nothing asked twice', async () => {
  const service = await open('broker');
  const s = await makeStreet(service, broker, 'broker', { zone });
  s.hub.say('policy ready');
  const job = await order(service, s, 'A');
  const v = await settle(service, s, await ask(service, s, job, 'A'), 'ready');
  await broker.close();
  await until('link down', async () => (await health(service)).broker === 'down');
  // Orders are taken; the door is refused in words; the slide too, and may be tried again.
  const meanwhile = await order(service, s, 'B');
  const away = await ask(service, s, meanwhile, 'B');
  assert.equal(away.state, 'refused');
  assert.equal(away.check.code, 'hub_unreachable');
  const early = await slide(service, s.visitor, v);
  assert.equal(early.status, 503);
  const mark = s.hub.mark;
  await broker.open(broker.port);
  await service.linked();
  await s.hub.next('up', mark);
  s.hub.say('enrol');
  // All that the hub must know comes again, also what was ordered while the broker was away.
  await s.hub.next((e) => e.event === 'job' && e.job === meanwhile.id, mark);
  await s.hub.next((e) => e.event === 'job' && e.job === job.id, mark);
  ok(await slide(service, s.visitor, v), 200);
  await s.hub.next((e) => e.event === 'stop' && e.visit === v.id && e.good, mark);
  s.hub.say(`receipt ${v.id} OK none ${Date.now() - 5000} ${Date.now()} 1 0`);
  await settle(service, s, v, 'ended');
  assert.equal(s.hub.all('hello').filter((e) => e.visit === away.id).length, 0);
  assert.equal(s.hub.all('hello').filter((e) => !e.repeat).length, 1);
  await s.hub.close();
  assert.equal(await service.close(), 0, service.child.text);
});

test('broker dies with a question under way: it is asked again, and the answer is one', async () => {
  const service = await open('broker2');
  const s = await makeStreet(service, broker, 'broker2', { zone });
  s.hub.say('policy silent');
  const v = await ask(service, s, await order(service, s, 'A'), 'A');
  await s.hub.next('hello');
  const mark = s.hub.mark;
  await broker.close();
  await s.hub.next('down', mark);
  await broker.open(broker.port);
  s.hub.say('policy ready');
  await settle(service, s, v, 'ready');
  assert.equal(s.hub.all('hello').filter((e) => !e.repeat).length, 1);
  await s.hub.close();
  await service.close();
});

test('kill -9 between the question and the hub\'s answer: the visit goes on after the restart', async () => {
  const service = await open('kill');
  const s = await makeStreet(service, broker, 'kill', { zone });
  s.hub.say('policy silent');
  const job = await order(service, s, 'A');
  const v = await ask(service, s, job, 'A');
  await s.hub.next('hello');
  await service.kill();
  s.hub.say(`offer ${v.id}`); // the answer comes while nobody listens
  await (await service.open()).linked();
  const ready = await settle(service, s, v, 'ready');
  // Slide, and kill before the hub has said anything.
  const slid = ok(await slide(service, s.visitor, v), 200);
  await s.hub.next('stop');
  await service.kill();
  await (await service.open()).linked();
  const again = ok(await slide(service, s.visitor, v), 200);
  assert.equal(again.slid, slid.slid);
  assert.equal(again.state, 'sent');
  s.hub.say(`news ${v.id} 1 inside none 0 ${Date.now()}`);
  await settle(service, s, ready, 'inside');
  await service.kill();
  s.hub.say(`receipt ${v.id} OK none ${Date.now() - 1000} ${Date.now()} 3 0`); // kept by the broker
  await (await service.open()).linked();
  await settle(service, s, ready, 'ended');
  assert.equal(ok(await service.get(`/v1/jobs/${job.id}`, s.agency.token), 200).state, 'delivered');
  assert.equal(s.hub.all('hello').filter((e) => !e.repeat).length, 1);
  assert.ok(s.hub.all('stop').every((e) => e.good));
  await s.hub.close();
  await service.close();
});

test('kill -9 at any moment: what was answered is there, once', async () => {
  const service = await open('kills');
  const s = await makeStreet(service, broker, 'kills', { zone });
  const accepted = new Map();
  for (let round = 0; round < 4; round++) {
    let alive = true;
    const posts = Array.from({ length: 8 }, async () => {
      while (alive) {
        const key = hex();
        try {
          const r = await service.post('/v1/jobs', s.agency.token, jobBody(s.home, s.visitor, [key]), { 'idempotency-key': key });
          if (r.status === 201) accepted.set(key, r.body.id);
        } catch { return; }
      }
    });
    await sleep(100 + round * 57);
    const dying = service.kill();
    await dying;
    alive = false;
    await Promise.all(posts);
    await (await service.open()).linked();
  }
  assert.ok(accepted.size >= 4, String(accepted.size));
  const found = new Map();
  let next = '';
  do {
    const page = ok(await service.get(`/v1/jobs?limit=100${next ? `&after=${next}` : ''}`, s.agency.token), 200);
    for (const j of page.items) { assert.ok(!found.has(j.parcels[0].barcode)); found.set(j.parcels[0].barcode, j.id); }
    next = page.next;
  } while (next);
  for (const [key, id] of accepted) assert.equal(found.get(key), id);
  // The same key after the crash gives the same answer.
  const [key, id] = [...accepted][0];
  assert.equal(ok(await service.post('/v1/jobs', s.agency.token, jobBody(s.home, s.visitor, [key]), { 'idempotency-key': key }), 201).id, id);
  await s.hub.close();
  await service.close();
});

test('database full: 503 in words, nothing half done, reading goes on', async () => {
  const service = await open('full', { database_mib_max: 1 });
  const s = await makeStreet(service, broker, 'full', { zone });
  let last, made = 0;
  for (let i = 0; i < 5000; i++) {
    last = await service.post('/v1/jobs', s.agency.token, jobBody(s.home, s.visitor, Array.from({ length: 16 }, (_, k) => `${i}-${k}-${'x'.repeat(100)}`)));
    if (last.status !== 201) break;
    made++;
  }
  assert.equal(last.status, 503, last.text);
  assert.equal(last.type, 'application/problem+json');
  assert.equal(last.body.code, 'storage');
  assert.match(last.body.detail, /cannot store/);
  let count = 0, next = '';
  do {
    const page = ok(await service.get(`/v1/jobs?limit=100${next ? `&after=${next}` : ''}`, s.agency.token), 200);
    count += page.items.length;
    page.items.forEach((j) => assert.equal(j.parcels.length, 16));
    next = page.next;
  } while (next);
  assert.equal(count, made);
  await s.hub.close();
  assert.equal(await service.close(), 0, service.child.text);
});

test('a disk that refuses writes: 503, and well again when it is well again', async () => {
  const service = await open('disk');
  const s = await makeStreet(service, broker, 'disk', { zone });
  const limit = (bytes) => execFileSync('prlimit', [`--pid=${service.child.pid}`, `--fsize=${bytes}:unlimited`]);
  const jobs = async () => ok(await service.get('/v1/jobs', s.agency.token), 200).items.length;
  await order(service, s, 'A');
  limit(0);
  const r = await service.post('/v1/jobs', s.agency.token, jobBody(s.home, s.visitor, ['B']));
  assert.equal(r.status, 503, r.text);
  assert.equal(r.body.code, 'storage');
  assert.equal((await service.post('/v1/visits', s.visitor.token, askBody({ id: hex() }, 'B'))).status, 503);
  assert.equal(await jobs(), 1);
  limit('unlimited');
  ok(await service.post('/v1/jobs', s.agency.token, jobBody(s.home, s.visitor, ['B'])), 201);
  assert.equal(await jobs(), 2);
  await s.hub.close();
  assert.equal(await service.close(), 0, service.child.text);
});

test('malformed, oversized, truncated, foreign messages are dropped, counted, and change nothing', async () => {
  const service = await open('messages');
  const s = await makeStreet(service, broker, 'messages', { zone });
  const t = await makeStreet(service, broker, 'messages2', { zone });
  s.hub.say('policy ready');
  const v = await settle(service, s, await ask(service, s, await order(service, s, 'A'), 'A'), 'ready');
  const out = `doorward/v1/${s.hub.events[0].id}/out`;
  const before = (await health(service)).messages_dropped;
  const acks = () => s.hub.all('ack').length + t.hub.all('ack').length;
  const acked = acks(); // the grants of both homes
  const lines = ['-', '00', 'ff', '05', '0584', '08d28443a10127a0', `08${'ff'.repeat(3399)}`, `08${'00'.repeat(3400)}`, `08${'9b'.repeat(60)}`, `08${'aa'.repeat(30000)}`,
    '08d2845f', '07', '0a', '63', '0118', '02d284'].map((h) => `raw ${out} ${h}`);
  lines.push(`raw doorward/v1/enrol ${'01' + 'd284'.repeat(40)}`, 'raw doorward/v1/enrol 02', `raw doorward/v1/${'0'.repeat(16)}/out 0801`, `raw doorward/v1/zzz/out 0801`);
  lines.push(`strange ${v.id}`); // signed by a key that is not the hub's
  for (let i = 0; i < 60; i++) lines.push(`raw ${out} 0${1 + (i % 9)}${hex(i * 3 + 1)}`);
  for (const l of lines) s.hub.say(l);
  t.hub.say(`news ${v.id} 1 inside none 0 ${Date.now()}`); // another home's hub, well signed
  t.hub.say(`receipt ${v.id} OK none 1000 ${Date.now()} 1 0`);
  s.hub.say(`news ffffffffffffffff 1 inside none 0 ${Date.now()}`);
  s.hub.say(`news 00000000000000ff 1 inside none 0 ${Date.now()}`);
  await until('drops', async () => (await health(service)).messages_dropped >= before + lines.length - 2 + 4);
  const now = ok(await service.get(`/v1/visits/${v.id}`, s.visitor.token), 200);
  assert.equal(now.state, 'ready');
  assert.equal(now.story.length, 2);
  assert.equal(acks(), acked);
  s.hub.say(`receipt ${v.id} OK none ${Date.now() - 1000} ${Date.now()} 1 0`);
  await settle(service, s, v, 'ended');
  await s.hub.close();
  await t.hub.close();
  assert.equal(await service.close(), 0, service.child.text);
});

test('1,000 idle connections, slow ones among them: others are served', async () => {
  const service = await open('idle', { connections_max: 1200 });
  const s = await makeStreet(service, broker, 'idle', { zone });
  const sockets = [];
  let open1 = 0;
  for (let i = 0; i < 1000; i++) {
    const c = net.connect(service.port, '127.0.0.1', () => {
      open1++;
      if (i % 3 === 0) c.write('GET /v1/hea'); // a head that does not come
      if (i % 3 === 1) c.write(`POST /v1/agencies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${service.admin}\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{`);
    });
    c.on('error', () => {}).on('data', () => {});
    sockets.push(c);
  }
  await until('1,000 connections', () => open1 === 1000);
  const began = Date.now();
  s.hub.say('policy ready');
  await settle(service, s, await ask(service, s, await order(service, s, 'A'), 'A'), 'ready');
  assert.ok(Date.now() - began < 5000, `${Date.now() - began} ms`);
  // Beyond the limit: closed at once; those who are in stay in.
  const more = Array.from({ length: 400 }, () => net.connect(service.port, '127.0.0.1').on('error', () => {}));
  await until('the rest to be closed', () => more.filter((c) => c.closed || c.destroyed || c.readyState === 'closed').length >= 100);
  ok(await service.get('/v1/health'), 200);
  // Slow heads and bodies are closed by the service; that makes room.
  await until('slow ones closed', () => sockets.filter((c, i) => i % 3 !== 2 && (c.readableEnded || c.destroyed)).length >= 600, 40000);
  for (const c of [...sockets, ...more]) c.destroy();
  ok(await service.get('/v1/health'), 200);
  await s.hub.close();
  assert.equal(await service.close(), 0, service.child.text);
});

test('long polls: many wait, all hear; who leaves is forgotten', async () => {
  const service = await open('poll');
  const s = await makeStreet(service, broker, 'poll', { zone });
  s.hub.say('policy silent');
  const v = await ask(service, s, await order(service, s, 'A'), 'A');
  const url = `/v1/visits/${v.id}?since=${v.news}&wait_ms=20000`;
  const waits = Array.from({ length: 50 }, () => service.get(url, s.visitor.token));
  const leavers = Array.from({ length: 50 }, () => {
    const c = net.connect(service.port, '127.0.0.1', () => c.write(`GET ${url} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${s.visitor.token}\r\n\r\n`));
    return c.on('error', () => {});
  });
  await s.hub.next('hello');
  await until('all to wait', async () => (await health(service)).requests >= 108);
  leavers.forEach((c) => c.destroy());
  s.hub.say(`offer ${v.id}`);
  for (const r of await Promise.all(waits)) assert.equal(ok(r, 200).state, 'ready');
  const began = Date.now();
  const same = ok(await service.get(`/v1/visits/${v.id}?since=99&wait_ms=300`, s.visitor.token), 200);
  assert.equal(same.state, 'ready');
  assert.ok(Date.now() - began >= 290);
  assert.equal((await service.get(`/v1/visits/${v.id}?since=0&wait_ms=30001`, s.visitor.token)).status, 422);
  const parked = service.get(`/v1/visits/${v.id}?since=99&wait_ms=30000`, s.visitor.token).catch(() => null);
  await sleep(50);
  await s.hub.close();
  assert.equal(await service.close(), 0, service.child.text); // a wait does not hold up the end
  await parked;
  assert.doesNotMatch(service.child.text, /Sanitizer|runtime error/);
});

await main();
