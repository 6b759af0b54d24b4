// Letting an agency in: choose, read what will be signed, sign it. What is read comes from the very bytes; the passkey that
// is asked is the one whose thumbprint they carry. A change is a new permission and the end of the old one, in one go.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { type Begun, type Card, type Grant, type GrantMode, NotAsAsked, type VisitKind, type Wanted, CAMERAS, DAYS_MAX, MODES } from "../shared/grant";
import { t } from "../shared/strings";
import { type Asking, Button, Icon, Mark, ProblemNote, useAsking } from "../shared/ui";
import { type DayRow, type Preset, EVERY_DAY, WEEKDAYS, dayName, endText, isOvernight, keyText, sameWindows, spanText, weekLines, windowsOf } from "../shared/week";
import { Page } from "./frame";
import { EndingNote, Facts, HostedWords, scopeFacts } from "./grants";
import { type House, useHouse } from "./house";
import type { Agency, GrantRow, Passkey } from "./types";
import { civilOf, dayAndTime, msOf } from "./words";

export const DAY_MS = 86400e3;
export const DWELLS = [30000, 60000, 120000, 180000];
export const PER_DAY = [1, 2, 3, 5, 10];
export const USES = [1, 5, 10, 25, 50, 100, 250];
const DAYS = [7, 30, 90];
export const PICKS: Record<GrantMode, string> = { ask: "ask", veto: "stop", notify: "bell" };

interface Form {
  kind: VisitKind;
  preset: Preset;
  rows: DayRow[];
  dwell: number;
  perDay: number;
  uses: number;
  days: number;
  mode: GrantMode;
  passkey: number | null;
}

const FRESH: Form = { kind: "drop", preset: "weekdays", rows: WEEKDAYS, dwell: 60000, perDay: 2, uses: 50, days: 30, mode: "veto", passkey: null };

/** What the old one says, as far as the form can say it; its days are kept as they are unless others are chosen. */
function formOf(g: GrantRow, now: number): Form {
  const left = Math.ceil(((msOf(g.to) ?? now) - now) / DAY_MS);
  const same = (rows: DayRow[]): boolean => sameWindows(g.windows, windowsOf(rows)!);
  return {
    ...FRESH,
    kind: g.kind === "stay" ? "stay" : "drop",
    preset: same(WEEKDAYS) ? "weekdays" : same(EVERY_DAY) ? "every" : "same",
    dwell: g.dwell_ms,
    perDay: g.per_day,
    uses: g.uses,
    days: Math.min(DAYS_MAX, Math.max(1, left)),
    mode: g.mode === "unknown" ? "ask" : g.mode,
  };
}

export function Choice<T extends string | number>(p: { id: string; label: string; hint?: string; value: T; options: T[]; text: (v: T) => string; onChange: (v: T) => void }): JSX.Element {
  const all = p.options.includes(p.value) ? p.options : [...p.options, p.value].sort((a, b) => Number(a) - Number(b));
  return (
    <div class="field">
      <label for={p.id}>{p.label}</label>
      <select id={p.id} value={String(p.value)} aria-describedby={p.hint ? `${p.id}-hint` : undefined} onChange={(e) => p.onChange(all[e.currentTarget.selectedIndex]!)}>
        {all.map((o) => <option key={String(o)} value={String(o)}>{p.text(o)}</option>)}
      </select>
      {p.hint ? <p class="cap" id={`${p.id}-hint`}>{p.hint}</p> : null}
    </div>
  );
}

export function Pick(p: { on: boolean; onClick: () => void; icon?: string; title: string; say: string }): JSX.Element {
  return (
    <button type="button" class="pick" aria-pressed={p.on} onClick={p.onClick}>
      {p.icon ? <Icon name={p.icon} /> : null}
      <b>{p.title}</b>
      <span class="small">{p.say}</span>
    </button>
  );
}

export function Group({ id, title, children }: { id: string; title: string; children: ComponentChildren }): JSX.Element {
  return <section class="card sect stack" role="group" aria-labelledby={`${id}-title`}><h2 id={`${id}-title`}>{title}</h2>{children}</section>;
}

