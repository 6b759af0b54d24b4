// Small helpers: elements without markup in strings, so that nothing that was sent is ever read as HTML.

export function byId<T extends Element = HTMLElement>(id: string): T {
  const e = document.getElementById(id);
  if (!e) throw new Error(`no element ${id}`);
  return e as unknown as T;
}

type Child = Node | string | null | false;

export function el(tag: string, attrs: Record<string, string> = {}, ...children: Child[]): HTMLElement {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs)) e.setAttribute(k, v);
  e.append(...children.filter((c): c is Node | string => c !== null && c !== false));
  return e;
}

const SVG = "http://www.w3.org/2000/svg";

export function icon(name: string, extra = ""): SVGSVGElement {
  const s = document.createElementNS(SVG, "svg");
  s.setAttribute("class", `i ${extra}`.trim());
  s.setAttribute("aria-hidden", "true");
  const u = document.createElementNS(SVG, "use");
  u.setAttribute("href", `#i-${name}`);
  s.append(u);
  return s;
}

/** The shape says the state even without colour. */
export function mark(kind: string, iconName: string, extra = ""): HTMLElement {
  return el("span", { class: `mark is-${kind} ${extra}`.trim(), "aria-hidden": "true" }, icon(iconName));
}

/** Changes text only when it is another: live regions then speak once. */
export function setText(e: Element, text: string): void {
  if (e.textContent !== text) e.textContent = text;
}
