// From the question to the locked door, for a guest: one screen for each thing that the house says.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { feel, hush } from "../shared/feel";
import { type Receipt, saysLocked } from "../shared/receipt";
import { Slide } from "../shared/slide";
import { type CheckGroup, Alarms, CAMERA_CHECKS, Door, LOCK_CHECKS, OpenFor, PushSteps, RELEASE_MS, Spinner, Ticks, hasStopWords, isLeafOpen, stopWords, useTick } from "../shared/stopview";
import { has, t } from "../shared/strings";
import { counter } from "../shared/times";
import { Icon, Mark } from "../shared/ui";
import { type Guest, isOver } from "./engine";
import { Frame, Go, Quiet, nextText, timeAt } from "./parts";
import type { Visit } from "./types";
import { nextOfAll } from "./when";

const words = stopWords("guest");

const YOU = ["no_permission", "parcel_used", "no_such_job", "not_assigned", "wrong_home", "bad_message", "other_visit", "ended_by_household", "screening"];
const TIME = ["too_early", "too_late", "clock"];
// What is checked, in the four things that a guest knows.
const GROUPS: readonly Omit<CheckGroup, "label">[] = [
  { name: "you", icon: "key", codes: YOU, known: ["no_permission", "no_such_job", "not_assigned"] },
  { name: "time", icon: "clock", codes: TIME, known: TIME },
  { name: "camera", icon: "camera", codes: CAMERA_CHECKS, known: CAMERA_CHECKS.slice(0, 5) },
  { name: "lock", icon: "lock", codes: LOCK_CHECKS, known: LOCK_CHECKS.slice(0, 5) },
];

function VisitTicks({ visit }: { visit: Visit | null }): JSX.Element {
  const asked = visit && { refused: visit.check, isReady: visit.state !== "checking" && visit.check === null, passed: visit.passed };
  return <Ticks groups={GROUPS.map((g) => ({ ...g, label: words(`tick.${g.name}`) }))} asked={asked} />;
}

/** Which refusal is on the screen: of the visit, or of an opening within a stay. */
function refusedBy(guest: Guest, v: Visit): string | null {
  if (v.state === "refused" || v.state === "between") return v.check;
  const p = guest.proof;
  const receipt = p.state === "verified" || p.state === "foreign" ? p.receipt : null;
  return isOver(v) && receipt?.outcome === "REFUSED" ? v.check ?? receipt.check : null;
}

function useFeeling(state: string): void {
  useEffect(() => {
    if (state === "unlocked" || state === "inside") feel("opened");
    else if (state === "unconfirmed") feel("unknown");
    else if (state === "not_secured") feel("alarm");
    else if (state === "refused") feel("refused");
    else hush();
    return hush;
  }, [state]);
}

export function VisitView({ guest }: { guest: Guest }): JSX.Element {
  const v = guest.visit;
  const refused = v && refusedBy(guest, v);
  const isEnded = v !== null && isOver(v) && refused === null;
  useFeeling(v === null ? "" : refused !== null ? "refused" : isEnded ? "over" : v.state === "inside" ? "unlocked" : v.state);
  if (guest.isLost) return <Lost guest={guest} />;
  if (v === null) return <Checking guest={guest} visit={null} />;
  if (guest.trust.state === "bad" && v.state === "ready") return <Distrust guest={guest} why={guest.trust.why} />;
  if (refused !== null) return <Refused guest={guest} visit={v} code={refused || "bad_message"} />;
  if (isEnded) return <Over guest={guest} />;
  switch (v.state) {
    case "checking":
      return <Checking guest={guest} visit={v} />;
    case "ready":
      return guest.trust.state === "good" ? <ReadyView guest={guest} visit={v} /> : <Checking guest={guest} visit={v} />;
    case "sent":
    case "recording":
    case "looking":
    case "opening":
      return <Opening guest={guest} visit={v} />;
    case "unlocked":
    case "inside":
    case "closing":
      return <Inside guest={guest} visit={v} />;
    case "between":
      return <Between guest={guest} />;
    case "not_secured":
      return <Stuck guest={guest} visit={v} />;
    case "unconfirmed":
      return <Unheard guest={guest} />;
    default:
      return <Checking guest={guest} visit={v} />;
  }
}

