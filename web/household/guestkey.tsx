// A key for a guest: today, one day, or every week. What is read and signed is the same as for an agency (letin.tsx).

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { type GrantMode, type WeekWindow, MODES } from "../shared/grant";
import { t } from "../shared/strings";
import { Button, Icon, ProblemNote } from "../shared/ui";
import { type DayRow, EVERY_DAY, clockOf, isOvernight, rowsOf, spanText, windowsOf } from "../shared/week";
import { Page } from "./frame";
import { type House, useHouse } from "./house";
import { Choice, DAY_MS, DWELLS, Group, NotAsAskedNote, OwnDays, PER_DAY, PICKS, Pick, SignerChoice, SigningPage, USES, Until, passkeyLabel, useGrantSigning } from "./letin";
import type { Member } from "./types";
import { civilOf } from "./words";

type When = "today" | "day" | "weekly";
const WHEN: readonly When[] = ["today", "day", "weekly"];
/** A window comes again with each week: a single day is one of the next seven. */
const AHEAD_DAYS = 7;

interface Form {
  when: When;
  /** Of today or the single day. */
  from: string;
  to: string;
  date: string;
  rows: DayRow[];
  days: number;
  isOnce: boolean;
  uses: number;
  perDay: number;
  dwell: number;
  mode: GrantMode;
  passkey: number | null;
}

const noon = (civil: string): number => Date.parse(`${civil}T12:00`);
const weekdayOf = (civil: string): number => (new Date(noon(civil)).getDay() + 6) % 7;

/** From this quarter of an hour, until ten in the evening or the day's end. */
function fresh(now: number): Form {
  const d = new Date(now);
  const minute = d.getHours() * 60 + Math.floor(d.getMinutes() / 15) * 15;
  return {
    when: "today", from: clockOf(minute), to: minute < 1320 ? "22:00" : "00:00", date: civilOf(now), rows: EVERY_DAY, days: 30, isOnce: true, uses: 5, perDay: 2, dwell: 60000, mode: "notify", passkey: null,
  };
}

/** What the form says of time, as a grant has it; null: it says none. */
function timesOf(f: Form, now: number): { windows: WeekWindow[]; days: number } | null {
  if (f.when === "weekly") {
    const windows = windowsOf(f.rows);
    return windows && { windows, days: f.days };
  }
  const date = f.when === "today" ? civilOf(now) : f.date;
  const windows = windowsOf(rowsOf([weekdayOf(date)], f.from, f.to));
  const days = Math.round((noon(date) - noon(civilOf(now))) / DAY_MS) + (isNight(f) ? 2 : 1); // a night ends on the next day
  return windows === null || Number.isNaN(days) || days < 1 || days > AHEAD_DAYS ? null : { windows, days };
}
const isNight = (f: Form): boolean => isOvernight({ on: true, from: f.from, to: f.to });

/** Why the form says no time. */
function noTime(f: Form): string {
  if (f.when === "weekly") return t(f.rows.some((r) => r.on) ? "home.form.order" : "home.form.noday");
  return t(f.from === f.to || f.from === "" || f.to === "" ? "home.form.order" : "home.guest.day.hint");
}

function DayTimes({ form, now, set }: { form: Form; now: number; set: (more: Partial<Form>) => void }): JSX.Element {
  return (
    <div class="stack">
      {form.when === "day" ? (
        <div class="field">
          <label for="guest-day">{t("home.guest.day")}</label>
          <input id="guest-day" type="date" value={form.date} min={civilOf(now)} max={civilOf(now + (AHEAD_DAYS - 1) * DAY_MS)} aria-describedby="guest-day-hint" onInput={(e) => set({ date: e.currentTarget.value })} />
          <p class="cap" id="guest-day-hint">{t("home.guest.day.hint")}</p>
        </div>
      ) : null}
      <div class="two">
        <div class="field"><label for="guest-from">{t("home.guest.from")}</label><input id="guest-from" type="time" required value={form.from} onInput={(e) => set({ from: e.currentTarget.value })} /></div>
        <div class="field"><label for="guest-to">{t("home.guest.to")}</label><input id="guest-to" type="time" required value={form.to} onInput={(e) => set({ to: e.currentTarget.value })} /></div>
      </div>
      {isNight(form) ? <p class="cap">{t("home.guest.night", { time: form.to })}</p> : null}
    </div>
  );
}

