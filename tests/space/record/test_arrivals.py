"""Patients are told that a document arrived, of each once, by the feed of changes: domain file §2.11, NOTIF_DOCUMENT."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fhir_server.app import opened
from fhir_server.jobs.feed_reader import FEED
from fhir_server.settings import Settings
from fhir_server.space.record.arrivals import FEED_NAME
from tests.space.notices.space import NOON, Space, a_patient, related
from tests.space.record.callers import Caller, Tree, document

OF_A = [("a@example.org", "Vous avez un nouveau document")]
BASE = "https://fhir.example/fhir"


@pytest.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with opened(Settings(data=tmp_path, base_url=BASE)) as house:
        found = Space(house)
        await found.keep(a_patient(), {"resourceType": "Practitioner", "id": "author"})
        await arrive(found)
        yield found


async def arrive(space: Space, at: datetime = NOON) -> int:
    """How many documents the job tells of."""
    [job] = [one for one in space.house.services.jobs() if one.name == "arrivals"]
    return await job.run(at)


def filed(*codes: str, **more: Any) -> Tree:
    return {key: value for key, value in document("d", *codes, **more).items() if key != "id"}


async def post(space: Space, tree: Tree) -> str:
    answer = await Caller(space.house)("POST", "DocumentReference", tree)
    assert answer.status == 201, answer.json
    return str(answer.json["id"])


async def test_a_document_is_told_of_once(space: Space) -> None:
    await post(space, filed())
    assert await arrive(space) == 1
    assert await space.told() == OF_A
    assert await arrive(space, NOON + timedelta(days=1)) == 0
    assert await space.told(NOON + timedelta(days=1)) == []


#: What is filed → whether its patient is told.
FILED: dict[str, tuple[Tree, bool]] = {
    "by a professional": (filed(), True),
    "masked to professionals": (filed("MASQUE_PS"), True),
    "of another here by address": (filed(subject={"reference": f"{BASE}/Patient/a"}), True),
    "by a professional in it": (
        filed(author={"reference": "#me"}, contained=[{"resourceType": "Practitioner", "id": "me"}]),
        True,
    ),
    "by nobody that is said": ({key: value for key, value in filed().items() if key != "author"}, True),
    "by the patient": (filed(author={"reference": "Patient/a"}), False),
    "by the patient, as they were": (filed(author={"reference": "Patient/a/_history/1"}), False),
    "invisible to them": (filed("INVISIBLE_PATIENT"), False),
    "by who acts for them": (filed(author={"reference": "RelatedPerson/carer"}), False),
    "of nobody": ({key: value for key, value in filed().items() if key != "subject"}, False),
}


@pytest.mark.parametrize("how", FILED)
async def test_what_is_told_of(space: Space, how: str) -> None:
    await space.keep(related("carer", "a", "CAREGIVER"))
    tree, is_told = FILED[how]
    await post(space, tree)
    assert await arrive(space) == is_told
    assert await space.told() == (OF_A if is_told else [])


async def test_what_comes_under_its_own_id_as_a_restored_export_does_is_no_news(space: Space) -> None:
    await Caller(space.house).put(document("d"))
    assert await arrive(space) == 0


async def test_what_is_taken_back_before_anybody_was_told_is_not_told(space: Space) -> None:
    id = await post(space, filed())
    await Caller(space.house).put({**filed(), "id": id, "status": "entered-in-error"})
    assert await arrive(space) == 0


async def test_a_new_version_is_no_new_document(space: Space) -> None:
    id = await post(space, filed())
    await arrive(space)
    await Caller(space.house).put({**filed(), "id": id, "description": "x"})
    assert await arrive(space) == 0


async def test_who_acts_for_a_minor_is_told_but_of_what_the_minor_keeps_from_them(space: Space) -> None:
    await space.keep(a_patient(born="2015-01-01"), related("parent", "a"))
    await space.account("RelatedPerson/parent", "a")
    await post(space, filed("INVISIBLE_REPRESENTANTS_LEGAUX"))
    assert await arrive(space) == 1
    assert await space.told() == []
    await post(space, filed())
    await arrive(space)
    assert [to for to, _ in await space.told()] == ["a@example.org", "parent@example.org"]


async def test_a_process_that_dies_between_telling_and_noting_how_far_it_is_tells_nobody_twice(space: Space) -> None:
    records = space.house.engine.records
    place = await records.get(FEED, FEED_NAME)
    assert place is not None
    for _ in range(3):
        await post(space, filed())
    assert await arrive(space) == 3
    await records.put(FEED, FEED_NAME, place)
    assert await arrive(space) == 0


async def test_what_was_there_before_the_first_look_is_no_news(tmp_path: Path) -> None:
    async with opened(Settings(data=tmp_path, base_url=BASE)) as house:
        space = Space(house)
        await space.keep(a_patient())
        await post(space, filed())
        assert await arrive(space, datetime.now(UTC)) == 0


async def test_a_place_of_another_store_is_begun_anew(space: Space) -> None:
    await space.house.engine.records.put(FEED, FEED_NAME, b'["nowhere", 7]')
    await post(space, filed())
    assert await arrive(space) == 0
    await post(space, filed())
    assert await arrive(space) == 1
