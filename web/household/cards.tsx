// Cards of the ladder: a visit that is on, one that is expected, one that is over.

import type { JSX } from "preact";
import { LiveView, isVisitOn, useSeen } from "../live/index";
import { has, t } from "../shared/strings";
import { clockTime, counter } from "../shared/times";
import { Button, Icon, Mark, ProblemNote, useAsking } from "../shared/ui";
import { RedButton } from "./door";
import type { House } from "./house";
import type { Job, Visit } from "./types";
import { alarmOf, civilDay, civilOf, endOf, jobTitle, jobWord, lasted, reasonOf, seconds, timeOf, whoOf } from "./words";

const STEPS = ["expected", "arriving", "inside", "locked"] as const;

export function Ladder({ at, kind }: { at: number; kind: string }): JSX.Element {
  return (
    <div class={`rungs is-${kind}`}>
      <ol class="ladder" aria-label={t("home.ladder")}>
        {STEPS.map((s, i) => (
          <li key={s} class={i < at ? "done" : i === at ? "here" : ""} aria-current={i === at ? "step" : undefined}>
            <span class="bar" aria-hidden="true" />
            <span class={`cap${i === at ? " on" : ""}`}>{t(`home.ladder.${s}`)}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}

function stepOf(state: string): number {
  if (state === "inside" || state === "unlocked" || state === "opening") return 2;
  if (state === "closing" || state === "between" || state === "watch" || state === "not_secured" || state === "unconfirmed") return state === "closing" || state === "not_secured" ? 2 : 3;
  return 1;
}

/** The visit that is on. It comes first, with the picture. */
export function NowCard({ house }: { house: House }): JSX.Element | null {
  const v = useSeen(house.link, (now) => {
    const s = house.link.state;
    if (!isVisitOn(s) || !house.link.isUp) return null;
    const state = s!.visit_state;
    const inside = s!.inside_ms === null ? null : s!.inside_ms + (state === "inside" ? now - house.link.door.stateAt : 0);
    return {
      id: s!.visit!,
      state,
      who: { visitor: s!.visitor, agency: s!.agency },
      inside: inside === null ? null : counter(inside),
      since: inside === null ? null : clockTime(house.utcOf(now - inside)),
      kind: state === "not_secured" ? "act" : state === "unconfirmed" ? "unknown" : "watched",
    };
  });
  if (v === null) return null;
  return (
    <article class={`card now is-${v.kind}`} aria-labelledby="now-state">
      <LiveView link={house.link} size="card" />
      <div class="card-body">
        <div class="row row-top spread">
          <div class="grow">
            <h2 class="state word" id="now-state"><span aria-live={v.kind === "act" ? "assertive" : "polite"}>{t(`visit.state.${v.state}`)}</span></h2>
            <p class="who"><Who v={v.who} /></p>
          </div>
          {v.inside === null ? null : <p class="clock"><b class="time" role="timer">{v.inside}</b><span class="cap">{t("home.since", { time: v.since! })}</span></p>}
        </div>
        <Ladder at={stepOf(v.state)} kind={v.kind} />
        <div class="gap"><RedButton house={house} /></div>
        <a class="btn btn-wide" href="#/live"><Icon name="eye" />{t("home.watch")}</a>
      </div>
    </article>
  );
}

export function Who({ v }: { v: { visitor: string; agency: string } }): JSX.Element {
  if (v.visitor === "") return <b>{t("alert.someone")}</b>;
  return <><b>{v.visitor}</b>{v.agency === "" ? null : <> {t("visit.from", { agency: v.agency })}</>}</>;
}

export function JobCard({ job, house }: { job: Job; house: House }): JSX.Element {
  const asking = useAsking();
  const word = jobWord(job);
  const isAsking = word === "asks";
  const isOff = !isAsking && word !== "expected";
  const wish = (what: "accept" | "decline"): void => void asking.run(() => house.wish({ wish: what, id: job.id }));
  const label = (text: string): string => `${text}: ${whoOf(job)}, ${civilDay(job.date, house.now())} ${job.from}`;
  const no = t(job.date === civilOf(house.now()) ? "home.wish.nottoday" : "home.wish.notnow");
  return (
    <article class={`card${isAsking ? " asks" : ""}`} aria-labelledby={`job-${job.id}`}>
      <div class="card-body">
        <div class="row row-top">
          <Mark kind={isOff || isAsking ? "notice" : "plan"} icon={isOff ? "stop" : isAsking ? "ask" : job.kind === "stay" ? "person" : "box"} />
          <div class="grow">
            <h2 class="state" id={`job-${job.id}`}>{t(`home.job.state.${word}`)}</h2>
            <p class="who">{jobTitle(job)}, <Who v={job} /></p>
          </div>
        </div>
        <dl class="times">
          <div><dt class="cap">{civilDay(job.date, house.now())}</dt><dd class="time">{job.from}-{job.to === "00:00" ? "24:00" : job.to}</dd></div>
          <div><dt class="cap">{t("home.job.where")}</dt><dd>{job.place ? t(`home.place.${job.place}`) : (job.door ?? t("home.place.hall"))}</dd></div>
        </dl>
        {isAsking ? <p class="small asks-say">{t("home.wish.yes.say")}</p> : isOff ? null : <Ladder at={0} kind="plan" />}
        <div class="acts">
          {isAsking ? <Button kind="ink" icon="tick" busy={asking.busy} onClick={() => wish("accept")} label={label(t("home.wish.yes"))}>{t("home.wish.yes")}</Button> : null}
          {isAsking ? <Button icon="cross" busy={asking.busy} onClick={() => wish("decline")} label={label(t("home.wish.decline"))}>{t("home.wish.decline")}</Button> : null}
          {word === "expected" && job.mode === "veto" ? <Button icon="cross" busy={asking.busy} onClick={() => wish("decline")} label={label(no)}>{no}</Button> : null}
          <a class="btn" href={`#/delivery/${job.id}`}>{t(isAsking || isOff ? "home.job.look" : "home.job.change")}</a>
        </div>
        <ProblemNote error={asking.error} />
      </div>
    </article>
  );
}

/** What was blind, in words: nothing hides it. */
export function GapWords({ v }: { v: Visit }): JSX.Element | null {
  const ms = Math.max(v.blind_ms, v.gap_ms);
  if (ms <= 0) return null;
  return <p class="gapword"><span class="gap-mark" aria-hidden="true" /><span><b>{t("home.gap", { seconds: seconds(ms) })}</b> {t("home.gap.stays")}</span></p>;
}

export function VisitCard({ v, house, level = 2 }: { v: Visit; house: House; level?: 2 | 3 }): JSX.Element {
  const end = endOf(v);
  const H = `h${level}` as "h2";
  const isRefused = v.outcome === "REFUSED";
  const own = v.is_owner ? house.memberName(v.member) : "";
  return (
    <article class="card" aria-labelledby={`visit-${v.visit}`}>
      <div class="card-body">
        <div class="row row-top">
          <Mark kind={end.kind} icon={end.icon} />
          <div class="grow">
            <H class={`state is-${end.kind}`} id={`visit-${v.visit}`}><span class="word">{end.word}</span></H>
            <p class="who">{v.is_owner ? <>{t("home.own")} {own ? <b>{own}</b> : null}</> : <Who v={v} />}</p>
          </div>
          {isRefused ? <p class="clock"><b class="time">{timeOf(v.asked_at)}</b><span class="cap">{t("home.notopened")}</span></p> : null}
        </div>
        {isRefused ? <p class="reason">{reasonOf(v.check)}.</p> : (
          <dl class="times">
            {v.opened_at ? <div><dt class="cap">{t("home.opened")}</dt><dd class="time">{timeOf(v.opened_at)}</dd></div> : <div><dt class="cap">{t("visit.asked")}</dt><dd class="time">{timeOf(v.asked_at)}</dd></div>}
            {v.secured_at ? <div><dt class="cap">{t("visit.locked")}</dt><dd class="time">{timeOf(v.secured_at)}</dd></div> : null}
            {v.inside_ms !== null ? <div><dt class="cap">{t("visit.inside")}</dt><dd class="time">{lasted(v.inside_ms)}</dd></div> : null}
          </dl>
        )}
        {v.alarms.length > 0 ? <ul class="alarms">{v.alarms.map((a) => <li key={a}><Icon name="siren" size="s" />{alarmOf(a)}</li>)}</ul> : null}
        <GapWords v={v} />
        <div class="acts"><a class="btn" href={`#/visit/${v.visit}`} aria-label={`${t(v.has_recording ? "visit.watch" : "home.visit.what")}: ${t("home.visit.open.label", { who: whoOf(v), time: timeOf(v.asked_at ?? v.opened_at) })}`}><Icon name={v.has_recording ? "play" : "book"} />{t(v.has_recording ? "visit.watch" : "home.visit.what")}</a></div>
      </div>
    </article>
  );
}

export function modeWords(mode: string): string {
  return has(`home.mode.${mode}`) ? t(`home.mode.${mode}`) : t("home.mode.unknown");
}
