// Whose doors the agency may use, and what waits for its own signature: no key, no stop; no signature, no stop.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Api } from "../shared/api";
import { Problem } from "../shared/api";
import { language, t } from "../shared/strings";
import { counter } from "../shared/times";
import { Button, Field, Mark, ProblemNote, Tag, useAsking } from "../shared/ui";
import type { Job } from "../courier/types";
import { timeIn } from "../courier/types";
import { type GrantOf, type HomeOf, type Person, type Waiting, SIGNER_MS, standingOf, weekOf } from "./data";

const date = (iso: string, zone: string | null): string => new Intl.DateTimeFormat(language(), { dateStyle: "medium", ...(zone ? { timeZone: zone } : {}) }).format(Date.parse(iso));

/** What the household has signed, in words. */
export function Scope({ grant }: { grant: GrantOf }): JSX.Element {
  const lines = weekOf(grant.windows).map((w) => {
    const names = w.days.map((d) => new Intl.DateTimeFormat(language(), { weekday: "short", timeZone: "UTC" }).format(Date.UTC(2024, 0, 1 + d)));
    const days = w.days.length === 7 ? t("agency.week.every") : w.isRun && names.length > 2 ? t("agency.week.run", { first: names[0]!, last: names.at(-1)! }) : names.join(", ");
    return t("agency.week.line", { days, from: w.from, to: w.to });
  });
  // The last moment that counts, not the first that does not.
  const last = date(new Date(Date.parse(grant.to) - 1000).toISOString(), grant.zone);
  return (
    <ul class="scope small">
      <li>{t(`agency.scope.${grant.kind}`)} {lines.join("; ")}</li>
      <li>{t("agency.scope.uses", { day: grant.per_day, uses: grant.uses, last })}</li>
      <li>{t("agency.scope.dwell", { dwell: counter(grant.dwell_ms) })} {t(`agency.scope.${grant.mode}`)}</li>
      {grant.hosted ? <li>{t("agency.scope.hosted")}</li> : null}
    </ul>
  );
}

export function Homes({ api, homes, jobs, nameOf, reload }: { api: Api; homes: HomeOf[] | null; jobs: Job[]; nameOf: (home: string) => string; reload: () => Promise<void> }): JSX.Element {
  const [isAsking, setAsking] = useState(false);
  const [id, setId] = useState("");
  const [said, setSaid] = useState("");
  const asking = useAsking();
  const ask = (home: string): void => {
    void asking.run(async () => {
      setSaid("");
      const r = await api.post<{ state: string }>(`/v1/homes/${home}/introductions`, {}, { idempotencyKey: crypto.randomUUID() });
      setSaid(t(r.state === "signed" ? "agency.ask.sent" : "agency.ask.unsigned"));
      setAsking(false);
      setId("");
      await reload();
    });
  };
  return (
    <section class="card sect" id="homes" aria-labelledby="h1">
      <div class="row spread"><h2 id="h1">{t("agency.homes")}</h2><Button icon="plus" onClick={() => setAsking(!isAsking)}>{t("agency.ask.other")}</Button></div>
      {isAsking ? (
        <form class="form" aria-label={t("agency.ask.other")} onSubmit={(e) => { e.preventDefault(); ask(id.trim().toLowerCase()); }}>
          <h3>{t("agency.ask.other")}</h3>
          <p class="small">{t("agency.ask.how")}</p>
          <Field id="home-id" label={t("agency.ask.id")} hint={t("agency.ask.id.how")} value={id} onInput={setId} max={40} required mono />
          <ProblemNote error={asking.error} />
          <div class="row"><Button kind="ink" type="submit" busy={asking.busy} disabled={!/^[0-9a-fA-F]{32}$/.test(id.trim())}>{t("agency.ask.go")}</Button><Button kind="quiet" onClick={() => setAsking(false)}>{t("agency.cancel")}</Button></div>
        </form>
      ) : <ProblemNote error={asking.error} />}
      <p class={said ? "small" : "vh"} role="status">{said}</p>
      {homes === null ? <p>{t("agency.homes.loading")}</p> : homes.length === 0 ? <p class="small">{t("agency.homes.none")}</p> : (
        <ul class="homes">
          {homes.map((h) => {
            const standing = standingOf(h);
            const lost = jobs.filter((j) => j.home === h.id && j.state === "declined").length;
            const name = nameOf(h.id);
            const words = t(standing === "asked" ? "agency.ask.again" : "agency.ask.go");
            return (
              <li key={h.id}>
                <div class="row spread">
                  <h3>{name}</h3>
                  {standing === "given" ? <Tag kind="secured" icon="tick">{h.grants.length === 1 ? t("agency.home.given") : t("agency.home.given.many", { n: h.grants.length })}</Tag>
                    : standing === "asked" ? <Tag kind="notice" icon="clock">{t("agency.home.asked")}</Tag>
                    : standing === "revoked" ? <Tag kind="notice" icon="cross">{t("agency.home.revoked")}</Tag>
                    : <Tag kind="plan" icon="minus">{t("agency.home.none")}</Tag>}
                </div>
                {standing === "given" ? h.grants.map((g) => <Scope key={g.id} grant={g} />) : standing === "asked" ? <p class="small">{t("agency.home.asked.since", { date: date(h.asked!, null) })}</p>
                  : standing === "revoked" ? <p class="small">{t("agency.home.revoked.at", { date: date(h.revoked!, null), time: timeIn(null, Date.parse(h.revoked!)) })} {lost > 0 ? t("agency.home.lost", { n: lost }) : ""}</p>
                  : <p class="small">{t("agency.home.none.how")}</p>}
                {standing === "given" ? null : <Button busy={asking.busy} label={t("agency.ask.of", { what: words, home: name })} onClick={() => ask(h.id)}>{words}</Button>}
              </li>
            );
          })}
        </ul>
      )}
    </section>
  );
}

