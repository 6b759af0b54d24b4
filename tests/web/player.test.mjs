// What the player lets through to the decoder and onto the canvas, as a table of inputs; and for every check that it
// makes, that leaving it out is noticed by this table [I29, I31].
import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./load.mjs";
import { Camera, DISPLAY, FRAME, cose, display, enc, hex, message, nal, newKey, rawPub, sealOf, session, sha, thumbOf } from "./sign.mjs";

const device = newKey(); // of the camera
const camera = newKey(); // of its boot
const stranger = newKey();
const hub = newKey();
const hubNonce = sha("hub");
const OURS = "aa".repeat(32);
const THEIRS = "bb".repeat(32);
const SPS = [0x67, 0x64, 0x00, 0x1f, 0xaa, 0xbb];
const PPS = [0x68, 0xee, 0x01];
const SEI = nal(6, 5, 1, 2, 0x80);
const toHex = (b) => Buffer.from(b).toString("hex");

let units = 0;
const key = (sps = SPS) => Buffer.concat([nal(9, 0x10), nal(...sps), nal(...PPS), nal(0x65, 1, ++units & 127, 7)]);
const delta = () => Buffer.concat([nal(9, 0x30), nal(0x41, 2, ++units & 127, 7)]);

// ---- a browser that only counts ----
class FakeDecoder {
  state = "configured";
  decodeQueueSize = 0;
  constructor(o) {
    this.o = o;
  }
  configure() {}
  close() {
    this.state = "closed";
  }
  decode(chunk) {
    FakeDecoder.had.push(toHex(chunk.data));
    queueMicrotask(() => this.o.output({ timestamp: chunk.timestamp, displayWidth: 64, displayHeight: 36, close: () => undefined }));
  }
}
globalThis.VideoDecoder = FakeDecoder;
globalThis.EncodedVideoChunk = class {
  constructor(o) {
    Object.assign(this, o);
  }
};

async function newWorld({ Player }, { watched = true, said } = {}) {
  FakeDecoder.had = [];
  const w = { now: 1000, draws: 0, told: [], keys: 0, cam: new Camera(camera, hubNonce) };
  w.cam.now = 5e12; // years from anything here
  w.cam.rx = 5e12;
  w.player = new Player({ now: () => w.now }, {
    proven: () => undefined, unproven: () => w.told.push("unproven"), frozen: () => w.told.push("frozen"), changed: (why) => w.told.push(why), size: () => undefined, cannot: (why) => w.told.push(why), wantsKey: () => w.keys++,
  });
  if (watched) w.player.attach(1, { width: 0, height: 0, getContext: () => ({ drawImage: () => w.draws++, clearRect: () => undefined }) });
  w.player.hubNonces.add(hubNonce);
  await w.player.setCamera(toHex(rawPub(device)), 2, said ?? session(device, camera));
  w.player.freshness.ask(OURS, w.now);
  w.pass = (ms) => {
    w.now += ms;
    w.cam.now += ms * 1000;
  };
  /** Gives bytes to the player, and says what became of them. */
  w.give = async (bytes) => {
    const before = { had: FakeDecoder.had.length, draws: w.draws, told: w.told.length };
    w.player.take(new Uint8Array(bytes).buffer);
    await w.player.pending;
    for (let i = 0; i < 4; i++) await Promise.resolve();
    return { decoded: FakeDecoder.had.slice(before.had), drawn: w.draws - before.draws, told: w.told.slice(before.told).join(" ") };
  };
  w.make = (au, more = {}) => w.cam.frame(au, { viewers: [THEIRS, OURS], ...more });
  w.send = (au, more) => w.give(message(w.make(au, more)));
  return w;
}

const change = (f) => (w) => {
  const m = w.make(delta());
  f(m, w);
  return message(m);
};
const flip = (b, at) => {
  b[at < 0 ? b.length + at : at] ^= 1;
};
const slipped = (au, extra, n = 0) => ({ au: new Uint8Array(Buffer.concat([au.subarray(0, n), extra, au.subarray(n)])), sealed: au });

