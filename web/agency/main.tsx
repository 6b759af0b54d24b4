// The agency's board: doors that need somebody first, routes as lines of stops, refusals by reason, people.
import { type JSX, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Api, Problem } from "../shared/api";
import { assert } from "../shared/passkey";
import { toSignIn } from "../shared/place";
import { has, language, languages, setLanguage, t } from "../shared/strings";
import { counter } from "../shared/times";
import { Button, Field, GiveAway, Icon, Mark, ProblemNote, Tag, type Kind, useAsking } from "../shared/ui";
import type { Job, Me, Page, Visit } from "../courier/types";
import { dayIn, timeIn } from "../courier/types";
import { Homes, Plan, Unsigned } from "./homes";
import { type HomeOf, ICON, KIND, type Person, type Route, type Screening, type Waiting, type Word, refusalsOf, routesOf, screenedOf, sinceOf } from "./data";

const api = new Api();
const VISITS_MS = 2000;
const PEOPLE_MS = 60000;
const HOMES_MS = 10000;
const PAGES_MAX = 10;

interface Board {
  me: Me | null;
  jobs: Job[] | null;
  visits: Visit[];
  stuck: Visit[];
  people: Person[];
  screenings: Record<string, Screening[]>;
  homes: HomeOf[] | null;
  /** What a home is called on its stops. */
  names: Map<string, string>;
  waiting: Waiting[] | null;
  /** Since when nothing was answered, and when the last answer came. */
  downSince: number | null;
  heardAt: number;
}

const board: Board = { me: null, jobs: null, visits: [], stuck: [], people: [], screenings: {}, homes: null, names: new Map(), waiting: null, downSince: null, heardAt: Date.now() };
let draw: () => void = () => undefined;
const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

async function pages<T>(path: string): Promise<T[]> {
  const all: T[] = [];
  let after: string | null = null;
  for (let n = 0; n < PAGES_MAX; n++) {
    const page: Page<T> = await api.get(`${path}${path.includes("?") ? "&" : "?"}limit=100${after ? `&after=${after}` : ""}`);
    all.push(...page.items);
    after = page.next ?? null;
    if (!after) break;
  }
  return all;
}

/** Making a way in for somebody needs a sign-in of the last minutes: the passkey is asked for, and then it is done. */
async function freshly<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (e) {
    if (!(e instanceof Problem) || e.code !== "sign_in_again") throw e;
    const b = await api.post<{ challenge: string; rp_id: string }>("/v1/signin/begin");
    const me = await api.post<Me>("/v1/signin/finish", await assert(b));
    api.csrf = me.csrf;
    return act();
  }
}

async function loadPeople(): Promise<void> {
  board.people = await pages<Person>("/v1/visitors");
  for (const p of board.people.slice(0, 200)) board.screenings[p.id] = (await api.get<{ items: Screening[] }>(`/v1/visitors/${p.id}/screenings`)).items;
}

async function loadHomes(): Promise<void> {
  board.homes = await pages<HomeOf>("/v1/homes?known=1");
  draw();
}

async function run(): Promise<void> {
  let peopleAt = 0;
  let homesAt = 0;
  for (;;) {
    try {
      if (!board.me) {
        board.me = await api.get<Me>("/v1/me");
        api.csrf = board.me.csrf;
        if (board.me.role !== "staff") return location.replace("/");
      }
      board.stuck = (await api.get<Page<Visit>>("/v1/visits?stuck=1")).items;
      const today = dayIn(null, Date.now());
      board.jobs = await pages<Job>("/v1/jobs?today=1");
      for (const j of board.jobs) board.names.set(j.home, j.home_name);
      board.waiting = (await api.get<{ items: Waiting[] }>("/v1/signing?limit=100")).items;
      board.visits = (await pages<Visit>("/v1/visits?recent=1")).filter((v) => v.outcome === null || v.asked.slice(0, 10) >= today || board.jobs?.some((j) => j.id === v.job));
      board.downSince = null;
      board.heardAt = Date.now();
      draw();
      if (Date.now() - homesAt > HOMES_MS) {
        await loadHomes();
        homesAt = Date.now();
      }
      if (Date.now() - peopleAt > PEOPLE_MS) {
        await loadPeople();
        for (const j of await pages<Job>("/v1/jobs")) board.names.set(j.home, j.home_name);
        peopleAt = Date.now();
      }
    } catch (e) {
      if (e instanceof Problem && e.status === 401) return toSignIn();
      board.downSince ??= board.heardAt;
    }
    draw();
    await wait(VISITS_MS);
  }
}

