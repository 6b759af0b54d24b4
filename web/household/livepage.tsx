// The live picture, the line about the door, the red button, and what has happened.

import type { JSX } from "preact";
import { DoorLine, LiveView, isVisitOn, useSeen } from "../live/index";
import { has, t } from "../shared/strings";
import { clockTime } from "../shared/times";
import { OpenDoor, RedButton } from "./door";
import { Page } from "./frame";
import { type House, type Told, useHouse } from "./house";
import { ModeChoice } from "./mode";
import { alarmOf, reasonOf } from "./words";

const SHOWN = 30;
/** Comes and goes with the air: told by the picture itself. */
const NOISE = new Set(["segment", "setting", "people", "wish"]);

export function storyWords(s: { kind: string; word?: string; text?: string; value: number }): string {
  const word = s.word ?? "";
  const bolt = has(`bolt.${word}`) ? t(`bolt.${word}`) : word;
  const cause = has(`home.camera.${word}`) ? t(`home.camera.${word}`) : word;
  const fill = {
    kind: s.kind,
    word: s.kind === "camera_state" ? cause : s.kind === "lock_state" ? bolt : s.kind === "link" ? t(`home.link.${word || "down"}`) : word,
    state: has(`visit.state.${word}`) ? t(`visit.state.${word}`) : word,
    outcome: has(`visit.ended.${word}`) ? t(`visit.ended.${word}`) : word,
    text: s.kind === "visit_refused" ? `${reasonOf(s.word ?? null)}.` : s.kind === "alarm" || s.kind === "alarm_over" ? alarmOf(word) : (s.text ?? ""),
  };
  if (s.kind === "camera_mode") return t(has(`home.mode.${word}`) ? `home.mode.${word}` : "home.mode.unknown");
  return t(has(`story.${s.kind}`) ? `story.${s.kind}` : "story.unknown", fill);
}

function Story({ house }: { house: House }): JSX.Element {
  useHouse(house);
  const lines = house.story.filter((s: Told) => !NOISE.has(s.kind)).slice(0, SHOWN);
  return (
    <section class="card sect" aria-labelledby="story-title">
      <h2 id="story-title">{t("story.label")}</h2>
      {lines.length === 0 ? <p class="dim">{t("story.none")}</p> : (
        <ol class="lines">
          {lines.map((s) => (
            <li key={s.n}><span class={s.kind === "alarm" ? "word is-act" : ""}>{storyWords(s)}{s.member ? ` (${house.memberName(s.member) || t("home.somebody")})` : ""}</span><span class="time">{clockTime(s.utc_ms ?? house.utcOf(s.when))}</span></li>
          ))}
        </ol>
      )}
    </section>
  );
}

export function LivePage({ house }: { house: House }): JSX.Element {
  useHouse(house, "me", "people");
  const isVisit = useSeen(house.link, () => isVisitOn(house.link.state) && house.link.isUp);
  return (
    <Page house={house} title={t("home.nav.live")} hideTitle>
      <div class="cols live-cols">
        <div class="col bleed">
          <LiveView link={house.link} size="full" head={<DoorLine link={house.link} />}>
            <RedButton house={house} />
          </LiveView>
        </div>
        <div class="col">
          {isVisit ? null : (
            <section class="card sect stack" aria-labelledby="open-title">
              <h2 id="open-title">{t("home.open.title")}</h2>
              <OpenDoor house={house} />
              <OpenDoor house={house} letIn />
              <p class="cap">{t("home.open.say")}</p>
            </section>
          )}
          <section class="card sect" aria-labelledby="mode-title">
            <h2 id="mode-title">{t("home.mode.title")}</h2>
            <ModeChoice house={house} />
          </section>
          <Story house={house} />
        </div>
      </div>
    </Page>
  );
}
