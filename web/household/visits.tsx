// History, and everything that is known of one visit.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "../shared/strings";
import { clockTime } from "../shared/times";
import { Button, Icon, Mark, ProblemNote, useAsking } from "../shared/ui";
import { GapWords, VisitCard, Who } from "./cards";
import { Listed, Page } from "./frame";
import { type House, useHouse } from "./house";
import { storyWords } from "./livepage";
import { StripView, stripOf } from "./strip";
import type { Visit, VisitDetail } from "./types";
import { alarmOf, dayWords, endOf, lasted, msOf, reasonOf, timeOf } from "./words";

export function VisitsPage({ house }: { house: House }): JSX.Element {
  useHouse(house, "visits", "people");
  const asking = useAsking();
  const visits = house.lists.visits;
  const now = house.now();
  const days: { day: string; list: Visit[] }[] = [];
  for (const v of visits ?? []) {
    const ms = msOf(v.asked_at ?? v.opened_at ?? v.secured_at);
    const day = ms === null ? t("home.time.unknown") : dayWords(ms, now);
    if (days.at(-1)?.day !== day) days.push({ day, list: [] });
    days.at(-1)!.list.push(v);
  }
  return (
    <Page house={house} title={t("home.nav.visits")}>
      <Listed house={house} name="visits" empty={t("home.visits.none")} count={visits?.length ?? null}>
        {days.map((d) => (
          <section key={d.day + d.list[0]!.visit} class="day">
            <h2>{d.day}</h2>
            <div class="grid2">{d.list.map((v) => <VisitCard key={v.visit} v={v} house={house} level={3} />)}</div>
          </section>
        ))}
        {house.nextVisits !== null ? <Button wide busy={asking.busy} onClick={() => void asking.run(() => house.moreVisits())}>{t("home.visits.more")}</Button> : null}
        <ProblemNote error={asking.error} />
      </Listed>
      <div class="acts"><a class="btn" href="#/looked"><Icon name="eye" />{t("home.looked")}</a></div>
    </Page>
  );
}

function Recording({ v }: { v: VisitDetail }): JSX.Element {
  const [isOn, setOn] = useState(false);
  const [isBroken, setBroken] = useState(false);
  const start = msOf(v.asked_at ?? v.opened_at);
  const label = t("visit.recorded", { time: start === null ? t("home.time.unknown") : `${dayWords(start, Date.now())} ${clockTime(start)}` });
  return (
    <section class="card" aria-label={t("home.recording")}>
      {isOn ? (
        // A <video> keeps its last picture: the word stays over it.
        <div class="pic recorded">
          <video src={`/recordings/${v.visit}.mp4`} controls playsInline preload="metadata" aria-label={label} autoplay onError={() => setBroken(true)} />
          <p class="age"><Icon name="clock" size="s" /><span>{label}</span></p>
        </div>
      ) : (
        <div class="pic recorded is-closed"><Button icon="play" onClick={() => setOn(true)}>{t("visit.watch")}</Button><p class="age"><Icon name="clock" size="s" /><span>{label}</span></p></div>
      )}
      {isBroken ? <p class="problem" role="alert"><Icon name="info" /><span>{t("home.recording.broken")}</span></p> : null}
    </section>
  );
}

/** In the order in which they were; only what stands in the record. */
const CHECKED = new Set(["visit_asked", "unlock_intent", "opening", "egress", "secured", "visit_ended", "confirmed_late", "visit_refused", "alarm", "alarm_over", "owner_act", "degraded", "camera_state", "lock_state", "hub_started", "child_lost"]);

