"""What people chose of their record: whom they blocked or authorised, what emergencies may open.

CSP R1111-47 to R1111-49. How many choose is a row of `seed/record-choices.csv`: nothing is published of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

from fhir_server.population.codes import OWN, coding, concept, reference
from fhir_server.population.districts import District, Professional
from fhir_server.population.people import MAJORITY_YEARS, Person
from fhir_server.population.tables import rows
from fhir_server.population.world import World


def record_choices(world: World, person: Person, district: District) -> Iterator[dict[str, Any]]:
    """The choices of a grown person whose space is open; none of anybody else."""
    if not person.activated or person.died or person.age(world.day) < MAJORITY_YEARS:
        return
    rng = world.rng("choices", person.number)
    patient = world.id("pat", person.number)
    for row in rows("record-choices"):
        if rng.random() * 100 >= float(row["share"]):
            continue
        whom = rng.choice(district.professionals)
        when = datetime.combine(world.day - timedelta(days=rng.randint(3, 500)), time(rng.randint(7, 21)), UTC)
        yield _consent(row, patient, whom if row["about"] else None, when.isoformat(timespec="seconds"))


def _consent(row: dict[str, str], patient: str, whom: Professional | None, when: str) -> dict[str, Any]:
    """As the server keeps choices (`space/record/choices.py`): under the profile ens-record-choice, by the holder."""
    about = f"Practitioner/{whom.id}" if whom is not None else ""
    provision: dict[str, Any] = {"type": row["type"], "period": {"start": when}}
    if about:
        role = concept(_PARTICIPATION, "IRCP", "information recipient")
        provision["actor"] = [{"role": role, "reference": {"reference": about}}]
    if row["purpose"]:
        provision["purpose"] = [{"system": _REASON, "code": row["purpose"]}]
    return {
        "resourceType": "Consent",
        "id": hashlib.sha256("\n".join((patient, row["kind"], about)).encode()).hexdigest()[:32],
        "meta": {"profile": [f"{OWN}/StructureDefinition/ens-record-choice"]},
        "status": "active",
        "scope": concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy", "Privacy Consent"),
        "category": [{"coding": [coding(f"{OWN}/CodeSystem/ens-consent-kind", row["kind"], row["label"])]}],
        "patient": reference("Patient", patient),
        "dateTime": when,
        "performer": [reference("Patient", patient)],
        "policy": [{"uri": f"{OWN}/policies/record/{row['kind']}"}],
        "provision": provision,
    }


_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