const nameOf = (id: string | null): string => (id === null ? t("agency.unassigned") : (board.people.find((p) => p.id === id)?.name ?? id.slice(0, 8)));

const homeName = (id: string): string => board.names.get(id) ?? t("agency.home.unnamed", { id: id.slice(0, 8) });

function Summary({ routes }: { routes: Route[] }): JSX.Element {
  const stops = routes.flatMap((r) => r.stops);
  const n = (...w: Word[]): number => stops.filter((s) => w.includes(s.word)).length;
  const rows: [string, number][] = [["stops", stops.length], ["locked", n("locked")], ["open", n("on")], ["unconfirmed", n("unconfirmed", "stuck")], ["refused", n("refused")]];
  return (
    <div class="sum">
      <h1>{t("agency.today")}</h1>
      <dl>{rows.map(([k, v]) => <div key={k}><dt class="cap">{t(`agency.sum.${k}`)}</dt><dd>{v}</dd></div>)}</dl>
    </div>
  );
}

function Line({ route }: { route: Route }): JSX.Element {
  const name = nameOf(route.visitor);
  const at = route.at;
  const isDone = route.stops.every((s) => s.word !== "expected");
  const now = at?.visit ? t(`agency.now.${at.visit.outcome === "NOT_SECURED" ? "not_secured" : at.visit.state}`) : t(isDone ? "agency.now.finished" : "agency.now.idle");
  const n = (...w: Word[]): number => route.stops.filter((s) => w.includes(s.word)).length;
  const since = at?.visit ? sinceOf(board.stuck.find((v) => v.id === at.visit!.id) ?? at.visit) : null;
  return (
    <div class="route">
      <div><h3>{name}</h3></div>
      <div class="line" role="img" aria-label={t("agency.line", { name, locked: n("locked"), refused: n("refused"), unknown: n("unconfirmed", "stuck"), expected: n("expected"), now })}>
        {route.stops.map((s) => (s === at ? <Mark key={s.job.id} kind={KIND[s.word] as Kind} icon={ICON[s.word]} small /> : <span key={s.job.id} class={`bead is-${KIND[s.word]}`} />))}
      </div>
      <p class={`at is-${at ? KIND[at.word] : "plan"}`}><b>{now}{since && at?.word !== "on" ? `, ${counter(Date.now() - Date.parse(since))}` : ""}</b>{at ? <span class="small">{at.job.home_name}</span> : null}</p>
    </div>
  );
}

function Routes({ routes }: { routes: Route[] }): JSX.Element {
  const [isPlanning, setPlanning] = useState(false);
  const [said, setSaid] = useState("");
  const given = (board.homes ?? []).filter((h) => h.grants.length > 0);
  const close = (words: string): void => {
    setPlanning(false);
    setSaid(words);
  };
  return (
    <section class="card sect" id="board" aria-labelledby="b1">
      <div class="row spread"><h2 id="b1">{t("agency.routes")}</h2><Button icon="plus" onClick={() => { setSaid(""); setPlanning(!isPlanning); }}>{t("agency.plan")}</Button></div>
      {isPlanning ? <Plan api={api} homes={given} people={board.people} nameOf={homeName} today={dayIn(null, Date.now())} close={close} /> : null}
      <p class={said ? "small" : "vh"} role="status">{said}</p>
      {board.jobs === null ? <p role="status">{t("agency.loading")}</p> : routes.length === 0 ? <p>{t("agency.routes.none")}</p> : routes.map((r) => <Line key={r.visitor ?? ""} route={r} />)}
      <ul class="legend cap" aria-label={t("agency.legend")}>{(["locked", "on", "refused", "unconfirmed", "stuck", "expected"] as const).map((w) => <li key={w}><span class={`bead is-${KIND[w]}`} />{t(`agency.word.${w}`)}</li>)}</ul>
    </section>
  );
}