export function OwnDays({ rows, onChange }: { rows: DayRow[]; onChange: (rows: DayRow[]) => void }): JSX.Element {
  const set = (d: number, more: Partial<DayRow>): void => onChange(rows.map((r, i) => (i === d ? { ...r, ...more } : r)));
  return (
    <ul class="days">
      {rows.map((r, d) => (
        <li key={d}>
          <label class="check"><input type="checkbox" checked={r.on} onChange={(e) => set(d, { on: e.currentTarget.checked })} /><span>{dayName(d)}</span></label>
          {r.on ? (
            <>
              <input type="time" value={r.from} required aria-label={t("home.form.day.from", { day: dayName(d) })} onInput={(e) => set(d, { from: e.currentTarget.value })} />
              <input type="time" value={r.to} required aria-label={t("home.form.day.to", { day: dayName(d) })} aria-describedby={isOvernight(r) ? `over-${d}` : undefined} onInput={(e) => set(d, { to: e.currentTarget.value })} />
              {isOvernight(r) ? <p class="cap over" id={`over-${d}`}>{t("home.form.day.over", { day: dayName((d + 1) % 7), time: r.to })}</p> : null}
            </>
          ) : null}
        </li>
      ))}
    </ul>
  );
}

/** The last day, counted from today: so the house writes it. */
export function Until(p: { days: number; now: number; onChange: (days: number) => void }): JSX.Element {
  const today = civilOf(p.now);
  const lastDay = civilOf(p.now + (p.days - 1) * DAY_MS);
  return (
    <Group id="until" title={t("home.form.until")}>
      <div class="places" role="group" aria-labelledby="until-title">{DAYS.map((d) => <button key={d} type="button" class="btn btn-small" aria-pressed={p.days === d} onClick={() => p.onChange(d)}>{t("home.form.days", { n: d })}</button>)}</div>
      <div class="field">
        <label for="last-day">{t("home.form.lastday")}</label>
        <input id="last-day" type="date" value={lastDay} min={today} max={civilOf(p.now + (DAYS_MAX - 1) * DAY_MS)} aria-describedby="last-day-hint" onChange={(e) => {
          const ms = Date.parse(`${e.currentTarget.value}T12:00`) - Date.parse(`${today}T12:00`);
          if (!Number.isNaN(ms)) p.onChange(Math.min(DAYS_MAX, Math.max(1, Math.round(ms / DAY_MS) + 1)));
        }} />
        <p class="cap" id="last-day-hint">{t("home.form.lastday.hint", { n: DAYS_MAX })}</p>
      </div>
    </Group>
  );
}

const passkeysOf = (house: House): Passkey[] => house.lists.people?.passkeys.filter((p) => p.member === house.lists.me?.member.id) ?? [];
/** What the chosen passkey is called; null: the one of this sign-in. */
export const passkeyLabel = (house: House, number: number | null): string | null => (number === null ? null : (passkeysOf(house).find((p) => p.number === number)?.label ?? null));

/** With several passkeys: which one signs. */
export function SignerChoice(p: { house: House; value: number | null; onChange: (number: number | null) => void }): JSX.Element | null {
  const mine = passkeysOf(p.house);
  if (mine.length < 2) return null;
  return <Choice id="passkey" label={t("home.form.passkey")} hint={t("home.form.passkey.hint")} value={p.value ?? 0} options={[0, ...mine.map((p) => p.number)]} text={(n) => (n === 0 ? t("home.form.passkey.last") : mine.find((p) => p.number === n)?.label || t("home.people.passkey"))} onChange={(n) => p.onChange(n === 0 ? null : n)} />;
}

/** What happens while somebody reads: the house's words of it, decoded. */
interface Shown {
  begun: Begun;
  grant: Grant;
  want: Wanted;
  card: Card;
  passkey: number | null;
}

/** The permission, read from its bytes. Nothing here comes from the form. */
function Review({ house, g, isGuest, isChange, passkey }: { house: House; g: Grant; isGuest: boolean; isChange: boolean; passkey: string | null }): JSX.Element {
  const names = house.lists.settings?.door_names ?? [];
  return (
    <article class="card reading" aria-labelledby="reading-title">
      <div class="card-body stack">
        <p class="cap">{t("home.read.cap")}</p>
        <h2 id="reading-title" class="state" tabIndex={-1} ref={(e) => { if (e && !e.dataset.seen) { e.dataset.seen = "1"; e.focus(); } }}>{t(`home.read.${g.kind}`, { name: g.name })}</h2>
        <Facts facts={[
          { id: "who", lines: [g.name, t("home.read.key", { key: keyText(g.grantee) })] },
          ...scopeFacts({ kind: g.kind, windows: g.windows, zone: g.zone, toMs: g.toS * 1000, uses: g.uses, perDay: g.perDay, dwellMs: g.dwellMs, camera: CAMERAS[g.camera] ?? "unknown", mode: g.mode, door: names[g.door] ?? null, isGuest }),
          ...(passkey === null ? [] : [{ id: "passkey", lines: [passkey] }]),
        ]} />
        {isGuest ? null : <HostedWords hosted={g.isHosted} />}
        {g.presence > 0 ? <p class="small">{t("home.read.presence", { n: g.presence })}</p> : null}
        <p class="small dim">{t("home.read.limit")}</p>
        {isChange ? <p class="reason">{t("home.read.change")}</p> : null}
      </div>
    </article>
  );
}

