// Who may come: agencies that ask, every permission of this house with its whole story, and what takes one away. Everybody
// who lives here sees all of it [I47]; "confirmed" is what the house has said to have stored.

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useSeen } from "../live/index";
import { t } from "../shared/strings";
import { clockTime, counter } from "../shared/times";
import { Button, Icon, type Kind, Mark, ProblemNote, Tag, useAsking } from "../shared/ui";
import { endText, keyText, spanText, weekLines } from "../shared/week";
import { ExpectedParcels } from "./expected";
import { Listed, Page } from "./frame";
import { Guests } from "./guests";
import { type Ending, type House, useHouse } from "./house";
import type { Agency, GrantRow } from "./types";
import { dayAndTime, isOver, msOf, upper } from "./words";

/** The two pages about people: who lives here, and who may come. */
export function PeopleTabs({ at }: { at: "people" | "come" }): JSX.Element {
  return (
    <nav class="tabs" aria-label={t("home.tabs")}>
      {(["come", "people"] as const).map((p) => <a key={p} class="btn btn-small" href={`#/${p}`} aria-current={at === p ? "page" : undefined}>{t(`home.tabs.${p}`)}</a>)}
    </nav>
  );
}

/** Where the agency's signing key lies, in plain words. */
export function HostedWords({ hosted }: { hosted: boolean }): JSX.Element {
  return hosted
    ? <p class="say hosted"><Tag kind="notice" icon="info">{t("home.hosted")}</Tag> <span>{t("home.hosted.say")}</span></p>
    : <p class="say">{t("home.hosted.not")}</p>;
}

export interface Fact {
  id: string;
  lines: string[];
  note?: string;
}
export interface Scope {
  kind: string;
  windows: readonly { from: number; minutes: number }[];
  zone: string;
  toMs: number | null;
  uses: number;
  perDay: number;
  dwellMs: number;
  camera: string;
  mode: string;
  door: string | null;
  isGuest?: boolean;
}

/** What a permission says, one row for each thing; from the list, or from the bytes that are signed. */
export function scopeFacts(s: Scope): Fact[] {
  const isStay = s.kind === "stay";
  return [
    { id: "what", lines: [t(`home.kind.${s.kind}`)], note: t(s.isGuest ? "home.guest.kind.say" : `home.kind.${s.kind}.say`) },
    { id: "when", lines: weekLines(s.windows), note: t("home.scope.zone", { zone: s.zone }) },
    { id: "until", lines: [s.toMs === null ? t("home.time.unknown") : endText(s.toMs, s.zone)] },
    { id: "often", lines: [t("home.scope.often.say", { day: s.perDay, all: s.uses })] },
    { id: isStay ? "open" : "inside", lines: [spanText(s.dwellMs)], ...(isStay ? { note: t("home.scope.stay") } : {}) },
    { id: "door", lines: [s.door ?? t("home.door")] },
    { id: "camera", lines: [t(`home.grant.camera.${s.camera}`)] },
    { id: "mode", lines: [t(`home.ask.${s.mode}`)], note: t(s.isGuest ? `home.guest.ask.${s.mode}.say` : `home.ask.${s.mode}.say`) },
  ];
}

export function Facts({ facts }: { facts: Fact[] }): JSX.Element {
  return (
    <dl class="facts">
      {facts.map((f) => <div key={f.id}><dt>{t(`home.scope.${f.id}`)}</dt>{f.lines.map((l) => <dd key={l}>{l}</dd>)}{f.note ? <dd class="note">{f.note}</dd> : null}</div>)}
    </dl>
  );
}

interface Say {
  kind: Kind;
  icon: string;
  word: string;
  more: string;
}

