// A confidential or public app on a server of its own, with npm's `fhirclient` as its README has it.
// Its configuration is its first argument, as JSON; it prints the port it listens on.
"use strict";
const http = require("node:http");
const smart = require("fhirclient");

const { weight, iss, ...options } = JSON.parse(process.argv[2]);
const session = {};

async function told(client) {
  const patient = await client.patient.read();
  const found = await client.patient.request("Observation?code=29463-7&_sort=date&_count=2", { flat: true, pageLimit: 0 });
  const told = {
    patient: patient.id,
    user: client.getUserType(),
    weights: found.map((one) => one.id),
    banner: client.getState("tokenResponse.need_patient_banner"),
  };
  if (weight) told.created = (await client.create(weight)).id;
  if (client.getState("tokenResponse.refresh_token") && !options.clientPrivateJwk) {
    const before = client.getState("tokenResponse.access_token");
    await client.refresh();
    told.refreshed = before !== client.getState("tokenResponse.access_token");
    await client.patient.read();
  }
  told.other = await client.request("Patient/p2").then(() => 200, (error) => error.status);
  return told;
}

const routes = {
  "/launch": async (api) => api.authorize({ iss, redirectUri: "/callback", ...options }),
  "/callback": async (api, response) => response.end(JSON.stringify(await told(await api.ready()))),
};

const server = http.createServer(async (request, response) => {
  request.session = session;
  const api = smart(request, response);
  // Public clients say which they are when they refresh.
  api.options.refreshTokenWithClientId = !options.clientSecret;
  try {
    await routes[new URL(request.url, "http://app").pathname](api, response);
  } catch (error) {
    response.writeHead(500).end(String(error && error.stack));
  }
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
