// npm's `@medplum/core` in a page of an origin of its own: it sends a header of its own, and asks with credentials.
import { MedplumClient } from "/medplum/index.mjs";

const asked = new URLSearchParams(location.search);
if (asked.has("base")) sessionStorage.setItem("asked", location.search);
const { base, client: clientId, scope } = Object.fromEntries(new URLSearchParams(sessionStorage.getItem("asked")));
const redirectUri = `${location.origin}/medplum.html`;
const root = base.replace(/fhir$/, "");
const medplum = new MedplumClient({ baseUrl: root, fhirUrlPath: "fhir", tokenUrl: `${root}auth/token`, clientId });

async function leave() {
  const found = await (await fetch(`${base}/.well-known/smart-configuration`, { credentials: "include" })).json();
  const pkce = await medplum.startPkce();
  const address = new URL(found.authorization_endpoint);
  const asks = { response_type: "code", client_id: clientId, redirect_uri: redirectUri, scope, aud: base, state: pkce.state };
  const proof = { code_challenge: pkce.codeChallenge, code_challenge_method: pkce.codeChallengeMethod };
  Object.entries({ ...asks, ...proof }).forEach(([name, value]) => address.searchParams.set(name, value));
  location.assign(address);
}

async function come() {
  const form = new URLSearchParams({
    grant_type: "authorization_code",
    code: asked.get("code"),
    client_id: clientId,
    redirect_uri: redirectUri,
    code_verifier: sessionStorage.getItem("codeVerifier"),
  });
  const tokens = await fetch(`${root}auth/token`, { method: "POST", body: form, credentials: "include" }).then((r) => r.json());
  medplum.setAccessToken(tokens.access_token);
  const patient = await medplum.readResource("Patient", tokens.patient);
  const found = await medplum.searchResources("Observation", { code: "29463-7", _sort: "date", _count: "3" });
  const made = await medplum.createResource({
    resourceType: "Observation",
    status: "final",
    code: { text: "note" },
    subject: { reference: `Patient/${patient.id}` },
  });
  const changed = await medplum.patchResource("Observation", made.id, [{ op: "replace", path: "/status", value: "amended" }]);
  const history = await medplum.readHistory("Observation", made.id);
  const both = await Promise.all([
    medplum.readResource("Observation", "w1", { cache: "reload" }),
    medplum.readResource("Observation", "w2", { cache: "reload" }),
  ]);
  const refused = await medplum.readResource("Patient", "p2").then(() => "read", (error) => error.outcome.issue[0].code);
  return {
    patient: patient.id,
    found: found.map((one) => one.id),
    status: changed.status,
    versions: history.entry.length,
    both: both.map((one) => one.id),
    refused,
  };
}

(asked.has("code") ? come() : leave())
  .then((said) => said && JSON.stringify(said), (error) => `error: ${error.message}`)
  .then((text) => text && (document.getElementById("told").textContent = text));
