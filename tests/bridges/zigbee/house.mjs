// The simulated physical world: one front door with a contact and two locks. It lives in the process
// of bridge.mjs, not in Zigbee2MQTT, so bolts go on moving when the bridge is killed.
//
// Numbers are those of the ZCL specification: door lock cluster 0x0101, IAS zone 0x0500, power 0x0001.

import { EventEmitter } from 'node:events';

const LOCK = { partly: 0, locked: 1, unlocked: 2 };
const SOURCE = { keypad: 0, radio: 1, manual: 2 };
const OP = { lock: 1, unlock: 2, keyUnlock: 9, autoLock: 10, manualLock: 13, manualUnlock: 14 };
const STATUS = { ok: 0, failure: 1, readOnly: 0x88, unsupportedAttribute: 0x86, unsupported: 0x81 };

/** What every device shares. Emits 'radio' events; the radio turns them into frames if it is there. */
class Device extends EventEmitter {
    constructor(key, identity) {
        super();
        Object.assign(this, { key, identity, online: true, latencyMs: 30, battery: 87 });
    }

    report(cluster, attribute, value) {
        if (this.online) this.emit('radio', { kind: 'report', cluster, attribute, value });
    }

    notify(cluster, command, payload) {
        if (this.online) this.emit('radio', { kind: 'command', cluster, command, payload });
    }

    attribute(cluster, id) {
        if (cluster === 0x0000) {
            return { 0: 3, 1: 1, 2: 1, 3: 1, 4: this.identity.vendor, 5: this.identity.model,
                     6: '20200101', 7: 3, 0x4000: '1.0' }[id];
        }
        if (cluster === 0x0001) return { 0x20: 58, 0x21: 2 * this.battery, 0x3e: 0 }[id];
        return undefined;
    }

    setBattery(percent) {
        this.battery = percent;
        this.report(0x0001, 0x21, 2 * percent);
    }
}

export class Lock extends Device {
    constructor(key, identity, { hasRelock, door }) {
        super(key, identity);
        this.hasRelock = hasRelock;
        this.door = door; // the leaf this bolt holds; may be undefined
        this.state = LOCK.locked;
        this.relockS = 0;
        this.travelMs = 300;
        this.isMoving = false;
        this.isBlocked = false; // something in the strike: a throw ends half way
        this.jamNext = false; // the next movement, in either direction, ends half way
        this.refusesRelock = false; // says yes to the write and keeps the old value
        this.hidesRelock = false; // will not have it read
        this.moves = 0;
        if (door) door.bolts.push(this);
    }

    get truth() {
        if (this.isMoving) return 'moving';
        return ['jammed', 'thrown', 'retracted'][this.state];
    }

    attribute(cluster, id) {
        if (cluster !== 0x0101) return super.attribute(cluster, id);
        return { 0: this.isMoving ? LOCK.partly : this.state, 1: 0, 2: 1, 0x17: 8, 0x18: 4,
                 0x23: this.hasRelock && !this.hidesRelock ? this.relockS : undefined, 0x24: 1 }[id];
    }

    write(cluster, id, value) {
        if (cluster !== 0x0101 || id !== 0x23) return STATUS.readOnly;
        if (!this.hasRelock) return STATUS.unsupportedAttribute;
        if (!this.refusesRelock) this.relockS = value;
        return STATUS.ok;
    }

    command(cluster, name) {
        if (cluster !== 0x0101) return undefined;
        if (name === 'lockDoor') this.move(LOCK.locked, SOURCE.radio, OP.lock);
        else if (name === 'unlockDoor') this.move(LOCK.unlocked, SOURCE.radio, OP.unlock);
        else return undefined;
        return { command: `${name}Rsp`, payload: { status: STATUS.ok } };
    }

    /** The motor runs; where the bolt is afterwards is told by report, then by operation event. */
    move(target, source, operation) {
        clearTimeout(this.motor);
        clearTimeout(this.relock);
        this.isMoving = true;
        const fails = this.jamNext || (this.isBlocked && target === LOCK.locked);
        this.jamNext = false;
        this.motor = setTimeout(() => this.arrive(fails ? LOCK.partly : target, source, operation),
                                this.travelMs);
    }

    /** A hand turns the knob or the key: at once, no motor. */
    turn(target, source, operation) {
        clearTimeout(this.motor);
        this.arrive(target, source, operation);
    }

    arrive(state, source, operation) {
        this.isMoving = false;
        if (this.state !== state) this.moves++;
        this.state = state;
        this.report(0x0101, 0, state);
        if (state === LOCK.partly) {
            this.notify(0x0009, 'alarm', { alarmcode: 0, clusterid: 0x0101 });
            return;
        }
        this.notify(0x0101, 'operationEventNotification', {
            opereventsrc: source, opereventcode: operation, userid: 0, pin: Buffer.alloc(0),
            zigbeelocaltime: Math.floor(Date.now() / 1000) - 946684800, data: '',
        });
        clearTimeout(this.relock);
        // It has no contact of its own: like the real one it throws even when the door stands open.
        if (state === LOCK.unlocked && this.relockS > 0) {
            this.relock = setTimeout(() => this.move(LOCK.locked, SOURCE.manual, OP.autoLock),
                                     1000 * this.relockS);
        }
    }

