"""Who somebody is by their national health identity (INS): the identifiers that are one, and how one is looked for.

Référentiel INS; https://hl7.org/fhir/R4/datatypes.html#Identifier: one whose `use` is old is in force no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.search.parameters.codes import spelling
from fhir_server.smart.people.matching import INS
from fhir_server.store.filters import Filter, Token, either


def ins_of(tree: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The identifiers of a person that are an INS in force."""
    return [
        one
        for one in tree.get("identifier", ())
        if one.get("system") in INS and one.get("value") and one.get("use") != "old"
    ]


def with_ins(number: str) -> Filter:
    """Those who have or had a number as their INS, of whichever of its systems."""
    return either([Token("identifier", spelling(number, system), system) for system in INS])
