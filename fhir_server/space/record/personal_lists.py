"""How somebody arranges the documents of a record for themself: folders of their own, and what they pinned.

Each is a List (https://hl7.org/fhir/R4/list.html) under a code of ours, and not an MHD folder: that is a producer's, of
one submission, and everybody's who reads the record. What people call a folder of their own is nobody else's.
"""

from __future__ import annotations

from typing import Literal

from fhir_server.access.rules import Asked, Rule
from fhir_server.search.parameters.codes import spelling
from fhir_server.store.filters import NOTHING, Filter, Token

KINDS = "https://fhir-server.example/CodeSystem/ens-personal-list"
Kind = Literal["folder", "pinned"]


def of_kind(kind: Kind) -> Filter:
    """Lists of a kind."""
    return Token("code", spelling(kind, KINDS), KINDS)


_PERSONAL = Token("code", None, KINDS)


def _private(asked: Asked) -> Filter:
    holder = (asked.grant.subject or "").startswith(("Patient/", "RelatedPerson/"))
    return NOTHING if holder or asked.level == "system" else _PERSONAL


PRIVATE = Rule(
    "personal-lists",
    "how the holder of the record arranges it, for themself",
    frozenset({"List"}),
    withholds=_private,
)
