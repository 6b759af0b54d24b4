// Signing in and joining, for both apps. Each has its own entry that says where its API is:
//   import { startSignIn } from "../shared/signin";
//   startSignIn({ api: "/api", rpName: "Doorward home", canRecover: true });
// The pages are /signin and /join (both of shared/signin.html, with /signin.js and /signin.css). An app that finds its
// session over calls rememberPlace() and goes to /signin; afterwards its person is back where they were.

import { type JSX, render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Api, Problem } from "./api";
import { assert, canPasskeys, register } from "./passkey";
import { placeToGo, rememberedPlace } from "./place";
import { has, language, t } from "./strings";
import { Button, Field, GiveAway, Icon, LanguageChoice, ProblemNote, useAsking } from "./ui";

export interface SignInOptions {
  /** "/api" (hub) or "/v1" (service) */
  api: string;
  rpName: string;
  /** The hub's recovery code. */
  canRecover?: boolean;
}

interface Look {
  name: string;
  role: string;
  until: string;
  is_first?: boolean;
  home?: string;
  agency_name?: string;
}

/** Of the household's API: who it is. */
interface SignedIn {
  member?: { role: string };
}

const api = new Api();

function when(iso: string): string {
  const d = new Date(iso);
  return Number.isNaN(d.getTime()) ? iso : new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "short" }).format(d);
}

function deviceName(): string {
  const ua = navigator.userAgent;
  const is = (word: string): boolean => ua.includes(word);
  const kind = is("iPhone") ? "iphone" : is("iPad") ? "ipad" : is("Android") ? "android" : is("Mac OS X") ? "mac" : is("Windows") ? "windows" : "other";
  return t(`join.device.${kind}`);
}

/** The reader of a screen begins at the title of what is new. */
function useTitle(title: string, page: string): { ref: { current: HTMLHeadingElement | null }; title: string } {
  const ref = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = t(page);
    ref.current?.focus({ preventScroll: true });
  }, [title, page]);
  return { ref, title };
}

function Title({ text, page }: { text: string; page: string }): JSX.Element {
  const h = useTitle(text, page);
  return <h1 ref={h.ref} tabIndex={-1}>{text}</h1>;
}

function Cannot(): JSX.Element | null {
  if (!isSecureContext) return <p class="problem" role="alert"><Icon name="info" /><span>{t("sign.insecure")}</span></p>;
  if (!canPasskeys()) return <p class="problem" role="alert"><Icon name="info" /><span>{t("sign.unsupported")}</span></p>;
  return null;
}

/** Where somebody was before; a guest has one page (docs/design/guests.md). */
function goOn(role?: string): void {
  const place = placeToGo();
  location.replace(role === "guest" ? "/guest" : place);
}

function SignIn({ o, onRecover }: { o: SignInOptions; onRecover: () => void }): JSX.Element {
  const asking = useAsking();
  const go = (): void => {
    void asking.run(async () => {
      const b = await api.post<{ challenge: string; rp_id: string }>(`${o.api}/signin/begin`);
      const r = await api.post<SignedIn>(`${o.api}/signin/finish`, await assert(b));
      goOn(r?.member?.role);
    });
  };
  const isReturning = rememberedPlace() !== null;
  return (
    <>
      <Title text={t("sign.title")} page="sign.page" />
      {isReturning ? <p class="note" role="status">{t("sign.ended")}</p> : null}
      <p class="lead">{t("sign.lead")}</p>
      <Cannot />
      <Button kind="ink" wide icon="key" busy={asking.busy} onClick={go}>{asking.busy ? t("sign.asking") : t("sign.button")}</Button>
      <ProblemNote error={asking.error} />
      <p class="dim small">{t("sign.new")}</p>
      {o.canRecover ? <Button kind="quiet" onClick={onRecover}>{t("sign.recover")}</Button> : null}
    </>
  );
}

function RecoveryCode({ code }: { code: string }): JSX.Element {
  const [isKept, setKept] = useState(false);
  return (
    <>
      <Title text={t("join.code.title")} page="join.page" />
      <p class="lead">{t("join.code.lead")}</p>
      <GiveAway text={code} />
      <label class="check"><input type="checkbox" checked={isKept} onChange={(e) => setKept(e.currentTarget.checked)} /><span>{t("join.code.done")}</span></label>
      <Button kind="ink" wide disabled={!isKept} onClick={() => goOn()}>{t("join.code.go")}</Button>
    </>
  );
}

