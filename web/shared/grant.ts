// What a person of the house signs, read from the very bytes that are signed [docs/spec/messages.md 8.1, 8.6]. A page shows
// what stands here and nothing else; bytes that say more, less or otherwise than was asked are not put before a passkey.

import { type Bytes, concat, fromHex, isSame, sha256, toHex } from "./bytes";
import { CborError, Fields, type Value, asUint, decode } from "./cbor";
import { thumbOf } from "./cose";
import { fromBase64url } from "./passkey";

export const GRANT = "doorward/grant/1";
export const CONTROL = "doorward/control/1";

export const WEEK = 10080; // minutes; Monday 00:00 is 0
export const DAY_S = 86400;
export const DAYS_MAX = 90;
const WINDOWS_MAX = 14;
const NAME_BYTES_MAX = 63;
const UNIX_S_MAX = 253402300799; // the end of the year 9999

export const KINDS = ["drop", "stay"] as const;
export const MODES = ["ask", "veto", "notify"] as const;
/** In the order of enum dw_camera_class; no hub asks for the ones between, so they have no words. */
export const CAMERAS = ["k0", "unknown", "k2", "unknown"] as const;
export type VisitKind = (typeof KINDS)[number];
export type GrantMode = (typeof MODES)[number];

/** From minute `from` of the week, in civil time of the grant's zone; may run over the end of the week. */
export interface WeekWindow {
  readonly from: number;
  readonly minutes: number;
}

export interface Grant {
  readonly owner: string;
  readonly grantee: string;
  readonly hub: string;
  readonly id: string;
  readonly fromS: number;
  readonly toS: number;
  readonly zone: string;
  readonly name: string;
  readonly kind: VisitKind;
  readonly door: number;
  readonly dwellMs: number;
  readonly camera: number;
  /** The hub's: it makes the bytes new, and says nothing. */
  readonly nonce: string;
  readonly epoch: number;
  readonly windows: readonly WeekWindow[];
  readonly uses: number;
  readonly perDay: number;
  readonly presence: number;
  readonly mode: GrantMode;
  readonly isHosted: boolean;
}

/** A name that a screen shows as it is: nothing in it that a screen obeys. */
function plain(text: string, isEmptyFine = false): string {
  const size = new TextEncoder().encode(text).length;
  if (size > NAME_BYTES_MAX || (size === 0 && !isEmptyFine)) throw new CborError("not a name");
  if (/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/.test(text)) throw new CborError("not a name");
  return text;
}

function oneOf<T>(words: readonly T[], n: number): T {
  const w = words[n];
  if (w === undefined) throw new CborError("a word that is not known");
  return w;
}

function windowsOf(v: Value): WeekWindow[] {
  if (!Array.isArray(v) || v.length < 1 || v.length > WINDOWS_MAX) throw new CborError("not the windows of a week");
  let before = -1;
  return v.map((pair) => {
    if (!Array.isArray(pair) || pair.length !== 2) throw new CborError("not a window");
    const from = asUint(pair[0], WEEK - 1);
    const minutes = asUint(pair[1], WEEK);
    if (minutes === 0 || from <= before) throw new CborError("not a window");
    before = from;
    return { from, minutes };
  });
}