function Checking({ guest, visit }: { guest: Guest; visit: Visit | null }): JSX.Element {
  return (
    <Frame guest={guest} step={1} title={t("stop.check.title", { n: GROUPS.length })} end={<Quiet onClick={() => guest.leave()}>{t("stop.check.stop")}</Quiet>}>
      <div aria-live="polite"><VisitTicks visit={visit} /></div>
    </Frame>
  );
}

/** Something answers that is not what this phone asked: nothing is opened. */
function Distrust({ guest, why }: { guest: Guest; why: string }): JSX.Element {
  return (
    <Frame guest={guest} step={2} kind="refused" title={t("stop.trust.title")} end={<><Go onClick={() => void guest.ask()}>{t("stop.trust.again")}</Go><Quiet onClick={() => guest.leave()}>{t("guest.back")}</Quiet></>}>
      <div class="why"><Mark kind="act" icon="act" /><p class="sub" role="alert"><b>{words(`trust.${why}`)}</b></p></div>
      <p class="sub">{words(hasStopWords("guest", `trust.${why}.next`) ? `trust.${why}.next` : "trust.next")}</p>
      <p class="small dim">{t("stop.trust.nothing")}</p>
    </Frame>
  );
}

function ReadyView({ guest, visit }: { guest: Guest; visit: Visit }): JSX.Element {
  const until = visit.expires_ms === null ? "" : t("stop.ready.until", { time: timeAt(guest, guest.now() + visit.expires_ms) });
  return (
    <Frame
      guest={guest}
      step={2}
      title={t("stop.ready.title", { n: GROUPS.length })}
      end={<>
        <Slide label={t("stop.slide")} waiting={t(guest.isConfirming ? "stop.slide.confirm" : "stop.slide.sent")} isWaiting={guest.isSliding} onDone={() => void guest.slide()} />
        <p class="cap" id="slide-how">{t("stop.slide.how")}</p>
      </>}
    >
      <p class="sub">{t("guest.ready.sub")}</p>
      <div role="alert">{guest.slip ? <p class="callout is-notice"><Mark kind="notice" icon="note" /><span><b>{t(has(`stop.slip.${guest.slip}`) ? `stop.slip.${guest.slip}` : "stop.slip.failed")}</b> {t("stop.slip.again")}</span></p> : null}</div>
      <Door />
      <p class="told"><Icon name="camera" />{t("stop.ready.told")}</p>
      <p class="vh" role="status">{until}</p>
    </Frame>
  );
}

function Opening({ guest, visit }: { guest: Guest; visit: Visit }): JSX.Element {
  return (
    <Frame guest={guest} step={2} title={t("stop.opening.title")} end={<><Slide label={t("stop.slide")} waiting={t("stop.slide.sent")} isWaiting onDone={() => undefined} /><p class="cap" id="slide-how">{t("stop.opening.once")}</p></>}>
      <p class="sub" aria-live="polite">{t(`stop.opening.${visit.state}`)}</p>
      <Door />
    </Frame>
  );
}

function LeaveButton({ guest }: { guest: Guest }): JSX.Element {
  if (guest.isLeaving) return <p class="sub" role="status">{t("stop.leaving")}</p>;
  return <Quiet onClick={() => void guest.sayLeaving()}>{t("stop.leave")}</Quiet>;
}

function Inside({ guest, visit }: { guest: Guest; visit: Visit }): JSX.Element {
  useTick();
  const [isWrong, setWrong] = useState(false);
  const s = visit.state;
  return (
    <Frame
      guest={guest}
      step={3}
      kind="inside"
      title={t(s === "unlocked" ? "guest.unlocked.title" : s === "closing" ? "stop.closing.title" : "guest.inside.title")}
      end={<><LeaveButton guest={guest} /><Quiet onClick={() => setWrong(!isWrong)}>{t("stop.inside.wrong")}</Quiet></>}
    >
      <p class="sub" aria-live="polite">{t(`stop.${s}.sub`)}</p>
      <Alarms codes={visit.alarms} />
      <Door ajar={s === "inside"} />
      <OpenFor state={s} age={Date.now() - guest.seenAt} dwell={guest.grant?.dwell_ms ?? null} />
      {isWrong ? <div class="callout is-notice"><span><b>{t("stop.wrong.title")}</b> {t("guest.wrong.how")}</span></div> : null}
    </Frame>
  );
}