    stop() {
        clearTimeout(this.motor);
        clearTimeout(this.relock);
    }

    actions() {
        const hand = (target, source, operation) => () => this.turn(target, source, operation);
        return {
            manualLock: hand(LOCK.locked, SOURCE.manual, OP.manualLock),
            manualUnlock: hand(LOCK.unlocked, SOURCE.manual, OP.manualUnlock),
            keyUnlock: hand(LOCK.unlocked, SOURCE.manual, OP.keyUnlock),
            keypadUnlock: hand(LOCK.unlocked, SOURCE.keypad, OP.unlock),
            jam: () => this.turn(LOCK.partly, SOURCE.manual, 0),
            jamNext: () => { this.jamNext = true; },
            block: (q) => { this.isBlocked = q.on === '1'; },
            travel: (q) => { this.travelMs = number(q.ms, 0, 60000); },
            relock: (q) => { this.relockS = number(q.s, 0, 3600); },
            hideRelock: (q) => { this.hidesRelock = q.on === '1'; },
            refuseRelock: (q) => { this.refusesRelock = q.on === '1'; },
        };
    }
}

export class Contact extends Device {
    constructor(key, identity, door) {
        super(key, identity);
        Object.assign(this, { door, isEnrolled: 0, cie: '0x0000000000000000', beatMs: 0 });
        door.on('moved', () => this.tell());
    }

    attribute(cluster, id) {
        if (cluster !== 0x0500) return super.attribute(cluster, id);
        return { 0: this.isEnrolled, 1: 0x15, 2: this.door.isOpen ? 1 : 0, 0x10: this.cie,
                 0x11: 23 }[id];
    }

    write(cluster, id, value) {
        if (cluster !== 0x0500 || id !== 0x10) return STATUS.readOnly;
        this.cie = value;
        return STATUS.ok;
    }

    command(cluster, name) {
        if (cluster === 0x0500 && name === 'enrollRsp') this.isEnrolled = 1;
        return undefined;
    }

    tell() {
        this.notify(0x0500, 'statusChangeNotification', {
            zonestatus: this.door.isOpen ? 1 : 0, extendedstatus: 0, zoneID: 23, delay: 0,
        });
    }

    /** Supervision reports: tells its state again and again, as IAS zones may. 0 stops it. */
    setBeat(ms) {
        clearInterval(this.beat);
        if (ms > 0) this.beat = setInterval(() => this.tell(), ms);
    }

    stop() {
        clearInterval(this.beat);
    }

    actions() {
        return {
            tell: () => this.tell(),
            beat: (q) => this.setBeat(number(q.ms, 0, 3600000)),
        };
    }
}

/** The leaf. A thrown bolt holds it where it is: shut in the strike, or unable to shut. */
export class Door extends EventEmitter {
    constructor() {
        super();
        this.isOpen = false;
        this.bolts = [];
        this.openings = 0;
    }

    push(isOpen) {
        if (isOpen === this.isOpen) return true;
        if (this.bolts.some((b) => b.state === LOCK.locked || b.isMoving)) return false;
        this.isOpen = isOpen;
        if (isOpen) this.openings++;
        this.emit('moved');
        return true;
    }
}

export function number(text, min, max) {
    const n = Number(text);
    if (!Number.isInteger(n) || n < min || n > max) throw new RangeError(`not ${min}..${max}: ${text}`);
    return n;
}

export function makeHouse() {
    const door = new Door();
    const shared = { type: 2, power: 3 };
    const lockIn = { deviceId: 10, in: [0, 1, 3, 9, 10, 0x0101], out: [10, 25] };
    const yale = new Lock('yale', {
        ...shared, ...lockIn, ieee: '0x000d6f0001234501', nwk: 0x1001, manufacturer: 0x101d,
        vendor: 'Yale', model: 'YRD256 TSDB', endpoint: 1, name: 'front_door',
    }, { hasRelock: true, door });
    const kwikset = new Lock('kwikset', {
        ...shared, ...lockIn, ieee: '0x000d6f0001234502', nwk: 0x1002, manufacturer: 0x1092,
        vendor: 'Kwikset', model: 'SMARTCODE_DEADBOLT_10_L', endpoint: 2, name: 'back_door',
    }, { hasRelock: false });
    const contact = new Contact('contact', {
        ...shared, deviceId: 0x0402, in: [0, 1, 3, 0x0500], out: [3], ieee: '0x000d6f0001234504',
        nwk: 0x1004, manufacturer: 0x1286, vendor: 'eWeLink', model: 'SNZB-04', endpoint: 1,
        name: 'front_contact',
    }, door);
    return { door, devices: [yale, kwikset, contact], yale, kwikset, contact };
}