/** Throws CborError. The same rules as the hub's reader (src/wire/grant.c). */
export function readGrant(bytes: Bytes): Grant {
  const f = new Fields(decode(bytes));
  const zone = plain(f.text(-70200));
  if (!/^[A-Za-z0-9_+-]+(\/[A-Za-z0-9_+-]+)*$/.test(zone)) throw new CborError("not a zone");
  const g: Grant = {
    owner: toHex(f.bytes(1, 32)),
    grantee: toHex(f.bytes(2, 32)),
    hub: toHex(f.bytes(3, 32)),
    toS: f.uint(4, UNIX_S_MAX),
    fromS: f.uint(5, UNIX_S_MAX),
    id: toHex(f.bytes(7, 16)),
    zone,
    name: plain(f.text(-70203)),
    kind: oneOf(KINDS, f.uint(-70204)),
    door: f.uint(-70205, 0xff),
    dwellMs: f.uint(-70207, 0xffffffff),
    camera: f.uint(-70213, CAMERAS.length - 1),
    nonce: toHex(f.bytes(-70270, 32)),
    epoch: f.uint(-70271, 0xffffffff),
    windows: windowsOf(f.any(-70272)),
    uses: f.uint(-70273, 0xffff),
    perDay: f.uint(-70274, 0xff),
    presence: f.uint(-70275, 3),
    mode: oneOf(MODES, f.uint(-70276)),
    isHosted: f.bool(-70277),
  };
  f.end();
  if (g.toS <= g.fromS || g.toS - g.fromS > DAYS_MAX * DAY_S || g.uses === 0 || g.perDay === 0) throw new CborError("not a grant");
  return g;
}

/** In the order of enum dw_act (src/hub/people.h). */
export const ACTS = [
  "", "sign_in", "join", "unlock", "let_in", "invite", "add_passkey", "remove_member", "remove_passkey", "remove_invite", "set_param", "allow_agency", "new_recovery", "grant", "camera_key", "lock_key",
] as const;

export interface Control {
  readonly hub: string;
  readonly nonce: string;
  readonly epoch: number;
  readonly act: string;
  /** 32 hexadecimal digits: an id, or a number at the end. */
  readonly target: string;
  /** 16 hexadecimal digits. */
  readonly value: string;
  readonly name: string;
}

export function readControl(bytes: Bytes): Control {
  const f = new Fields(decode(bytes));
  const c: Control = {
    hub: toHex(f.bytes(3, 32)),
    nonce: toHex(f.bytes(-70270, 32)),
    epoch: f.uint(-70271, 0xffffffff),
    act: oneOf(ACTS, f.uint(-70288, 0xff)),
    target: toHex(f.bytes(-70289, 16)),
    value: f.id64(-70290),
    name: plain(f.text(-70291), true),
  };
  f.end();
  return c;
}

/** What a passkey signs of these bytes: SHA-256(context, 0, bytes). */
export function challengeOf(context: string, bytes: Bytes): Promise<Bytes> {
  return sha256(concat(new TextEncoder().encode(context), new Uint8Array([0]), bytes));
}

// ---- what was asked, against what is to be signed ----

export interface Begun {
  challenge: string;
  rp_id: string;
  /** Passkeys that may sign. */
  allow?: string[];
  /** The one that must: its thumbprint stands in the bytes. */
  credential?: string;
  bytes?: string;
}

/** For whom: an agency by its id, or a guest by the number of the member. */
export type For = { agency: string } | { guest: number };

export type Wanted = For & Terms;

export interface Terms {
  kind: VisitKind;
  windows: readonly WeekWindow[];
  days: number;
  uses: number;
  per_day: number;
  dwell_ms: number;
  mode: GrantMode;
}

/** The house put something else before us than was asked. Nothing was signed; the code picks the words. */
export class NotAsAsked extends Error {
  constructor(
    readonly code: "sign_form" | "sign_challenge" | "sign_other" | "sign_passkey",
    readonly what: readonly string[] = [],
  ) {
    super(`${code} ${what.join(" ")}`.trim());
  }
}

/** The bytes, once the challenge is proven to be made of them and of nothing else. */
async function bytesOf(context: string, b: Begun): Promise<Bytes> {
  let bytes: Bytes;
  let challenge: Bytes;
  try {
    bytes = fromBase64url(b.bytes ?? "");
    challenge = fromBase64url(b.challenge);
  } catch {
    throw new NotAsAsked("sign_form");
  }
  if (bytes.length === 0) throw new NotAsAsked("sign_form");
  if (!isSame(await challengeOf(context, bytes), challenge)) throw new NotAsAsked("sign_challenge");
  return bytes;
}