export function NotAsAskedNote({ error }: { error: unknown }): JSX.Element | null {
  if (!(error instanceof NotAsAsked)) return <ProblemNote error={error} />;
  return (
    <div class="banner is-act" role="alert">
      <Icon name="act" />
      <div class="stack-s">
        <p><b>{t("home.stop")}</b> {t(`problem.${error.code}`)}</p>
        {error.what.length > 0 ? <p>{t("home.stop.what")} {error.what.map((w) => t(`home.differs.${w}`)).join(", ")}.</p> : null}
        <p>{t("home.stop.next")}</p>
      </div>
    </div>
  );
}

/** From what was chosen to the signature: first the house writes the bytes, then the one passkey that they name signs them. */
export interface GrantSigning {
  asking: Asking;
  shown: Shown | null;
  isSigned: boolean;
  /** Nobody answered after the passkey had signed: it may be there or not. */
  isUnsure: boolean;
  show: (want: Wanted, card: Card, passkey: number | null) => void;
  showAgain: () => void;
  sign: (s: Shown) => void;
  back: () => void;
}

export function useGrantSigning(house: House, old: GrantRow | null): GrantSigning {
  const [shown, setShown] = useState<Shown | null>(null);
  const [isSigned, setSigned] = useState(false);
  const [isUnsure, setUnsure] = useState(false);
  const asking = useAsking();
  const show = (want: Wanted, card: Card, passkey: number | null): void => {
    setUnsure(false);
    void asking.run(async () => setShown({ ...(await house.beginGrant(want, card, passkey)), want, card, passkey }));
  };
  const sign = (s: Shown): void => {
    void asking.run(async () => {
      try {
        await house.signGrant(s.begun);
      } catch (e) {
        const code = (e as { code?: unknown }).code;
        if (code === "no_connection" || code === "storage") setUnsure(true);
        throw e;
      }
      setSigned(true);
      if (old) await house.end(old.id, "revoke");
    });
  };
  return {
    asking, shown, isSigned, isUnsure, show, sign,
    showAgain: () => { if (shown) show(shown.want, shown.card, shown.passkey); },
    back: () => { setShown(null); setUnsure(false); asking.clear(); },
  };
}

/** What is read before the passkey is asked, and what the house says afterwards. `passkey`: what the one that signs is called. */
export function SigningPage({ house, title, old, signing, shown, passkey }: { house: House; title: string; old: GrantRow | null; signing: GrantSigning; shown: Shown; passkey: string | null }): JSX.Element {
  const { asking, isUnsure } = signing;
  if (signing.isSigned) return <Signed house={house} title={title} grant={shown.grant} old={old} isBusy={asking.busy} />;
  const isOld = (asking.error as { code?: unknown } | null)?.code === "challenge";
  return (
    <Page house={house} title={t("home.read.title")} back={{ href: "#/come", text: t("home.come") }}>
      <div class="narrow stack">
        <p class="lead dim">{t("home.read.say")}</p>
        <Review key={shown.begun.challenge} house={house} g={shown.grant} isGuest={"guest" in shown.want} isChange={old !== null} passkey={passkey} />
        {isUnsure ? (
          <div class="ending is-unknown" role="alert"><Mark kind="unknown" icon="ask" small /><div class="stack-s"><p><b>{t("home.sign.unsure")}</b> {t("home.sign.unsure.say")}</p><div><a class="btn" href="#/come">{t("home.sign.unsure.look")}</a></div></div></div>
        ) : <NotAsAskedNote error={asking.error} />}
        <div class="acts">
          {isOld || isUnsure ? null : <Button kind="ink" icon="key" busy={asking.busy} onClick={() => signing.sign(shown)}>{asking.busy ? t("sign.asking") : t("home.read.sign")}</Button>}
          {isOld ? <Button kind="ink" busy={asking.busy} onClick={signing.showAgain}>{t("home.read.again")}</Button> : null}
          <Button onClick={signing.back}>{t("home.read.back")}</Button>
        </div>
      </div>
    </Page>
  );
}

