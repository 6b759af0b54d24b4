// Icons in one stroke, 24 by 24. Always beside a word, so hidden from screen readers.
import type { JSX } from "preact";

const paths: Record<string, JSX.Element> = {
  paw: <><path d="M7.5 16.5c0-2.500 2-4.500 4.500-4.500s4.500 2 4.500 4.500c0 2-1.500 3-2.700 2.600-1.200-.4-2.400-.4-3.600 0-1.200.4-2.700-.6-2.700-2.600z" /><circle cx="5.5" cy="11" r="1.600" /><circle cx="9.500" cy="7" r="1.700" /><circle cx="14.500" cy="7" r="1.700" /><circle cx="18.500" cy="11" r="1.600" /></>,
  bell: <path d="M6 17V11a6 6 0 0 1 12 0v6l2 1.500H4zM10 21h4" />,
  extralock: <><rect x="5" y="3" width="14" height="18" rx="1.500" /><path d="M8 6h8v6H8zM8 15.500h8v3H8zM16.500 13.700v.2" /></>,
  note: <path d="M5 4h14v12l-4 4H5zM15 20v-4h4M8.500 9h7M8.500 13h4" />,
  camera: <><rect x="3" y="6.500" width="12" height="11" rx="3" /><path d="M15 11l6-3.500v9L15 13z" /></>,
  scan: <path d="M3 8V5a2 2 0 0 1 2-2h3M16 3h3a2 2 0 0 1 2 2v3M21 16v3a2 2 0 0 1-2 2h-3M8 21H5a2 2 0 0 1-2-2v-3M7 8v8M10.500 8v8M13.500 8v8M17 8v8" />,
  light: <path d="M8 3h8v3l-2 3v11a1 1 0 0 1-1 1h-2a1 1 0 0 1-1-1V9L8 6zM8 6h8M12 13v2" />,
  keyboard: <><rect x="2.500" y="6" width="19" height="12" rx="2.500" /><path d="M6 10h.2M9 10h.2M12 10h.2M15 10h.2M18 10h.2M8 14h8" /></>,
  tick: <path d="M4.500 12.500l5 5 10-11" />,
  lock: <><rect x="5" y="11" width="14" height="10" rx="3" /><path d="M8 11V8a4 4 0 0 1 8 0v3M12 15v2.500" /></>,
  question: <path d="M8.500 9a3.500 3.500 0 1 1 5 3.200c-1 .5-1.500 1.200-1.500 2.300M12 18v.2" />,
  arrow: <path d="M4 12h16M14 6l6 6-6 6" />,
  back: <path d="M20 12H4M10 6l-6 6 6 6" />,
  locker: <><rect x="4" y="3" width="16" height="18" rx="2" /><path d="M12 3v18M4 12h16M9.500 7v1.500M17.500 7v1.500M9.500 16v1.500M17.500 16v1.500" /></>,
  doorstep: <path d="M6 21V4a1 1 0 0 1 1-1h10a1 1 0 0 1 1 1v17M3.500 21h17M14.500 12v1.500" />,
  door: <path d="M5 21V4a1 1 0 0 1 1-1h11a1 1 0 0 1 1 1v17M3 21h4M13 21h8M7 5.500l6 2.500v15L7 20.500z" />,
  garage: <path d="M3 21V9l9-5 9 5v12M6.500 21v-9h11v9M6.500 15h11M6.500 18h11" />,
  neighbour: <><circle cx="8.500" cy="8" r="3" /><circle cx="16.500" cy="9.500" r="2.500" /><path d="M3 20c0-4 2.500-6 5.500-6s5.500 2 5.500 6M15 14.500c3.500-.6 6 1.500 6 5" /></>,
  box: <path d="M4 8l8-4 8 4v9l-8 4-8-4zM4 8l8 4 8-4M12 12v9" />,
  parcel_box: <path d="M4 8l8-4 8 4v9l-8 4-8-4zM4 8l8 4 8-4M12 12v9" />,
  phone: <path d="M5 4h4l1.500 5-2.500 1.500a12 12 0 0 0 5.500 5.500l1.500-2.500 5 1.500v4a1.500 1.500 0 0 1-1.500 1.500C10.500 20.500 3.500 13.500 3.500 5.500A1.500 1.500 0 0 1 5 4z" />,
  alert: <path d="M12 4v10.500M12 20v.2" />,
  clock: <><circle cx="12" cy="12" r="8.500" /><path d="M12 7v5l3.500 2" /></>,
  van: <><path d="M2.500 17V7a1 1 0 0 1 1-1H14v11M14 9.500h4l3.500 4V17h-2M9.500 17H14" /><circle cx="7" cy="17.500" r="2.300" /><circle cx="17" cy="17.500" r="2.300" /></>,
  cross: <path d="M6 6l12 12M18 6L6 18" />,
  plus: <path d="M12 5v14M5 12h14" />,
  receipt: <path d="M6 3h12v18l-3-2-3 2-3-2-3 2zM9 8h6M9 12h6" />,
  sound: <path d="M4 10v4h3l5 4V6l-5 4zM15.500 9a4 4 0 0 1 0 6M18 6.500a8 8 0 0 1 0 11" />,
  quiet: <path d="M4 10v4h3l5 4V6l-5 4zM16 10l5 5M21 10l-5 5" />,
  nosignal: <path d="M3 9a13 13 0 0 1 18 0M6.500 12.500a8 8 0 0 1 11 0M10 16a3.500 3.500 0 0 1 4 0M12 19.500v.2M4 3l16 18" />,
};

export type IconName = keyof typeof paths;

export function Icon({ name, size = "" }: { name: string; size?: string }): JSX.Element {
  const flips = name === "arrow" || name === "back" ? " flips" : "";
  return <svg class={`i ${size}`.trim() + flips} viewBox="0 0 24 24" aria-hidden="true">{paths[name] ?? paths.note}</svg>;
}

/** The shape says the state even without colour. */
export function Mark({ kind, icon, size = "" }: { kind: string; icon: string; size?: string }): JSX.Element {
  return <span class={`mark is-${kind} ${size}`.trim()} aria-hidden="true"><Icon name={icon} /></span>;
}
