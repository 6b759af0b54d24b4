#!/usr/bin/env node
// One program for tests: a broker, Zigbee2MQTT with a simulated radio, and the house behind it.
//
//   node bridge.mjs
//
// When every device has joined and is configured it prints one JSON line on stdout:
//   {"mqtt_port":N,"control_port":N,"pids":{...},"base":"zigbee2mqtt","devices":{...}}
// It ends, with everything it started, when its stdin closes, on SIGTERM and on SIGINT. All ports are
// on 127.0.0.1 and chosen by the system. What the control port takes is listed in README.md.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { serveControl } from './control.mjs';
import { makeHouse } from './house.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const modules = path.join(here, 'node_modules');
const READY_MS = 60000;
const CONTACT_BEAT_MS = 1000; // the contact repeats its state; a real one does so every hour or two

if (!fs.existsSync(path.join(modules, 'zigbee2mqtt', 'cli.js'))) {
    console.error(`${modules} is missing: run "npm ci --ignore-scripts" in ${here} (./dw does)`);
    process.exit(3);
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dw-zigbee-'));
const house = makeHouse();
const children = { broker: undefined, bridge: undefined };
let isStopping = false;
let isFirstStart = true;
let mqttPort = 0;

/** Started so that the child dies with us even if we are killed. */
function start(name, args, options) {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...args],
                        { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    children[name] = child;
    child.on('error', (e) => fail(`${name}: ${e.message}`));
    child.on('exit', () => {
        if (children[name] === child) children[name] = undefined;
    });
    const log = fs.createWriteStream(path.join(folder, `${name}.log`), { flags: 'a' });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    return child;
}

/** Resolves when the child is gone. */
function end(name, signal) {
    const child = children[name];
    if (!child) return Promise.resolve();
    return new Promise((resolve) => {
        child.on('exit', resolve);
        child.kill(signal);
    });
}

function freePort() {
    return new Promise((resolve, reject) => {
        const server = net.createServer().on('error', reject);
        server.listen(0, '127.0.0.1', () => {
            const { port } = server.address();
            server.close(() => resolve(port));
        });
    });
}

function canConnect(port) {
    return new Promise((resolve) => {
        const socket = net.connect(port, '127.0.0.1');
        socket.on('connect', () => { socket.destroy(); resolve(true); });
        socket.on('error', () => resolve(false));
    });
}

async function startBroker() {
    const mosquitto = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto'].find(fs.existsSync);
    for (let tries = 0; tries < 5; tries++) {
        if (mqttPort === 0) mqttPort = await freePort();
        const conf = path.join(folder, 'mosquitto.conf');
        fs.writeFileSync(conf, `listener ${mqttPort} 127.0.0.1\nallow_anonymous true\n` +
            'persistence false\nset_tcp_nodelay true\nmessage_size_limit 4194304\n');
        const child = start('broker', [mosquitto ?? 'mosquitto', '-c', conf]);
        while (child.exitCode === null && child.signalCode === null) {
            if (await canConnect(mqttPort)) return;
            await new Promise((r) => setTimeout(r, 20));
        }
        if (!isFirstStart) throw new Error('the broker did not start again on its port');
        mqttPort = 0; // somebody else took it: another one
    }
    throw new Error(`the broker does not start, see ${folder}/broker.log`);
}

function writeConfiguration() {
    const names = house.devices.map((d) => `  '${d.identity.ieee}': {friendly_name: ${d.identity.name}}`);
    fs.mkdirSync(path.join(folder, 'data'));
    fs.writeFileSync(path.join(folder, 'data', 'configuration.yaml'), [
        'version: 5',
        `mqtt: {base_topic: zigbee2mqtt, server: 'mqtt://127.0.0.1:${mqttPort}'}`,
        'serial: {port: /dev/null, adapter: ember}',
        'frontend: {enabled: false}',
        'homeassistant: {enabled: false}',
        'availability: {enabled: true}',
        'advanced:',
        '  log_level: info',
        '  log_output: [console]',
        '  pan_id: 6754',
        '  ext_pan_id: [221, 221, 221, 221, 221, 221, 221, 221]',
        '  network_key: [1, 3, 5, 7, 9, 11, 13, 15, 0, 2, 4, 6, 8, 10, 12, 13]',
        '  channel: 15',
        'devices:', ...names, '',
    ].join('\n'));
}

/** What the radio asks of the house. Offline devices answer nothing, as a radio sees it. */
async function onRadio(child, m) {
    const reply = (more) => child.connected && child.send({ kind: 'answer', question: m.question, ...more });
    if (m.kind === 'start') {
        reply({ isFirst: isFirstStart });
        return;
    }
    const device = house.devices.find((d) => d.identity.ieee === m.ieee);
    await new Promise((r) => setTimeout(r, device.latencyMs));
    if (!device.online) {
        reply({ error: `Delivery failed for '${device.identity.nwk}'. (MAC_NO_ACK)` });
    } else if (m.kind === 'read') {
        reply({ values: m.attributes.map((id) => device.attribute(m.cluster, id)) });
    } else if (m.kind === 'write') {
        reply({ statuses: m.values.map((v) => device.write(m.cluster, v.id, v.value)) });
    } else if (m.kind === 'command') {
        reply({ ...device.command(m.cluster, m.command) });
    } else {
        reply({});
    }
}

function startBridge() {
    const child = start('bridge',
        [process.execPath, '--require', path.join(here, 'radio.cjs'), path.join(modules, 'zigbee2mqtt', 'cli.js')],
        { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], serialization: 'advanced', cwd: folder,
          env: { ...process.env, DW_ZIGBEE_MODULES: modules, ZIGBEE2MQTT_DATA: path.join(folder, 'data') } });
    const wanted = new Set(house.devices.map((d) => d.identity.name));
    const isKnown = !isFirstStart;

    child.on('message', (m) => onRadio(child, m).catch((e) => fail(e.stack)));
    return new Promise((resolve) => {
        let text = '';
        child.stdout.on('data', (chunk) => {
            text += chunk;
            const lines = text.split('\n');
            text = lines.pop();
            for (const line of lines) {
                if (line.includes('Zigbee2MQTT started')) {
                    for (const d of house.devices) child.send({ kind: 'join', isKnown, device: d.identity });
                    if (isKnown) resolve();
                }
                const done = /Successfully configured '([a-z_]+)'/.exec(line);
                if (done && wanted.delete(done[1]) && wanted.size === 0) resolve();
            }
        });
    });
}

