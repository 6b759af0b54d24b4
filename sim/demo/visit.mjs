// One delivery, honest or with a drill, from the order to the receipt.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { Courier, isOver } from "./courier.mjs";
import { DRILLS } from "./drills.mjs";
import { playHostile } from "./hostile.mjs";
import { sleep, until } from "./procs.mjs";
import { Truth } from "./truth.mjs";
import { PERSON } from "./world.mjs";

const CALM = ["NONE", null, undefined];

// options: drill (name), phase ("during" or "before"), tell(text), onStory(line), onAttack()
export async function playVisit(street, options = {}) {
    const drill = options.drill ? DRILLS[options.drill] : {};
    if (drill.isHostile)
        return playHostile(street, options.drill, options);
    const before = options.phase === "before";
    const tell = options.tell ?? (() => {});
    let cutAt;
    const d = {
        s: street, drill, tell, result: {},
        get cutAt() { return cutAt; },
        set cutAt(at) { // the moment of the attack
            cutAt = at;
            options.onAttack?.();
        },
    };
    await street.settled();
    d.truth = new Truth(street);
    const began = performance.now(), beganUtc = Date.now();
    const story0 = street.watch.story.length;
    const storySince = () => street.watch.story.slice(story0);
    const alarms = [];
    const onStory = (m, at) => {
        if (m.kind === "alarm" && !m.past)
            alarms.push({ alarm: m.word, at });
        options.onStory?.(m);
    };
    const onState = (m, at) => { // a screen that joins late learns of an alarm from the state
        for (const a of m.alarms ?? [])
            if (!alarms.some((x) => x.alarm === a.code))
                alarms.push({ alarm: a.code, at });
    };
    street.watch.on("story", onStory);
    street.watch.on("state", onState);
    d.alarmed = (code, ms) => until(`the alarm ${code}`, () => alarms.find((a) => a.alarm === code), ms, 5);

    const visitor = drill.visitor ? await street.newVisitor("Robin", drill.visitor) : street.courier;
    d.job = await street.newJob(visitor, drill.job);
    d.barcode = d.job.parcels[0].barcode ?? d.job.parcels[0];
    tell("the agency's own key has signed this visit and the courier's shift; the hub checked both");
    if (drill.deliversFirst) {
        tell("first, the honest delivery");
        await honest(street, new Courier(street, visitor), d.job, d.barcode);
    }
    d.courier = new Courier(street, drill.stranger ? await street.newVisitor("Somebody") : visitor);
    if (drill.record)
        await street.corruptCamera();
    await drill.arrives?.(d);
    if (before && drill.before) {
        await drill.before(d);
        await sleep(drill.settle);
    }

    const firstAlarm = alarms.length;
    if (drill.refuses)
        options.onAttack?.();
    const scanning = drill.scan ? drill.scan(d) : d.courier.scan(d.job, d.barcode);
    tell("the courier scans the parcel");
    await scanning;
    if (!isOver(d.courier.visit) && d.courier.visit.state !== "refused") {
        await sleep(600 * ((street.o.pace ?? 1) - 1)); // the phone is read first
        tell("the hub's signed offer holds; the courier slides to open, and the courier's passkey signs this one stop");
        if (drill.record && !before)
            await sleep(200);
        await d.courier.slide();
        await d.courier.boltBack().catch(() => {});
        if (!isOver(d.courier.visit) && street.world.get("bolt_permille") === 0)
            await inAndOut(d, drill, tell, before);
        await d.courier.follow(isOver, 60000);
    }
    d.truth.told("courier's phone", d.courier.visit);
    const first = d.courier.visit;

    if (drill.locksItself)
        await until("the bolt, out by the lock's own rules", () => street.world.isLocked(), 25000);
    if (drill.heal)
        await drill.heal(d);
    if (drill.confirms) {
        await until("the late confirmation", async () => {
            const v = await d.courier.v.api.get(`/v1/visits/${first.id}`);
            d.courier.visit = v;
            return v.receipt?.confirmed_later;
        }, 15000, 100);
        d.result.confirmed = true;
    }
    if (drill.ended)
        await drill.ended(d);
    if (before && drill.after)
        await drill.after(d);
    d.truth.pictureBack();
    if (drill.leavesOpen) {
        tell("later, somebody pulls the door shut");
        await street.world.moveDoor(0, 300);
        await until("the bolt to be out", () => street.world.isLocked(), 10000);
    }
    street.world.set("person", PERSON.none);
    await until("the visit to be over at the hub", () =>
        CALM.includes(street.watch.state?.visit_state) || ["none", "watch"].includes(street.watch.state?.visit_state),
        15000).catch(() => {});
    const folder = recordingOf(street, d.courier.visit.id);
    await until("the story to name every segment of the recording", () => !folder || isWhole(folder, storySince()), 5000).catch(() => {});
    street.watch.off("story", onStory);
    street.watch.off("state", onState);

    const c = d.courier;
    const heard = storySince();
    const when = (kind, word) => heard.find((m) => m.kind === kind && (!word || m.word === word))?.heard;
    const ms = (a, b) => (a !== undefined && b !== undefined && b >= a ? Math.round(b - a) : null);
    const alarm = drill.alarm ? alarms.find((a) => a.alarm === drill.alarm) : null;
    return {
        outcome: first.outcome === "REFUSED" || first.state === "refused" ? "REFUSED" : first.outcome,
        check: first.check?.code ?? null,
        says: first.check?.text ?? null,
        drill: options.drill ?? null,
        phase: options.drill ? (drill.refuses || before ? "before" : "during") : null,
        states: [...heard.filter((m) => m.kind === "visit_state")
            .map((m) => ({ state: m.word, ms: Math.round(m.heard - began), utc_ms: m.utc_ms }))],
        courier: c.seen.map((x) => ({ state: x.outcome ?? x.state, ms: Math.round(x.at - began) })),
        ms: {
            request_to_bolt: ms(c.slidAt, c.boltAt),
            close_to_secured: ms(c.closedAt, when("secured")),
            scan_to_ready: ms(c.scannedAt, c.seen.find((x) => x.state === "ready")?.at),
            nonce_to_retract: ms(when("visit_state", "looking"), when("visit_state", "opening")),
            first_frame_to_unlock: ms(when("visit_state", "ready"), when("visit_state", "unlocked")),
            alarm: alarm && cutAt !== undefined ? ms(cutAt, alarm.at) : null,
        },
        frames: {
            verified: street.watch.state?.frames ?? 0,
            recorded: framesIn(heard),
        },
        alarms: [...new Set(alarms.slice(firstAlarm).map((a) => a.alarm))],
        recording: folder,
        receipt: c.visit.receipt ?? null,
        late_by_ms: d.healedAt && first.receipt?.secured ? d.healedAt - Date.parse(first.receipt.secured.time) : undefined,
        door_locked: street.world.isLocked(),
        visit: c.visit.id,
        began_utc_ms: beganUtc,
        ...d.result,
        lies: d.truth.stop(),
    };
}

