// A stand-in for the hub, for the pages: serves files, speaks /watch, signs frames and statements, and misbehaves on
// demand, down to single bytes of the WebSocket.
import { createHash, randomBytes } from "node:crypto";
import http from "node:http";
import { Camera, display, message, newKey, rawPub, session, sha } from "./sign.mjs";

const LEASE_MS = 3000;
const toHex = (b) => Buffer.from(b).toString("hex");

class Screen {
  nonce = null;
  wants = true; // pictures
  asked = []; // what it said, but for nonces
  rest = Buffer.alloc(0);
  isEnded = false;

  constructor(hub, socket) {
    this.hub = hub;
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (d) => this.take(d));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.isEnded = true;
      hub.screens.delete(this);
    });
  }

  take(d) {
    this.rest = Buffer.concat([this.rest, d]);
    for (;;) {
      const b = this.rest;
      if (b.length < 6) return;
      const len = b[1] & 127;
      const at = len === 126 ? 4 : 2;
      const size = len === 126 ? b.readUInt16BE(2) : len;
      if (b.length < at + 4 + size) return;
      const mask = b.subarray(at, at + 4);
      const body = Buffer.from(b.subarray(at + 4, at + 4 + size));
      for (let i = 0; i < size; i++) body[i] ^= mask[i & 3];
      this.rest = b.subarray(at + 4 + size);
      const op = b[0] & 15;
      if (op === 8) this.socket.end(Buffer.from([0x88, 0]));
      if (op === 1) this.hear(JSON.parse(body.toString()));
    }
  }

  hear(m) {
    if (m.t === "nonce") {
      this.nonce = m.n;
      this.hub.nonces++;
      if (!this.hub.answers) return;
      this.say({ t: "display", cose: toHex(display(this.hub.key, m.n, this.hub.state, this.hub.state.secured ? LEASE_MS : 0, this.hub.signer)) });
      this.say(this.hub.state);
      return;
    }
    if (m.t === "pictures") this.wants = m.on;
    if (m.t === "key" && this.hub.givesKeys) this.hub.next = 0;
    this.asked.push({ ...m, at: performance.now() });
    this.hub.asked.push({ ...m, at: performance.now() });
  }

  /** One frame of the protocol; `fin` and `op` as they are wanted. */
  raw(op, body, fin = true) {
    const b = Buffer.from(body);
    const head = b.length < 126 ? Buffer.from([0, b.length]) : b.length < 65536 ? Buffer.from([0, 126, b.length >> 8, b.length & 255]) : Buffer.alloc(10);
    if (head.length === 10) {
      head[1] = 127;
      head.writeBigUInt64BE(BigInt(b.length), 2);
    }
    head[0] = (fin ? 0x80 : 0) | op;
    this.socket.write(Buffer.concat([head, b]));
  }

  say(m) {
    this.raw(1, JSON.stringify(m));
  }

  frame(bytes) {
    if (!this.wants) return;
    const torn = this.hub.torn;
    if (torn === "fragments") {
      // In pieces of odd sizes, each a frame of its own, some of them empty.
      let at = 0;
      for (let n = 0; at < bytes.length; n++) {
        const size = n % 5 === 3 ? 0 : Math.min(bytes.length - at, 1 + ((n * 997) % 4096));
        this.raw(n === 0 ? 2 : 0, bytes.subarray(at, at + size), at + size === bytes.length);
        at += size;
      }
    } else {
      this.raw(2, bytes);
    }
  }

  close(code, why = "") {
    const b = Buffer.alloc(2 + why.length);
    b.writeUInt16BE(code);
    b.write(why, 2);
    this.raw(8, b);
    this.socket.end();
  }

  cut() {
    this.socket.destroy();
  }
}

export class FakeHub {
  screens = new Set();
  sockets = new Set();
  asked = [];
  key = newKey();
  deviceKey = newKey();
  cameraKey = newKey(); // of its session
  stranger = newKey();
  signer = undefined; // of display statements; undefined: the hub
  answers = true;
  givesKeys = true;
  keepsNonces = false; // frames carry the nonces of before
  isPlain = false;
  torn = "";
  accepts = true;
  measures = [0, 100, 30];
  nonces = 0;
  sent = 0;
  cameraOffsetUs = 7_000_000_000; // the camera's clock has nothing to do with ours
  change = {}; // fields of records
  forged = null; // (message, hub) => bytes or null: the last word on what is sent
  kept = [];