function Chooser({ house, agency, old }: { house: House; agency: Agency; old: GrantRow | null }): JSX.Element {
  const [form, setForm] = useState<Form>(() => (old ? formOf(old, house.now()) : FRESH));
  const signing = useGrantSigning(house, old);
  const asking = signing.asking;
  const set = (more: Partial<Form>): void => setForm((f) => ({ ...f, ...more }));
  const title = t(old ? "home.change.title" : "home.letin.title", { name: agency.name });
  const now = house.now();
  const back = { href: "#/come", text: t("home.come") };

  const windows = form.preset === "same" ? old!.windows : windowsOf(form.preset === "weekdays" ? WEEKDAYS : form.preset === "every" ? EVERY_DAY : form.rows);

  const show = (): void => {
    if (windows === null) return;
    const want: Wanted = { agency: agency.id, kind: form.kind, windows, days: form.days, uses: form.uses, per_day: form.perDay, dwell_ms: form.dwell, mode: form.mode };
    signing.show(want, { name: agency.name, hosted: agency.hosted, key: agency.key }, form.passkey);
  };
  if (signing.shown) {
    return <SigningPage house={house} title={title} old={old} signing={signing} shown={signing.shown} passkey={passkeyLabel(house, form.passkey)} />;
  }
  return (
    <Page house={house} title={title} back={back}>
      {old ? <p class="lead dim">{t("home.change.say")}</p> : <p class="lead dim">{t("home.letin.say")}</p>}
      <form noValidate onSubmit={(e) => { e.preventDefault(); show(); }}>
        <div class="cols">
          <div class="col">
            <Group id="kind" title={t("home.form.kind")}>
              <div class="two">{(["drop", "stay"] as const).map((k) => <Pick key={k} on={form.kind === k} onClick={() => set({ kind: k })} icon={k === "drop" ? "box" : "person"} title={t(`home.kind.${k}`)} say={t(`home.kind.${k}.say`)} />)}</div>
            </Group>
            <Group id="when" title={t("home.form.when")}>
              <div class="two">
                {old && formOf(old, now).preset === "same" ? <Pick on={form.preset === "same"} onClick={() => set({ preset: "same" })} title={t("home.form.same")} say={weekLines(old.windows).join("; ")} /> : null}
                <Pick on={form.preset === "weekdays"} onClick={() => set({ preset: "weekdays" })} title={t("home.form.weekdays")} say={weekLines(windowsOf(WEEKDAYS)!).join("; ")} />
                <Pick on={form.preset === "every"} onClick={() => set({ preset: "every" })} title={t("home.form.every")} say={weekLines(windowsOf(EVERY_DAY)!).join("; ")} />
                <Pick on={form.preset === "own"} onClick={() => set({ preset: "own" })} title={t("home.form.own")} say={t("home.form.own.say")} />
              </div>
              {form.preset === "own" ? <OwnDays rows={form.rows} onChange={(rows) => set({ rows })} /> : null}
              {windows === null ? <p class="problem" role="alert"><Icon name="info" /><span>{t(form.rows.some((r) => r.on) ? "home.form.order" : "home.form.noday")}</span></p> : null}
            </Group>
            <Until days={form.days} now={now} onChange={(days) => set({ days })} />
          </div>
          <div class="col">
            <Group id="often" title={t("home.form.often")}>
              <div class="two">
                <Choice id="per-day" label={t("home.form.perday")} value={form.perDay} options={PER_DAY} text={String} onChange={(v) => set({ perDay: v })} />
                <Choice id="uses" label={t("home.form.uses")} value={form.uses} options={USES} text={String} onChange={(v) => set({ uses: v })} />
              </div>
              <Choice id="dwell" label={t(form.kind === "stay" ? "home.scope.open" : "home.scope.inside")} hint={t(form.kind === "stay" ? "home.scope.stay" : "home.form.inside.hint")} value={form.dwell} options={DWELLS} text={spanText} onChange={(v) => set({ dwell: v })} />
            </Group>
            <Group id="mode" title={t("home.form.mode")}>
              <div class="stack-s">{MODES.map((m) => <Pick key={m} on={form.mode === m} onClick={() => set({ mode: m })} icon={PICKS[m]} title={t(`home.ask.${m}`)} say={t(`home.ask.${m}.say`)} />)}</div>
            </Group>
            <section class="card sect stack" aria-label={t("home.read.title")}>
              <HostedWords hosted={agency.hosted} />
              <SignerChoice house={house} value={form.passkey} onChange={(passkey) => set({ passkey })} />
              <NotAsAskedNote error={asking.error} />
              <Button kind="ink" wide type="submit" icon="eye" busy={asking.busy} disabled={windows === null}>{asking.busy ? t("home.form.writing") : t("home.form.read")}</Button>
              <p class="cap">{t("home.form.read.say")}</p>
            </section>
          </div>
        </div>
      </form>
    </Page>
  );
}

