// An invitation as a QR code: for a phone that stands beside this one.
import type { JSX } from "preact";
import qrcode from "qrcode-generator";

const QUIET = 4; // cells of paper around it, as readers want them

/** Dark on light also at night: readers want it so. Null: the text is too long for a code. */
export function Qr({ text, label }: { text: string; label: string }): JSX.Element | null {
  const code = qrcode(0, "M");
  try {
    code.addData(text);
    code.make();
  } catch {
    return null;
  }
  const n = code.getModuleCount();
  const size = n + 2 * QUIET;
  let path = "";
  for (let y = 0; y < n; y++) for (let x = 0; x < n; x++) if (code.isDark(y, x)) path += `M${x + QUIET} ${y + QUIET}h1v1h-1z`;
  return <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shape-rendering="crispEdges"><rect class="qr-paper" width={size} height={size} /><path class="qr-ink" d={path} /></svg>;
}
