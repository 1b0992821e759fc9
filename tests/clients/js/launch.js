// npm's `fhirclient` in a page of an origin of its own; what it asks for is in the page's address.
"use strict";
const asked = new URLSearchParams(location.search);
FHIR.oauth2.authorize({
  clientId: asked.get("client"),
  scope: asked.get("scope"),
  iss: asked.get("iss"),
  redirectUri: "/index.html",
  pkceMode: "required",
});