/** The state of a permission, by what the house said; a question that is under way is said apart. */
function stateOf(g: GrantRow, e: Ending | undefined, isStopped: boolean, isRestored: boolean, now: number): Say {
  const over = t("home.grant.over.at", { time: dayAndTime(g.over_at, now) });
  // The list is from before an answer that never came: nothing green stands above it.
  if (e?.state === "unknown" && !isOver(g)) return { kind: "unknown", icon: "ask", word: t("home.ending.unknown"), more: t(`home.${e.what}.maybe`) };
  switch (g.state) {
    case "waiting":
      return { kind: "watched", icon: "clock", word: t("home.grant.waiting"), more: t("home.grant.waiting.say", { time: dayAndTime(g.live_at, now) }) };
    case "live":
      if (isRestored) return { kind: "unknown", icon: "ask", word: t("home.grant.held"), more: t("home.grant.held.say") };
      if (isStopped) return { kind: "notice", icon: "stop", word: t("home.grant.stopped"), more: t("home.grant.stopped.say") };
      if (g.used >= g.uses) return { kind: "notice", icon: "info", word: t("home.grant.usedup"), more: t(g.guest != null ? "home.guest.usedup" : "home.grant.usedup.say") };
      return { kind: "secured", icon: "key", word: t("home.grant.live"), more: t("home.grant.live.say") };
    case "vetoed":
    case "revoked":
      // The house refuses already; that it still would after a power cut is known when it is stored.
      if (g.over_stored === true || e?.state === "confirmed") return { kind: "secured", icon: "tick", word: t(`home.grant.${g.state}.confirmed`), more: over };
      return { kind: "unknown", icon: "ask", word: t(`home.grant.${g.state}`), more: t("home.grant.unstored") };
    case "expired":
      return { kind: "plan", icon: "clock", word: t("home.grant.expired"), more: t("home.grant.over.at", { time: dayAndTime(g.to, now) }) };
    default:
      return { kind: "unknown", icon: "ask", word: t("home.grant.unknown"), more: t("home.grant.unknown.say") };
  }
}

/** The time that is left to say no; told once a minute to a screen reader, shown by the second. */
function TimeLeft({ house, until }: { house: House; until: string | null }): JSX.Element | null {
  const left = useSeen(house.link, () => {
    const ms = msOf(until);
    return ms === null ? null : Math.max(0, Math.ceil((ms - house.now()) / 1000));
  });
  if (left === null) return null;
  return <p class="left"><b class="time" role="timer" aria-label={t("home.veto.left.label")}>{counter(left * 1000)}</b> <span>{t(left > 0 ? "home.veto.left" : "home.veto.gone")}</span></p>;
}

/** What became of a revocation or a no: asked, confirmed, or not known, and what to do then. */
export function EndingNote({ house, id, e }: { house: House; id: string; e: Ending }): JSX.Element {
  const note = useRef<HTMLDivElement>(null);
  // The button that was pressed is gone: whoever works by keyboard goes on here.
  useEffect(() => {
    if (document.activeElement === document.body) note.current?.focus({ preventScroll: true });
  }, [e.state]);
  return <div ref={note} tabIndex={-1} class="ending-at"><EndingWords house={house} id={id} e={e} /></div>;
}

function EndingWords({ house, id, e }: { house: House; id: string; e: Ending }): JSX.Element {
  const time = clockTime(e.at);
  if (e.state === "asked") return <p class="ending is-watched" role="status"><Mark kind="watched" icon="clock" small /><span><b>{t("home.ending.asked")}</b> {t("home.ending.asked.say", { time })}</span></p>;
  if (e.state === "confirmed") return <p class="ending is-secured" role="status"><Mark kind="secured" icon="tick" small /><span><b>{t(`home.ending.${e.what}.confirmed`)}</b> <span class="time">{time}</span>. {t("home.ending.confirmed.say")}</span></p>;
  if (e.state === "refused") return <ProblemNote error={e.error} />;
  const code = (e.error as { code?: unknown } | null)?.code;
  return (
    <div class="ending is-unknown" role="alert">
      <Mark kind="unknown" icon="ask" small />
      <div class="stack-s">
        <p><b>{t("home.ending.unknown")}</b> {t(code === "storage" ? "home.ending.why.storage" : "home.ending.why.silent")} {t("home.ending.unknown.say", { time })}</p>
        <p>{t("home.ending.unknown.next")}</p>
        <div><Button onClick={() => void house.end(id, e.what)}>{t("home.ending.again")}</Button></div>
      </div>
    </div>
  );
}

