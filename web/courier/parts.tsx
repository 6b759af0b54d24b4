// What the screens share: the frame with its bar and steps.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Screen, useTick } from "../shared/stopview";
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
  const stops = stopsOf(engine);
  const at = stops.findIndex((j) => j.id === engine.kept.job);
  const down = engine.downSince;
  return (
    <Screen
      kind={p.kind}
      title={p.title}
      step={p.step ? { n: p.step, all: STEPS } : undefined}
      bar={
        <>
          {p.back ? <button class="backb" type="button" onClick={p.back}><Icon name="back" /><span class="vh">{t("courier.back")}</span></button> : null}
          <span class="grow">{p.bar ?? (at >= 0 ? t("courier.stop.of", { n: at + 1, all: stops.length }) : t("courier.brand"))}</span>
          <span class="time">{timeIn(engine.job?.zone ?? null, engine.now(), false)}</span>
        </>
      }
      net={down === null ? null : `${t("courier.down", { since: timeIn(null, down), age: counter(Date.now() - down) })}${engine.kept.view === "list" ? "" : ` ${t("courier.down.guest")}`}`}
      end={p.end}
    >
      {p.children}
    </Screen>
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
