// Slide to open: for everybody whose passkey is asked at a door.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "./strings";

const HOLD_MS = 1000;
const ARM_MS = 6000;
const FAR = 0.82;

/** A real button: drag it, hold a key for a second, or (a switch, a screen reader) press it twice. It springs back until
 * the house answers; only what is sensed changes the screen. */
export function Slide(p: { label: string; waiting: string; isWaiting: boolean; onDone: () => void }): JSX.Element {
  const button = useRef<HTMLButtonElement>(null);
  const knob = useRef<HTMLSpanElement>(null);
  const drag = useRef<{ from: number; room: number; sign: number; share: number } | null>(null);
  const hold = useRef<ReturnType<typeof setTimeout> | null>(null);
  const armed = useRef(0);
  const [isArmed, setArmed] = useState(false);
  const [isHeld, setHeld] = useState(false);

  const place = (share: number): void => {
    const d = drag.current;
    if (knob.current) knob.current.style.transform = d && share > 0 ? `translateX(${d.sign * share * d.room}px)` : "";
  };
  const done = (): void => {
    if (!p.isWaiting) p.onDone();
  };
  const stopHold = (): void => {
    if (hold.current !== null) clearTimeout(hold.current);
    hold.current = null;
    setHeld(false);
  };
  useEffect(() => stopHold, []);

  return (
    <button
      ref={button}
      type="button"
      class={`slide ${p.isWaiting ? "is-waiting" : ""} ${isHeld ? "is-held" : ""}`}
      aria-describedby="slide-how"
      aria-disabled={p.isWaiting ? "true" : undefined}
      onPointerDown={(e) => {
        if (p.isWaiting || !knob.current || !button.current) return;
        const k = knob.current.getBoundingClientRect();
        const b = button.current.getBoundingClientRect();
        drag.current = { from: e.clientX, room: b.width - k.width - 16, sign: getComputedStyle(button.current).direction === "rtl" ? -1 : 1, share: 0 };
        button.current.setPointerCapture(e.pointerId);
      }}
      onPointerMove={(e) => {
        const d = drag.current;
        if (!d) return;
        d.share = Math.max(0, Math.min(1, ((e.clientX - d.from) * d.sign) / d.room));
        place(d.share);
      }}
      onPointerUp={() => {
        const far = (drag.current?.share ?? 0) >= FAR;
        place(0);
        drag.current = null;
        if (far) done();
      }}
      onPointerCancel={() => {
        place(0);
        drag.current = null;
      }}
      onKeyDown={(e) => {
        if (e.key !== " " && e.key !== "Enter") return;
        e.preventDefault();
        if (e.repeat || hold.current !== null || p.isWaiting) return;
        setHeld(true);
        hold.current = setTimeout(() => {
          stopHold();
          done();
        }, HOLD_MS);
      }}
      onKeyUp={stopHold}
      onBlur={stopHold}
      onClick={(e) => {
        // Neither a finger (detail 1) nor a key (kept from clicking above): a screen reader or a switch.
        if (e.detail !== 0 || p.isWaiting) return;
        if (Date.now() - armed.current < ARM_MS) {
          armed.current = 0;
          setArmed(false);
          done();
        } else {
          armed.current = Date.now();
          setArmed(true);
        }
      }}
    >
      <span class="knob" ref={knob}><svg class="i flips" viewBox="0 0 24 24" aria-hidden="true"><path d="M4 12h16M14 6l6 6-6 6" /></svg></span>
      <b>{p.isWaiting ? p.waiting : isArmed ? t("stop.slide.again") : p.label}</b>
    </button>
  );
}
