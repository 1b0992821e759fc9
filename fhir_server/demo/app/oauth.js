// SMART App Launch with code and PKCE, for a public client without a server of its own.
// https://hl7.org/fhir/smart-app-launch/app-launch.html, RFC 7636, RFC 9207
import { say } from "./words.js";

// One browser tab is one session: nothing is kept once it is closed. Each variant of the app has a place of its own.
const KEPT = `demo:${new URL(".", location.href).pathname}`;

function kept(name) {
  const value = sessionStorage.getItem(`${KEPT}:${name}`);
  return value === null ? null : JSON.parse(value);
}

function keep(name, value) {
  if (value === null) sessionStorage.removeItem(`${KEPT}:${name}`);
  else sessionStorage.setItem(`${KEPT}:${name}`, JSON.stringify(value));
}

/** Which client this is and which server it asks: {iss, client, scope, professional, title}. */
export async function configuration() {
  return answered(await fetch("configuration.json"));
}

/** Send the person to the server; `launch` comes from the record, null when the person opens the app. */
export async function begin(config, launch = null) {
  const server = await answered(await fetch(`${config.iss}/.well-known/smart-configuration`, { headers: { Accept: "application/json" } }));
  const verifier = random(48);
  const state = random(24);
  const redirect = new URL(".", location.href).href;
  keep("asked", { state, verifier, redirect, issuer: server.issuer, token: server.token_endpoint, revocation: server.revocation_endpoint });
  const request = {
    response_type: "code",
    client_id: config.client,
    redirect_uri: redirect,
    scope: `${launch ? "launch" : "launch/patient"} ${config.scope}`,
    state,
    aud: config.iss,
    code_challenge: encoded(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier)))),
    code_challenge_method: "S256",
    ...(launch ? { launch } : {}),
  };
  location.assign(`${server.authorization_endpoint}?${new URLSearchParams(request)}`);
}

/** What came back in the address: a session; null when nothing did. An error says why there is none. */
export async function complete(config) {
  const back = new URLSearchParams(location.search);
  if (!back.has("code") && !back.has("error")) return null;
  const asked = kept("asked");
  keep("asked", null);
  // The code is used up by the next line: it must not stay in the address or in the history.
  history.replaceState(null, "", location.pathname);
  if (asked === null || back.get("state") !== asked.state) throw new Error(say("other-state"));
  // RFC 9207: an answer from another server than the one asked is a mix-up.
  if (back.get("iss") !== asked.issuer) throw new Error(say("other-server"));
  if (back.has("error")) throw new Error(refusal(back.get("error"), back.get("error_description")));
  const session = new Session(config, { token: asked.token, revocation: asked.revocation });
  await session.ask({ grant_type: "authorization_code", code: back.get("code"), redirect_uri: asked.redirect, code_verifier: asked.verifier });
  return session;
}

/** The session of this tab, as it was before the page was loaded again; null when there is none. */
export function resumed(config) {
  const state = kept("session");
  return state === null ? null : new Session(config, state);
}

/** Tokens of one launch, and what it is about. */
class Session {
  constructor(config, state) {
    this.config = config;
    this.state = state;
    this.refreshing = null;
  }

  get patient() {
    return this.state.patient;
  }

  /** Whether anything granted speaks of a type, with this code where it speaks of one, and lets it be read ("r")… or added ("c"). */
  may(type, verb, code = null) {
    return this.state.scope
      .split(" ")
      .map((one) => /^(?:patient|user)\/(\w+|\*)\.([cruds]+)(?:\?(.*))?$/.exec(one))
      .filter((found) => found && [type, "*"].includes(found[1]) && found[2].includes(verb))
      .some(([, , , narrowed]) => code === null || new URLSearchParams(narrowed).get("code")?.split(",").includes(code) !== false);
  }

  /** The one who signed in, as a reference that the server can resolve: "Patient/1". */
  get user() {
    const claims = this.state.identity ? JSON.parse(new TextDecoder().decode(decoded(this.state.identity.split(".")[1]))) : {};
    return (claims.fhirUser ?? "").split("/").slice(-2).join("/");
  }

  /** A token that still holds for some seconds; a new one when the one at hand does not. */
  async access() {
    if (this.state.expires - 10_000 < Date.now()) await this.refresh();
    return this.state.access;
  }

  /** New tokens for the old ones; several callers at once make one request, since a refresh token is used once. */
  async refresh() {
    if (!this.state.refresh) throw new Ended(say("ended"));
    this.refreshing ??= this.ask({ grant_type: "refresh_token", refresh_token: this.state.refresh }).finally(() => (this.refreshing = null));
    await this.refreshing;
  }

  async ask(form) {
    const body = new URLSearchParams({ ...form, client_id: this.config.client });
    const response = await fetch(this.state.token, { method: "POST", body });
    const tokens = await response.json().catch(() => ({}));
    if (!response.ok) {
      keep("session", null);
      throw new Ended(refusal(tokens.error, tokens.error_description));
    }
    Object.assign(this.state, {
      access: tokens.access_token,
      refresh: tokens.refresh_token ?? null,
      expires: Date.now() + tokens.expires_in * 1000,
      scope: tokens.scope,
      patient: tokens.patient ?? this.state.patient,
      identity: tokens.id_token ?? this.state.identity,
    });
    keep("session", this.state);
  }

  /** End what was granted, here and at the server (RFC 7009). */
  async leave() {
    const token = this.state.refresh ?? this.state.access;
    keep("session", null);
    await fetch(this.state.revocation, { method: "POST", body: new URLSearchParams({ token, client_id: this.config.client }) }).catch(() => null);
  }
}

/** The access has ended: the person may begin again. */
export class Ended extends Error {}

function refusal(error, description) {
  const own = { access_denied: "refused", invalid_grant: "ended", invalid_client: "not-registered", unauthorized_client: "not-registered" }[error];
  return own ? say(own) : `${say("server-said")} ${description || error}`;
}

async function answered(response) {
  if (!response.ok) throw new Error(`${say("server-said")} ${response.status}`);
  return response.json();
}

function random(bytes) {
  return encoded(crypto.getRandomValues(new Uint8Array(bytes)));
}

function encoded(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function decoded(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
}
