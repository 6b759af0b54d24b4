// Some changes need somebody at the hub itself [I7]: how that is done, and once more.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { t } from "../shared/strings";
import { type Asking, Button, Mark, ProblemNote, useAsking } from "../shared/ui";

function PresenceGuide({ busy, onAgain, onCancel }: { busy: boolean; onAgain: () => void; onCancel: () => void }): JSX.Element {
  return (
    <section class="card sect stack is-notice edge given" role="alert" aria-labelledby="presence-title">
      <div class="row row-top"><Mark kind="notice" icon="home" /><div class="grow"><h2 id="presence-title">{t("home.presence")}</h2><p>{t("home.presence.say")}</p></div></div>
      <ol class="steps">
        <li>{t("home.presence.go")}</li>
        <li>{t("home.presence.press")} <span class="mono wrap">doorward presence</span></li>
        <li>{t("home.presence.back")}</li>
      </ol>
      <div class="acts"><Button kind="ink" icon="tick" busy={busy} onClick={onAgain}>{t("home.presence.again")}</Button><Button onClick={onCancel}>{t("ui.cancel")}</Button></div>
      <p class="cap">{t("home.presence.why")}</p>
    </section>
  );
}

/** Asks as useAsking does; what was refused for want of a presence is kept, and done again when somebody has been there. */
export function usePresence(): { asking: Asking; run: (f: () => Promise<void>) => void; note: JSX.Element | null } {
  const asking = useAsking();
  const [again, setAgain] = useState<(() => Promise<void>) | null>(null);
  const [isAway, setAway] = useState(false);
  const run = (f: () => Promise<void>): void => {
    setAgain(() => f);
    void asking.run(async () => {
      try {
        await f();
        setAway(false);
      } catch (e) {
        setAway((e as { code?: unknown }).code === "presence");
        throw e;
      }
    });
  };
  const note = isAway && again
    ? <PresenceGuide busy={asking.busy} onAgain={() => run(again)} onCancel={() => { setAway(false); asking.clear(); }} />
    : <ProblemNote error={asking.error} />;
  return { asking, run, note };
}
