// From the household's tap on "take back" to the first refusal, online: for a courier who stands at the door with every
// check passed, for the next one who asks, and until the service has heard of it and tells the agency.
import { Courier } from "../sim/demo/courier.mjs";
import { until } from "../sim/demo/procs.mjs";
import { line, quantile, withStreet } from "./lib.mjs";

const RUNS = Number(process.env.DW_BENCH_REVOKES ?? 25);
const LIMIT_MS = 10000; // p99 [protocol 6]

await withStreet({ params: { t_watch_ms: 1000 } }, async (street) => {
    const acme = { id: street.agencyId, name: "Acme Parcels", key: street.agencyKey, hosted: true, api: street.agency };
    const atDoor = [], answered = [], next = [], told = [];
    const scan = async () => {
        const job = await street.newJob(street.courier), c = new Courier(street, street.courier);
        return { job, c, ask: () => c.scan(job, job.parcels[0].barcode ?? job.parcels[0]) };
    };
    for (let i = 0; i < RUNS; i++) {
        const standing = await scan(), other = await scan();
        await until("a courier to be let ask", async () => { // a camera that is late for a moment is none of it
            await street.settled();
            await standing.ask();
            return standing.c.visit.state === "ready";
        }, 20000);
        const refused = new Promise((r) => {
            const on = (m, at) => {
                if (m.kind === "visit_refused" && m.visit === standing.c.visit.id) {
                    street.watch.off("story", on);
                    r(at);
                }
            };
            street.watch.on("story", on);
        });
        const tap = performance.now();
        const heard = until("the service to know it", async () => !(await street.agency.get(`/v1/homes/${street.home.id}`)).grant, 20000, 2)
            .then(() => performance.now());
        await street.member.post("/api/grants/revoke", { id: street.grant });
        answered.push(performance.now() - tap);
        await other.ask().catch((e) => { if (!e.problem) throw e; }); // at the service, or at the hub
        if (other.c.visit && !other.c.visit.outcome)
            throw new Error(`after the tap a visit is ${other.c.visit.state}`);
        next.push(performance.now() - tap);
        atDoor.push(await refused - tap);
        told.push(await heard - tap);
        street.grant = await street.giveKey(acme);
    }
    const say = (name, list, limit) => {
        line(`${name}, p50`, Number(quantile(list, 0.5).toFixed(1)), "ms", null, { runs: RUNS });
        line(`${name}, p99`, Number(quantile(list, 0.99).toFixed(1)), "ms", limit, { runs: RUNS });
    };
    say("tap on \"take back\" -> the courier at the door is refused", atDoor, LIMIT_MS);
    say("tap on \"take back\" -> on the hub's disk, confirmed", answered, null);
    say("tap on \"take back\" -> the next courier's question is refused", next, LIMIT_MS);
    say("tap on \"take back\" -> the service has heard of it", told, LIMIT_MS);
});
