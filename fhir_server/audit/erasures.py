"""The trace that tells of erased traces: how many there were, and of nobody.

Where somebody's record is erased, the traces about them go with it (GDPR art. 17; CSP R1111-36). Their links stay in
the chain (`store.chain.Erased`), each under the trace made here, which is stored first. So a link that lost its trace
without one of these, or one more than it tells of, was tampered with (`audit.verifying`).
"""

from __future__ import annotations

from typing import Any

import msgspec

from fhir_server.audit.audit_event import Event, named, to_audit_event
from fhir_server.audit.kinds import ACTIVITY, OWN, Code, EventKind

ERASED = EventKind(ACTIVITY, Code(OWN, "traces-erased", "Traces erased"), "D")
#: Name of the entity that says how many.
_COUNT = "erased-traces"


def telling(source: str, count: int) -> dict[str, Any]:
    """The AuditEvent that tells of so many versions of traces; `source` is the server's own identity."""
    return to_audit_event(Event(ERASED, source, entities=[named(_COUNT, [str(count)])]))


class _Detail(msgspec.Struct):
    type: str = ""
    valueString: str = ""


class _Entity(msgspec.Struct):
    name: str = ""
    detail: list[_Detail] = []


class _Subtype(msgspec.Struct):
    system: str = ""
    code: str = ""


class _Told(msgspec.Struct):
    subtype: list[_Subtype] = []
    entity: list[_Entity] = []


_told = msgspec.json.Decoder(_Told)


def told(body: bytes) -> int:
    """How many versions of traces an AuditEvent tells of; 0 where it tells of something else."""
    try:
        event = _told.decode(body)
    except msgspec.MsgspecError:
        return 0
    if not any((one.system, one.code) == (OWN, ERASED.subtype.code) for one in event.subtype):
        return 0
    said = [d.valueString for one in event.entity if one.name == _COUNT for d in one.detail if d.type == _COUNT]
    return int(said[0]) if len(said) == 1 and said[0].isascii() and said[0].isdigit() and len(said[0]) < 10 else 0