/** What the agency's own signer has still to sign. Nothing of it opens a door before. */
export function Unsigned({ waiting, jobs, nameOf }: { waiting: Waiting[] | null; jobs: Job[]; nameOf: (person: string | null) => string }): JSX.Element | null {
  if (waiting === null || waiting.length === 0) return null;
  const oldest = waiting.map((w) => w.created).sort()[0]!;
  const age = Date.now() - Date.parse(oldest);
  const isSilent = age > SIGNER_MS;
  const of = (kind: string): number => waiting.filter((w) => w.kind === kind).length;
  const stops = jobs.filter((j) => j.state === "unsigned");
  return (
    <section class={`card sect ${isSilent ? "silent" : ""}`} id="unsigned" aria-labelledby="u1">
      <div class="row">{isSilent ? <Mark kind="unknown" icon="ask" small /> : null}<h2 id="u1">{t(isSilent ? "agency.signer.silent" : "agency.signer.waits")}</h2></div>
      <p class={isSilent ? "small is-unknown" : "small"} role={isSilent ? "alert" : undefined}>{isSilent ? <b class="word">{t("agency.signer.since", { time: timeIn(null, Date.parse(oldest)) })}</b> : t("agency.signer.soon")} {isSilent ? t("agency.signer.look") : ""}</p>
      <p class="small">{t("agency.signer.counts", { manifests: of("manifest"), shifts: of("shift"), introductions: of("introduce") })}</p>
      {stops.length > 0 ? <ul class="small unsigned">{stops.map((j) => <li key={j.id}><b>{j.home_name}</b> {j.window.from}-{j.window.to}, {nameOf(j.visitor)}</li>)}</ul> : null}
    </section>
  );
}