function GrantCard({ house, g }: { house: House; g: GrantRow }): JSX.Element {
  const [sure, setSure] = useState<"revoke" | "veto" | null>(null);
  const isOwner = house.lists.me?.member.role === "owner";
  const e = house.endings.get(g.id);
  const isStopped = house.lists.people?.agencies.some((a) => a.id === g.agency && a.stopped) === true;
  const now = house.now();
  const s = stateOf(g, e, isStopped, house.lists.grants?.restored === true, now);
  const isOn = g.state === "waiting" || g.state === "live" || g.state === "unknown";
  const busy = e?.state === "asked";
  const end = (what: "revoke" | "veto"): void => {
    if (sure !== what) {
      setSure(what);
      return;
    }
    setSure(null);
    void house.end(g.id, what);
  };
  const signer = house.memberName(g.signed_by);
  const isGuest = g.guest != null;
  const facts = scopeFacts({ kind: g.kind, windows: g.windows, zone: g.zone, toMs: msOf(g.to), uses: g.uses, perDay: g.per_day, dwellMs: g.dwell_ms, camera: g.camera, mode: g.mode, door: g.door, isGuest });
  // At a glance: what for, when, until when, who decides. The rest is one tap away.
  const isFirst = (f: Fact): boolean => ["what", "when", "until", "mode"].includes(f.id);
  const short = facts.filter(isFirst).map((f) => (f.id === "when" ? f : { id: f.id, lines: f.lines }));
  const rest = facts.filter((f) => f.id !== "when").map((f) => (isFirst(f) ? { id: f.id, lines: [f.note ?? f.lines[0]!] } : f)).filter((f) => f.id !== "until");
  return (
    <article class={`card grant is-${s.kind}${s.kind === "unknown" ? " is-open" : ""}`} aria-labelledby={`grant-${g.id}`}>
      <div class="card-body stack">
        <div class="row row-top">
          <Mark kind={s.kind} icon={s.icon} />
          <div class="grow">
            <h3 class="state" id={`grant-${g.id}`}>{g.name}{g.hosted ? <> <Tag kind="notice">{t("home.hosted")}</Tag></> : null}</h3>
            <p><b class="word">{s.word}</b> {s.more}</p>
          </div>
        </div>
        {g.state === "waiting" && !busy ? <TimeLeft house={house} until={g.live_at} /> : null}
        <Facts facts={[...short, { id: "used", lines: [g.used_today == null ? t("home.grant.used", { n: g.used, all: g.uses }) : t("home.grant.used.today", { today: g.used_today, day: g.per_day, n: g.used, all: g.uses })] }, { id: "signed", lines: [signer === "" ? t("home.grant.signed.gone") : signer], note: upper(dayAndTime(g.signed_at, now)) }]} />
        <details class="more">
          <summary>{t("home.grant.more")}</summary>
          <div class="stack"><Facts facts={rest} />{isGuest ? null : <HostedWords hosted={g.hosted} />}</div>
        </details>
        {e ? <EndingNote house={house} id={g.id} e={e} /> : null}
        {isOn && !busy && e?.state !== "unknown" ? (
          <>
            {sure ? <p class="reason" role="status">{t(isGuest && sure === "revoke" ? "home.guest.revoke.say" : `home.${sure}.sure.say`, { name: g.name })}</p> : null}
            <div class="acts">
              {g.state === "waiting" ? <Button kind={sure === "veto" ? "ink" : ""} icon="stop" onClick={() => end("veto")} label={`${t(sure === "veto" ? "home.veto.sure" : "home.veto")}: ${g.name}`}>{t(sure === "veto" ? "home.veto.sure" : "home.veto")}</Button> : null}
              {isOwner ? <Button kind={sure === "revoke" ? "ink" : ""} icon="cross" onClick={() => end("revoke")} label={`${t(sure === "revoke" ? "home.revoke.sure" : "home.revoke")}: ${g.name}`}>{t(sure === "revoke" ? "home.revoke.sure" : "home.revoke")}</Button> : null}
              {sure ? <Button onClick={() => setSure(null)}>{t("home.keep")}</Button> : isOwner && !isGuest ? <a class="btn" href={`#/change/${g.id}`} aria-label={`${t("home.change")}: ${g.name}`}><Icon name="sliders" />{t("home.change")}</a> : null}
            </div>
            {isOwner ? null : <p class="cap">{t(g.state === "waiting" ? "home.grant.occupant.veto" : isGuest ? "home.guest.occupant" : "home.grant.occupant")}</p>}
          </>
        ) : null}
      </div>
    </article>
  );
}

