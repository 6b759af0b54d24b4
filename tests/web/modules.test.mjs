// The modules of the pages that decide what may be shown, in node.
import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./load.mjs";
import { Camera as Signer, FRAME, cose as coseBy, enc, hex, nal, newKey, rawPub, sha, thumbOf } from "./sign.mjs";

const { decode, CborError, Tagged, Fields } = await load("shared/cbor.ts");

test("CBOR: published vectors [RFC 8949 appendix A] within our subset", () => {
  const good = [
    ["00", 0], ["01", 1], ["0a", 10], ["17", 23], ["1818", 24], ["1819", 25], ["1864", 100], ["1903e8", 1000], ["1a000f4240", 1000000],
    ["1b000000e8d4a51000", 1000000000000], ["1bffffffffffffffff", 18446744073709551615n], ["20", -1], ["29", -10], ["3863", -100], ["3903e7", -1000],
    ["3bffffffffffffffff", -18446744073709551616n], ["f4", false], ["f5", true], ["f6", null], ["60", ""], ["6161", "a"], ["6449455446", "IETF"],
    ["62225c", '"\\'], ["62c3bc", "\u00fc"], ["63e6b0b4", "\u6c34"], ["80", []], ["83010203", [1, 2, 3]], ["8301820203820405", [1, [2, 3], [4, 5]]],
  ];
  for (const [h, v] of good) assert.deepEqual(decode(hex(h)), v, h);
  assert.deepEqual([...decode(hex("4401020304"))], [1, 2, 3, 4]);
  assert.deepEqual(decode(hex("a201020304")), new Map([[1, 2], [3, 4]]));
  assert.deepEqual(decode(hex("a26161016162820203")), new Map([["a", 1], ["b", [2, 3]]]));
  const tagged = decode(hex("d20a"));
  assert.ok(tagged instanceof Tagged && tagged.tag === 18 && tagged.value === 10);
});

test("CBOR: everything else is refused", () => {
  const bad = [
    "", "18", "1817", "190018", "1900ff", "1a0000ffff", "1b00000000ffffffff", "1c", "1f", "3f", "5f42010243030405ff", "7f657374726561646d696e67ff", "9f01ff", "bf01ff", "ff",
    "f97c00", "fa47c35000", "fb3ff199999999999a", "f7", "f0", "f8ff", "e0", "0000", "8101 00", "a1", "a101", "a2010201 03", "a203040102", "a2010201ff", "a18001", "a1a00001", "a1f401",
    "62c328", "63eda080", "61ff", "64f4908080", "430102", "9a20000000", "9a02000000", "bb0000000100000000", "5b7fffffffffffffff", "81d20a", "d2d20a", "8181818181", "818181818100", "a10181818180",
    "d9d9f700", "c249010000000000000000ff",
  ];
  for (const h of bad) assert.throws(() => decode(hex(h)), (e) => e instanceof CborError, h);
  assert.throws(() => decode(new Uint8Array(4097)), CborError);
  // Every truncation and every extension of a good object.
  const whole = hex("a401430a0b0c026161038301020304f5");
  decode(whole);
  for (let i = 0; i < whole.length; i++) assert.throws(() => decode(whole.slice(0, i)), CborError);
  assert.throws(() => decode(new Uint8Array([...whole, 0])), CborError);
});

test("CBOR: fields that are missing, left over or of another kind", () => {
  const m = decode(hex("a20102034101"));
  const f = new Fields(m);
  assert.equal(f.uint(1), 2);
  assert.throws(() => f.end(), CborError);
  assert.throws(() => f.uint(2), CborError);
  assert.throws(() => f.uint(3), CborError);
  assert.throws(() => f.bytes(3, 2), CborError);
  assert.deepEqual([...f.bytes(3, 1)], [1]);
  f.end();
});

