// The house noticed that its database is older than what its lock remembers: nobody is let in until an owner has looked.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { t } from "../shared/strings";
import { clockTime } from "../shared/times";
import { Button, Icon, ProblemNote, useAsking } from "../shared/ui";
import type { House } from "./house";

/** A backup was put back: what happened, and the owner's act. Shown on every page, because nobody is let in. */
export function RestoredBanner({ house }: { house: House }): JSX.Element | null {
  const asking = useAsking();
  const [sure, setSure] = useState(false);
  const [asked, setAsked] = useState<number | null>(null);
  if (house.lists.grants?.restored !== true) return null;
  const isOwner = house.lists.me?.member.role === "owner";
  return (
    <div class="banner is-act restored">
      <Icon name="act" />
      <div class="grow stack-s">
        <p><b>{t("home.restored")}</b> {t("home.restored.say")}</p>
        <p>{t("home.restored.do")}</p>
        {isOwner ? (
          <>
            {sure ? <p>{t("home.restored.sure.say")}</p> : null}
            <div class="acts">
              <Button busy={asking.busy} onClick={() => {
                if (!sure) setSure(true);
                else void asking.run(async () => { await house.owner("let_in_again"); setAsked(house.now()); await house.load("grants"); setSure(false); });
              }}>{t(sure ? "home.restored.sure" : "home.restored.seen")}</Button>
              {sure ? <Button onClick={() => setSure(false)}>{t("ui.cancel")}</Button> : <a class="btn" href="#/visits">{t("home.restored.visits")}</a>}
            </div>
          </>
        ) : <p>{t("home.restored.occupant")}</p>}
        {asked !== null && !asking.busy ? <p role="status">{t("home.restored.asked", { time: clockTime(asked) })}</p> : null}
        <ProblemNote error={asking.error} />
      </div>
    </div>
  );
}
