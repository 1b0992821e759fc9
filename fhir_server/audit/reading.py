"""What AuditEvents say of the accesses to a patient's record: who opened it, with what, why, and when last.

CSP R1111-43: every access can be seen by the patient, an emergency's with its reason.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fhir_server.access.repository import Repository
from fhir_server.audit.audit_event import PERSONS
from fhir_server.audit.exchanges import EMERGENCIES, INTERACTION
from fhir_server.audit.kinds import OVERRIDE
from fhir_server.audit.recording import WITNESSED
from fhir_server.fhir.json import parse
from fhir_server.search.parameters.codes import spelling
from fhir_server.store.filters import Filter, Not, Refers, Token, both

if TYPE_CHECKING:
    from fhir_server.search.asking.query import Place

#: Events looked through for the accesses of one patient, the newest first.
LOOKED_THROUGH = 300
_PAGE = 200


@dataclass(frozen=True, slots=True)
class AuditRow:
    """What one AuditEvent says of an access.

    Attributes:
        requestor: who asked: a reference, or the identifier of staff or software; "" when nobody is known.
        practitioners: references to the professionals among its agents.
        software: client id; "" when it is not known.
        purpose: code of http://terminology.hl7.org/CodeSystem/v3-ActReason; "" when none was said.
        reason: of an emergency, in words.
        patients: ids of those it is about.
        recorded: when, as the event has it.
        name, profession, organization: of who asked, in words; each "" when it is not told.
        interaction: a code of http://hl7.org/fhir/restful-interaction, or an operation's name; of other events, their
            subtype's code.
        objects: what was touched, references without versions, whom it is about left out.
        named: the resource type where nothing was touched; "" when it is not told.
        emergency: whether the record was opened without its holder's leave; refused: whether it was not opened.
    """

    requestor: str
    practitioners: tuple[str, ...]
    software: str
    purpose: str
    reason: str
    patients: tuple[str, ...]
    recorded: str
    name: str = ""
    profession: str = ""
    organization: str = ""
    interaction: str = ""
    objects: tuple[str, ...] = ()
    named: str = ""
    emergency: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """The searches and reads of one professional, for one purpose, through one tool; `last` is when, as recorded."""

    practitioner: str
    software: str
    purpose: str
    reason: str
    last: str


class AuditReader:
    """Reads the AuditEvents that the caller of a repository may see."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    async def accesses(self, patient: str, place: Place) -> list[Access]:
        """The accesses of professionals to the record of a patient (id), emergencies first, then the newest.

        `place` is where search conditions are read.
        """
        from fhir_server.search.asking.query import condition

        found: dict[tuple[str, str, str, str], str] = {}
        # However much was read since, an emergency stays in sight.
        kinds = (("subtype", f"{OVERRIDE.system}|{OVERRIDE.code}"), ("type", "rest"))
        asked = [condition("AuditEvent", [("patient", f"Patient/{patient}"), kind], place) for kind in kinds]
        others = Not(asked_by(f"Patient/{patient}"))
        scopes = [{"AuditEvent": both(one, others)} for one in asked]
        for page in await self._repository.find_each(scopes, LOOKED_THROUGH):
            for row in (from_audit_event(parse(version.body)) for version in page.versions):
                for practitioner in row.practitioners:
                    found.setdefault((practitioner, row.software, row.purpose, row.reason), row.recorded)
        return [Access(*key, last) for key, last in sorted(found.items(), key=lambda one: one[0][2] != "BTG")]

    async def emergencies(self, since: datetime) -> AsyncIterator[AuditRow]:
        """What this server itself saw opened in an emergency, the newest first: other events can be anybody's word."""
        override = Token("subtype", spelling(OVERRIDE.code, OVERRIDE.system), OVERRIDE.system)
        where, after = both(override, WITNESSED_HERE), None
        while True:
            page = await self._repository.find({"AuditEvent": where}, after=after, count=_PAGE)
            for version in page.versions:
                row = from_audit_event(parse(version.body))
                if datetime.fromisoformat(row.recorded) < since:
                    return
                yield row
            after = page.next
            if after is None:
                return


#: Events that this server itself made.
WITNESSED_HERE = Token(WITNESSED)


def asked_by(person: str) -> Filter:
    """Events of this server's own of what somebody asked: the one person among the agents of such an event asked."""
    return both(WITNESSED_HERE, Refers("agent", person))


def from_audit_event(tree: Mapping[str, Any]) -> AuditRow:
    """What an AuditEvent says, whoever wrote it."""
    agents = [(agent, agent.get("who", {})) for agent in tree.get("agent", ())]
    agent, asking = next(((agent, who) for agent, who in agents if agent.get("requestor")), (_NOBODY, _NOBODY))
    references = (str(who.get("reference", "")) for _, who in agents)
    # Software has an identifier and no reference; people of the directory have both, staff one of their own system.
    identifiers = (
        str(who.get("identifier", {}).get("value", ""))
        for _, who in agents
        if "reference" not in who and who.get("identifier", {}).get("system") != PERSONS
    )
    purpose: Mapping[str, Any] = next(iter(tree.get("purposeOfEvent", ())), {})
    entities = tree.get("entity", ())
    touched = [str(entity.get("what", {}).get("reference", "")) for entity in entities]
    codes = [str(coding.get("code", "")) for coding in tree.get("subtype", ())]
    told = (one.get("valueString", "") for entity in entities for one in entity.get("detail", ()) if _tells(one))
    return AuditRow(
        requestor=str(asking.get("reference") or asking.get("identifier", {}).get("value", "")),
        practitioners=tuple(one for one in references if one.startswith("Practitioner/")),
        software=next(filter(None, identifiers), ""),
        purpose=_purposed(purpose),
        reason=purpose.get("text", ""),
        patients=tuple(one.removeprefix("Patient/") for one in touched if _is_patient(one)),
        recorded=str(tree.get("recorded", "")),
        name=str(agent.get("name", "")),
        profession=next(
            (str(c["display"]) for r in agent.get("role", ()) for c in r.get("coding", ()) if "display" in c), ""
        ),
        organization=next((str(one.get("name", "")) for one in entities if _code(one) == _ORGANIZATION), ""),
        interaction=next(filter(None, (*told, *(code for code in codes if code != OVERRIDE.code))), ""),
        objects=tuple(
            dict.fromkeys(
                reference.partition("/_history/")[0]
                for reference, entity in zip(touched, entities, strict=True)
                if _code(entity) != _ORGANIZATION and reference and not _is_patient(reference)
            )
        ),
        named=next(
            (name for one in entities if (name := str(one.get("name", "")))[:1].isupper() and "what" not in one), ""
        ),
        emergency=OVERRIDE.code in codes or _purposed(purpose) in EMERGENCIES,
        refused=tree.get("outcome", "0") != "0",
    )


_NOBODY: Mapping[str, Any] = {}
#: Code of http://terminology.hl7.org/CodeSystem/audit-entity-type.
_ORGANIZATION = "3"


def _code(entity: Mapping[str, Any]) -> str:
    return str(entity.get("type", {}).get("code", ""))


def _tells(detail: Mapping[str, Any]) -> bool:
    return detail.get("type") == INTERACTION


def _purposed(purpose: Mapping[str, Any]) -> str:
    return next((str(coding.get("code", "")) for coding in purpose.get("coding", ())), "")


def _is_patient(reference: str) -> bool:
    # What was read of it is named with its version; whom it is about, without.
    return reference.startswith("Patient/") and reference.count("/") == 1
