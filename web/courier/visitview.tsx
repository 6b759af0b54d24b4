// From the question to the locked door: one screen for each thing that the house says.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { feel, hush } from "../shared/feel";
import { saysLocked } from "../shared/receipt";
import { Slide } from "../shared/slide";
import { type CheckGroup, Alarms, CAMERA_CHECKS, Door, LOCK_CHECKS, OpenFor, PushSteps, RELEASE_MS, Spinner, Ticks, hasStopWords, isLeafOpen, stopWords, useTick } from "../shared/stopview";
import { has, t } from "../shared/strings";
import { counter } from "../shared/times";
import type { Engine } from "./engine";
import { Icon, Mark } from "./icons";
import { Cannot, Frame, Go, Quiet } from "./parts";
import { ReceiptFacts, verdict } from "./receiptview";
import { Places, placesOf } from "./stops";
import { type Visit, timeIn } from "./types";

// What is checked, in the five things that a courier knows.
const group = (name: string, icon: string, codes: readonly string[], known: readonly string[]): Omit<CheckGroup, "label"> => ({ name, icon, codes, known });
const GROUPS = [
  group("parcel", "box", ["wrong_home", "wrong_parcel", "parcel_used", "bad_message"], ["wrong_home", "wrong_parcel", "parcel_used"]),
  group("door", "door", ["wrong_door", "location"], ["wrong_door"]),
  group("you", "note", ["no_such_job", "not_assigned", "screening", "no_permission", "too_early", "too_late", "clock", "other_visit", "ended_by_household"], ["no_such_job", "not_assigned", "screening", "no_permission", "too_early", "too_late"]),
  group("camera", "camera", CAMERA_CHECKS, CAMERA_CHECKS.slice(0, 5)),
  group("lock", "lock", LOCK_CHECKS, LOCK_CHECKS.slice(0, 5)),
];
const words = stopWords("courier");

function VisitTicks({ visit }: { visit: Visit | null }): JSX.Element {
  const refused = visit?.check?.code ?? null;
  const asked = visit && { refused, isReady: visit.state !== "checking" && refused === null, passed: visit.passed };
  return <Ticks groups={GROUPS.map((g) => ({ ...g, label: words(`tick.${g.name}`) }))} asked={asked} />;
}

/** Milliseconds in the present state: by the house's time where it is known and makes sense, else since it was seen here. */
function inState(engine: Engine, v: Visit): number {
  const line = [...(v.story ?? [])].reverse().find((l) => l.state === v.state);
  const since = line?.at ? engine.now() - Date.parse(line.at.time) : NaN;
  const seen = Date.now() - engine.seenAt;
  return Number.isFinite(since) && since >= seen - 3000 && since < 3600000 ? Math.max(0, since) : seen;
}

export function VisitView({ engine }: { engine: Engine }): JSX.Element {
  const v = engine.visit;
  const state = v?.outcome ? "over" : (v?.state ?? "asking");
  useEffect(() => {
    if (state === "unlocked" || (state === "inside" && v?.slid)) feel("opened");
    else if (state === "unconfirmed") feel("unknown");
    else if (state === "not_secured") feel("alarm");
    else if (state === "over" && v?.outcome === "REFUSED") feel("refused");
    else hush();
    return hush;
  }, [state === "inside" ? "unlocked" : state]);
  if (engine.problem) return <ProblemView engine={engine} />;
  if (!v) return engine.kept.ask ? <Checking engine={engine} visit={null} /> : <Resuming engine={engine} />;
  if (engine.isWarned) return <Distrust engine={engine} />;
  if (v.outcome === "REFUSED") return <Refused engine={engine} visit={v} />;
  if (v.outcome !== null) return <Over engine={engine} visit={v} />;
  switch (v.state) {
    case "checking":
      return <Checking engine={engine} visit={v} />;
    case "ready":
      if (engine.trust.state !== "good") return <Checking engine={engine} visit={v} />; // a moment: the hub's word is being checked
      return <Ready engine={engine} visit={v} />;
    case "sent":
    case "recording":
    case "looking":
    case "opening":
      return <Opening engine={engine} visit={v} />;
    case "unlocked":
    case "inside":
    case "closing":
      return <Inside engine={engine} visit={v} />;
    case "between":
      return <Between engine={engine} visit={v} />;
    case "not_secured":
      return <Stuck engine={engine} visit={v} />;
    case "unconfirmed":
      return <Unheard engine={engine} visit={v} />;
    default:
      return <Waiting engine={engine} step={6} title={t("stop.done.checking")} />;
  }
}

