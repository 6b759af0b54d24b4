// Passkeys: the browser's ceremonies with our base64url bodies (docs/design/people.md).

export function toBase64url(bytes: ArrayBuffer | Uint8Array): string {
  const b = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  let s = "";
  for (const x of b) s += String.fromCharCode(x);
  return btoa(s).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

export function fromBase64url(text: string): Uint8Array<ArrayBuffer> {
  const s = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  const b = new Uint8Array(s.length);
  for (let i = 0; i < s.length; i++) b[i] = s.charCodeAt(i);
  return b;
}

export function canPasskeys(): boolean {
  return typeof PublicKeyCredential !== "undefined" && typeof navigator.credentials?.get === "function";
}

/** "cancelled": the person closed the dialog or it ran out; "exists": this device has one already. */
export class PasskeyError extends Error {
  constructor(readonly code: "cancelled" | "exists" | "unsupported" | "failed") {
    super(code);
  }
}

function codeOf(e: unknown): PasskeyError {
  const name = e instanceof DOMException ? e.name : "";
  if (name === "NotAllowedError" || name === "AbortError") return new PasskeyError("cancelled");
  if (name === "InvalidStateError") return new PasskeyError("exists");
  if (name === "NotSupportedError" || name === "SecurityError") return new PasskeyError("unsupported");
  return new PasskeyError("failed");
}

export interface Registered {
  client_data: string;
  attestation: string;
}

/** A new passkey that this device keeps (discoverable, person verified). */
export async function register(o: { challenge: string; rp_id: string; rp_name: string; user: string; name: string }): Promise<Registered> {
  try {
    const c = (await navigator.credentials.create({
      publicKey: {
        challenge: fromBase64url(o.challenge),
        rp: { id: o.rp_id, name: o.rp_name },
        user: { id: fromBase64url(o.user), name: o.name, displayName: o.name },
        pubKeyCredParams: [{ type: "public-key", alg: -7 }, { type: "public-key", alg: -8 }],
        authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
        attestation: "none",
        timeout: 120000,
      },
    })) as PublicKeyCredential;
    const r = c.response as AuthenticatorAttestationResponse;
    return { client_data: toBase64url(r.clientDataJSON), attestation: toBase64url(r.attestationObject) };
  } catch (e) {
    throw codeOf(e);
  }
}

export interface Asserted {
  challenge: string;
  id: string;
  client_data: string;
  auth_data: string;
  signature: string;
}

/** A signature over `challenge` by a passkey of this origin; `allow` names the ones that count. */
export async function assert(o: { challenge: string; rp_id: string; allow?: string[]; signal?: AbortSignal }): Promise<Asserted> {
  try {
    const c = (await navigator.credentials.get({
      ...(o.signal ? { signal: o.signal } : {}),
      publicKey: {
        challenge: fromBase64url(o.challenge),
        rpId: o.rp_id,
        userVerification: "required",
        timeout: 120000,
        ...(o.allow ? { allowCredentials: o.allow.map((id) => ({ type: "public-key" as const, id: fromBase64url(id) })) } : {}),
      },
    })) as PublicKeyCredential;
    const r = c.response as AuthenticatorAssertionResponse;
    return {
      challenge: o.challenge,
      id: toBase64url(c.rawId),
      client_data: toBase64url(r.clientDataJSON),
      auth_data: toBase64url(r.authenticatorData),
      signature: toBase64url(r.signature),
    };
  } catch (e) {
    throw codeOf(e);
  }
}
