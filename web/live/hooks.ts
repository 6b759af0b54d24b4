// How components follow the link: they ask it on every tick and are drawn again only when what they show is another.

import { useEffect, useState } from "preact/hooks";
import type { Link } from "./link";

/** `compute` must be pure; what it gives is compared as JSON. */
export function useSeen<T>(link: Link, compute: (now: number) => T): T {
  const [seen, set] = useState(() => compute(link.clock.now()));
  useEffect(() => {
    let last = "";
    const look = (now: number): void => {
      const next = compute(now);
      const text = JSON.stringify(next);
      if (text === last) return;
      last = text;
      set(next);
    };
    look(link.clock.now());
    return link.on("tick", look);
  }, [link]);
  return seen;
}
