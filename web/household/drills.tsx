// Drills: attack your own house. What counts is the seconds from the attack to the first thing that was told.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ALARMING } from "../live/index";
import { has, namesOf, t } from "../shared/strings";
import { Button, Icon, Tag } from "../shared/ui";
import { Page } from "./frame";
import { type House, useHouse } from "./house";
import type { Drill } from "./types";
import { dayAndTime, seconds, upper } from "./words";

/** The limit of an incident by blindness [T_loss]. */
const LIMIT_S = 2;
const SHOWN = 7;

interface Running {
  name: string;
  attackedAt: number | null;
  toldMs: number | null;
  line: string;
}

/** Survives going to another page: what runs at home runs on. */
let running: Running | null = null;
const listeners = new Set<() => void>();
const tell = (): void => listeners.forEach((f) => f());
let isFollowing = false;

function follow(house: House): void {
  if (isFollowing) return;
  isFollowing = true;
  const told = (): void => {
    if (running?.attackedAt == null || running.toldMs !== null) return;
    running = { ...running, toldMs: house.link.clock.now() - running.attackedAt };
    tell();
  };
  house.link.on("picture", (w) => ALARMING.has(w) && told());
  house.link.on("state", (m) => m.alarms.length > 0 && told());
  house.link.on("story", (m) => (m.kind === "visit_refused" || m.kind === "alarm") && !m.past && told());
  house.link.on("drill", (m) => {
    if (running?.name !== m.name) running = { name: m.name, attackedAt: null, toldMs: null, line: "" };
    if (m.line === '{"attack":true}') running = { ...running, attackedAt: house.link.clock.now(), line: t("drill.attack") };
    else if (m.line !== "") running = { ...running, line: endingOf(m.line)?.say ?? m.line };
    if (m.over) {
      running = null;
      void house.load("drills");
    }
    tell();
  });
  house.link.on("link", (up) => {
    if (up || running === null) return;
    running = null;
    tell();
  });
}

interface Ending {
  say: string;
  isBad: boolean;
}

const nameOf = (drill: string): string => t(has(`drill.${drill}.name`) ? `drill.${drill}.name` : "drill.other");

/** "SECURED_WITH_GAP check; alarm after 2.1 s; door locked; nobody was told anything false" */
export function endingOf(line: string): Ending | null {
  const m = /^([A-Z_]+)(?: ([a-z_]+))?; (.*)$/.exec(line);
  if (!m || !has(`visit.ended.${m[1]}`)) return null;
  return { say: t(`visit.ended.${m[1]}`), isBad: line.includes("LIES:") || line.includes("NOT locked") };
}

/** Last runs, newest in ink, the limit as a dashed red line; a run over it is hollow and named in words. */
function Bars({ runs }: { runs: Drill[] }): JSX.Element | null {
  const list = runs.filter((r) => r.seconds_to_alarm !== null).slice(0, SHOWN).reverse();
  if (list.length === 0) return null;
  const top = Math.max(3, ...list.map((r) => r.seconds_to_alarm!));
  const y = (s: number): number => 60 - (s / top) * 54;
  const label = t("home.drill.bars", { n: list.length, list: list.map((r) => seconds(r.seconds_to_alarm! * 1000)).join("; "), limit: LIMIT_S });
  return (
    <svg class="hist" viewBox="0 0 340 66" role="img" aria-label={label}>
      {list.map((r, i) => {
        const s = r.seconds_to_alarm!;
        const x = 227 - (list.length - 1 - i) * 29;
        return <rect key={i} class={`bar${i === list.length - 1 ? " last" : ""}${s > LIMIT_S ? " over" : ""}`} x={x} y={y(s)} width="20" height={Math.max(2, 60 - y(s))} rx="4" />;
      })}
      <path class="base" d="M0 61H254" />
      <path class="lim" d={`M0 ${y(LIMIT_S).toFixed(1)}H254`} />
      <text class="limt" x="260" y={y(LIMIT_S) + 4}>{t("home.drill.limit", { n: LIMIT_S })}</text>
    </svg>
  );
}