function Chooser({ house, guest }: { house: House; guest: Member & { key_thumb: string } }): JSX.Element {
  const [form, setForm] = useState<Form>(() => fresh(house.now()));
  const signing = useGrantSigning(house, null);
  const set = (more: Partial<Form>): void => setForm((f) => ({ ...f, ...more }));
  const title = t("home.letin.title", { name: guest.name });
  const now = house.now();
  const times = timesOf(form, now);
  const made = house.lists.people?.passkeys.find((p) => p.member === guest.id);

  const show = (): void => {
    if (times === null) return;
    const uses = form.isOnce ? 1 : form.uses;
    signing.show(
      { guest: guest.id, kind: "stay", ...times, uses, per_day: Math.min(form.isOnce ? 1 : form.perDay, uses), dwell_ms: form.dwell, mode: form.mode },
      { name: guest.name, hosted: false, key: guest.key_thumb },
      form.passkey,
    );
  };
  if (signing.shown) return <SigningPage house={house} title={title} old={null} signing={signing} shown={signing.shown} passkey={passkeyLabel(house, form.passkey)} />;
  return (
    <Page house={house} title={title} back={{ href: "#/come", text: t("home.come") }}>
      <p class="lead dim">{t("home.guest.form.say", { name: guest.name, label: made?.label || t("home.people.passkey") })}</p>
      <form noValidate onSubmit={(e) => { e.preventDefault(); show(); }}>
        <div class="cols">
          <div class="col">
            <Group id="when" title={t("home.form.when")}>
              <div class="stack-s">{WHEN.map((w) => <Pick key={w} on={form.when === w} onClick={() => set({ when: w, isOnce: w !== "weekly" })} icon={w === "weekly" ? "clock" : "key"} title={t(`home.guest.when.${w}`)} say={t(`home.guest.when.${w}.say`)} />)}</div>
              {form.when === "weekly" ? <OwnDays rows={form.rows} onChange={(rows) => set({ rows })} /> : <DayTimes form={form} now={now} set={set} />}
              {times === null ? <p class="problem" role="alert"><Icon name="info" /><span>{noTime(form)}</span></p> : null}
            </Group>
            {form.when === "weekly" ? <Until days={form.days} now={now} onChange={(days) => set({ days })} /> : null}
          </div>
          <div class="col">
            <Group id="often" title={t("home.form.often")}>
              <div class="two">
                <Pick on={form.isOnce} onClick={() => set({ isOnce: true })} title={t("home.guest.once")} say={t("home.guest.once.say")} />
                <Pick on={!form.isOnce} onClick={() => set({ isOnce: false })} title={t("home.guest.often")} say={t("home.guest.often.say")} />
              </div>
              {form.isOnce ? null : (
                <div class="two">
                  <Choice id="per-day" label={t("home.form.perday")} value={form.perDay} options={PER_DAY} text={String} onChange={(v) => set({ perDay: v })} />
                  <Choice id="uses" label={t("home.form.uses")} value={form.uses} options={USES.filter((n) => n > 1)} text={String} onChange={(v) => set({ uses: v })} />
                </div>
              )}
              <Choice id="dwell" label={t("home.scope.open")} hint={t("home.scope.stay")} value={form.dwell} options={DWELLS} text={spanText} onChange={(v) => set({ dwell: v })} />
            </Group>
            <Group id="mode" title={t("home.form.mode")}>
              <div class="stack-s">{MODES.map((m) => <Pick key={m} on={form.mode === m} onClick={() => set({ mode: m })} icon={PICKS[m]} title={t(`home.ask.${m}`)} say={t(`home.guest.ask.${m}.say`)} />)}</div>
            </Group>
            <section class="card sect stack" aria-label={t("home.read.title")}>
              <SignerChoice house={house} value={form.passkey} onChange={(passkey) => set({ passkey })} />
              <NotAsAskedNote error={signing.asking.error} />
              <Button kind="ink" wide type="submit" icon="eye" busy={signing.asking.busy} disabled={times === null}>{signing.asking.busy ? t("home.form.writing") : t("home.form.read")}</Button>
              <p class="cap">{t("home.form.read.say")}</p>
            </section>
          </div>
        </div>
      </form>
    </Page>
  );
}

export function GuestKeyPage({ house, id }: { house: House; id: string }): JSX.Element {
  useHouse(house, "people", "settings", "grants", "me");
  const people = house.lists.people;
  const guest = people?.members.find((m) => m.role === "guest" && String(m.id) === id) ?? null;
  const isOwner = house.lists.me?.member.role === "owner";
  if (guest?.key_thumb && isOwner) return <Chooser key={guest.key_thumb} house={house} guest={{ ...guest, key_thumb: guest.key_thumb }} />;
  const failed = house.failed.people;
  return (
    <Page house={house} title={t("home.letin.none")} back={{ href: "#/come", text: t("home.come") }}>
      {people ? <p class="card card-body">{t(isOwner ? "home.guest.gone" : "home.asks.occupant")}</p> : failed ? <ProblemNote error={failed} /> : <p class="dim" role="status">{t("home.loading")}</p>}
    </Page>
  );
}
