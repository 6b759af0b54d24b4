// Helpers of the tests around doorward-front: the stand-in for the guard, a WebSocket client that may
// misbehave, plain HTTP.
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export function tempFolder() {
  return mkdtempSync(join(process.env.TMPDIR ?? tmpdir(), "dw-front-"));
}

/** Waits until `probe` gives something true; never longer than `ms`. */
export async function until(what, probe, ms = 25000) {
  const end = Date.now() + ms;
  for (;;) {
    const v = await probe();
    if (v) return v;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((r) => setTimeout(r, 10));
  }
}

/** Who is signed in at which port: get and Ws send it by themselves. */
const sessions = new Map();

const b64 = (text) => Buffer.from(text).toString("base64url");

/** A cookie of a new session, as a member whose passkey the stand-in knows. */
export async function signIn(port, member = 1) {
  const post = (path, body) =>
    get(port, path, { method: "POST", cookie: null, headers: { "content-type": "application/json", origin: `http://127.0.0.1:${port}` }, body: JSON.stringify(body) });
  const begun = JSON.parse((await post("/api/signin/begin", {})).body);
  const r = await post("/api/signin/finish", { challenge: begun.challenge, id: b64(`member-${member}-1`), client_data: b64("{}"), auth_data: b64("a"), signature: b64("s") });
  if (r.status !== 200) throw new Error(`no session: ${r.status} ${r.body}`);
  return /^doorward_home=[0-9a-f]{64}/.exec(r.headers["set-cookie"][0])[0];
}

export class Rig {
  lines = [];
  port = 0;

  /** settings: lines of the front's configuration, beside listen and port file. */
  static async start(settings = {}, streams = [], { signedIn = true } = {}) {
    const rig = new Rig();
    rig.folder = tempFolder();
    const portFile = join(rig.folder, "port");
    const conf = join(rig.folder, "front.conf");
    const all = { "front.listen": "127.0.0.1:0", "front.port_file": portFile, ...settings };
    writeFileSync(conf, Object.entries(all).map(([k, v]) => `${k} = ${v}\n`).join(""));
    rig.child = spawn(process.env.DW_FRONT_RIG, [process.env.DW_FRONT, conf, ...streams], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    rig.exit = new Promise((r) => rig.child.on("exit", r));
    let rest = "";
    rig.child.stdout.on("data", (d) => {
      rest += d;
      const parts = rest.split("\n");
      rest = parts.pop();
      rig.lines.push(...parts);
    });
    rig.child.stdin.on("error", () => undefined);
    await until("the front is ready", () => rig.lines.includes("ready") || rig.lines.some((l) => l.startsWith("ended")));
    if (!rig.lines.includes("ready")) throw new Error("the front ended at once");
    rig.port = Number(readFileSync(portFile, "utf8"));
    if (signedIn) {
      rig.cookie = await signIn(rig.port);
      sessions.set(rig.port, rig.cookie);
      rig.lines.length = 0; // what a test waits for comes later
      rig.lines.push("ready");
    }
    return rig;
  }

  /** For a browser's context: it is signed in too. */
  cookies() {
    const [name, value] = this.cookie.split("=");
    return [{ name, value, url: `http://127.0.0.1:${this.port}` }];
  }

  say(line) {
    this.child.stdin.write(`${line}\n`);
  }

  /** A line that matches and came after the `from`-th. */
  line(pattern, from = 0, ms = 25000) {
    return until(String(pattern), () => this.lines.slice(from).find((l) => pattern.test(l)), ms);
  }

  async stop() {
    if (this.child.exitCode === null) this.say("quit");
    await this.exit;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function get(port, path, { method = "GET", headers = {}, body = null, cookie = sessions.get(port) } = {}) {
  if (cookie) headers = { cookie, ...headers };
  return new Promise((resolve, reject) => {
    const req = http.request({ host: "127.0.0.1", port, path, method, headers, agent: false }, (res) => {
      const parts = [];
      res.on("data", (d) => parts.push(d));
      res.on("end", () => resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(parts) }));
    });
    req.on("error", reject);
    req.end(body);
  });
}

/** A client by hand, so that it can break every rule. */
export class Ws {
  texts = [];
  binaries = [];
  close = null; // {code, why} or "cut"
  #rest = Buffer.alloc(0);

