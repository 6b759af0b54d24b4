// Attacks and mishaps, rehearsed. Each drill changes the world or the air at one moment of a visit.
//
// needs: core parameters, tightened so that nobody waits minutes. before: runs ahead of the scan.
// at.*: run at that moment. over: how the visit may end. alarm: which alarm must come.
import { Air } from "./air.mjs";
import { Site } from "./api.mjs";
import { decode, isSignedBy, thumbOf } from "./authority.mjs";
import { Person } from "./people.mjs";
import { LENS } from "./world.mjs";
import { sleep, until } from "./procs.mjs";

const payloadOf = (object) => decode(decode(object).value[2]);
const hubOf = (visit) => payloadOf(Buffer.from(visit.manifest, "base64url")).get(3); // as the agency signed it
const GAP = ["SECURED_WITH_GAP", "SECURED_TAMPERED"];

function camera(cut, heal, { outcomes = GAP, alarm, refusals, hold = 4200, tells = "picture" }) {
    return {
        inside: async (d) => {
            d.cutAt = performance.now();
            await cut(d);
            if (tells === "picture")
                d.truth.pictureEnds();
            await d.alarmed(alarm, 12000);
            await sleep(Math.max(0, hold - (performance.now() - d.cutAt)));
        },
        after: async (d) => { d.truth.pictureBack(); await heal(d); },
        before: async (d) => { d.cutAt = performance.now(); await cut(d); if (tells === "picture") d.truth.pictureEnds(); },
        settle: refusals.settle ?? 0,
        outcomes, alarm, refusals: refusals.codes,
    };
}

const flap = {
    on(d) {
        let off = false;
        d.s.cameraAir.jam();
        d.flapper = setInterval(() => {
            off = !off;
            if (off) d.s.cameraAir.clear(); else d.s.cameraAir.jam();
        }, 1000);
    },
    off(d) { clearInterval(d.flapper); d.s.cameraAir.clear(); },
};

