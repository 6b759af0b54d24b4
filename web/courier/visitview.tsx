// From the question to the locked door: one screen for each thing that the house says.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { has, t } from "../shared/strings";
import { counter } from "../shared/times";
import { saysLocked } from "../shared/receipt";
import type { Engine } from "./engine";
import { feel, hush } from "./feel";
import { Icon, Mark } from "./icons";
import { Cannot, Frame, Go, Quiet, Slide, useTick } from "./parts";
import { ReceiptFacts, verdict } from "./receiptview";
import { Places, placesOf } from "./stops";
import { type Visit, timeIn } from "./types";

// What is checked, in the five things that a courier knows. Codes of DW_CHECK_LIST.
const GROUPS: readonly (readonly [string, string, readonly string[]])[] = [
  ["parcel", "box", ["wrong_home", "wrong_parcel", "parcel_used", "bad_message"]],
  ["door", "door", ["wrong_door", "location"]],
  ["you", "note", ["no_such_job", "not_assigned", "screening", "no_permission", "too_early", "too_late", "clock", "other_visit", "ended_by_household"]],
  ["camera", "camera", ["camera_class", "camera_not_live", "camera_frozen", "camera_covered", "camera_tampered", "disk_full", "record"]],
  ["lock", "lock", ["lock_class", "lock_unreachable", "lock_relock", "door_not_closed", "bolt_not_thrown", "lock_battery", "unaccounted_opening", "hub_unreachable", "proof", "too_slow"]],
];
// What the service itself answers for before it asks the house.
const KNOWN_FIRST: Record<string, readonly string[]> = {
  parcel: ["wrong_home", "wrong_parcel", "parcel_used"],
  door: ["wrong_door"],
  you: ["no_such_job", "not_assigned", "screening", "no_permission", "too_early", "too_late"],
  camera: ["camera_class", "camera_not_live", "camera_frozen", "camera_covered", "camera_tampered"],
  lock: ["lock_class", "lock_unreachable", "lock_relock", "door_not_closed", "bolt_not_thrown"],
};

function Ticks({ visit }: { visit: Visit | null }): JSX.Element {
  const refused = visit?.check?.code;
  const isReady = visit !== null && visit.state !== "checking" && !refused;
  let isWaiting = false;
  return (
    <ul class="ticks" role="list">
      {GROUPS.map(([name, icon, codes]) => {
        const isRefused = refused !== undefined && codes.includes(refused);
        const isGood = !isRefused && (isReady || (visit !== null && KNOWN_FIRST[name]!.every((c) => visit.passed.includes(c))));
        const isNow = !isGood && !refused && !isWaiting;
        if (isNow) isWaiting = true;
        return (
          <li key={name} class={isGood ? "is-secured" : isRefused ? "is-notice" : "wait"}>
            {isGood ? <Mark kind="secured" icon="tick" /> : isRefused ? <Mark kind="notice" icon={icon} /> : isNow ? (
              <svg class="spin" viewBox="0 0 40 40" fill="none" stroke="currentColor" stroke-width="4" stroke-linecap="round" aria-hidden="true"><circle cx="20" cy="20" r="16" opacity=".25" /><path d="M20 4a16 16 0 0 1 16 16" /></svg>
            ) : <Mark kind="plan" icon={icon} />}
            <span>{t(`courier.tick.${name}`)}<small>{t(isGood ? "courier.tick.good" : isRefused ? "courier.tick.not" : isNow ? "courier.tick.now" : "courier.tick.later")}</small></span>
          </li>
        );
      })}
    </ul>
  );
}

/** Milliseconds in the present state: by the house's time where it is known and makes sense, else since it was seen here. */
function inState(engine: Engine, v: Visit): number {
  const line = [...(v.story ?? [])].reverse().find((l) => l.state === v.state);
  const since = line?.at ? engine.now() - Date.parse(line.at.time) : NaN;
  const seen = Date.now() - engine.seenAt;
  return Number.isFinite(since) && since >= seen - 3000 && since < 3600000 ? Math.max(0, since) : seen;
}

const HANDS: Record<string, string> = { camera_blind: "blind", camera_frozen: "blind", camera_covered: "blind", camera_tampered: "blind" };

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
      return <Waiting engine={engine} step={6} title={t("courier.done.checking")} />;
  }
}