export function VisitPage({ house, id }: { house: House; id: string }): JSX.Element {
  useHouse(house, "people", "visits");
  const [v, setVisit] = useState<VisitDetail | null>(null);
  const [failed, setFailed] = useState<unknown>(null);
  const mark = JSON.stringify(house.lists.visits?.find((x) => x.visit === id) ?? null);
  useEffect(() => {
    let isHere = true;
    house.api.get<VisitDetail>(`/api/visits/${encodeURIComponent(id)}`).then(
      (r) => {
        if (!isHere) return;
        setVisit(r);
        setFailed(null);
      },
      (e) => isHere && setFailed(e),
    );
    return () => {
      isHere = false;
    };
  }, [id, mark]);
  const back = { href: "#/visits", text: t("home.nav.visits") };
  if (!v) {
    return <Page house={house} title={t("home.visit.one")} back={back}>{failed ? <ProblemNote error={failed} /> : <p class="dim" role="status">{t("home.loading")}</p>}</Page>;
  }
  const end = endOf(v);
  const strip = stripOf(v);
  const isRefused = v.outcome === "REFUSED";
  const lines = v.lines.filter((l) => CHECKED.has(l.kind));
  const day = msOf(v.asked_at ?? v.opened_at);
  return (
    <Page house={house} title={end.word} back={back} hideTitle>
      <div class="cols">
        <div class="col">
          <article class="card verdict">
            <div class="row row-top"><Mark kind={end.kind} icon={end.icon} /><div class={`grow is-${end.kind}`}><p class="state word" aria-hidden="true">{end.word}</p><p class="dim small">{day === null ? "" : dayWords(day, house.now())}</p></div></div>
            {isRefused ? <p class="reason">{reasonOf(v.check)}. {t("home.refused.locked")}</p> : null}
            <dl class="pair">
              <div><dt class="dim">{t("visit.asked")}</dt><dd class="time time-big">{timeOf(v.asked_at)}</dd></div>
              {v.opened_at ? <div><dt class="dim">{t("home.opened")}</dt><dd class="time time-big">{timeOf(v.opened_at)}</dd></div> : null}
              {v.secured_at ? <div><dt class="dim">{t("visit.locked")}</dt><dd class="time time-big">{timeOf(v.secured_at)}</dd></div> : null}
              {v.inside_ms !== null ? <div class="for"><dt class="dim">{t("visit.inside")}</dt><dd class="time time-big">{lasted(v.inside_ms)}</dd></div> : null}
            </dl>
            <div class="person"><span class="face" aria-hidden="true">{(v.is_owner ? house.memberName(v.member) : v.visitor).charAt(0) || "?"}</span><p class="grow">{v.is_owner ? <>{t("home.own")} <b>{house.memberName(v.member)}</b></> : <Who v={v} />}</p></div>
            {v.alarms.length > 0 ? <ul class="alarms">{v.alarms.map((a) => <li key={a}><Icon name="siren" size="s" />{alarmOf(a)}</li>)}</ul> : null}
          </article>
          {strip ? <section class="card sect" aria-labelledby="strip-title"><h2 id="strip-title">{t("strip.label")}</h2><StripView strip={strip} />{strip.camera.some((p) => p.value === "blind") ? null : <GapWords v={v} />}</section> : null}
          {v.has_recording ? <Recording v={v} /> : <p class="card card-body dim small">{t("home.recording.none")}</p>}
        </div>
        <div class="col">
          <section class="card sect" aria-labelledby="lines-title">
            <h2 id="lines-title">{t("home.visit.lines")}</h2>
            <ol class="lines">{lines.map((l) => <li key={l.number}><span class={l.kind === "alarm" ? "word is-act" : ""}>{storyWords(l)}{l.member ? ` (${house.memberName(l.member) || t("home.somebody")})` : ""}</span><span class="time">{timeOf(l.at)}</span></li>)}</ol>
          </section>
          <section class="card sect" aria-labelledby="looked-title">
            <h2 id="looked-title">{t("home.looked")}</h2>
            {v.viewers.length === 0 ? <p class="dim">{t("home.looked.nobody")}</p> : <ul class="lines">{v.viewers.map((x, i) => <li key={i}><span>{house.memberName(x.member) || t("home.somebody")}, {t(`home.looked.${x.what}`)}</span><span class="time">{timeOf(x.from)}-{timeOf(x.to)}</span></li>)}</ul>}
          </section>
        </div>
      </div>
    </Page>
  );
}

export function LookedPage({ house }: { house: House }): JSX.Element {
  useHouse(house, "looks", "people");
  const looks = house.lists.looks;
  const now = house.now();
  return (
    <Page house={house} title={t("home.looked")} back={{ href: "#/house", text: t("home.nav.house") }}>
      <p class="lead dim">{t("home.looked.say")}</p>
      <Listed house={house} name="looks" empty={t("home.looked.nobody")} count={looks?.length ?? null}>
        {looks && looks.length > 0 ? (
          <ul class="card lines padded">
            {looks.map((x, i) => {
              const ms = msOf(x.from);
              return (
                <li key={i}>
                  <span><b>{x.name || house.memberName(x.member) || t("home.somebody")}</b>, {t(`home.looked.${x.what}`)}{x.visit ? <> <a href={`#/visit/${x.visit}`}>{t("home.visit.one")}</a></> : null}<br /><span class="cap">{ms === null ? "" : dayWords(ms, now)}</span></span>
                  <span class="time">{timeOf(x.from)}-{timeOf(x.to)}</span>
                </li>
              );
            })}
          </ul>
        ) : null}
      </Listed>
    </Page>
  );
}
