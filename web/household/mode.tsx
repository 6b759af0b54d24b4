// Camera mode. What is shown as chosen is what the house says, not what was pressed.

import type { JSX } from "preact";
import { t } from "../shared/strings";
import { Icon, ProblemNote, useAsking } from "../shared/ui";
import type { House } from "./house";
import type { Mode } from "./types";

const MODES: { mode: Mode; icon: string }[] = [
  { mode: "on", icon: "camera" },
  { mode: "visits", icon: "person" },
  { mode: "off", icon: "blind" },
  { mode: "away", icon: "away" },
];

export function ModeChoice({ house }: { house: House }): JSX.Element {
  const asking = useAsking();
  const is = house.lists.me?.camera_mode ?? "unknown";
  return (
    <div class="stack-s">
      <div class="modes" role="group" aria-label={t("home.mode.title")} aria-busy={asking.busy}>
        {MODES.map((m) => (
          <button key={m.mode} type="button" class="pick" aria-pressed={is === m.mode} aria-disabled={asking.busy ? "true" : undefined} onClick={() => {
            if (is !== m.mode) void asking.run(() => house.mode(m.mode));
          }}>
            <Icon name={m.icon} />
            <b>{t(`home.mode.${m.mode}`)}</b>
            <span class="small">{t(`home.mode.${m.mode}.say`)}</span>
          </button>
        ))}
      </div>
      {is === "unknown" ? <p class="word is-unknown">{t("home.mode.unknown")}</p> : null}
      <ProblemNote error={asking.error} />
    </div>
  );
}
