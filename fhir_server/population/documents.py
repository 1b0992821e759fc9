"""A person's documents: sheet (DocumentReference), content (PDF or CDA, in a Binary) and lot (SubmissionSet, a List).

In the shape of the national guide for sharing documents (PDSm 3.1.1, a profile of IHE MHD): author, patient and
custodian contained, one content, SHA-1 and size of the very bytes. Sectors and types follow the published shares
(`seed/`).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from fhir_server.fhir.nos import CLASS, CONFIDENTIALITY, FACILITY, IHE_FORMAT, NON_PROFESSIONAL, PRACTICE, VISIBILITY
from fhir_server.population.cda import Told, cda, format_of, is_cda
from fhir_server.population.codes import ID_NAT_PS, ID_NAT_ST, INS_DEMO, MHD, OWN, PDSM, URI, coding, concept, reference
from fhir_server.population.districts import District, Professional
from fhir_server.population.papers import paper
from fhir_server.population.people import MAJORITY_YEARS, Person
from fhir_server.population.tables import documents, lines, wheel
from fhir_server.population.world import World, instant, unique, unique_oid, workday
from fhir_server.space.record.invisible import a_month_after, is_invisible, saying

#: How far back documents go, in days.
DEPTH = 1095
#: The author of a sheet and its lot, by sector without a professional: (code, words) of TRE_A00 or of the insurance.
OTHERS = {
    "patient": (NON_PROFESSIONAL, "EXP_PATIENT", "Expression personnelle du patient"),
    "app": (NON_PROFESSIONAL, "SNR", "Service numérique référencé"),
}
INSURANCE = (FACILITY, "SA24", "Organisme de sécurité sociale")
INSURANCE_PRACTICE = (PRACTICE, "AMO", "Organisme d'assurance maladie obligatoire")


@dataclass(slots=True)
class Draft:
    """What is decided of a document before it is written: numbers within the person, kind, day, author, visibility.

    `series` is what all editions of a CDA document share; "" of a PDF.
    """

    order: int
    sector: str
    kind: dict[str, str]
    day: date
    minutes: int
    author: Professional | None
    labels: list[tuple[str, str, str]]
    replaced: bool = False
    series: str = ""


def record(world: World, person: Person, district: District) -> Iterator[dict[str, Any]]:
    """Every document of a person with its content and lot, oldest first."""
    rng = world.rng("record", person.number)
    drafts = sorted(_drafts(world, rng, person, district), key=lambda draft: (draft.day, draft.order))
    for draft in drafts:
        yield from _document(world, rng, person, district, draft)


def how_many(rng: Random, age: int) -> int:
    """Documents a person of that age has: none for three in ten of the young, more with years."""
    if rng.random() < max(0.05, 0.32 - age / 250):
        return 0
    return 1 + int(rng.expovariate(1 / (2.2 + age / 14)))


def month(world: World, person: Person, district: District) -> Iterator[dict[str, Any]]:
    """What is filed for a living person in the month that ends with the day of `world`, later than `record` goes."""
    last = world.day
    rng = world.rng("month", person.number, f"{last:%Y-%m}")
    for number in range(1, 1 + int(rng.expovariate(1 / (0.5 + person.age(last) / 80)))):
        order = last.year * 10_000 + last.month * 100 + min(number, 99)
        draft = _drafted(world, rng, person, district, order, lambda sector: _within(rng, sector, last))
        if draft is not None and not person.died:
            yield from _document(world, rng, person, district, draft)


def _within(rng: Random, sector: str, last: date) -> date:
    day = last.replace(day=rng.randint(1, last.day))
    return day if sector in ("hospital", "patient", "app") else last.replace(day=max(1, workday(day).day))


def _drafts(world: World, rng: Random, person: Person, district: District) -> Iterator[Draft]:
    for order in range(1, 1 + min(80, how_many(rng, person.age(world.day)))):
        draft = _drafted(world, rng, person, district, order, lambda sector: _day(world, rng, person, sector))
        if draft is not None:
            yield draft


def _drafted(
    world: World, rng: Random, person: Person, district: District, order: int, day_of: Callable[[str], date]
) -> Draft | None:
    sector = wheel("sectors", "share").draw(rng)
    if sector["sector"] in OTHERS and not person.activated:
        return None  # Only the holder of an activated space, or an app he paired, can add documents himself.
    if sector["sector"] == "care-home" and person.age(world.day) < 75:
        return None
    kind = documents(sector["sector"]).draw(rng)
    day = day_of(sector["sector"])
    there = district.of(sector["structures"].split("|"), kind["specialty"]) if sector["structures"] else []
    author = there[rng.randrange(len(there))] if there else None
    draft = Draft(order, sector["sector"], kind, day, _minutes(rng, sector["sector"]), author, [])
    draft.labels = list(_labels(rng, draft, person))
    draft.replaced = author is not None and rng.random() < 0.04
    draft.series = unique(rng) if author is not None and is_cda(rng, kind["code"]) else ""
    return draft


def _day(world: World, rng: Random, person: Person, sector: str) -> date:
    # Feeding grows by about 40 % a year: recent days weigh more.
    last = person.died or world.day
    youngest = max(1, min(DEPTH, (last - person.born).days))
    day = last - timedelta(days=1 + int(youngest * rng.random() ** 1.5))
    day = max(day, person.born)
    return day if sector in ("hospital", "patient", "app") or rng.random() < 0.08 else max(workday(day), person.born)


def _minutes(rng: Random, sector: str) -> int:
    # Laboratories send in the evening, 17 h to 20 h.
    return rng.randrange(17 * 60, 20 * 60) if sector == "biology" else rng.randrange(8 * 60, 19 * 60)


def _labels(rng: Random, draft: Draft, person: Person) -> Iterator[tuple[str, str, str]]:
    draw = rng.random()
    if draw < 0.03:
        yield VISIBILITY, "MASQUE_PS", "Masqué aux professionnels de santé"
    elif draw < 0.04 and draft.author:
        yield VISIBILITY, "INVISIBLE_PATIENT", "Non visible par le patient"
    elif draw < 0.12 and draft.author and 12 <= person.age(draft.day) < MAJORITY_YEARS:
        yield VISIBILITY, "INVISIBLE_REPRESENTANTS_LEGAUX", "Non visible par les représentants légaux du patient"
    else:
        yield CONFIDENTIALITY, "N", "Normal"


def _labelled(label: tuple[str, str, str], when: str) -> dict[str, Any]:
    """A label; one that hides a document from its patient says until when: a month from its being filed."""
    made = concept(*label)
    if not is_invisible(made):
        return made
    seen = a_month_after(datetime.fromisoformat(when)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return saying(made, seen)


def _document(world: World, rng: Random, person: Person, district: District, draft: Draft) -> Iterator[dict[str, Any]]:
    first = _sheet(world, rng, person, district, draft, 1)
    if draft.replaced:
        first[0]["status"] = "superseded"
    yield from first
    if draft.replaced:
        draft.day = min(draft.day + timedelta(days=rng.randint(1, 20)), world.day)
        second = _sheet(world, rng, person, district, draft, 2)
        target = reference("DocumentReference", first[0]["id"])
        second[0]["relatesTo"] = [{"code": "replaces", "target": target}]
        yield from second


def _sheet(
    world: World, rng: Random, person: Person, district: District, draft: Draft, edition: int
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    id = world.id("doc", person.number, draft.order, edition)
    binary = world.id("bin", person.number, draft.order, edition)
    master = unique(rng)
    kind, day = draft.kind, draft.day
    hour, minute = divmod(draft.minutes, 60)
    when = instant(day, hour, minute)
    body, content_type, format = _body(rng, person, draft, edition, master, when)
    facility, practice = _setting(draft)
    title = f"{kind['label'][:37].rstrip()} {day:%d/%m/%Y}"
    subject = reference("Patient", world.id("pat", person.number))
    sheet = {
        "resourceType": "DocumentReference",
        "id": id,
        "meta": {"profile": [f"{PDSM}/pdsm-comprehensive-document-reference"]},
        "contained": _contained(person, draft, district),
        "masterIdentifier": {"system": URI, "value": master},
        "identifier": [{"system": URI, "value": unique(rng)}],
        "status": "current",
        "type": concept(kind["system"], kind["code"], kind["label"]),
        "category": [concept(CLASS, kind["class"], kind["class_label"])],
        "subject": subject,
        "date": when,
        "author": [{"reference": "#author" if draft.sector != "patient" else "#patient"}],
        "custodian": {"reference": "#custodian"},
        "securityLabel": [_labelled(label, when) for label in draft.labels],
        "content": [
            {
                "attachment": {
                    "contentType": content_type,
                    "language": "fr-FR",
                    "url": f"Binary/{binary}",
                    "size": len(body),
                    "hash": base64.b64encode(hashlib.sha1(body, usedforsecurity=False).digest()).decode(),
                    "title": title,
                    "creation": when,
                },
                "format": format,
            }
        ],
        "context": {
            "period": {"start": instant(day, 8, 0)},
            "facilityType": concept(*facility),
            "practiceSetting": concept(*practice),
            "sourcePatientInfo": {"reference": "#patient"},
        },
    }
    if draft.author:
        # ITI-65 has who signed contained, as the author is.
        sheet["authenticator"] = {"reference": "#author"}
    content = {
        "resourceType": "Binary",
        "id": binary,
        "contentType": content_type,
        "securityContext": reference("DocumentReference", id),
        "data": base64.b64encode(body).decode(),
    }
    return sheet, content, _lot(world, rng, person, draft, edition, when, facility)


def _body(
    rng: Random, person: Person, draft: Draft, edition: int, master: str, when: str
) -> tuple[bytes, str, dict[str, str]]:
    """The document itself, its MIME type and its format."""
    kind, format = draft.kind, format_of(draft.kind["code"])
    if not draft.series or draft.author is None or format is None:
        body = paper(kind["label"], lines(kind["class"]), _words(person, draft, master))
        return body, "application/pdf", coding(IHE_FORMAT, "urn:ihe:iti:xds-sd:pdf:2008", _PDF)
    name, series = (one.removeprefix("urn:uuid:") for one in (master, draft.series))
    told = Told(person, draft.author, kind, draft.day, when, name, series, edition)
    return cda(told, rng), "text/xml", format


#: What the nomenclature calls the format of a PDF.
_PDF = "Document à corps non structuré en Pdf/A-1"


def _words(person: Person, draft: Draft, master: str) -> dict[str, str]:
    author = draft.author
    return {
        "patient": f"{person.usual_family.upper()} {person.given[0]}",
        "ins": person.ins,
        "born": person.born.isoformat(),
        "author": author.title if author else OTHERS.get(draft.sector, INSURANCE)[2],
        "place": author.structure.name if author else person.commune["name"],
        "date": draft.day.isoformat(),
        "number": master[9:],
    }


def _setting(draft: Draft) -> tuple[tuple[str, str, str], tuple[str, str, str]]:
    """(facility type, practice setting), each as (system, code, words)."""
    if draft.author:
        row = draft.author.structure.row
        return (FACILITY, row["facility"], row["facility_label"]), (PRACTICE, row["practice"], row["practice_label"])
    if draft.sector in OTHERS:
        return OTHERS[draft.sector], OTHERS[draft.sector]
    return INSURANCE, INSURANCE_PRACTICE


def _contained(person: Person, draft: Draft, district: District) -> list[dict[str, Any]]:
    found = [
        {
            "resourceType": "Patient",
            "id": "patient",
            "identifier": [{"use": "official", "system": INS_DEMO, "value": person.ins}],
            "name": [{"use": "official", "family": person.birth_family.upper(), "given": [person.given[0]]}],
            "gender": person.gender,
            "birthDate": person.born.isoformat(),
        },
        _custodian(draft, district),
    ]
    if draft.author:
        found.append(
            {
                "resourceType": "Practitioner",
                "id": "author",
                "identifier": [{"system": ID_NAT_PS, "value": draft.author.id_nat}],
                "name": [{"family": draft.author.family.upper(), "given": [draft.author.given]}],
            }
        )
    elif draft.sector != "patient":
        name = "Assurance maladie" if draft.sector == "insurance" else "Service numérique référencé"
        found.append(
            {
                "resourceType": "Device",
                "id": "author",
                "identifier": [{"system": f"{OWN}/systems", "value": draft.sector}],
                "deviceName": [{"name": name, "type": "user-friendly-name"}],
            }
        )
    return found


def _custodian(draft: Draft, district: District) -> dict[str, Any]:
    structure = draft.author.structure if draft.author else district.structures["health-house"]
    return {
        "resourceType": "Organization",
        "id": "custodian",
        "identifier": [{"system": ID_NAT_ST, "value": "1" + structure.finess}],
        "name": structure.name,
    }


def _lot(
    world: World,
    rng: Random,
    person: Person,
    draft: Draft,
    edition: int,
    when: str,
    facility: tuple[str, str, str],
) -> dict[str, Any]:
    subject = reference("Patient", world.id("pat", person.number))
    return {
        "resourceType": "List",
        "id": world.id("lot", person.number, draft.order, edition),
        "meta": {"profile": [f"{PDSM}/pdsm-submissionset-comprehensive"]},
        "contained": [_source(person, draft)],
        "extension": [
            {"url": f"{MHD}/StructureDefinition/ihe-designationType", "valueCodeableConcept": concept(*facility)},
            {
                "url": f"{MHD}/StructureDefinition/ihe-sourceId",
                "valueIdentifier": {"system": URI, "value": f"urn:oid:1.2.250.1.213.9999.{world.seed}"},
            },
        ],
        "identifier": [
            {"use": "usual", "system": URI, "value": unique_oid(rng)},
            {"use": "official", "system": URI, "value": unique(rng)},
        ],
        "status": "current",
        "mode": "working",
        "title": f"Lot du {draft.day:%d/%m/%Y}",
        "code": {"coding": [{"system": f"{MHD}/CodeSystem/MHDlistTypes", "code": "submissionset"}]},
        "subject": subject,
        "date": when,
        "source": {"reference": "#source"},
        "entry": [
            {"item": reference("DocumentReference", world.id("doc", person.number, draft.order, edition))},
        ],
    }


def _source(person: Person, draft: Draft) -> dict[str, Any]:
    if draft.author:
        return {
            "resourceType": "PractitionerRole",
            "id": "source",
            "practitioner": reference("Practitioner", draft.author.id),
            "organization": reference("Organization", draft.author.structure.id),
        }
    if draft.sector == "patient":
        return {
            "resourceType": "Patient",
            "id": "source",
            "identifier": [{"use": "official", "system": INS_DEMO, "value": person.ins}],
        }
    return {
        "resourceType": "Device",
        "id": "source",
        "identifier": [{"system": f"{OWN}/systems", "value": draft.sector}],
    }