function Waiting({ engine, step, title, sub }: { engine: Engine; step: number; title: string; sub?: string }): JSX.Element {
  return (
    <Frame engine={engine} step={step} title={title}>
      <p class="sub">{sub ?? ""}</p>
      <div class="plate"><svg class="spin large" viewBox="0 0 40 40" fill="none" stroke="currentColor" stroke-width="3" stroke-linecap="round" aria-hidden="true"><circle cx="20" cy="20" r="16" opacity=".25" /><path d="M20 4a16 16 0 0 1 16 16" /></svg></div>
    </Frame>
  );
}

function Resuming({ engine }: { engine: Engine }): JSX.Element {
  return <Waiting engine={engine} step={3} title={t("courier.resume")} sub={t("courier.resume.sub")} />;
}

function Checking({ engine, visit }: { engine: Engine; visit: Visit | null }): JSX.Element {
  return (
    <Frame engine={engine} step={3} title={t("courier.check.title", { n: GROUPS.length })} end={<Quiet onClick={() => engine.leave()}>{t("courier.check.stop")}</Quiet>}>
      <div aria-live="polite"><Ticks visit={visit} /></div>
    </Frame>
  );
}

function Door({ ajar = false }: { ajar?: boolean }): JSX.Element {
  return (
    <div class="plate">
      <svg viewBox="0 0 190 190" aria-hidden="true">
        <circle class="ground" cx="95" cy="95" r="95" />
        <rect x="56" y="34" width="78" height="120" rx="4" fill="#F9F4EA" />
        {ajar ? <><rect x="62" y="40" width="66" height="114" fill="#F1DDB4" /><path d="M62 40l36 12v114l-36-12z" fill="#2C5C56" /><path d="M68 54l22 7v40l-22-6zM68 106l22 7v40l-22-6z" fill="#3B716A" /><circle cx="92" cy="107" r="3.500" fill="#D2A04A" /></> : <><rect x="62" y="40" width="66" height="114" fill="#2C5C56" /><path d="M70 50h20v42H70zM100 50h20v42h-20zM70 106h20v38H70zM100 106h20v38h-20z" fill="#3B716A" /><path d="M119 96v10h-9" stroke="#D2A04A" stroke-width="5" stroke-linecap="round" stroke-linejoin="round" fill="none" /></>}
        <path class="floor" d="M48 154h94" stroke-width="4" stroke-linecap="round" />
      </svg>
    </div>
  );
}

/** Something answers that is not what this phone asked: nothing is opened, and who can find out is called. */
function Distrust({ engine }: { engine: Engine }): JSX.Element {
  const why = engine.trust.state === "bad" ? engine.trust.why : "offer";
  const isAgain = why === "not_asked" || why === "no_offer";
  const again = t("courier.trust.again");
  const back = t("courier.list.back");
  return (
    <Frame
      engine={engine}
      step={4}
      kind="refused"
      title={t("courier.trust.title")}
      end={isAgain ? <><Go onClick={() => engine.again()}>{again}</Go><Quiet onClick={() => engine.leave()}>{back}</Quiet></> : <><Go icon="arrow" onClick={() => engine.leave()}>{back}</Go><Quiet onClick={() => engine.again()}>{again}</Quiet></>}
    >
      <div class="why"><Mark kind="act" icon="alert" /><p class="sub" role="alert"><b>{t(`courier.trust.${why}`)}</b></p></div>
      <p class="sub">{t(has(`courier.trust.${why}.next`) ? `courier.trust.${why}.next` : "courier.trust.next")}</p>
      <p class="small dim">{t("courier.trust.nothing")}</p>
    </Frame>
  );
}

