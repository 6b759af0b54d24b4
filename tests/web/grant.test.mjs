// What the household's page reads of the bytes that are signed, in node: the same objects as the hub's reader takes, nothing
// else, and every bit of them counts. And a week's windows in words.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { load } from "./load.mjs";

const { readGrant, readControl, challengeOf } = await load("shared/grant.ts");
const { decode } = await load("shared/cbor.ts");
const { weekLines, windowsOf, rowsOf, endText, spanText } = await load("shared/week.ts");
const here = dirname(fileURLToPath(import.meta.url));

/** The payloads that the hub's own writer made (tests/wire/golden.txt). */
function golden(kind) {
  return readFileSync(join(here, "../wire/golden.txt"), "utf8").split("\n").filter((l) => l.startsWith(`${kind} `))
    .map((l) => new Uint8Array(decode(new Uint8Array(Buffer.from(l.split(" ")[1], "hex"))).value[2]));
}
/** Every single flipped bit is refused, or reads otherwise: no two objects look the same. */
function everyBitCounts(read, bytes) {
  const text = JSON.stringify(read(bytes));
  let refused = 0;
  for (let i = 0; i < 8 * bytes.length; i++) {
    const b = bytes.slice();
    b[i >> 3] ^= 1 << (i & 7);
    let other;
    try {
      other = JSON.stringify(read(b));
    } catch {
      refused++;
      continue;
    }
    assert.notEqual(other, text, `bit ${i}`);
  }
  assert.ok(refused > bytes.length, "much of it is form");
}

test("grants of the hub's writer are read; each bit counts; each truncation is refused", () => {
  const all = golden("grant");
  assert.ok(all.length >= 4);
  for (const b of all) {
    const g = readGrant(b);
    assert.equal(g.windows.length >= 1 && g.toS > g.fromS && g.name.length > 0, true);
    everyBitCounts(readGrant, b);
    for (let n = 0; n < b.length; n += 7) assert.throws(() => readGrant(b.slice(0, n)));
    assert.throws(() => readControl(b));
  }
});

test("control statements of the hub's writer: each bit counts, and a number of a kind that is not known is refused", () => {
  const all = golden("control");
  assert.ok(all.length >= 4);
  let read = 0;
  for (const b of all) {
    assert.throws(() => readGrant(b));
    // The samples have acts and values that no page asks for; with those that one does, they are read.
    const at = Buffer.from(b).indexOf("3a0001128f", 0, "hex") + 5;
    const size = b[at] === 0x18 ? 2 : 1;
    const value = Buffer.from(b).indexOf("3a00011291", 0, "hex") + 5;
    const head = b[value] & 31;
    const more = head < 24 ? 0 : 1 << (head - 24);
    const made = new Uint8Array(Buffer.concat([b.subarray(0, at), Buffer.from([3]), b.subarray(at + size, value), Buffer.from([0x18, 0x99]), b.subarray(value + 1 + more)]));
    assert.equal(readControl(made).act, "unlock");
    assert.equal(readControl(made).value, "0000000000000099");
    everyBitCounts(readControl, made);
    read++;
  }
  assert.equal(read, all.length);
});

test("a challenge is of its context and of its bytes", async () => {
  const hex = (b) => Buffer.from(b).toString("hex");
  // sha256("doorward/grant/1" 00 "abc")
  const { createHash } = await import("node:crypto");
  assert.equal(hex(await challengeOf("doorward/grant/1", new Uint8Array([97, 98, 99]))), createHash("sha256").update("doorward/grant/1\0abc").digest("hex"));
  assert.notEqual(hex(await challengeOf("doorward/control/1", new Uint8Array([97, 98, 99]))), hex(await challengeOf("doorward/grant/1", new Uint8Array([97, 98, 99]))));
});

test("windows of a week in words: nothing is left out, and nothing is called less than it is", () => {
  const w = (day, from, minutes) => ({ from: day * 1440 + from, minutes });
  const days = (list, from, minutes) => list.map((d) => w(d, from, minutes));
  for (const [list, words] of [
    [days([0, 1, 2, 3, 4], 480, 600), ["Monday to Friday, 08:00 to 18:00"]],
    [days([0, 1, 2, 3, 4, 5, 6], 0, 1440), ["Every day, all day"]],
    [days([5, 6], 540, 61), ["Saturday and Sunday, 09:00 to 10:01"]],
    [days([0, 2, 3, 4], 0, 1), ["Monday, Wednesday, Thursday, and Friday, 00:00 to 00:01"]],
    [[w(0, 480, 60), w(0, 600, 60), w(1, 480, 60)], ["Monday and Tuesday, 08:00 to 09:00", "Monday, 10:00 to 11:00"]],
    [[w(4, 1320, 480)], ["Friday 22:00 to Saturday 06:00"]],
    [[w(6, 1320, 480)], ["Sunday 22:00 to Monday 06:00"]],
    [days([4, 6], 1320, 480), ["Friday 22:00 to Saturday 06:00", "Sunday 22:00 to Monday 06:00"]],
    [days([0, 1, 2, 3, 4, 5, 6], 1320, 480), ["Every day, 22:00 to 06:00 the next day"]],
    [[...days([0, 1, 2], 1320, 480), w(5, 600, 60)], ["Saturday, 10:00 to 11:00", "Monday to Wednesday, 22:00 to 06:00 the next day"]],
    [[w(1, 600, 1440)], ["Tuesday 10:00 to Wednesday 10:00"]],
    [[w(0, 0, 2880)], ["Monday 00:00 to Tuesday 24:00 (48 hours)"]],
    [[w(3, 60, 10080)], ["All week, day and night"]],
    [[w(3, 60, 10079)], ["Thursday 01:00 to Thursday 00:59 (168 hours)"]],
  ]) assert.deepEqual(weekLines(list), words);
  assert.deepEqual(windowsOf(rowsOf([6], "18:00", "00:00")), [w(6, 1080, 360)]);
  for (const [from, to] of [["10:00", "10:00"], ["", "10:00"], ["10:00", ""]]) assert.equal(windowsOf(rowsOf([1], from, to)), null, `${from}-${to}`);
  assert.equal(windowsOf(rowsOf([], "10:00", "11:00")), null);
  // A night is one window: Monday's ends on Tuesday, Sunday's on Monday, round the end of the week.
  assert.deepEqual(windowsOf(rowsOf([0, 6], "22:00", "06:00")), [w(0, 1320, 480), w(6, 1320, 480)]);
  assert.deepEqual(windowsOf(rowsOf([2], "00:01", "00:00")), [w(2, 1, 1439)]);
  assert.deepEqual(windowsOf(rowsOf([2], "00:00", "00:00")), [w(2, 0, 1440)]);
  assert.deepEqual(windowsOf(rowsOf([2], "10:00", "09:59")), [w(2, 600, 1439)]);
});

test("an end at midnight is the end of the day before, in the zone of the home", () => {
  const at = Date.UTC(2026, 10, 30, 0, 0);
  assert.equal(endText(at, "UTC"), "Sunday, November 29, 2026, midnight at its end");
  assert.equal(endText(at, "Europe/Berlin"), "Monday, November 30, 2026, 01:00");
  assert.equal(endText(at - 3600e3, "Europe/Berlin"), "Sunday, November 29, 2026, midnight at its end");
  assert.match(endText(at, "No/Where"), /UTC/);
  assert.deepEqual([30000, 60000, 120000, 180000, 8 * 3600e3].map(spanText), ["30 s", "60 s", "2 min", "3 min", "8 h"]);
});