function Join({ o, token }: { o: SignInOptions; token: string }): JSX.Element {
  const [look, setLook] = useState<Look | null>(null);
  const [failed, setFailed] = useState<unknown>(null);
  const [label, setLabel] = useState(deviceName);
  const [name, setName] = useState("");
  const [code, setCode] = useState<string | null>(null);
  const [isNameless, setNameless] = useState(false);
  const asking = useAsking();
  useEffect(() => {
    if (token === "") return;
    api.post<Look>(`${o.api}/join/look`, { token }).then(
      (l) => {
        setLook(l);
        setName(l.name);
      },
      setFailed,
    );
  }, [token]);

  if (token === "" || failed instanceof Problem) {
    return (
      <>
        <Title text={t("join.title")} page="join.page" />
        {token === "" ? <p class="problem" role="alert"><Icon name="info" /><span>{t("join.none")} {t("join.none.next")}</span></p> : <ProblemNote error={failed} />}
        <a class="btn" href="/signin">{t("sign.title")}</a>
      </>
    );
  }
  if (code !== null) return <RecoveryCode code={code} />;
  if (!look) return <Title text={t("join.looking")} page="join.page" />;
  // A house that is new does not know its first owner's name yet.
  const needsName = look.is_first === true && look.name === "";
  const go = (): void => {
    if (needsName && name.trim() === "") {
      setNameless(true);
      return;
    }
    setNameless(false);
    void asking.run(async () => {
      const b = await api.post<{ challenge: string; rp_id: string; user: string; name: string }>(`${o.api}/join/begin`, { token });
      const shown = b.name || name.trim();
      const made = await register({ challenge: b.challenge, rp_id: b.rp_id, rp_name: o.rpName, user: b.user, name: shown || o.rpName });
      const r = await api.post<SignedIn & { recovery_code?: string }>(`${o.api}/join/finish`, {
        challenge: b.challenge,
        ...made,
        label: label.trim() || deviceName(),
        ...(needsName ? { name: name.trim() } : {}),
      });
      history.replaceState(null, "", "/join"); // the token has served
      if (r?.recovery_code) setCode(r.recovery_code);
      else goOn(r?.member?.role);
    });
  };
  const lead = look.home ? t("join.lead.home", { home: look.home }) : look.agency_name ? t("join.lead.agency", { agency: look.agency_name }) : t("join.lead");
  return (
    <>
      <Title text={look.name ? t("join.title.name", { name: look.name }) : t("join.title")} page="join.page" />
      <p class="lead">{look.is_first ? t("join.first") : lead} {has(`join.role.${look.role}`) ? t(`join.role.${look.role}`) : ""}</p>
      {look.role === "guest" ? <p class="note">{t("join.guest.told")}</p> : null}
      <Cannot />
      <form noValidate onSubmit={(e) => { e.preventDefault(); go(); }}>
        {needsName ? <Field id="name" label={t("join.name")} value={name} onInput={setName} max={40} autocomplete="name" required /> : null}
        {isNameless ? <p class="problem" role="alert"><Icon name="info" /><span>{t("join.name.missing")}</span></p> : null}
        <Field id="label" label={t("join.label")} hint={t("join.label.hint")} value={label} onInput={setLabel} max={40} />
        <Button kind="ink" wide icon="key" type="submit" busy={asking.busy}>{asking.busy ? t("sign.asking") : t("join.button")}</Button>
      </form>
      <ProblemNote error={asking.error} />
      {look.until ? <p class="dim small">{t("join.until", { time: when(look.until) })}</p> : null}
    </>
  );
}

function Recover({ o, onBack }: { o: SignInOptions; onBack: () => void }): JSX.Element {
  const [code, setCode] = useState("");
  const [begun, setBegun] = useState<{ until: string; link: string } | null>(null);
  const asking = useAsking();
  if (begun) {
    return (
      <>
        <Title text={t("recover.title")} page="sign.page" />
        <p class="lead">{t("recover.begun")}</p>
        <p>{t("recover.link", { time: when(begun.until) })}</p>
        <GiveAway text={begun.link} />
      </>
    );
  }
  return (
    <>
      <Title text={t("recover.title")} page="sign.page" />
      <p class="lead">{t("recover.lead")}</p>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          if (code.trim() !== "") void asking.run(async () => setBegun(await api.post(`${o.api}/recover`, { code: code.trim() })));
        }}
      >
        <Field id="code" label={t("recover.code")} value={code} onInput={setCode} max={63} mono />
        <Button kind="ink" wide type="submit" busy={asking.busy}>{t("recover.button")}</Button>
      </form>
      <ProblemNote error={asking.error} />
      <Button kind="quiet" onClick={onBack}>{t("recover.back")}</Button>
    </>
  );
}

function Gate({ o }: { o: SignInOptions }): JSX.Element {
  const isJoin = location.pathname === "/join";
  const [state, setState] = useState<"looking" | "out" | "recover">("looking");
  const [drawn, draw] = useState(0);
  const [token, setToken] = useState(() => location.hash.slice(1));
  useEffect(() => {
    const follow = (): void => setToken(location.hash.slice(1));
    addEventListener("hashchange", follow);
    // A link from elsewhere comes without the cookie; this question of our own page has it.
    api.get<SignedIn & { csrf: string }>(`${o.api}/me`).then(
      (me) => {
        api.csrf = me.csrf; // who is signed in may join with one more passkey
        if (isJoin) setState("out");
        else goOn(me.member?.role);
      },
      () => setState("out"),
    );
    return () => removeEventListener("hashchange", follow);
  }, []);
  return (
    <div class="gate" key={drawn}>
      <header class="gate-top"><img src="/icon.svg" alt="" width="48" height="48" />{t("ui.brand")}</header>
      <main aria-busy={state === "looking"}>
        {state === "looking" ? <p class="vh" role="status">{t("sign.looking")}</p>
          : isJoin ? <Join key={token} o={o} token={token} />
          : state === "recover" ? <Recover o={o} onBack={() => setState("out")} />
          : <SignIn o={o} onRecover={() => setState("recover")} />}
      </main>
      <footer><LanguageChoice onChange={() => draw((n) => n + 1)} /></footer>
    </div>
  );
}

export function startSignIn(o: SignInOptions): void {
  document.documentElement.lang = language();
  const root = document.getElementById("app")!;
  root.replaceChildren();
  render(<Gate o={o} />, root);
}
