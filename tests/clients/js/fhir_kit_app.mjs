// An app on a server of its own with npm's `fhir-kit-client`, which leaves the steps of OAuth to its user.
// Its configuration is its first argument, as JSON; it prints the port it listens on.
import { createHash, randomBytes } from "node:crypto";
import http from "node:http";
import { pathToFileURL } from "node:url";

const { Client } = await import(pathToFileURL(`${process.env.NODE_PATH}/fhir-kit-client/dist/index.js`));
const { clientId, clientSecret, scope, iss, weight } = JSON.parse(process.argv[2]);
const verifier = randomBytes(48).toString("base64url");
const state = randomBytes(16).toString("base64url");
const client = new Client({ baseUrl: iss });
const authorization = clientSecret
  ? { authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString("base64")}` }
  : {};
let metadata;

async function asked(form) {
  const body = new URLSearchParams(clientSecret ? form : { ...form, client_id: clientId });
  const answer = await fetch(metadata.tokenUrl, { method: "POST", headers: authorization, body });
  if (!answer.ok) throw new Error(await answer.text());
  const tokens = await answer.json();
  client.bearerToken = tokens.access_token;
  return tokens;
}

const routes = {
  "/launch": async (url, response, redirect_uri) => {
    metadata = await client.smartAuthMetadata();
    const request = {
      response_type: "code",
      client_id: clientId,
      redirect_uri,
      scope,
      state,
      aud: iss,
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
    };
    if (url.searchParams.has("launch")) request.launch = url.searchParams.get("launch");
    response.writeHead(302, { location: `${metadata.authorizeUrl}?${new URLSearchParams(request)}` }).end();
  },
  "/callback": async (url, response, redirect_uri) => {
    if (url.searchParams.get("state") !== state) throw new Error("Another state came back.");
    const code = url.searchParams.get("code");
    const first = await asked({ grant_type: "authorization_code", code, redirect_uri, code_verifier: verifier });
    const told = { patient: (await client.read({ resourceType: "Patient", id: first.patient })).id, weights: [] };
    const searchParams = { code: "29463-7", _sort: "date", _count: 2 };
    for (let page = await client.search({ resourceType: "Observation", searchParams }); page; page = await client.nextPage({ bundle: page }))
      told.weights.push(...page.entry.map((entry) => entry.resource.id));
    if (weight) {
      const created = await client.create({ resourceType: "Observation", body: weight });
      told.created = created.id;
      const changed = { ...created, valueQuantity: { ...created.valueQuantity, value: 60.5 } };
      told.updated = (await client.update({ resourceType: "Observation", id: created.id, body: changed })).meta.versionId;
    }
    if (first.refresh_token) {
      const second = await asked({ grant_type: "refresh_token", refresh_token: first.refresh_token });
      told.refreshed = second.access_token !== first.access_token;
      await client.read({ resourceType: "Patient", id: first.patient });
    }
    told.other = await client.read({ resourceType: "Patient", id: "p2" }).then(() => 200, (error) => error.response.status);
    response.end(JSON.stringify(told));
  },
};

const server = http.createServer(async (request, response) => {
  const { port } = server.address();
  const url = new URL(request.url, `http://127.0.0.1:${port}`);
  try {
    await routes[url.pathname](url, response, `http://127.0.0.1:${port}/callback`);
  } catch (error) {
    response.writeHead(500).end(String(error && error.stack));
  }
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
