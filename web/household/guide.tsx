// The first minutes: four steps, each of which is seen to be done, any of which may be left out.

import type { JSX } from "preact";
import { t } from "../shared/strings";
import { Button, Icon, Mark } from "../shared/ui";
import { Page } from "./frame";
import { type House, useHouse } from "./house";

const KEPT = "doorward.guide";

export function isGuideOver(member: number): boolean {
  try {
    return localStorage.getItem(KEPT) === String(member);
  } catch {
    return true;
  }
}
function endGuide(member: number): void {
  try {
    localStorage.setItem(KEPT, String(member));
  } catch {
    // it comes again, then
  }
}

export interface Step {
  id: string;
  href: string;
  icon: string;
  done: boolean;
}

export function stepsOf(house: House): Step[] {
  const l = house.lists;
  const mine = l.people?.passkeys.filter((p) => p.member === l.me?.member.id).length ?? 0;
  return [
    { id: "passkey", href: "#/people", icon: "key", done: l.me !== undefined && !l.me.needs_second_passkey && mine >= 2 },
    { id: "alerts", href: "#/alerts", icon: "bell", done: (l.alerts?.places.length ?? 0) > 0 },
    { id: "mode", href: "#/live", icon: "camera", done: l.me !== undefined && l.me.camera_mode !== "unknown" },
    { id: "drill", href: "#/drills", icon: "drill", done: (l.drills?.length ?? 0) > 0 },
  ];
}

export function GuidePage({ house }: { house: House }): JSX.Element {
  useHouse(house, "me", "people", "alerts", "drills");
  const steps = stepsOf(house);
  const done = steps.filter((s) => s.done).length;
  const next = steps.find((s) => !s.done);
  const me = house.lists.me;
  return (
    <Page house={house} title={t("home.guide")} back={{ href: "#/today", text: t("home.nav.today") }}>
      <p class="lead dim">{t("home.guide.say")}</p>
      <div class="progress" role="img" aria-label={t("home.guide.done", { n: done, all: steps.length })}>{steps.map((s) => <i key={s.id} class={s.done ? "on" : ""} />)}</div>
      <ol class="card keys narrow">
        {steps.map((s) => (
          <li key={s.id} aria-current={s === next ? "step" : undefined}>
            <Mark kind={s.done ? "secured" : "plan"} icon={s.done ? "tick" : s.icon} />
            <div>
              <h2 class="h3">{t(`home.guide.${s.id}`)}</h2>
              <p class="say">{s.done ? t(`home.guide.${s.id}.done`) : t(`home.guide.${s.id}.say`)}</p>
              {s.done ? null : <div class="acts"><a class={`btn${s === next ? " btn-ink" : ""}`} href={s.href}>{t(`home.guide.${s.id}.go`)}</a></div>}
            </div>
          </li>
        ))}
      </ol>
      <div class="acts narrow">
        <Button {...(done === steps.length ? { kind: "ink" as const } : {})} onClick={() => { if (me) endGuide(me.member.id); location.hash = "#/today"; }}>{t(done === steps.length ? "home.guide.end" : "home.guide.skip")}</Button>
      </div>
      <p class="vh"><Icon name="tick" /></p>
    </Page>
  );
}
