// Another camera in the place of the enrolled one: it shows nothing until an owner enrols its key, with somebody at
// the hub. The real programs, the street of sim/demo.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import test from "node:test";
import { makeKey } from "../../sim/demo/keys.mjs";
import { pressButton } from "../../sim/demo/presence.mjs";
import { until } from "../../sim/demo/procs.mjs";
import { Street } from "../../sim/demo/street.mjs";

test("another camera is blind until an owner enrols it", async () => {
    const folder = mkdtempSync(path.join(process.env.TMPDIR ?? os.tmpdir(), "dw-devices-"));
    const street = new Street({ build: process.env.DW_BUILD, folder });
    let pub;
    const swap = async () => {
        await street.procs.camera.end();
        for (const name of ["camera.key", "camera.key.pub"])
            rmSync(street.at(name));
        pub = Buffer.from(makeKey(street.at("camera.key"))).toString("hex");
        await street.startCamera();
    };
    try {
        await street.start();
        const { camera_pub: first, camera_session: session } = street.watch.state;
        assert.equal(street.watch.state.camera, "live");
        assert.match(session, /^[0-9a-f]+$/);
        await swap();
        await until("the camera to be blind", () => street.watch.state.camera === "blind", 10000);
        assert.equal(street.watch.state.camera_pub, first);

        await assert.rejects(street.member.act("camera_key", { key: pub }), (e) => e.code === "presence" || /presence/.test(e.message));
        pressButton(street.libexec, street.hubConf);
        await street.member.act("camera_key", { key: pub });
        await until("the new camera to be live", () => street.watch.state.camera === "live", 15000);
        assert.equal(street.watch.state.camera_pub, pub);
        assert.notEqual(street.watch.state.camera_session, session);

        // The settings file names whatever it likes now: after a restart the enrolled key counts.
        const enrolled = pub;
        await swap(); // writes another camera.key.pub, which is what the settings name
        await street.procs.guard.end();
        await street.bootHub();
        await until("the hub to say whom it believes", () => street.watch.state?.camera_pub === enrolled, 10000);
        assert.notEqual(street.watch.state.camera, "live");
    } finally {
        await street.stop();
        rmSync(folder, { recursive: true, force: true });
    }
});
