// doorward-front between a stand-in for the guard and clients that behave or do not.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import test from "node:test";
import { Rig, Ws, freePort, get, run, tempFolder, until } from "../web/rig.mjs";

const VISIT = "00000000000000ab";

/** ftyp + moov + moof, all of them short: enough to be cut at the right place. */
function segment(fill) {
  const box = (type, n) => {
    const b = Buffer.alloc(n, fill);
    b.writeUInt32BE(n, 0);
    b.write(type, 4, "latin1");
    return b;
  };
  return [Buffer.concat([box("ftyp", 16), box("moov", 40)]), Buffer.concat([box("moof", 24), box("mdat", 50)])];
}

test("pages, headers and hosts", async (t) => {
  const rig = await Rig.start();
  t.after(() => rig.stop());
  const r = await get(rig.port, "/");
  assert.equal(r.status, 200);
  assert.match(r.headers["content-type"], /text\/html/);
  const csp = r.headers["content-security-policy"];
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "worker-src 'self'", "img-src 'self'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'none'"])
    assert.ok(csp.includes(part), part);
  assert.ok(!csp.includes("unsafe"));
  assert.equal(r.headers["x-content-type-options"], "nosniff");
  assert.equal(r.headers["referrer-policy"], "no-referrer");
  assert.equal(r.headers["cross-origin-opener-policy"], "same-origin");
  assert.ok(!/(src|href)="(https?:)?\/\//.test(r.body.toString()), "nothing from a third party");

  const again = await get(rig.port, "/", { headers: { "if-none-match": r.headers.etag } });
  assert.equal(again.status, 304);
  assert.equal(again.body.length, 0);
  const head = await get(rig.port, "/home.js", { method: "HEAD" });
  assert.equal(head.status, 200);
  assert.equal(head.body.length, 0);
  assert.ok(Number(head.headers["content-length"]) > 1000);
  assert.equal((await get(rig.port, "/home.js")).body.length, Number(head.headers["content-length"]));

  assert.equal((await get(rig.port, "/nothing")).status, 404);
  assert.equal((await get(rig.port, "/../../etc/passwd")).status, 404);
  assert.equal((await get(rig.port, "/", { method: "POST", body: "x" })).status, 405);
  assert.equal((await get(rig.port, "/", { method: "DELETE" })).status, 405);

  for (const host of ["localhost", "LOCALHOST:1", "house.localhost:99", "127.0.0.1", "[::1]:80"])
    assert.equal((await get(rig.port, "/", { headers: { host } })).status, 200, host);
  for (const host of ["evil.example", "localhost.evil.example", ".localhost", "127.0.0.1.nip.io", "10.0.0.1", "localhost:x", "[::2]"])
    assert.equal((await get(rig.port, "/", { headers: { host } })).status, 421, host);
});

test("one more name by setting; other addresses are refused", async (t) => {
  const rig = await Rig.start({ "front.name": "door.home.example" });
  t.after(() => rig.stop());
  assert.equal((await get(rig.port, "/", { headers: { host: "door.home.example:80" } })).status, 200);

  const folder = tempFolder();
  const conf = join(folder, "c");
  for (const listen of ["0.0.0.0:0", "192.168.1.1:80", "127.0.0.1", "127.0.0.1:70000", "localhost:80"]) {
    writeFileSync(conf, `front.listen = ${listen}\n`);
    const rig = spawn(process.env.DW_FRONT_RIG, [process.env.DW_FRONT, conf]);
    let said = "";
    rig.stdout.on("data", (d) => (said += d));
    rig.stderr.on("data", (d) => (said += d));
    await new Promise((r) => rig.on("close", r));
    assert.match(said, /this machine only|an IPv4 address/, listen);
    assert.doesNotMatch(said, /ready/);
  }
});

test("not started by hand", () => {
  const r = spawnSync(process.env.DW_FRONT, [], { encoding: "utf8" });
  assert.equal(r.status, 1);
  assert.match(r.stderr, /started by doorward-guard/);
});

