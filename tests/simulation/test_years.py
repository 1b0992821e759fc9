"""The years gone through: what is written is what the rules make of it, the same whenever and however often it is run."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fhir_server.app import House, opened
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Conflict, Unavailable
from fhir_server.settings import Settings
from fhir_server.simulation.course import Small, first_day, month_number
from fhir_server.simulation.fates import NEVER, Fate, Nation, fates
from fhir_server.simulation.journal import Journal, Standing
from fhir_server.simulation.running import LEASE
from fhir_server.space.accounts import moving
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.leases import Lease
from tests.server.people import kept
from tests.simulation.stores import FIRST, facts, facts_in, kinds, lived, lived_in, wanted

SCALE, LAST = 400_000.0, "2022-05"


@pytest.fixture(scope="module")
def years(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which some 170 people lived from July 2021 to May 2022."""
    folder = tmp_path_factory.mktemp("years")
    done = asyncio.run(lived_in(folder, SCALE, LAST))
    assert done.refused == []
    return folder


def _state(one: Fate, end: int) -> str:
    """The state in which a space is when a tick is over."""
    ended = [(one.told, "informed"), (one.objects, "opposed"), (one.opens, "open"), (one.activates, "activated")]
    reached = [name for tick, name in [*ended, (one.closes, "closed")] if tick <= end]
    return reached[-1]


async def test_every_space_stands_where_the_table_of_its_life_puts_it(years: Path) -> None:
    last = month_number(LAST)
    decided = fates(Nation(1, first_day(FIRST)), Small(SCALE, FIRST), FIRST, last)
    async with opened(Settings(data=years)) as house:
        own = house.services.repository()
        spaces = await moving.found(own, [f"n1-pat-{one.person.number}" for one in decided])
        states = {one.patient.id: one.state for one in spaces if one is not None}
    assert states == {f"n1-pat-{one.person.number}": _state(one, last * 4 + 3) for one in decided}
    assert {"informed", "opposed", "open", "activated"} <= set(states.values())


async def test_everything_of_a_month_is_there(years: Path) -> None:
    found = kinds(await facts_in(years))
    assert found["DocumentReference"] > 10
    assert all(found[type] for type in ("Patient", "Basic", "AuditEvent", "Organization"))


async def test_run_again_it_changes_nothing(years: Path) -> None:
    before = await facts_in(years)
    done = await lived_in(years, SCALE, LAST)
    assert (done.resources, done.moves, done.traces, done.refused) == (0, 0, 0, [])
    assert await facts_in(years) == before


async def test_the_same_seed_lives_the_same_years(years: Path, tmp_path: Path) -> None:
    await lived_in(tmp_path, SCALE, LAST)
    assert await facts_in(tmp_path) == await facts_in(years)


async def test_lived_in_stages_they_are_the_same(years: Path, tmp_path: Path) -> None:
    for last in ("2021-08", "2022-01", LAST):
        await lived_in(tmp_path, SCALE, last)
    assert await facts_in(tmp_path) == await facts_in(years)


class _Dies(Exception):
    """The process is no more."""


async def test_cut_off_anywhere_it_goes_on_to_the_same(
    years: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after kill -9: each time it dies before it wrote down what was durable already."""
    keep, count = Journal.keep, 0

    async def dying(self: Journal, standing: Standing) -> None:
        nonlocal count
        count += 1
        if count % 7 == 0:
            raise _Dies
        await keep(self, standing)

    monkeypatch.setattr(Journal, "keep", dying)
    deaths = 0
    async with opened(Settings(data=tmp_path)) as house:
        while True:
            try:
                await lived(house, SCALE, LAST)
                break
            except _Dies:
                deaths += 1
        assert deaths > 10
        assert await facts(house) == await facts_in(years)


async def test_a_patient_says_the_same_as_the_space(years: Path) -> None:
    async with opened(Settings(data=years)) as house:
        page = await house.services.repository().find({"Patient": EVERYTHING}, count=1000)
        spaces = await moving.found(house.services.repository(), [one.id for one in page.versions])
        for one in spaces:
            assert one is not None
            assert one.tree["active"] is (one.state in ("open", "activated"))


async def test_documents_are_of_spaces_that_were_open(years: Path) -> None:
    last = month_number(LAST)
    decided = fates(Nation(1, first_day(FIRST)), Small(SCALE, FIRST), FIRST, last)
    opening = {f"Patient/n1-pat-{one.person.number}": one.opens for one in decided if one.opens < NEVER}
    async with opened(Settings(data=years)) as house:
        page = await house.services.repository().find({"DocumentReference": EVERYTHING}, count=1000)
    for version in page.versions:
        tree = parse(version.body)
        assert month_number(tree["date"][:7]) * 4 > opening[tree["subject"]["reference"]]
        assert re.fullmatch(r"n1-doc-[a-z-]+-\d+-\d+", version.id)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path)) as house:
        yield house


INS, INS_TEST = "urn:oid:1.2.250.1.213.1.4.8", "urn:oid:1.2.250.1.213.1.4.10"


@pytest.mark.parametrize("system", [INS, INS_TEST, "urn:oid:1.2.250.1.213.1.4.11"])
async def test_a_store_that_holds_anybody_is_not_simulated_in(house: House, system: str) -> None:
    somebody = {"resourceType": "Patient", "id": "p", "identifier": [{"system": system, "value": "1"}]}
    await kept(house, somebody)
    with pytest.raises(Conflict, match="did not make"):
        await lived(house, SCALE, "2021-07")


@pytest.mark.parametrize(
    ("id", "system"), [("p", "urn:oid:1.2.250.1.213.1.4.11"), ("n1-pat-99999", INS), ("n2-pat-1", INS_TEST)]
)
async def test_nor_one_in_which_somebody_came_since(house: House, id: str, system: str) -> None:
    await lived(house, 2_000_000, "2021-07")
    await kept(house, {"resourceType": "Patient", "id": id, "identifier": [{"system": system, "value": "1"}]})
    with pytest.raises(Conflict, match="did not make"):
        await lived(house, 2_000_000, "2021-08")


@pytest.mark.parametrize(("scale", "random_seed"), [(1_000_000, 1), (2_000_000, 2)])
async def test_a_store_has_one_simulation(house: House, scale: float, random_seed: int) -> None:
    await lived(house, 2_000_000, "2021-07")
    with pytest.raises(Conflict, match="another simulation"):
        await lived(house, scale, "2021-08", random_seed)


async def test_two_processes_do_not_simulate_at_once(house: House) -> None:
    async def meanwhile() -> bool:
        with pytest.raises(Unavailable):
            await lived(house, SCALE, "2021-07")
        return True

    assert await Lease(house.engine.records, LEASE).hold(meanwhile)
    assert wanted(SCALE).is_of(Standing(1, SCALE, FIRST, FIRST + 5))
