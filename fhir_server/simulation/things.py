"""The resources of what happens: documents, traces, messages and pairings, each a pure function of the draw.

A document is its sheet alone, as software files one whose content stays where it is: content of a million invented
papers would say nothing more of the nation. Everybody in them is invented (INS of the demonstration's OID).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from random import Random
from typing import Any

from fhir_server.access.grant import Grant, Purpose
from fhir_server.access.touched import Touched
from fhir_server.audit.exchanges import exchange_event
from fhir_server.fhir.nos import CLASS, FACILITY, NON_PROFESSIONAL, VISIBILITY
from fhir_server.population.apps import agreed, shared
from fhir_server.population.codes import OWN, concept, reference
from fhir_server.population.districts import District, Structure
from fhir_server.population.exchanges import conversation
from fhir_server.population.tables import documents, rows
from fhir_server.population.world import PARIS
from fhir_server.simulation.course import days_of, first_day
from fhir_server.simulation.fates import Fate, Nation
from fhir_server.simulation.months import Filed, Month

#: Of a thousand documents of professionals, those that they mask from others at the patient's wish.
MASKED = 30
#: Of a thousand records that professionals open, those in an emergency.
EMERGENCIES = 4
_MASKED = concept(VISIBILITY, "MASQUE_PS", "Masqué aux professionnels de santé")
#: Sector without a professional → where its documents come from.
_PLACES = {
    "patient": concept(NON_PROFESSIONAL, "EXP_PATIENT", "Expression personnelle du patient"),
    "app": concept(NON_PROFESSIONAL, "SNR", "Service numérique référencé"),
    "insurance": concept(FACILITY, "SA24", "Organisme de sécurité sociale"),
}


def sheet(world: Nation, rng: Random, month: int, filed: Filed, fate: Fate) -> dict[str, Any]:
    """The DocumentReference of a document."""
    kind = documents(filed.sector).draw(rng)
    place = _PLACES.get(filed.sector)
    by: dict[str, Any] = reference("Patient", world.id("pat", filed.whose))
    if place is None:
        structure = _structure(rng, filed.sector, fate.district)
        place = concept(FACILITY, structure.row["facility"], structure.row["facility_label"])
        by = reference("Organization", structure.id)
    when = _instant(rng, month, filed.sector)
    masked = filed.sector not in _PLACES and rng.random() * 1000 < MASKED
    return {
        "resourceType": "DocumentReference",
        "id": filed.id(world, month),
        "status": "current",
        "type": concept(kind["system"], kind["code"], kind["label"]),
        "category": [{"coding": [{"system": CLASS, "code": kind["class"]}]}],
        "subject": reference("Patient", world.id("pat", filed.whose)),
        "date": when,
        **({} if filed.sector in ("insurance", "app") else {"author": [by]}),
        **({"securityLabel": [_MASKED]} if masked else {}),
        "content": [{"attachment": {"contentType": "application/pdf"}}],
        "context": {"facilityType": place},
    }


def _structure(rng: Random, sector: str, district: District) -> Structure:
    kinds = next(row["structures"] for row in rows("sectors") if row["sector"] == sector).split("|")
    return district.structures[kinds[rng.randrange(len(kinds))]]


def _instant(rng: Random, month: int, sector: str) -> str:
    """A moment of the month in Paris, mostly of a workday; laboratories send from 17 to 20 h."""
    first = first_day(month)
    day = first.replace(day=rng.randint(1, days_of(month)))
    if day.weekday() > 4 and rng.random() > 0.08:
        day = day.replace(day=max(1, day.day - 2))
    minutes = rng.randrange(17 * 60, 20 * 60) if sector == "biology" else rng.randrange(8 * 60, 19 * 60)
    return datetime.combine(day, time(*divmod(minutes, 60)), PARIS).isoformat()


def talk(world: Nation, rng: Random, month: Month, fates: Sequence[Fate]) -> Iterator[dict[str, Any]]:
    """The messages of a month, each with its answer where there is one, and the Consents of pairings."""
    first, last = first_day(month.number), first_day(month.number).replace(day=28)
    for order, whose in enumerate(month.written, 1):
        fate = fates[whose - 1]
        doctors = fate.district.of(["health-house", "practice"])
        doctor = doctors[rng.randrange(len(doctors))]
        words = rows("messages")[rng.randrange(len(rows("messages")))]
        days = (first + timedelta(days=rng.randrange(24)), last)
        number = month.number * 100_000 + order
        yield from conversation(world, rng, fate.person, doctor, words, number, days, rng.choice((1, 2, 2, 3)))
    apps = shared(world)
    for whose, app in month.paired:
        when = datetime.combine(first + timedelta(days=rng.randrange(28)), time(20, rng.randrange(60)), PARIS)
        yield from agreed(world, fates[whose - 1].person, apps[app], when)


def traces(world: Nation, rng: Random, month: Month, fates: Sequence[Fate]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Id and content of the AuditEvent of each exchange that opened something, as the server itself leaves them."""
    for order, (whose, document, day) in enumerate(month.visits, 1):
        own = f"Patient/{world.id('pat', whose)}"
        grant = Grant(subject=own, client="ens-web", purpose="PATRQT")
        yield world.id("visit", month.number, order), _trace(rng, month, grant, own, document, day)
    for order, (whose, document) in enumerate(month.read, 1):
        there = fates[whose - 1].district.of(["health-house", "practice", "hospital"])
        who = there[rng.randrange(len(there))]
        purpose, reason = _purpose(rng)
        grant = Grant(subject=f"Practitioner/{who.id}", client="logiciel-de-cabinet", purpose=purpose, reason=reason)
        own = f"Patient/{world.id('pat', whose)}"
        day = rng.randint(1, days_of(month.number))
        yield world.id("read", month.number, order), _trace(rng, month, grant, own, document, day)


def _purpose(rng: Random) -> tuple[Purpose, str | None]:
    """Why a professional opens a record, with the reason in words where it is an emergency."""
    if rng.random() * 1000 >= EMERGENCIES:
        return "TREAT", None
    reasons = rows("emergency-reasons")
    row = reasons[rng.randrange(len(reasons))]
    return ("ETREAT" if row["purpose"] == "ETREAT" else "BTG"), row["reason"]


def _trace(rng: Random, month: Month, grant: Grant, own: str, document: str, day: int) -> dict[str, Any]:
    at = datetime.combine(first_day(month.number).replace(day=day), time(rng.randint(7, 20), rng.randrange(60)), UTC)
    touched = Touched(True)
    touched.objects[f"DocumentReference/{document}/_history/1"] = ()
    touched.patients[own] = None
    return exchange_event(grant, touched, "read", "DocumentReference", 200, f"{OWN}/fhir", at=at)
