// What the page reads once the person is back; a test reads it in turn.
"use strict";
FHIR.oauth2
  .ready()
  .then(async (client) => {
    const patient = await client.patient.read();
    const found = await client.patient.request("Observation?_sort=date&_count=2&code=29463-7", { flat: true, pageLimit: 0 });
    const before = client.getState("tokenResponse.access_token");
    await client.refresh();
    return {
      patient: patient.id,
      user: client.getUserType(),
      weights: found.map((one) => one.id),
      refreshed: before !== client.getState("tokenResponse.access_token"),
      again: (await client.patient.read()).id,
      other: await client.request("Patient/p2").then(() => 200, (error) => error.status),
    };
  })
  .then(JSON.stringify, (error) => `error: ${error.message}`)
  .then((text) => (document.getElementById("told").textContent = text));