function Ready({ engine, visit }: { engine: Engine; visit: Visit }): JSX.Element {
  return (
    <Frame
      engine={engine}
      step={4}
      title={t("courier.ready.title", { n: GROUPS.length })}
      end={
        engine.cannot ? <Quiet onClick={() => engine.leave()}>{t("courier.list.back")}</Quiet> : <>
          <Slide label={t("courier.slide")} waiting={t(engine.isConfirming ? "courier.slide.confirm" : "courier.slide.sent")} isWaiting={engine.isSliding} onDone={() => void engine.slide()} />
          <p class="cap" id="slide-how">{t("courier.slide.how")}</p>
        </>
      }
    >
      <p class="sub">{t("courier.ready.sub")}</p>
      <Cannot engine={engine} />
      <div role="alert">{engine.slip ? <p class="callout is-notice"><Mark kind="notice" icon="note" /><span><b>{t(`courier.slip.${engine.slip}`)}</b> {t("courier.slip.again")}</span></p> : null}</div>
      <Door />
      <p class="told"><Icon name="camera" />{t("courier.ready.told")}</p>
      <p class="vh" role="status">{visit.ready_until ? t("courier.ready.until", { time: timeIn(engine.job?.zone ?? null, Date.parse(visit.ready_until)) }) : ""}</p>
    </Frame>
  );
}

function Opening({ engine, visit }: { engine: Engine; visit: Visit }): JSX.Element {
  return (
    <Frame engine={engine} step={4} title={t("courier.opening.title")} end={<><Slide label={t("courier.slide")} waiting={t("courier.slide.sent")} isWaiting onDone={() => undefined} /><p class="cap" id="slide-how">{t("courier.opening.once")}</p></>}>
      <p class="sub" aria-live="polite">{t(`courier.opening.${visit.state}`)}</p>
      <Door />
    </Frame>
  );
}

function Alarms({ visit }: { visit: Visit }): JSX.Element | null {
  const blind = visit.alarms.find((a) => HANDS[a.code]);
  const other = visit.alarms.filter((a) => !HANDS[a.code] && has(`courier.alarm.${a.code}`));
  if (!blind && other.length === 0) return null;
  return (
    <div role="alert" class="stack-s">
      {blind ? <p class="callout is-act"><Mark kind="act" icon="alert" /><span><b>{t("courier.alarm.blind")}</b> {t("courier.alarm.blind.how")}</span></p> : null}
      {other.map((a) => <p key={a.code} class="callout is-act"><Mark kind="act" icon="alert" /><span>{t(`courier.alarm.${a.code}`)}</span></p>)}
    </div>
  );
}

function Inside({ engine, visit }: { engine: Engine; visit: Visit }): JSX.Element {
  useTick();
  const [isWrong, setWrong] = useState(false);
  const s = visit.state;
  const dwell = engine.job?.dwell_ms ?? null;
  const age = inState(engine, visit);
  return (
    <Frame
      engine={engine}
      step={5}
      kind="inside"
      title={t(s === "unlocked" ? "courier.unlocked.title" : s === "closing" ? "courier.closing.title" : engine.job?.kind === "stay" ? "courier.inside.stay" : "courier.inside.title")}
      end={<Quiet onClick={() => setWrong(!isWrong)}>{t("courier.inside.wrong")}</Quiet>}
    >
      <p class="sub" aria-live="polite">{t(`courier.${s}.sub`)}</p>
      <Alarms visit={visit} />
      <Door ajar={s === "inside"} />
      {s === "inside" ? (
        dwell !== null && age < dwell ? (
          <p class="left is-watched"><span class="big time">{counter(dwell - age)}</span><span class="sub">{t("courier.inside.left")} <b class="word">{t("courier.word.open")}</b></span></p>
        ) : (
          <p class="left is-watched"><span class="big time">{counter(age)}</span><span class="sub">{t("courier.inside.for")} <b class="word">{t("courier.word.open")}</b></span></p>
        )
      ) : (
        <p class="left is-watched"><span class="sub"><b class="word">{t(s === "unlocked" ? "courier.word.unlocked" : "courier.word.closed")}</b></span></p>
      )}
      {isWrong ? <div class="callout is-notice"><span><b>{t("courier.wrong.title")}</b> {t("courier.wrong.how")}</span></div> : null}
    </Frame>
  );
}

function Between({ engine, visit }: { engine: Engine; visit: Visit }): JSX.Element {
  return (
    <Frame engine={engine} step={6} title={t("courier.between.title")} end={<><Go icon="scan" onClick={() => engine.ask(visit.barcode)}>{t("courier.between.again")}</Go><Quiet onClick={() => engine.leave()}>{t("courier.list.back")}</Quiet></>}>
      <p class="sub">{t("courier.between.sub")}</p>
    </Frame>
  );
}

const RELEASE_MS = 180000;

