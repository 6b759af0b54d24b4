// What a guest may, and the one button: before there is a visit.
import type { JSX } from "preact";
import { LanguageChoice, Mark, ProblemNote } from "../shared/ui";
import { t } from "../shared/strings";
import { endText, weekLines } from "../shared/week";
import type { Guest } from "./engine";
import { Frame, Go, Quiet, dayAt, nextText, timeAt } from "./parts";
import type { GrantOfGuest } from "./types";
import { hasUsesLeft, nextOfAll } from "./when";

const isOn = (g: GrantOfGuest): boolean => hasUsesLeft(g) || g.state === "waiting" || g.state === "unknown";

/** One key in plain words: when, until when, how often yet, whose say. */
function KeyCard({ guest, g }: { guest: Guest; g: GrantOfGuest }): JSX.Element {
  const to = Date.parse(g.to ?? "");
  const left = Math.max(0, g.uses - g.used);
  return (
    <li class="card key">
      <dl class="facts">
        <div><dt>{t("guest.key.when")}</dt><dd>{weekLines(g.windows).map((l) => <span key={l} class="line">{l}</span>)}</dd></div>
        {Number.isFinite(to) ? <div><dt>{t("guest.key.until")}</dt><dd>{endText(to, g.zone)}</dd></div> : null}
        <div><dt>{t("guest.key.left")}</dt><dd>{t(left === 1 ? "guest.key.left.one" : "guest.key.left.say", { n: left })}{g.uses > 1 ? <span class="line dim">{t("guest.key.perday", { n: g.per_day })}</span> : null}</dd></div>
        {g.mode === "ask" ? <div><dt>{t("guest.key.say")}</dt><dd>{t("guest.key.ask")}</dd></div> : null}
        {g.state === "waiting" ? <div><dt>{t("guest.key.from")}</dt><dd>{g.live_at ? `${dayAt(guest, Date.parse(g.live_at))}, ${timeAt(guest, Date.parse(g.live_at))}` : t("guest.unknown")}</dd></div> : null}
      </dl>
    </li>
  );
}

/** Why there is no key any more: of the newest one. */
function overWords(g: GrantOfGuest): string {
  if (g.state === "live" && g.used >= g.uses) return t("guest.over.used");
  return t(g.state === "revoked" || g.state === "vetoed" ? `guest.over.${g.state}` : "guest.over.expired");
}

interface Say {
  title: string;
  sub: string;
  more?: string;
  kind: "secured" | "watched" | "notice" | "plan" | "unknown";
  icon: string;
}

function sayOf(guest: Guest): Say {
  const told = guest.told!;
  const home = guest.me?.home || t("guest.household");
  const now = guest.now();
  const next = nextOfAll(told.grants, now);
  const on = told.grants.filter(isOn);
  const nextSay = next ? t("guest.next", { when: nextText(next.next, now, next.grant.zone) }) : "";
  switch (told.state) {
    case "can_ask":
      return { kind: "secured", icon: "key", title: t("guest.can.title"), sub: t("guest.can.sub", { door: told.door || t("guest.door") }) };
    case "waits_for_yes":
      return { kind: "watched", icon: "clock", title: t("guest.yes.title"), sub: t("guest.yes.sub") };
    case "not_now":
      if (on.length === 0) break; // its uses are used up
      if (next && next.next.at <= now) return { kind: "notice", icon: "stop", title: t("guest.notnow.title"), sub: t("guest.notnow.closed") };
      return { kind: "plan", icon: "clock", title: t("guest.notnow.title"), sub: nextSay || t("guest.notnow.none") };
  }
  if (on.some((g) => g.state === "waiting")) return { kind: "watched", icon: "clock", title: t("guest.wait.title"), sub: t("guest.wait.sub"), more: nextSay };
  if (told.grants.length > 0) return { kind: "notice", icon: "cross", title: t("guest.over.title"), sub: overWords(told.grants.at(-1)!), more: t("guest.over.next", { home }) };
  return { kind: "plan", icon: "key", title: t("guest.none.title", { home }), sub: t("guest.none.sub"), more: t("guest.none.more") };
}

export function HomeView({ guest, redraw }: { guest: Guest; redraw: () => void }): JSX.Element {
  const told = guest.told;
  if (!told) {
    return (
      <Frame guest={guest} title={t("guest.title")} end={guest.refusal ? <Go onClick={() => guest.look()}>{t("ui.again")}</Go> : null}>
        <p class="sub" role="status">{guest.refusal ? "" : t("guest.loading")}</p>
        <ProblemNote error={guest.refusal} />
      </Frame>
    );
  }
  const s = sayOf(guest);
  const on = told.grants.filter(isOn);
  return (
    <Frame
      guest={guest}
      kind="list"
      title={s.title}
      end={told.state === "can_ask" && !guest.cannot ? <Go icon="door" onClick={() => void guest.ask()}>{t("guest.atdoor")}</Go> : null}
    >
      <div class="why"><Mark kind={s.kind} icon={s.icon} /><p class="sub" role="status"><b>{s.sub}</b></p></div>
      {s.more ? <p class="sub">{s.more}</p> : null}
      {guest.cannot ? <p class="callout is-notice"><Mark kind="notice" icon="note" /><span><b>{t("guest.cannot")}</b> {t("guest.cannot.next")}</span></p> : null}
      {on.length > 0 ? (
        <section class="stack-s" aria-labelledby="keys-title">
          <h2 id="keys-title">{t(on.length === 1 ? "guest.keys.one" : "guest.keys")}</h2>
          <ul class="stack-s">{on.map((g) => <KeyCard key={g.id} guest={guest} g={g} />)}</ul>
        </section>
      ) : null}
      <p class="told small dim">{t("guest.told")}</p>
      <div class="tools"><LanguageChoice onChange={redraw} /><Quiet onClick={() => void guest.signOut()}>{t("guest.signout")}</Quiet></div>
    </Frame>
  );
}
