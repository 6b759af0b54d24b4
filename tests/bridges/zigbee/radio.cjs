// Preloaded into Zigbee2MQTT (node --require): replaces the serial radio by one whose devices live in
// the parent process (house.mjs), reached over the child's IPC channel. Zigbee2MQTT, its herdsman and
// its converters stay the released packages: frames are built and parsed by them.
'use strict';

const path = require('node:path');
const herdsman = path.join(process.env.DW_ZIGBEE_MODULES, 'zigbee-herdsman', 'dist');
const { Adapter } = require(path.join(herdsman, 'adapter/adapter.js'));
const Zcl = require(path.join(herdsman, 'zspec/zcl'));
const Zdo = require(path.join(herdsman, 'zspec/zdo'));

const COORDINATOR = '0x00124b0012345678';
const NO_ACK = "Data request failed with error: 'MAC_NO_ACK' (0xe9)";
const ZDO_OK = 0;

let radio;
const devices = new Map(); // network address -> identity, told by the parent
const waiting = new Map(); // question number -> resolve
let question = 0;
let transaction = 1;

/** Asks the house; resolves with its answer. */
function ask(message) {
    return new Promise((resolve) => {
        waiting.set(++question, resolve);
        process.send({ ...message, question });
    });
}

process.on('message', (m) => {
    if (m.kind === 'answer') {
        waiting.get(m.question)?.(m);
        waiting.delete(m.question);
        return;
    }
    if (m.kind === 'join') {
        devices.set(m.device.nwk, m.device);
        if (!m.isKnown) {
            radio.emit('deviceJoined', { networkAddress: m.device.nwk, ieeeAddr: m.device.ieee });
        }
        return;
    }
    const device = [...devices.values()].find((d) => d.ieee === m.ieee);
    if (device && radio) radio.emit('zclPayload', wrap(device, unsolicited(m)));
});
process.on('disconnect', () => process.exit(0)); // the house is gone: so are we

function unsolicited(m) {
    const number = transaction++ & 0xff;
    if (m.kind === 'report') {
        const type = dataType(m.cluster, m.attribute);
        return Zcl.Frame.create(Zcl.FrameType.GLOBAL, Zcl.Direction.SERVER_TO_CLIENT, true, undefined,
            number, 'report', m.cluster,
            [{ attrId: m.attribute, dataType: type, attrData: m.value }], {});
    }
    return Zcl.Frame.create(Zcl.FrameType.SPECIFIC, Zcl.Direction.SERVER_TO_CLIENT, true, undefined,
        number, m.command, m.cluster, m.payload, {});
}

function wrap(device, frame) {
    const data = frame.toBuffer();
    return {
        clusterID: frame.cluster.ID, address: device.nwk, header: Zcl.Header.fromBuffer(data), data,
        endpoint: device.endpoint, linkquality: 120, groupID: 0, wasBroadcast: false,
        destinationEndpoint: 1,
    };
}

const T = Zcl.DataType;
const TYPES = {
    0x0000: { 0: T.UINT8, 1: T.UINT8, 2: T.UINT8, 3: T.UINT8, 4: T.CHAR_STR, 5: T.CHAR_STR,
              6: T.CHAR_STR, 7: T.ENUM8, 0x4000: T.CHAR_STR },
    0x0001: { 0x20: T.UINT8, 0x21: T.UINT8, 0x3e: T.BITMAP32 },
    0x0101: { 0: T.ENUM8, 1: T.ENUM8, 2: T.BOOLEAN, 0x17: T.UINT8, 0x18: T.UINT8, 0x23: T.UINT32,
              0x24: T.UINT8 },
    0x0500: { 0: T.ENUM8, 1: T.ENUM16, 2: T.BITMAP16, 0x10: T.IEEE_ADDR, 0x11: T.UINT8 },
};

function dataType(cluster, attribute) {
    return TYPES[cluster]?.[attribute];
}

/** The house's answer to one request, as the frame that the device would send; null: none. */
async function answer(device, frame) {
    const { header, cluster, command, payload } = frame;
    const build = (type, name, body) => Zcl.Frame.create(type, Zcl.Direction.SERVER_TO_CLIENT, true,
        undefined, header.transactionSequenceNumber, name, cluster.ID, body, {});
    const base = { ieee: device.ieee, cluster: cluster.ID };
    const wanted = header.isGlobal ? command.name : 'specific';
    let said;

    switch (wanted) {
    case 'read':
        said = await ask({ ...base, kind: 'read', attributes: payload.map((p) => p.attrId) });
        if (said.error) throw new Error(said.error);
        return build(Zcl.FrameType.GLOBAL, 'readRsp', said.values.map((v, i) => {
            const attrId = payload[i].attrId;
            return v === undefined ? { attrId, status: 0x86 }
                : { attrId, status: 0, dataType: dataType(cluster.ID, attrId), attrData: v };
        }));
    case 'write':
        said = await ask({ ...base, kind: 'write',
                           values: payload.map((p) => ({ id: p.attrId, value: p.attrData })) });
        if (said.error) throw new Error(said.error);
        return build(Zcl.FrameType.GLOBAL, 'writeRsp',
            said.statuses.every((s) => s === 0) ? [{ status: 0 }]
                : said.statuses.map((status, i) => ({ status, attrId: payload[i].attrId })));
    case 'configReport':
        said = await ask({ ...base, kind: 'ping' });
        if (said.error) throw new Error(said.error);
        return build(Zcl.FrameType.GLOBAL, 'configReportRsp', [{ status: 0 }]);
    case 'specific':
        said = await ask({ ...base, kind: 'command', command: command.name });
        if (said.error) throw new Error(said.error);
        if (said.command) return build(Zcl.FrameType.SPECIFIC, said.command, said.payload);
        if (command.name === 'enrollRsp') return null;
        return build(Zcl.FrameType.GLOBAL, 'defaultRsp', { cmdId: command.ID, statusCode: 0x81 });
    default:
        return build(Zcl.FrameType.GLOBAL, 'defaultRsp', { cmdId: command.ID, statusCode: 0x82 });
    }
}