function Waiting({ engine, step, title, sub }: { engine: Engine; step: number; title: string; sub?: string }): JSX.Element {
  return (
    <Frame engine={engine} step={step} title={title}>
      <p class="sub">{sub ?? ""}</p>
      <div class="plate"><Spinner size="large" /></div>
    </Frame>
  );
}

function Resuming({ engine }: { engine: Engine }): JSX.Element {
  return <Waiting engine={engine} step={3} title={t("courier.resume")} sub={t("courier.resume.sub")} />;
}

function Checking({ engine, visit }: { engine: Engine; visit: Visit | null }): JSX.Element {
  return (
    <Frame engine={engine} step={3} title={t("stop.check.title", { n: GROUPS.length })} end={<Quiet onClick={() => engine.leave()}>{t("stop.check.stop")}</Quiet>}>
      <div aria-live="polite"><VisitTicks visit={visit} /></div>
    </Frame>
  );
}

/** Something answers that is not what this phone asked: nothing is opened, and who can find out is called. */
function Distrust({ engine }: { engine: Engine }): JSX.Element {
  const why = engine.trust.state === "bad" ? engine.trust.why : "offer";
  const isAgain = why === "not_asked" || why === "no_offer";
  const again = t("stop.trust.again");
  const back = t("courier.list.back");
  return (
    <Frame
      engine={engine}
      step={4}
      kind="refused"
      title={t("stop.trust.title")}
      end={isAgain ? <><Go onClick={() => engine.again()}>{again}</Go><Quiet onClick={() => engine.leave()}>{back}</Quiet></> : <><Go icon="arrow" onClick={() => engine.leave()}>{back}</Go><Quiet onClick={() => engine.again()}>{again}</Quiet></>}
    >
      <div class="why"><Mark kind="act" icon="alert" /><p class="sub" role="alert"><b>{words(`trust.${why}`)}</b></p></div>
      <p class="sub">{hasStopWords("courier", `trust.${why}.next`) ? words(`trust.${why}.next`) : t("courier.trust.next")}</p>
      <p class="small dim">{t("stop.trust.nothing")}</p>
    </Frame>
  );
}

function Ready({ engine, visit }: { engine: Engine; visit: Visit }): JSX.Element {
  return (
    <Frame
      engine={engine}
      step={4}
      title={t("stop.ready.title", { n: GROUPS.length })}
      end={
        engine.cannot ? <Quiet onClick={() => engine.leave()}>{t("courier.list.back")}</Quiet> : <>
          <Slide label={t("stop.slide")} waiting={t(engine.isConfirming ? "stop.slide.confirm" : "stop.slide.sent")} isWaiting={engine.isSliding} onDone={() => void engine.slide()} />
          <p class="cap" id="slide-how">{t("stop.slide.how")}</p>
        </>
      }
    >
      <p class="sub">{t("courier.ready.sub")}</p>
      <Cannot engine={engine} />
      <div role="alert">{engine.slip ? <p class="callout is-notice"><Mark kind="notice" icon="note" /><span><b>{t(`stop.slip.${engine.slip}`)}</b> {t("stop.slip.again")}</span></p> : null}</div>
      <Door />
      <p class="told"><Icon name="camera" />{t("stop.ready.told")}</p>
      <p class="vh" role="status">{visit.ready_until ? t("stop.ready.until", { time: timeIn(engine.job?.zone ?? null, Date.parse(visit.ready_until)) }) : ""}</p>
    </Frame>
  );
}

function Opening({ engine, visit }: { engine: Engine; visit: Visit }): JSX.Element {
  return (
    <Frame engine={engine} step={4} title={t("stop.opening.title")} end={<><Slide label={t("stop.slide")} waiting={t("stop.slide.sent")} isWaiting onDone={() => undefined} /><p class="cap" id="slide-how">{t("stop.opening.once")}</p></>}>
      <p class="sub" aria-live="polite">{t(`stop.opening.${visit.state}`)}</p>
      <Door />
    </Frame>
  );
}

function Inside({ engine, visit }: { engine: Engine; visit: Visit }): JSX.Element {
  useTick();
  const [isWrong, setWrong] = useState(false);
  const s = visit.state;
  const age = inState(engine, visit);
  return (
    <Frame
      engine={engine}
      step={5}
      kind="inside"
      title={t(s === "unlocked" ? "stop.unlocked.title" : s === "closing" ? "stop.closing.title" : engine.job?.kind === "stay" ? "stop.inside.stay" : "courier.inside.title")}
      end={<><LeaveButton engine={engine} visit={visit} /><Quiet onClick={() => setWrong(!isWrong)}>{t("stop.inside.wrong")}</Quiet></>}
    >
      <p class="sub" aria-live="polite">{t(`stop.${s}.sub`)}</p>
      <Alarms codes={visit.alarms.map((a) => a.code)} />
      <Door ajar={s === "inside"} />
      <OpenFor state={s} age={age} dwell={engine.job?.dwell_ms ?? null} />
      {isWrong ? <div class="callout is-notice"><span><b>{t("stop.wrong.title")}</b> {t("courier.wrong.how")}</span></div> : null}
    </Frame>
  );
}

