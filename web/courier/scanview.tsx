// The two scans: the sticker beside the door, then the parcel. The camera first; typing when it cannot.
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { feel } from "../shared/feel";
import { t } from "../shared/strings";
import type { Engine } from "./engine";
import { Icon, Mark } from "./icons";
import { Frame, Go, Quiet } from "./parts";
import { Chooser, Scanner, type Trouble } from "./scan";

/** After this long without a code the courier is told what may help. */
const SLOW_MS = 6000;

export function ScanView({ engine, what }: { engine: Engine; what: "door" | "parcel" }): JSX.Element {
  const [isTyping, setTyping] = useState(false);
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  const [round, setRound] = useState(0);
  const leave = (): void => (what === "parcel" ? engine.go("door", { door: null }) : engine.go("stop"));
  const done = (text: string): void => {
    feel("seen");
    performance.mark("doorward.scan"); // bench/courier.mjs counts from here
    if (what === "door") engine.go("parcel", { door: text });
    else engine.ask(text);
  };
  if (isTyping) return <Typing engine={engine} what={what} done={done} back={() => setTyping(false)} />;
  if (trouble) {
    return (
      <Blocked
        engine={engine}
        step={2}
        trouble={trouble}
        type={() => setTyping(true)}
        again={() => {
          setTrouble(null);
          setRound(round + 1);
        }}
        back={leave}
      />
    );
  }
  return <Finder key={`${what}${round}`} engine={engine} what={what} done={done} type={() => setTyping(true)} back={leave} onTrouble={setTrouble} />;
}

function Finder(p: { engine: Engine; what: "door" | "parcel"; done: (text: string) => void; type: () => void; back: () => void; onTrouble: (t: Trouble) => void }): JSX.Element {
  const video = useRef<HTMLVideoElement>(null);
  const scanner = useRef<Scanner | null>(null);
  const [canTorch, setCanTorch] = useState(false);
  const [isLit, setLit] = useState(false);
  const [isSlow, setSlow] = useState(false);
  const [hasSeen, setSeen] = useState(false);
  const parcels = p.engine.job?.parcels.filter((x) => x.state === "open").map((x) => x.barcode) ?? [];
  const sticker = p.engine.kept.door; // it may still be in sight
  useEffect(() => {
    let isDone = false;
    const chooser = new Chooser(p.what === "parcel" ? parcels : [], p.what === "door");
    const s = new Scanner(
      video.current!,
      (found) => {
        if (isDone) return;
        if (found.length > 0) setSeen(true);
        const text = chooser.choose(found.filter((f) => (p.what === "door" ? !parcels.includes(f.text) : f.text !== sticker)), performance.now());
        if (text === null) return;
        isDone = true;
        s.stop();
        p.done(text);
      },
      (why) => !isDone && p.onTrouble(why),
      setCanTorch,
    );
    scanner.current = s;
    void s.start();
    const timer = setTimeout(() => setSlow(true), SLOW_MS);
    return () => {
      isDone = true;
      clearTimeout(timer);
      s.stop();
    };
  }, []);
  return (
    <Frame
      engine={p.engine}
      step={2}
      kind="scan"
      title={t(`courier.scan.${p.what}`)}
      back={p.back}
      end={
        <div class={canTorch ? "pairb" : "oneb"}>
          {canTorch ? (
            <button class="btn" type="button" aria-pressed={isLit} onClick={() => void scanner.current?.torch(!isLit).then(setLit)}>
              <Icon name="light" />{t("courier.scan.light")}
            </button>
          ) : null}
          <button class="btn" type="button" onClick={p.type}><Icon name="keyboard" />{t("courier.scan.type")}</button>
        </div>
      }
    >
      <p class="sub">{t(`courier.scan.${p.what}.how`)}</p>
      <div class="finder">
        <video ref={video} playsInline muted aria-label={t("courier.scan.picture")} />
        <svg class="corners" viewBox="0 0 272 196" fill="none" stroke="currentColor" stroke-width="6" stroke-linecap="round" aria-hidden="true"><path d="M4 44V22A18 18 0 0 1 22 4h22M228 4h22a18 18 0 0 1 18 18v22M268 152v22a18 18 0 0 1-18 18h-22M44 192H22a18 18 0 0 1-18-18v-22" /></svg>
      </div>
      <p class="scanhint" role="status">{isSlow ? t(hasSeen ? "courier.scan.other" : "courier.scan.slow") : t("courier.scan.looking")}</p>
    </Frame>
  );
}

function Typing(p: { engine: Engine; what: "door" | "parcel"; done: (text: string) => void; back: () => void }): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  const [isEmpty, setEmpty] = useState(false);
  useLayoutEffect(() => field.current?.focus(), []);
  const send = (): void => {
    const text = field.current?.value.trim() ?? "";
    if (text === "") {
      setEmpty(true);
      field.current?.focus();
    } else p.done(text);
  };
  return (
    <Frame engine={p.engine} step={2} title={t(`courier.type.${p.what}`)} back={p.back} end={<><Go onClick={send} icon="arrow">{t("courier.type.go")}</Go><Quiet onClick={p.back}>{t("courier.type.scan")}</Quiet></>}>
      <form
        class="typing"
        onSubmit={(e) => {
          e.preventDefault();
          send();
        }}
      >
        <label for="code">{t(`courier.type.${p.what}.label`)}</label>
        <input id="code" ref={field} type="text" autocomplete="off" autocapitalize="characters" spellcheck={false} maxLength={p.what === "door" ? 64 : 128} aria-describedby="code-how" aria-invalid={isEmpty} dir="ltr" />
        <p id="code-how" class="small dim" role={isEmpty ? "alert" : undefined}>{t(isEmpty ? "courier.type.empty" : `courier.type.${p.what}.how`)}</p>
      </form>
    </Frame>
  );
}

function Blocked(p: { engine: Engine; step: number; trouble: Trouble; type: () => void; again: () => void; back: () => void }): JSX.Element {
  return (
    <Frame engine={p.engine} step={p.step} title={t(`courier.cam.${p.trouble}`)} back={p.back} end={<><Go onClick={p.type} icon="keyboard">{t("courier.scan.type")}</Go><Quiet onClick={p.again}>{t("courier.cam.again")}</Quiet></>}>
      <div class="why"><Mark kind="notice" icon="camera" /><p class="sub">{t(`courier.cam.${p.trouble}.how`)}</p></div>
    </Frame>
  );
}