/** What the demo plays, too, and not beside deliveries that go on. */
function Rehearsals(): JSX.Element {
  return (
    <section class="card sect stack" aria-labelledby="rehearsals-title">
      <h2 id="rehearsals-title">{t("rehearsal.title")}</h2>
      <p class="small dim wrap">{t("rehearsal.say", { command: "doorward demo --help" })}</p>
      <ul class="lines">{namesOf("rehearsal", "name").map((n) => <li key={n}><span><b>{t(`rehearsal.${n}.name`)}</b><br /><span class="cap">{t(`rehearsal.${n}.say`)}</span></span></li>)}</ul>
    </section>
  );
}

export function DrillsPage({ house }: { house: House }): JSX.Element {
  useHouse(house, "drills", "me");
  const [, draw] = useState(0);
  useEffect(() => {
    follow(house);
    const f = (): void => draw((n) => n + 1);
    listeners.add(f);
    const off = house.link.on("hello", f);
    return () => {
      listeners.delete(f);
      off();
    };
  }, [house]);
  const can = house.link.hello?.drills === true;
  const past = house.lists.drills ?? [];
  const now = house.now();
  // Without the demo there is nothing to run; what was rehearsed is still told.
  const names = namesOf("drill", "name").filter((n) => can || past.some((d) => d.name === n));
  const rank = (n: string): number => (past.some((d) => d.name === n) ? 0 : 1);
  const run = (name: string): void => {
    if (running !== null || !house.link.drill(name)) return;
    running = { name, attackedAt: null, toldMs: null, line: t("drill.running") };
    tell();
  };
  return (
    <Page house={house} title={t("home.drills")} back={{ href: "#/house", text: t("home.nav.house") }}>
      <p class="lead dim">{t("drill.say")}</p>
      {can ? null : <p class="card card-body">{t("home.drill.cannot")}</p>}
      {running ? <a class="card nudge is-watched" href="#/live"><Icon name="eye" /><span class="grow"><b>{t("home.drill.watch")}</b><br /><span class="small">{nameOf(running.name)}</span></span><Icon name="next" flip /></a> : null}
      <p class="vh" role="status">{running?.line ?? ""}</p>
      {names.length === 0 ? null : <ul class="card drill-list">
        {[...names].sort((a, b) => rank(a) - rank(b)).map((name) => {
          const runs = past.filter((d) => d.name === name);
          const last = runs[0];
          const end = last ? endingOf(last.result) : null;
          const s = last?.seconds_to_alarm ?? null;
          const isLate = s !== null && s > LIMIT_S;
          const isOn = running?.name === name;
          const title = t(`drill.${name}.name`);
          return (
            <li key={name} class={`drill ${end?.isBad ? "is-act" : isLate ? "is-notice" : "is-secured"}`}>
              <div>
                <h2>{title}</h2>
                {isOn ? <p class="res is-watched"><Icon name="clock" size="s" />{running!.line}</p>
                  : last ? <p class="res"><Icon name={end?.isBad ? "act" : isLate ? "info" : "tick"} size="s" />{end?.isBad ? t("home.drill.bad") : isLate ? t("home.drill.late", { n: seconds((s! - LIMIT_S) * 1000) }) : (end?.say ?? last.result)}</p>
                  : <p class="small dim">{t(`drill.${name}.say`)}</p>}
              </div>
              <p class="sec">{isOn && running!.toldMs !== null ? <>{seconds(running!.toldMs)} <small>s</small></> : s !== null && !isOn ? <>{seconds(s * 1000)} <small>s</small></> : null}</p>
              <Bars runs={runs} />
              <div class="foot"><span class="cap">{last ? upper(dayAndTime(last.at, now)) : ""}</span>{isOn ? <Tag kind="watched" icon="clock">{t("drill.running")}</Tag> : <Button disabled={!can || running !== null} onClick={() => run(name)} label={t("drill.press", { name: title })}>{t("drill.run")}</Button>}</div>
            </li>
          );
        })}
      </ul>}
      {can ? <Rehearsals /> : null}
    </Page>
  );
}
