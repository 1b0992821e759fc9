"""Labels in `meta.security` that promise to hide something, where nothing acts upon them.

https://hl7.org/fhir/R4/security-labels.html: which labels are acted upon is for those who exchange to agree. Here one
that would hide nothing is refused, since who writes it believes that it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fhir_server.fhir.outcome import Issue


def misplaced(tree: Mapping[str, Any], promises: Callable[[Mapping[str, Any]], bool], said: str) -> list[Issue]:
    """An error at each label of a resource that would be a false promise.

    Args:
        tree: the resource, whose `meta` may be anything yet.
        promises: whether a Coding is one of these labels.
        said: what its sender is told.
    """
    meta = tree.get("meta")
    found = meta.get("security") if isinstance(meta, dict) else None
    return [
        Issue("error", "business-rule", said, f"{tree['resourceType']}.meta.security[{number}]", "label-place")
        for number, one in enumerate(found if isinstance(found, list) else ())
        if isinstance(one, dict) and promises(one)
    ]
