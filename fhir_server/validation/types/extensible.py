"""The extensible bindings of R4's own types: a code from elsewhere is allowed, and worth a word.

https://hl7.org/fhir/R4/terminologies.html#extensible. Whether the value set really has no code for the concept is for
people to say, so it is a warning; words without a code are what such a binding leaves room for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

from fhir_server.fhir.definitions import folder
from fhir_server.fhir.outcome import Issue
from fhir_server.validation.steps import Step
from fhir_server.validation.types.bound import Bound, is_among
from fhir_server.validation.walking import places

_CODED = frozenset(("CodeableConcept", "Coding"))
_NO_PROFILE = Bound("", "extensible")


def value_set(step: Step) -> str | None:
    """The value set that a property of R4 is bound to as extensible, where its codes are known; None for the others."""
    binding = step.element.binding
    if step.type is None or step.type.code not in _CODED or binding is None or binding.strength != "extensible":
        return None
    found = (binding.valueSet or "").partition("|")[0]
    return found if found in _codes() else None


def is_missed(value: Any, value_set: str) -> bool:
    """Whether a CodeableConcept or Coding has codes, and none of them is of the value set."""
    codings = value.get("coding", (value,)) if isinstance(value, dict) else ()
    coded = [c for c in codings if isinstance(c, dict) and "code" in c] if isinstance(codings, list | tuple) else []
    codes = _codes()[value_set]
    return bool(coded) and not any(is_among(codes, one) for one in coded)


def issues(tree: Mapping[str, Any], type: str, at: str) -> Iterator[Issue]:
    """The codes of a resource that are not of the value sets R4 binds their elements to as extensible."""
    for place in places(tree, type, at, _CODED):
        url = value_set(place.step) if place.step else None
        if url and is_missed(place.value, url):
            yield _NO_PROFILE.issue(place.at)


@cache
def _codes() -> dict[str, dict[str, frozenset[str]]]:
    data = (folder("profiles") / "hl7.fhir.r4.core" / "extensible-codes.json").read_bytes()
    return msgspec.json.decode(data, type=dict[str, dict[str, frozenset[str]]])
