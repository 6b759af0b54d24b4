// A Zigbee lock over the real Zigbee2MQTT: from the slide to the bolt, from the closed door to "locked".
import { line, quantile, quickVisit, withStreet } from "./lib.mjs";

const VISITS = Number(process.env.DW_BENCH_ZIGBEE ?? 12);
await withStreet({ lock: "yale", params: { t_watch_ms: 1000 } }, async (street) => {
    const slide = [], close = [];
    for (let i = 0; i < VISITS; i++) {
        const v = await quickVisit(street);
        slide.push(v.courier.boltAt - v.courier.slidAt);
        close.push(v.at("secured") - v.courier.closedAt);
    }
    line("Zigbee2MQTT: slide -> bolt back, p50", Math.round(quantile(slide, 0.5)), "ms", null, { runs: VISITS });
    line("Zigbee2MQTT: door closed -> confirmed by read-back, p95", Math.round(quantile(close, 0.95)), "ms", 3000, { runs: VISITS });
});
