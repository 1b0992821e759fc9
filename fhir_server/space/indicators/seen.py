"""What counts of a resource, read from its JSON: little, since reading the rest takes most of the time.

Of each type `Seen.key` is what its cells are made of (`facts`): few keys are shared by millions of resources. What is
not of R4's form counts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from fhir_server.audit.exchanges import EMERGENCIES, INTERACTION
from fhir_server.audit.kinds import OVERRIDE
from fhir_server.fhir.json import parse
from fhir_server.space.accounts.life import from_basic
from fhir_server.space.indicators import seen_exchanges as exchanges
from fhir_server.space.indicators.calendar import hour, month
from fhir_server.space.record.labels import MASKED

#: Parts of a key: of each type in the order that `facts` takes them.
Key = tuple[str, ...]
_CODE = re.compile(r"[A-Za-z0-9._:-]{1,40}")
#: Code of http://terminology.hl7.org/CodeSystem/audit-entity-type.
_ORGANIZATION = "3"


class Seen(NamedTuple):
    """A resource as it counts.

    Attributes:
        key: first its type.
        whom: those who are counted once, however many of their things there are.
    """

    key: Key
    whom: tuple[str, ...] = ()


class _Coding(msgspec.Struct, frozen=True, gc=False):
    code: str = ""


class _Concept(msgspec.Struct, frozen=True, gc=False):
    coding: list[_Coding] = []

    @property
    def code(self) -> str:
        for one in self.coding:
            if _is_code(one.code):
                return one.code
        return ""


@lru_cache(maxsize=20_000)
def _is_code(text: str) -> bool:
    return _CODE.fullmatch(text) is not None


class _Identifier(msgspec.Struct, frozen=True, gc=False):
    value: str = ""


class _Reference(msgspec.Struct, frozen=True, gc=False):
    reference: str = ""
    identifier: _Identifier | None = None


_NONE, _NOWHERE = _Concept(), _Reference()


class _Contained(msgspec.Struct, frozen=True, gc=False):
    id: str = ""
    # One or several, as its type has it.
    identifier: Any = None


class _Context(msgspec.Struct, frozen=True, gc=False):
    facility: _Concept = msgspec.field(default=_NONE, name="facilityType")


_UNSAID = _Context()


class _Document(msgspec.Struct, frozen=True, gc=False):
    status: str = ""
    type: _Concept = _NONE
    category: list[_Concept] = []
    subject: _Reference = _NOWHERE
    date: str = ""
    labels: list[_Concept] = msgspec.field(default_factory=list, name="securityLabel")
    custodian: _Reference = _NOWHERE
    contained: list[_Contained] = []
    context: _Context = _UNSAID


class _Address(msgspec.Struct, frozen=True, gc=False):
    postal: str = msgspec.field(default="", name="postalCode")


class _Patient(msgspec.Struct, frozen=True, gc=False):
    address: list[_Address] = []
    birth: str = msgspec.field(default="", name="birthDate")
    active: bool = True
    died: bool = msgspec.field(default=False, name="deceasedBoolean")
    death: str = msgspec.field(default="", name="deceasedDateTime")


class _Agent(msgspec.Struct, frozen=True, gc=False):
    who: _Reference = _NOWHERE
    requestor: bool = False
    role: list[_Concept] = []


_NOBODY = _Agent()


class _Detail(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    value: str = msgspec.field(default="", name="valueString")


class _Entity(msgspec.Struct, frozen=True, gc=False):
    what: _Reference = _NOWHERE
    type: _Coding = _Coding()
    detail: list[_Detail] = []


class _Event(msgspec.Struct, frozen=True, gc=False):
    subtype: list[_Coding] = []
    recorded: str = ""
    outcome: str = "0"
    purposes: list[_Concept] = msgspec.field(default_factory=list, name="purposeOfEvent")
    agent: list[_Agent] = []
    entity: list[_Entity] = []


_document = msgspec.json.Decoder(_Document).decode
_patient = msgspec.json.Decoder(_Patient).decode
_event = msgspec.json.Decoder(_Event).decode


def seen(type: str, body: bytes) -> Seen | None:
    """What counts of a resource; None where nothing does, and of a body b""."""
    if not body:
        return None
    try:
        return _OF[type](body)
    except msgspec.DecodeError:
        return None


def _of_document(body: bytes) -> Seen:
    one = _document(body)
    masked = bool(one.labels) and any(coding.code == MASKED for label in one.labels for coding in label.coding)
    category = one.category[0].code if one.category else ""
    key = ("DocumentReference", one.status, one.type.code, category, one.context.facility.code, month(one.date))
    return Seen((*key, "masked" if masked else ""), (one.subject.reference, _house(one.custodian, one.contained)))


def _house(custodian: _Reference, contained: list[_Contained]) -> str:
    """Whose document it is, by its identifier: of the custodian, or of what is contained under its name."""
    if custodian.identifier is not None:
        return custodian.identifier.value
    if not custodian.reference.startswith("#"):
        return custodian.reference
    named = [one for one in contained if f"#{one.id}" == custodian.reference]
    of = (one.identifier for one in named if isinstance(one.identifier, list))
    return next((str(one["value"]) for many in of for one in many if isinstance(one, dict) and "value" in one), "")


def _of_patient(body: bytes) -> Seen:
    one = _patient(body)
    postal = one.address[0].postal if one.address else ""
    state = "deceased" if one.died or one.death else "open" if one.active else "closed"
    return Seen(("Patient", state, _department(postal), one.birth[:4] if one.birth[:4].isdigit() else ""))


def _department(postal: str) -> str:
    """The department of a postal code: three figures overseas, and "20" for Corsica; "" where there is none."""
    if len(postal) != 5 or not (postal.isascii() and postal.isdigit()):
        return ""
    return postal[:3] if postal[:2] in ("97", "98") else postal[:2]


def _of_life(body: bytes) -> Seen | None:
    life = from_basic(parse(body))
    return Seen(("Basic", life.state, month(life.since.isoformat()))) if life is not None else None


def _by_tree(look: Callable[[exchanges.Tree], exchanges.Found]) -> Callable[[bytes], Seen | None]:
    def found(body: bytes) -> Seen | None:
        counts = look(parse(body))
        return Seen(*counts) if counts is not None else None

    return found


def _of_event(body: bytes) -> Seen:
    one = _event(body)
    agent, (deed, emergency), (whom, types, told) = _asking(one.agent), _deed(one), _touched(one.entity)
    requestor = agent.who.reference
    asked, profession = requestor[: requestor.find("/")], agent.role[0].code if agent.role else ""
    refused = "refused" if one.outcome != "0" else ""
    key = ("AuditEvent", told or deed, emergency, refused, asked, profession, hour(one.recorded), *types)
    return Seen(key, (requestor, *whom))


# Of all that is counted most are traces: loops, which take half as long as what would read better.


def _asking(agents: list[_Agent]) -> _Agent:
    for one in agents:
        if one.requestor:
            return one
    return _NOBODY


def _deed(event: _Event) -> tuple[str, str]:
    """What was done, and "emergency" where it was one."""
    deed = emergency = ""
    for coding in event.subtype:
        if coding.code == OVERRIDE.code:
            emergency = "emergency"
        elif not deed:
            deed = coding.code
    if event.purposes and event.purposes[0].code in EMERGENCIES:
        emergency = "emergency"
    return deed, emergency


def _touched(entities: list[_Entity]) -> tuple[list[str], list[str], str]:
    """The patients it is about, the types of what was touched, in order, and what is told to have been done."""
    whom, types, deed = [], [], ""
    for entity in entities:
        said = entity.what.reference
        # What was read of a patient is named with its version; whom it is about, without.
        if said.startswith("Patient/") and said.count("/") == 1:
            whom.append(said)
        elif said and entity.type.code != _ORGANIZATION:
            type = said[: said.find("/")]
            if type not in types:
                types.append(type)
        if entity.detail and not deed:
            deed = _told(entity.detail)
    types.sort()
    return whom, types, deed


def _told(details: list[_Detail]) -> str:
    return next((one.value for one in details if one.type == INTERACTION), "")


#: Types whose resources are counted.
_OF: Mapping[str, Callable[[bytes], Seen | None]] = {
    "DocumentReference": _of_document,
    "Patient": _of_patient,
    "Basic": _of_life,
    "Communication": _by_tree(exchanges.message),
    "Appointment": _by_tree(exchanges.appointment),
    "Consent": _by_tree(exchanges.consent),
    "Device": _by_tree(exchanges.app),
    "Observation": _by_tree(exchanges.measure),
    "AuditEvent": _of_event,
}
TYPES = tuple(_OF)
