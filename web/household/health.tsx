// House health: plain cards, what is not known first. Nothing is said here without a word of the house from just now.

import type { JSX } from "preact";
import { doorLine, isOff, isVisitOn, useSeen } from "../live/index";
import { has, t } from "../shared/strings";
import { clockTime, counter, wholeSpan } from "../shared/times";
import { Button, Icon, type Kind, LanguageChoice, Mark, ProblemNote, Tag, useAsking } from "../shared/ui";
import { Page } from "./frame";
import { type House, useHouse } from "./house";
import { ModeChoice } from "./mode";

/** A word of the house that is older says nothing of now. */
const FRESH_MS = 3500;
const BATTERY_LOW = 20;

interface Health {
  id: string;
  icon: string;
  kind: Kind;
  big: string;
  say: string;
}

function look(house: House, now: number): Health[] {
  const l = house.link;
  const s = l.state;
  const isFresh = l.isUp && s !== null && now - l.door.stateAt < FRESH_MS;
  const unknown = (id: string, icon: string): Health => ({ id, icon, kind: "unknown", big: t("home.health.unknown"), say: t("home.health.unheard", { time: clockTime(house.utcOf(s === null ? l.linkSince : l.door.stateAt)) }) });
  const all: Health[] = [];
  const line = doorLine(l.door, now);
  all.push(line.kind === "unknown"
    ? { ...unknown("bolt", "bolt"), say: t(line.word === "door.unknown" && line.sinceAt !== null ? "door.unknown.since" : "door.unknown.never", { since: line.sinceAt === null ? "" : clockTime(house.utcOf(line.sinceAt)) }) }
    : { id: "bolt", icon: line.icon === "act" ? "act" : "bolt", kind: line.kind, big: t(line.word, { visitor: line.visitor }), say: t("fact.heard", { age: wholeSpan(line.heardMs) }) });
  if (!isFresh) return [...all, unknown("battery", "battery"), unknown("camera", "camera"), unknown("disk", "disk"), unknown("clock", "clock"), unknown("service", "link")];
  all.push(s.battery === null || line.kind === "unknown"
    ? { id: "battery", icon: "battery", kind: "unknown", big: t("home.health.unknown"), say: t("home.health.battery.unknown") }
    : { id: "battery", icon: "battery", kind: s.battery < BATTERY_LOW ? "notice" : "secured", big: t("battery.value", { n: s.battery }), say: t(s.battery < BATTERY_LOW ? "home.health.battery.low" : "home.health.battery.ok") });
  const camera = (kind: Kind, big: string, say: string): Health => ({ id: "camera", icon: kind === "unknown" ? "camera" : kind === "act" ? "blind" : "camera", kind, big, say });
  if (isOff(s)) all.push(camera("notice", t("home.health.camera.off"), t("home.health.camera.off.say")));
  else if (s.camera === "live" || s.camera === "late") all.push(camera("secured", s.picture_age_ms === null ? t("picture.proven") : wholeSpan(s.picture_age_ms + (now - l.door.stateAt)), t("home.health.camera.ok")));
  else if (s.camera === "unknown" || s.camera === "unproven") all.push(camera("unknown", t(s.camera === "unproven" ? "picture.unproven" : "home.health.unknown"), t("home.health.camera.unknown")));
  else all.push(camera(isVisitOn(s) ? "act" : "notice", has(`home.camera.${s.camera}`) ? t(`home.camera.${s.camera}`) : s.camera, t("home.health.camera.bad")));
  all.push({ id: "disk", icon: "disk", kind: s.room ? "secured" : "notice", big: t(s.room ? "home.health.disk.ok" : "home.health.disk.full"), say: t(s.room ? "home.health.disk.ok.say" : "home.health.disk.full.say") });
  all.push({ id: "clock", icon: "clock", kind: s.clock ? "secured" : "unknown", big: t(s.clock ? "home.health.clock.ok" : "home.health.clock.unsure"), say: t(s.clock ? "home.health.clock.ok.say" : "home.health.clock.unsure.say") });
  all.push({ id: "service", icon: "link", kind: s.link ? "secured" : "notice", big: t(s.link ? "home.health.service.ok" : "home.health.service.down"), say: t(s.link ? "home.health.service.ok.say" : "home.health.service.down.say") });
  return all;
}