export const DRILLS = {
    "camera-cut": { title: "Somebody jams the camera", ...camera((d) => d.s.cameraAir.jam(), (d) => d.s.cameraAir.clear(),
        { alarm: "camera_blind", outcomes: ["SECURED_WITH_GAP"], refusals: { codes: ["camera_not_live"], settle: 2300 } }) },
    "camera-flap": { title: "The camera is knocked off every other second", ...camera((d) => flap.on(d), (d) => flap.off(d),
        { alarm: "camera_blind", outcomes: ["SECURED_WITH_GAP"], tells: "flap", hold: 6000,
            refusals: { codes: ["camera_not_live"], settle: 4300 } }) },
    "camera-frozen": { title: "The camera shows one picture again and again", ...camera((d) => d.s.world.set("lens", LENS.frozen), (d) => d.s.world.set("lens", LENS.clear),
        { alarm: "camera_frozen", outcomes: ["SECURED_TAMPERED"], refusals: { codes: ["camera_frozen"], settle: 2200 } }) },
    "camera-replay": { title: "A camera in other hands plays old signed pictures again", record: true, ...camera((d) => d.s.liar.replay(), (d) => d.s.mendCamera(),
        { alarm: "camera_tampered", outcomes: ["SECURED_TAMPERED"],
            refusals: { codes: ["camera_tampered", "camera_not_live"], settle: 300 } }) },

    "lock-blocked": {
        title: "No command reaches the lock after the unlock", needs: { t_unheard_ms: 6000 },
        opened: (d) => { d.cutAt = performance.now(); d.s.lockAir.jam(); }, outcomes: ["SECURED_UNCONFIRMED"], alarm: "lock_silent",
        locksItself: true, heal: (d) => d.s.lockAir.clear(), confirms: true,
    },
    "camera-and-lock-cut": {
        title: "Every radio is jammed at once", needs: { t_unheard_ms: 6000 },
        opened: (d) => { d.cutAt = performance.now(); d.s.lockAir.jam(); d.s.cameraAir.jam(); d.truth.pictureEnds(); },
        outcomes: ["SECURED_UNCONFIRMED"], alarm: "camera_blind", locksItself: true,
        heal: (d) => { d.truth.pictureBack(); d.s.lockAir.clear(); d.s.cameraAir.clear(); }, confirms: true,
    },
    "wan-cut": {
        title: "The Internet goes down during the visit",
        opened: (d) => { d.cutAt = performance.now(); d.s.wan.jam(); d.wanAt = Date.now(); }, outcomes: ["OK"],
        closed: async (d) => {
            await until("the hub to see it locked", () => d.s.watch.story.some((x) => x.kind === "visit_ended"), 15000);
            await sleep(1500);
            d.healedAt = Date.now();
            d.s.wan.clear();
        },
    },
    "courier-no-signal": {
        title: "No mobile data at the door", outcomes: ["OK"],
        // Page, passkey and today's stops are on the phone; at the door nothing comes back over mobile data.
        arrives: async (d) => {
            const { origin, host, port, ca } = d.s.serviceSite, way = async (name) => {
                const air = new Air(name, { host, port });
                await air.open();
                return air;
            };
            d.mobile = await way("mobile");
            d.guest = await way("guest Wi-Fi");
            d.phone = new Site({ origin, base: "/v1", port: d.mobile.port, ca, patienceMs: 1500 });
            const person = Object.assign(new Person(d.phone), { csrf: d.courier.v.api.csrf, passkeys: d.courier.v.api.passkeys });
            person.cookies = new Map(d.courier.v.api.cookies);
            d.courier.v = { ...d.courier.v, api: person };
            d.mobile.jam();
            d.cutAt = performance.now();
            d.courier.onSilence = () => {
                if (d.phone.port === d.guest.port)
                    return;
                d.tell("no answer over mobile data; the phone joins the home's guest network and asks the same again");
                d.phone.goOver({ host: "127.0.0.1", port: d.guest.port });
                d.result.over = "guest network";
            };
        },
        // The hub's own word that it is done, checked on the phone.
        ended: async (d) => {
            const v = d.courier.visit, { hub_pub, receipt } = await d.courier.v.api.get(`/v1/visits/${v.id}/receipt`);
            const pub = Buffer.from(hub_pub, "base64url"), object = Buffer.from(receipt, "base64url"), m = payloadOf(object);
            d.result.receipt_holds = isSignedBy(pub, "receipt", object) && thumbOf(pub).equals(hubOf(v)) &&
                m.get(-70220).toString("hex") === d.courier.nonce;
            d.mobile.close();
            d.guest.close();
        },
    },
    "walk-off": {
        title: "The courier leaves the door ajar", needs: { t_dwell_ms: 3000, t_release_ms: 4000 },
        leavesOpen: true, outcomes: ["NOT_SECURED"], alarm: "held_open",
    },
    "reopen": {
        title: "Somebody tries the door again after it has locked", outcomes: ["OK"],
        ended: async (d) => { d.result.second_opening = d.s.world.tryDoor(300) ? "possible" : "impossible"; },
    },
    "stays-inside": {
        title: "The courier lets the door fall shut and stays inside", outcomes: ["OK"], staysInside: true,
        ended: async (d) => {
            d.s.world.set("handle_inside", 1);
            await until("the bolt to be withdrawn by the handle", () => d.s.world.get("bolt_permille") === 0, 4000);
            d.cutAt = performance.now();
            await d.s.world.moveDoor(800, 300);
            d.s.world.set("handle_inside", 0);
            await d.alarmed("someone_inside", 4000);
            await d.s.world.moveDoor(0, 300);
            await until("the door to lock again", () => d.s.world.isLocked(), 8000);
        }, alarm: "someone_inside",
    },
    "hub-kill": {
        title: "The hub's guard is killed in the middle", outcomes: ["ABORTED"],
        inside: async (d) => {
            d.cutAt = performance.now();
            process.kill(d.s.guardPid(), "SIGKILL");
            await until("the hub to be back", () => d.s.watch.state?.alarms?.some((a) => a.code === "restarted") ||
                d.s.watch.story.some((x) => x.kind === "alarm" && x.word === "restarted"), 15000);
        }, alarm: "restarted", locksItself: true,
    },
    "power-cut": {
        title: "The power of the whole house fails in the middle", outcomes: ["ABORTED"],
        inside: async (d) => {
            d.cutAt = performance.now();
            const pids = [...d.s.hubPids().map((c) => c.pid), d.s.procs.guard.pid, d.s.procs.lock.pid, d.s.procs.camera.pid];
            for (const pid of [d.s.procs.guard.pid, ...pids])
                try { process.kill(pid, "SIGKILL"); } catch { /* gone already */ }
            await Promise.all(["guard", "lock", "camera"].map((n) => d.s.procs[n].exited));
            await d.s.world.moveDoor(0, 300); // it falls shut in the dark
            await d.s.startCamera();
            await d.s.startLock();
            await d.s.bootHub();
        }, alarm: "restarted", locksItself: true, closesItself: true,
    },

    "wrong-parcel": { title: "A parcel of another stop", refuses: ["wrong_parcel"],
        scan: (d) => d.courier.scan(d.job, "3SNOTFORHERE0001") },
    "wrong-door": { title: "The sticker of another door", refuses: ["wrong_door"],
        scan: (d) => d.courier.scan(d.job, d.barcode, { door_code: "NOT-THIS-DOOR" }) },
    "too-early": { title: "Two days before the window", refuses: ["too_early"], job: { early: true } },
    "expired-screening": { title: "A courier whose screening ran out", refuses: ["screening"], visitor: { expired: true } },
    "cloned-barcode": { title: "A copy of a barcode that was delivered already", refuses: ["parcel_used"], deliversFirst: true },
    "hostile-service": { title: "The service itself turns hostile, with every key that it has", isHostile: true },
    "hostile-agency": { title: "An agency goes beyond its key", isHostile: true },
    "stolen-phone": { title: "Somebody has the courier's phone, then the household's", isHostile: true },
    "replay": { title: "Everything that was ever sent comes again", isHostile: true },
    "restored-backup": { title: "The hub's disk of yesterday is put back", isHostile: true },
    "clock-jump": { title: "The hub's clock is turned", isHostile: true },
    "revoked-while-offline": { title: "A key is taken back while the line is cut", isHostile: true, needs: { t_rev_ms: 60000 } },
    "stranger": { title: "A stranger with a photograph of the label", refuses: ["not_assigned", "no_such_job"], stranger: true },
};