test("the watch socket: origin, host, path and subprotocol", async (t) => {
  const rig = await Rig.start();
  t.after(() => rig.stop());
  const bad = [
    { origin: "http://evil.example" },
    { origin: "null" },
    { origin: null },
    { host: "evil.example", origin: "http://evil.example" },
    { path: "/other" },
    { protocol: null },
    { protocol: "chat" },
  ];
  for (const o of bad) {
    const ws = await Ws.open(rig.port, o);
    assert.ok(!ws.isOpen, JSON.stringify(o));
    ws.end();
  }
  const ws = await Ws.open(rig.port, { host: `localhost:${rig.port}`, origin: `http://localhost:${rig.port}` });
  assert.ok(ws.isOpen);
  ws.end();
});

test("state, story and display reach the page, its words reach the guard", async (t) => {
  const rig = await Rig.start();
  t.after(() => rig.stop());
  rig.say("story 7 0 0 0xab");
  rig.say("state bolt=1 contact=1 strike=1 is_secured=1 camera=1 visit=0xab visitor=Stewart agency=A\"<b>");
  const first = await Ws.open(rig.port);
  await first.text("story"); // the front knows it now
  first.end();
  await rig.line(/^viewer 0 3 /);
  const ws = await Ws.open(rig.port);
  const hello = await ws.text("hello");
  assert.equal(hello.drills, false);
  const nonce = ws.nonce();
  await rig.line(new RegExp(`^viewer 0 1 ${nonce}$`));
  const state = await ws.text("state");
  assert.equal(state.bolt, "thrown");
  assert.equal(state.contact, "closed");
  assert.equal(state.visit, VISIT);
  assert.equal(state.agency, 'A"<b>');
  assert.equal(state.lock_class, "A");
  assert.equal(state.battery, 87);
  assert.match(state.hub_pub, /^[0-9a-f]{64}$/);
  const display = await ws.text("display");
  assert.match(display.cose, /^d2[0-9a-f]+$/);
  const told = await ws.text("story");
  assert.equal(told.past, true, "what was before is told as past");
  const had = ws.texts.length;
  rig.say("story 12 1 0 0xab");
  await until("the alarm", () => ws.texts.slice(had).find((m) => m.t === "story" && m.kind === "alarm" && !m.past));

  ws.send({ t: "saw_opening" });
  await rig.line(/^viewer 0 2 /);
  ws.send({ t: "owner", word: "lock_now" });
  await rig.line(/^owner 1 1$/);
  ws.send({ t: "drill", name: "camera-cut" });
  assert.equal((await ws.text("drill")).over, true, "no demo, no drill");
  assert.match((await ws.text("hub_nonce")).n, /^[0-9a-f]{64}$/);
  const later = await Ws.open(rig.port);
  assert.ok((await later.text("hello")).hub_nonces.length > 0, "a page that comes later knows the nonces too");
  later.end();
  const gone = rig.lines.length;
  ws.end();
  await rig.line(/^viewer 0 3 /, gone);
});

test("words that are not ours close that socket and change nothing", async (t) => {
  const rig = await Rig.start();
  t.after(() => rig.stop());
  const good = await Ws.open(rig.port);
  const n = "a".repeat(64);
  const bad = [
    "", "{", "[]", "7", '"x"', "null", "{}", '{"t":1}', '{"t":"other"}', '{"t":"nonce"}', `{"t":"nonce","n":"${n}x"}`,
    `{"t":"nonce","n":"${n.toUpperCase()}"}`, `{"t":"nonce","n":"${n}","n":"${n}"}`, `{"t":"nonce","n":"${n}","more":1}`,
    `{"t":"nonce","n":"${n}"} x`, '{"t":"owner","word":"unlock"}', '{"t":"owner"}', '{"t":"saw_opening","x":1}',
    '{"t":"drill","name":"a b"}', '{"t":"drill","name":"../x"}', `{"t":"drill","name":"${"a".repeat(33)}"}`, '{"t":"drill","name":""}',
    "x".repeat(2000), '{"t":"nonce","n":"\u0000"}', "\ud800",
  ];
  for (const text of bad) {
    const ws = await Ws.open(rig.port);
    ws.send(text);
    const close = await ws.closed();
    assert.ok(close === "cut" || close.why !== undefined, text);
    ws.end();
  }
  const binary = await Ws.open(rig.port);
  binary.raw(2, [1, 2, 3]);
  assert.equal((await binary.closed()).why, "text only");
  const torn = await Ws.open(rig.port);
  torn.raw(1, '{"t":"saw_', false);
  torn.raw(0, 'opening"}', true);
  await rig.line(/^viewer \d+ 2 /);
  torn.raw(1, "x".repeat(900), false);
  torn.raw(0, "x".repeat(900), true);
  assert.equal((await torn.closed()).why, "message too large");
  const fast = await Ws.open(rig.port);
  for (let i = 0; i < 40; i++) fast.nonce();
  assert.equal((await fast.closed()).why, "too many messages");
  const unmasked = await Ws.open(rig.port);
  unmasked.socket.write(Buffer.from([0x81, 2, 0x7b, 0x7d]));
  await unmasked.closed();
  assert.ok(!rig.lines.some((l) => l.startsWith("owner")), "nothing was asked of the guard");
  assert.equal(good.close, null);
  const nonce = good.nonce();
  await rig.line(new RegExp(nonce));
  for (const w of [good, binary, torn, fast, unmasked]) w.end();
});

