"""The catalogue: publishers, referenced apps in each of the five statuses, and people's consents to share with them.

No national profile says how an app is a Device: the extension and code system here are this project's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from fhir_server.space.population.codes import CLASS, LOINC, OWN, coding, concept, reference
from fhir_server.space.population.people import Person
from fhir_server.space.population.tables import rows
from fhir_server.space.population.world import World, instant

STATUS = f"{OWN}/CodeSystem/app-status"
FINALITY = f"{OWN}/CodeSystem/finality"
#: Status of the national catalogue → words, and Device.status.
STATUSES = {
    "EN_LIGNE": ("En ligne", "active"),
    "HORS_LIGNE": ("Hors ligne", "inactive"),
    "PRESERIE": ("Présérie", "active"),
    "SUSPENDUE": ("Suspendue", "inactive"),
    "DEREFERENCEE": ("Déréférencée", "inactive"),
}
SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
CATEGORY = "http://terminology.hl7.org/CodeSystem/consentcategorycodes"
ACTION = "http://terminology.hl7.org/CodeSystem/consentaction"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"


def apps(world: World) -> Iterator[dict[str, Any]]:
    """Each publisher's Organization, then each app's Device."""
    for name, id in _publishers(world).items():
        yield {"resourceType": "Organization", "id": id, "active": True, "name": name}
    for number, row in enumerate(rows("apps"), 1):
        yield _device(world, row, number)


def writers(world: World) -> dict[str, str]:
    """Measure code → id of the app on line that writes it."""
    return {
        row["category"]: world.id("dev", number)
        for number, row in enumerate(rows("apps"), 1)
        if row["action"] == "write" and row["status"] == "EN_LIGNE"
    }


def _publishers(world: World) -> dict[str, str]:
    names = dict.fromkeys(row["publisher"] for row in rows("apps"))
    return {name: world.id("pub", order) for order, name in enumerate(names, 1)}


def _device(world: World, row: dict[str, str], number: int) -> dict[str, Any]:
    words, status = STATUSES[row["status"]]
    found: dict[str, Any] = {
        "resourceType": "Device",
        "id": world.id("dev", number),
        "extension": [
            {
                "url": f"{OWN}/StructureDefinition/reference-status",
                "valueCoding": coding(STATUS, row["status"], words),
            },
            {
                "url": f"{OWN}/StructureDefinition/finality",
                "extension": [
                    {"url": "code", "valueCoding": coding(FINALITY, row["finality"], row["finality_label"])},
                    {"url": "action", "valueCode": row["action"]},
                ],
            },
        ],
        "identifier": [{"system": f"{OWN}/clients", "value": f"{row['finality']}-{number}"}],
        "status": status,
        "deviceName": [{"name": row["name"], "type": "user-friendly-name"}],
        "version": [{"value": row["version"]}],
        "owner": reference("Organization", _publishers(world)[row["publisher"]]),
        "url": f"https://{row['finality']}.example/",
    }
    if row["retired"]:
        found["expirationDate"] = row["retired"]
    return found


def consents(world: World, person: Person) -> Iterator[dict[str, Any]]:
    """What a person with an activated space let apps do, one Consent for each purpose; some withdrawn since."""
    rng = world.rng("consents", person.number)
    if not person.activated:
        return
    for number, row in enumerate(rows("apps"), 1):
        if row["status"] in ("EN_LIGNE", "SUSPENDUE") and rng.random() < 0.12:
            since = world.day - timedelta(days=rng.randint(10, 700))
            yield _consent(world, person, row, number, instant(since, 20, rng.randrange(60)), rng.random() < 0.15)


def _consent(
    world: World, person: Person, row: dict[str, str], number: int, when: str, withdrawn: bool
) -> dict[str, Any]:
    holder = reference("Patient", world.id("pat", person.number))
    provision: dict[str, Any] = {
        "type": "permit",
        "period": {"start": when},
        "actor": [
            {
                "role": concept(PARTICIPATION, "IRCP", "information recipient"),
                "reference": reference("Device", world.id("dev", number)),
            }
        ],
        "action": [
            concept(ACTION, "collect", "Collect") if row["action"] == "write" else concept(ACTION, "access", "Access")
        ],
        "purpose": [coding(FINALITY, row["finality"], row["finality_label"])],
    }
    if row["category"]:
        system = LOINC if row["action"] == "write" else CLASS
        provision["code"] = [{"coding": [{"system": system, "code": row["category"]}]}]
    return {
        "resourceType": "Consent",
        "id": world.id("con", person.number, number),
        "identifier": [{"system": f"{OWN}/consents", "value": world.id("con", person.number, number)}],
        "status": "inactive" if withdrawn else "active",
        "scope": concept(SCOPE, "patient-privacy", "Privacy Consent"),
        "category": [concept(CATEGORY, "infa", "Information Access")],
        "patient": holder,
        "dateTime": when,
        "performer": [holder],
        "policy": [{"uri": f"{OWN}/policies/{row['finality']}"}],
        "provision": provision,
    }