const RANK: Record<Kind, number> = { act: 0, unknown: 1, notice: 2, watched: 3, secured: 4, plan: 5 };

export function HealthCards({ house }: { house: House }): JSX.Element {
  const all = useSeen(house.link, (now) => look(house, now).sort((a, b) => RANK[a.kind] - RANK[b.kind]));
  const bad = all.filter((h) => h.kind === "unknown" || h.kind === "act" || h.kind === "notice");
  const kind: Kind = all[0]!.kind === "watched" ? "secured" : all[0]!.kind;
  const unknown = all.filter((h) => h.kind === "unknown").length;
  const title = unknown > 0 ? t(unknown === 1 ? "home.health.one" : "home.health.many", { n: unknown }) : bad.length > 0 ? t(bad.length === 1 ? "home.health.care.one" : "home.health.care.many", { n: bad.length }) : t("home.health.fine");
  return (
    <>
      <div class="card hero"><Mark kind={kind} icon={kind === "unknown" ? "ask" : kind === "act" ? "act" : kind === "notice" ? "info" : "tick"} /><div><h2><span role="status">{title}</span></h2><p class="dim small">{t(unknown > 0 ? "home.health.unknown.say" : "home.health.say")}</p></div></div>
      <div class="health">
        {all.map((h) => (
          <section key={h.id} class={`card h is-${h.kind}${h.kind === "unknown" || h.kind === "act" ? " wide" : ""}`}>
            <div class="row"><h3>{t(`home.health.${h.id}`)}</h3>{h.kind === "unknown" ? <Tag kind="unknown" icon="ask">{t("fact.unknown")}</Tag> : <Mark kind={h.kind} icon={h.icon} small />}</div>
            <p class="big">{h.big}</p>
            <p>{h.say}</p>
          </section>
        ))}
      </div>
    </>
  );
}

export function HousePage({ house, redraw }: { house: House; redraw: () => void }): JSX.Element {
  useHouse(house, "me");
  const asking = useAsking();
  const out = (path: string): void => {
    void asking.run(async () => {
      await house.api.post(path);
      house.link.close();
      location.replace("/signin");
    });
  };
  const since = useSeen(house.link, (now) => (house.link.isUp ? counter(now - house.link.linkSince) : null));
  const rows: [string, string, string][] = [["drills", "drill", "home.drills"], ["alerts", "bell", "home.alerts"], ["settings", "sliders", "home.settings"], ["devices", "camera", "home.devices"], ["looked", "eye", "home.looked"], ["start", "tick", "home.guide"]];
  return (
    <Page house={house} title={t("home.health.title")}>
      <div class="cols">
        <div class="col">
          <HealthCards house={house} />
        </div>
        <div class="col">
          <nav class="card menu" aria-label={t("home.more")}>
            <ul>{rows.map(([page, icon, key]) => <li key={page}><a href={`#/${page}`}><Icon name={icon} /><span class="grow">{t(key)}</span><Icon name="next" size="s" flip /></a></li>)}</ul>
          </nav>
          <section class="card sect" aria-labelledby="mode-title"><h2 id="mode-title">{t("home.mode.title")}</h2><ModeChoice house={house} /></section>
          <section class="card sect stack" aria-labelledby="me-title">
            <h2 id="me-title">{house.lists.me?.member.name ?? t("home.me")}</h2>
            <LanguageChoice onChange={redraw} />
            <div class="acts"><Button icon="out" busy={asking.busy} onClick={() => out("/api/signout")}>{t("home.signout")}</Button><Button busy={asking.busy} onClick={() => out("/api/signout_everywhere")}>{t("home.signout.all")}</Button></div>
            <ProblemNote error={asking.error} />
            {since === null ? null : <p class="cap">{t("home.connected", { age: since })}</p>}
          </section>
        </div>
      </div>
    </Page>
  );
}
