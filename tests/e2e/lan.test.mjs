// The demo for real phones: what it answers to wrong options and wrong packets, what its certificates can do,
// and the whole of `doorward demo --lan` on loopback, with a member and a courier who come in over TLS.
//
// Needs DW_BUILD.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { X509Certificate, createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import test from "node:test";
import tls from "node:tls";
import { Site } from "../../sim/demo/api.mjs";
import { Gate, answerFor, askedFor, makeCertificates, planOf } from "../../sim/demo/lan.mjs";
import { Person, tokenOf } from "../../sim/demo/people.mjs";
import { until } from "../../sim/demo/procs.mjs";
import { Watch } from "../../sim/demo/watch.mjs";
import { Demo, build } from "./demo.mjs";

test("options that cannot be are named, with what to do", () => {
    assert.match(planOf({ name: "10.0.0.1" }), /Passkeys do not work with addresses/);
    assert.match(planOf({ name: "mybox" }), /a name with a dot/);
    assert.match(planOf({ name: "my box.local" }), /a name with a dot/);
    assert.match(planOf({ name: "a.local", bind: "203.0.113.9" }), /not an address of this machine\. It has: /);
    assert.deepEqual(planOf({ name: "a.local", bind: "127.0.0.1" }), { home: "a.local", service: "service-a.local", address: "127.0.0.1" });
    const r = spawnSync(path.join(build, "doorward"), ["demo", "--name", "a.local"], { encoding: "utf8" });
    assert.equal(r.status, 2);
    assert.match(r.stderr, /--name and --bind belong to --lan/);
});

test("questions for names: the two are answered, nothing malformed is", () => {
    const name = (s) => Buffer.concat([...s.split(".").map((l) => Buffer.from(`${String.fromCharCode(l.length)}${l}`, "latin1")), Buffer.from([0])]);
    const q = Buffer.concat([Buffer.from([0, 7, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]), name("mybox.local"), Buffer.from([0, 1, 0, 1]),
        Buffer.from([7]), Buffer.from("service"), Buffer.from([0xc0, 12]), Buffer.from([0, 28, 0, 1])]);
    assert.deepEqual(askedFor(q), ["mybox.local"], "an IPv6 address is not ours to give");
    assert.deepEqual(askedFor(Buffer.concat([Buffer.from([0, 0, 0x84]), q.subarray(3)])), [], "an answer is no question");
    assert.deepEqual(askedFor(Buffer.from([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1])), [], "a name that names itself");
    for (let cut = 0; cut < q.length - 1; cut++)
        assert.ok(Array.isArray(askedFor(q.subarray(0, cut))));
    const a = answerFor("mybox.local", "192.0.2.7", 7);
    assert.equal(a.readUInt16BE(0), 7);
    assert.ok(a.subarray(12).equals(Buffer.concat([name("mybox.local"), Buffer.from([0, 1, 0x80, 1, 0, 0, 0, 120, 0, 4, 192, 0, 2, 7])])));
});

test("the authority vouches for two names and for nothing else, and has no secret any more", async (t) => {
    const folder = mkdtempSync(path.join(os.tmpdir(), "doorward-lan-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const plan = planOf({ name: "mybox.local", bind: "127.0.0.1" });
    const certs = makeCertificates(folder, plan);
    assert.equal(existsSync(path.join(folder, "ca.key")), false);
    const ca = new X509Certificate(certs.ca), site = new X509Certificate(certs.cert);
    assert.ok(ca.ca && !site.ca && site.checkIssued(ca) && site.verify(ca.publicKey));
    assert.equal(site.subjectAltName, "DNS:mybox.local, DNS:service-mybox.local");
    const shown = spawnSync("openssl", ["x509", "-noout", "-text", "-in", path.join(folder, "ca.crt")], { encoding: "utf8" }).stdout;
    assert.match(shown, /Name Constraints: critical\s+Permitted:\s+DNS:mybox\.local\s+DNS:service-mybox\.local/);
    const gate = await new Gate(plan, certs, 1).open();
    t.after(() => gate.close());
    const reach = (servername) => new Promise((resolve) => {
        const s = tls.connect({ host: "127.0.0.1", port: gate.port, servername, ca: certs.ca }, () => { s.destroy(); resolve("taken"); });
        s.on("error", (e) => resolve(e.code));
    });
    assert.equal(await reach("mybox.local"), "taken");
    assert.equal(await reach("service-mybox.local"), "taken");
    assert.equal(await reach("bank.example"), "ERR_TLS_CERT_ALTNAME_INVALID");
});

test("demo --lan: help page, household and courier over TLS", { timeout: 90000 }, async (t) => {
    const demo = await Demo.start(["--lan", "--name", "home1.localhost", "--bind", "127.0.0.1"]);
    let isGood = false;
    t.after(() => demo.stop(isGood, t));
    const help = (await demo.line(/1\. certificate and help: (\S+)/)).match[1];
    const home = demo.homeLink, courier = demo.courierLink;
    await demo.line(/3\. courier: /);
    assert.match(home, /^https:\/\/home1\.localhost:\d+\/join#/);
    assert.match(courier, /^https:\/\/service-home1\.localhost:\d+\/join#/);

    const page = await (await fetch(help)).text();
    const der = Buffer.from(await (await fetch(`${help}doorward-demo.crt`)).arrayBuffer());
    const print = createHash("sha256").update(der).digest("hex").toUpperCase().match(/../g).join(":");
    assert.ok(demo.lines.some((l) => l.text.includes(print)), "the fingerprint is on the terminal");
    assert.ok(page.includes(print) && page.includes("the address alone is not enough") && page.includes(tokenOf(home)));
    assert.equal((await fetch(`${help}site.key`)).status, 404);

    const ca = readFileSync(path.join(demo.folder, "ca.crt"));
    const member = await demo.owner(ca);
    assert.match(member.cookie(), /^doorward_home=/);
    const watch = new Watch(member.site, member);
    watch.open();
    t.after(() => watch.close());
    await until("the house, over TLS", () => watch.state, 8000);
    const visitor = new Person(new Site({ origin: new URL(courier).origin, base: "/v1", ca }));
    await visitor.join(tokenOf(courier), "A courier's phone");
    assert.equal((await visitor.get("/v1/jobs")).items.length, 1);
    await demo.line(/somebody plays the courier/);
    isGood = true;
});
