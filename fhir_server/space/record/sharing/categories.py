"""The class of a document of some type: ConceptMap ASS_X16, as it comes with the server.

https://mos.esante.gouv.fr/NOS/ASS_X16-CorrespondanceType-Classe-DMP
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from fhir_server.fhir.definitions import folder


def category_of(coding: Mapping[str, Any]) -> dict[str, str] | None:
    """The class (TRE_A03) that a type's Coding has; None where the map says nothing of it."""
    found = _classes().get((str(coding.get("system", "")), str(coding.get("code", ""))))
    return dict(found) if found is not None else None


class _Target(msgspec.Struct):
    code: str
    display: str = ""


class _Element(msgspec.Struct):
    code: str
    target: tuple[_Target, ...] = ()


class _Group(msgspec.Struct):
    source: str
    target: str
    element: tuple[_Element, ...] = ()


class _Map(msgspec.Struct):
    group: tuple[_Group, ...] = ()


@cache
def _classes() -> Mapping[tuple[str, str], Mapping[str, str]]:
    """(system, code) of a type → the Coding of its class."""
    file = folder("profiles") / "national" / "ConceptMap-ASS-X16-CorrespondanceType-Classe-DMP.json"
    read = msgspec.json.decode(file.read_bytes(), type=_Map)
    return {
        (group.source, element.code): {"system": group.target, "code": target.code, "display": target.display}
        for group in read.group
        for element in group.element
        for target in element.target[:1]
    }
