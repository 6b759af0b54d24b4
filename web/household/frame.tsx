// The frame of every page: title that takes the focus, banners that are true everywhere, navigation.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useSeen } from "../live/index";
import { t } from "../shared/strings";
import { clockTime, counter } from "../shared/times";
import { Button, Icon, ProblemNote, useAsking } from "../shared/ui";
import { type House, useHouse } from "./house";
import { RestoredBanner } from "./restored";
import { alarmOf, dayAndTime } from "./words";

/** Longer than a hub needs to be there again after a restart of its front, shorter than anybody would wonder. */
const DOWN_SHOWN_MS = 1200;
const CLOCK_WRONG_MS = 90000;

export type Route = { page: string; id: string };

export function routeOf(hash: string): Route {
  const [page = "", id = ""] = hash.replace(/^#\/?/, "").split("?")[0]!.split("/");
  return { page: page === "" ? "today" : page, id: decodeURIComponent(id) };
}

const TABS: { page: string; icon: string; also: string[] }[] = [
  { page: "today", icon: "home", also: ["delivery", "start", "notes"] },
  { page: "live", icon: "camera", also: [] },
  { page: "visits", icon: "book", also: ["visit"] },
  { page: "people", icon: "people", also: ["come", "letin", "change", "guest"] },
  { page: "house", icon: "pulse", also: ["drills", "alerts", "settings", "devices", "looked"] },
];

export function Nav({ route }: { route: Route }): JSX.Element {
  return (
    <nav class="nav" aria-label={t("home.nav")}>
      <ul>
        {TABS.map((x) => (
          <li key={x.page}>
            <a href={`#/${x.page}`} aria-current={route.page === x.page ? "page" : x.also.includes(route.page) ? "true" : undefined}>
              <Icon name={x.icon} />
              {t(`home.nav.${x.page}`)}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** What must be known on every page: no connection, alarms, a recovery, a wrong clock. */
export function Banners({ house }: { house: House }): JSX.Element {
  useHouse(house, "grants");
  const asking = useAsking();
  const seen = useSeen(house.link, (now) => {
    const l = house.link;
    const isDown = !l.isUp && now - l.linkSince > DOWN_SHOWN_MS;
    const isFresh = l.isUp && l.state !== null;
    return {
      down: isDown ? { since: clockTime(house.utcOf(l.linkSince)), age: counter(now - l.linkSince) } : null,
      full: l.refused,
      alarms: isFresh ? l.state!.alarms.map((a) => a.code) : [],
      wrong: Math.abs(house.clockError()) > CLOCK_WRONG_MS,
    };
  });
  const recovery = house.lists.me?.recovery_until ?? house.lists.people?.recovery_until ?? null;
  return (
    <div class="banners">
      <div role="status" class="stack-s">
        {seen.down ? <p class="banner is-unknown"><Icon name="nosignal" /><span><b>{t("home.down", { since: seen.down.since })}</b> <span aria-hidden="true">{t("home.down.say", { age: seen.down.age })}</span></span></p> : null}
        {seen.full !== null ? <p class="banner is-unknown"><Icon name="nosignal" /><span>{t("home.full")}</span></p> : null}
        {seen.wrong ? <p class="banner is-notice"><Icon name="clock" /><span>{t("home.clock.wrong")}</span></p> : null}
      </div>
      <div role="alert" class="stack-s">
        {seen.alarms.map((code) => <p key={code} class="banner is-act"><Icon name="siren" /><b>{alarmOf(code)}</b></p>)}
        <RestoredBanner house={house} />
        {recovery !== null ? (
          <div class="banner is-act">
            <Icon name="key" />
            <div class="grow stack-s">
              <p><b>{t("home.recovery")}</b> {t("home.recovery.say", { time: dayAndTime(recovery, house.now()) })}</p>
              <div><Button busy={asking.busy} onClick={() => void asking.run(async () => { await house.api.post("/api/recover/stop"); await Promise.all([house.load("me"), house.load("people")]); })}>{t("home.recovery.stop")}</Button></div>
              <ProblemNote error={asking.error} />
            </div>
          </div>
        ) : null}
      </div>
      {seen.alarms.length > 0 ? <Acknowledge house={house} /> : null}
    </div>
  );
}

function Acknowledge({ house }: { house: House }): JSX.Element {
  const asking = useAsking();
  return (
    <div>
      <Button busy={asking.busy} onClick={() => void asking.run(async () => { await house.owner("acknowledge"); await house.api.post("/api/alerts", { word: "seen" }); })}>{t("home.alarm.seen")}</Button>
      <ProblemNote error={asking.error} />
    </div>
  );
}

let isFirst = true;

export function Page(p: { house: House; title: string; back?: { href: string; text: string }; lead?: ComponentChildren; side?: ComponentChildren; children: ComponentChildren; hideTitle?: boolean }): JSX.Element {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${p.title} - Doorward`;
    // A new page: the reader starts at its title. Not on the first one, where the browser does.
    if (!isFirst) heading.current?.focus({ preventScroll: true });
    isFirst = false;
  }, [p.title]);
  return (
    <main class="app" id="main">
      {p.back ? <a class="back" href={p.back.href}><Icon name="back" size="s" flip />{p.back.text}</a> : null}
      <div class="page-top">
        <div class="grow">
          {p.lead}
          <h1 ref={heading} tabIndex={-1} class={p.hideTitle ? "vh" : ""}>{p.title}</h1>
        </div>
        {p.side}
      </div>
      <Banners house={p.house} />
      {p.children}
    </main>
  );
}

/** A list that is asked for, could not be had, or is empty. */
export function Listed(p: { house: House; name: keyof House["lists"]; empty?: string; count: number | null; children: ComponentChildren }): JSX.Element {
  const failed = p.house.failed[p.name];
  return (
    <>
      {failed ? (
        <div class="stack-s">
          {p.count === null ? <ProblemNote error={failed} /> : <p class="banner is-unknown" role="status"><Icon name="ask" /><span>{t("home.lists.old")}</span></p>}
          <div><Button onClick={() => void p.house.load(p.name)}>{t("ui.again")}</Button></div>
        </div>
      ) : null}
      {p.count === null && !failed ? <p class="dim" role="status">{t("home.loading")}</p> : null}
      {p.count === 0 && p.empty ? <p class="card card-body dim">{p.empty}</p> : null}
      {p.children}
    </>
  );
}