/** Of a stay, whose end is the visitor's to say. */
function LeaveButton({ engine, visit }: { engine: Engine; visit: Visit }): JSX.Element | null {
  if (engine.job?.kind !== "stay") return null;
  if (engine.leaving === visit.id) return <p class="sub" role="status">{t("stop.leaving")}</p>;
  return (
    <>
      {engine.slip ? <p class="sub" role="alert">{t("stop.leave.unheard")}</p> : null}
      <Quiet onClick={() => void engine.sayLeaving()}>{t("stop.leave")}</Quiet>
    </>
  );
}

function Between({ engine, visit }: { engine: Engine; visit: Visit }): JSX.Element {
  return (
    <Frame engine={engine} step={6} title={t("stop.between.title")} end={<>{engine.leaving === visit.id ? null : <Go icon="scan" onClick={() => engine.ask(visit.barcode)}>{t("courier.between.again")}</Go>}<LeaveButton engine={engine} visit={visit} /><Quiet onClick={() => engine.leave()}>{t("courier.list.back")}</Quiet></>}>
      <p class="sub">{t("courier.between.sub")}</p>
    </Frame>
  );
}

/** The door that will not lock: what hands can do, who knows, and when one may go. */
function Stuck({ engine, visit }: { engine: Engine; visit: Visit }): JSX.Element {
  useTick();
  const [isHeard, setHeard] = useState(false);
  const isOpen = isLeafOpen(visit.alarms.map((a) => a.code));
  const age = inState(engine, visit);
  const left = RELEASE_MS - age;
  return (
    <Frame
      engine={engine}
      step={6}
      title={t(isOpen ? "stop.stuck.open" : "stop.stuck.title")}
      end={isHeard ? null : <button type="button" class="btn btn-act go" onClick={() => { hush(); setHeard(true); }}>{t("stop.stuck.heard")}</button>}
    >
      <p class="left is-act" role="alert"><Mark kind="act" icon="alert" /><span class="sub">{t("courier.stuck.told")}</span></p>
      <PushSteps />
      <p class="left is-act"><span class="big time">{counter(Math.max(0, left))}</span><span class="sub">{t(left > 0 ? "stop.stuck.left" : "stop.stuck.soon")}</span></p>
    </Frame>
  );
}

function Unheard({ engine, visit }: { engine: Engine; visit: Visit }): JSX.Element {
  useTick();
  return (
    <Frame engine={engine} step={6} kind="done" title={t("stop.unheard.title")}>
      <Mark kind="unknown" icon="question" />
      <p class="left is-unknown"><span class="big time">{counter(inState(engine, visit))}</span></p>
      <p class="sub">{t("courier.unheard.sub")}</p>
    </Frame>
  );
}

/** Over, as far as the service says. "Locked" is said only by a receipt that this phone has checked itself [I34]. */
function Over({ engine, visit }: { engine: Engine; visit: Visit }): JSX.Element {
  const p = engine.proof;
  const locked = p.state === "verified" && saysLocked(p.receipt);
  const name = p.state === "verified" ? (locked ? "locked" : p.receipt.outcome) : p.state;
  useEffect(() => {
    if (locked) feel("secured");
    else if (name === "NOT_SECURED") hush();
    else if (p.state !== "asking" && p.state !== "none") feel("unknown");
  }, [name]);
  const end = (
    <>
      <Go icon="arrow" onClick={() => engine.leave()}>{t("courier.done.next")}</Go>
      {p.state === "verified" || p.state === "foreign" ? <Quiet onClick={() => engine.go("receipt")}>{t("courier.done.receipt")}</Quiet> : null}
    </>
  );
  if (p.state === "none" || p.state === "asking") return <Waiting engine={engine} step={6} title={t("stop.done.checking")} sub={t("stop.done.checking.sub")} />;
  if (p.state === "bad" || p.state === "foreign") {
    return (
      <Frame engine={engine} step={6} kind="done" title={t("courier.unproven.title")} end={end}>
        <Mark kind="unknown" icon="question" />
        <p class="sub">{t(p.state === "bad" ? "courier.unproven.bad" : "courier.unproven.foreign")}</p>
        <p class="sub"><b>{t("courier.unproven.hand")}</b></p>
      </Frame>
    );
  }
  const r = p.receipt;
  if (locked) {
    return (
      <Frame engine={engine} step={6} kind="done is-locked" title={t(r.outcome === "NOT_OPENED" ? "courier.done.notopened" : "courier.done.title")} end={end}>
        <Mark kind="secured" icon="lock" />
        <p class="sub" role="status">{t(r.lockClass === "B" ? "stop.done.radio" : "stop.done.sub")}</p>
        {r.outcome === "OK" || r.outcome === "NOT_OPENED" ? null : <p class="callout is-notice">{verdict(r)}</p>}
        <ReceiptFacts engine={engine} receipt={r} isShort />
      </Frame>
    );
  }
  if (r.outcome === "NOT_SECURED") {
    return (
      <Frame engine={engine} step={6} kind="done" title={t("stop.released.title")} end={end}>
        <Mark kind="act" icon="alert" />
        <p class="sub">{t("courier.released.sub")}</p>
        <ReceiptFacts engine={engine} receipt={r} isShort />
      </Frame>
    );
  }
  return (
    <Frame engine={engine} step={6} kind="done" title={t("stop.unheard.title")} end={end}>
      <Mark kind="unknown" icon="question" />
      <p class="sub">{verdict(r)}</p>
      <p class="sub"><b>{t("courier.unproven.hand")}</b></p>
      {visit.outcome === "SECURED_UNCONFIRMED" ? <p class="small dim">{t("courier.unheard.later")}</p> : null}
    </Frame>
  );
}

