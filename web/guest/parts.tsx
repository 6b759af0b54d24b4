// The frame of a guest's screens, and how times are said in them: the house's own.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Screen, useTick } from "../shared/stopview";
import { language, t } from "../shared/strings";
import { counter } from "../shared/times";
import { Icon } from "../shared/ui";
import { clockOf, dayName } from "../shared/week";
import type { Guest } from "./engine";
import { type Next, minuteOfWeek } from "./when";

const STEPS = 4;

export function useGuest(guest: Guest): void {
  const [, set] = useState(0);
  useEffect(() => guest.onChange(() => set((n) => n + 1)), [guest]);
}

/** The zone of the house, as its keys name it; null: none is known yet. */
export const zoneOf = (guest: Guest): string | null => guest.told?.grants[0]?.zone ?? null;

function inZone(ms: number, zone: string | null, o: Intl.DateTimeFormatOptions): string {
  try {
    return new Intl.DateTimeFormat(language(), zone ? { ...o, timeZone: zone } : o).format(ms);
  } catch {
    return new Intl.DateTimeFormat(language(), o).format(ms); // a zone that this browser does not know
  }
}
export const timeAt = (guest: Guest, ms: number, seconds = true): string =>
  inZone(ms, zoneOf(guest), { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(seconds ? { second: "2-digit" } : {}) });
export const dayAt = (guest: Guest, ms: number): string => inZone(ms, zoneOf(guest), { weekday: "long", day: "numeric", month: "long" });

/** "today 14:00 to 18:00", "Saturday 9:00 to 12:00". */
export function nextText(n: Next, now: number, zone: string): string {
  const minute = minuteOfWeek(now, zone) ?? 0;
  const today = Math.floor(minute / 1440);
  const day = n.inDays === 0 ? t("guest.today") : n.inDays === 1 ? t("guest.tomorrow") : n.inDays < 7 ? dayName((today + n.inDays) % 7) : inZone(n.at, zone, { weekday: "long", day: "numeric", month: "long" });
  const end = n.from + n.minutes;
  return t(end <= 1440 ? "guest.span" : "guest.span.over", { day, from: clockOf(n.from), to: clockOf(end <= 1440 ? end : end % 1440) });
}

export function Frame(p: { guest: Guest; step?: number; kind?: string; title: string; children: ComponentChildren; end?: ComponentChildren }): JSX.Element {
  const { guest } = p;
  useTick();
  const down = guest.patience.downSince;
  return (
    <Screen
      kind={p.kind}
      title={p.title}
      step={p.step ? { n: p.step, all: STEPS } : undefined}
      bar={<><span class="grow">{guest.me?.home || t("ui.brand")}</span><span class="time">{timeAt(guest, guest.now(), false)}</span></>}
      net={down === null ? null : t("guest.down", { since: timeAt(guest, down), age: counter(Date.now() - down) })}
      end={p.end}
    >
      {p.children}
    </Screen>
  );
}

export function Go(p: { onClick: () => void; icon?: string; children: ComponentChildren }): JSX.Element {
  return <button class="btn btn-ink go" type="button" onClick={p.onClick}>{p.icon ? <Icon name={p.icon} /> : null}<span>{p.children}</span></button>;
}
export function Quiet(p: { onClick: () => void; children: ComponentChildren }): JSX.Element {
  return <button class="btn quiet" type="button" onClick={p.onClick}>{p.children}</button>;
}