function Stuck(): JSX.Element {
  const list = board.stuck;
  const jobOf = (v: Visit): Job | undefined => board.jobs?.find((j) => j.id === v.job);
  return (
    <section class={`card sect ${list.length ? "stuck" : ""}`} aria-labelledby="q1">
      <div class="row">{list.length ? <Mark kind="act" icon="act" small /> : null}<h2 id="q1">{list.length ? t("agency.stuck", { n: list.length }) : t("agency.stuck.none")}</h2></div>
      <p class="vh" role="alert">{list.length ? t("agency.stuck", { n: list.length }) : ""}</p>
      {list.map((v) => {
        const since = sinceOf(v);
        const isUnheard = v.state === "unconfirmed";
        const name = nameOf(v.visitor);
        const zone = jobOf(v)?.zone ?? null;
        return (
          <article key={v.id}>
            <div class="row spread"><h3>{jobOf(v)?.home_name ?? v.id}</h3>{since ? <span class="t time" aria-label={t("agency.stuck.age", { age: counter(Date.now() - Date.parse(since)) })}>{counter(Date.now() - Date.parse(since))}</span> : null}</div>
            <p class={isUnheard ? "is-unknown" : "is-act"}><b class="word">{t(isUnheard ? "agency.now.unconfirmed" : "agency.now.not_secured")}.</b> {isUnheard ? t("agency.stuck.unheard", { since: since ? timeIn(zone, Date.parse(since)) : "?" }) : t(v.outcome ? "agency.stuck.released" : "agency.stuck.lock", { name })}</p>
          </article>
        );
      })}
    </section>
  );
}

function Refusals(): JSX.Element {
  const list = refusalsOf(board.visits, new Date().toISOString().slice(0, 10));
  const most = list[0]?.[1] ?? 1;
  return (
    <section class="card sect" id="refusals" aria-labelledby="r1">
      <h2 id="r1">{t("agency.refusals")}</h2>
      {list.length === 0 ? <p class="small dim">{t("agency.refusals.none")}</p> : (
        <>
          <ul class="why">{list.map(([code, n]) => (
            <li key={code}><span>{has(`courier.refused.${code}`) ? t(`courier.refused.${code}`) : code}</span><b>{n}</b><svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="bg" width="100" height="6" rx="3" /><rect class="fg" width={(100 * n) / most} height="6" rx="3" /></svg></li>
          ))}</ul>
          <p class="cap">{t("agency.refusals.sum", { n: list.reduce((a, [, n]) => a + n, 0) })}</p>
        </>
      )}
    </section>
  );
}

type Doing = { what: "add" } | { what: "person"; person: Person } | { what: "screen"; person: Person } | { what: "invite"; person: Person; link: string; until: string } | null;