/** The house has sensed it locked, and the stay goes on: in again, or home. */
function Between({ guest }: { guest: Guest }): JSX.Element {
  return (
    <Frame guest={guest} step={4} title={t("guest.between.title")} end={<>{guest.isLeaving ? null : <Go icon="door" onClick={() => void guest.ask()}>{t("guest.again")}</Go>}<LeaveButton guest={guest} /></>}>
      <div class="why"><Mark kind="secured" icon="lock" /><p class="sub">{t("guest.between.sub")}</p></div>
      <p class="sub">{t("guest.between.inside")}</p>
    </Frame>
  );
}

/** The door that will not lock: what hands can do, who knows, and when one may go. */
function Stuck({ guest, visit }: { guest: Guest; visit: Visit }): JSX.Element {
  useTick();
  const [isHeard, setHeard] = useState(false);
  const left = RELEASE_MS - (Date.now() - guest.seenAt);
  return (
    <Frame
      guest={guest}
      step={4}
      title={t(isLeafOpen(visit.alarms) ? "stop.stuck.open" : "stop.stuck.title")}
      end={isHeard ? null : <button type="button" class="btn btn-act go" onClick={() => { hush(); setHeard(true); }}>{t("stop.stuck.heard")}</button>}
    >
      <p class="left is-act" role="alert"><Mark kind="act" icon="act" /><span class="sub">{t("guest.stuck.told")}</span></p>
      <PushSteps />
      <p class="left is-act"><span class="big time">{counter(Math.max(0, left))}</span><span class="sub">{t(left > 0 ? "guest.stuck.left" : "guest.stuck.soon")}</span></p>
    </Frame>
  );
}

function Unheard({ guest }: { guest: Guest }): JSX.Element {
  useTick();
  return (
    <Frame guest={guest} step={4} kind="done" title={t("stop.unheard.title")}>
      <Mark kind="unknown" icon="ask" />
      <p class="left is-unknown"><span class="big time">{counter(Date.now() - guest.seenAt)}</span></p>
      <p class="sub">{t("guest.unheard.sub")}</p>
    </Frame>
  );
}

/** A visit that was under way, of which the house does not know any more: nobody here can say that it is locked. */
function Lost({ guest }: { guest: Guest }): JSX.Element {
  return (
    <Frame guest={guest} step={4} kind="done" title={t("stop.unheard.title")} end={<Go onClick={() => guest.leave()}>{t("guest.back")}</Go>}>
      <Mark kind="unknown" icon="ask" />
      <p class="sub" role="alert">{t("guest.lost")}</p>
      <p class="sub"><b>{t("guest.hand")}</b></p>
    </Frame>
  );
}

function Times({ guest, receipt: r }: { guest: Guest; receipt: Receipt }): JSX.Element {
  const rows: [string, string][] = [];
  if (r.opened) rows.push([t("guest.fact.opened"), timeAt(guest, r.opened.ms)]);
  if (r.secured) rows.push([t(r.lockClass === "B" ? "guest.fact.locked.radio" : "guest.fact.locked"), timeAt(guest, r.secured.ms)]);
  return <dl class="facts">{rows.map(([k, v]) => <div key={k}><dt>{k}</dt><dd class="time">{v}</dd></div>)}</dl>;
}

/** The hub's signed word follows the end; later than this it is called missing (and still shown when it comes). */
const RECEIPT_MS = 5000;

