// Components that both apps use: icons, marks, buttons that are asked once, problems in words.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "./api";
import { has, language, languages, setLanguage, t } from "./strings";

const paths: Record<string, string> = {
  home: "M3.5 11L12 4l8.500 7M6 9.500V20h12V9.500M10 20v-5.500h4V20",
  book: "M5 4h11a3 3 0 0 1 3 3v14H7.500A2.500 2.500 0 0 1 5 18.500zM5 18.500A2.500 2.500 0 0 1 7.500 16H19M9 8h6",
  key: "M8 11a4.500 4.500 0 1 0 0 9a4.500 4.500 0 0 0 0-9zM11.300 12.300L20 3.500M16 7.500l3 3M18 5.500l2.500 2.500",
  pulse: "M3.500 12h4l2-5 4 10 2-5h5",
  more: "M5.500 12v.1M12 12v.1M18.500 12v.1",
  lock: "M8 11V8a4 4 0 0 1 8 0v3M12 15v2.500M8 11h8a3 3 0 0 1 3 3v4a3 3 0 0 1-3 3H8a3 3 0 0 1-3-3v-4a3 3 0 0 1 3-3z",
  open: "M5 21V4.500L14 3v18M5 21H3.500M14 5h5v16h1.500M14 21h5M11 12v1",
  bolt: "M3 8h9v8H3zM12 10.500h7a1.500 1.500 0 0 1 0 3h-7M21.500 6v12",
  camera: "M6 6.500h6a3 3 0 0 1 3 3v5a3 3 0 0 1-3 3H6a3 3 0 0 1-3-3v-5a3 3 0 0 1 3-3zM15 11l6-3.500v9L15 13z",
  blind: "M9 6.500h3a3 3 0 0 1 3 3V11l6-3.500v9L15 13M14.600 16.400a3 3 0 0 1-2.600 1.100H6a3 3 0 0 1-3-3v-5A3 3 0 0 1 4.600 6.900M3 3l18 18",
  ask: "M8.500 9a3.500 3.500 0 1 1 5 3.200c-1 .5-1.500 1.200-1.500 2.300M12 18v.2",
  info: "M12 10.500V19M12 5.500v.3",
  act: "M12 6v7.500M12 17.500v.2",
  clock: "M12 3.500a8.500 8.500 0 1 1 0 17a8.500 8.500 0 0 1 0-17zM12 7v5l3.500 2",
  tick: "M4.500 12.500l5 5 10-11",
  van: "M2.500 17V7a1 1 0 0 1 1-1H14v11M14 9.500h4l3.500 4V17h-2M9.500 17H14M7 15.200a2.300 2.300 0 1 0 0 4.600a2.300 2.300 0 0 0 0-4.600zM17 15.200a2.300 2.300 0 1 0 0 4.600a2.300 2.300 0 0 0 0-4.600z",
  box: "M4 8l8-4 8 4v9l-8 4-8-4zM4 8l8 4 8-4M12 12v9",
  person: "M12 4a3.800 3.800 0 1 1 0 7.600a3.800 3.800 0 0 1 0-7.600zM4.500 20.500c0-4.500 3-7 7.500-7s7.500 2.500 7.500 7",
  people: "M8.500 5a3 3 0 1 1 0 6a3 3 0 0 1 0-6zM16.500 7a2.500 2.500 0 1 1 0 5a2.500 2.500 0 0 1 0-5zM3 20c0-4 2.500-6 5.500-6s5.500 2 5.500 6M15 14.500c3.500-.6 6 1.500 6 5",
  eye: "M2.500 12s3.500-6 9.500-6 9.500 6 9.500 6-3.500 6-9.500 6-9.500-6-9.500-6zM12 9.300a2.700 2.700 0 1 1 0 5.400a2.700 2.700 0 0 1 0-5.400z",
  play: "M8 5.500v13l11-6.500z",
  back: "M14.500 5L8 12l6.500 7",
  next: "M9.500 5L16 12l-6.500 7",
  bell: "M6 17V11a6 6 0 0 1 12 0v6l2 1.500H4zM10 21h4",
  battery: "M5 7.500h11.500a2.500 2.500 0 0 1 2.500 2.500v4a2.500 2.500 0 0 1-2.500 2.500H5A2.500 2.500 0 0 1 2.500 14v-4A2.500 2.500 0 0 1 5 7.500zM21.500 11v2M6 10.500v3M9.500 10.500v3M13 10.500v3",
  disk: "M4 6c0-1.700 3.600-3 8-3s8 1.300 8 3-3.600 3-8 3-8-1.300-8-3zM4 6v12c0 1.700 3.600 3 8 3s8-1.300 8-3V6M4 12c0 1.700 3.600 3 8 3s8-1.300 8-3",
  link: "M9.500 14.500l5-5M11 7l2-2a4.200 4.200 0 0 1 6 6l-2 2M13 17l-2 2a4.200 4.200 0 0 1-6-6l2-2",
  nosignal: "M3 9a13 13 0 0 1 18 0M6.500 12.500a8 8 0 0 1 11 0M10 16a3.500 3.500 0 0 1 4 0M12 19.500v.2M4 3l16 18",
  siren: "M7 18v-6a5 5 0 0 1 10 0v6M4.500 21h15v-3h-15zM12 2.500v2M4 6l1.500 1.500M20 6l-1.500 1.500",
  drill: "M12 3.500a8.500 8.500 0 1 1 0 17a8.500 8.500 0 0 1 0-17zM12 8a4 4 0 1 1 0 8a4 4 0 0 1 0-8zM12 12v.1",
  sliders: "M4 7h9M17 7h3M15 5v4M4 17h3M11 17h9M9 15v4",
  note: "M5 4h14v12l-4 4H5zM15 20v-4h4M8.500 9h7M8.500 13h4",
  copy: "M9 9h10v11H9zM5 15V4h10",
  share: "M12 15V4M8 7.500L12 3.500l4 4M6 11H4.500v9.500h15V11H18",
  out: "M10 4H5v16h5M9.500 12H20M16 8l4 4-4 4",
  cross: "M6 6l12 12M18 6L6 18",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  stop: "M12 3.500a8.500 8.500 0 1 1 0 17a8.500 8.500 0 0 1 0-17zM6 6l12 12",
  door: "M5 21V4a1 1 0 0 1 1-1h11a1 1 0 0 1 1 1v17M3 21h4M13 21h8M7 5.500l6 2.500v15L7 20.500z",
  arrow: "M4 12h16M14 6l6 6-6 6",
  away: "M3.500 11L12 4l8.500 7M6 9.500V20h5M15 16h6.500M18.500 13l3 3-3 3",
};

