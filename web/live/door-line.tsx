// The line about bolt and door, with a cover that comes by itself when its lease ends, even when the page hangs.

import { useEffect, useRef } from "preact/hooks";
import { LEASE_MAX_MS } from "../shared/display";
import { t } from "../shared/strings";
import { clockTime, wholeSpan } from "../shared/times";
import { DeadMan } from "./deadman";
import { useSeen } from "./hooks";
import { Icon } from "./icons";
import type { Link } from "./link";
import { doorLine } from "./seen";

export interface DoorLineProps {
  link: Link;
  /** Level of the heading. */
  level?: 1 | 2 | 3;
}

export function DoorLine({ link, level = 2 }: DoorLineProps) {
  const cover = useRef<HTMLDivElement>(null);
  const line = useSeen(link, (now) => {
    const l = doorLine(link.door, now);
    const fill = {
      visitor: l.visitor,
      age: wholeSpan(l.heardMs),
      since: l.sinceAt === null ? "" : clockTime(Date.now() - (now - l.sinceAt)),
    };
    return { kind: l.kind, icon: l.icon, word: t(l.word, fill), sub: t(l.sub, fill), isBare: l.word === "door.opening" };
  });
  useEffect(() => {
    const man = new DeadMan(cover.current!, LEASE_MAX_MS);
    const now = link.clock.now();
    if (link.door.lease) man.arm(link.door.lease.until, now);
    const offs = [
      link.on("door", (lease) => man.arm(lease.until, link.clock.now())),
      link.on("takedown", () => man.drop()),
      link.on("tick", (n) => man.check(n)),
    ];
    return () => {
      for (const off of offs) off();
      man.drop();
    };
  }, [link]);
  const H = `h${level}` as "h2";
  return (
    <div class="door-line" data-door={line.kind}>
      <div class="door-claim">
        <H aria-live="polite" class="door-word">
          {line.kind === "unknown" || line.kind === "act" ? <Icon name={line.icon} size="l" /> : null}
          {line.word}
        </H>
        <p class="door-sub">{line.sub}</p>
      </div>
      {/* The opening is no claim of safety: nothing needs to cover it. */}
      <div class="door-cover" aria-hidden="true" ref={cover} hidden={line.isBare || line.kind === "unknown"}>
        <p class="door-word">
          <Icon name="ask" size="l" />
          {t("door.unknown")}
        </p>
        <p class="door-sub">{t("door.unknown.cover")}</p>
      </div>
    </div>
  );
}
