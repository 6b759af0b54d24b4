// What a camera and a hub sign, written by hand for the tests: deterministic CBOR, COSE_Sign1, frame records, display
// statements. Independent of the pages' own readers.
import { spawnSync } from "node:child_process";
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { cbor as enc } from "../../sim/demo/cbor.mjs";

export { enc };

export const hex = (s) => new Uint8Array(Buffer.from(s.replace(/ /g, ""), "hex"));
export const sha = (...parts) => new Uint8Array(createHash("sha256").update(Buffer.concat(parts.map((p) => Buffer.from(p)))).digest());

export const newKey = () => generateKeyPairSync("ed25519");
export const rawPub = (p) => new Uint8Array(p.publicKey.export({ type: "spki", format: "der" }).subarray(-32));
export const thumbOf = (pub) => sha(hex("a3010120062158 20"), pub);

export function cose(context, typ, payload, by, more = {}) {
  const kid = thumbOf(rawPub(by)).subarray(0, 8);
  const prot = more.prot ?? enc(new Map([[1, -8], [4, kid], [16, typ]]));
  const tbs = Buffer.concat([Buffer.from([0x84]), enc("Signature1"), enc(new Uint8Array(prot)), enc(new Uint8Array(Buffer.from(context))), enc(new Uint8Array(payload))]);
  const sig = more.sig ?? new Uint8Array(sign(null, tbs, by.privateKey));
  return new Uint8Array(Buffer.concat([Buffer.from([more.tag ?? 0xd2]), enc([new Uint8Array(prot), more.unprotected ?? new Map(), new Uint8Array(payload), sig])]));
}

export const FRAME = ["doorward/frame/1", "doorward-frame+cwt"];
export const DISPLAY = ["doorward/display/1", "doorward-display+cwt"];

/** What a camera's device key says of the key of a boot, in hexadecimal. */
export const session = (device, key, { context = "camera-session", boot = 3, seed = new Uint8Array(16).fill(9) } = {}) =>
  Buffer.from(cose(`doorward/${context}/1`, `doorward-${context}+cwt`, enc(new Map([[267, boot], [268, seed], [-70300, rawPub(key)]])), device)).toString("hex");

export const nal = (...b) => Buffer.from([0, 0, 0, 1, ...b]);

/** NAL units of an access unit in Annex B, by a plain search. */
export function nalsOf(au) {
  const out = [];
  const b = Buffer.from(au);
  let at = b.indexOf("000001", 0, "hex");
  while (at >= 0) {
    const next = b.indexOf("000001", at + 3, "hex");
    let end = next < 0 ? b.length : next;
    while (end > at + 3 && b[end - 1] === 0) end--;
    if (end > at + 3) out.push(b.subarray(at + 3, end));
    at = next;
  }
  return out;
}

/** What a camera signs of an access unit [docs/spec/messages.md]. */
export function sealOf(au) {
  const list = nalsOf(au);
  const of = (...types) => list.filter((n) => types.includes(n[0] & 31));
  const vcl = of(1, 2, 3, 4, 5);
  const distinct = (l) => l.filter((n, i) => i === 0 || !n.equals(l[0]));
  const psets = of(7).length && of(8).length ? [...distinct(of(7)), ...distinct(of(8))] : [];
  const counted = (l) => sha(...l.flatMap((n) => [Buffer.from([n.length >> 24, n.length >> 16, n.length >> 8, n.length]), n]));
  return {
    isKey: of(5).length > 0,
    hash: counted(vcl),
    psetHash: psets.length ? counted(psets) : null,
    sealed: new Uint8Array(Buffer.concat([...psets, ...vcl].flatMap((n) => [Buffer.from([0, 0, 0, 1]), n]))),
  };
}

/** A camera with a key, a chain and a clock of its own. */
export class Camera {
  seq = 0;
  boot = 3;
  seed = new Uint8Array(16).fill(9);
  chain = sha(new Uint8Array(16).fill(9));
  rx = 1000;
  now = 5_000_000;
  psetHash = new Uint8Array(32);

  constructor(key, hubNonce) {
    this.key = key;
    this.hubNonce = hubNonce;
  }

  /** viewers: nonces as hex. change: fields of the record that are other (undefined: left out). */
  frame(au, { viewers = [], by = this.key, hubNonce = this.hubNonce, change = {}, measures = [0, 100, 30], sealed = au, more = {} } = {}) {
    this.seq++;
    const seal = sealOf(sealed);
    if (seal.psetHash) this.psetHash = seal.psetHash;
    const list = Buffer.concat(viewers.map((v) => Buffer.from(v, "hex")));
    const r = new Map([
      [10, sha(hubNonce, list)], [267, this.boot], [268, this.seed], [271, ["t"]], [-70008, 2n ** 63n + 5n], [-70009, this.seq], [-70010, this.rx], [-70011, this.now],
      [-70012, [seal.hash, this.psetHash, ...measures]], [-70013, this.chain], [-70014, 0],
    ]);
    for (const [k, v] of Object.entries(change)) v === undefined ? r.delete(Number(k)) : r.set(Number(k), v);
    const record = cose(...FRAME, enc(r), by, more);
    this.chain = sha(record);
    return { cameraClass: 2, isKey: seal.isKey, record, viewers: new Uint8Array(list), viewerNonces: viewers, au: new Uint8Array(au) };
  }
}

/** As the front sends it. */
export function message(m) {
  const head = Buffer.alloc(14);
  head.set([1, m.cameraClass, m.isKey ? 1 : 0, m.viewers.length / 32, m.record.length >> 8, m.record.length & 255]);
  return new Uint8Array(Buffer.concat([head, m.record, m.viewers, m.au]));
}

const BOLT = ["unknown", "thrown", "retracted", "moving", "jammed"];
const CONTACT = ["unknown", "closed", "open"];
const STRIKE = ["unknown", "in", "out", "absent"];

/** A display statement of the hub about `state` (words as in the state message). */
export function display(hubKey, nonce, state, leaseMs, by = hubKey) {
  const m = new Map([
    [3, thumbOf(rawPub(hubKey))],
    [-70101, [BOLT.indexOf(state.bolt), CONTACT.indexOf(state.contact), STRIKE.indexOf(state.strike)]],
    [-70228, 0], [-70240, hex(nonce)], [-70241, state.secured], [-70242, leaseMs],
  ]);
  return cose(...DISPLAY, enc(m), by);
}

/** A clip as access units, encoded by ffmpeg as a camera would: a key frame a second, no B-frames. */
export function clip(source, fps, seconds = 4, more = []) {
  const r = spawnSync("ffmpeg", ["-v", "error", "-f", "lavfi", "-i", source, "-t", String(seconds), "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency",
    "-x264-params", `aud=1:keyint=${fps}:min-keyint=${fps}:scenecut=0`, ...more, "-f", "h264", "-"], { maxBuffer: 1 << 28 });
  if (r.status !== 0) throw new Error(`ffmpeg: ${r.stderr ?? r.error}`);
  return units(r.stdout);
}

/** Splits a stream at its access unit delimiters. */
export function units(stream) {
  const out = [];
  let from = 0;
  for (let at = stream.indexOf("0000000109", 1, "hex"); at >= 0; at = stream.indexOf("0000000109", at + 5, "hex")) {
    out.push(new Uint8Array(stream.subarray(from, at)));
    from = at;
  }
  out.push(new Uint8Array(stream.subarray(from)));
  return out;
}
export const unitsOfFile = (path) => units(readFileSync(path));
