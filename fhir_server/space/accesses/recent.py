"""What professionals opened of a patient's record, told to the patient: who, with what, why, and when last.

CSP R1111-43: every access can be seen by the patient, an emergency's with its reason. Read from the traces that this
person may see; the searches and reads of one professional, for one purpose, through one tool are one access.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fhir_server.access.audit import DCM, OVERRIDE
from fhir_server.access.grant import OPEN, Grant, Scope
from fhir_server.fhir.json import parse
from fhir_server.site.visit import Entrance
from fhir_server.space.names import names

if TYPE_CHECKING:
    from fhir_server.smart.people.accounts import Account

#: Accesses shown, and traces looked through for them, the newest first.
SHOWN, LOOKED_THROUGH = 10, 300
_TRACES = (Scope("user", "AuditEvent", frozenset("rs")),)


@dataclass(frozen=True, slots=True)
class Access:
    """One access.

    Attributes:
        who: what the professional is called.
        tool: what the software is called; "" when it is not known.
        purpose: code of http://terminology.hl7.org/CodeSystem/v3-ActReason; "" when none was said.
        reason: of an emergency, in words.
        when: last, as the trace has it.
    """

    who: str
    tool: str
    purpose: str
    reason: str
    when: str


async def recent(entrance: Entrance, account: Account, patient: str) -> Sequence[Access]:
    """The last accesses of professionals to one patient's record, emergencies first, then the newest."""
    from fhir_server.search.asking.query import condition

    grant = Grant(_TRACES, subject=account.subject, wards=frozenset(account.wards))
    place = entrance.authorization.verifier.place(entrance.pages.settings.base_url)
    found: dict[tuple[str, str, str, str], str] = {}
    # However much was read since, an emergency stays in sight.
    for kind in (("subtype", f"{DCM}|{OVERRIDE[0]}"), ("type", "rest")):
        where = condition("AuditEvent", [("patient", f"Patient/{patient}"), kind], place)
        page = await entrance.repository(grant).find({"AuditEvent": where}, count=LOOKED_THROUGH)
        for version in page.versions:
            tree = parse(version.body)
            for practitioner in _practitioners(tree):
                found.setdefault((practitioner, _software(tree), *_purpose(tree)), str(tree.get("recorded", "")))
    chosen = sorted(found.items(), key=lambda one: one[0][2] != "BTG")[:SHOWN]
    known = await names(entrance.repository(OPEN).store, (who for (who, *_), _ in chosen))
    tools = {tool: await _called(entrance, tool) for (_, tool, _, _), _ in chosen}
    return [
        Access(known.get(who, who), tools[tool], purpose, reason, when) for (who, tool, purpose, reason), when in chosen
    ]


def _practitioners(tree: Mapping[str, Any]) -> Iterator[str]:
    for agent in tree.get("agent", ()):
        reference = agent.get("who", {}).get("reference", "")
        if reference.startswith("Practitioner/"):
            yield reference


def _software(tree: Mapping[str, Any]) -> str:
    named = (agent.get("who", {}).get("identifier", {}).get("value", "") for agent in tree.get("agent", ()))
    return next(filter(None, named), "")


def _purpose(tree: Mapping[str, Any]) -> tuple[str, str]:
    concept: Mapping[str, Any] = next(iter(tree.get("purposeOfEvent", ())), {})
    return next((c.get("code", "") for c in concept.get("coding", ())), ""), concept.get("text", "")


async def _called(entrance: Entrance, client: str) -> str:
    found = await entrance.authorization.clients.get(client) if client else None
    return found.name if found is not None else client