test("sixteen screens, the next one is refused in words", async (t) => {
  const rig = await Rig.start();
  t.after(() => rig.stop());
  const all = [];
  for (let i = 0; i < 16; i++) {
    const ws = await Ws.open(rig.port);
    await ws.text("hello");
    all.push(ws);
  }
  const late = await Ws.open(rig.port);
  const said = await late.text("refused");
  assert.match(said.why, /Too many screens/);
  assert.equal((await late.closed()).code, 1013);
  all[3].end();
  await rig.line(/^viewer 3 3 /);
  const next = await Ws.open(rig.port);
  await next.text("hello");
  for (const ws of [...all, late, next]) ws.end();
});

test("frames: pieces, garbage, a page that does not read", async (t) => {
  const rig = await Rig.start();
  t.after(() => rig.stop());
  const quick = await Ws.open(rig.port);
  const slow = await Ws.open(rig.port);
  await quick.text("hello");
  await slow.text("hello");
  rig.say("frame 5000 0");
  rig.say("frame 100000 1");
  await until("the key frame", () => quick.binaries.length === 1);
  const b = quick.binaries[0];
  assert.equal(b.length, 14 + 100000);
  assert.deepEqual([...b.subarray(0, 6)], [1, 0, 1, 0, 0, 0], "the frame before the first key frame is not sent");

  for (const piece of ["piece 10 20 5", "piece 0 0 5", "piece 4000000000 0 10", "piece 100 50 10", "piece 5 0 6", "piece 100 0 50"]) rig.say(piece);
  rig.say("frame 3000 1");
  await until("the next whole frame", () => quick.binaries.length === 2);

  slow.socket.pause();
  const key = 200000;
  for (let i = 0; i < 120; i++) {
    rig.say(`frame ${key} ${i % 10 === 0 ? 1 : 0}`);
    await new Promise((r) => setTimeout(r, 2));
  }
  rig.say("frame 777 1");
  await until("the quick page has the last", () => quick.binaries.at(-1).length === 14 + 777);
  slow.socket.resume();
  await until("the slow page has the last too", () => slow.binaries.at(-1)?.length === 14 + 777);
  assert.ok(slow.binaries.length < quick.binaries.length, "frames were dropped for the slow page");
  // After a hole it goes on with a key frame: never a frame whose predecessor is missing.
  const sequence = slow.binaries.slice(2).map((f) => f[2]);
  assert.equal(sequence.at(-1), 1);
  rig.say("pipe");
  rig.say("frame 999 1");
  await until("a frame over the new pipe", () => quick.binaries.at(-1).length === 14 + 999);
  quick.end();
  slow.end();
});

test("a guard that sends what cannot be read ends the front", async (t) => {
  const rig = await Rig.start();
  t.after(() => rig.stop());
  rig.say("garbage 20");
  await rig.line(/^ended front-gone/);
});