/** The door that will not lock: what hands can do, who knows, and when one may go. */
function Stuck({ engine, visit }: { engine: Engine; visit: Visit }): JSX.Element {
  useTick();
  const [isHeard, setHeard] = useState(false);
  const isOpen = visit.alarms.some((a) => a.code === "held_open") && !visit.alarms.some((a) => a.code === "jammed" || a.code === "not_secured");
  const age = inState(engine, visit);
  const left = RELEASE_MS - age;
  return (
    <Frame
      engine={engine}
      step={6}
      title={t(isOpen ? "courier.stuck.open" : "courier.stuck.title")}
      end={isHeard ? null : <button type="button" class="btn btn-act go" onClick={() => { hush(); setHeard(true); }}>{t("courier.stuck.heard")}</button>}
    >
      <p class="left is-act" role="alert"><Mark kind="act" icon="alert" /><span class="sub">{t("courier.stuck.told")}</span></p>
      <ol class="push">
        {[1, 2, 3].map((n) => (
          <li key={n}><img src={`/push-${n}.svg`} alt="" width="96" height="96" /><span><b>{n}.</b> {t(`courier.stuck.step${n}`)}</span></li>
        ))}
      </ol>
      <p class="left is-act"><span class="big time">{counter(Math.max(0, left))}</span><span class="sub">{t(left > 0 ? "courier.stuck.left" : "courier.stuck.soon")}</span></p>
    </Frame>
  );
}

function Unheard({ engine, visit }: { engine: Engine; visit: Visit }): JSX.Element {
  useTick();
  return (
    <Frame engine={engine} step={6} kind="done" title={t("courier.unheard.title")}>
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
  if (p.state === "none" || p.state === "asking") return <Waiting engine={engine} step={6} title={t("courier.done.checking")} sub={t("courier.done.checking.sub")} />;
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
        <p class="sub" role="status">{t(r.lockClass === "B" ? "courier.done.radio" : "courier.done.sub")}</p>
        {r.outcome === "OK" || r.outcome === "NOT_OPENED" ? null : <p class="callout is-notice">{verdict(r)}</p>}
        <ReceiptFacts engine={engine} receipt={r} isShort />
      </Frame>
    );
  }
  if (r.outcome === "NOT_SECURED") {
    return (
      <Frame engine={engine} step={6} kind="done" title={t("courier.released.title")} end={end}>
        <Mark kind="act" icon="alert" />
        <p class="sub">{t("courier.released.sub")}</p>
        <ReceiptFacts engine={engine} receipt={r} isShort />
      </Frame>
    );
  }
  return (
    <Frame engine={engine} step={6} kind="done" title={t("courier.unheard.title")} end={end}>
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
  const main = isAgain ? <Go onClick={() => engine.again()}>{t("courier.refused.again")}</Go>
    : code === "wrong_door" ? <Go icon="scan" onClick={() => engine.go("door", { door: null, visit: null, open: null })}>{t("courier.refused.door")}</Go>
    : RESCAN.includes(code) ? <Go icon="scan" onClick={() => engine.go("parcel", { barcode: null, visit: null, open: null })}>{t("courier.refused.parcel")}</Go>
    : WALK_ON.includes(code) || places.length === 0 ? <Go icon="arrow" onClick={() => engine.leave()}>{t("courier.list.back")}</Go>
    : null;
  return (
    <Frame
      engine={engine}
      step={3}
      kind="refused"
      title={t(isAgain ? "courier.refused.notyet" : "courier.refused.title")}
      end={<>{main}{main && places.length > 0 ? <Quiet onClick={() => engine.go("place", { place: null })}>{t("courier.refused.else")}</Quiet> : <Quiet onClick={() => engine.wentElsewhere("van")}>{t("courier.go.back")}</Quiet>}</>}
    >
      <div class="why"><Mark kind="notice" icon={GROUPS.find((g) => g[2].includes(code))?.[1] ?? "door"} /><p class="sub" role="alert"><b>{reason}</b></p></div>
      <p class="sub">{next}</p>
      <p class="small dim">{t(COURIERS_OWN.includes(code) ? "courier.refused.happens" : "courier.refused.notyou")}</p>
      {main ? <Ticks visit={visit} /> : <Places engine={engine} />}
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
