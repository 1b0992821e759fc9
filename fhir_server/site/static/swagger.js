// Starts Swagger UI on this server's own description, of one resource type when the address names one.
window.ui = SwaggerUIBundle({
  url: "/openapi.json" + window.location.search,
  dom_id: "#swagger",
  docExpansion: "none",
  filter: true,
  validatorUrl: null,
});
