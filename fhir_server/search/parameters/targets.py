"""Which types a reference parameter can lead to from a given type.

https://hl7.org/fhir/R4/searchparameter-definitions.html#SearchParameter.target. One parameter is often defined
for many types at once, and `target` is then all of theirs; its expression says more (`where(resolve() is Patient)`).
"""

from __future__ import annotations

import re
from functools import lru_cache

from fhir_server.fhir.definitions import SearchParameter, resource_types
from fhir_server.search.parameters.registry import clauses

_RESOLVES = re.compile(r"resolve\(\)\s+is\s+([A-Z][A-Za-z]+)")


@lru_cache(maxsize=4096)
def targets_of(param: SearchParameter, type: str) -> tuple[str, ...]:
    """The types that `param` of `type` can refer to; every type when nothing says."""
    declared = param.target or tuple(sorted(resource_types()))
    found = [_RESOLVES.findall(clause) for clause in clauses(param.expression or "", type)]
    if not found or not all(found):
        return declared
    named = {name for names in found for name in names}
    return tuple(target for target in declared if target in named) or declared
