// Deterministic CBOR [RFC 8949 4.2.1], written for whoever plays a device in the demo and the tests: numbers, text, bytes, true
// and false, lists, and maps in the order that is theirs. Independent of the readers in src/wire and web/shared.

function head(major, n) {
    n = BigInt(n);
    const m = major << 5;
    if (n < 24n)
        return Buffer.from([m | Number(n)]);
    for (const [info, size] of [[24, 1], [25, 2], [26, 4], [27, 8]]) {
        if (n < 1n << BigInt(8 * size)) {
            const b = Buffer.alloc(1 + size);
            b[0] = m | info;
            for (let i = 0; i < size; i++)
                b[size - i] = Number((n >> BigInt(8 * i)) & 255n);
            return b;
        }
    }
    throw new Error("too large");
}

export function cbor(v) {
    if (typeof v === "number" || typeof v === "bigint")
        return v < 0 ? head(1, -1n - BigInt(v)) : head(0, v);
    if (typeof v === "boolean")
        return Buffer.from([v ? 0xf5 : 0xf4]);
    if (typeof v === "string")
        return Buffer.concat([head(3, Buffer.byteLength(v)), Buffer.from(v)]);
    if (v instanceof Uint8Array)
        return Buffer.concat([head(2, v.length), v]);
    if (Array.isArray(v))
        return Buffer.concat([head(4, v.length), ...v.map(cbor)]);
    if (v instanceof Map) {
        const rows = [...v].map(([k, x]) => [cbor(k), cbor(x)]).sort((a, b) => Buffer.compare(a[0], b[0]));
        return Buffer.concat([head(5, rows.length), ...rows.flat()]);
    }
    throw new Error("cannot encode");
}
