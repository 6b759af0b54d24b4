// Guests: people whom the household knows, without an agency. A link makes a passkey and nothing else; then an owner gives it
// a key (guestkey.tsx). What they may stands among the other keys of this house.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { t } from "../shared/strings";
import { Button, Field, Icon, type Kind, Mark, ProblemNote, useAsking } from "../shared/ui";
import { type House, useHouse } from "./house";
import { type Given, GivenCard } from "./people";
import type { GrantRow, Member } from "./types";
import { dayAndTime, isOver } from "./words";

/** How it stands with somebody's key, and what to say of it. */
interface Standing {
  kind: Kind;
  icon: string;
  word: string;
  isFirst: boolean;
}

export const grantsOf = (house: House, m: Member): GrantRow[] => house.lists.grants?.grants.filter((g) => g.guest === m.id) ?? [];

function standing(house: House, m: Member): Standing {
  const grants = grantsOf(house, m);
  const on = grants.find((g) => g.state === "live" && g.used < g.uses);
  const waits = grants.find((g) => g.state === "waiting");
  if (on) return { kind: "secured", icon: "key", word: t("home.guest.has"), isFirst: false };
  if (waits) return { kind: "watched", icon: "clock", word: t("home.guest.waits", { time: dayAndTime(waits.live_at, house.now()) }), isFirst: false };
  // A key of which the house does not say how it stands may open the door.
  if (grants.some((g) => !isOver(g) && g.state !== "live")) return { kind: "unknown", icon: "ask", word: t("home.guest.unknown"), isFirst: false };
  if (grants.length > 0) return { kind: "plan", icon: "cross", word: t("home.guest.over"), isFirst: false };
  return { kind: "notice", icon: "key", word: t("home.guest.nokey"), isFirst: true };
}

export function Guests({ house }: { house: House }): JSX.Element | null {
  useHouse(house, "people", "grants");
  const asking = useAsking();
  const [name, setName] = useState("");
  const [given, setGiven] = useState<Given | null>(null);
  const [sure, setSure] = useState<string | null>(null);
  const people = house.lists.people;
  const isOwner = house.lists.me?.member.role === "owner";
  const now = house.now();
  if (!people) return null;
  const guests = people.members.filter((m) => m.role === "guest");
  const invited = people.invitations.filter((i) => i.role === "guest");

  const invite = (): void => {
    const who = name.trim();
    if (who === "") return;
    void asking.run(async () => {
      const r = await house.act<{ link: string; until: string }>({ act: "invite", name: who, role: "guest" });
      setGiven({ title: t("home.guest.link.title", { name: who }), text: r.link, say: t("home.guest.link", { time: dayAndTime(r.until, house.now()) }), isLink: true });
      setName("");
      await house.load("people");
    });
  };
  /** Taking away is asked twice: the first press only says what would happen. */
  const remove = (id: string, what: { act: string } & Record<string, unknown>): void => {
    if (sure !== id) return setSure(id);
    setSure(null);
    void asking.run(async () => {
      await house.act(what);
      await Promise.all([house.load("people"), house.load("grants")]);
    });
  };
  const removeButton = (id: string, what: { act: string } & Record<string, unknown>, who: string): JSX.Element => {
    const word = t(sure === id ? "home.people.sure" : "home.people.remove");
    return <Button busy={asking.busy} onClick={() => remove(id, what)} label={`${word}: ${who}`}>{word}</Button>;
  };

  return (
    <>
      {given ? <GivenCard given={given} onDone={() => setGiven(null)} /> : null}
      <section class="card" aria-labelledby="guests-title">
        <h2 id="guests-title" class="sect-title">{t("home.guests")}</h2>
        <p class="sect-say dim small">{t("home.guests.say")}</p>
        {guests.length + invited.length > 0 ? (
          <ul class="keys">
            {invited.map((i) => (
              <li key={`i${i.number}`}>
                <Mark kind="plan" icon="link" />
                <div>
                  <h3>{i.name}</h3>
                  <p class="say">{t("home.guest.invited", { time: dayAndTime(i.until, now) })}</p>
                  {isOwner ? <div class="acts">{removeButton(`i${i.number}`, { act: "remove_invite", number: i.number }, i.name)}</div> : null}
                </div>
              </li>
            ))}
            {guests.map((m) => {
              const s = standing(house, m);
              const key = people.passkeys.find((p) => p.member === m.id);
              return (
                <li key={m.id} class={`is-${s.kind}`}>
                  <Mark kind={s.kind} icon={s.icon} />
                  <div>
                    <h3>{m.name}</h3>
                    <p class="say"><b class="word">{s.word}</b></p>
                    <p class="say">{key ? t("home.guest.made", { time: dayAndTime(key.added, now), label: key.label || t("home.people.passkey") }) : t("home.people.nokeys")}</p>
                    {s.isFirst ? <p class="cap">{t("home.guest.check", { name: m.name })}</p> : null}
                    {sure === `m${m.id}` ? <p class="reason" role="status">{t("home.guest.remove.say", { name: m.name })}</p> : null}
                    {isOwner ? (
                      <div class="acts">
                        {m.key_thumb ? <a class={`btn${s.isFirst ? " btn-ink" : ""}`} href={`#/guest/${m.id}`} aria-label={`${t(s.isFirst ? "home.guest.give" : "home.guest.another")}: ${m.name}`}><Icon name="key" />{t(s.isFirst ? "home.guest.give" : "home.guest.another")}</a> : null}
                        {removeButton(`m${m.id}`, { act: "remove_member", member: m.id }, m.name)}
                      </div>
                    ) : null}
                  </div>
                </li>
              );
            })}
          </ul>
        ) : null}
        {isOwner ? (
          <form class="sect stack" onSubmit={(e) => { e.preventDefault(); invite(); }}>
            <Field id="guest-name" label={t("home.guest.name")} hint={t("home.guest.name.hint")} value={name} onInput={setName} max={40} required />
            <Button icon="link" type="submit" busy={asking.busy} disabled={name.trim() === ""}>{asking.busy ? t("sign.asking") : t("home.guest.makelink")}</Button>
          </form>
        ) : <p class="sect-say cap">{t("home.guest.occupant")}</p>}
        <div class="sect-say"><ProblemNote error={asking.error} /></div>
      </section>
    </>
  );
}
