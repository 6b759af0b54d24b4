// What the screens share: the frame with its bar and steps, and the slide.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { t } from "../shared/strings";
import { counter } from "../shared/times";
import type { Engine } from "./engine";
import { Icon, Mark } from "./icons";
import { dayIn, timeIn } from "./types";

/** Draws anew when the engine has news. */
export function useEngine(engine: Engine): void {
  const [, set] = useState(0);
  useEffect(() => engine.onChange(() => set((n) => n + 1)), [engine]);
}

/** Draws anew each second while `on`. */
export function useTick(on = true): void {
  const [, set] = useState(0);
  useEffect(() => {
    if (!on) return undefined;
    const timer = setInterval(() => set((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [on]);
}

export const STEPS = 6;

/** Today's stops in the order of their windows. */
export function stopsOf(engine: Engine): NonNullable<Engine["jobs"]> {
  const now = engine.now();
  return (engine.jobs ?? [])
    .filter((j) => j.window.date === dayIn(j.zone, now) || j.id === engine.kept.job)
    .sort((a, b) => (a.window.from < b.window.from ? -1 : a.window.from > b.window.from ? 1 : a.created < b.created ? -1 : 1));
}

export function Frame(p: {
  engine: Engine;
  step?: number;
  kind?: string;
  title: string;
  back?: (() => void) | undefined;
  children: ComponentChildren;
  end?: ComponentChildren;
  bar?: ComponentChildren;
}): JSX.Element {
  const { engine } = p;
  useTick();
  const heading = useRef<HTMLHeadingElement>(null);
  // A new screen: the reader starts at its title. Before it is drawn, so that no key goes to the screen before.
  useLayoutEffect(() => {
    heading.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
    document.title = `${p.title} - Doorward`;
  }, [p.title, p.step]);
  const stops = stopsOf(engine);
  const at = stops.findIndex((j) => j.id === engine.kept.job);
  const down = engine.downSince;
  return (
    <div class={`scr ${p.kind ?? ""}`}>
      <header>
        <div class="bar">
          {p.back ? <button class="backb" type="button" onClick={p.back}><Icon name="back" /><span class="vh">{t("courier.back")}</span></button> : null}
          <span class="grow">{p.bar ?? (at >= 0 ? t("courier.stop.of", { n: at + 1, all: stops.length }) : t("courier.brand"))}</span>
          <span class="time">{timeIn(engine.job?.zone ?? null, engine.now(), false)}</span>
        </div>
        {p.step ? <div class="steps" role="img" aria-label={t("courier.step.of", { n: p.step, all: STEPS })}>{Array.from({ length: STEPS }, (_, n) => <i key={n} class={n < p.step! ? "on" : ""} />)}</div> : null}
        <div role="status">
          {down !== null ? <p class="net is-unknown"><Icon name="nosignal" /><span>{t("courier.down", { since: timeIn(null, down), age: counter(Date.now() - down) })}{engine.kept.view === "list" ? "" : ` ${t("courier.down.guest")}`}</span></p> : null}
        </div>
      </header>
      <main class="main">
        <h1 tabIndex={-1} ref={heading} class={p.kind === "list" ? "" : "h"}>{p.title}</h1>
        {p.children}
      </main>
      {p.end ? <footer class="end">{p.end}</footer> : null}
    </div>
  );
}

export function Go(p: { onClick: () => void; icon?: string; children: ComponentChildren; disabled?: boolean; kind?: string }): JSX.Element {
  return <button class={`btn btn-ink go ${p.kind ?? ""}`} type="button" onClick={p.onClick} aria-disabled={p.disabled ? "true" : undefined}>{p.icon ? <Icon name={p.icon} /> : null}<span>{p.children}</span></button>;
}
export function Quiet(p: { onClick: () => void; children: ComponentChildren }): JSX.Element {
  return <button class="btn quiet" type="button" onClick={p.onClick}>{p.children}</button>;
}

/** Why this phone cannot open a door at all, said before anybody walks up to one. */
export function Cannot({ engine }: { engine: Engine }): JSX.Element | null {
  const why = engine.cannot;
  return why ? <p class="callout is-notice"><Mark kind="notice" icon="note" /><span><b>{t(`courier.cannot.${why}`)}</b> {t(`courier.cannot.${why}.next`)}</span></p> : null;
}

const HOLD_MS = 1000;
const ARM_MS = 6000;
const FAR = 0.82;

/** A real button: drag it, hold a key for a second, or (a switch, a screen reader) press it twice. It springs back until
 * the house answers; only what is sensed changes the screen. */
export function Slide(p: { label: string; waiting: string; isWaiting: boolean; onDone: () => void }): JSX.Element {
  const button = useRef<HTMLButtonElement>(null);
  const knob = useRef<HTMLSpanElement>(null);
  const drag = useRef<{ from: number; room: number; sign: number; share: number } | null>(null);
  const hold = useRef<ReturnType<typeof setTimeout> | null>(null);
  const armed = useRef(0);
  const [isArmed, setArmed] = useState(false);
  const [isHeld, setHeld] = useState(false);

  const place = (share: number): void => {
    const d = drag.current;
    if (knob.current) knob.current.style.transform = d && share > 0 ? `translateX(${d.sign * share * d.room}px)` : "";
  };
  const done = (): void => {
    if (!p.isWaiting) p.onDone();
  };
  const stopHold = (): void => {
    if (hold.current !== null) clearTimeout(hold.current);
    hold.current = null;
    setHeld(false);
  };
  useEffect(() => stopHold, []);

  return (
    <button
      ref={button}
      type="button"
      class={`slide ${p.isWaiting ? "is-waiting" : ""} ${isHeld ? "is-held" : ""}`}
      aria-describedby="slide-how"
      aria-disabled={p.isWaiting ? "true" : undefined}
      onPointerDown={(e) => {
        if (p.isWaiting || !knob.current || !button.current) return;
        const k = knob.current.getBoundingClientRect();
        const b = button.current.getBoundingClientRect();
        drag.current = { from: e.clientX, room: b.width - k.width - 16, sign: getComputedStyle(button.current).direction === "rtl" ? -1 : 1, share: 0 };
        button.current.setPointerCapture(e.pointerId);
      }}
      onPointerMove={(e) => {
        const d = drag.current;
        if (!d) return;
        d.share = Math.max(0, Math.min(1, ((e.clientX - d.from) * d.sign) / d.room));
        place(d.share);
      }}
      onPointerUp={() => {
        const far = (drag.current?.share ?? 0) >= FAR;
        place(0);
        drag.current = null;
        if (far) done();
      }}
      onPointerCancel={() => {
        place(0);
        drag.current = null;
      }}
      onKeyDown={(e) => {
        if (e.key !== " " && e.key !== "Enter") return;
        e.preventDefault();
        if (e.repeat || hold.current !== null || p.isWaiting) return;
        setHeld(true);
        hold.current = setTimeout(() => {
          stopHold();
          done();
        }, HOLD_MS);
      }}
      onKeyUp={stopHold}
      onBlur={stopHold}
      onClick={(e) => {
        // Neither a finger (detail 1) nor a key (kept from clicking above): a screen reader or a switch.
        if (e.detail !== 0 || p.isWaiting) return;
        if (Date.now() - armed.current < ARM_MS) {
          armed.current = 0;
          setArmed(false);
          done();
        } else {
          armed.current = Date.now();
          setArmed(true);
        }
      }}
    >
      <span class="knob" ref={knob}><Icon name="arrow" /></span>
      <b>{p.isWaiting ? p.waiting : isArmed ? t("courier.slide.again") : p.label}</b>
    </button>
  );
}