export function Icon({ name, size = "", flip = false }: { name: string; size?: "" | "s" | "l"; flip?: boolean }): JSX.Element {
  return <svg class={`i${size ? ` i-${size}` : ""}${flip ? " i-flip" : ""}`} viewBox="0 0 24 24" aria-hidden="true"><path d={paths[name] ?? paths.ask!} /></svg>;
}

export type Kind = "secured" | "watched" | "notice" | "unknown" | "act" | "plan";

/** The shape says the state even without colour. Always beside its word. */
export function Mark({ kind, icon, small = false }: { kind: Kind; icon: string; small?: boolean }): JSX.Element {
  return <span class={`mark is-${kind}${small ? " mark-s" : ""}`} aria-hidden="true"><Icon name={icon} /></span>;
}

export function Tag({ kind, icon, children }: { kind: Kind; icon?: string; children: ComponentChildren }): JSX.Element {
  return <span class={`tag is-${kind}`}>{icon ? <Icon name={icon} size="s" /> : null}{children}</span>;
}

/** What went wrong, in the catalogue's words. */
export function wordsOf(e: unknown): { text: string; next: string } {
  const named = e instanceof Error ? (e as { code?: unknown }).code : null;
  const code = typeof named === "string" ? named : "failed";
  const next = has(`problem.${code}.next`) ? t(`problem.${code}.next`) : "";
  if (has(`problem.${code}`)) return { text: t(`problem.${code}`), next };
  // A code that this page does not know: the house's own words are better than none.
  if (e instanceof Problem && e.detail) return { text: e.detail, next: e.next };
  return { text: t("problem.other", { code }), next: "" };
}

export function ProblemNote({ error }: { error: unknown }): JSX.Element | null {
  if (!error) return null;
  const w = wordsOf(error);
  return <p class="problem" role="alert"><Icon name="info" /><span>{w.text} {w.next}</span></p>;
}