test("recordings: list, whole, parts, and nothing else", async (t) => {
  const folder = tempFolder();
  const visit = join(folder, `visit-${VISIT}`);
  mkdirSync(visit);
  const [init1, media1] = segment(1);
  const [init2, media2] = segment(2);
  writeFileSync(join(visit, "seg-0001.mp4"), Buffer.concat([init1, media1]));
  writeFileSync(join(visit, "seg-0002.mp4"), Buffer.concat([init2, media2]));
  writeFileSync(join(visit, "seg-0003.mp4.part"), "half");
  writeFileSync(join(visit, "seg-0001.records"), "records");
  writeFileSync(join(folder, "secret.mp4"), "secret");
  symlinkSync(join(folder, "secret.mp4"), join(visit, "seg-0009.mp4"));
  const rig = await Rig.start({ "record.folder": folder });
  t.after(() => rig.stop());

  assert.deepEqual(JSON.parse((await get(rig.port, "/recordings/")).body), { visits: [VISIT] });
  const list = JSON.parse((await get(rig.port, `/recordings/${VISIT}/`)).body);
  assert.deepEqual(list.segments.map((s) => s.name), ["seg-0001.mp4", "seg-0002.mp4"]);
  const whole = await get(rig.port, `/recordings/${VISIT}.mp4`);
  const want = Buffer.concat([init1, media1, media2]);
  assert.equal(whole.status, 200);
  assert.equal(whole.headers["content-type"], "video/mp4");
  assert.deepEqual(whole.body, want, "one film: the second head is left out");
  const one = await get(rig.port, `/recordings/${VISIT}/seg-0002.mp4`);
  assert.deepEqual(one.body, Buffer.concat([init2, media2]));

  for (const [range, from, to] of [["bytes=0-0", 0, 0], ["bytes=100-", 100, want.length - 1], ["bytes=-7", want.length - 7, want.length - 1], ["bytes=120-160", 120, 160], ["bytes=0-99999", 0, want.length - 1]]) {
    const r = await get(rig.port, `/recordings/${VISIT}.mp4`, { headers: { range } });
    assert.equal(r.status, 206, range);
    assert.equal(r.headers["content-range"], `bytes ${from}-${to}/${want.length}`);
    assert.deepEqual(r.body, want.subarray(from, to + 1), range);
  }
  for (const range of ["bytes=9999-", "bytes=5-2", "bytes=0-1,3-4", "lines=0-1", "bytes=-0", "bytes=a-b", "bytes=99999999999999999999999-"])
    assert.equal((await get(rig.port, `/recordings/${VISIT}.mp4`, { headers: { range } })).status, 416, range);
  for (const path of [
    `/recordings/${VISIT}/seg-0009.mp4`, `/recordings/${VISIT}/seg-0003.mp4.part`, `/recordings/${VISIT}/seg-0001.records`, `/recordings/${VISIT}/../secret.mp4`,
    `/recordings/${VISIT}/%2e%2e/secret.mp4`, "/recordings/ffffffffffffffff.mp4", "/recordings/ffffffffffffffff/", "/recordings/00000000000000AB/", "/recordings/abc/", "/recordings/secret.mp4",
    `/recordings/${VISIT}`, `/recordings/${VISIT}0.mp4`, `/recordings/${VISIT}/.mp4`,
  ])
    assert.equal((await get(rig.port, path)).status, 404, path);
});