// ---- signed frames (what becomes of them is in player.test.mjs) ----
const pair = newKey();
const other = newKey();
const hub = sha("hub");
const cose = (context, typ, payload, by = pair, more = {}) => coseBy(context, typ, payload, by, more);
const SPS = [0x67, 0x64, 0x00, 0x1f, 0xaa, 0xbb];
const PPS = [0x68, 0xee, 0x01];
const au = (isKey, n) => (isKey ? Buffer.concat([nal(9, 0x10), nal(...SPS), nal(...PPS), nal(0x65, 1, n, 7)]) : Buffer.concat([nal(9, 0x30), nal(0x41, 2, n, 7)]));

class Camera extends Signer {
  constructor() {
    super(pair, hub);
  }
  frame(isKey, more = {}) {
    return super.frame(au(isKey, this.seq + 1), more);
  }
}

const { FrameJudge, HubNonces, readMessage } = await load("shared/frame.ts");
const { VerifyKey } = await load("shared/cose.ts");

async function newJudge() {
  const nonces = new HubNonces();
  nonces.add(hub);
  return new FrameJudge(await VerifyKey.of(rawPub(pair)), (e, v) => nonces.isEcho(e, v));
}

test("frames: in order, with a gap, again, from another start", async () => {
  const judge = await newJudge();
  const cam = new Camera();
  const k = cam.frame(true);
  let j = await judge.judge(k);
  assert.equal(j.verdict, "next");
  assert.equal(j.isEchoed, true);
  assert.equal(j.record.visit, "8000000000000005");
  const p = cam.frame(false);
  assert.equal((await judge.judge(p)).verdict, "next");
  assert.equal((await judge.judge(p)).verdict, "old", "the same frame again");
  assert.equal((await judge.judge(k)).verdict, "old");
  cam.frame(false);
  assert.equal((await judge.judge(cam.frame(false))).verdict, "gap");
  assert.equal((await judge.judge(cam.frame(false))).verdict, "next");
  cam.frame(false);
  assert.equal((await judge.judge(cam.frame(true))).verdict, "next", "a key frame heals a gap");
  const again = new Camera();
  again.boot = 4;
  again.seed = new Uint8Array(16).fill(4);
  assert.equal((await judge.judge(again.frame(false))).verdict, "gap", "a new start needs a key frame");
  assert.equal((await judge.judge(again.frame(true))).verdict, "next");
  assert.equal((await judge.judge(cam.frame(true))).verdict, "old", "the start before is over");
});

test("frames: whatever was changed is found", async () => {
  const tries = {
    picture: (m) => (m.au[m.au.length - 1] ^= 1),
    record: (m) => (m.record[m.record.length - 1] ^= 1),
    "no record": (m) => (m.record = new Uint8Array(0)),
    "no picture": (m) => (m.au = new Uint8Array(nal(9, 0x10))),
    "a slice more": (m) => (m.au = new Uint8Array(Buffer.concat([m.au, nal(0x65, 1)]))),
    parameters: (m) => (m.au[m.au.indexOf(0x67) + 4] ^= 1),
  };
  for (const [name, change] of Object.entries(tries)) {
    const judge = await newJudge();
    const cam = new Camera();
    await judge.judge(cam.frame(true));
    const m = cam.frame(true);
    change(m);
    assert.equal((await judge.judge(m)).verdict, "changed", name);
  }
  const judge = await newJudge();
  assert.equal((await judge.judge(new Camera().frame(true, { by: other }))).verdict, "changed", "another key");
  const cam = new Camera();
  await judge.judge(cam.frame(true));
  cam.chain = new Uint8Array(32);
  assert.equal((await judge.judge(cam.frame(true))).verdict, "changed", "chain");
  for (const change of [{ 271: undefined }, { 271: "t" }, { "-70099": 1 }, { "-70011": 1 }, { 268: new Uint8Array(15) }, { "-70012": [new Uint8Array(32), new Uint8Array(32), 0, 300, 0] }]) {
    const c = new Camera();
    assert.equal((await (await newJudge()).judge(c.frame(true, { change }))).verdict, "changed", JSON.stringify(change));
  }
  const wrongEcho = await (await newJudge()).judge(new Camera().frame(true, { hubNonce: sha("x") }));
  assert.equal(wrongEcho.verdict, "next");
  assert.equal(wrongEcho.isEchoed, false, "authentic, but no proof of now");
});