  /** files: Map of path to {type, bytes}. ours: access units. */
  constructor(files, ours) {
    this.files = files;
    this.ours = ours;
    this.next = 0;
    this.camera = new Camera(this.cameraKey, null);
    this.state = {
      t: "state", visit: null, bolt: "thrown", contact: "closed", strike: "in", lock_class: "A", secured: true, visit_state: "none", outcome: "none", check: null, camera: "live",
      camera_class: 2, camera_mode: "on", opening: false, battery: 87, link: true, room: true, clock: true, degraded: false, lock_age_ms: 300, picture_age_ms: 80, blind_ms: 0,
      inside_ms: null, frames: 0, visitor: "", agency: "", hub_pub: toHex(rawPub(this.key)), camera_pub: toHex(rawPub(this.deviceKey)), camera_session: session(this.deviceKey, this.cameraKey), alarms: [],
    };
    this.pub = this.state.camera_pub;
    this.newNonce();
  }

  async start(port = 0) {
    this.server = http.createServer((req, res) => {
      const f = this.files.get(req.url.split("?")[0] === "/" ? "/index.html" : req.url.split("?")[0]);
      if (!f) {
        res.writeHead(404).end();
        return;
      }
      res.writeHead(200, {
        "content-type": f.type, "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; worker-src 'self'; img-src 'self'; media-src 'self'; base-uri 'none'",
      });
      res.end(f.bytes);
    });
    this.server.on("connection", (c) => {
      this.sockets.add(c);
      c.on("close", () => this.sockets.delete(c));
    });
    this.server.on("upgrade", (req, socket) => this.upgrade(req, socket));
    await new Promise((r) => this.server.listen(port, "127.0.0.1", r));
    this.port = this.server.address().port;
    this.timer = setInterval(() => this.newNonce(), 500);
    return this;
  }

  upgrade(req, socket) {
    if (!this.accepts || req.url !== "/watch") {
      socket.destroy();
      return;
    }
    const accept = createHash("sha1").update(`${req.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: doorward-watch-1\r\n\r\n`);
    const s = new Screen(this, socket);
    this.screens.add(s);
    this.opened = performance.now();
    s.say({ t: "hello", version: 1, drills: false, recordings: false, key: true, hub_nonces: this.hubNonces });
    s.say(this.state);
  }

  hubNonces = [];
  newNonce() {
    const n = randomBytes(32);
    this.camera.hubNonce = n;
    this.camera.rx = this.cameraUs();
    this.hubNonces = [toHex(n), ...this.hubNonces].slice(0, 8);
    for (const s of this.screens) s.say({ t: "hub_nonce", n: toHex(n) });
  }

  cameraUs() {
    return Math.round(performance.now() * 1000) + this.cameraOffsetUs;
  }

  set(more) {
    Object.assign(this.state, more);
    for (const s of this.screens) s.say(this.state);
  }

  story(kind, more = {}) {
    for (const s of this.screens) s.say({ t: "story", n: ++this.stories, kind, age_ms: 0, utc_ms: Date.now(), visit: null, value: 0, ms: 0, past: false, ...more });
  }
  stories = 0;

  play(fps) {
    clearInterval(this.player);
    if (fps > 0) this.player = setInterval(() => this.frame(), 1000 / fps);
  }

  frame(au = this.ours[this.next], more = {}) {
    if (au === this.ours[this.next]) this.next = (this.next + 1) % this.ours.length;
    const viewers = this.keepsNonces ? this.oldViewers : [...this.screens].map((s) => s.nonce).filter(Boolean);
    this.oldViewers = viewers;
    this.camera.now = this.cameraUs();
    const m = this.isPlain
      ? { cameraClass: 0, isKey: true, record: new Uint8Array(), viewers: new Uint8Array(), au }
      : this.camera.frame(au, { viewers, measures: this.measures, change: this.change, ...more });
    let bytes = message(m);
    if (this.forged) bytes = this.forged(bytes, m);
    if (!bytes) return;
    this.sent++;
    this.kept.push(bytes);
    if (this.kept.length > 200) this.kept.shift();
    for (const s of this.screens) s.frame(bytes);
  }

  /** Sends the newest frames once more. */
  replay(count) {
    for (const b of this.kept.slice(-count)) for (const s of this.screens) s.frame(b);
  }

  /** Ends; the same object may be started again on the same port. */
  async stop() {
    clearInterval(this.timer);
    clearInterval(this.player);
    for (const c of this.sockets) c.destroy();
    await new Promise((r) => this.server.close(r));
  }
}

export { sha };