function AskCard({ house, a }: { house: House; a: Agency }): JSX.Element {
  const isOwner = house.lists.me?.member.role === "owner";
  return (
    <article class="card ask is-watched" aria-labelledby={`ask-${a.id}`}>
      <div class="card-body stack">
        <div class="row row-top">
          <Mark kind="plan" icon="van" />
          <div class="grow">
            <h3 class="state" id={`ask-${a.id}`}>{t("home.asks", { name: a.name })}</h3>
            <p class="dim">{t("home.asks.say", { time: dayAndTime(a.asked_at, house.now()) })}</p>
          </div>
        </div>
        <HostedWords hosted={a.hosted} />
        <p class="small dim">{t("home.key.of")} <span class="mono wrap">{keyText(a.key)}</span>. {t("home.key.say")}</p>
        {isOwner ? <a class="btn btn-ink" href={`#/letin/${a.id}`} aria-label={`${t("home.asks.choose")}: ${a.name}`}><Icon name="key" />{t("home.asks.choose")}</a> : <p class="cap">{t("home.asks.occupant")}</p>}
      </div>
    </article>
  );
}

/** Each agency once, with the one button that any member has: stop. */
function Agencies({ house }: { house: House }): JSX.Element | null {
  const asking = useAsking();
  const isOwner = house.lists.me?.member.role === "owner";
  const all = new Map<string, { id: string; name: string; stopped: boolean; isKnown: boolean }>();
  for (const a of house.lists.grants?.agencies ?? []) all.set(a.id, { id: a.id, name: a.name, stopped: false, isKnown: true });
  for (const a of house.lists.people?.agencies ?? []) all.set(a.id, { isKnown: false, ...all.get(a.id), id: a.id, name: a.name, stopped: a.stopped });
  const has = (id: string): boolean => house.lists.grants?.grants.some((g) => g.agency === id && g.state === "live") === true;
  if (!house.lists.people || !house.lists.grants) return null;
  return (
    <section class="card" aria-labelledby="agencies-title">
      <h2 id="agencies-title" class="sect-title">{t("home.agencies")}</h2>
      <p class="sect-say dim small">{t("home.agencies.say")}</p>
      {all.size === 0 ? <p class="sect-say dim">{t("home.agencies.none")}</p> : (
        <ul class="keys">
          {[...all.values()].map((a) => (
            <li key={a.id}>
              <Mark kind={a.stopped ? "notice" : "plan"} icon={a.stopped ? "stop" : "van"} />
              <div>
                <h3>{a.name}</h3>
                <p class="say">{t(a.stopped ? "home.agency.stopped" : has(a.id) ? "home.agency.may" : "home.agency.none")}</p>
                <div class="acts">
                  {a.stopped
                    ? isOwner ? <Button busy={asking.busy} icon="key" onClick={() => void asking.run(async () => { await house.act({ act: "allow_agency", id: a.id }); await house.load("people"); })} label={`${t("home.agency.allow")}: ${a.name}`}>{t("home.agency.allow")}</Button> : null
                    : <Button busy={asking.busy} icon="stop" onClick={() => void asking.run(() => house.wish({ wish: "stop_agency", id: a.id }))} label={`${t("home.agency.stop")}: ${a.name}`}>{t("home.agency.stop")}</Button>}
                  {isOwner && a.isKnown ? <a class="btn" href={`#/letin/${a.id}`} aria-label={`${t("home.agency.give")}: ${a.name}`}><Icon name="plus" />{t("home.agency.give")}</a> : null}
                </div>
              </div>
            </li>
          ))}
        </ul>
      )}
      <div class="sect-say"><ProblemNote error={asking.error} /></div>
    </section>
  );
}

