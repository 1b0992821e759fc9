"""Legal representatives of a minor: attached, the second invited by the first, withdrawn by judgment, never more than two.

Domain file §2.2 (a second representative declared by the first on their honour, and answering; the product's codes);
Code civil, art. 371-1, 372, 372-2 (each alone for usual acts), 373-2-1, 378 (a judge takes authority away), 388, 414.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import OPEN, Grant, Scope
from fhir_server.app import House
from fhir_server.fhir.nos import CAREGIVER, ROLE_CLASS
from fhir_server.space.delegations import changing, listing
from fhir_server.space.delegations.delegation import delegation_id
from fhir_server.space.delegations.news import News
from fhir_server.space.notices import centre
from tests.access.test_rules import ask, seen
from tests.server.people import a_person, kept
from tests.space.delegations.people import INS, a_house, a_patient, as_caregiver, does, holder, identity, ins

NOW = datetime.now(UTC).replace(microsecond=0)
OPERATOR = Grant((Scope("system", "*", frozenset("cruds")),), client="backend")
CHILD = a_patient(20, birthDate=f"{NOW.year - 9}-01-01")
KIND = "LEGAL_REPRESENTATION"
SECOND: dict[str, Any] = {"kind": KIND, "declaration": True}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    # Representatives are there whether people may invite caregivers or not.
    async with a_house(tmp_path, caregivers="off") as found:
        await kept(found, CHILD, {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"},
                                  "subject": {"reference": "Patient/p20"}})  # fmt: skip
        yield found


def parent(n: int, child: int = 20) -> Grant:
    """Software of a parent, in the space of their child."""
    return as_caregiver(n, child)


def related(id: str, person: int, code: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "RelatedPerson",
        "id": id,
        "identifier": [{"system": INS, "value": ins(person)}],
        "patient": {"reference": "Patient/p20"},
        "relationship": [{"coding": [{"system": ROLE_CLASS, "code": code}]}],
        **more,
    }


async def attached(house: House, person: int) -> Any:
    return await does(house, OPERATOR, "delegation-attach", "p20", **identity(person))


async def asked(house: House, by: int, person: int, **more: Any) -> Any:
    """An invitation by a parent; the code or status of a refusal."""
    word = await does(house, parent(by), "delegation-match", "p20", kind=KIND, **identity(person))
    if not isinstance(word, list):
        return word
    found = await does(house, parent(by), "delegation-invite", "p20", transaction=word[0], **{**SECOND, **more})
    return found[0] if isinstance(found, list) else found


async def answers(house: House, person: int, id: str, accept: bool = True) -> Any:
    found = await does(house, holder(person), "delegation-answer", f"p{person}", delegation=id, accept=accept)
    return found[0] if isinstance(found, list) else found


async def both_parents(house: House) -> tuple[str, str]:
    """Ids of the representations of p1, attached, and of p2, who accepted."""
    (first,) = await attached(house, 1)
    second = await asked(house, 1, 2)
    assert (await answers(house, 2, second["id"]))["status"] == "ACCEPTED"
    return first["id"], second["id"]


async def representatives(house: House) -> list[str]:
    rows = await listing.of(house.repository(), "p20", NOW)
    return [one.status for one in rows if (one.kind, one.direction) == (KIND, "OUTGOING")]


async def told(house: House, person: int, occasion: str = "representation") -> int:
    lines = await centre.lines(house.services.records, f"Patient/p{person}", "", 50)
    return sum(one.told.occasion == occasion for one in lines)


async def test_the_first_is_attached_and_invites_the_second_who_then_acts(house: House) -> None:
    await a_person(house, "mother", "Ève", "Patient/p1")
    await a_person(house, "father", "Éric", "Patient/p2")
    (first,) = await attached(house, 1)
    assert (first["kind"], first["status"], first["direction"]) == (KIND, "ACCEPTED", "OUTGOING")
    # It ends by itself: at the majority of the child, which the answer says.
    assert first["end"].startswith(str(NOW.year + 8))
    accounts = house.authorization.accounts
    assert (await accounts.by_login("mother")).wards == ("p20",)  # type: ignore[union-attr]
    made = await asked(house, 1, 2)
    assert (made["kind"], made["status"]) == (KIND, "PENDING")
    assert await seen(house, parent(2), "Observation/o") == "o", "nothing is registered of p2: the account speaks"
    (incoming,) = await does(house, holder(2), "delegations", "p2")
    assert (incoming["direction"], incoming["status"]) == ("INCOMING", "PENDING")
    assert (await answers(house, 2, made["id"]))["status"] == "ACCEPTED"
    assert (await accounts.by_login("father")).wards == ("p20",)  # type: ignore[union-attr]
    assert await seen(house, parent(2), "Observation/o") == "o"
    # Each decides for the child, and the child's record names both.
    for n in (1, 2):
        assert isinstance(await ask(house, parent(n), "GET", "Patient/p20/$record-choices"), dict)
    assert await representatives(house) == ["ACCEPTED", "ACCEPTED"]
    consent = await ask(house, OPEN, "GET", f"Consent/{made['id']}")
    issues = (await ask(house, OPEN, "POST", "Consent/$validate", consent))["issue"]
    assert [one for one in issues if one["severity"] in ("error", "fatal")] == []


async def test_of_whom_an_account_alone_says_that_they_act_an_invitation_registers_it(house: House) -> None:
    await a_person(house, "mother", "Ève", "Patient/p1", wards=("p20",))
    assert (await asked(house, 1, 2))["status"] == "PENDING"
    assert sorted(await representatives(house)) == ["ACCEPTED", "PENDING"]
    assert await asked(house, 1, 3) == "REPRESENTATIVES_LIMIT_REACHED"


#: What is asked for amiss → the code.
WRONG: list[tuple[str, int, dict[str, Any], str | int]] = [
    ("without the declaration", 2, {"declaration": False}, "DECLARATION_NEEDED"),
    ("with an end of its own", 2, {"end": "2040-01-01"}, "END_NOT_CHOSEN"),
    ("of a kind that is none", 2, {"kind": "FRIENDSHIP"}, 400),
    ("of the first", 1, {}, "SAME_DELEGATION_ALREADY_EXISTS"),
    ("of who helps already", 4, {}, "ANOTHER_DELEGATION_ALREADY_EXISTS"),
    ("of a minor", 5, {}, "PROFILE_NOT_FOUND"),
    ("of the dead", 6, {}, "PROFILE_NOT_FOUND"),
]


@pytest.mark.parametrize(("person", "more", "code"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
async def test_what_cannot_be_has_its_code(house: House, person: int, more: dict[str, Any], code: str | int) -> None:
    dead = a_patient(6, deceasedBoolean=True)
    await kept(house, related("helps", 4, CAREGIVER), a_patient(5, birthDate=f"{NOW.year - 10}-01-01"), dead)
    await attached(house, 1)
    assert await asked(house, 1, person, **more) == code
    assert await representatives(house) == ["ACCEPTED"]


async def test_wrong_traits_name_nobody(house: House) -> None:
    await attached(house, 1)
    for wrong in ({"ins": ins(3)}, {"given": "Marie"}, {"family": "Autre"}, {"birthDate": "1968-03-15"}):
        given = {**identity(2), **wrong}
        (word, _) = await does(house, parent(1), "delegation-match", "p20", kind=KIND, **given)
        found = await does(house, parent(1), "delegation-invite", "p20", transaction=word, **SECOND)
        assert found == "PROFILE_NOT_FOUND"
    for wrong in ({"ins": ins(3)}, {"birthDate": "1968-03-15"}):
        given = {**identity(2), **wrong}
        assert await does(house, OPERATOR, "delegation-attach", "p20", **given) == "PROFILE_NOT_FOUND"


async def test_who_is_of_age_has_no_representative_and_a_minor_invites_none(house: House) -> None:
    assert await does(house, OPERATOR, "delegation-attach", "p0", **identity(1)) == "NOT_A_MINOR"
    (word, _) = await does(house, holder(0), "delegation-match", "p0", kind=KIND, **identity(1))
    found = await does(house, holder(0), "delegation-invite", "p0", transaction=word, **SECOND)
    assert found == "NOT_A_REPRESENTATIVE"
    (word, _) = await does(house, holder(20), "delegation-match", "p20", kind=KIND, **identity(1))
    found = await does(house, holder(20), "delegation-invite", "p20", transaction=word, **SECOND)
    assert found == "NOT_A_REPRESENTATIVE"


async def test_an_answer_is_given_once_and_in_time(house: House) -> None:
    await attached(house, 1)
    made = await asked(house, 1, 2)
    assert (await answers(house, 2, made["id"], accept=False))["status"] == "REFUSED"
    assert await answers(house, 2, made["id"]) == "INVITATION_NOT_PENDING"
    await changing.invite(house.repository(), "p20", "p3", "Patient/p1", None, NOW - timedelta(days=31), "representation")  # fmt: skip
    late = delegation_id("p20", "p3", "representation")
    assert await answers(house, 3, late) == "INVITATION_NOT_PENDING"
    assert await answers(house, 2, late) == 404
    # Nobody was kept out by what expired.
    assert (await asked(house, 1, 2))["status"] == "PENDING"


async def test_two_and_no_more_also_when_all_accept_at_once(house: House) -> None:
    await both_parents(house)
    assert await asked(house, 1, 3) == await attached(house, 3) == "REPRESENTATIVES_LIMIT_REACHED"
    assert await does(house, OPERATOR, "delegation-attach", "p20", **identity(1)) == "SAME_DELEGATION_ALREADY_EXISTS"


async def test_of_several_attached_at_once_two_are(house: House) -> None:
    own = house.repository()
    all_at_once = [changing.attach(own, "p20", f"p{n}", "Patient/p20", NOW) for n in range(1, 8)]
    done = await asyncio.gather(*all_at_once, return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in done) == 2
    assert await representatives(house) == ["ACCEPTED", "ACCEPTED"]


#: Who ends the representation of the second, at what it then is → the answer: a list for done.
#: Columns: who, in whose space; reason; while PENDING; once ACCEPTED.
ENDS: list[tuple[Grant, int, str, Any, Any]] = [
    (parent(1), 20, "", list, "REPRESENTATION_ENDED_BY_JUDGMENT"),
    (holder(2), 2, "", list, list),
    (OPERATOR, 20, "", list, "REASON_NEEDED"),
    (OPERATOR, 20, "Jugement du 3 mars", list, list),
    (OPERATOR, 2, "Jugement du 3 mars", list, list),
    (holder(3), 3, "", 404, 404),
    (as_caregiver(3, 20), 20, "", 403, 403),
]


@pytest.mark.parametrize(("caller", "at", "reason", "pending", "accepted"), ENDS)
@pytest.mark.parametrize("is_accepted", [False, True])
async def test_who_ends_it(
    house: House, caller: Grant, at: int, reason: str, pending: Any, accepted: Any, is_accepted: bool
) -> None:
    await kept(house, related("helps", 3, CAREGIVER))
    await attached(house, 1)
    made = await asked(house, 1, 2)
    if is_accepted:
        await answers(house, 2, made["id"])
    given = {"delegation": made["id"], **({"reason": reason} if reason else {})}
    found = await does(house, caller, "delegation-end", f"p{at}", **given)
    expected = accepted if is_accepted else pending
    assert isinstance(found, list) if expected is list else found == expected
    left = await representatives(house)
    assert left.count("ACCEPTED") == 1 + (is_accepted and expected is not list)


async def test_the_only_representative_does_not_leave_and_of_two_at_once_one_does(house: House) -> None:
    first, second = await both_parents(house)
    found = await asyncio.gather(
        does(house, holder(1), "delegation-end", "p1", delegation=first),
        does(house, holder(2), "delegation-end", "p2", delegation=second),
    )
    assert [isinstance(one, list) for one in found].count(True) == 1
    assert "LAST_REPRESENTATIVE" in found
    assert sorted(await representatives(house)) == ["ACCEPTED", "ENDED"]


async def test_who_was_withdrawn_sees_nothing_at_once_and_is_not_invited_again(house: House) -> None:
    await a_person(house, "father", "Éric", "Patient/p2")
    # The same person, registered by software too: a judgment ends all of it.
    _, second = await both_parents(house)
    await kept(house, related("also", 2, "GUARD"))
    given = {"delegation": second, "reason": "Jugement du 3 mars"}
    (ended,) = await does(house, OPERATOR, "delegation-end", "p20", **given)
    assert ended["status"] == "ENDED"
    for url in ("Observation/o", "Patient/p20", "Patient/p20/$summary"):
        assert await seen(house, parent(2), url) == 404
    assert (await house.authorization.accounts.by_login("father")).wards == ()  # type: ignore[union-attr]
    assert await asked(house, 1, 2) == "REPRESENTATION_WITHDRAWN"
    assert await asked(house, 2, 3) == 404
    # The operator, who is shown another judgment, attaches them again.
    assert (await attached(house, 2))[0]["status"] == "ACCEPTED"
    assert await seen(house, parent(2), "Observation/o") == "o"


async def test_each_is_told_of_the_other_s_and_not_of_their_own(house: House) -> None:
    await a_person(house, "mother", "Ève", "Patient/p1")
    await a_person(house, "father", "Éric", "Patient/p2")
    _, second = await both_parents(house)
    # p1: of being attached, and that p2 accepted; p2: of being invited.
    assert (await told(house, 1, "delegation"), await told(house, 1)) == (1, 1)
    assert (await told(house, 2, "delegation"), await told(house, 2)) == (1, 0)
    given = {"delegation": second, "reason": "Jugement du 3 mars"}
    await does(house, OPERATOR, "delegation-end", "p20", **given)
    assert (await told(house, 1), await told(house, 2, "delegation")) == (2, 2)


#: Each operation → what is answered to the minor, a parent, a neighbour who helps, a stranger, a doctor, the operator.
MAY: list[tuple[str, dict[str, Any], tuple[int, int, int, int, int, int]]] = [
    ("delegations", {}, (0, 0, 403, 404, 403, 0)),
    ("delegation-attach", identity(7), (403, 403, 403, 404, 403, 0)),
    ("delegation-match", {"kind": KIND, **identity(7)}, (0, 0, 403, 404, 403, 403)),
    ("delegation-invite", {"transaction": "x", **SECOND}, (422, 422, 403, 404, 403, 403)),
]


@pytest.mark.parametrize(("operation", "given", "expected"), MAY, ids=[row[0] for row in MAY])
async def test_what_each_may_ask(
    house: House, operation: str, given: dict[str, Any], expected: tuple[int, ...]
) -> None:
    await kept(house, related("helps", 3, CAREGIVER))
    await attached(house, 1)
    doctor = Grant((Scope("user", "*", frozenset("cruds")),), subject="Practitioner/d", client="practice")
    callers = (holder(20), parent(1), parent(3), holder(4), doctor, OPERATOR)
    answered = [await does(house, caller, operation, "p20", **given) for caller in callers]
    found = [0 if isinstance(one, list) else 422 if isinstance(one, str) else one for one in answered]
    assert tuple(found) == expected


async def test_one_is_told_of_what_the_other_decides_and_who_helps_is_not(house: House) -> None:
    for n, login in enumerate(("mother", "father", "neighbour"), 1):
        await a_person(house, login, login, f"Patient/p{n}", wards=("p20",))
    await kept(house, related("helps", 3, CAREGIVER))
    await both_parents(house)
    news = News(house.services)
    await news.hear(NOW)
    before = [await told(house, n, "representative-act") for n in (1, 2, 3)]
    assert isinstance(await does(house, parent(1), "space-move", "p20", event="close"), list)
    parts = {"name": "choice", "part": [{"name": "kind", "valueCode": "btg-refused"}]}
    given = {"resourceType": "Parameters", "parameter": [parts]}
    assert isinstance(await ask(house, parent(1), "POST", "Patient/p20/$record-choose", given), dict)
    assert await news.hear(NOW) == 2
    after = [await told(house, n, "representative-act") for n in (1, 2, 3)]
    assert [now - then for now, then in zip(after, before, strict=True)] == [0, 2, 0]
    assert await news.hear(NOW) == 0


async def test_what_one_took_back_the_other_does_not_do_again(house: House) -> None:
    await both_parents(house)

    async def moves(n: int, event: str) -> Any:
        found = await does(house, parent(n), "space-move", "p20", event=event)
        return found if isinstance(found, (str, int)) else "done"

    assert [await moves(1, "close"), await moves(2, "reopen"), await moves(1, "close")] == [
        "done",
        "done",
        "REPRESENTATIVES_DISAGREE",
    ]
    # Who took it back may change their mind, and then it is nobody's disagreement.
    assert [await moves(2, "close"), await moves(1, "ask-deletion"), await moves(2, "cancel-deletion")] == ["done"] * 3
    assert await moves(1, "ask-deletion") == "REPRESENTATIVES_DISAGREE"
    # A judge decided: who is no representative stands in nobody's way.
    second = delegation_id("p20", "p2", "representation")
    await does(house, OPERATOR, "delegation-end", "p20", delegation=second, reason="Jugement du 3 mars")
    assert await moves(1, "ask-deletion") == "done"


async def test_a_death_ends_what_hangs_on_it_on_either_side(house: House) -> None:
    await a_person(house, "father", "Éric", "Patient/p2")
    await both_parents(house)
    news = News(house.services)
    await news.hear(NOW)
    await kept(house, a_patient(2, deceasedBoolean=True))
    assert await news.hear(NOW) == 1
    assert sorted(await representatives(house)) == ["ACCEPTED", "ENDED"]
    assert (await house.authorization.accounts.by_login("father")).wards == ()  # type: ignore[union-attr]
    # There is room for another, whom the first invites.
    assert (await asked(house, 1, 3))["status"] == "PENDING"
    await kept(house, {**CHILD, "deceasedDateTime": "2026-11-01"})
    assert await news.hear(NOW) == 2
    assert "ACCEPTED" not in await representatives(house) and "PENDING" not in await representatives(house)
