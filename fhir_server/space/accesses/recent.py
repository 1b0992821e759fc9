"""What professionals opened of a patient's record, told to the patient: who, with what, why, and when last.

CSP R1111-43: every access can be seen by the patient, an emergency's with its reason. Read from the AuditEvents that
this person may see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fhir_server.access.grant import OPEN, Grant, Scope
from fhir_server.audit.reading import AuditReader
from fhir_server.site.visit import Entrance
from fhir_server.space.names import names

if TYPE_CHECKING:
    from fhir_server.smart.people.accounts import Account

#: Accesses shown.
SHOWN = 10
_EVENTS = (Scope("user", "AuditEvent", frozenset("rs")),)


@dataclass(frozen=True, slots=True)
class Shown:
    """One access, as the page shows it.

    Attributes:
        who: what the professional is called.
        tool: what the software is called; "" when it is not known.
        purpose: code of http://terminology.hl7.org/CodeSystem/v3-ActReason; "" when none was said.
        reason: of an emergency, in words.
        when: last, as it was recorded.
    """

    who: str
    tool: str
    purpose: str
    reason: str
    when: str


async def recent(entrance: Entrance, account: Account, patient: str) -> Sequence[Shown]:
    """The last accesses of professionals to one patient's record, emergencies first, then the newest."""
    grant = Grant(_EVENTS, subject=account.subject, wards=frozenset(account.wards))
    place = entrance.authorization.verifier.place(entrance.pages.settings.base_url)
    chosen = (await AuditReader(await entrance.repository(grant)).accesses(patient, place))[:SHOWN]
    known = await names(await entrance.repository(OPEN), (one.practitioner for one in chosen))
    tools = {one.software: await _called(entrance, one.software) for one in chosen}
    return [
        Shown(known.get(one.practitioner, one.practitioner), tools[one.software], one.purpose, one.reason, one.last)
        for one in chosen
    ]


async def _called(entrance: Entrance, client: str) -> str:
    found = await entrance.authorization.clients.get(client) if client else None
    return found.name if found is not None else client
