"""Who consulted the documents of a person: the AuditEvents that such a server leaves, emergencies among them.

Of the documents fed in 2023 about one in sixteen was opened by the person, and professionals consult less than that
(published figures: 14.3 of 231 millions); how often records are opened in an emergency is not published.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from random import Random
from typing import Any

from fhir_server.access.grant import Purpose
from fhir_server.access.party import Named, Party
from fhir_server.audit import kinds
from fhir_server.audit.audit_event import Event, named, organization, patient, resource, to_audit_event
from fhir_server.audit.exchanges import INTERACTION
from fhir_server.population.codes import ID_NAT_PS, ID_NAT_ST, OWN, PROFESSION
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
    purpose: Purpose = "BTG" if row["purpose"] == "BTG" else "ETREAT"
    who = rng.choice(district.of(["hospital"]))
    at = _after(world, rng, sheets[-1])
    for number, sheet in enumerate(sheets[-3:]):
        moment = at + timedelta(minutes=2 * number)
        yield _event(own, sheet, moment, f"Practitioner/{who.id}", who, _SOFTWARE, purpose, row["reason"])


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
    purpose: Purpose = "TREAT",
    reason: str | None = None,
) -> dict[str, Any]:
    emergency = purpose in ("BTG", "ETREAT")
    entities = [resource(f"DocumentReference/{sheet['id']}/_history/1"), patient(own)]
    if emergency:
        entities.append(named(INTERACTION, ["read"]))
    party = _party(who) if who is not None else None
    if party is not None and party.organization is not None:
        entities.append(organization(party.organization))
    return to_audit_event(
        Event(
            kinds.interaction("read", emergency=emergency),
            f"{OWN}/fhir",
            subject=subject,
            party=party,
            client=client,
            purpose=purpose,
            reason=reason,
            entities=entities,
            at=at.replace(microsecond=0),
        )
    )


def _party(who: Professional) -> Party:
    place = who.structure
    return Party(
        Named(f"Practitioner/{who.id}", who.title, (ID_NAT_PS, who.id_nat)),
        (PROFESSION, who.row["profession"], who.row["profession_label"]),
        Named(f"Organization/{place.id}", place.name, (ID_NAT_ST, "1" + place.finess)),
    )
