// Today's stops as a line, and one stop with its notes: what to know before walking up.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { isQuiet, setQuiet } from "../shared/feel";
import { hasStopWords, stopWords } from "../shared/stopview";
import { language, languages, setLanguage, t } from "../shared/strings";
import type { Engine } from "./engine";
import { Icon, Mark } from "./icons";
import { forgetAll, keptReceipts } from "./kept";
import { Cannot, Frame, Go, Quiet, stopsOf } from "./parts";
import { warm } from "./scan";
import { type HouseNote, type Job, type Visit, dayIn, timeIn } from "./types";

const words = stopWords("courier");

export interface StopState {
  kind: string;
  icon: string;
  word: string;
}

/** The word and shape of a stop: from the newest visit that the service knows. */
export function stopState(job: Job, v: Visit | undefined, elsewhere: string | undefined): StopState {
  if (elsewhere) return { kind: "notice", icon: elsewhere, word: t("courier.state.elsewhere", { place: t(`courier.place.${elsewhere}`) }) };
  if (job.state === "recalled") return { kind: "notice", icon: "cross", word: t("courier.state.recalled") };
  if (job.state === "declined") return { kind: "notice", icon: "cross", word: t("courier.state.declined") };
  switch (v?.outcome) {
    case "OK":
    case "SECURED_WITH_GAP":
    case "SECURED_TAMPERED":
      return { kind: "secured", icon: "lock", word: t("courier.state.locked") };
    case "SECURED_UNCONFIRMED":
    case "ABORTED":
      return { kind: "unknown", icon: "question", word: t("courier.state.unconfirmed") };
    case "NOT_SECURED":
      return { kind: "act", icon: "alert", word: t("courier.state.stuck") };
    case "NOT_OPENED":
    case "REFUSED":
      return { kind: "notice", icon: "door", word: t("courier.state.refused") };
    default:
      if (!v && job.state === "unsigned") return { kind: "notice", icon: "clock", word: t("courier.state.unsigned") };
      if (v) return { kind: "watched", icon: "door", word: t("courier.state.on") };
      if (job.state === "delivered") return { kind: "secured", icon: "lock", word: t("courier.state.delivered") };
      return { kind: "plan", icon: "box", word: t("courier.state.expected") };
  }
}

export function windowOf(job: Job): string {
  return `${job.window.from}-${job.window.to}`;
}

export function StopList({ engine }: { engine: Engine }): JSX.Element {
  const [quiet, setQ] = useState(isQuiet());
  const stops = stopsOf(engine);
  const rows = stops.map((job) => ({ job, ...stopState(job, engine.visits.get(job.id), engine.kept.elsewhere[job.id]) }));
  const next = rows.find((r) => r.kind === "plan" || r.kind === "watched");
  const out = async (): Promise<void> => {
    await engine.end();
    forgetAll();
    if ("caches" in window) for (const n of await caches.keys()) await caches.delete(n);
    location.replace("/signin");
  };
  return (
    <Frame
      engine={engine}
      kind="list"
      title={t("courier.list.title")}
      bar={engine.me ? t("courier.list.who", { name: engine.me.name }) : t("courier.brand")}
      end={next ? <Go icon="arrow" onClick={() => engine.openStop(next.job.id)}>{t("courier.list.next", { place: next.job.home_name })}</Go> : undefined}
    >
      {engine.listedAt === null && engine.keptAt !== null ? <p class="sub dim" role="status">{t("courier.list.kept", { time: timeIn(null, engine.keptAt, false) })}</p> : null}
      {engine.jobs === null ? <p class="sub dim" role="status">{t("courier.list.loading")}</p> : stops.length === 0 ? <p class="sub">{t("courier.list.none")}</p> : null}
      <Cannot engine={engine} />
      <ol class="route">
        {rows.map((r) => (
          <li key={r.job.id} class={`is-${r.kind} ${r === next ? "is-next" : ""}`}>
            <button type="button" onClick={() => engine.openStop(r.job.id)}>
              <Mark kind={r.kind} icon={r.icon} size={r === next ? "" : "mark-s"} />
              <span class="grow"><b>{r.job.home_name}</b><span class="small dim">{windowOf(r.job)}</span></span>
              <span class="word small">{r.word}</span>
            </button>
          </li>
        ))}
      </ol>
      <div class="tools">
        <button class="btn" type="button" aria-pressed={!quiet} onClick={() => { setQuiet(!quiet); setQ(!quiet); }}><Icon name={quiet ? "quiet" : "sound"} />{t(quiet ? "courier.sound.off" : "courier.sound.on")}</button>
        {keptReceipts().length > 0 ? <button class="btn" type="button" onClick={() => engine.go("receipt", { job: null, visit: null })}><Icon name="receipt" />{t("courier.receipts")}</button> : null}
        {languages.filter((l) => l !== language()).map((l) => (
          <button key={l} class="btn" type="button" lang={l} onClick={() => { setLanguage(l); location.reload(); }}>{t(`courier.language.${l}`)}</button>
        ))}
        <button class="btn" type="button" onClick={() => void out()}>{t("courier.signout")}</button>
      </div>
    </Frame>
  );
}