const RANK: Record<GrantRow["state"], number> = { waiting: 0, unknown: 1, live: 2, vetoed: 3, revoked: 3, expired: 4 };

export function ComePage({ house }: { house: House }): JSX.Element {
  useHouse(house, "grants", "people", "me");
  const l = house.lists.grants;
  const asks = l?.agencies.filter((a) => a.waiting) ?? [];
  const grants = [...(l?.grants ?? [])].sort((a, b) => RANK[a.state] - RANK[b.state] || (b.signed_at ?? "").localeCompare(a.signed_at ?? ""));
  // What was ended here stays in sight until the page is left: its answer stands on it.
  const isShown = (g: GrantRow): boolean => !isOver(g) || house.endings.has(g.id) || (g.state !== "expired" && g.over_stored === false);
  const on = grants.filter(isShown);
  const over = grants.filter((g) => !isShown(g));
  return (
    <Page house={house} title={t("home.come")} lead={<PeopleTabs at="come" />}>
      <p class="lead dim">{t("home.come.say")}</p>
      <Listed house={house} name="grants" count={l ? 1 : null}>
        {l ? (
          <div class="cols">
            <div class="col">
              {asks.length > 0 ? <section class="stack" aria-labelledby="asks-title"><h2 id="asks-title" class="h2">{t("home.asks.title")}</h2>{asks.map((a) => <AskCard key={a.id} house={house} a={a} />)}</section> : null}
              <section class="stack" aria-labelledby="on-title">
                <h2 id="on-title" class="h2">{t("home.grants")}</h2>
                {on.length === 0 ? <p class="card card-body dim">{t("home.grants.none")}</p> : on.map((g) => <GrantCard key={g.id} house={house} g={g} />)}
              </section>
            </div>
            <div class="col">
              <Guests house={house} />
              <Agencies house={house} />
              <ExpectedParcels house={house} />
              {over.length > 0 ? (
                <details class="overs">
                  <summary class="card">{t("home.grants.over", { n: over.length })}</summary>
                  <div class="stack gap">{over.map((g) => <GrantCard key={g.id} house={house} g={g} />)}</div>
                </details>
              ) : null}
            </div>
          </div>
        ) : null}
      </Listed>
    </Page>
  );
}

/** On the first page: what waits for an answer of this household. */
export function ComeNudges({ house }: { house: House }): JSX.Element | null {
  const l = house.lists.grants;
  const now = useSeen(house.link, () => Math.floor(house.now() / 1000)) * 1000;
  if (!l) return null;
  const rows = [
    ...l.grants.filter((g) => g.state === "waiting").map((g) => ({ id: g.id, kind: "is-notice", icon: "clock", title: t("home.nudge.waiting", { name: g.name }), say: t("home.nudge.waiting.say", { time: dayAndTime(g.live_at, now) }) })),
    ...l.agencies.filter((a) => a.waiting).map((a) => ({ id: a.id, kind: "", icon: "van", title: t("home.asks", { name: a.name }), say: t("home.nudge.asks.say") })),
  ];
  return <>{rows.map((r) => <a key={r.id} class={`card nudge ${r.kind}`} href="#/come"><Icon name={r.icon} /><span class="grow"><b>{r.title}</b><br /><span class="small">{r.say}</span></span><Icon name="next" flip /></a>)}</>;
}