// Each: the bytes that come after a key frame and one more, both good. want: "" nothing of it is decoded or drawn;
// "decoded" it is, and not drawn; "drawn". told: what the page is told.
const rows = {
  "the next frame": { make: (w) => message(w.make(delta())), want: "drawn" },
  "the next key frame": { make: (w) => message(w.make(key())), want: "drawn" },
  "a key frame after a gap": { make: (w) => (w.make(delta()), message(w.make(key()))), want: "drawn" },

  "one bit of the picture": { make: change((m) => flip(m.au, -1)), told: "seal" },
  "one bit of the signature": { make: change((m) => flip(m.record, -1)), told: "seal" },
  "one bit of the signed record": { make: change((m) => flip(m.record, 120)), told: "seal" },
  "the picture of another frame": { make: change((m) => (m.au = new Uint8Array(delta()))), told: "seal" },
  "a slice more": { make: change((m) => (m.au = new Uint8Array(Buffer.concat([m.au, nal(0x41, 9)])))), told: "seal" },
  "a slice less": { make: (w) => { const au = Buffer.concat([delta(), nal(0x41, 9, 9)]); const m = w.make(au); m.au = new Uint8Array(au.subarray(0, au.length - 7)); return message(m); }, told: "seal" },
  "two slices made one": { make: (w) => { const au = Buffer.concat([nal(0x41, 1, 7), nal(0x41, 2, 7)]); const m = w.make(au); m.au = new Uint8Array(nal(0x41, 1, 7, 0x41, 2, 7)); return message(m); }, told: "seal" },
  "one slice made two": { make: (w) => { const au = nal(0x41, 1, 7, 0x41, 2, 7); const m = w.make(au); m.au = new Uint8Array(Buffer.concat([nal(0x41, 1, 7), nal(0x41, 2, 7)])); return message(m); }, told: "seal" },
  "another parameter set": { make: (w) => { const au = key(); const m = w.make(au); m.au = new Uint8Array(au); m.au[au.indexOf(0x67) + 4] ^= 1; return message(m); }, told: "seal" },
  "a second parameter set beside the first": { make: (w) => { const au = key(); const m = w.make(au); m.au = slipped(au, nal(0x67, 0x64, 0, 0x1f, 0xcc), 6).au; return message(m); }, told: "seal" },
  "a second parameter set after the first": { make: (w) => { const au = key(); const m = w.make(au); m.au = slipped(au, nal(0x67, 0x64, 0, 0x1f, 0xcc), 16).au; return message(m); }, told: "seal" },
  "bytes moved from one set to the other": { make: (w) => { const sps = [...SPS, 0x68, 5]; const au = Buffer.concat([nal(...sps), nal(...PPS), nal(0x65, 1, 7)]); const m = w.make(au); m.au = new Uint8Array(Buffer.concat([nal(...SPS), nal(0x68, 5, ...PPS), nal(0x65, 1, 7)])); return message(m); }, told: "seal" },
  "signed by somebody else": { make: (w) => message(w.make(delta(), { by: stranger })), told: "seal" },
  "signed by somebody else under the camera's id": { make: (w) => message(w.make(delta(), { by: stranger, more: { prot: enc(new Map([[1, -8], [4, thumbOf(rawPub(camera)).subarray(0, 8)], [16, FRAME[1]]])) } })), told: "seal" },
  "under another key's id": { make: (w) => message(w.make(delta(), { more: { prot: enc(new Map([[1, -8], [4, new Uint8Array(8)], [16, FRAME[1]]])) } })), told: "seal" },
  "of another type": { make: (w) => message(w.make(delta(), { more: { prot: enc(new Map([[1, -8], [4, thumbOf(rawPub(camera)).subarray(0, 8)], [16, DISPLAY[1]]])) } })), told: "seal" },
  "another algorithm": { make: (w) => message(w.make(delta(), { more: { prot: enc(new Map([[1, -7], [4, thumbOf(rawPub(camera)).subarray(0, 8)], [16, FRAME[1]]])) } })), told: "seal" },
  "a header field more": { make: (w) => message(w.make(delta(), { more: { prot: enc(new Map([[1, -8], [4, thumbOf(rawPub(camera)).subarray(0, 8)], [16, FRAME[1]], [33, 1]])) } })), told: "seal" },
  "something in the unprotected header": { make: (w) => message(w.make(delta(), { more: { unprotected: new Map([[1, 1]]) } })), told: "seal" },
  "a byte after the record": { make: change((m) => (m.record = new Uint8Array([...m.record, 0]))), told: "seal" },
  "no record": { make: change((m) => (m.record = new Uint8Array(0))), told: "seal" },
  "no record, and called a camera that proves nothing": { make: change((m) => ((m.record = new Uint8Array(0)), (m.cameraClass = 0))), told: "seal" },
  "a field too many": { make: (w) => message(w.make(delta(), { change: { "-70099": 1 } })), told: "seal" },
  "a field too few": { make: (w) => message(w.make(delta(), { change: { 271: undefined } })), told: "seal" },
  "a field of another kind": { make: (w) => message(w.make(delta(), { change: { 268: new Uint8Array(15) } })), told: "seal" },
  "exposed before it was asked": { make: (w) => message(w.make(delta(), { change: { "-70011": 1 } })), told: "seal" },
  "another chain": { make: (w) => ((w.cam.chain = new Uint8Array(32)), message(w.make(delta()))), told: "seal" },
  "another chain, with a key frame": { make: (w) => ((w.cam.chain = new Uint8Array(32)), message(w.make(key()))), told: "seal" },
  "the camera signs that somebody handles it": { make: (w) => message(w.make(delta(), { change: { "-70014": 4 } })), told: "camera" },

  "the same frame again": { make: (w) => w.last, goesOn: true },
  "a number that was before": { make: (w) => ((w.cam.seq -= 2), message(w.make(key()))) },
  "the camera's start before this one": { make: (w) => ((w.cam.boot = 2), (w.cam.seed = new Uint8Array(16).fill(1)), message(w.make(key()))) },
  "the same start with another seed": { make: (w) => ((w.cam.seed = new Uint8Array(16).fill(1)), message(w.make(key()))) },
  "a frame is missing": { make: (w) => (w.make(delta()), message(w.make(delta()))), keys: true },
  "another start, no key frame": { make: (w) => ((w.cam.boot = 4), (w.cam.seed = new Uint8Array(16).fill(4)), (w.cam.seq = w.cam.seq), message(w.make(delta()))), keys: true },
  "parameters in force are not the signed ones": { make: (w) => ((w.cam.psetHash = sha("other")), message(w.make(delta()))), keys: true },

  "an echo that fits nothing": { make: (w) => message(w.make(delta(), { hubNonce: sha("x") })), want: "decoded" },
  "only other screens' nonces": { make: (w) => message(w.make(delta(), { viewers: [THEIRS] })), want: "decoded" },
  "our nonce put into the list afterwards": { make: (w) => { const m = w.make(delta(), { viewers: [THEIRS] }); m.viewers = hex(OURS); return message(m); }, want: "decoded" },
  "authentic, and 1.6 s on its way": { make: (w) => { const b = message(w.make(delta())); w.now += 1600; return b; }, want: "decoded" },
  "authentic, with a nonce of 1.6 s ago that was held back": { make: (w) => { w.now += 1600; return message(w.make(delta())); }, want: "decoded" },
  "the camera signs that nothing moved": { make: (w) => message(w.make(delta(), { measures: [1501, 100, 30] })), want: "decoded", told: "frozen" },
  "hardly anything moved": { make: (w) => message(w.make(delta(), { measures: [1400, 100, 30] })), want: "drawn" },

  "a message slipped in": { make: (w) => { const au = delta(); const m = w.make(au); m.au = slipped(au, SEI).au; return message(m); }, want: "drawn" },
  "half a pair of parameter sets slipped in": { make: (w) => { const au = delta(); const m = w.make(au); m.au = slipped(au, nal(0x67, 0x64, 0, 0x1f, 0xcc)).au; return message(m); }, want: "drawn" },
  "the same parameter sets twice": { make: (w) => { const au = key(); const m = w.make(au); m.au = slipped(au, Buffer.concat([nal(...SPS), nal(...PPS)])).au; return message(m); }, want: "drawn" },

  "torn: nothing": { make: () => new Uint8Array(0) },
  "torn: half a head": { make: (w) => message(w.make(delta())).subarray(0, 9) },
  "torn: no picture any more": { make: (w) => { const m = w.make(delta()); const b = message(m); return b.subarray(0, b.length - m.au.length); } },
  "torn: in the record": { make: (w) => message(w.make(delta())).subarray(0, 100) },
  "torn: in the picture": { make: (w) => { const b = message(w.make(delta())); return b.subarray(0, b.length - 2); }, told: "seal" },
  "another version": { make: (w) => { const b = message(w.make(delta())); b[0] = 2; return b; } },
  "more nonces than fit": { make: (w) => { const b = Buffer.concat([message(w.make(delta())), Buffer.alloc(1000)]); b[3] = 17; return b; } },
  "a record that is too long": { make: (w) => { const b = Buffer.concat([message(w.make(delta())), Buffer.alloc(1000)]); b[4] = 1; b[5] = 0xe1; return b; } },
};