test("COSE: every bit of a signed object counts", async () => {
  const { open } = await load("shared/cose.ts");
  const context = { name: FRAME[0], typ: FRAME[1] };
  const key = await VerifyKey.of(rawPub(pair));
  const good = cose(...FRAME, enc(7));
  assert.deepEqual([...(await open(key, context, good))], [7]);
  for (let bit = 0; bit < good.length * 8; bit++) {
    const bad = good.slice();
    bad[bit >> 3] ^= 1 << (bit & 7);
    await assert.rejects(open(key, context, bad), `bit ${bit}`);
  }
  await assert.rejects(open(key, context, cose("doorward/display/1", "doorward-display+cwt", enc(7))), "another context");
  await assert.rejects(open(key, context, cose("doorward/display/1", FRAME[1], enc(7))), "another external data");
  await assert.rejects(open(key, context, cose(...FRAME, enc(7), pair, { unprotected: new Map([[1, 1]]) })));
  const kid = thumbOf(rawPub(pair)).subarray(0, 8);
  for (const prot of [new Map([[1, -7], [4, kid], [16, FRAME[1]]]), new Map([[1, -8], [4, kid]]), new Map([[1, -8], [4, kid], [16, FRAME[1]], [33, 1]]), new Map([[1, -8], [4, new Uint8Array(8)], [16, FRAME[1]]])])
    await assert.rejects(open(key, context, cose(...FRAME, enc(7), pair, { prot: enc(prot) })));
});

test("the front's frame message", () => {
  const b = new Uint8Array(14 + 3 + 64 + 5);
  b.set([1, 2, 1, 2, 0, 3]);
  b.fill(0xaa, 17, 49);
  const m = readMessage(b.buffer);
  assert.deepEqual([m.cameraClass, m.record.length, m.viewerNonces.length, m.au.length], [2, 3, 2, 5]);
  assert.equal(m.viewerNonces[0], "aa".repeat(32));
  for (const [at, v] of [[0, 2], [3, 17], [4, 2], [3, 3]]) {
    const c = b.slice();
    c[at] = v;
    assert.throws(() => readMessage(c.buffer));
  }
  assert.throws(() => readMessage(new ArrayBuffer(13)));
});

// ---- proven age ----
const { Freshness, livenessOf } = await load("shared/age.ts");

test("age: never younger than it is, whatever delays there are", () => {
  // A world with its own truth: random delays from screen to camera and back, a camera clock of its own.
  let seed = 12345;
  const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
  for (let round = 0; round < 50; round++) {
    const f = new Freshness();
    const offset = random() * 1e6; // camera's clock minus ours, unknown to the screen
    const known = []; // nonces at the camera: {nonce, from}
    let worst = 0;
    for (let ms = 0; ms < 20000; ms += 40) {
      if (ms % 1000 === 0) {
        const nonce = `n${ms}`;
        f.ask(nonce, ms);
        known.push({ nonce, from: ms + 5 + random() * 300 });
      }
      const newest = known.filter((k) => k.from <= ms).at(-1);
      const at = f.exposedAt("boot", (ms + offset) * 1000, newest ? [newest.nonce, "other"] : []);
      if (!newest) {
        assert.equal(at, null);
        continue;
      }
      assert.ok(at <= ms + 1e-6, `claims ${at}, was exposed at ${ms}`);
      if (ms > 12000) worst = Math.max(worst, ms - at);
    }
    assert.ok(worst < 130, `and it is not far off: ${worst}`);
  }
});

