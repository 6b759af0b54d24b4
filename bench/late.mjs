// Camera packets stop: how soon the hub says "late", and in a visit how soon it acts.
import { until } from "../sim/demo/procs.mjs";
import { line, quantile, quickVisit, withStreet } from "./lib.mjs";

const RUNS = Number(process.env.DW_BENCH_RUNS ?? 25);
const QUIET_S = Number(process.env.DW_BENCH_QUIET_S ?? 60);
const LOSS_MS = 2000; // T_loss

// A street without a screen's frames: only the story is listened to.
await withStreet({ cameraSettings: { fps: 30 } }, async (street) => {
    const story = street.watch;
    const next = (test) => new Promise((r) => {
        const on = (m, at) => { if (test(m)) { story.off("story", on); r(at); } };
        story.on("story", on);
    });
    const live = () => until("a live camera", () => story.state?.camera === "live", 10000);
    const late = [];
    for (let i = 0; i < RUNS; i++) {
        await live();
        await new Promise((r) => setTimeout(r, 700)); // frames flow; the moment of the cut is any
        const heard = next((m) => m.kind === "camera_state" && ["late", "blind"].includes(m.word));
        const cut = performance.now();
        street.cameraAir.jam();
        late.push(await heard - cut);
        street.cameraAir.clear();
    }
    line("camera packets stop -> \"late\" told, p50", quantile(late, 0.5), "ms", 100, { runs: RUNS, peer: "best library watchdog", peer_value: 92 });
    line("camera packets stop -> \"late\" told, p95", quantile(late, 0.95), "ms", null, { runs: RUNS });

    await live();
    let falseOnes = 0;
    const count = (m) => { if (m.kind === "camera_state" && m.word === "late") falseOnes++; };
    story.on("story", count);
    await new Promise((r) => setTimeout(r, QUIET_S * 1000));
    story.off("story", count);
    line("false \"late\" while nothing was cut", falseOnes, `in ${QUIET_S} s`, null, {});
});

await withStreet({ cameraSettings: { fps: 30 }, params: { t_watch_ms: 1000 } }, async (street) => {
    const alarm = [];
    for (let i = 0; i < 6; i++) {
        await until("a live camera", () => street.watch.state?.camera === "live", 10000);
        await quickVisit(street, {
            inside: async () => {
                const heard = new Promise((r) => {
                    const on = (m, at) => { if (m.kind === "alarm") { street.watch.off("story", on); r(at); } };
                    street.watch.on("story", on);
                });
                const cut = performance.now();
                street.cameraAir.jam();
                alarm.push(await heard - cut);
                street.cameraAir.clear();
            },
        });
    }
    line("camera packets stop in a visit -> alarm and lock command, p50", quantile(alarm, 0.5), "ms", LOSS_MS + 100, { runs: alarm.length });
    line("camera packets stop in a visit -> alarm and lock command, worst", Math.max(...alarm), "ms", LOSS_MS + 100, { runs: alarm.length });
});