/** Why a stop cannot be planned like this: the household's grant, part by part. */
function PlanNote({ error }: { error: unknown }): JSX.Element | null {
  if (!(error instanceof Problem) || (error.code !== "outside_grant" && error.code !== "no_grant")) return <ProblemNote error={error} />;
  const part = /\((\w+)\)\.?$/.exec(error.detail)?.[1] ?? "";
  const parts = ["kind", "door", "time", "zone", "window", "uses", "dwell", "camera"];
  return (
    <p class="problem" role="alert">
      <span><b>{t(error.code === "no_grant" ? "agency.plan.nogrant" : "agency.plan.outside")}</b> {error.code === "no_grant" ? t("agency.plan.nogrant.next") : `${parts.includes(part) ? t(`agency.part.${part}`) : error.detail} ${t("agency.plan.outside.next")}`}</span>
    </p>
  );
}

export function Plan({ api, homes, people, nameOf, today, close }: { api: Api; homes: HomeOf[]; people: Person[]; nameOf: (home: string) => string; today: string; close: (said: string) => void }): JSX.Element {
  const asking = useAsking();
  const [f, set] = useState({ home: homes[0]?.id ?? "", person: "", kind: "", code: "", day: today, from: "09:00", to: "12:00" });
  const put = (k: keyof typeof f) => (v: string): void => set({ ...f, [k]: v });
  const home = homes.find((h) => h.id === f.home);
  const kind = f.kind || (home?.grants[0]?.kind ?? "drop");
  const fitting = home?.grants.find((g) => g.kind === kind) ?? home?.grants[0];
  const send = (): void => {
    void asking.run(async () => {
      const job = await api.post<Job>("/v1/jobs", {
        home: f.home, kind, door: fitting?.door ?? 0, parcels: [f.code.trim()], window: { date: f.day, from: f.from, to: f.to },
        ...(f.person ? { visitor: f.person } : {}),
      }, { idempotencyKey: crypto.randomUUID() });
      close(t(job.state === "unsigned" ? "agency.plan.unsigned" : "agency.plan.done"));
    });
  };
  return (
    <form class="form" aria-label={t("agency.plan")} onSubmit={(e) => { e.preventDefault(); send(); }}>
      <h3>{t("agency.plan")}</h3>
      {homes.length === 0 ? <p class="small">{t("agency.plan.nohome")}</p> : null}
      <div class="two-fields">
        <div class="field"><label for="p-home">{t("agency.plan.home")}</label><select id="p-home" value={f.home} required onChange={(e) => put("home")(e.currentTarget.value)}>{homes.map((h) => <option key={h.id} value={h.id}>{nameOf(h.id)}</option>)}</select></div>
        <div class="field"><label for="p-who">{t("agency.plan.who")}</label><select id="p-who" value={f.person} onChange={(e) => put("person")(e.currentTarget.value)}><option value="">{t("agency.unassigned")}</option>{people.filter((p) => p.active).map((p) => <option key={p.id} value={p.id}>{p.name}</option>)}</select></div>
        <div class="field"><label for="p-kind">{t("agency.plan.kind")}</label><select id="p-kind" value={kind} onChange={(e) => put("kind")(e.currentTarget.value)}>{(["drop", "stay"] as const).map((k) => <option key={k} value={k}>{t(`agency.kind.${k}`)}</option>)}</select></div>
        <Field id="p-code" label={t("agency.plan.code")} value={f.code} onInput={put("code")} max={128} required mono />
        <Field id="p-day" type="date" label={t("agency.plan.day")} value={f.day} onInput={put("day")} min={today} required />
        <Field id="p-from" type="time" label={t("agency.plan.from")} value={f.from} onInput={put("from")} required />
        <Field id="p-to" type="time" label={t("agency.plan.to")} value={f.to} onInput={put("to")} min={f.from} required />
      </div>
      {fitting ? <div><p class="cap">{t("agency.plan.scope")}</p>{home!.grants.map((g) => <Scope key={g.id} grant={g} />)}</div> : null}
      <PlanNote error={asking.error} />
      <div class="row"><Button kind="ink" type="submit" busy={asking.busy} disabled={f.home === ""}>{t("agency.plan.go")}</Button><Button kind="quiet" onClick={() => close("")}>{t("agency.cancel")}</Button></div>
    </form>
  );
}