/** The coordinator's own descriptors. */
function coordinatorZdo(cluster, payload) {
    const C = Zdo.ClusterId;
    const endpoint = payload[payload.length - 1];
    const isGreen = endpoint === 242;
    if (cluster === C.ACTIVE_ENDPOINTS_REQUEST) return { nwkAddress: 0, endpointList: [1, 242] };
    if (cluster === C.SIMPLE_DESCRIPTOR_REQUEST) {
        return { nwkAddress: 0, length: 20, endpoint, profileId: isGreen ? 0xa1e0 : 0x0104,
                 deviceId: isGreen ? 0x66 : 5, deviceVersion: 0,
                 inClusterList: isGreen ? [33] : [0, 3, 10, 25, 0x500, 0x501],
                 outClusterList: isGreen ? [33] : [0, 1, 3, 0x101, 0x500] };
    }
    return undefined;
}

function deviceZdo(device, cluster) {
    const C = Zdo.ClusterId;
    switch (cluster) {
    case C.NODE_DESCRIPTOR_REQUEST:
        return { nwkAddress: device.nwk, logicalType: device.type, apsFlags: 0, frequencyBand: 8,
                 capabilities: {}, manufacturerCode: device.manufacturer, maxBufSize: 82,
                 maxIncTxSize: 82, serverMask: { stackComplianceRevision: 22 }, maxOutTxSize: 82,
                 deprecated1: 0, tlvs: [] };
    case C.ACTIVE_ENDPOINTS_REQUEST:
        return { nwkAddress: device.nwk, endpointList: [device.endpoint] };
    case C.SIMPLE_DESCRIPTOR_REQUEST:
        return { nwkAddress: device.nwk, length: 20, endpoint: device.endpoint, profileId: 0x0104,
                 deviceId: device.deviceId, deviceVersion: 0, inClusterList: device.in,
                 outClusterList: device.out };
    case C.NETWORK_ADDRESS_REQUEST:
        return { eui64: device.ieee, nwkAddress: device.nwk, startIndex: 0, assocDevList: [] };
    case C.BIND_REQUEST:
    case C.UNBIND_REQUEST:
        return null;
    default:
        return undefined;
    }
}

class SimulatedRadio extends Adapter {
    constructor(...args) {
        super(...args);
        this.hasZdoMessageOverhead = false;
        this.manufacturerID = 0;
        radio = this;
    }

    async start() {
        const { isFirst } = await ask({ kind: 'start' });
        return isFirst ? 'reset' : 'resumed';
    }
    async stop() {}
    async reset() {}
    async supportsBackup() { return false; }
    async backup() { throw new Error('no backup'); }
    async addInstallCode() {}
    async permitJoin() {}
    async getCoordinatorIEEE() { return COORDINATOR; }
    async getCoordinatorVersion() { return { type: 'Simulated', meta: { revision: 1 } }; }
    async getNetworkParameters() {
        return { panID: this.networkOptions.panID, extendedPanID: '0xdddddddddddddddd',
                 channel: this.networkOptions.channelList[0], nwkUpdateID: 0 };
    }

    waitFor(_nwk, _endpoint, _type, _direction, _number, _cluster, _command, _default, timeout) {
        let cancel;
        const promise = new Promise((_, reject) => {
            const timer = setTimeout(() => reject(new Error('timeout')), timeout);
            cancel = () => clearTimeout(timer);
        });
        return { promise, cancel };
    }

    async sendZdo(_ieee, nwk, cluster, payload, disableResponse) {
        const device = devices.get(nwk);
        let body;
        if (nwk === 0) body = coordinatorZdo(cluster, payload);
        if (device) {
            const said = await ask({ kind: 'ping', ieee: device.ieee });
            if (said.error) throw new Error(said.error);
            body = deviceZdo(device, cluster);
        }
        if (disableResponse) return undefined;
        if (body === undefined) throw new Error(`not simulated: ${Zdo.ClusterId[cluster]}`);
        return [ZDO_OK, body ?? undefined];
    }

    async sendZclFrameToEndpoint(_ieee, nwk, _endpoint, frame, _timeout, disableResponse) {
        const device = devices.get(nwk);
        if (!device) throw new Error(NO_ACK);
        const reply = await answer(device, frame);
        if (!reply) return undefined;
        const payload = wrap(device, reply);
        this.emit('zclPayload', payload);
        return disableResponse ? undefined : payload;
    }

    async sendZclFrameToGroup() {}
    async sendZclFrameToAll() {}
    async setChannelInterPAN() {}
    async sendZclFrameInterPANToIeeeAddr() {}
    async sendZclFrameInterPANBroadcast() {}
    async restoreChannelInterPAN() {}
}

Adapter.create = async (...args) => new SimulatedRadio(...args);