/** After the passkey: what the house says of the new one, and of the old one when it was a change. */
function Signed({ house, title, grant, old, isBusy }: { house: House; title: string; grant: Grant; old: GrantRow | null; isBusy: boolean }): JSX.Element {
  const row = house.lists.grants?.grants.find((g) => g.id === grant.id);
  const e = old ? house.endings.get(old.id) : undefined;
  const isWaiting = row?.state === "waiting";
  const isThere = isWaiting || row?.state === "live";
  const steps = (
    <>
      <li><Mark kind={isThere ? (isWaiting ? "watched" : "secured") : "unknown"} icon={isThere ? (isWaiting ? "clock" : "key") : "ask"} /><div>
        <h2 class="h3">{t(isWaiting ? "home.signed.waiting" : isThere ? "home.signed.live" : "home.signed.unknown")}</h2>
        <p class="say">{isWaiting ? t("home.grant.waiting.say", { time: dayAndTime(row.live_at, house.now()) }) : isThere ? t("home.grant.live.say") : t("home.signed.unknown.say")}</p>
        <p class="say">{t("home.scope.until")}: {endText(grant.toS * 1000, grant.zone)}</p>
      </div></li>
      {old ? (
        <li><Mark kind={e?.state === "confirmed" ? "secured" : e?.state === "asked" || isBusy ? "watched" : "unknown"} icon={e?.state === "confirmed" ? "tick" : e?.state === "asked" || isBusy ? "clock" : "ask"} /><div>
          <h2 class="h3">{t("home.signed.old")}</h2>
          {e ? <EndingNote house={house} id={old.id} e={e} /> : <p class="say">{t("home.ending.asked")}</p>}
          {e?.state === "refused" ? <p class="say">{t("home.signed.old.still")}</p> : null}
          {e?.state === "confirmed" && isWaiting ? <p class="say">{t("home.signed.gap")}</p> : null}
        </div></li>
      ) : null}
    </>
  );
  return (
    <Page house={house} title={title} back={{ href: "#/come", text: t("home.come") }}>
      <div class="narrow stack">
        <p role="status" class="lead">{t("home.signed")}</p>
        <ol class="card keys">{steps}</ol>
        <div class="acts"><a class="btn btn-ink" href="#/come">{t("home.signed.all")}</a></div>
      </div>
    </Page>
  );
}

/** `of`: an agency's id, or the id of the permission that is to be changed. */
export function LetInPage({ house, of, isChange }: { house: House; of: string; isChange: boolean }): JSX.Element {
  useHouse(house, "grants", "people", "settings", "me");
  // What is being changed stays what it was when the page was opened: it is over before the page is left.
  const [kept, keep] = useState<{ agency: Agency; old: GrantRow | null } | null>(null);
  const l = house.lists.grants;
  const old = isChange ? (l?.grants.find((g) => g.id === of && (g.state === "live" || g.state === "waiting")) ?? null) : null;
  const agency = l?.agencies.find((a) => a.id === (isChange ? old?.agency : of)) ?? null;
  useEffect(() => {
    if (kept === null && agency !== null && (!isChange || old !== null)) keep({ agency, old });
  });
  const isOwner = house.lists.me?.member.role === "owner";
  const back = { href: "#/come", text: t("home.come") };
  if (kept && isOwner) return <Chooser house={house} agency={kept.agency} old={kept.old} />;
  const failed = house.failed.grants;
  return (
    <Page house={house} title={t("home.letin.none")} back={back}>
      {!l && !failed ? <p class="dim" role="status">{t("home.loading")}</p> : failed && !l ? <ProblemNote error={failed} /> : <p class="card card-body">{t(isOwner ? "home.letin.gone" : "home.asks.occupant")}</p>}
    </Page>
  );
}