/** Names of the rows that do not come out as they should. */
async function wrongRows(mod, most) {
  const wrong = [];
  const fresh = await (await newWorld(mod)).send(key(), { viewers: [THEIRS] });
  if (fresh.drawn !== 0) wrong.push("the very first frame is drawn without a nonce of this screen");
  for (const [name, row] of Object.entries(rows)) {
    try {
      const w = await newWorld(mod);
      const first = await w.send(key());
      w.pass(20);
      const m = w.make(delta());
      w.last = message(m);
      const second = await w.give(w.last);
      if (first.drawn !== 1 || second.drawn !== 1) throw new Error("the good ones before are not drawn");
      w.pass(20);
      const keysBefore = w.keys;
      const bytes = row.make(w);
      const got = await w.give(bytes);
      const want = row.want ?? "";
      const is = got.drawn ? "drawn" : got.decoded.length ? "decoded" : "";
      if (is !== want || got.told !== (row.told ?? "")) throw new Error(`${is || "nothing"}, told "${got.told}"`);
      if (row.keys && w.keys === keysBefore) throw new Error("no key frame is asked for");
      // Only what is signed, whole and in order, is ever given to the decoder.
      if (got.decoded.length > 0) {
        const b = Buffer.from(bytes);
        const au = b.subarray(14 + ((b[4] << 8) | b[5]) + 32 * b[3]);
        const { sealed } = sealOf(au);
        if (got.decoded.length !== 1 || got.decoded[0] !== toHex(sealed)) throw new Error("the decoder got something that is not signed");
      }
      if (row.goesOn && (await w.send(delta())).drawn !== 1) throw new Error("it disturbs what is good");
      // After something that was refused, nothing builds on what is missing: on with the next key frame.
      if (row.told === "seal") {
        const next = await w.send(delta());
        if (next.decoded.length) throw new Error("it went on without the frame that was refused");
        const healed = await w.send(key());
        if (healed.drawn !== 1) throw new Error("the next key frame does not heal it");
      }
    } catch (e) {
      wrong.push(`${name}: ${e.message}`);
      if (wrong.length >= most) break;
    }
  }
  return wrong;
}