  static async open(port, { path = "/watch", origin = `http://127.0.0.1:${port}`, host = `127.0.0.1:${port}`, protocol = "doorward-watch-1", cookie = sessions.get(port) } = {}) {
    const ws = new Ws();
    ws.socket = net.connect(port, "127.0.0.1");
    ws.socket.on("error", () => undefined);
    const key = randomBytes(16).toString("base64");
    ws.socket.write(
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n` +
        (cookie ? `Cookie: ${cookie}\r\n` : "") +
        (origin ? `Origin: ${origin}\r\n` : "") +
        (protocol ? `Sec-WebSocket-Protocol: ${protocol}\r\n` : "") +
        "\r\n",
    );
    ws.answer = await new Promise((resolve) => {
      let head = Buffer.alloc(0);
      const onData = (d) => {
        head = Buffer.concat([head, d]);
        const at = head.indexOf("\r\n\r\n");
        if (at < 0) return;
        ws.socket.off("data", onData);
        ws.socket.on("data", (more) => ws.#take(more));
        const text = head.subarray(0, at).toString();
        resolve(text);
        ws.#take(head.subarray(at + 4));
      };
      ws.socket.on("data", onData);
      ws.socket.on("close", () => resolve("cut"));
    });
    ws.socket.on("close", () => {
      ws.close ??= "cut";
    });
    ws.isOpen = ws.answer.startsWith("HTTP/1.1 101");
    if (ws.isOpen) {
      const want = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
      if (!ws.answer.includes(want)) throw new Error("wrong accept key");
    }
    return ws;
  }

  #take(data) {
    this.#rest = Buffer.concat([this.#rest, data]);
    for (;;) {
      const b = this.#rest;
      if (b.length < 2) return;
      let len = b[1] & 127;
      let at = 2;
      if (len === 126) {
        if (b.length < 4) return;
        len = b.readUInt16BE(2);
        at = 4;
      } else if (len === 127) {
        if (b.length < 10) return;
        len = Number(b.readBigUInt64BE(2));
        at = 10;
      }
      if (b.length < at + len) return;
      const body = b.subarray(at, at + len);
      const op = b[0] & 15;
      if (op === 1) this.texts.push(JSON.parse(body.toString()));
      else if (op === 2) this.binaries.push(Buffer.from(body));
      else if (op === 8) this.close = { code: body.length >= 2 ? body.readUInt16BE(0) : 0, why: body.subarray(2).toString() };
      this.#rest = b.subarray(at + len);
    }
  }

  /** One WebSocket frame, masked as a client must. */
  raw(op, body, fin = true) {
    const data = Buffer.from(body);
    const mask = randomBytes(4);
    const head = data.length < 126 ? Buffer.from([0, 0x80 | data.length]) : Buffer.from([0, 0x80 | 126, data.length >> 8, data.length & 255]);
    head[0] = (fin ? 0x80 : 0) | op;
    for (let i = 0; i < data.length; i++) data[i] ^= mask[i & 3];
    this.socket.write(Buffer.concat([head, mask, data]));
  }

  send(value) {
    this.raw(1, typeof value === "string" ? value : JSON.stringify(value));
  }

  nonce() {
    const n = randomBytes(32).toString("hex");
    this.send({ t: "nonce", n });
    return n;
  }

  text(t, ms = 25000) {
    return until(`a message ${t}`, () => this.texts.find((m) => m.t === t), ms);
  }

  closed(ms = 25000) {
    return until("the socket closes", () => this.close, ms);
  }

  end() {
    this.socket.destroy();
  }
}

/** Starts a program and ends it with the test. */
export function run(name, args) {
  const child = spawn(name, args, { stdio: ["ignore", "ignore", "ignore"] });
  return { child, stop: () => new Promise((r) => (child.exitCode !== null ? r() : (child.on("exit", r), child.kill()))) };
}

export function freePort() {
  return new Promise((resolve) => {
    const s = net.createServer();
    s.listen(0, "127.0.0.1", () => {
      const { port } = s.address();
      s.close(() => resolve(port));
    });
  });
}