// What helps, by the code of the refusal. What is not named: the next place on the list.
const AGAIN = ["bad_message", "other_visit", "camera_not_live", "record", "proof", "too_slow", "location", "hub_unreachable"];
const RESCAN = ["wrong_parcel", "parcel_used"];
const WALK_ON = ["wrong_home", "too_early", "no_such_job", "not_assigned", "screening"];
const COURIERS_OWN = [...RESCAN, "wrong_door", "wrong_home", "too_early", "too_late", "location", "bad_message"];

function Refused({ engine, visit }: { engine: Engine; visit: Visit }): JSX.Element {
  const code = visit.check?.code ?? "bad_message";
  const reason = has(`courier.refused.${code}`) ? t(`courier.refused.${code}`) : (visit.check?.text ?? "");
  const next = has(`courier.refused.${code}.next`) ? t(`courier.refused.${code}.next`) : (visit.check?.next ?? "");
  const places = placesOf(engine.job);
  const isAgain = AGAIN.includes(code);
  const main = isAgain ? <Go onClick={() => engine.again()}>{t("stop.refused.again")}</Go>
    : code === "wrong_door" ? <Go icon="scan" onClick={() => engine.go("door", { door: null, visit: null, open: null })}>{t("courier.refused.door")}</Go>
    : RESCAN.includes(code) ? <Go icon="scan" onClick={() => engine.go("parcel", { barcode: null, visit: null, open: null })}>{t("courier.refused.parcel")}</Go>
    : WALK_ON.includes(code) || places.length === 0 ? <Go icon="arrow" onClick={() => engine.leave()}>{t("courier.list.back")}</Go>
    : null;
  return (
    <Frame
      engine={engine}
      step={3}
      kind="refused"
      title={t(isAgain ? "stop.refused.notyet" : "stop.refused.title")}
      end={<>{main}{main && places.length > 0 ? <Quiet onClick={() => engine.go("place", { place: null })}>{t("courier.refused.else")}</Quiet> : <Quiet onClick={() => engine.wentElsewhere("van")}>{t("courier.go.back")}</Quiet>}</>}
    >
      <div class="why"><Mark kind="notice" icon={GROUPS.find((g) => g.codes.includes(code))?.icon ?? "door"} /><p class="sub" role="alert"><b>{reason}</b></p></div>
      <p class="sub">{next}</p>
      <p class="small dim">{t(COURIERS_OWN.includes(code) ? "courier.refused.happens" : "courier.refused.notyou")}</p>
      {main ? <VisitTicks visit={visit} /> : <Places engine={engine} />}
    </Frame>
  );
}

function ProblemView({ engine }: { engine: Engine }): JSX.Element {
  const p = engine.problem!;
  const key = `courier.problem.${p.code}`;
  return (
    <Frame engine={engine} step={3} title={t("courier.problem.title")} end={<><Go icon="scan" onClick={() => { engine.problem = null; engine.go("parcel", { barcode: null, ask: null, visit: null }); }}>{t("courier.refused.parcel")}</Go><Quiet onClick={() => engine.leave()}>{t("courier.list.back")}</Quiet></>}>
      <div class="why"><Mark kind="notice" icon="note" /><p class="sub" role="alert"><b>{has(key) ? t(key) : t("courier.problem.other")}</b></p></div>
      <p class="sub">{t("courier.problem.next")}</p>
    </Frame>
  );
}
