"""How clients of the national guides ask: the names their CapabilityStatements call parameters by, and their includes.

https://interop.esante.gouv.fr/ig/fhir/gap (flow 4a: slots, their agenda, and whose agenda it is),
https://interop.esante.gouv.fr/ig/fhir/pdsm
"""

from __future__ import annotations

from fhir_server.space.service import Service

GUIDES = Service(
    "guides",
    search_names=("search-names.json",),
    search_ways=("search-ways.json",),
    second_hops=frozenset({("Slot", "Schedule", "actor")}),
)
