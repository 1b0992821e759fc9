"""A space whose time has come is erased: all that is theirs, from every file, and nothing of anybody else.

CSP R1111-36 (deletion within three months of asking; ten years after closing), GDPR art. 17. What is planted stands in
every way in: resources and their past versions, content, traces, records.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server.app import House
from fhir_server.audit.verifying import verify
from fhir_server.smart.people.accounts import Account, Accounts
from fhir_server.space.accounts import moving
from fhir_server.space.accounts.erasing.erasing import ERASED, ERASING, Erasing
from fhir_server.space.accounts.moving import Asked
from fhir_server.space.identities.merging import doing, undoing
from fhir_server.space.portability import keeping
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.protocol import Keep
from tests import engines
from tests.access.test_rules import ask, seen
from tests.space.accounts.erasing_scene import (
    BASE,
    LATER,
    MINE,
    NOW,
    OTHERS,
    SOFTWARE,
    P,
    Q,
    a_house,
    a_life,
    a_patient,
    an_observation,
    closed,
    everything_of,
    scoured,
    sent,
    where,
)
from tests.store.making import defects


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as found:
        await a_life(found, P, MINE)
        await a_life(found, Q, OTHERS)
        parent = an_observation(Q, "measured", f"child{OTHERS}", performer=[{"reference": f"Patient/{P}"}])
        await sent(found, "PUT", "Observation/measured", parent)
        yield found


async def test_of_an_erased_space_no_file_says_anything_and_of_others_all_is_there(
    house: House, tmp_path: Path
) -> None:
    assert len(where(tmp_path, MINE, P)) >= 2 or engines.KIND != "embedded"
    before = await everything_of(house, Q)
    await closed(house, P)
    assert await Erasing(house.services).run(LATER) == 1
    await scoured(house)
    assert where(tmp_path, MINE, f"Patient/{P}/", f"{P}o") == []
    left = [one for one in await house.engine.records.sweep(None, 5_000) if P in one[1] or P.encode() in one[2]]
    assert left == []
    assert before == await everything_of(house, Q) > 5
    for url in (f"Patient/{P}", f"Observation/{P}o", f"Observation/{P}o/_history/1", f"Observation/{P}gone"):
        assert await ask(house, SOFTWARE, "GET", url) == 404
    assert await seen(house, SOFTWARE, f"Observation?subject=Patient/{Q}") == {f"{Q}o", "measured"}
    assert await seen(house, SOFTWARE, f"AuditEvent?patient=Patient/{P}") == set()
    assert (await sent(house, "GET", f"Binary/{Q}b4000"))["data"]
    assert await Accounts(house.engine.records).by_login(f"login{MINE}") is None
    assert await Accounts(house.engine.records).by_login(f"login{OTHERS}") is not None
    assert {kind for kind, key, _ in await house.engine.records.sweep(None, 1_000) if OTHERS in key} >= {"session"}
    assert await defects(house.engine) == []
    assert [one async for one in house.content_defects()] == []


async def test_what_stays_says_when_and_why_and_of_nobody(house: House) -> None:
    await closed(house, P)
    erasing = Erasing(house.services)
    await erasing.run(LATER)
    kept = await erasing.kept_of(P)
    assert kept is not None
    said = (kept.since, kept.erased, kept.why)
    assert said == (f"{NOW - timedelta(minutes=1):%Y-%m-%d}", f"{LATER:%Y-%m-%d}", "its holder asked for it")
    assert kept.resources > 5 and kept.traces > 5
    assert await erasing.kept_of(Q) is None
    found = await verify(house.engine)
    assert (found.broken, found.erased) == ("", kept.traces)


async def test_nothing_is_erased_before_its_time_or_once_it_was_taken_back(house: House) -> None:
    await closed(house, P)
    erasing = Erasing(house.services)
    assert await erasing.run(NOW + timedelta(days=80)) == 0
    await moving.move(house.repository(), P, Asked("cancel-deletion", "holder", NOW))
    assert await erasing.run(LATER) == 0
    await moving.move(house.repository(), P, Asked("ask-deletion", "holder", NOW))
    await moving.move(house.repository(), P, Asked("reopen", "holder", NOW))
    assert await erasing.run(LATER) == 0
    assert await seen(house, SOFTWARE, f"Patient/{P}") == P
    assert not erasing.ledger.lines()


@pytest.mark.parametrize("years", [9, 10])
async def test_a_closed_space_is_kept_for_ten_years(house: House, years: int) -> None:
    await moving.move(house.repository(), P, Asked("close", "holder", NOW))
    assert await Erasing(house.services).run(NOW + timedelta(days=365 * years + 3)) == (years == 10)


class Killed(Exception):
    """As if the process had died."""


@pytest.mark.parametrize("calls", [1, 2, 3, 4])
async def test_what_was_begun_is_ended_by_who_comes_next(house: House, tmp_path: Path, calls: int) -> None:
    await closed(house, P)
    dying = Erasing(house.services)
    left = calls

    class Purging:
        async def purge(self, *args: Any) -> int:
            nonlocal left
            left -= 1
            if not left:
                raise Killed
            return await house.engine.store.purge(*args)

        async def scour(self) -> bool:
            return True

    class Around:
        purging = Purging()

        def __getattr__(self, name: str) -> Any:
            return getattr(house.services, name)

    dying.around = Around()  # type: ignore[assignment]
    with pytest.raises(Killed):
        await dying.run(LATER)
        await dying.run(LATER)
        raise Killed
    # There is no way back.
    with pytest.raises(Exception, match="cannot happen"):
        await moving.move(house.repository(), P, Asked("reopen", "holder", NOW))
    erasing = Erasing(house.services)
    await erasing.run(LATER)
    await scoured(house)
    assert where(tmp_path, MINE) == []
    assert len(erasing.ledger.lines()) == 1
    assert await house.engine.records.get(ERASING, P) is None
    assert (await verify(house.engine)).broken == ""


async def test_two_who_erase_at_once_do_it_once(house: House, tmp_path: Path) -> None:
    await closed(house, P)
    await asyncio.gather(*[Erasing(house.services).run(LATER) for _ in range(2)])
    await scoured(house)
    assert where(tmp_path, MINE) == []
    assert (await verify(house.engine)).broken == ""
    kept = [one for one in await house.engine.records.sweep(None, 5_000) if one[0] == ERASED]
    assert len(kept) <= 2


async def test_a_shared_appointment_stays_for_the_others(house: House) -> None:
    both = [{"actor": {"reference": f"Patient/{one}"}, "status": "accepted"} for one in (P, Q)]
    shared = {"resourceType": "Appointment", "id": "shared", "status": "proposed", "participant": both}
    await sent(house, "PUT", "Appointment/shared", shared)
    await sent(house, "PUT", "Appointment/alone", {**shared, "id": "alone", "participant": both[:1]})
    await closed(house, P)
    await Erasing(house.services).run(LATER)
    assert await seen(house, SOFTWARE, "Appointment") == {"shared"}
    found = await ask(house, SOFTWARE, "GET", "Appointment/shared")
    assert [one["actor"]["reference"] for one in found["participant"]] == [f"Patient/{Q}"]


async def test_a_record_that_was_made_one_with_it_goes_too(house: House, tmp_path: Path) -> None:
    other = "m8dj20sk46"
    link = [{"other": {"reference": f"Patient/{other}"}, "type": "replaces"}]
    back = [{"other": {"reference": f"Patient/{P}"}, "type": "replaced-by"}]
    await sent(house, "PUT", f"Patient/{other}", {**a_patient(other, f"merged{MINE}"), "active": False, "link": back})
    await sent(house, "PUT", f"Observation/{other}o", an_observation(other, f"{other}o", MINE))
    await sent(house, "PUT", f"Patient/{P}", {**a_patient(P, MINE), "link": link})
    await closed(house, P)
    await Erasing(house.services).run(LATER)
    await scoured(house)
    assert await ask(house, SOFTWARE, "GET", f"Patient/{other}") == 404
    assert where(tmp_path, MINE) == []


async def test_who_was_merged_by_mistake_and_parted_again_stays(house: House) -> None:
    """R4 Patient.link: past versions of the one go on saying that they replace the other, who is somebody else."""
    await sent(house, "PUT", f"Patient/{Q}", {**a_patient(Q, OTHERS), "name": a_patient(P, MINE)["name"]})
    wanted = doing.Wanted(Q, P, "doublon", "")
    await doing.merge(house.repository(), wanted, NOW)
    await undoing.unmerge(house.repository(), wanted, undoing.Back(), NOW)
    before = await everything_of(house, Q)
    await closed(house, P)
    assert await Erasing(house.services).run(LATER) == 1
    assert await everything_of(house, Q) == before
    there = await ask(house, SOFTWARE, "GET", f"Patient/{Q}")
    assert there["active"] is True


async def test_a_number_that_is_another_s_names_nobody_who_is_erased(house: House) -> None:
    """Past versions say a number that was mistaken, or that others write for anybody: its records are not theirs."""
    shared = {"system": "http://example.org/ipp", "value": "anybody-00000000"}
    for id, mark, more in ((Q, OTHERS, []), (P, MINE, a_patient(Q, OTHERS)["identifier"]), (P, MINE, [])):
        tree = a_patient(id, mark)
        await sent(house, "PUT", f"Patient/{id}", {**tree, "identifier": [*tree["identifier"], shared, *more]})
    records = house.engine.records
    for key in (f"ins{OTHERS}", f"ins{MINE}", shared["value"]):
        await records.put("known by number", key, b"")
    await closed(house, P)
    assert await Erasing(house.services).run(LATER) == 1
    assert {key for key, _ in await records.list("known by number")} == {f"ins{OTHERS}", shared["value"]}


async def test_a_space_whose_patient_was_deleted_is_erased_in_its_time(house: House, tmp_path: Path) -> None:
    await closed(house, P)
    own = house.repository()
    await own.transact([await own.delete(await own.read("Patient", P))])
    assert await Erasing(house.services).run(LATER) == 1
    await scoured(house)
    assert await ask(house, SOFTWARE, "GET", f"Patient/{P}") == 404
    assert where(tmp_path, MINE) == []


async def test_an_archive_that_was_prepared_goes_with_the_space(house: House, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    for id, patient, mark in (("mine", P, MINE), ("theirs", Q, OTHERS)):
        (folder / f"{id}.zip").write_text(mark)
        export = keeping.Export(id, f"Patient/{patient}", patient, BASE, 1, state="ready")
        await house.engine.records.put(keeping.EXPORT, export.key, msgspec.json.encode(export))
    await closed(house, P)
    await Erasing(house.services).run(LATER)
    assert [one.name for one in folder.iterdir()] == ["theirs.zip"]
    assert await keeping.of(house.engine.records, f"Patient/{Q}", Q) is not None


async def test_whoever_acted_for_them_keeps_their_account_and_those_they_still_act_for(house: House) -> None:
    accounts = Accounts(house.engine.records)
    await accounts.add(Account("parentaccount", "parent", "Parent", f"Patient/{Q}x", wards=(P, Q)))
    await closed(house, P)
    await Erasing(house.services).run(LATER)
    kept = await accounts.by_login("parent")
    assert kept is not None and kept.wards == (Q,)


async def test_a_copy_made_before_is_erased_again_before_it_is_served(tmp_path: Path) -> None:
    engines.require_files()
    data = tmp_path / "data"
    async with a_house(data) as house:
        await a_life(house, P, MINE)
        await a_life(house, Q, OTHERS)
        await house.engine.maintenance.backup(tmp_path / "copy.sqlite")  # type: ignore[union-attr]
        await house.blobs.copy(tmp_path / "copy.blobs")
        await closed(house, P)
        await Erasing(house.services).run(LATER)
    for end in ("-wal", "-shm"):
        (data / f"fhir.sqlite{end}").unlink(missing_ok=True)
    (tmp_path / "copy.sqlite").replace(data / "fhir.sqlite")
    async with a_house(data) as house:
        assert await ask(house, SOFTWARE, "GET", f"Patient/{P}") == 404
        assert await seen(house, SOFTWARE, f"Patient/{Q}") == Q
        kept = await Erasing(house.services).kept_of(P)
        assert kept is not None and "copy" in kept.why
        await scoured(house)
        assert [name for name in where(data, MINE) if "sqlite" in name] == []
    async with a_house(data) as house:
        # Whoever is made under the same id since is somebody else.
        await sent(house, "PUT", f"Patient/{P}", a_patient(P, OTHERS))
        await house.engine.records.apply([Keep(ERASED, "list", b"1")])
    async with a_house(data) as house:
        assert await seen(house, SOFTWARE, f"Patient/{P}") == P
        assert len((await house.repository().history({"Patient": EVERYTHING}, P)).versions) == 1
