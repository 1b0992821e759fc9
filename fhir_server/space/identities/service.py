"""Identities: who somebody is, and which record is whose. Référentiel INS; R4 Patient.link; R5 Patient/$merge."""

from __future__ import annotations

from fhir_server.interactions.pipeline import Step
from fhir_server.space.identities import keeping, rules, trace_rules
from fhir_server.space.service import Service

_HERE = "fhir_server.space.identities"

IDENTITIES = Service(
    "identities",
    opens=f"{_HERE}.operations:opened",
    rules=(*rules.RULES, trace_rules.TRACES),
    operations={
        "Patient-change-identity": f"{_HERE}.operations:change",
        "Patient-identity-history": f"{_HERE}.operations:history",
        "Patient-merge": f"{_HERE}.merging.operations:merge",
        "Patient-unmerge": f"{_HERE}.merging.operations:unmerge",
        "Patient-refile": f"{_HERE}.putting_right:refile",
        "Patient-homonyms": f"{_HERE}.putting_right:shared",
        "Patient-rectify": f"{_HERE}.rectifying.operations:ask",
        "Patient-rectifications": f"{_HERE}.rectifying.operations:listed",
        "Patient-rectification-answer": f"{_HERE}.rectifying.operations:answer",
    },
    steps=(Step("merged-record", frozenset({"Patient"}), judge=keeping.stays_merged),),
    rows={"Basic": f"{_HERE}.rectifying.request:found"},
    found={"Patient": f"{_HERE}.merging.patients:is_found_by"},
    jobs=f"{_HERE}.merging.aftermath:jobs",
    pages=f"{_HERE}.pages.rows:pages",
)
