"""Who may do what with the Measures that say what indicators count: everybody reads them, and nobody changes them."""

from __future__ import annotations

from fhir_server.access.grant import Scope
from fhir_server.access.rules import Rule
from fhir_server.store.filters import Uri

#: What canonical addresses of the measures begin with; then the code of the indicator, which is their id too.
MEASURE = "https://fhir-server.example/Measure/"
#: Our own, by their canonical address.
_OURS = Uri("url", MEASURE.removesuffix("/"), "below")
RULES = (
    Rule(
        "measures-kept",
        "kept by the server: it says what an indicator counts",
        frozenset({"Measure"}),
        kept={"Measure": _OURS},
    ),
)
PUBLIC = (Scope("system", "Measure", frozenset("rs"), _OURS),)