const NOTE_ICONS: Record<string, string> = { pets: "paw", alarm: "bell", extra_lock: "extralock", other: "note" };

/** A civil day in the reader's words. */
function dayWords(day: string): string {
  const ms = Date.parse(`${day.slice(0, 10)}T00:00:00Z`);
  return Number.isNaN(ms) ? day : new Intl.DateTimeFormat(language(), { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" }).format(ms);
}

/** Notes that are past their day are never shown, whatever was sent. */
export function notesOf(job: Job, nowMs: number): HouseNote[] {
  const today = dayIn(job.zone, nowMs);
  return (job.house_notes ?? []).filter((n) => !n.until || n.until.slice(0, 10) >= today);
}

/** Where it may go when the door stays shut: the household's wish first, then the job's own order. */
export function placesOf(job: Job | null): string[] {
  const all = [...(job?.place ? [job.place] : []), ...(job?.places ?? [])].filter((p) => p !== "hall");
  return [...new Set(all)];
}

export function StopView({ engine }: { engine: Engine }): JSX.Element {
  const job = engine.job;
  useEffect(() => warm(), []);
  if (!job) {
    return <Frame engine={engine} step={1} title={t(engine.jobs === null ? "courier.list.loading" : "courier.stop.gone")} back={() => engine.leave()}>{null}</Frame>;
  }
  const open = job.parcels.filter((p) => p.state === "open").length;
  const wish = job.place && job.place !== "hall" ? job.place : null;
  const isShut = job.state === "declined" || job.state === "recalled" || job.state === "unsigned" || job.wished === "decline" || engine.cannot !== null;
  const next = placesOf(job)[0];
  const door = <Go icon="scan" onClick={() => engine.go("door", { door: null, barcode: null })}>{t("courier.stop.door")}</Go>;
  const doubt = engine.doubts.get(job.id);
  const isHeld = job.state === "unsigned" || engine.cannot !== null || doubt !== undefined; // neither the house nor the parcel's fault
  return (
    <Frame
      engine={engine}
      step={1}
      title={job.home_name}
      back={() => engine.leave()}
      end={
        <>
          {isHeld ? <Go icon="arrow" onClick={() => engine.leave()}>{t("courier.list.back")}</Go> : isShut || wish ? (next ? <Go icon={next} onClick={() => engine.go("place", { place: next })}>{t(`courier.go.${next}`)}</Go> : <Go icon="van" onClick={() => engine.leave()}>{t("courier.go.back")}</Go>) : door}
          {wish && !isShut ? <Quiet onClick={() => engine.go("door", { door: null, barcode: null })}>{t("courier.stop.door")}</Quiet> : null}
          {isHeld || (!isShut && !wish) ? <Quiet onClick={() => engine.go("place", { place: null })}>{t("courier.stop.cannot")}</Quiet> : null}
        </>
      }
    >
      <p class="sub dim">{t(job.kind === "stay" ? "courier.stop.stay" : open === 1 ? "courier.stop.sub.one" : "courier.stop.sub", { window: windowOf(job), n: open })}</p>
      {job.state === "declined" || job.wished === "decline" ? <p class="callout is-notice">{t("courier.stop.declined")}</p> : null}
      {job.state === "unsigned" ? <p class="callout is-notice">{t("courier.stop.unsigned")}</p> : null}
      <Cannot engine={engine} />
      {doubt ? <p class="callout is-act"><Mark kind="act" icon="alert" /><span><b>{words(`trust.${doubt}`)}</b> {hasStopWords("courier", `trust.${doubt}.next`) ? words(`trust.${doubt}.next`) : t("courier.trust.next")}</span></p> : null}
      {job.state === "recalled" ? <p class="callout is-notice">{t("courier.stop.recalled")}</p> : null}
      {job.wished === "move" ? <p class="callout is-notice">{job.wished_window ? t("courier.stop.moved.to", { date: dayWords(job.wished_window.date), window: `${job.wished_window.from}-${job.wished_window.to}` }) : t("courier.stop.moved")}</p> : null}
      {wish && !isShut ? <p class="callout is-notice">{t("courier.stop.wish", { place: t(`courier.place.${wish}`) })}</p> : null}
      <ul class="notes" aria-label={t("courier.notes")}>
        {notesOf(job, engine.now()).map((n) => (
          <li key={n.kind + n.text} class={n.kind === "extra_lock" || n.kind === "pets" ? "is-notice" : ""}>
            <Icon name={NOTE_ICONS[n.kind] ?? "note"} />
            <span><b>{t(`courier.note.${NOTE_ICONS[n.kind] ? n.kind : "other"}`)}</b><span dir="auto">{n.text}</span>{n.until ? <span class="small">{t("courier.note.until", { date: dayWords(n.until) })}</span> : null}</span>
          </li>
        ))}
        {job.notes ? <li><Icon name="note" /><span><b>{t("courier.note.agency")}</b><span dir="auto">{job.notes}</span></span></li> : null}
      </ul>
      <p class="told"><Icon name="camera" />{t("courier.stop.told")}</p>
    </Frame>
  );
}

/** The way out that blames nobody: the next place on the list. */
export function PlaceView({ engine }: { engine: Engine }): JSX.Element {
  const job = engine.job;
  const places = placesOf(job);
  const place = engine.kept.place;
  if (place === null) {
    return (
      <Frame engine={engine} title={t("courier.place.title")} back={() => engine.go("stop")} end={<Quiet onClick={() => engine.wentElsewhere("van")}>{t("courier.go.back")}</Quiet>}>
        <p class="sub">{t(places.length > 0 ? "courier.place.choose" : "courier.place.none")}</p>
        <Places engine={engine} />
      </Frame>
    );
  }
  return (
    <Frame engine={engine} title={t(`courier.go.${place}`)} back={() => engine.go("place", { place: null })} end={<Go icon="tick" onClick={() => engine.wentElsewhere(place)}>{t("courier.place.done")}</Go>}>
      <div class="plate big"><Icon name={place} /></div>
      <p class="sub">{t(`courier.go.${place}.how`)}</p>
      <p class="told"><Icon name="note" />{t("courier.place.yours")}</p>
    </Frame>
  );
}

export function Places({ engine, ink = true }: { engine: Engine; ink?: boolean }): JSX.Element {
  const job = engine.job;
  return (
    <div class="opts">
      {placesOf(job).map((p, n) => (
        <button key={p} type="button" class={`btn ${ink && n === 0 ? "btn-ink go" : ""}`} onClick={() => engine.go("place", { place: p })}>
          <Icon name={p === "parcel_box" ? "box" : p} />
          <span>{t(`courier.go.${p}`)}<small>{t(p === job?.place ? "courier.place.wished" : "courier.place.listed")}</small></span>
        </button>
      ))}
    </div>
  );
}
