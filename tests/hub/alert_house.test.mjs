// The whole house with a phone that is told: subscribed through the household's API, a visit, the camera cut in the middle, what is
// said again until it is seen. Needs the built house of ./dw demo.
import assert from "node:assert/strict";
import { createECDH, randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "../../sim/demo/procs.mjs";
import { Street } from "../../sim/demo/street.mjs";
import { quickVisit } from "../../bench/lib.mjs";

const e2e = join(dirname(fileURLToPath(import.meta.url)), "../e2e");
if (!existsSync(join(e2e, "node_modules/http_ece"))) {
  console.error("the decrypter is missing. Run ./dw setup (or: cd tests/e2e && npm ci).");
  process.exit(1);
}
const ece = createRequire(join(e2e, "x.js"))("http_ece");

const ecdh = createECDH("prime256v1");
ecdh.generateKeys();
const auth = randomBytes(16);
const pushes = [];
const server = http.createServer((req, res) => {
  const parts = [];
  req.on("data", (d) => parts.push(d));
  req.on("end", () => {
    const body = ece.decrypt(Buffer.concat(parts), { version: "aes128gcm", privateKey: ecdh, authSecret: auth });
    pushes.push({ ...JSON.parse(body), heard: performance.now() });
    res.writeHead(201).end();
  });
});
await new Promise((r) => server.listen(0, "127.0.0.1", r));
const origin = `http://127.0.0.1:${server.address().port}`;

const folder = mkdtempSync(join(process.env.TMPDIR ?? tmpdir(), "dw-alert-house-"));
const street = new Street({ build: process.env.DW_BUILD, folder, cameraSettings: { fps: 30 },
  params: { t_watch_ms: 1000, "alert.own": origin, "alert.repeat_1_ms": 300 } });
const push = (what, test, from = 0) => until(what, () => pushes.slice(from).find(test), 10000, 5);
try {
  await street.start();
  const { vapid_key } = await until("the key of the pushes", async () => {
    const a = await street.member.get("/api/alerts");
    return a.vapid_key && a;
  }, 10000, 50);
  assert.equal(Buffer.from(vapid_key, "base64url").length, 65);
  await street.member.post("/api/alerts", { word: "add", channel: "push", endpoint: `${origin}/phone`, p256dh: ecdh.getPublicKey("base64url"), auth: auth.toString("base64url"), lang: "en" });
  await street.member.post("/api/alerts", { word: "test" });
  await push("a test", (p) => p.tag === "test");
  await street.settled();

  // An honest visit.
  let from = pushes.length;
  await quickVisit(street);
  await push("at the door", (p) => p.t === "Stewart, Acme Parcels: at the door", from);
  await push("inside", (p) => p.t === "Stewart, Acme Parcels: inside", from);
  const locked = await push("locked", (p) => p.t === "Locked - confirmed", from);
  assert.match(locked.b, /^Stewart, Acme Parcels was inside for \d+ s\. Bolt and door agreed at \d\d:\d\d:\d\d\.$/);
  assert.ok(pushes.slice(from).every((p) => p.level === "info"), "nothing else is said of an honest visit");
  await until("the visit is over", () => street.watch.state?.visit_state === "none", 15000, 50);
  await street.settled();

  // The camera is cut while somebody is inside.
  from = pushes.length;
  await quickVisit(street, {
    inside: async () => {
      const on = new Promise((r) => {
        const f = (m, at) => { if (m.kind === "alarm") { street.watch.off("story", f); r(at); } };
        street.watch.on("story", f);
      });
      street.cameraAir.jam();
      const at = await on;
      const blind = await push("blind", (p) => p.tag === "alarm-camera_blind", from);
      assert.equal(blind.level, "act");
      assert.match(blind.b, /visit of Stewart, Acme Parcels/);
      const after = blind.heard - at;
      console.log(`alarm on the page -> push handed over: ${after.toFixed(0)} ms`);
      assert.ok(after < 1000, `${after} ms`);
      await push("again", (p) => p.tag === "alarm-camera_blind" && /Said 2 times/.test(p.b), from);
      await street.member.post("/api/alerts", { word: "seen" });
      street.cameraAir.clear();
    },
  });
  await push("over", (p) => p.t.startsWith("Over: The camera is blind"), from);
  const end = await push("the end", (p) => /^Locked - /.test(p.t), from);
  assert.match(end.t, /with a gap/);
  assert.match(end.b, /blind for \d+ s/);

  const { places } = await street.member.get("/api/alerts");
  assert.equal(places.length, 1);
  assert.equal(places[0].last_status, 201);
  console.log(`${pushes.length} pushes read`);
} finally {
  await street.stop().catch(() => {});
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
}
