// What a person does with their own door: the one red button, and what needs a passkey each time. None of these changes
// what is shown; only what is sensed does.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { doorLine, isVisitOn, useSeen } from "../live/index";
import { t } from "../shared/strings";
import { clockTime } from "../shared/times";
import { Button, ProblemNote, useAsking } from "../shared/ui";
import type { House } from "./house";

/** Sensed words end the "asked" line; otherwise it goes after this. */
const ASKED_SHOWN_MS = 20000;

function useAsked(house: House): [string | null, (key: string) => void] {
  const [asked, setAsked] = useState<{ key: string; at: number } | null>(null);
  useEffect(() => {
    if (!asked) return undefined;
    const timer = setTimeout(() => setAsked(null), ASKED_SHOWN_MS);
    return () => clearTimeout(timer);
  }, [asked]);
  return [asked ? t(asked.key, { time: clockTime(asked.at) }) : null, (key) => setAsked({ key, at: house.now() })];
}

/** The red button: lock now, or end the visit. */
export function RedButton({ house }: { house: House }): JSX.Element {
  const asking = useAsking();
  const [asked, tell] = useAsked(house);
  const isVisit = useSeen(house.link, () => {
    const s = house.link.state;
    return isVisitOn(s) && s!.visit_state !== "watch" && s!.visit_state !== "not_secured" && s!.visit_state !== "unconfirmed";
  });
  return (
    <div class="stack-s">
      <Button kind="act" icon="lock" busy={asking.busy} onClick={() => void asking.run(async () => {
        await house.owner(isVisit ? "end_visit" : "lock_now");
        tell(isVisit ? "home.asked.end" : "home.asked.lock");
      })}>
        {t(isVisit ? "home.end" : "home.lock")}
      </Button>
      <p class="cap center" role="status">{asked ?? t(isVisit ? "home.end.note" : "home.lock.note")}</p>
      <ProblemNote error={asking.error} />
    </div>
  );
}

/** Class O: my own door, or the person whom I see there. */
export function OpenDoor({ house, letIn = false }: { house: House; letIn?: boolean }): JSX.Element {
  const asking = useAsking();
  const [asked, tell] = useAsked(house);
  const can = useSeen(house.link, (now) => {
    const l = house.link;
    return {
      // Somebody is let in who is seen: only while there is a proven picture of now.
      sees: l.pictureWord(now) === "live",
      isVisit: isVisitOn(l.state) && l.state!.visit_state !== "watch",
      isSecured: doorLine(l.door, now).kind === "secured",
    };
  });
  const isOff = can.isVisit || (letIn && !can.sees) || (!letIn && !can.isSecured);
  const why = can.isVisit ? "home.open.visit" : letIn && !can.sees ? "home.letin.blind" : !letIn && !can.isSecured ? "home.open.unsure" : null;
  const act = letIn ? "let_in" : "unlock";
  return (
    <div class="stack-s">
      <Button kind={letIn ? "" : "ink"} wide icon={letIn ? "person" : "key"} busy={asking.busy} disabled={isOff} onClick={() => void asking.run(async () => {
        await house.act({ act });
        tell("home.asked.open");
      })}>
        {asking.busy ? t("sign.asking") : t(letIn ? "home.letin" : "home.open")}
      </Button>
      {asked !== null || why !== null ? <p class="cap center" role="status">{asked ?? t(why!)}</p> : null}
      <ProblemNote error={asking.error} />
    </div>
  );
}
