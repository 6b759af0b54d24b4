// What the household wishes of a delivery, from its own hub to the agency's and the courier's eyes: the real guard,
// broker and service. No camera and no lock: no door is asked about.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { freePort, until } from "../../sim/demo/procs.mjs";
import { civilNow } from "../../sim/demo/street.mjs";
import { Quiet } from "./quiet.mjs";

const street = new Quiet("wishes");
const wish = (word, more) => street.member.post("/api/wish", { wish: word, ...more });
const job = (id, api = street.agency) => api.get(`/v1/jobs/${id}`);
const arrives = (what, id, fits, api) => until(what, async () => { const j = await job(id, api); return fits(j) && j; }, 10000, 20);
const shown = async (id) => (await street.member.get("/api/jobs")).jobs.find((j) => j.id === id);

before(() => street.start());
after(() => street.stop());

test("a delivery is declined, and accepted again", async () => {
    const { id } = await street.newJob(street.courier);
    assert.equal((await job(id)).wished, null);
    await wish("decline", { id });
    await arrives("declined", id, (j) => j.wished === "decline" && j.state === "declined");
    assert.equal((await shown(id)).state, "declined");
    await wish("accept", { id });
    await arrives("accepted", id, (j) => j.wished === "accept" && j.state === "open");
    assert.equal((await job(id, street.courier.api)).wished, "accept");
    assert.equal((await shown(id)).state, "expected");
});

test("another place, another time; the agency's new window answers", async () => {
    const { id } = await street.newJob(street.courier);
    await wish("place", { id, place: "garage" });
    await arrives("the place", id, (j) => j.place === "garage");
    assert.equal((await shown(id)).place, "garage");
    const window = { date: civilNow("Europe/Amsterdam", 1).date, from: "10:00", to: "12:00" };
    await wish("move", { id, ...window });
    const asked = await arrives("another time", id, (j) => j.wished === "move");
    assert.deepEqual(asked.wished_window, window);
    await street.agency.patch(`/v1/jobs/${id}`, { window });
    await until("the new window at the hub", async () => { const j = await shown(id); return j.date === window.date && j.from === "10:00" && j.to === "12:00"; });
    assert.deepEqual((({ wished, place }) => [wished, place])(await job(id)), [null, "garage"]);
});

test("notes reach the courier of the day, and nobody else", async () => {
    const { id } = await street.newJob(street.courier);
    const until_day = civilNow("Europe/Amsterdam").date;
    await wish("note", { note: "pets", text: "A dog, friendly: Zoë", until: until_day });
    await wish("note", { note: "alarm", text: "keypad on the left", until: until_day, id });
    const seen = await arrives("both notes", id, (j) => j.house_notes.length === 2, street.courier.api);
    assert.deepEqual(seen.house_notes, [{ kind: "pets", text: "A dog, friendly: Zoë", until: until_day }, { kind: "alarm", text: "keypad on the left", until: until_day }]);
    assert.deepEqual((await job(id)).house_notes, []);
});

test("what is wished while the line is down arrives with the line, newest last", async () => {
    const { id } = await street.newJob(street.courier);
    street.wan.lead(await freePort()); // where nobody listens
    await until("the hub to know", () => street.watch.state.link === false, 15000);
    await wish("decline", { id });
    await wish("accept", { id });
    await wish("place", { id, place: "neighbour" });
    assert.deepEqual((({ wished, place }) => [wished, place])(await job(id)), [null, null]);
    street.wan.lead(street.brokerPort);
    const seen = await arrives("both", id, (j) => j.wished === "accept" && j.place === "neighbour");
    assert.equal(seen.state, "open");
});

test("an agency that is stopped is stopped at the service", async () => {
    const states = async () => (await street.owner.get(`/v1/homes/${street.home.id}/grants`)).items.map((g) => g.state);
    const { id } = await street.newJob(street.courier);
    await wish("stop_agency", { id: street.agencyId });
    await until("the service to have stopped it", async () => (await states()).every((s) => s === "stopped"));
    await until("its deliveries to be taken from the hub", async () => (await shown(id)).state === "recalled");
    await assert.rejects(street.newJob(street.courier), (e) => e.problem?.code === "no_grant");
});
