// Parcels that the household expects: where a key asks each time, the label of one of these is the yes.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { t } from "../shared/strings";
import { Button, Field, Mark, ProblemNote, useAsking } from "../shared/ui";
import { Listed } from "./frame";
import { type House, useHouse } from "./house";
import { dayAndTime } from "./words";

export function ExpectedParcels({ house }: { house: House }): JSX.Element | null {
  useHouse(house, "expected");
  const asking = useAsking();
  const [code, setCode] = useState("");
  const [note, setNote] = useState("");
  const [said, setSaid] = useState("");
  const items = house.lists.expected;
  const asks = house.lists.grants?.grants.some((g) => g.mode === "ask" && (g.state === "live" || g.state === "waiting")) === true;
  if (!asks && !(items && items.length > 0)) return null;
  const go = (path: string, body: unknown, done: string): void => {
    setSaid("");
    void asking.run(async () => {
      await house.api.post(path, body);
      await house.load("expected");
      if (path === "/api/expected") { setCode(""); setNote(""); }
      setSaid(done);
    });
  };
  const add = (e: Event): void => {
    e.preventDefault();
    if (code.trim() !== "") go("/api/expected", { code: code.trim(), ...(note.trim() === "" ? {} : { note: note.trim() }) }, t("home.expected.added"));
  };
  return (
    <section class="card" aria-labelledby="expected-title">
      <h2 id="expected-title" class="sect-title">{t("home.expected")}</h2>
      <p class="sect-say small dim">{t("home.expected.say")}</p>
      <Listed house={house} name="expected" count={items ? items.length : null} empty={t("home.expected.none")}>
        {items && items.length > 0 ? (
          <ul class="keys">
            {items.map((x) => (
              <li key={x.code}>
                <Mark kind="plan" icon="box" />
                <div>
                  <h3 class="wrap">{x.note || x.code}</h3>
                  {x.note ? <p class="say wrap mono">{x.code}</p> : null}
                  <p class="say">{t("home.expected.by", { name: house.memberName(x.member), time: dayAndTime(x.at, house.now()) })}</p>
                  <div class="acts"><Button busy={asking.busy} onClick={() => go("/api/expected/remove", { code: x.code }, t("home.expected.removed"))} label={`${t("home.expected.remove")}: ${x.note || x.code}`}>{t("home.expected.remove")}</Button></div>
                </div>
              </li>
            ))}
          </ul>
        ) : null}
      </Listed>
      <form class="sect stack" onSubmit={add}>
        <Field id="expected-code" label={t("home.expected.code")} hint={t("home.expected.code.hint")} value={code} onInput={setCode} max={128} mono />
        <Field id="expected-note" label={t("home.expected.note")} value={note} onInput={setNote} max={48} />
        <Button type="submit" icon="plus" busy={asking.busy} disabled={code.trim() === ""}>{t("home.expected.add")}</Button>
        <ProblemNote error={asking.error} />
        <p role="status" class={said ? "said" : "vh"}>{said}</p>
      </form>
    </section>
  );
}
