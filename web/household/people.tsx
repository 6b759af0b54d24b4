// Who lives here, with which passkeys; who is invited. Who may come is a page of its own (grants.tsx).

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Asked } from "../shared/grant";
import { t } from "../shared/strings";
import { Button, Field, GiveAway, Icon, Mark } from "../shared/ui";
import { Listed, Page } from "./frame";
import { PeopleTabs } from "./grants";
import { type House, useHouse } from "./house";
import { usePresence } from "./presence";
import { Qr } from "./qr";
import type { Member, Passkey } from "./types";
import { dayAndTime } from "./words";

export interface Given {
  title: string;
  text: string;
  say: string;
  isLink: boolean;
}

export function GivenCard({ given, onDone }: { given: Given; onDone: () => void }): JSX.Element {
  return (
    <section class="card sect stack given" aria-labelledby="given-title">
      <h2 id="given-title" tabIndex={-1} ref={(e) => { if (e && document.activeElement !== e && !e.dataset.seen) { e.dataset.seen = "1"; e.focus(); } }}>{given.title}</h2>
      <p>{given.say}</p>
      {given.isLink ? <Qr text={given.text} label={t("home.people.qr")} /> : null}
      <GiveAway text={given.text} {...(given.isLink ? { share: given.title } : {})} />
      <Button onClick={onDone}>{t("home.people.done")}</Button>
    </section>
  );
}

