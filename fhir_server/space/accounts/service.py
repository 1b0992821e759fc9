"""Accounts: the life of a person's space. CSP R1111-26 to R1111-36."""

from __future__ import annotations

from fhir_server.interactions.pipeline import Step
from fhir_server.space.accounts import reading_rules, writing
from fhir_server.space.service import Service

_HERE = "fhir_server.space.accounts"

ACCOUNTS = Service(
    "accounts",
    rules=reading_rules.RULES,
    steps=(Step("space-life-id", frozenset({"Basic"}), judge=writing.one_id),),
    rows={"Basic": f"{_HERE}.rows:lives"},
    operations={
        "Patient-space": f"{_HERE}.operations:read",
        "Patient-space-move": f"{_HERE}.operations:move",
    },
    jobs=f"{_HERE}.clock:jobs",
    precedes=f"{_HERE}.erasing.again:erased_again",
    pages=f"{_HERE}.pages.rows:pages",
)