// ---- what is said about the door ----
const nonce = "cd".repeat(32);
const locked = { bolt: "thrown", contact: "closed", strike: "in", secured: true };
function statement(more, by = hub, ctx = DISPLAY) {
  const m = new Map([[3, thumbOf(rawPub(hub))], [-70101, [1, 1, 1]], [-70228, 0], [-70240, hex(nonce)], [-70241, true], [-70242, 3000]]);
  for (const [k, v] of Object.entries(more)) v === undefined ? m.delete(Number(k)) : m.set(Number(k), v);
  return cose(...ctx, enc(m), by);
}

async function wrongStatements({ readDisplay, shownForMs, VerifyKey }) {
  const k = await VerifyKey.of(rawPub(hub));
  const wrong = [];
  const check = (name, ok) => ok || wrong.push(name);
  const good = await readDisplay(k, display(hub, nonce, locked, 3000)).catch(() => null);
  check("a good statement", good?.isSecured && good.nonce === nonce && shownForMs(good) === 3000);
  const long = await readDisplay(k, statement({ "-70242": 3_600_000 })).catch(() => null);
  check("a lease of an hour", long && shownForMs(long) === 5000);
  const open = await readDisplay(k, statement({ "-70241": false, "-70242": 3_600_000 })).catch(() => null);
  check("not secured, with a lease", open && shownForMs(open) === 3000);
  const odd = await readDisplay(k, statement({ "-70101": [9, 9, 9] })).catch(() => null);
  check("words that are not known", odd?.bolt === "unknown" && odd.contact === "unknown" && odd.strike === "unknown");
  for (const [name, bytes] of Object.entries({
    "of another hub": statement({ 3: thumbOf(rawPub(stranger)) }),
    "signed by another": statement({}, stranger),
    "of another context": cose(FRAME[0], DISPLAY[1], enc(new Map()), hub),
    "a field more": statement({ "-70999": 1 }),
    "a field less": statement({ "-70228": undefined }),
  })) check(name, await readDisplay(k, bytes).then(() => false, () => true));
  return wrong;
}