export function PeoplePage({ house }: { house: House }): JSX.Element {
  useHouse(house, "people", "me");
  const { asking, run, note } = usePresence();
  const [given, setGiven] = useState<Given | null>(null);
  const [invited, setInvited] = useState("");
  const [role, setRole] = useState<"occupant" | "owner">("occupant");
  const [sure, setSure] = useState<string | null>(null);
  const people = house.lists.people;
  const me = house.lists.me;
  const isOwner = me?.member.role === "owner";
  const now = house.now();
  const reload = async (): Promise<void> => {
    await Promise.all([house.load("people"), house.load("me")]);
  };
  const link = (what: Asked, title: string): void => {
    run(async () => {
      const r = await house.act<{ link: string; until: string }>(what);
      setGiven({ title, text: r.link, say: t("home.people.link", { time: dayAndTime(r.until, house.now()) }), isLink: true });
      setInvited("");
      await reload();
    });
  };
  /** Taking away is asked twice: the first press only says what would happen. */
  const twice = (id: string, what: Asked): void => {
    if (sure !== id) {
      setSure(id);
      return;
    }
    setSure(null);
    run(async () => {
      await house.act(what);
      await reload();
    });
  };
  const removeButton = (id: string, what: Asked, name: string): JSX.Element => (
    <Button busy={asking.busy} onClick={() => twice(id, what)} label={`${t(sure === id ? "home.people.sure" : "home.people.remove")}: ${name}`}>{t(sure === id ? "home.people.sure" : "home.people.remove")}</Button>
  );
  // Guests have a place of their own (guests.tsx).
  const members = people?.members.filter((m) => m.role !== "guest") ?? [];
  const invitations = people?.invitations.filter((i) => i.role !== "guest") ?? [];
  const passkeys = (m: Member): Passkey[] => people?.passkeys.filter((p) => p.member === m.id) ?? [];
  return (
    <Page house={house} title={t("home.nav.people")} lead={<PeopleTabs at="people" />}>
      {note}
      {given ? <GivenCard given={given} onDone={() => setGiven(null)} /> : null}
      <Listed house={house} name="people" count={people ? members.length : null}>
        {people ? (
          <div class="cols">
            <div class="col">
              {me?.needs_second_passkey ? (
                <section class="card sect stack is-notice edge">
                  <div class="row row-top"><Mark kind="notice" icon="key" /><div class="grow"><h2>{t("home.second")}</h2><p>{t("home.second.say")} {t("home.presence.hint")}</p></div></div>
                  <Button kind="ink" icon="plus" busy={asking.busy} onClick={() => link({ act: "add_passkey" }, t("home.people.addkey"))}>{t("home.people.addkey")}</Button>
                </section>
              ) : null}
              <section class="card" aria-labelledby="members-title">
                <h2 id="members-title" class="sect-title">{t("home.people.members")}</h2>
                <ul class="keys">
                  {members.map((m) => (
                    <li key={m.id}>
                      <span class="face face-s" aria-hidden="true">{m.name.charAt(0)}</span>
                      <div>
                        <h3>{m.name}{m.id === me?.member.id ? ` (${t("home.people.you")})` : ""}</h3>
                        <p class="say">{t(`home.role.${m.role}`)}. {m.since ? t("home.people.since", { time: dayAndTime(m.since, now) }) : ""}</p>
                        <ul class="passkeys">
                          {passkeys(m).map((p) => (
                            <li key={p.number}>
                              <Icon name="key" size="s" />
                              <span class="grow"><b>{p.label || t("home.people.passkey")}</b><br /><span class="cap">{p.used ? t("home.people.used", { time: dayAndTime(p.used, now) }) : t("home.people.unused")} {p.synced ? t("home.people.synced") : t("home.people.local")}</span></span>
                              {isOwner || m.id === me?.member.id ? removeButton(`p${p.number}`, { act: "remove_passkey", number: p.number }, p.label) : null}
                            </li>
                          ))}
                          {passkeys(m).length === 0 ? <li class="dim small">{t("home.people.nokeys")}</li> : null}
                        </ul>
                        <div class="acts">
                          {m.id === me?.member.id && !me?.needs_second_passkey ? <Button busy={asking.busy} icon="plus" onClick={() => link({ act: "add_passkey" }, t("home.people.addkey"))}>{t("home.people.addkey")}</Button> : null}
                          {isOwner && m.id !== me?.member.id ? removeButton(`m${m.id}`, { act: "remove_member", member: m.id }, m.name) : null}
                        </div>
                      </div>
                    </li>
                  ))}
                </ul>
              </section>
              {invitations.length > 0 ? (
                <section class="card" aria-labelledby="invites-title">
                  <h2 id="invites-title" class="sect-title">{t("home.people.invited")}</h2>
                  <ul class="keys">
                    {invitations.map((i) => (
                      <li key={i.number}><Mark kind="plan" icon="link" /><div><h3>{i.name}</h3><p class="say">{t("home.people.until", { time: dayAndTime(i.until, now) })}</p><div class="acts">{isOwner ? removeButton(`i${i.number}`, { act: "remove_invite", number: i.number }, i.name) : null}</div></div></li>
                    ))}
                  </ul>
                </section>
              ) : null}
            </div>
            <div class="col">
              {isOwner ? (
                <section class="card sect" aria-labelledby="invite-title">
                  <h2 id="invite-title">{t("home.people.invite")}</h2>
                  <form class="stack" onSubmit={(e) => { e.preventDefault(); if (invited.trim() !== "") link({ act: "invite", name: invited.trim(), role }, t("home.people.invitation", { name: invited.trim() })); }}>
                    <Field id="invite-name" label={t("home.people.name")} value={invited} onInput={setInvited} max={40} required />
                    <div class="two" role="group" aria-label={t("home.people.role")}>
                      {(["occupant", "owner"] as const).map((r) => <button key={r} type="button" class="pick" aria-pressed={role === r} onClick={() => setRole(r)}><b>{t(`home.role.${r}`)}</b><span class="small">{t(`home.role.${r}.say`)}</span></button>)}
                    </div>
                    {role === "owner" ? <p class="cap">{t("home.presence.hint")}</p> : null}
                    <Button kind="ink" icon="link" type="submit" busy={asking.busy} disabled={invited.trim() === ""}>{asking.busy ? t("sign.asking") : t("home.people.makelink")}</Button>
                  </form>
                </section>
              ) : null}
              {isOwner ? (
                <section class="card sect stack" aria-labelledby="code-title">
                  <h2 id="code-title">{t("home.code")}</h2>
                  <p class="dim">{t("home.code.say")}</p>
                  <Button busy={asking.busy} onClick={() => void asking.run(async () => {
                    const r = await house.act<{ recovery_code: string }>({ act: "new_recovery" });
                    setGiven({ title: t("join.code.title"), text: r.recovery_code, say: t("join.code.lead"), isLink: false });
                    scrollTo(0, 0);
                  })}>{t("home.code.new")}</Button>
                </section>
              ) : null}
            </div>
          </div>
        ) : null}
      </Listed>
    </Page>
  );
}