test("bad HTTP: nothing that is sent stops the front", async (t) => {
  const rig = await Rig.start();
  t.after(() => rig.stop());
  const bad = ["\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", `GET /${"a".repeat(9000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`, `GET / HTTP/1.1\r\n${"X: y\r\n".repeat(2000)}\r\n`, "\0\0\0\0\0\0", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n"];
  for (const text of bad) {
    const s = net.connect(rig.port, "127.0.0.1");
    s.on("error", () => undefined);
    s.write(text);
    s.end();
    await new Promise((r) => (s.on("close", r), s.resume(), setTimeout(() => s.destroy(), 500)));
  }
  const idle = [];
  for (let i = 0; i < 1000; i++) {
    const s = net.connect(rig.port, "127.0.0.1");
    s.on("error", () => undefined);
    idle.push(s);
  }
  const r = await get(rig.port, "/");
  assert.equal(r.status, 200);
  for (const s of idle) s.destroy();
});

test("drills: one line to the demo, its lines to the pages", async (t) => {
  const folder = tempFolder();
  const path = join(folder, "drills");
  const asked = [];
  let answer;
  const demo = net.createServer((s) => {
    s.on("error", () => undefined);
    s.on("data", (d) => {
      asked.push(d.toString());
      answer = s;
    });
  });
  await new Promise((r) => demo.listen(path, r));
  t.after(() => demo.close());
  const rig = await Rig.start({ "front.drill_socket": path });
  t.after(() => rig.stop());
  const ws = await Ws.open(rig.port);
  assert.equal((await ws.text("hello")).drills, true);
  ws.send({ t: "drill", name: "camera-cut" });
  await until("the demo is asked", () => asked.length === 1);
  assert.equal(asked[0], "drill camera-cut\n");
  ws.send({ t: "drill", name: "walk-off" });
  await until("one at a time", () => ws.texts.find((m) => m.t === "drill" && /under way/.test(m.line)));
  answer.write('{"attack":true}\nSECURED_WITH_GAP; alarm ');
  answer.write("after 2.1 s; door locked\n");
  answer.end();
  await until("its end", () => ws.texts.find((m) => m.t === "drill" && m.name === "camera-cut" && m.over));
  const lines = ws.texts.filter((m) => m.t === "drill" && m.name === "camera-cut").map((m) => m.line);
  assert.deepEqual(lines, ['{"attack":true}', "SECURED_WITH_GAP; alarm after 2.1 s; door locked", ""]);
  const [past] = JSON.parse((await get(rig.port, "/api/drills")).body).drills;
  assert.deepEqual([past.name, past.result, past.seconds_to_alarm], ["camera-cut", "SECURED_WITH_GAP; alarm after 2.1 s; door locked", 2.1]);
  ws.end();
});

test("the link to the service over a real broker", async (t) => {
  const folder = tempFolder();
  const port = await freePort();
  const conf = join(folder, "m.conf");
  writeFileSync(conf, `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n`);
  const rig = await Rig.start({ "link.broker": `127.0.0.1:${port}`, "link.hub_id": "0123456789abcdef" });
  t.after(() => rig.stop());
  // The broker comes later: the link dials again by itself.
  let broker = run("mosquitto", ["-c", conf]);
  t.after(() => broker.stop());
  await rig.line(/^link_state 1$/);

  const sub = spawn("stdbuf", ["-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", String(port), "-t", "doorward/v1/#", "-q", "1", "-F", "%t %x", "-d"]);
  let heard = "";
  sub.stdout.on("data", (d) => (heard += d));
  t.after(() => sub.kill());
  await until("the listener is subscribed", () => /Subscribed/.test(heard));
  rig.say("link_out 0 0a0b0c");
  await until("out", () => heard.includes("doorward/v1/0123456789abcdef/out 0a0b0c"));
  rig.say("link_out 1 ff");
  await until("enrol", () => heard.includes("doorward/v1/enrol ff"));

  const publish = (topic, file) => spawnSync("mosquitto_pub", ["-h", "127.0.0.1", "-p", String(port), "-t", topic, "-q", "1", "-f", file], { timeout: 5000 });
  const payload = join(folder, "p");
  writeFileSync(payload, Buffer.from("01020304", "hex"));
  publish("doorward/v1/0123456789abcdef/in", payload);
  await rig.line(/^link_in 01020304$/);
  writeFileSync(payload, Buffer.alloc(3401, 7));
  publish("doorward/v1/0123456789abcdef/in", payload);
  writeFileSync(payload, Buffer.alloc(3400, 8));
  publish("doorward/v1/0123456789abcdef/in", payload);
  await rig.line(/^link_in 0808/);
  assert.ok(!rig.lines.some((l) => l.startsWith("link_in 0707")), "too large, not passed on");
  publish("doorward/v1/fedcba9876543210/in", payload);

  const before = rig.lines.length;
  await broker.stop();
  await rig.line(/^link_state 0$/, before);
  rig.say("link_out 0 dd"); // not connected: the guard is told and keeps it
  await rig.line(/^link_state 0$/, before + 1);
  broker = run("mosquitto", ["-c", conf]);
  await rig.line(/^link_state 1$/, before);
});