test("age: what proves nothing", () => {
  const f = new Freshness();
  assert.equal(f.exposedAt("b", 1e6, []), null, "no nonce of ours");
  assert.equal(f.exposedAt("b", 1e6, ["n1"]), null, "a nonce we never sent");
  f.ask("n1", 100);
  assert.equal(f.exposedAt("b", 2e6, ["n1"]), 100);
  assert.equal(f.exposedAt("b", 2_500_000, ["n1"]), 600);
  assert.equal(f.exposedAt("b", 9e6, ["x"]), null, "only other screens' nonces");
  f.ask("n2", 1100);
  assert.equal(f.exposedAt("b", 2_900_000, ["n2"]), 1100, "a better bound counts");
  assert.equal(f.exposedAt("b", 3_000_000, ["n1"]), 1200, "for frames with an older nonce as well");
  assert.equal(f.exposedAt("c", 50_000, ["n2"]), 1100, "another start of the camera, another clock");
  for (let i = 0; i < 25; i++) f.ask(`m${i}`, 5000 + i);
  assert.equal(f.exposedAt("c", 60_000, ["n2"]), null, "only the newest nonces are remembered");
  f.reset();
  assert.equal(f.exposedAt("c", 70_000, ["m24"]), null);
  assert.deepEqual([0, 1000, 1001, 1500, 1501].map(livenessOf), ["live", "live", "stale", "stale", "blind"]);
});

test("the clock also counts sleep, and never goes back", async () => {
  const { SleepClock } = await load("shared/clock.ts");
  let mono = 1000;
  let wall = 50000;
  const c = new SleepClock(() => mono, () => wall);
  assert.equal(c.now(), 1000);
  mono += 100;
  wall += 100;
  assert.equal(c.now(), 1100);
  mono += 10;
  wall += 3_600_010; // the machine slept for an hour
  assert.equal(c.now(), 3_601_110);
  mono += 10;
  wall -= 5_000_000; // somebody set the clock back
  assert.equal(c.now(), 3_601_120);
});

test("words: every key that the code says exists, ages are to the second", async () => {
  const { say, namesOf } = await load("shared/strings.ts");
  const { span, counter } = await load("shared/times.ts");
  assert.equal(say("picture.age", { age: "0.2 s" }), "0.2 s old");
  // Each drill of the demo has words on the page: to be run there, or as one that the command line plays.
  const { DRILLS } = await import("../../sim/demo/drills.mjs");
  assert.deepEqual([...namesOf("drill", "name"), ...namesOf("rehearsal", "name")].sort(), Object.keys(DRILLS).sort());
  assert.equal(namesOf("drill", "name").length, 18);
  assert.deepEqual([0, 230, 9940, 12300, 61000, 3_700_000].map(span), ["0.0 s", "0.2 s", "9.9 s", "12 s", "1:01", "1:01:40"]);
  assert.equal(counter(4999), "0:04");
});

test("both apps have icons for every home screen: what the manifest names is served, in its size", async () => {
  for (const name of ["household", "courier"]) {
    const app = (await import(`../../web/${name}/app.mjs`)).default;
    const rowOf = (path) => app.files.find((f) => f.path === path);
    const { icons } = JSON.parse(rowOf("/manifest.webmanifest").text);
    const pngs = icons.filter((i) => i.type === "image/png");
    assert.deepEqual(pngs.map((i) => `${i.sizes} ${i.purpose}`), ["192x192 any", "512x512 any", "512x512 maskable"], name);
    for (const i of icons) {
      const row = rowOf(i.src);
      assert.ok(row?.open, `${name}: ${i.src} is open, as the manifest is`);
      if (i.type !== "image/png") continue;
      assert.deepEqual([row.text.readUInt32BE(0), row.text.toString("latin1", 12, 16)], [0x89504e47, "IHDR"], i.src);
      assert.equal(`${row.text.readUInt32BE(16)}x${row.text.readUInt32BE(20)}`, i.sizes, i.src);
    }
  }
});
