// Today: what is on comes first, then what is expected, then how it ended.

import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { DoorLine, doorLine, isVisitOn, useSeen } from "../live/index";
import { t } from "../shared/strings";
import { clockTime } from "../shared/times";
import { Icon } from "../shared/ui";
import { JobCard, NowCard, VisitCard, modeWords } from "./cards";
import { OpenDoor, RedButton } from "./door";
import { Page } from "./frame";
import { ComeNudges } from "./grants";
import { isGuideOver, stepsOf } from "./guide";
import { type House, useHouse } from "./house";
import type { Job } from "./types";
import { civilOf, dayWords, jobWord, msOf } from "./words";
import { language } from "../shared/strings";

function DoorCard({ house }: { house: House }): JSX.Element {
  const s = useSeen(house.link, (now) => ({ kind: doorLine(house.link.door, now).kind, isVisit: isVisitOn(house.link.state) && house.link.isUp }));
  const name = house.lists.settings?.door_names[0] ?? t("home.door");
  const mode = house.lists.me?.camera_mode ?? "unknown";
  return (
    <section class={`card doorcard is-${s.kind}`} aria-label={name}>
      <div class="card-body stack">
        <div>
          <p class="cap doorname"><Icon name="open" size="s" />{name}</p>
          <DoorLine link={house.link} />
        </div>
        {s.isVisit ? null : s.kind === "secured" ? <OpenDoor house={house} /> : <RedButton house={house} />}
        <a class="modeline" href="#/house"><Icon name={mode === "away" ? "away" : mode === "off" ? "blind" : "camera"} size="s" />{modeWords(mode)}</a>
      </div>
    </section>
  );
}

function Clock({ house }: { house: House }): JSX.Element {
  const now = useSeen(house.link, () => clockTime(house.now()));
  return <p class="clock"><b class="time">{now}</b><span class="cap">{house.lists.me?.home ?? ""}</span></p>;
}

export function TodayPage({ house }: { house: House }): JSX.Element {
  useHouse(house, "me", "jobs", "visits", "people", "settings");
  const me = house.lists.me;
  const isOwner = me?.member.role === "owner";
  useEffect(() => {
    if (!isOwner || isGuideOver(me!.member.id)) return;
    void house.load("alerts");
    void house.load("drills");
  }, [isOwner]);
  const now = house.now();
  const today = civilOf(now);
  const current = useSeen(house.link, () => (isVisitOn(house.link.state) && house.link.isUp ? house.link.state!.visit : null));
  // What was declined stays in sight until its day is over: it may be accepted again.
  const isUpcoming = (j: Job): boolean => j.date === null || j.date >= today;
  const jobs = (house.lists.jobs ?? []).filter((j) => ((j.state === "expected" || j.state === "declined") && isUpcoming(j)) || (j.state === "recalled" && j.date === today)).sort((a, b) => `${a.date} ${a.from}`.localeCompare(`${b.date} ${b.from}`));
  const asks = jobs.filter((j) => jobWord(j) === "asks");
  const rest = jobs.filter((j) => jobWord(j) !== "asks");
  const over = (house.lists.visits ?? []).filter((v) => v.visit !== current && civilOf(msOf(v.asked_at ?? v.opened_at) ?? 0) === today);
  // Unknown and bad stand above what is fine.
  const rank = (o: string | null): number => (o === "NOT_SECURED" ? 0 : o === "SECURED_UNCONFIRMED" || o === "ABORTED" || o === null ? 1 : 2);
  over.sort((a, b) => rank(a.outcome) - rank(b.outcome));
  const day = new Intl.DateTimeFormat(language(), { weekday: "long", day: "numeric", month: "long" }).format(now);
  const steps = me && isOwner && !isGuideOver(me.member.id) ? stepsOf(house) : null;
  const done = steps?.filter((s) => s.done).length ?? 0;
  const failed = house.failed.jobs ?? house.failed.visits;
  return (
    <Page house={house} title={t("home.nav.today")} lead={<p class="dim small">{day}</p>} side={<Clock house={house} />}>
      <div class="cards">
        <div class="col">
          <NowCard house={house} />
          {asks.map((j) => <JobCard key={j.id} job={j} house={house} />)}
          <DoorCard house={house} />
          <ComeNudges house={house} />
          {me?.needs_second_passkey ? <a class="card nudge is-notice" href="#/people"><Icon name="key" /><span class="grow"><b>{t("home.second")}</b><br /><span class="small">{t("home.second.say")}</span></span><Icon name="next" flip /></a> : null}
          {steps && done < steps.length ? <a class="card nudge" href="#/start"><Icon name="tick" /><span class="grow"><b>{t("home.guide.card")}</b><br /><span class="small dim">{t("home.guide.done", { n: done, all: steps.length })}</span></span><Icon name="next" flip /></a> : null}
        </div>
        <div class="col">
          {failed ? <p class="banner is-unknown"><Icon name="ask" /><span>{t("home.lists.old")}</span></p> : null}
          {rest.map((j) => <JobCard key={j.id} job={j} house={house} />)}
          {over.map((v) => <VisitCard key={v.visit} v={v} house={house} />)}
          {jobs.length + over.length === 0 && house.lists.jobs && house.lists.visits && current === null ? (
            <div class="card card-body empty"><h2 class="state">{t("home.nothing")}</h2><p class="dim">{t("home.nothing.say")}</p></div>
          ) : null}
          {!house.lists.jobs && !failed ? <p class="dim" role="status">{t("home.loading")}</p> : null}
          <div class="acts"><a class="btn" href="#/notes"><Icon name="note" />{t("home.notes")}</a></div>
        </div>
      </div>
      <p class="vh">{dayWords(now, now)}</p>
    </Page>
  );
}
