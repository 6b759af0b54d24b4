// What everybody sees who stands at a door and asks: the frame of one screen, the list of what is checked, the door, what
// hands can do. For the courier's app and the guest's page; the slide is in slide.tsx.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { has, t } from "./strings";
import { counter } from "./times";
import { Icon, Mark } from "./ui";

/** Draws anew each second while `on`. */
export function useTick(on = true): void {
  const [, set] = useState(0);
  useEffect(() => {
    if (!on) return undefined;
    const timer = setInterval(() => set((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [on]);
}

/** An app's own words, else those that all of them share. */
export function stopWords(app: string): (key: string, fill?: Record<string, string | number>) => string {
  return (key, fill) => t(has(`${app}.${key}`) ? `${app}.${key}` : `stop.${key}`, fill);
}
export const hasStopWords = (app: string, key: string): boolean => has(`${app}.${key}`) || has(`stop.${key}`);

export interface ScreenProps {
  kind?: string | undefined;
  title: string;
  /** Of how many: the bars below the line at the top. */
  step?: { n: number; all: number } | undefined;
  bar: ComponentChildren;
  /** No answer since; null: there is one. */
  net: ComponentChildren;
  children: ComponentChildren;
  end?: ComponentChildren;
}

export function Screen(p: ScreenProps): JSX.Element {
  const heading = useRef<HTMLHeadingElement>(null);
  // A new screen: the reader starts at its title. Before it is drawn, so that no key goes to the screen before.
  useLayoutEffect(() => {
    heading.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
    document.title = `${p.title} - Doorward`;
  }, [p.title, p.step?.n]);
  return (
    <div class={`scr ${p.kind ?? ""}`}>
      <header>
        <div class="bar">{p.bar}</div>
        {p.step ? <div class="steps" role="img" aria-label={t("stop.step.of", { n: p.step.n, all: p.step.all })}>{Array.from({ length: p.step.all }, (_, n) => <i key={n} class={n < p.step!.n ? "on" : ""} />)}</div> : null}
        <div role="status">{p.net ? <p class="net is-unknown"><Icon name="nosignal" /><span>{p.net}</span></p> : null}</div>
      </header>
      <main class="main">
        <h1 tabIndex={-1} ref={heading} class={p.kind === "list" ? "" : "h"}>{p.title}</h1>
        {p.children}
      </main>
      {p.end ? <footer class="end">{p.end}</footer> : null}
    </div>
  );
}

export function Spinner({ size = "" }: { size?: "" | "large" }): JSX.Element {
  return <svg class={`spin ${size}`.trim()} viewBox="0 0 40 40" fill="none" stroke="currentColor" stroke-width={size ? 3 : 4} stroke-linecap="round" aria-hidden="true"><circle cx="20" cy="20" r="16" opacity=".25" /><path d="M20 4a16 16 0 0 1 16 16" /></svg>;
}

/** One thing that is checked, as a person knows it. Codes of DW_CHECK_LIST. */
export interface CheckGroup {
  name: string;
  icon: string;
  label: string;
  /** A refusal with one of these is this thing's. */
  codes: readonly string[];
  /** When all of these have passed, it is good before the house has answered. */
  known: readonly string[];
}

/** Checks of camera and lock: the same for everybody. */
export const CAMERA_CHECKS = ["camera_class", "camera_not_live", "camera_frozen", "camera_covered", "camera_tampered", "disk_full", "record"] as const;
export const LOCK_CHECKS = ["lock_class", "lock_unreachable", "lock_relock", "door_not_closed", "bolt_not_thrown", "lock_battery", "unaccounted_opening", "hub_unreachable", "proof", "too_slow"] as const;

/** `asked`: what is known of the question so far; null before there is an answer at all. */
export function Ticks({ groups, asked }: { groups: readonly CheckGroup[]; asked: { refused: string | null; isReady: boolean; passed: readonly string[] } | null }): JSX.Element {
  const refused = asked?.refused ?? null;
  let isWaiting = false;
  return (
    <ul class="ticks" role="list">
      {groups.map((g) => {
        const isRefused = refused !== null && g.codes.includes(refused);
        const isGood = !isRefused && asked !== null && (asked.isReady || g.known.every((c) => asked.passed.includes(c)));
        const isNow = !isGood && refused === null && !isWaiting;
        if (isNow) isWaiting = true;
        return (
          <li key={g.name} class={isGood ? "is-secured" : isRefused ? "is-notice" : "wait"}>
            {isGood ? <Mark kind="secured" icon="tick" /> : isRefused ? <Mark kind="notice" icon={g.icon} /> : isNow ? <Spinner /> : <Mark kind="plan" icon={g.icon} />}
            <span>{g.label}<small>{t(isGood ? "stop.tick.good" : isRefused ? "stop.tick.not" : isNow ? "stop.tick.now" : "stop.tick.later")}</small></span>
          </li>
        );
      })}
    </ul>
  );
}

export function Door({ ajar = false }: { ajar?: boolean }): JSX.Element {
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

const HANDS: readonly string[] = ["camera_blind", "camera_frozen", "camera_covered", "camera_tampered"];

/** What an alarm asks of whoever is there; a camera that sees nothing is one thing, however it came about. */
export function Alarms({ codes }: { codes: readonly string[] }): JSX.Element | null {
  const isBlind = codes.some((c) => HANDS.includes(c));
  const other = codes.filter((c) => !HANDS.includes(c) && has(`stop.alarm.${c}`));
  if (!isBlind && other.length === 0) return null;
  return (
    <div role="alert" class="stack-s">
      {isBlind ? <p class="callout is-act"><Mark kind="act" icon="act" /><span><b>{t("stop.alarm.blind")}</b> {t("stop.alarm.blind.how")}</span></p> : null}
      {other.map((c) => <p key={c} class="callout is-act"><Mark kind="act" icon="act" /><span>{t(`stop.alarm.${c}`)}</span></p>)}
    </div>
  );
}

/** How long the door is open, or may still be; what it is when it is shut. */
export function OpenFor({ state, age, dwell }: { state: string; age: number; dwell: number | null }): JSX.Element {
  if (state !== "inside") return <p class="left is-watched"><span class="sub"><b class="word">{t(state === "unlocked" ? "stop.word.unlocked" : "stop.word.closed")}</b></span></p>;
  const isLeft = dwell !== null && age < dwell;
  return <p class="left is-watched"><span class="big time">{counter(isLeft ? dwell - age : age)}</span><span class="sub">{t(isLeft ? "stop.inside.left" : "stop.inside.for")} <b class="word">{t("stop.word.open")}</b></span></p>;
}

/** What hands can do for a door that will not lock. */
export function PushSteps(): JSX.Element {
  return <ol class="push">{[1, 2, 3].map((n) => <li key={n}><img src={`/push-${n}.svg`} alt="" width="96" height="96" /><span><b>{n}.</b> {t(`stop.stuck.step${n}`)}</span></li>)}</ol>;
}

/** Whether it is the open leaf that keeps a door from locking. */
export function isLeafOpen(alarms: readonly string[]): boolean {
  return alarms.includes("held_open") && !alarms.includes("jammed") && !alarms.includes("not_secured");
}
/** After so long a visitor may go although the door did not lock (t_release). */
export const RELEASE_MS = 180000;
