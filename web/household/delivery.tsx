// One delivery: accept, decline, another place, another window; and notes for everybody who comes.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { t } from "../shared/strings";
import { Button, Field, Mark, ProblemNote, useAsking } from "../shared/ui";
import { Who } from "./cards";
import { Page } from "./frame";
import { type House, useHouse } from "./house";
import { civilDay, civilOf, jobTitle, jobWord } from "./words";

const PLACES = ["hall", "garage", "parcel_box", "locker", "neighbour", "doorstep"];
const NOTES = ["pets", "alarm", "extra_lock", "other"];

export function DeliveryPage({ house, id }: { house: House; id: string }): JSX.Element {
  useHouse(house, "jobs", "me");
  const job = house.lists.jobs?.find((j) => j.id === id);
  const [date, setDate] = useState("");
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [said, setSaid] = useState("");
  const asking = useAsking();
  const back = { href: "#/today", text: t("home.nav.today") };
  if (!job) {
    return <Page house={house} title={t("home.delivery")} back={back}>{house.lists.jobs ? <p class="card card-body">{t("home.delivery.gone")}</p> : house.failed.jobs ? <ProblemNote error={house.failed.jobs} /> : <p class="dim" role="status">{t("home.loading")}</p>}</Page>;
  }
  const wish = (what: { wish: string } & Record<string, unknown>, done: string): void => {
    setSaid("");
    void asking.run(async () => {
      await house.wish({ ...what, id: job.id });
      setSaid(done);
    });
  };
  const isOn = job.state === "expected";
  const isDeclined = job.state === "declined";
  const word = jobWord(job);
  // Its key asks each time: without a yes the door stays shut.
  const isAsking = word === "asks";
  const isPlain = word === "expected";
  const isWindowOk = date !== "" && from !== "" && to !== "" && from < to;
  return (
    <Page house={house} title={jobTitle(job)} back={back}>
      <div class="cols">
        <div class="col">
          <article class="card card-body stack">
            <div class="row row-top"><Mark kind={isPlain ? "plan" : "notice"} icon={isAsking ? "ask" : isPlain ? "box" : "stop"} /><div class="grow"><p class="state" role="status">{t(`home.job.state.${word}`)}</p><p class="who"><Who v={job} /></p></div></div>
            <dl class="times">
              <div><dt class="cap">{civilDay(job.date, house.now())}</dt><dd class="time">{job.from}-{job.to === "00:00" ? "24:00" : job.to}</dd></div>
              <div><dt class="cap">{t("home.job.where")}</dt><dd>{job.place ? t(`home.place.${job.place}`) : (job.door ?? t("home.place.hall"))}</dd></div>
              {job.kind === "drop" ? <div><dt class="cap">{t("home.job.count")}</dt><dd class="time">{job.parcels_used} / {job.parcels}</dd></div> : null}
            </dl>
            {job.notes ? <p class="reason">{job.notes}</p> : null}
            {job.guest == null ? <p class="small dim">{job.screening.issuer ? t("home.screening", { issuer: job.screening.issuer, until: civilDay(job.screening.to, house.now()) }) : t("home.screening.none")}</p> : null}
            <p role="status" class={said ? "said" : "vh"}>{said}</p>
            <ProblemNote error={asking.error} />
            <div class="acts">
              {isAsking ? <Button kind="ink" icon="tick" busy={asking.busy} onClick={() => wish({ wish: "accept" }, t("home.wish.accepted"))}>{t("home.wish.yes")}</Button> : null}
              {isDeclined ? <Button kind="ink" busy={asking.busy} onClick={() => wish({ wish: "accept" }, t("home.wish.accepted"))}>{t("home.wish.accept")}</Button> : null}
              {isOn ? <Button busy={asking.busy} onClick={() => wish({ wish: "decline" }, t("home.wish.declined"))}>{t(job.mode !== "veto" ? "home.wish.decline" : job.date === civilOf(house.now()) ? "home.wish.nottoday" : "home.wish.notnow")}</Button> : null}
            </div>
            {isAsking ? <p class="cap">{t("home.wish.yes.say")}</p> : null}
            {isOn ? <p class="cap">{t("home.wish.decline.say")}</p> : null}
          </article>
        </div>
        {job.guest == null && (isOn || isDeclined) ? (
          <div class="col">
            <section class="card sect" aria-labelledby="place-title">
              <h2 id="place-title">{t("home.place.title")}</h2>
              <div class="places" role="group" aria-labelledby="place-title">
                {PLACES.map((p) => <button key={p} type="button" class="btn btn-small" aria-pressed={(job.place ?? "hall") === p} aria-disabled={asking.busy ? "true" : undefined} onClick={() => { if (!asking.busy && (job.place ?? "hall") !== p) wish({ wish: "place", place: p }, t("home.wish.placed", { place: t(`home.place.${p}`) })); }}>{t(`home.place.${p}`)}</button>)}
              </div>
              <p class="cap gap">{t("home.place.say")}</p>
            </section>
            <section class="card sect" aria-labelledby="move-title">
              <h2 id="move-title">{t("home.move.title")}</h2>
              <form class="stack" onSubmit={(e) => { e.preventDefault(); if (isWindowOk) wish({ wish: "move", date, from, to }, t("home.wish.moved")); }}>
                <Field id="date" type="date" label={t("home.move.day")} value={date} min={civilOf(house.now())} onInput={setDate} required />
                <div class="two"><Field id="from" type="time" label={t("home.move.from")} value={from} onInput={setFrom} required /><Field id="to" type="time" label={t("home.move.to")} value={to} onInput={setTo} required /></div>
                {from !== "" && to !== "" && from >= to ? <p class="problem" role="alert"><span>{t("home.move.order")}</span></p> : null}
                <Button type="submit" busy={asking.busy} disabled={!isWindowOk}>{t("home.move.ask")}</Button>
                <p class="cap">{t("home.move.say")}</p>
              </form>
            </section>
          </div>
        ) : null}
      </div>
    </Page>
  );
}

export function NotesPage({ house }: { house: House }): JSX.Element {
  useHouse(house, "me");
  const [note, setNote] = useState("pets");
  const [text, setText] = useState("");
  const [until, setUntil] = useState(civilOf(house.now()));
  const [said, setSaid] = useState("");
  const asking = useAsking();
  return (
    <Page house={house} title={t("home.notes")} back={{ href: "#/today", text: t("home.nav.today") }}>
      <p class="lead dim">{t("home.notes.say")}</p>
      <form class="card card-body stack narrow" onSubmit={(e) => {
        e.preventDefault();
        setSaid("");
        if (text.trim() !== "") void asking.run(async () => {
          await house.wish({ wish: "note", note, text: text.trim(), until });
          setSaid(t("home.notes.said", { day: civilDay(until, house.now()) }));
          setText("");
        });
      }}>
        <div class="places" role="group" aria-label={t("home.notes.kind")}>
          {NOTES.map((n) => <button key={n} type="button" class="btn btn-small" aria-pressed={note === n} onClick={() => setNote(n)}>{t(`home.note.${n}`)}</button>)}
        </div>
        <Field id="text" label={t("home.notes.text")} hint={t(`home.note.${note}.hint`)} value={text} onInput={setText} max={120} required />
        <Field id="until" type="date" label={t("home.notes.until")} value={until} min={civilOf(house.now())} onInput={setUntil} required />
        <Button kind="ink" type="submit" busy={asking.busy} disabled={text.trim() === ""}>{t("home.notes.tell")}</Button>
        <p role="status" class={said ? "said" : "vh"}>{said}</p>
        <ProblemNote error={asking.error} />
      </form>
    </Page>
  );
}
