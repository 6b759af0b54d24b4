// The picture: proven and of now, or not there. Covers lie over everything that claims now; the compositor brings them.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { DARK_MS, LIVE_MS } from "../shared/age";
import { t } from "../shared/strings";
import { clockTime, counter, span } from "../shared/times";
import { DeadMan } from "./deadman";
import { useSeen } from "./hooks";
import { Icon, type IconName } from "./icons";
import type { Link } from "./link";
import { isVisitOn, type PictureWord } from "./seen";

export interface LiveViewProps {
  link: Link;
  size: "card" | "full";
  /** Above the picture, in the same dark: the line about the door. */
  head?: ComponentChildren;
  /** Below it: the red button. */
  children?: ComponentChildren;
}

const ICONS: Record<PictureWord, IconName> = {
  wait: "blind", live: "camera", stale: "clock", blind: "blind", frozen: "pause", covered: "blind", tampered: "seal", unproven: "ask", off: "blind", nothing: "blind",
};

/** What stands where the picture would be. */
interface Dark {
  title: string;
  big: string;
  say: string;
  badge: string;
  fact: string;
  factValue: string;
}

function darkOf(link: Link, word: PictureWord, now: number): Dark {
  const p = link.picture;
  const at = p.since(word);
  const time = at === null ? "" : clockTime(Date.now() - (now - at));
  const ago = at === null ? "" : counter(now - at);
  const none = { big: "", fact: t("pic.none"), factValue: "" };
  switch (word) {
    case "nothing":
      return { ...none, title: t("pic.nothing.title"), say: t(`cannot.${p.cannot ?? "webcodecs"}`), badge: t("pic.nothing") };
    case "off":
      return { ...none, title: t("pic.off.title"), say: t(link.state?.camera_mode === "visits" ? "pic.off.visits" : "pic.off.say"), badge: t("pic.off") };
    case "frozen":
      return { title: t("pic.frozen.title"), big: ago, say: t("pic.frozen.say"), badge: t("pic.frozen"), fact: t("pic.frozen.since"), factValue: time };
    case "covered":
      return { title: t("pic.covered.title"), big: ago, say: t("pic.covered.say"), badge: t("pic.covered"), fact: t("pic.since"), factValue: time };
    case "tampered":
      return p.changed?.why === "camera"
        ? { title: t("pic.handled.title"), big: "", say: t("pic.handled.say"), badge: t("pic.tampered"), fact: t("pic.since"), factValue: time }
        : { title: t("pic.tampered.title"), big: "", say: t("pic.tampered.say"), badge: t("pic.tampered"), fact: t("pic.tampered.since"), factValue: time };
    case "blind":
    case "stale":
    case "live": // what the cover says when it comes by itself
    case "unproven":
      if (p.exposedAt !== null || p.unprovenAt !== null) {
        const last = p.exposedAt ?? p.unprovenAt!;
        const say = isVisitOn(link.state) ? "pic.blind.visit" : p.exposedAt === null ? "pic.blind.unproven" : "pic.blind.last";
        return { title: t("pic.blind.title"), big: counter(now - last), say: t(say, { time: clockTime(Date.now() - (now - last)) }), badge: t("pic.blind"), fact: t("pic.none"), factValue: "" };
      }
      break;
    case "wait":
      break;
  }
  return { ...none, title: t("pic.wait.title"), say: t("pic.wait.say"), badge: t("pic.wait") };
}

function Facts({ icon, badge, fact, value, hatch = false }: { icon: IconName | "dot"; badge: string; fact: string; value: string; hatch?: boolean }) {
  return (
    <div class="live-facts">
      <p class={`live-badge${hatch ? " is-hatch" : ""}`}>
        {icon === "dot" ? <span class="dot" aria-hidden="true" /> : <Icon name={icon} size="s" />}
        {badge}
      </p>
      <p class="live-fact">
        {fact}
        {value === "" ? null : <b class="time">{value}</b>}
      </p>
    </div>
  );
}