/** Over. "Locked" is said only by the hub's signed statement that this phone has checked itself [I34]. */
function Over({ guest }: { guest: Guest }): JSX.Element {
  useTick();
  const p = guest.proof;
  const isAwaited = p.state === "asking" || (p.state === "none" && Date.now() - guest.seenAt < RECEIPT_MS);
  const locked = p.state === "verified" && saysLocked(p.receipt);
  const name = p.state === "verified" ? (locked ? "locked" : p.receipt.outcome) : p.state;
  useEffect(() => {
    if (locked) feel("secured");
    else if (name === "NOT_SECURED") hush();
    else if (!isAwaited) feel("unknown");
  }, [name, isAwaited]);
  const end = <Go onClick={() => guest.leave()}>{t("guest.done")}</Go>;
  if (isAwaited) return <Frame guest={guest} step={4} title={t("stop.done.checking")}><p class="sub">{t("stop.done.checking.sub")}</p><div class="plate"><Spinner size="large" /></div></Frame>;
  if (p.state !== "verified") {
    return (
      <Frame guest={guest} step={4} kind="done" title={t("stop.unheard.title")} end={end}>
        <Mark kind="unknown" icon="ask" />
        <p class="sub">{t(p.state === "none" ? "guest.lost" : p.state === "bad" ? "guest.unproven.bad" : "guest.unproven.foreign")}</p>
        <p class="sub"><b>{t("guest.hand")}</b></p>
      </Frame>
    );
  }
  const r = p.receipt;
  if (locked) {
    return (
      <Frame guest={guest} step={4} kind="done is-locked" title={t("guest.locked")} end={end}>
        <Mark kind="secured" icon="lock" />
        <p class="sub" role="status">{t(r.lockClass === "B" ? "stop.done.radio" : "stop.done.sub")}</p>
        {r.outcome === "SECURED_WITH_GAP" || r.outcome === "SECURED_TAMPERED" ? <p class="callout is-notice">{t(`guest.verdict.${r.outcome}`)}</p> : null}
        <Times guest={guest} receipt={r} />
      </Frame>
    );
  }
  if (r.outcome === "NOT_SECURED") {
    return (
      <Frame guest={guest} step={4} kind="done" title={t("stop.released.title")} end={end}>
        <Mark kind="act" icon="act" />
        <p class="sub">{t("guest.released")}</p>
        <Times guest={guest} receipt={r} />
      </Frame>
    );
  }
  return (
    <Frame guest={guest} step={4} kind="done" title={t("stop.unheard.title")} end={end}>
      <Mark kind="unknown" icon="ask" />
      <p class="sub">{t("guest.unheard.over")}</p>
      <p class="sub"><b>{t("guest.hand")}</b></p>
    </Frame>
  );
}

// What may be different in a moment: the same question once more.
const AGAIN = ["bad_message", "other_visit", "camera_not_live", "camera_frozen", "camera_covered", "record", "proof", "too_slow", "hub_unreachable", "lock_unreachable", "door_not_closed", "bolt_not_thrown", "too_many", "busy", "door_busy", "storage", "challenge"];
const OWN = ["too_early", "too_late", "bad_message"];

/** The house's reason, and what to do next; when a window comes again, when that is. */
export function Refused({ guest, visit, code }: { guest: Guest; visit: Visit | null; code: string }): JSX.Element {
  const isAgain = AGAIN.includes(code);
  const isWithin = visit?.state === "between";
  const key = has(`guest.refused.${code}`) ? code : "other";
  const now = guest.now();
  const next = TIME.includes(code) && guest.told ? nextOfAll(guest.told.grants, now) : null;
  const back = isWithin
    ? <LeaveButton guest={guest} />
    : isAgain ? <Quiet onClick={() => guest.leave()}>{t("guest.back")}</Quiet> : <Go onClick={() => guest.leave()}>{t("guest.back")}</Go>;
  return (
    <Frame
      guest={guest}
      step={1}
      kind="refused"
      title={t(isAgain ? "stop.refused.notyet" : "stop.refused.title")}
      end={<>{isAgain ? <Go onClick={() => void guest.ask()}>{t("stop.refused.again")}</Go> : null}{back}</>}
    >
      <div class="why"><Mark kind="notice" icon={GROUPS.find((g) => g.codes.includes(code))?.icon ?? "door"} /><p class="sub" role="alert"><b>{t(`guest.refused.${key}`, { code })}</b></p></div>
      <p class="sub">{next ? t("guest.next", { when: nextText(next.next, now, next.grant.zone) }) : t(`guest.refused.${key}.next`, { code })}</p>
      <p class="small dim">{t(OWN.includes(code) ? "guest.refused.happens" : "guest.refused.notyou")}</p>
      {isWithin ? <p class="sub"><Mark kind="secured" icon="lock" small /> {t("guest.between.title")}.</p> : null}
      {visit && isAgain ? <VisitTicks visit={visit} /> : null}
    </Frame>
  );
}