function wrongLines({ doorLine, Picture, isOff }) {
  const wrong = [];
  const check = (name, got, want) => got === want || wrong.push(`${name}: ${got}`);
  const lease = (more = {}, until = 2000) => ({ d: { nonce, bolt: "thrown", contact: "closed", strike: "in", isSecured: true, leaseMs: 3000, ...more }, sentAt: 0, until });
  const state = (more = {}) => ({ visit: null, visit_state: "none", visitor: "", lock_class: "A", lock_age_ms: 100, camera: "live", ...more });
  const line = (more, now = 1000) => doorLine({ state: state(), stateAt: 0, lease: lease(), lastLeaseAt: null, isOpening: false, canVerify: true, ...more }, now).word;
  check("locked", line({}), "door.secured");
  check("by radio", line({ state: state({ lock_class: "B" }) }), "door.secured.radio");
  check("no lock class heard", line({ state: state({ lock_class: "unknown" }) }), "door.secured.radio");
  check("the lease has ended", line({}, 2000), "door.unknown");
  check("no statement", line({ lease: null }), "door.unknown");
  check("about to open", line({ isOpening: true }), "door.opening");
  check("secured, and yet open", line({ lease: lease({ contact: "open" }) }), "door.open");
  check("secured, and yet withdrawn", line({ lease: lease({ bolt: "retracted" }) }), "door.unlocked");
  check("thrown and closed, not secured", line({ lease: lease({ isSecured: false }) }), "door.unknown");
  check("bolt not known", line({ lease: lease({ bolt: "unknown", isSecured: true }) }), "door.unknown");
  check("jammed", line({ lease: lease({ bolt: "jammed", isSecured: false }) }), "door.jammed");
  check("the state alone says nothing", line({ lease: null, state: state({ secured: true, bolt: "thrown" }) }), "door.unknown");

  const p = new Picture();
  const word = (now, s = state()) => p.word(s, now);
  check("nothing yet", word(0), "wait");
  p.proof(1000);
  check("live", word(2000), "live");
  check("stale", word(2001), "stale");
  check("still stale", word(2500), "stale");
  check("blind", word(2501), "blind");
  p.proof(500);
  check("an older proof changes nothing", word(1900), "live");
  p.heard(state({ camera: "frozen" }), 1100);
  check("the hub says frozen", word(1200), "frozen");
  p.heard(state(), 1200);
  p.frozen(1300, 2000);
  check("the camera says frozen", word(1400), "frozen");
  check("and for how long", p.since("frozen"), -700);
  check("not for ever", word(2801), "blind");
  p.refused(3000, "seal");
  check("refused", word(3100), "tampered");
  p.proof(3100);
  check("told long enough", word(6900), "tampered");
  check("and over", word(7001), "blind");
  p.unproven(7000);
  check("unproven", word(7100), "unproven");
  check("unproven and gone", word(8501), "blind");
  check("off", word(7100, state({ camera_mode: "off" })), "off");
  check("off but for a visit", word(7100, state({ camera_mode: "visits", visit: "a", visit_state: "inside" })), "unproven");
  check("a mode that is not known is not off", isOff(state({ camera_mode: "unknown" })), false);
  p.cannot = "webcodecs";
  check("cannot", word(7100), "nothing");
  return wrong;
}

