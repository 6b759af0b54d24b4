// The home of 2017, as a simulator of its own: a camera that signs nothing, a lock that hangs on the camera's
// radio, an app that believes both. It never runs in a home, and the product knows nothing of it.
//
//   node main.mjs --world FILE --eye PROGRAM
//
// On stdin, one JSON object a line: {"do":"unlock"} {"do":"lock"} (the courier's buttons) {"do":"jam"}
// {"do":"clear"} {"do":"new"}. On stdout: {"port":N} first, then what happened: {"did":WORD}.
// What the customer sees is http://127.0.0.1:PORT/.
import { readFileSync } from "node:fs";
import http from "node:http";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { World } from "../demo/world.mjs";
import { Eye, Film } from "./eye.mjs";

const { values: o } = parseArgs({ options: { world: { type: "string" }, eye: { type: "string" } } });
if (!o.world || !o.eye) {
    process.stderr.write("usage: node main.mjs --world FILE --eye PROGRAM\n");
    process.exit(2);
}
const TRAVEL_MS = 900; // of its bolt
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

const world = new World(o.world);
const eye = new Eye(o.eye, o.world);
const film = new Film(); // what reaches the customer
let isJammed = false;
eye.on("picture", (jpeg) => { if (!isJammed) film.show(jpeg); });

// ---- the lock: hears only what the camera passes on ----
let waiting = null, moving = null;
function command(word) {
    if (isJammed) {
        waiting = word; // nobody is told that it did not arrive
        say({ did: "command_lost" });
        return;
    }
    waiting = null;
    clearInterval(moving);
    const from = world.get("bolt_permille"), to = word === "lock" ? 1000 : 0, began = performance.now();
    moving = setInterval(() => {
        const part = Math.min(1, (performance.now() - began) / TRAVEL_MS);
        world.set("bolt_permille", Math.round(from + (to - from) * part));
        if (part === 1) {
            clearInterval(moving);
            say({ did: word === "lock" ? "bolt_out" : "bolt_back" });
        }
    }, 20);
}

// ---- the cloud: a button that was pressed is a fact ----
const texts = {
    idle: { is: "Locked", text: "No delivery at the moment.", mark: true },
    unlock: { is: "Unlocked", text: "Your delivery is arriving.", mark: false },
    lock: { is: "Locked", text: "Your delivery is complete.", mark: true },
};
let shown = texts.idle;
const readers = new Set();
const tell = (r) => r.write(`data: ${JSON.stringify(shown)}\n\n`);
function pressed(word) {
    shown = texts[word];
    readers.forEach(tell);
    command(word);
}

const doings = {
    unlock: () => pressed("unlock"),
    lock: () => pressed("lock"),
    jam: () => { isJammed = true; },
    clear: () => {
        isJammed = false;
        if (waiting && world.get("door_permille") === 0) // the lock hears it at last
            command(waiting);
        waiting = null;
    },
    new: () => {
        shown = texts.idle;
        readers.forEach(tell);
    },
};
createInterface(process.stdin).on("line", (text) => {
    try {
        doings[JSON.parse(text).do]?.();
    } catch { /* not a word of ours: nothing happens */ }
}).on("close", () => process.exit(0));

// ---- the app ----
const file = (name) => readFileSync(new URL(`app/${name}`, import.meta.url));
const pages = {
    "/": ["text/html; charset=utf-8", file("index.html")],
    "/app.js": ["text/javascript; charset=utf-8", file("app.js")],
    "/app.css": ["text/css; charset=utf-8", file("app.css")],
};
const server = http.createServer((q, r) => {
    const path = q.url.split("?")[0];
    if (pages[path]) {
        r.writeHead(200, { "Content-Type": pages[path][0], "Cache-Control": "no-store" });
        r.end(pages[path][1]);
    } else if (path === "/live.mjpg") {
        film.serve(q, r);
    } else if (path === "/state") {
        r.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
        readers.add(r);
        q.on("close", () => readers.delete(r));
        tell(r);
    } else {
        r.writeHead(404).end();
    }
});
server.listen(0, "127.0.0.1", () => say({ port: server.address().port }));