export interface Asking {
  busy: boolean;
  error: unknown;
  /** Runs `f`, unless something is asked already: a double tap asks once. True: it is done. */
  run: (f: () => Promise<void>) => Promise<boolean>;
  clear: () => void;
}

export function useAsking(): Asking {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const now = useRef(false);
  const isThere = useRef(true);
  useEffect(() => {
    isThere.current = true;
    return () => {
      isThere.current = false;
    };
  }, []);
  return {
    busy,
    error,
    clear: () => setError(null),
    run: async (f) => {
      if (now.current) return false;
      now.current = true;
      setBusy(true);
      setError(null);
      try {
        await f();
        return true;
      } catch (e) {
        if (isThere.current) setError(e);
        return false;
      } finally {
        now.current = false;
        if (isThere.current) setBusy(false);
      }
    },
  };
}

export interface ButtonProps {
  onClick?: () => void;
  kind?: "" | "ink" | "act" | "quiet";
  icon?: string;
  busy?: boolean;
  disabled?: boolean;
  wide?: boolean;
  type?: "button" | "submit";
  label?: string;
  pressed?: boolean;
  children: ComponentChildren;
}

/** While it is asked it stays where it is (and keeps the focus), but does nothing. */
export function Button(p: ButtonProps): JSX.Element {
  const isOff = p.busy === true || p.disabled === true;
  return (
    <button
      class={`btn${p.kind ? ` btn-${p.kind}` : ""}${p.wide ? " btn-wide" : ""}`}
      type={p.type ?? "button"}
      aria-disabled={isOff ? "true" : undefined}
      aria-busy={p.busy ? "true" : undefined}
      aria-label={p.label}
      aria-pressed={p.pressed}
      onClick={(e) => {
        if (isOff) e.preventDefault();
        else p.onClick?.();
      }}
    >
      {p.icon ? <Icon name={p.icon} /> : null}
      <span>{p.children}</span>
    </button>
  );
}

export interface FieldProps {
  id: string;
  label: string;
  hint?: string;
  value: string;
  onInput: (v: string) => void;
  type?: "text" | "date" | "time" | "url";
  max?: number;
  min?: string;
  autocomplete?: string;
  required?: boolean;
  mono?: boolean;
}
export function Field(p: FieldProps): JSX.Element {
  return (
    <div class="field">
      <label for={p.id}>{p.label}</label>
      <input
        id={p.id}
        class={p.mono ? "mono" : undefined}
        type={(p.type ?? "text") as "text"}
        value={p.value}
        maxLength={p.max ?? 60}
        min={p.min}
        required={p.required}
        autocomplete={(p.autocomplete ?? "off") as "off"}
        spellcheck={false}
        aria-describedby={p.hint ? `${p.id}-hint` : undefined}
        onInput={(e) => p.onInput(e.currentTarget.value)}
      />
      {p.hint ? <p class="cap" id={`${p.id}-hint`}>{p.hint}</p> : null}
    </div>
  );
}

/** A link or a code to give away: shown whole, copied or shared. */
export function GiveAway({ text, share, mono = true }: { text: string; share?: string; mono?: boolean }): JSX.Element {
  const [copied, setCopied] = useState(false);
  const copy = (): void => {
    void navigator.clipboard?.writeText(text).then(() => setCopied(true), () => setCopied(false));
  };
  const canShare = share !== undefined && typeof navigator.share === "function";
  return (
    <div class="give">
      <output class={mono ? "mono" : ""}>{text}</output>
      <div class="acts">
        <Button icon="copy" onClick={copy}>{copied ? t("ui.copied") : t("ui.copy")}</Button>
        {canShare ? <Button icon="share" onClick={() => void navigator.share({ title: share!, text: share!, url: text }).catch(() => undefined)}>{t("ui.share")}</Button> : null}
      </div>
      <p class="vh" role="status">{copied ? t("ui.copied") : ""}</p>
    </div>
  );
}

/** Each language in its own words. */
export function LanguageChoice({ onChange }: { onChange: () => void }): JSX.Element {
  return (
    <div class="langs" role="group" aria-label={t("ui.language")}>
      {languages.map((l) => (
        <button key={l} type="button" class="btn btn-small" lang={l} aria-pressed={l === language()} onClick={() => { setLanguage(l); onChange(); }}>
          {t(`ui.language.${l}`)}
        </button>
      ))}
    </div>
  );
}