function wrongClocks({ Sync, DeadMan, Freshness }) {
  const wrong = [];
  const check = (name, ok) => ok || wrong.push(name);
  const s = new Sync();
  check("nothing known", s.toPage(5, 1000) === null);
  s.answer(100, 5000, "0 0"); // asked at 100; the worker answered at its 5000, in truth 130
  check("never later than it was", s.toPage(5000, 1000) === 100);
  s.answer(300, 5190, "0 0"); // a quicker answer
  check("the better bound", s.toPage(5190, 1000) === 300);
  s.answer(900, 5999, "0 0");
  check("a slow answer changes nothing", s.toPage(5190, 1000) === 300);
  check("nothing of the future", s.toPage(7000, 1000) === null);
  s.answer(1_000_000, 6300, "900000 0"); // the page has counted a sleep, the worker not yet
  s.answer(1_000_100, 906_400, "900000 900000");
  check("a sleep that one noticed first", s.toPage(906_400, 1_000_200) === 1_000_100);

  let running = [];
  const el = { animate: (frames, o) => { const a = { frames, o, cancel: () => (running = running.filter((x) => x !== a)) }; running.push(a); return a; } };
  const m = new DeadMan(el, 1500);
  const awayMs = () => (running.length ? running[0].frames[1].offset * running[0].o.duration : 0);
  check("a cover is up by itself", m.isUp(0) && running.length === 0);
  m.arm(900, 1000);
  check("too late", running.length === 0);
  m.arm(2000, 1000);
  check("away for a second", Math.abs(awayMs() - 1000) < 1 && running.length === 1 && !m.isUp(1999) && m.isUp(2000));
  m.arm(1800, 1000);
  check("an earlier deadline changes nothing", !m.isUp(1999));
  m.arm(90_000, 1100);
  check("never longer than its limit", Math.abs(awayMs() - 1500) < 1 && running.length === 1 && m.isUp(2600));
  m.check(2600);
  check("the page's clock counts as well", running.length === 0);
  m.arm(4000, 3000);
  m.drop();
  check("dropped", running.length === 0 && m.isUp(3001));

  const f = new Freshness();
  f.ask("n1", 100);
  check("an unknown nonce proves nothing", f.exposedAt("b", 1e6, ["x"]) === null);
  check("the first frame with it", f.exposedAt("b", 2e6, ["n1"]) === 100);
  check("later ones by the camera's difference", f.exposedAt("b", 2_500_000, ["n1"]) === 600);
  check("a replayed list is not younger", f.exposedAt("b", 2_600_000, ["n1"]) === 700);
  check("another start, another clock", f.exposedAt("c", 9e6, ["n1"]) === 100);
  return wrong;
}

