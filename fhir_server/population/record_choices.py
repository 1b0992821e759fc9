"""What people chose of their record: whom they blocked or authorised, what emergencies may open.

CSP R1111-47 to R1111-49. How many choose is a row of `seed/record-choices.csv`: nothing is published of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any, get_args

from fhir_server.population.districts import District
from fhir_server.population.people import MAJORITY_YEARS, Person
from fhir_server.population.tables import rows
from fhir_server.population.world import World
from fhir_server.space.record.choices import Choice, Kind, to_consent


def record_choices(world: World, person: Person, district: District) -> Iterator[dict[str, Any]]:
    """The choices of a grown person whose space is open; none of anybody else."""
    if not person.activated or person.died or person.age(world.day) < MAJORITY_YEARS:
        return
    rng = world.rng("choices", person.number)
    patient = world.id("pat", person.number)
    for row in rows("record-choices"):
        if rng.random() * 100 >= float(row["share"]):
            continue
        kind: Kind = next(one for one in get_args(Kind) if one == row["kind"])
        whom = rng.choice(district.professionals)
        about = f"Practitioner/{whom.id}" if row["about"] else ""
        when = datetime.combine(world.day - timedelta(days=rng.randint(3, 500)), time(rng.randint(7, 21)), UTC)
        yield to_consent(Choice(patient, kind, about, True, when, f"Patient/{patient}"))
