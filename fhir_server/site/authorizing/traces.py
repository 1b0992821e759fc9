"""The traces of what people decide and are refused on the pages: CSP R1111-43."""

from __future__ import annotations

from typing import Any

from fhir_server.site.visit import Visit
from fhir_server.smart.traces import Kind, Trace


async def trace(visit: Visit, kind: Kind, **known: Any) -> None:
    """Leave a trace of the visit; `known` are further attributes of `Trace`. The answer waits for it."""
    await visit.authorization.traces.leave(Trace(kind, address=visit.source, **known), visit.addresses.base)
