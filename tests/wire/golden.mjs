// A second reader of golden.txt, written from docs/spec/messages.md and messages.cddl alone: decodes each
// object, checks its signature over the context string with node's own Ed25519, and holds the payload
// against the CDDL. What C and the specification say must be the same.
//
//   node golden.mjs GOLDEN CDDL
import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';

// ---- CBOR, as little as needed; integers are BigInt ----

function decode(bytes) {
  let at = 0;
  const take = (n) => {
    if (at + n > bytes.length) throw new Error('ends too early');
    return bytes.subarray(at, (at += n));
  };
  function item() {
    const [first] = take(1);
    const type = first >> 5;
    const info = first & 31;
    let arg = BigInt(info);
    if (info >= 24) {
      if (info > 27) throw new Error('indefinite or reserved');
      arg = BigInt('0x' + take(1 << (info - 24)).toString('hex'));
    }
    switch (type) {
      case 0: return arg;
      case 1: return -1n - arg;
      case 2: return take(Number(arg));
      case 3: return new TextDecoder('utf-8', { fatal: true }).decode(take(Number(arg)));
      case 4: return Array.from({ length: Number(arg) }, item);
      case 5: return new Map(Array.from({ length: Number(arg) }, () => [item(), item()]));
      case 6: return { tag: arg, value: item() };
      default:
        if (arg === 20n || arg === 21n) return arg === 21n;
        throw new Error(`simple ${arg}`);
    }
  }
  const value = item();
  if (at !== bytes.length) throw new Error('bytes after the end');
  return value;
}

function head(type, n) {
  if (n < 24) return Buffer.from([(type << 5) | n]);
  if (n < 256) return Buffer.from([(type << 5) | 24, n]);
  return Buffer.from([(type << 5) | 25, n >> 8, n & 255]);
}
const bstr = (b) => Buffer.concat([head(2, b.length), b]);
const tstr = (s) => Buffer.concat([head(3, Buffer.byteLength(s)), Buffer.from(s)]);

// ---- the part of CDDL that messages.cddl uses ----

function parseCddl(text) {
  const words = text.replace(/;.*$/gm, '').match(/"[^"]*"|\d+\*\d+|-?\d+\.\.-?\d+|\.size|-?\d+|#6\.18|[\w.]+|[=:{}[\](),]/g);
  const rules = new Map();
  let at = 0;
  const next = (want) => {
    const word = words[at++];
    if (want !== undefined && word !== want) throw new Error(`CDDL: '${want}' expected, '${word}' found`);
    return word;
  };
  function type() {
    const word = next();
    if (word === '{') {
      const pairs = [];
      while (words[at] !== '}') {
        const key = BigInt(next());
        next(':');
        pairs.push([key, type()]);
        if (words[at] === ',') next();
      }
      next('}');
      return { map: pairs };
    }
    if (word === '[') {
      const items = [];
      let repeat = null;
      while (words[at] !== ']') {
        if (/^\d+\*\d+$/.test(words[at])) repeat = next().split('*').map(Number);
        items.push(type());
        if (words[at] === ',') next();
      }
      next(']');
      return { array: items, repeat };
    }
    if (/^-?\d+\.\.-?\d+$/.test(word)) {
      const [low, high] = word.split('..').map(BigInt);
      return { low, high };
    }
    if (/^-?\d+$/.test(word)) return { low: BigInt(word), high: BigInt(word) };
    if (word.startsWith('"')) return { text: word.slice(1, -1) };
    if (words[at] === '.size') {
      next();
      if (words[at] !== '(') {
        const size = Number(next());
        return { string: word, sizes: [size, size] };
      }
      next('(');
      const sizes = next().split('..').map(Number);
      next(')');
      return { string: word, sizes };
    }
    return { name: word };
  }
  while (at < words.length) {
    const name = next();
    next('=');
    if (words[at] === '#6.18') while (words[at] && words[at + 1] !== '=') at++; // sign1 is checked below
    else rules.set(name, type());
  }
  return rules;
}

function fits(rules, t, v, where) {
  const fail = (why) => { throw new Error(`${where}: ${why}`); };
  if (t.name === 'bool') return typeof v === 'boolean' || fail('not a bool');
  if (t.name === 'tstr') return typeof v === 'string' || fail('not text');
  if (t.name) {
    if (!rules.has(t.name)) fail(`no rule ${t.name}`);
    return fits(rules, rules.get(t.name), v, where);
  }
  if (t.text !== undefined) return v === t.text || fail(`not "${t.text}"`);
  if (t.low !== undefined) return (typeof v === 'bigint' && v >= t.low && v <= t.high) || fail(`${v} not in ${t.low}..${t.high}`);
  if (t.string) {
    const size = t.string === 'bstr' ? Buffer.isBuffer(v) && v.length : typeof v === 'string' && Buffer.byteLength(v);
    return (size !== false && size >= t.sizes[0] && size <= t.sizes[1]) || fail(`not ${t.string} of ${t.sizes}`);
  }
  if (t.array) {
    if (!Array.isArray(v)) fail('not an array');
    if (t.repeat ? v.length < t.repeat[0] || v.length > t.repeat[1] : v.length !== t.array.length) fail(`${v.length} items`);
    return v.every((x, i) => fits(rules, t.repeat ? t.array[0] : t.array[i], x, `${where}[${i}]`));
  }
  const keys = [...v.keys()];
  if (keys.join() !== t.map.map(([k]) => k).join()) fail(`keys ${keys.join()}`);
  return t.map.every(([k, x]) => fits(rules, x, v.get(k), `${where}.${k}`));
}

// ---- the objects ----

const [goldenPath, cddlPath] = process.argv.slice(2);
const rules = parseCddl(readFileSync(cddlPath, 'utf8'));
let key = null;
let count = 0;
for (const line of readFileSync(goldenPath, 'utf8').trim().split('\n')) {
  const [name, hex] = line.split(' ');
  const bytes = Buffer.from(hex, 'hex');
  if (name === 'key') {
    key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') }, format: 'jwk' });
    continue;
  }
  const short = { frame_record: 'frame', event_body: 'event' }[name] ?? name.replaceAll('_', '-');
  const object = decode(bytes);
  if (object.tag !== 18n || object.value.length !== 4 || object.value[1].size !== 0) throw new Error(`${name}: not a COSE_Sign1`);
  const [protectedBytes, , payload, signature] = object.value;
  fits(rules, rules.get('header'), decode(protectedBytes), `${name} header`);
  if (decode(protectedBytes).get(16n) !== `doorward-${short}+cwt`) throw new Error(`${name}: typ`);
  const tbs = Buffer.concat([head(4, 4), tstr('Signature1'), bstr(protectedBytes), bstr(Buffer.from(`doorward/${short}/1`)), bstr(payload)]);
  if (!verify(null, tbs, key, signature)) throw new Error(`${name}: signature`);
  if (!rules.has(name)) throw new Error(`${name}: not in the CDDL`);
  fits(rules, rules.get(name), decode(payload), name);
  count++;
}
if (count < 29 * 4) throw new Error(`only ${count} objects`);
console.log(`${count} objects read, verified and held against the CDDL`);
