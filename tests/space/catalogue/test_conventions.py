"""An app whose convention has ended is no more in the catalogue that everybody reads. CSP R1111-38, R1111-39."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from fhir_server.app import House, opened
from fhir_server.fhir.json import parse
from fhir_server.settings import Settings
from fhir_server.space.catalogue.apps import App, from_device
from fhir_server.space.catalogue.opening import of
from fhir_server.space.catalogue.reach import ON_LINE

TODAY = datetime.now(UTC).date()
LAST = TODAY + timedelta(days=30)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path, base_url="https://fhir.example/fhir")) as found:
        yield found


async def an_app(house: House, id: str, end: date | None) -> App:
    app = App(id, id, "Carnet", "Organization/alize", "1", "EN_LIGNE", convention_end=end)
    await of(house.services).catalogue.save(app)
    return app


async def found(house: House, days: int) -> list[str]:
    """Ids of the apps that anybody finds, when the jobs are run that many days from now."""
    await house.clock(lambda: datetime.now(UTC) + timedelta(days=days)).run()
    page = await house.repository(house.services.public).find({"Device": ON_LINE})
    return sorted(version.id for version in page.versions)


#: Days from now → the apps found then, of one whose convention ends in 30 days and one without an end.
DAYS = [(0, ["ends", "stays"]), (30, ["ends", "stays"]), (31, ["stays"])]


@pytest.mark.parametrize(("days", "expected"), DAYS)
async def test_an_app_is_found_until_the_last_day_of_its_convention(
    house: House, days: int, expected: list[str]
) -> None:
    await an_app(house, "ends", LAST)
    await an_app(house, "stays", None)
    assert await found(house, days) == expected


async def test_the_app_keeps_its_status_and_comes_back_with_a_new_convention(house: House) -> None:
    await an_app(house, "ends", LAST)
    assert await found(house, 31) == []
    version = await house.repository().current("Device", "ends")
    assert version is not None and from_device(parse(version.body)).status == "EN_LIGNE"
    await an_app(house, "ends", LAST + timedelta(days=365))
    assert await found(house, 33) == ["ends"]


async def test_an_app_saved_after_its_convention_ended_is_found_by_nobody(house: House) -> None:
    await an_app(house, "ends", TODAY - timedelta(days=1))
    assert await found(house, 0) == []
