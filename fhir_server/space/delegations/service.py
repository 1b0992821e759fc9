"""Delegations: who acts for whom. The national product's rules: domain file §2.2."""

from __future__ import annotations

from fhir_server.space.delegations import rules
from fhir_server.space.service import Service

_HERE = "fhir_server.space.delegations"

DELEGATIONS = Service(
    "delegations",
    opens=f"{_HERE}.operations:opened",
    rules=rules.RULES,
    operations={
        "Patient-delegations": f"{_HERE}.operations:read",
        "Patient-delegation-match": f"{_HERE}.operations:match",
        "Patient-delegation-invite": f"{_HERE}.operations:invite",
        "Patient-delegation-answer": f"{_HERE}.operations:answer",
        "Patient-delegation-end": f"{_HERE}.operations:end",
        "Patient-delegation-attach": f"{_HERE}.operations:attach",
    },
    jobs=f"{_HERE}.clock:jobs",
    pages=f"{_HERE}.pages.rows:pages",
)