for (const d of house.devices) {
    d.on('radio', (event) => {
        const child = children.bridge;
        if (child?.connected) child.send({ ...event, ieee: d.identity.ieee });
    });
}

async function stop(code) {
    if (isStopping) return;
    isStopping = true;
    for (const d of house.devices) d.stop();
    await Promise.all([end('bridge', 'SIGKILL'), end('broker', 'SIGKILL')]);
    if (code === 0 || process.env.DW_KEEP_LOGS === undefined) {
        fs.rmSync(folder, { recursive: true, force: true });
    }
    process.exit(code);
}

function fail(why) {
    if (!isStopping) console.error(`zigbee bridge: ${why}`);
    stop(1);
}

process.on('SIGTERM', () => stop(0));
process.on('SIGINT', () => stop(0));
process.stdin.on('end', () => stop(0)).on('error', () => stop(0)).resume();

const late = setTimeout(() => fail(`not ready within ${READY_MS} ms, see ${folder}`), READY_MS);
try {
    await startBroker();
    writeConfiguration();
    await startBridge();
    isFirstStart = false;
    clearTimeout(late);
    house.contact.setBeat(CONTACT_BEAT_MS);
    const controlPort = await serveControl(house, {
        brokerStop: () => end('broker', 'SIGKILL'),
        brokerStart: startBroker,
        bridgeKill: () => end('bridge', 'SIGKILL'),
        bridgeStart: () => { startBridge(); },
    });
    console.log(JSON.stringify({
        mqtt_port: mqttPort, control_port: controlPort, base: 'zigbee2mqtt',
        pids: { broker: children.broker.pid, bridge: children.bridge.pid },
        devices: Object.fromEntries(house.devices.map((d) => [d.key, d.identity.ieee])),
    }));
} catch (e) {
    fail(e.message);
}