export function LiveView({ link, size, head, children }: LiveViewProps) {
  const holder = useRef<HTMLDivElement>(null);
  const stale = useRef<HTMLDivElement>(null);
  const dark = useRef<HTMLDivElement>(null);

  useEffect(() => {
    // A canvas can be handed to the worker once: each time the view comes, it is a new one.
    const canvas = document.createElement("canvas");
    canvas.width = 16;
    canvas.height = 9;
    holder.current!.append(canvas);
    const view = link.attach(canvas);
    // No more pixels are drawn than the screen has: on a small computer that is most of the work.
    const watch = new ResizeObserver(() => view.resize(Math.ceil(canvas.clientWidth * devicePixelRatio)));
    watch.observe(canvas);
    const men = [
      { man: new DeadMan(stale.current!, LIVE_MS), ms: LIVE_MS },
      { man: new DeadMan(dark.current!, DARK_MS), ms: DARK_MS },
    ];
    const offs = [
      link.on("proof", (exposedAt, now) => men.forEach((m) => m.man.arm(exposedAt + m.ms, now))),
      link.on("dark", () => men.forEach((m) => m.man.drop())),
      link.on("tick", (now) => men.forEach((m) => m.man.check(now))),
    ];
    return () => {
      for (const off of offs) off();
      watch.disconnect();
      view.detach();
      canvas.remove();
    };
  }, [link]);

  const v = useSeen(link, (now) => {
    const word = link.pictureWord(now);
    const age = link.picture.ageMs(now);
    return {
      word,
      age: age === null ? "" : t("picture.age", { age: span(age) }),
      staleAge: ((age ?? LIVE_MS) / 1000).toFixed(1),
      goesDark: span(Math.max(0, DARK_MS - (age ?? 0))),
      dark: darkOf(link, word, now),
      ratio: `${link.ratio.width} / ${link.ratio.height}`,
    };
  });
  const isVerdict = v.word === "frozen" || v.word === "covered" || v.word === "tampered" || v.word === "off" || v.word === "nothing";
  const stage = useRef<HTMLDivElement>(null);
  useEffect(() => stage.current!.style.setProperty("--ratio", v.ratio), [v.ratio]);

  const darkness = (
    <>
      <div class="live-mid">
        {v.word === "tampered" ? <Icon name="seal" size="seal" /> : null}
        {v.dark.title === "" ? null : <p class="live-say">{v.dark.title}</p>}
        {v.dark.big === "" ? null : <p class="live-num time">{v.dark.big}</p>}
        <p class="live-why">{v.dark.say}</p>
      </div>
      <Facts icon={ICONS[v.word]} badge={v.dark.badge} fact={v.dark.fact} value={v.dark.factValue} />
    </>
  );
  return (
    <section class={`live live-${size}`} data-picture={v.word} aria-label={t("pic.label")}>
      <div class="live-bar" aria-hidden="true" />
      {head ? <div class="live-head">{head}</div> : null}
      <div class="live-stage" ref={stage}>
        <div class="live-canvas" role="img" aria-label={t(`picture.say.${v.word}`)} ref={holder} />
        <div class="live-now" aria-hidden={v.word !== "live"}>
          <Facts icon="dot" badge={t("pic.live")} fact={t("picture.is")} value={v.age} />
        </div>
        <div class="live-cover live-stale" ref={stale} aria-hidden={v.word !== "stale"}>
          <div class="live-mid">
            <p class="live-num time">
              {v.staleAge}
              <small> s {t("pic.stale.old")}</small>
            </p>
            <p class="live-why">{t("pic.stale.say")}</p>
          </div>
          <Facts icon="clock" badge={t("pic.stale")} fact={t("pic.stale.dark")} value={v.goesDark} />
        </div>
        <div class="live-cover live-hatch" hidden={v.word !== "unproven"}>
          <p class="live-hatch-say">{t("pic.unproven.say")}</p>
          <Facts icon="ask" badge={t("pic.unproven")} fact={t("picture.is")} value={t("picture.age.unknown")} hatch />
        </div>
        <div class="live-cover live-dark" ref={dark} aria-hidden={v.word !== "blind" && v.word !== "wait"}>
          {isVerdict ? null : darkness}
        </div>
        {isVerdict ? <div class="live-cover live-dark live-verdict">{darkness}</div> : null}
      </div>
      <p class="vh" role="status">
        {v.word === "wait" ? "" : t(`picture.say.${v.word}`)}
      </p>
      {children ? <div class="live-foot">{children}</div> : null}
    </section>
  );
}
