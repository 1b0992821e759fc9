"""Who consulted the documents of a person: the AuditEvents that such a server leaves, emergencies among them.

Of the documents fed in 2023 about one in sixteen was opened by the person, and professionals consult less than that
(published figures: 14.3 of 231 millions); how often records are opened in an emergency is not published.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from random import Random
from typing import Any

from fhir_server.fhir.nos import PROFESSION
from fhir_server.population.codes import ID_NAT_PS, ID_NAT_ST, OWN, coding
from fhir_server.population.districts import District, Professional
from fhir_server.population.people import Person
from fhir_server.population.tables import rows
from fhir_server.population.world import World

#: Of the documents of somebody whose space is open, those that they open; of everybody's, those that professionals do.
BY_THE_PERSON, BY_PROFESSIONALS = 0.062, 0.03
#: Of people with documents, those whose record was opened in an emergency.
EMERGENCIES = 0.004
#: The software of the patient's pages, and of professionals.
_PAGES, _SOFTWARE = "ens-web", "logiciel-de-cabinet"


def traces(
    world: World, person: Person, district: District, sheets: Sequence[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The AuditEvents of readings of `sheets` (DocumentReference), oldest first."""
    rng = world.rng("traces", person.number)
    found = [*_readings(world, rng, person, district, sheets), *_emergency(world, rng, person, district, sheets)]
    for number, event in enumerate(sorted(found, key=lambda one: str(one["recorded"])), 1):
        event["id"] = world.id("trace", person.number, number)
        yield event


def _readings(
    world: World, rng: Random, person: Person, district: District, sheets: Sequence[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    own = f"Patient/{world.id('pat', person.number)}"
    for sheet in sheets:
        at = _after(world, rng, sheet)
        if person.activated and rng.random() < BY_THE_PERSON:
            yield _event(own, sheet, at, own, client=_PAGES, purpose="PATRQT")
        if rng.random() < BY_PROFESSIONALS:
            who = rng.choice(district.of(["health-house", "practice", "hospital"]))
            yield _event(own, sheet, at + timedelta(hours=5), f"Practitioner/{who.id}", who, _SOFTWARE, "TREAT")


def _emergency(
    world: World, rng: Random, person: Person, district: District, sheets: Sequence[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    if not sheets or rng.random() >= EMERGENCIES:
        return
    own = f"Patient/{world.id('pat', person.number)}"
    row = rng.choice(rows("emergency-reasons"))
    who = rng.choice(district.of(["hospital"]))
    at = _after(world, rng, sheets[-1])
    for number, sheet in enumerate(sheets[-3:]):
        moment = at + timedelta(minutes=2 * number)
        yield _event(own, sheet, moment, f"Practitioner/{who.id}", who, _SOFTWARE, row["purpose"], row["reason"])


def _after(world: World, rng: Random, sheet: dict[str, Any]) -> datetime:
    """Some time after a document was filed, and not after today."""
    filed = datetime.fromisoformat(sheet["date"]).astimezone(UTC) + timedelta(hours=1)
    today = datetime.combine(world.day, time(6), UTC)
    return min(filed + timedelta(hours=rng.expovariate(1 / 200)), max(filed, today))


def _event(
    own: str,
    sheet: dict[str, Any],
    at: datetime,
    subject: str,
    who: Professional | None = None,
    client: str = "",
    purpose: str = "TREAT",
    reason: str = "",
) -> dict[str, Any]:
    """As the server tells of a reading (`audit/audit_event.py`): the person and the software, then what it was of."""
    emergency = purpose in ("BTG", "ETREAT")
    when = at.replace(microsecond=0).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    entities: list[dict[str, Any]] = [
        {"what": {"reference": f"DocumentReference/{sheet['id']}/_history/1"}, **_of(_OBJECT)},
        {"what": {"reference": own}, **_of(_PERSON), "role": coding(_ROLES, "1", "Patient")},
    ]
    if emergency:
        # Its one subtype says that it was one: what was done is told here.
        done = {"type": "interaction", "valueString": "read"}
        entities.append({**_of(_OBJECT), "name": "interaction", "detail": [done]})
    person: dict[str, Any] = {"who": {"reference": subject}}
    if who is not None:
        place = who.structure
        held = _identified(f"Organization/{place.id}", ID_NAT_ST, "1" + place.finess)
        entities.append(
            {"what": held, **_of(_ORGANIZATION), "role": {"system": _ROLES, "code": "15"}, "name": place.name}
        )
        person = {
            "role": [{"coding": [coding(PROFESSION, who.row["profession"], who.row["profession_label"])]}],
            "who": _identified(subject, ID_NAT_PS, who.id_nat),
            "name": who.title,
        }
    override = coding(_DCM, "110127", "Emergency Override Started")
    return {
        "resourceType": "AuditEvent",
        "type": coding(_TYPES, "rest", "RESTful Operation"),
        "subtype": [override if emergency else {"system": "http://hl7.org/fhir/restful-interaction", "code": "read"}],
        "action": "R",
        "period": {"start": when},
        "recorded": when,
        "outcome": "0",
        "purposeOfEvent": [{"coding": [{"system": _REASON, "code": purpose}], **({"text": reason} if reason else {})}],
        "agent": [{**person, "requestor": True}, {"who": {"identifier": {"value": client}}, "requestor": False}],
        "source": {"observer": {"display": f"{OWN}/fhir"}},
        "entity": entities,
    }


def _identified(reference: str, system: str, value: str) -> dict[str, Any]:
    return {"reference": reference, "identifier": {"system": system, "value": value}}


def _of(code: str) -> dict[str, Any]:
    return {"type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": code}}


_PERSON, _OBJECT, _ORGANIZATION = "1", "2", "3"
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_TYPES = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_ROLES = "http://terminology.hl7.org/CodeSystem/object-role"
_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
