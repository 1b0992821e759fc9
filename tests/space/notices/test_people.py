"""Who is told of what: holders and those who act for them, never of the dead and the closed: domain file §2.11."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

import pytest

from fhir_server.space.notices import centre
from fhir_server.space.notices.preferences import none_of, prefer
from fhir_server.space.notices.quiet import after_quiet
from tests.space.notices.space import NOON, Space, a_patient, reached, related

Arranged = Callable[[Space], Awaitable[object]]


async def holder(space: Space) -> None:
    await space.account("Patient/a")


async def without_account(space: Space) -> None:
    """There is the patient alone."""


async def closed_account(space: Space) -> None:
    await space.account("Patient/a", open=False)


async def closed_space(space: Space) -> None:
    await space.keep(a_patient(active=False))


async def dead(space: Space) -> None:
    await space.keep(a_patient(deceasedDateTime="2026-01-01"))


async def deleted(space: Space) -> None:
    repository = space.house.repository()
    version = await repository.current("Patient", "a")
    assert version is not None
    await repository.transact([await repository.delete(version)])


async def minor(space: Space) -> None:
    await space.keep(a_patient(born="2015-01-01"), related("parent", "a"))
    await space.account("RelatedPerson/parent", "a")


async def minor_of_a_patient(space: Space) -> None:
    """The parent is a patient too."""
    await space.keep(a_patient(born="2015-01-01"), a_patient("mother"))
    await space.account("Patient/mother", "a")


async def one_address_for_both(space: Space) -> None:
    await space.keep(a_patient(born="2015-01-01"), related("parent", "a", telecom=reached("a@example.org")))
    await space.account("RelatedPerson/parent", "a")


async def grown(space: Space) -> None:
    await space.keep(related("parent", "a"))
    await space.account("RelatedPerson/parent", "a")


async def cared_for(space: Space) -> None:
    await space.keep(related("carer", "a", "CAREGIVER"))
    await space.account("RelatedPerson/carer", "a")


async def closed_carer(space: Space) -> None:
    await space.keep(related("carer", "a", "CAREGIVER"))
    await space.account("RelatedPerson/carer", "a", open=False)


async def dead_parent(space: Space) -> None:
    await space.keep(a_patient(born="2015-01-01"), a_patient("mother", deceasedBoolean=True))
    await space.account("Patient/mother", "a")


async def of_somebody_else(space: Space) -> None:
    await space.keep(a_patient("b", "2015-01-01"), related("parent", "b"))
    await space.account("RelatedPerson/parent", "b")


#: How things are → who is written to; the same of what is kept from who acts for them; who finds it in their centre.
TOLD: list[tuple[Arranged, set[str], set[str]]] = [
    (holder, {"a"}, {"a"}),
    (without_account, {"a"}, {"a"}),
    (closed_account, set(), set()),
    (closed_space, set(), set()),
    (dead, set(), set()),
    (deleted, set(), set()),
    (minor, {"a", "parent"}, set()),
    (minor_of_a_patient, {"a", "mother"}, set()),
    (one_address_for_both, {"a"}, set()),
    (grown, {"a"}, {"a"}),
    (cared_for, {"a", "carer"}, {"a"}),
    (closed_carer, {"a"}, {"a"}),
    (dead_parent, {"a"}, set()),
    (of_somebody_else, {"a"}, {"a"}),
]


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("arranged, everybody, alone", TOLD, ids=lambda one: getattr(one, "__name__", ""))
async def test_who_is_written_to(
    space: Space, arranged: Arranged, everybody: set[str], alone: set[str], private: bool
) -> None:
    await arranged(space)
    await space.notices.tell("a", "document", "d", private=private, at=NOON)
    found = [to for to, _ in await space.told()]
    assert sorted(found) == sorted(f"{one}@example.org" for one in (alone if private else everybody))


@pytest.mark.parametrize("happens", [closed_account, closed_space, dead, deleted], ids=lambda one: one.__name__)
async def test_what_happens_before_it_is_written_counts(space: Space, happens: Arranged) -> None:
    await space.notices.tell("a", "document", "d", at=NOON)
    await happens(space)
    assert await space.told() == []
    assert await space.house.engine.records.list("notice-due") == []


async def test_who_turns_a_kind_off_before_it_is_written_is_not_written_to(space: Space) -> None:
    await space.notices.tell("a", "document", "d", at=NOON)
    await prefer(space.house.engine.records, "Patient/a", none_of(["document"], "email"))
    assert await space.told() == []


async def test_who_ceased_to_act_is_told_no_more(space: Space) -> None:
    await cared_for(space)
    await space.notices.tell("a", "document", "d", at=NOON)
    await space.house.authorization.accounts.close("RelatedPerson-carer")
    assert [to for to, _ in await space.told()] == ["a@example.org"]


async def test_a_minor_finds_what_they_keep_from_others_where_they_sign_in_and_nobody_else_does(space: Space) -> None:
    await minor(space)
    await space.notices.tell("a", "document", "d", private=True, at=NOON)
    records = space.house.engine.records
    assert [await centre.unread(records, one) for one in ("Patient/a", "RelatedPerson/parent")] == [1, 0]


async def test_who_acts_for_somebody_is_told_that_it_is_a_relatives(space: Space) -> None:
    await minor(space)
    await space.notices.tell("a", "document", "d", at=NOON)
    assert await space.told() == [
        ("a@example.org", "Vous avez un nouveau document"),
        ("parent@example.org", "Un proche a un nouveau document"),
    ]


@pytest.mark.parametrize(
    "at, hours, until",
    [
        ("2026-12-01T12:00:00+01:00", "21:00-08:00", "2026-12-01T12:00:00+01:00"),
        ("2026-12-01T20:59:59+01:00", "21:00-08:00", "2026-12-01T20:59:59+01:00"),
        ("2026-12-01T21:00:00+01:00", "21:00-08:00", "2026-12-02T08:00:00+01:00"),
        ("2026-12-01T03:00:00+01:00", "21:00-08:00", "2026-12-01T08:00:00+01:00"),
        ("2026-12-01T08:00:00+01:00", "21:00-08:00", "2026-12-01T08:00:00+01:00"),
        ("2026-12-31T23:30:00+01:00", "21:00-08:00", "2027-01-01T08:00:00+01:00"),
        # The night in which the clocks go forward, and the one in which they go back.
        ("2026-03-28T22:00:00+01:00", "21:00-08:00", "2026-03-29T08:00:00+02:00"),
        ("2026-10-24T22:00:00+02:00", "21:00-08:00", "2026-10-25T08:00:00+01:00"),
        ("2026-12-01T13:00:00+01:00", "12:00-14:00", "2026-12-01T14:00:00+01:00"),
        ("2026-12-01T14:00:00+01:00", "12:00-14:00", "2026-12-01T14:00:00+01:00"),
        ("2026-12-01T03:00:00+01:00", "", "2026-12-01T03:00:00+01:00"),
        # 02:15 comes twice on the 25th of October, and is quiet both times; 02:30 never comes on the 28th of March.
        ("2026-10-25T00:15:00+00:00", "22:00-02:30", "2026-10-25T00:30:00+00:00"),
        ("2026-10-25T01:15:00+00:00", "22:00-02:30", "2026-10-25T01:30:00+00:00"),
        ("2026-10-25T01:15:00+00:00", "22:00-08:00", "2026-10-25T07:00:00+00:00"),
        ("2027-03-28T00:15:00+00:00", "22:00-02:30", "2027-03-28T01:30:00+00:00"),
    ],
)
def test_quiet_hours_end_in_paris(at: str, hours: str, until: str) -> None:
    assert after_quiet(datetime.fromisoformat(at), hours) == datetime.fromisoformat(until)
