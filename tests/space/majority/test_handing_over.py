"""The hand-over at eighteen: what is written, who is told, the code by which the young adult comes, and what waits.

Code civil, art. 388, 414; domain file §2.1 (provisional code), §2.2, §4 (consents to services are approved again).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fhir_server.app import House
from fhir_server.smart.people.accounts import Accounts
from fhir_server.space.accounts import moving
from fhir_server.space.accounts.codes import CODE
from fhir_server.space.accounts.moving import Asked
from fhir_server.space.acting import of_age_from
from fhir_server.space.catalogue.consent_resource import Decision, lapsed
from fhir_server.space.delegations import changing, listing
from fhir_server.space.majority.clock import Looking
from fhir_server.space.majority.handing import HANDED
from fhir_server.space.notices import centre
from fhir_server.space.record import choosing
from tests.access.test_rules import ask
from tests.server.people import a_person, kept
from tests.space.delegations.people import a_house, a_patient, as_caregiver, does, identity
from tests.space.majority.test_ways_in import OPERATOR, the_child

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as found:
        await kept(found, the_child(1), {"resourceType": "Practitioner", "id": "d", "active": True})
        await a_person(found, "mother", "Ève", "Patient/p1")
        await a_person(found, "father", "Éric", "Patient/p2")
        await does(found, OPERATOR, "delegation-attach", "p20", **identity(1))
        await changing.invite(found.repository(), "p20", "p2", "Patient/p1", None, NOW, "representation")
        yield found


def letters(house: House) -> list[Path]:
    return sorted((house.settings.data / "letters").glob("*.pdf"))


async def told(house: House, person: int) -> list[str]:
    lines = await centre.lines(house.services.records, f"Patient/p{person}", "", 50)
    return [one.told.occasion for one in lines]


async def test_a_space_is_handed_over_once_and_everybody_is_told(house: House) -> None:
    own, looking = house.repository(), Looking(house.services)
    await moving.move(own, "p20", Asked("activate", "holder", NOW, "Patient/p1"))
    assert await looking.run(NOW - timedelta(days=2)) == 0
    await kept(house, the_child(0))
    # By the clock alone, before anything is written, it has ended.
    rows = await listing.of(own, "p20", NOW)
    assert sorted(one.status for one in rows) == ["ENDED", "EXPIRED"]
    assert (await Accounts(house.services.records).by_login("mother")).wards == ("p20",)  # type: ignore[union-attr]
    assert await looking.run(NOW) == 1
    (space,) = await moving.found(own, ["p20"])
    assert space is not None and space.life is not None
    assert (space.state, space.life.event, space.life.role) == ("open", "come-of-age", "clock")
    assert (await Accounts(house.services.records).by_login("mother")).wards == ()  # type: ignore[union-attr]
    assert sorted(one.status for one in await listing.of(own, "p20", NOW)) == ["ENDED", "ENDED"]
    assert (await told(house, 20)).count("majority") == 1
    assert (await told(house, 1)).count("delegation") == 2
    # A letter with a code, by post: the address for e-mail is what the parents gave.
    assert len(letters(house)) == 1
    assert await house.services.records.get(CODE, "p20") is not None
    assert await looking.run(NOW + timedelta(days=1)) == 0
    assert (len(letters(house)), (await told(house, 20)).count("majority")) == (1, 1)


async def test_who_dies_in_it_leaves_it_to_the_next_and_nothing_is_there_twice(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kept(house, the_child(0))
    looking = Looking(house.services)

    async def killed(*_: Any) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(looking._handing._informing, "of_age", killed)
        with pytest.raises(OSError, match="killed"):
            await looking.run(NOW)
    assert await house.services.records.get(HANDED, "p20") is None
    assert await looking.run(NOW) == 1
    assert (len(letters(house)), (await told(house, 20)).count("majority")) == (1, 1)


async def test_a_birth_date_that_is_corrected_is_met_in_the_feed(house: House) -> None:
    looking = Looking(house.services)
    assert await looking.corrected(NOW) == 0
    found = await ask(house, OPERATOR, "PUT", "Patient/p20", {**the_child(0), "birthDate": "2001-05-05"})
    assert isinstance(found, dict)
    assert await looking.corrected(NOW) == 1
    assert await looking.corrected(NOW) == 0
    assert await looking.run(NOW) == 0
    assert len(letters(house)) == 1


async def test_who_was_taken_for_of_age_by_mistake_is_handed_over_in_their_time(house: House) -> None:
    """Code civil, art. 414: a date that was mistaken is put right, and parents are attached again until the day."""
    looking = Looking(house.services)
    await looking.corrected(NOW)
    for birth, handed in (("2001-05-05", 1), (the_child(1)["birthDate"], 0)):
        await ask(house, OPERATOR, "PUT", "Patient/p20", {**the_child(0), "birthDate": birth})
        assert await looking.corrected(NOW) == handed
    # Who was withdrawn comes back by the operator alone.
    assert not isinstance(await does(house, OPERATOR, "delegation-attach", "p20", **identity(1)), int)
    day = of_age_from(the_child(1))
    assert day is not None and await looking.run(day + timedelta(hours=1)) == 1
    assert sorted({one.status for one in await listing.of(house.repository(), "p20", day)}) == ["ENDED"]


async def test_who_is_of_age_long_since_or_has_an_account_is_sent_no_code(house: House) -> None:
    await kept(house, the_child(0))
    await a_person(house, "young", "Zoé", "Patient/p20")
    assert await Looking(house.services).run(NOW) == 1
    assert letters(house) == []
    assert (await told(house, 20)).count("majority") == 1
    await kept(house, a_patient(3, birthDate="1968-03-14"))
    assert await Looking(house.services).run(NOW + timedelta(hours=1)) == 0


@pytest.mark.parametrize(
    ("birth", "looked", "found"),
    [
        ("2008-02-29", "2026-02-28T22:59:00", 0),
        ("2008-02-29", "2026-02-28T23:00:00", 1),
        ("2008-02-29", "2026-03-01T10:00:00", 1),
        ("2008-12-31", "2026-12-30T22:59:00", 0),
        ("2008-12-31", "2026-12-30T23:00:00", 1),
        ("2008-02", "2026-02-28T23:00:00", 1),
        ("2007", "2025-12-30T23:00:00", 1),
        ("2007", "2025-12-30T22:00:00", 0),
    ],
)
async def test_who_is_looked_for_is_found_on_their_day(tmp_path: Path, birth: str, looked: str, found: int) -> None:
    async with a_house(tmp_path, people=0) as house:
        await kept(house, a_patient(1, birthDate=birth), a_patient(2, birthDate="1990-01-01"))
        at = datetime.fromisoformat(looked).replace(tzinfo=UTC)
        assert await Looking(house.services).run(at) == found


#: Kind of a choice → whether it is in force after majority where a parent made it, and where a doctor or the young
#: adult did.
CHOICES = [
    ("authorised", False),
    ("administrator", False),
    ("emergency-sees-masked", False),
    ("blocked", True),
    ("regulation-refused", True),
    ("btg-refused", True),
    ("masked-by-default", True),
]


@pytest.mark.parametrize(("kind", "stays"), CHOICES)
async def test_what_a_parent_opened_ends_and_what_they_closed_stays(house: House, kind: str, stays: bool) -> None:
    parts: list[dict[str, Any]] = [{"name": "kind", "valueCode": kind}]
    if kind in ("authorised", "administrator", "blocked"):
        parts.append({"name": "practitioner", "valueReference": {"reference": "Practitioner/d"}})
    given = {"resourceType": "Parameters", "parameter": [{"name": "choice", "part": parts}]}
    parent = as_caregiver(1, 20)
    assert isinstance(await ask(house, parent, "POST", "Patient/p20/$record-choose", given), dict)
    (one,) = await choosing.of(house.repository(), "p20")
    majority = of_age_from(the_child(1))
    assert majority is not None
    assert one.holds(majority - timedelta(minutes=1))
    assert one.holds(majority) is stays
    assert await choosing.lapse(house.repository(), "p20", NOW) == (not stays)


def test_an_app_that_a_parent_let_in_waits_for_the_holder() -> None:
    majority = datetime(2026, 6, 1, tzinfo=UTC)
    before, after = majority - timedelta(days=9), majority + timedelta(days=9)
    permit = Decision(True, before, "1", "Patient/parent")
    own = replace(permit, performer="Patient/p")
    refused = replace(permit, permit=False, refused=True)
    found = lapsed({"a": permit, "b": own, "c": refused}, "p", majority, after)
    assert (found["a"].permit, found["a"].lapsed) == (False, True)
    assert (found["b"], found["c"]) == (own, refused)
    for known, at in ((majority, before), (None, after)):
        assert lapsed({"a": permit}, "p", known, at) == {"a": permit}