/** The card that was opened: whose name and key the person saw. */
export interface Card {
  name: string;
  hosted: boolean;
  /** The first digits of the key's thumbprint; of a guest's passkey all of them. */
  key: string;
}

const windowText = (list: readonly WeekWindow[]): string => list.map((w) => `${w.from}+${w.minutes}`).join(" ");

/** Proves challenge and form, then compares each field with what was asked. `nowS`: the house's time. Throws NotAsAsked. */
export async function grantToSign(b: Begun, want: Wanted, card: Card, nowS: number): Promise<Grant> {
  const bytes = await bytesOf(GRANT, b);
  let g: Grant;
  try {
    g = readGrant(bytes);
  } catch {
    throw new NotAsAsked("sign_form");
  }
  const rows: [string, boolean][] = [
    ["name", g.name === card.name],
    ["hosted", g.isHosted === card.hosted],
    ["guest" in want ? "guest_key" : "key", card.key.length >= 16 && g.grantee.startsWith(card.key)],
    ["kind", g.kind === want.kind],
    ["windows", windowText(g.windows) === windowText(want.windows)],
    // From the midnight before now; a day and a bit, for clocks that were changed and days of 25 hours.
    ["days", g.toS - g.fromS === want.days * DAY_S && Math.abs(nowS - g.fromS) <= 2 * DAY_S],
    ["uses", g.uses === want.uses],
    ["per_day", g.perDay === want.per_day],
    ["dwell", g.dwellMs === want.dwell_ms],
    ["mode", g.mode === want.mode],
    // Nobody here can ask for another door or a weaker presence than the house's.
    ["door", g.door === 0],
  ];
  const wrong = rows.filter(([, ok]) => !ok).map(([name]) => name);
  if (wrong.length > 0) throw new NotAsAsked("sign_other", wrong);
  if (b.credential === undefined || b.credential === "") throw new NotAsAsked("sign_passkey");
  return g;
}

export type Asked = { act: string } & Record<string, unknown>;

/** As in enum dw_member_role. */
export const ROLES = ["", "owner", "occupant", "guest"];

/** What a control statement about `asked` must say. */
async function expected(a: Asked): Promise<{ target: string; value: string; name: string }> {
  const number = (n: unknown, digits = 32): string => Number(n).toString(16).padStart(digits, "0");
  const none = { target: number(0), value: number(0, 16), name: "" };
  switch (a.act) {
    case "invite":
      return { ...none, value: number(ROLES.indexOf(String(a.role)), 16), name: String(a.name) };
    case "remove_member":
      return { ...none, target: number(a.member) };
    case "remove_passkey":
    case "remove_invite":
      return { ...none, target: number(a.number) };
    case "set_param":
      return { ...none, value: number(a.value, 16), name: String(a.field) };
    case "allow_agency":
      return { ...none, target: String(a.id) };
    case "camera_key":
    case "lock_key": {
      const thumb = toHex(await thumbOf(fromHex(String(a.key))));
      return { ...none, target: thumb.slice(0, 32), value: thumb.slice(32, 48) };
    }
    default:
      return none;
  }
}

/** The same for every other act of the house. */
export async function controlToSign(b: Begun, asked: Asked): Promise<Control> {
  const bytes = await bytesOf(CONTROL, b);
  let c: Control;
  try {
    c = readControl(bytes);
  } catch {
    throw new NotAsAsked("sign_form");
  }
  const want = await expected(asked);
  const wrong = [
    ...(c.act === asked.act ? [] : ["act"]),
    ...(c.target === want.target ? [] : ["target"]),
    ...(c.value === want.value ? [] : ["value"]),
    ...(c.name === want.name ? [] : ["name"]),
  ];
  if (wrong.length > 0) throw new NotAsAsked("sign_other", wrong);
  return c;
}
