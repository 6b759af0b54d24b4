// The numbers of the rules. They only go to the safer side, within limits that are said in words.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { has, t } from "../shared/strings";
import { Button, Icon, ProblemNote, useAsking } from "../shared/ui";
import { Listed, Page } from "./frame";
import { type House, useHouse } from "./house";
import type { Param } from "./types";
import { seconds } from "./words";

/** What a household thinks about; the rest is there for those who look for it. */
const FIRST = ["t_visit_ms", "t_dwell_ms", "t_stay_ms", "t_loss_ms", "t_watch_ms", "lease_ms", "t_show_ms", "throws_least"];

function unitOf(p: Param): "count" | "min" | "s" | "ms" {
  if (!p.field.endsWith("_ms")) return "count";
  if (p.ceiling >= 600000) return "min";
  return p.ceiling >= 5000 ? "s" : "ms";
}
function stepOf(p: Param): number {
  const u = unitOf(p);
  if (u === "count") return 1;
  if (u === "min") return p.ceiling > 3600000 ? 900000 : 30000;
  if (u === "s") return p.ceiling > 60000 ? 5000 : 500;
  return p.ceiling > 500 ? 100 : 10;
}
function valueWords(p: Param, value: number): string {
  const u = unitOf(p);
  if (u === "count") return String(value);
  if (u === "min" && value >= 3600000) return t("unit.h", { n: seconds(value / 3600) });
  if (value >= 60000) return t("unit.min", { n: seconds(value / 60) });
  return value >= 1000 ? t("unit.s", { n: seconds(value) }) : t("unit.ms", { n: value });
}

function Setting({ p, house, isOwner }: { p: Param; house: House; isOwner: boolean }): JSX.Element {
  const asking = useAsking();
  const [want, setWant] = useState<number | null>(null);
  const value = want ?? p.value;
  const step = stepOf(p);
  const name = has(`param.${p.field}`) ? t(`param.${p.field}`) : p.field;
  const to = (v: number): void => setWant(Math.min(p.ceiling, Math.max(p.floor, v)));
  // From a round number to the next, whatever the present one is.
  const less = Math.ceil(value / step) * step - step;
  const more = Math.floor(value / step) * step + step;
  const isChanged = want !== null && want !== p.value;
  return (
    <li class="setting">
      <h2 class="h3" id={`p-${p.field}`}>{name}</h2>
      {has(`param.${p.field}.say`) ? <p class="small dim">{t(`param.${p.field}.say`)}</p> : null}
      <div class="stepper" role="group" aria-labelledby={`p-${p.field}`}>
        {isOwner ? <button type="button" class="btn" aria-label={`${t("ui.less")}: ${name}`} aria-disabled={value <= p.floor ? "true" : undefined} onClick={() => value > p.floor && to(less)}><Icon name="minus" /></button> : null}
        <output class="time" aria-live="polite">{valueWords(p, value)}</output>
        {isOwner ? <button type="button" class="btn" aria-label={`${t("ui.more")}: ${name}`} aria-disabled={value >= p.ceiling ? "true" : undefined} onClick={() => value < p.ceiling && to(more)}><Icon name="plus" /></button> : null}
      </div>
      <p class="cap">{t("home.setting.limits", { low: valueWords(p, p.floor), high: valueWords(p, p.ceiling), usual: valueWords(p, p.default) })}</p>
      {isChanged ? (
        <div class="acts">
          <Button kind="ink" icon="key" busy={asking.busy} onClick={() => void asking.run(async () => {
            await house.act({ act: "set_param", field: p.field, value });
            await house.load("settings");
            setWant(null);
          })}>{asking.busy ? t("sign.asking") : t("home.setting.save")}</Button>
          <Button onClick={() => { setWant(null); asking.clear(); }}>{t("ui.cancel")}</Button>
        </div>
      ) : null}
      <ProblemNote error={asking.error} />
    </li>
  );
}

export function SettingsPage({ house }: { house: House }): JSX.Element {
  useHouse(house, "settings", "me");
  const params = house.lists.settings?.params;
  const isOwner = house.lists.me?.member.role === "owner";
  const first = FIRST.map((f) => params?.find((p) => p.field === f)).filter((p): p is Param => p !== undefined);
  const rest = params?.filter((p) => !FIRST.includes(p.field)) ?? [];
  return (
    <Page house={house} title={t("home.settings")} back={{ href: "#/house", text: t("home.nav.house") }}>
      <p class="lead dim">{t(isOwner ? "home.settings.say" : "home.settings.occupant")}</p>
      <Listed house={house} name="settings" count={params?.length ?? null} empty={t("home.settings.none")}>
        {first.length > 0 ? <ul class="card settings">{first.map((p) => <Setting key={p.field} p={p} house={house} isOwner={isOwner} />)}</ul> : null}
        {rest.length > 0 ? <details class="card"><summary>{t("home.settings.more")}</summary><ul class="settings">{rest.map((p) => <Setting key={p.field} p={p} house={house} isOwner={isOwner} />)}</ul></details> : null}
      </Listed>
    </Page>
  );
}