async function inAndOut(d, drill, tell, before) {
    const c = d.courier;
    if (drill.opened)
        await drill.opened(d);
    tell("the bolt is back; the courier goes in");
    await c.goIn();
    await c.drop();
    if (drill.inside && !before)
        await drill.inside(d);
    if (drill.staysInside) {
        tell("the door falls shut; the courier is still inside");
        await c.closeDoor();
    } else {
        await c.goOut();
        if (drill.leavesOpen) {
            tell("the courier walks off; the door stands ajar");
            d.cutAt = performance.now();
            c.walkAway();
            return;
        }
        if (!drill.closesItself) {
            tell("the parcel is in the hall; the courier closes the door");
            await c.closeDoor();
        } else {
            c.closedAt = performance.now();
        }
        if (drill.after && !before)
            await drill.after(d);
    }
    if (drill.closed)
        await drill.closed(d);
}

async function honest(street, courier, job, barcode) {
    await courier.scan(job, barcode);
    await courier.slide();
    await courier.boltBack();
    await courier.goIn();
    await courier.drop();
    await courier.goOut();
    await courier.closeDoor();
    await courier.follow(isOver);
    courier.walkAway();
}

const framesIn = (story) => story.filter((m) => m.kind === "segment").reduce((n, m) => n + m.ms, 0);

function isWhole(folder, story) {
    const file = path.join(folder, "visit.json");
    return existsSync(file) && JSON.parse(readFileSync(file, "utf8")).frames === framesIn(story);
}

function recordingOf(street, visitId) {
    const base = street.at("recordings");
    if (!existsSync(base))
        return null;
    const names = readdirSync(base).filter((n) => n.startsWith("visit-")).sort();
    const own = names.find((n) => n.includes(String(visitId)));
    return own ? path.join(base, own) : null;
}
