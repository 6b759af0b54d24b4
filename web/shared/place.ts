// Where somebody was when their session ended, so that they are back there after signing in.

const KEPT = "doorward.place";

/** Only a place of this origin, never an address. */
function isPlace(s: string | null): s is string {
  return s !== null && /^\/(?![/\\])[\w\-./?=&#%]*$/.test(s) && !/^\/(signin|join)\b/.test(s);
}

export function rememberPlace(): void {
  try {
    sessionStorage.setItem(KEPT, `${location.pathname}${location.search}${location.hash}`);
  } catch {
    // then the first page it is
  }
}

export function rememberedPlace(): string | null {
  try {
    const s = sessionStorage.getItem(KEPT);
    return isPlace(s) ? s : null;
  } catch {
    return null;
  }
}

/** Once. */
export function placeToGo(): string {
  const s = rememberedPlace();
  try {
    sessionStorage.removeItem(KEPT);
  } catch {
    // nothing was kept
  }
  return s ?? "/";
}

/** The session is over: sign in, then back here. */
export function toSignIn(): void {
  rememberPlace();
  location.replace("/signin");
}
