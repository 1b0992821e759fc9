"""A simulated store, and all that stands in it but when it was written."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.simulation.course import month_number
from fhir_server.simulation.journal import Standing
from fhir_server.simulation.running import simulated
from fhir_server.simulation.years import Done
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.protocol import Position, Sort

FIRST = month_number("2021-07")
_WHEN = re.compile(rb'"lastUpdated":"[^"]*"')
TYPES = ("Patient", "Basic", "DocumentReference", "AuditEvent", "Communication", "Consent", "Organization")


def wanted(scale: float, random_seed: int = 1) -> Standing:
    return Standing(random_seed, scale, FIRST, FIRST)


async def lived(house: House, scale: float, last: str, random_seed: int = 1) -> Done:
    return await simulated(house, wanted(scale, random_seed), month_number(last), 1, lambda month, phase: None)


async def lived_in(folder: Path, scale: float, last: str, random_seed: int = 1) -> Done:
    async with opened(Settings(data=folder)) as house:
        return await lived(house, scale, last, random_seed)


async def facts(house: House) -> dict[str, str]:
    """Resource → its number of versions and the digest of its bytes, without when they were written."""
    found: dict[str, str] = {}
    for type in TYPES:
        after: Position | None = None
        while True:
            page = await house.services.repository().find({type: EVERYTHING}, (Sort("_id", "own"),), after, 500)
            for one in page.versions:
                body = hashlib.sha256(_WHEN.sub(b"", one.body)).hexdigest()
                found[f"{type}/{one.id}"] = f"{one.version} {body}"
            after = page.next
            if after is None:
                break
    return found


async def facts_in(folder: Path) -> dict[str, str]:
    async with opened(Settings(data=folder)) as house:
        return await facts(house)


def kinds(found: dict[str, str]) -> Counter[str]:
    return Counter(name.partition("/")[0] for name in found)