function People(): JSX.Element {
  const [doing, set] = useState<Doing>(null);
  const asking = useAsking();
  const today = dayIn(null, Date.now());
  const rows = board.people.map((p) => ({ p, s: screenedOf(board.screenings[p.id], today) }));
  const invite = async (person: Person, replace: boolean): Promise<void> => {
    const i = await freshly(() => api.post<{ link: string; until: string }>(`/v1/visitors/${person.id}/invitations`, replace ? { replace } : {}, { idempotencyKey: crypto.randomUUID() }));
    set({ what: "invite", person, link: i.link, until: i.until });
  };
  const duty = async (p: Person): Promise<void> => {
    await api.ask(`PATCH`, `/v1/visitors/${p.id}`, { active: !p.active }, {});
    await loadPeople();
    set(null);
    draw();
  };
  return (
    <section class="card sect" id="people" aria-labelledby="b2">
      <div class="row spread"><h2 id="b2">{t("agency.people")}</h2><Button icon="plus" onClick={() => set({ what: "add" })}>{t("agency.people.add")}</Button></div>
      {doing?.what === "person" ? (
        <div class="form" role="group" aria-label={t("agency.people.change.of", { name: doing.person.name })}>
          <h3>{doing.person.name}</h3>
          <ProblemNote error={asking.error} />
          <div class="acts">
            <Button kind="ink" busy={asking.busy} onClick={() => void asking.run(() => invite(doing.person, false))}>{t("agency.people.invite")}</Button>
            <Button busy={asking.busy} onClick={() => set({ what: "screen", person: doing.person })}>{t("agency.people.screen")}</Button>
            <Button busy={asking.busy} onClick={() => void asking.run(() => duty(doing.person))}>{t(doing.person.active ? "agency.people.offduty" : "agency.people.on")}</Button>
            <Button busy={asking.busy} onClick={() => void asking.run(() => invite(doing.person, true))}>{t("agency.people.replace")}</Button>
            <Button kind="quiet" onClick={() => set(null)}>{t("agency.close")}</Button>
          </div>
        </div>
      ) : doing ? <Form key={doing.what} doing={doing} close={() => set(null)} invite={(p) => invite(p, false)} /> : null}
      <div class="scroll" tabIndex={0} role="region" aria-label={t("agency.people.table")}>
        <table>
          <thead><tr><th scope="col">{t("agency.people.name")}</th><th scope="col">{t("agency.people.screened")}</th><th scope="col">{t("agency.people.until")}</th><th scope="col">{t("agency.people.state")}</th><th scope="col">{t("agency.people.do")}</th></tr></thead>
          <tbody>
            {rows.map(({ p, s }) => (
              <tr key={p.id}>
                <th scope="row">{p.name}</th>
                <td>{s.newest ? `${s.newest.issuer}, ${s.newest.kind}` : "-"}</td>
                <td class="num">{s.newest?.valid_to ?? "-"}</td>
                <td>{!p.active ? <Tag kind="plan" icon="minus">{t("agency.people.off")}</Tag>
                  : s.state === "valid" ? <Tag kind="secured" icon="tick">{t("agency.people.valid")}</Tag>
                  : s.state === "soon" ? <Tag kind="notice" icon="clock">{t("agency.people.days", { n: s.days })}</Tag>
                  : s.state === "ask" ? <Tag kind="unknown" icon="ask">{t("agency.people.ask")}</Tag>
                  : <Tag kind="notice" icon="cross">{t(s.state === "out" ? "agency.people.out" : "agency.people.none")}</Tag>}</td>
                <td class="acts">
                  <button type="button" class="btn btn-small" aria-label={t("agency.people.change.of", { name: p.name })} onClick={() => set({ what: "person", person: p })}>{t("agency.people.change")}</button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Form({ doing, close, invite }: { doing: Exclude<NonNullable<Doing>, { what: "person" }>; close: () => void; invite: (p: Person) => Promise<void> }): JSX.Element {
  const asking = useAsking();
  const today = dayIn(null, Date.now());
  const [f, set] = useState({ name: "", issuer: "", kind: "", from: today, to: "" });
  const put = (k: keyof typeof f) => (v: string): void => set({ ...f, [k]: v });
  if (doing.what === "invite") {
    return (
      <div class="form" role="group" aria-label={t("agency.invite.title", { name: doing.person.name })}>
        <h3>{t("agency.invite.title", { name: doing.person.name })}</h3>
        <p class="small">{t("agency.invite.how", { until: new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "short" }).format(Date.parse(doing.until)) })}</p>
        <GiveAway text={doing.link} />
        <Button kind="quiet" onClick={close}>{t("agency.close")}</Button>
      </div>
    );
  }
  const send = (): void => {
    void asking.run(async () => {
      if (doing.what === "add") {
        const p = await api.post<Person>("/v1/visitors", { name: f.name.trim() }, { idempotencyKey: crypto.randomUUID() });
        await loadPeople();
        await invite(p);
      } else {
        await api.post(`/v1/visitors/${doing.person.id}/screenings`, { issuer: f.issuer.trim(), kind: f.kind.trim(), valid_from: f.from, valid_to: f.to }, { idempotencyKey: crypto.randomUUID() });
        await loadPeople();
        close();
      }
      draw();
    });
  };
  const title = doing.what === "add" ? t("agency.people.add") : t("agency.people.screen.of", { name: doing.person.name });
  return (
    <form class="form" aria-label={title} onSubmit={(e) => { e.preventDefault(); send(); }}>
      <h3>{title}</h3>
      {doing.what === "add" ? <Field id="name" label={t("agency.people.name")} value={f.name} onInput={put("name")} max={47} required /> : (
        <div class="two-fields">
          <Field id="issuer" label={t("agency.screen.issuer")} value={f.issuer} onInput={put("issuer")} max={47} required />
          <Field id="kind" label={t("agency.screen.kind")} value={f.kind} onInput={put("kind")} max={47} required />
          <Field id="from" type="date" label={t("agency.screen.from")} value={f.from} onInput={put("from")} required />
          <Field id="to" type="date" label={t("agency.screen.to")} value={f.to} onInput={put("to")} min={f.from} required />
        </div>
      )}
      <ProblemNote error={asking.error} />
      <div class="row"><Button kind="ink" type="submit" busy={asking.busy}>{t(doing.what === "add" ? "agency.people.add.go" : "agency.screen.go")}</Button><Button kind="quiet" onClick={close}>{t("agency.cancel")}</Button></div>
    </form>
  );
}

function App(): JSX.Element {
  const [, tick] = useState(0);
  useEffect(() => {
    draw = () => tick((n) => n + 1);
    const timer = setInterval(draw, 1000);
    void run();
    return () => clearInterval(timer);
  }, []);
  const routes = routesOf(board.jobs ?? [], board.visits);
  const out = async (): Promise<void> => {
    await api.post("/v1/signout").catch(() => undefined);
    location.replace("/signin");
  };
  return (
    <div class="wrap">
      <a class="skip" href="#board">{t("agency.skip")}</a>
      <header class="head">
        <p class="brand"><img src="/icon.svg" alt="" width="30" height="30" />{board.me?.agency_name ?? t("agency.title")}</p>
        <nav aria-label={t("agency.main")}><ul><li><a href="#board" aria-current="page">{t("agency.nav.board")}</a></li><li><a href="#homes">{t("agency.nav.homes")}</a></li><li><a href="#people">{t("agency.nav.people")}</a></li><li><a href="#refusals">{t("agency.nav.refusals")}</a></li></ul></nav>
        <div class="row who">
          {languages.filter((l) => l !== language()).map((l) => <button key={l} type="button" lang={l} class="btn btn-small" onClick={() => { setLanguage(l); document.title = t("agency.title"); draw(); }}>{t(`agency.language.${l}`)}</button>)}
          <button type="button" class="btn btn-small" onClick={() => void out()}>{t("agency.signout")}</button>
        </div>
        <p class="clock time">{timeIn(null, Date.now())}</p>
      </header>
      <div role="status">{board.downSince !== null ? <p class="net is-unknown"><Icon name="nosignal" />{t("agency.down", { since: timeIn(null, board.downSince) })}</p> : null}</div>
      <main>
        <Summary routes={routes} />
        <div class="two">
          <div class="right"><Stuck /><Unsigned waiting={board.waiting} jobs={board.jobs ?? []} nameOf={nameOf} /><Refusals /></div>
          <div class="left"><Routes routes={routes} /><Homes api={api} homes={board.homes} jobs={board.jobs ?? []} nameOf={homeName} reload={loadHomes} /><People /></div>
        </div>
      </main>
    </div>
  );
}

document.documentElement.lang = language();
document.title = t("agency.title");
const root = document.getElementById("app")!;
root.replaceChildren();
render(<App />, root);
