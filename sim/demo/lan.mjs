// The demo for real phones: both programs with TLS, under two names that a phone can look up. Passkeys
// need a name and a certificate that the phone believes; an address is not enough. So the demo makes a
// certificate authority of its own that may vouch for these two names only, uses it once, and throws its
// secret away; the phone takes its certificate from a page of plain HTTP.
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import dgram from "node:dgram";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import tls from "node:tls";

const DAYS = 14;
const isName = (s) => /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*$/.test(s);

// What --lan, --name and --bind mean; a text when they cannot be.
export function planOf({ name, bind }) {
    const home = name ?? `${os.hostname().toLowerCase().split(".")[0].replace(/[^a-z0-9-]/g, "-")}.local`;
    if (!isName(home))
        return `--name ${home}: give a name with a dot, as mybox.local. Passkeys do not work with addresses.`;
    const own = Object.values(os.networkInterfaces()).flat().filter((a) => a.family === "IPv4");
    const address = bind ?? own.find((a) => !a.internal)?.address;
    if (!address)
        return "this machine has no address in a network; say which with --bind";
    if (!own.some((a) => a.address === address) && !/^127\./.test(address))
        return `--bind ${address}: not an address of this machine. It has: ${own.map((a) => a.address).join(", ")}`;
    return { home, service: `service-${home}`, address };
}

// Files ca.crt, site.key, site.crt in the folder.
export function makeCertificates(folder, plan) {
    const at = (n) => path.join(folder, n);
    const names = [plan.home, plan.service];
    const run = (...args) => execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
    const key = (file) => run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file);
    writeFileSync(at("openssl.conf"), `[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
nameConstraints = critical,${names.map((n) => `permitted;DNS:${n}`).join(",")}
[site]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = ${names.map((n) => `DNS:${n}`).join(",")}
`);
    const old = process.umask(0o077);
    try {
        key(at("ca.key"));
        run("req", "-new", "-x509", "-key", at("ca.key"), "-days", String(DAYS), "-subj", `/CN=Doorward demo on ${plan.home}`,
            "-config", at("openssl.conf"), "-extensions", "ca", "-out", at("ca.crt"));
        key(at("site.key"));
        run("req", "-new", "-key", at("site.key"), "-subj", `/CN=${plan.home}`, "-config", at("openssl.conf"), "-out", at("site.csr"));
        run("x509", "-req", "-in", at("site.csr"), "-CA", at("ca.crt"), "-CAkey", at("ca.key"), "-CAcreateserial", "-days", String(DAYS),
            "-extfile", at("openssl.conf"), "-extensions", "site", "-out", at("site.crt"));
    } finally {
        rmSync(at("ca.key"), { force: true }); // nobody can make another certificate with what phones were told to trust
        process.umask(old);
    }
    return { ca: readFileSync(at("ca.crt")), key: readFileSync(at("site.key")), cert: readFileSync(at("site.crt")),
        files: { key: at("site.key"), cert: at("site.crt") } };
}

// Takes TLS at the address and hands the bytes on to a port of this machine.
export class Gate {
    constructor(plan, certs, target) {
        this.joined = new Set();
        this.server = tls.createServer({ key: certs.key, cert: certs.cert, minVersion: "TLSv1.2", ALPNProtocols: ["http/1.1"] }, (near) => {
            const far = net.connect(target, "127.0.0.1");
            for (const s of [near, far]) {
                this.joined.add(s);
                s.setNoDelay(true);
                s.on("error", () => {});
                s.on("close", () => { near.destroy(); far.destroy(); this.joined.delete(s); });
            }
            near.pipe(far);
            far.pipe(near);
        });
        this.server.on("tlsClientError", () => {});
        this.address = plan.address;
    }
    async open(port = 0) {
        await new Promise((resolve, reject) => {
            this.server.once("error", reject);
            this.server.listen(port, this.address, resolve);
        });
        this.port = this.server.address().port;
        return this;
    }
    close() {
        this.server.close();
        this.joined.forEach((s) => s.destroy());
    }
}