const ENTRY = `export { Player } from "./live/player"; export { readDisplay, shownForMs } from "./shared/display"; export { VerifyKey } from "./shared/cose";
export { doorLine, Picture, isOff } from "./live/seen"; export { Sync } from "./live/sync"; export { DeadMan } from "./live/deadman"; export { Freshness } from "./shared/age";`;
async function all(mod, most = Infinity) {
  const wrong = [...wrongLines(mod), ...wrongClocks(mod), ...(await wrongStatements(mod))];
  return wrong.length >= most ? wrong : [...wrong, ...(await wrongRows(mod, most))];
}

test("what is decoded, what is drawn, what is told", async () => {
  assert.deepEqual(await all(await load({ contents: ENTRY })), []);
});

// What does not say: "with this key the enrolled camera signs its frames". Then nothing is judged, decoded or drawn.
const unsaid = {
  "nothing is said": null,
  "no bytes": "",
  "said by somebody else": session(stranger, camera),
  "said by the key itself": session(camera, camera),
  "of somebody else's key": session(device, stranger),
  "as something else": session(device, camera, { context: "camera-hello" }),
  "with a byte after it": `${session(device, camera)}00`,
  "one bit is turned": session(device, camera).replace(/.$/, (c) => (c === "0" ? "1" : "0")),
};

test("frames are of the key that the enrolled camera has named", async () => {
  const mod = await load({ contents: ENTRY });
  for (const [name, said] of Object.entries(unsaid)) {
    const w = await newWorld(mod);
    await w.player.setCamera(toHex(rawPub(device)), 2, said);
    const got = await w.send(key());
    assert.deepEqual([name, got.decoded.length, got.drawn], [name, 0, 0]);
    await w.player.setCamera(toHex(rawPub(device)), 2, session(device, camera));
    w.player.freshness.ask(OURS, w.now);
    assert.equal((await w.send(key())).drawn, 1, `${name}: and then it is said`);
  }
});

test("nobody looks: verified, not decoded", async () => {
  const w = await newWorld(await load({ contents: ENTRY }), { watched: false });
  const got = await w.send(key());
  assert.deepEqual([got.decoded.length, got.drawn], [0, 0]);
  const bad = w.make(delta());
  bad.au[bad.au.length - 1] ^= 1;
  assert.equal((await w.give(message(bad))).told, "seal");
  w.player.attach(1, { width: 0, height: 0, getContext: () => ({ drawImage: () => w.draws++ }) });
  assert.equal((await w.send(delta())).decoded.length, 0);
  assert.equal((await w.send(key())).drawn, 1, "with a view, from the next key frame on");
});

