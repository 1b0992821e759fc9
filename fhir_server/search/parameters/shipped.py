"""The search parameters that national guides define and that come with the server, and the names guides call them by.

https://hl7.org/fhir/R4/searchparameter.html. A guide's CapabilityStatement may name a parameter otherwise than by its
code (`PDSm_isArchived`, `GAP_Appointment_earliestStart`): both are understood, and the code is published.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from fhir_server.fhir.definitions import folder


@cache
def definitions() -> tuple[Mapping[str, Any], ...]:
    """The SearchParameter resources of `profiles/national`, in the order of their files."""
    files = sorted((folder("profiles") / "national").glob("SearchParameter-*.json"))
    return tuple(msgspec.json.decode(file.read_bytes(), type=dict[str, Any]) for file in files)


def spelled(type: str, name: str) -> str:
    """A criterion's name (`PDSm_isArchived:missing`) with the parameter's code in place of a guide's name for it."""
    known = _names().get(type)
    if known is None:
        return name
    head = name.partition(".")[0].partition(":")[0]
    code = known.get(head)
    return code + name[len(head) :] if code else name


@cache
def _names() -> Mapping[str, Mapping[str, str]]:
    """Resource type → a guide's name of a parameter → its code."""
    file = folder("profiles") / "search-names.json"
    return msgspec.json.decode(file.read_bytes(), type=dict[str, dict[str, str]])
