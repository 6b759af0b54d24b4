// From the slide to the bolt, and from the closed door to "locked": the whole house, reference lock.
import { line, quantile, quickVisit, withStreet } from "./lib.mjs";

const VISITS = Number(process.env.DW_BENCH_VISITS ?? 40);

await withStreet({ cameraSettings: { fps: 30 }, params: { t_watch_ms: 1000 } }, async (street) => {
    const hub = [], camera = [], slide = [], close = [];
    let good = 0;
    for (let i = 0; i < VISITS; i++) {
        const v = await quickVisit(street);
        good += v.outcome === "OK";
        hub.push(v.at("visit_state", "looking") - v.at("visit_state", "recording"));
        camera.push(v.at("visit_state", "opening") - v.at("visit_state", "looking"));
        slide.push(v.courier.boltAt - v.courier.slidAt);
        close.push(v.at("secured") - v.courier.closedAt);
    }
    const runs = { runs: VISITS };
    line("request at the hub -> camera nonce out (record durable, lock asked), p50", quantile(hub, 0.5), "ms", 10, runs);
    line("request at the hub -> camera nonce out (record durable, lock asked), p99", quantile(hub, 0.99), "ms", 25, runs);
    line("camera nonce out -> retract sent (the camera's own time, 30 fps), p50", quantile(camera, 0.5), "ms", null, runs);
    line("slide -> bolt back (bolt travel 250 ms), p50", quantile(slide, 0.5), "ms", 500, runs);
    line("slide -> bolt back (bolt travel 250 ms), p95", quantile(slide, 0.95), "ms", 500, runs);
    line("door closed -> confirmed (settle 400 ms, travel 250 ms), p50", quantile(close, 0.5), "ms", 1000, runs);
    line("door closed -> confirmed (settle 400 ms, travel 250 ms), p95", quantile(close, 0.95), "ms", 1000, runs);
    line("quick visits that ended OK", good / VISITS, "share", null, runs);
});
