// Questions to our own origin: JSON, the session's CSRF word, problems as errors in words.

export interface ProblemBody {
  code: string;
  title?: string;
  detail?: string;
  next?: string;
}

/** What went wrong. `code` picks the words of the catalogue; "no_connection": nothing was answered. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly next: string,
    readonly body: unknown = null,
  ) {
    super(`${status} ${code}`);
  }
}

export interface AskOptions {
  /** The same key again is the same request: nothing is done twice. */
  idempotencyKey?: string;
  timeoutMs?: number;
  signal?: AbortSignal;
}

export class Api {
  csrf = "";
  /** Called once for each answer 401: the session is over. */
  onSignedOut: (() => void) | null = null;

  get<T>(path: string, o: AskOptions = {}): Promise<T> {
    return this.ask<T>("GET", path, undefined, o);
  }
  post<T>(path: string, body: unknown = {}, o: AskOptions = {}): Promise<T> {
    return this.ask<T>("POST", path, body, o);
  }

  async ask<T>(method: string, path: string, body: unknown, o: AskOptions): Promise<T> {
    const headers: Record<string, string> = { accept: "application/json" };
    if (body !== undefined) headers["content-type"] = "application/json";
    if (method !== "GET" && this.csrf) headers["x-doorward-csrf"] = this.csrf;
    if (o.idempotencyKey) headers["idempotency-key"] = o.idempotencyKey;
    const limit = AbortSignal.timeout(o.timeoutMs ?? 15000);
    let r: Response;
    let text: string;
    try {
      r = await fetch(path, {
        method,
        headers,
        credentials: "same-origin",
        cache: "no-store",
        redirect: "error",
        signal: o.signal ? AbortSignal.any([o.signal, limit]) : limit,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      text = await r.text();
    } catch (e) {
      if (o.signal?.aborted) throw e;
      throw new Problem(0, "no_connection", "", "");
    }
    let answer: unknown = null;
    try {
      answer = text === "" ? null : JSON.parse(text);
    } catch {
      answer = null;
    }
    if (r.ok) return answer as T;
    const p = (answer ?? {}) as Partial<ProblemBody>;
    if (r.status === 401) this.onSignedOut?.();
    throw new Problem(r.status, p.code ?? `http_${r.status}`, p.detail ?? p.title ?? "", p.next ?? "", answer);
  }
}
