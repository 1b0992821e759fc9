"""The search parameters that come with the server beside the standard's: https://hl7.org/fhir/R4/searchparameter.html."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from fhir_server.fhir.definitions import folder


@cache
def definitions() -> tuple[Mapping[str, Any], ...]:
    """The SearchParameter resources of `profiles/national` and of `profiles/ens`, in the order of their files."""
    files = [
        file
        for name in ("national", "ens")
        for file in sorted((folder("profiles") / name).glob("SearchParameter-*.json"))
    ]
    return tuple(msgspec.json.decode(file.read_bytes(), type=dict[str, Any]) for file in files)
