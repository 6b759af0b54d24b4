// The hands in the house: moves the door, turns keys, cuts radios. Plain HTTP GET on loopback;
// every answer is one JSON line. README.md lists the paths.

import http from 'node:http';

import { number } from './house.mjs';

function truth(house) {
    const lock = (d) => ({ bolt: d.truth, moves: d.moves, relock_s: d.relockS, online: d.online });
    return { door: house.door.isOpen ? 'open' : 'closed', openings: house.door.openings,
             yale: lock(house.yale), kwikset: lock(house.kwikset) };
}

function common(device) {
    return {
        online: (q) => { device.online = q.on === '1'; },
        latency: (q) => { device.latencyMs = number(q.ms, 0, 60000); },
        battery: (q) => device.setBattery(number(q.percent, 0, 100)),
    };
}

/** Returns the port. `machine` starts and stops the broker and the bridge. */
export function serveControl(house, machine) {
    const table = {
        world: { state: () => {} },
        door: { open: () => house.door.push(true), close: () => house.door.push(false) },
        broker: { stop: machine.brokerStop, start: machine.brokerStart },
        bridge: { kill: machine.bridgeKill, start: machine.bridgeStart },
    };
    for (const d of house.devices) table[d.key] = { ...common(d), ...d.actions() };

    const server = http.createServer(async (request, response) => {
        const url = new URL(request.url, 'http://house');
        const [, group, name] = url.pathname.split('/');
        const act = Object.hasOwn(table, group) && Object.hasOwn(table[group], name) && table[group][name];
        const say = (status, body) => {
            response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
            response.end(`${JSON.stringify(body)}\n`);
        };
        if (!act) {
            say(404, { error: 'no such thing in this house' });
            return;
        }
        try {
            const done = await act(Object.fromEntries(url.searchParams));
            say(done === false ? 409 : 200, truth(house));
        } catch (e) {
            say(400, { error: e.message });
        }
    });
    return new Promise((resolve) => {
        server.listen(0, '127.0.0.1', () => resolve(server.address().port));
    });
}