// [file, what stands there, what stands there instead]: a check that is left out.
const mutants = [
  ["shared/frame.ts", "!isSame(unit.hash, record.auHash)", "false"],
  ["shared/frame.ts", "unit.psetHash && !isSame(unit.psetHash, record.psetHash)", "false"],
  ["shared/frame.ts", "record.bootCount <= last.bootCount", "false"],
  ["shared/frame.ts", "isSame(last.bootSeed, record.bootSeed)", "true"],
  ["shared/frame.ts", "record.seq <= last.seq", "false"],
  ["shared/frame.ts", "record.seq === last.seq + 1", "record.seq > last.seq"],
  ["shared/frame.ts", "isNext && !isSame(record.chain, last.hash)", "false"],
  ["shared/frame.ts", "pset !== null && isSame(pset, record.psetHash)", "true"],
  ["shared/frame.ts", "r.tExpUs < r.tRxUs", "false"],
  ["shared/frame.ts", "  f.end();\n  if (r.tExpUs", "  if (r.tExpUs"],
  ["shared/frame.ts", "b[0] !== 1", "false"],
  ["shared/frame.ts", "count > VIEWERS_MAX", "false"],
  ["shared/frame.ts", "recordLen > RECORD_MAX", "false"],
  ["shared/frame.ts", "isSame(await sha256(concat(n, viewers)), echo)", "true"],
  ["shared/cose.ts", "!(await key.verify(toBeSigned(prot, context, payload), asBytes(sig, 64)))", "false"],
  ["shared/cose.ts", "!isSame(kid, key.thumb.subarray(0, 8))", "false"],
  ["shared/cose.ts", "h.text(16) !== context.typ", "h.text(16) === \"\""],
  ["shared/cose.ts", "h.exactly(1, -8); // EdDSA", "h.uint; if (prot.length > 0) (h as any).get(1);"],
  ["shared/cose.ts", "  h.end();\n", ""],
  ["shared/cose.ts", "unprotected.size !== 0", "false"],
  ["shared/cbor.ts", "r.left > 0", "false"],
  ["shared/h264.ts", "sealed: concat(...[...psets, ...vcl].flatMap((n) => [START, n]))", "sealed: au"],
  ["shared/h264.ts", "[...distinct(spss), ...distinct(ppss)]", "[spss[0]!, ppss[0]!]"],
  ["shared/h264.ts", "n.length >>> 24, n.length >>> 16, n.length >>> 8, n.length", ""],
  ["shared/age.ts", "return isOurs ? best : null", "return best"],
  ["shared/age.ts", "s.firstExposureMs ??= ms", "s.firstExposureMs = ms"],
  ["shared/age.ts", "boot !== this.boot", "false"],
  ["shared/display.ts", "toHex(hub) !== toHex(key.thumb)", "false"],
  ["shared/display.ts", "Math.min(f.uint(-70242, 0xffffffff), LEASE_MAX_MS)", "f.uint(-70242, 0xffffffff)"],
  ["shared/display.ts", "d.isSecured ? d.leaseMs : OTHER_MS", "d.leaseMs"],
  ["shared/display.ts", "  f.end();\n", ""],
  ["live/player.ts", "if (j.verdict === \"old\") return;", ""],
  ["live/player.ts", "if (j.verdict === \"gap\") this.needsKey = true;", ""],
  ["live/player.ts", "j.isEchoed ? this", "true ? this"],
  ["live/player.ts", "r.tamper !== 0", "false"],
  ["live/player.ts", "r.stillMs > STILL_MS", "false"],
  ["live/player.ts", "this.needsKey && !(isKey && sps)", "false"],
  ["live/player.ts", "waiting.exposedAt === null ||", "waiting.exposedAt === undefined ||"],
  ["live/player.ts", "this.clock.now() - waiting.exposedAt > DARK_MS", "false"],
  ["live/seen.ts", "const lease = s.lease && now < s.lease.until ? s.lease : null;", "const lease = s.lease;"],
  ["live/seen.ts", "d.isSecured && d.bolt === \"thrown\" && d.contact === \"closed\"", "d.isSecured"],
  ["live/seen.ts", "d.isSecured && d.bolt === \"thrown\" && d.contact === \"closed\"", "d.bolt === \"thrown\" && d.contact === \"closed\""],
  ["live/seen.ts", "exposedAt <= this.exposedAt) return false", "false) return false"],
  ["live/seen.ts", "now - this.changed.last < TOLD_MS", "false"],
  ["live/seen.ts", "now - this.unprovenAt > DARK_MS", "false"],
  ["live/seen.ts", "&& !isVisitOn(s)", ""],
  ["live/sync.ts", "at <= now ? at : null", "at"],
  ["live/sync.ts", "slept !== this.slept", "false"],
  ["live/sync.ts", "Math.max(", "Math.min("],
  ["live/deadman.ts", "deadline = Math.min(deadline, now + this.limitMs);", ""],
  ["live/deadman.ts", "left <= 0 || deadline <= this.until", "false"],
  ["live/deadman.ts", "this.running?.cancel();\n    this.running = next;", "this.running = next;"],
  ["live/deadman.ts", "if (this.running && now >= this.until) this.drop();", ""],
];

test(`each of ${mutants.length} checks counts: without it the table fails`, async () => {
  const alive = [];
  for (const [file, from, to] of mutants) {
    const wrong = await all(await load({ contents: ENTRY, change: { file, from, to } }), 1);
    if (wrong.length === 0) alive.push(`${file}: ${from}`);
  }
  assert.deepEqual(alive, []);
});