const PAGE = (plan, print, links) => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Doorward's demo on this phone</title>
<style>body{font:17px/1.5 system-ui,sans-serif;max-width:40em;margin:0 auto;padding:20px;color:#25211b;background:#f6f1e8}a{color:#1f5687;font-weight:600;overflow-wrap:anywhere}code{overflow-wrap:anywhere}li{margin-block:8px}@media(prefers-color-scheme:dark){body{background:#191510;color:#f2ebdf}a{color:#8cc0ee}}</style></head>
<body><main><h1>Doorward's demo on this phone</h1>
<p>A phone makes passkeys only for a page with a name and a certificate that it trusts; the address alone is not enough. So this phone has to be
told once to trust this demo. The certificate counts for <b>${plan.home}</b> and <b>${plan.service}</b> and nothing else, for ${DAYS} days, and nobody holds its secret any more.</p>
<ol><li><a href="/doorward-demo.crt">Take the certificate</a>. Its fingerprint is the one on the screen of the demo:<br><code>${print}</code></li>
<li><b>iPhone, iPad:</b> Settings, "Profile downloaded", install. Then General, About, Certificate Trust Settings: switch it on.<br>
<b>Android:</b> Settings, Security, Encryption and credentials, Install a certificate, CA certificate; choose the file.</li>
<li>Open one of these. Each link counts once.<ul>${links.map(([what, link]) => `<li>${what}: <a href="${link}">${link.replace(/#.*/, "")}</a></li>`).join("")}</ul></li>
<li>Afterwards remove the certificate again in the same place.</li></ol>
<p>If the name is not found: your network does not carry names that end in .local. Give this machine a name in your router and start the demo with <code>--name</code>.</p>
</main></body></html>`;

// The page with the certificate; plain HTTP, because nothing can be trusted before it.
export class Help {
    constructor(plan, certs) {
        this.plan = plan;
        this.print = new X509Certificate(certs.ca).fingerprint256;
        this.links = [];
        const der = new X509Certificate(certs.ca).raw;
        this.server = http.createServer((q, r) => {
            if (q.method !== "GET")
                r.writeHead(405).end();
            else if (q.url === "/doorward-demo.crt")
                r.writeHead(200, { "Content-Type": "application/x-x509-ca-cert", "Content-Disposition": 'attachment; filename="doorward-demo.crt"' }).end(der);
            else if (q.url === "/")
                r.writeHead(200, { "Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store" }).end(PAGE(plan, this.print, this.links));
            else
                r.writeHead(404).end();
        });
    }
    async open(port = 0) {
        await new Promise((resolve, reject) => {
            this.server.once("error", reject);
            this.server.listen(port, this.plan.address, resolve);
        });
        this.url = `http://${this.plan.address}:${this.server.address().port}/`;
        return this;
    }
    close() {
        this.server.close();
        this.server.closeAllConnections();
    }
}

// ---- names ending in .local: answered by multicast [RFC 6762], for these two only ----

const nameBytes = (name) => Buffer.concat([...name.split(".").map((l) => Buffer.concat([Buffer.from([l.length]), Buffer.from(l)])), Buffer.from([0])]);

// The names of a query's questions for an IPv4 address; [] for anything else or malformed.
export function askedFor(m) {
    if (m.length < 12 || (m.readUInt16BE(2) & 0x8000))
        return [];
    const asked = [];
    let at = 12;
    for (let n = Math.min(m.readUInt16BE(4), 20); n > 0; n--) {
        const labels = [];
        let end = -1;
        for (let hops = 0; ; hops++) {
            if (at >= m.length || hops > 40)
                return [];
            const len = m[at];
            if ((len & 0xc0) === 0xc0) {
                if (at + 1 >= m.length)
                    return [];
                if (end < 0)
                    end = at + 2;
                at = (len & 0x3f) << 8 | m[at + 1];
            } else if (len === 0) {
                at++;
                break;
            } else {
                labels.push(m.toString("latin1", at + 1, at + 1 + len));
                at += 1 + len;
            }
        }
        if (end >= 0)
            at = end;
        if (at + 4 > m.length)
            return [];
        const type = m.readUInt16BE(at);
        at += 4;
        if (type === 1 || type === 255)
            asked.push(labels.join(".").toLowerCase());
    }
    return asked;
}
export function answerFor(name, address, id = 0) {
    const head = Buffer.from([id >> 8, id & 255, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
    const rest = Buffer.from([0, 1, 0x80, 1, 0, 0, 0, 120, 0, 4, ...address.split(".").map(Number)]);
    return Buffer.concat([head, nameBytes(name), rest]);
}

export function answerNames(plan) {
    const names = [plan.home, plan.service].filter((n) => n.endsWith(".local"));
    if (names.length === 0 || plan.address.startsWith("127."))
        return { close: () => {} };
    const socket = dgram.createSocket({ type: "udp4", reuseAddr: true });
    socket.on("error", () => socket.close());
    socket.on("message", (m, from) => {
        for (const name of askedFor(m).filter((n) => names.includes(n))) {
            if (from.port === 5353)
                socket.send(answerFor(name, plan.address), 5353, "224.0.0.251");
            else
                socket.send(answerFor(name, plan.address, m.readUInt16BE(0)), from.port, from.address);
        }
    });
    socket.bind(5353, () => {
        try {
            socket.addMembership("224.0.0.251", plan.address);
            socket.setMulticastInterface(plan.address);
        } catch { /* a network without multicast: the page says what to do */ }
    });
    return socket;
}
