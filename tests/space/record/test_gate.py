"""What of a record a professional is let in to: blocked, closed, care team, agreement, emergency, profession.

CSP R1111-46 to R1111-49, L1110-12 (the care team is presumed), L1111-17 (emergencies); arrêté of 26 October 2023 (which
profession reads which type).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.access.grant import OPEN, VERBS, Grant, Purpose, Scope
from fhir_server.app import House, opened
from tests.server.people import a_care_team
from tests.space.record.callers import ALL, BASE, OWN, SYSTEM, Caller, document, grant
from tests.space.record.gated import (
    ALL_OF_B,
    ASKED,
    DOCTOR,
    EVERYTHING,
    HEALTH,
    LONG_AFTER,
    LONG_AGO,
    MASKED,
    NOTHING,
    OF_B,
    OTHER,
    PLAIN,
    SHOWS,
    SOCIAL,
    TEAM,
    TYPES,
    WROTE,
    Situation,
    chosen,
    coded,
    filled,
    member,
    practitioner,
    role,
    seen,
    team,
)
from tests.space.record.test_reading import RPPS

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with filled(tmp_path_factory.mktemp("gate")) as found:
        yield found


@pytest.mark.parametrize("context", [None, "a"], ids=["no patient", "in context"])
@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ((), WROTE),
        ((TEAM,), EVERYTHING),
        ((a_care_team("a", "PractitionerRole/d1"),), WROTE),
        ((a_care_team("a", "Practitioner/e"),), WROTE),
        ((team(status="inactive"),), WROTE),
        ((team(status="entered-in-error"),), WROTE),
        ((team(period={"end": LONG_AGO}),), WROTE),
        ((team(period={"start": LONG_AFTER}),), WROTE),
        ((team(period={"start": LONG_AGO, "end": LONG_AFTER}),), EVERYTHING),
        ((member({"reference": "Practitioner/d"}, period={"end": LONG_AGO}),), WROTE),
        ((member({"reference": f"{BASE}/Practitioner/d"}),), EVERYTHING),
        ((member({"reference": "http://elsewhere/Practitioner/d"}),), WROTE),
        ((member({"reference": "Practitioner/D"}),), WROTE),
        ((member({"identifier": {"system": RPPS, "value": "10000000100"}}),), WROTE),
        ((member({"reference": "#x"}) | {"contained": [practitioner("d") | {"id": "x"}]},), WROTE),
        ((a_care_team("b", "Practitioner/d") | {"id": "team-b"},), WROTE | ALL_OF_B),
        ((chosen("authorised", "Practitioner/d"),), EVERYTHING),
        ((chosen("authorised", "Practitioner/e"),), WROTE),
        ((chosen("authorised", "PractitionerRole/d1"),), WROTE),
        ((chosen("authorised", "Practitioner/d", end=LONG_AGO),), WROTE),
        ((chosen("authorised", "Practitioner/d", status="entered-in-error"),), WROTE),
        ((chosen("authorised", "Practitioner/d", status="inactive"),), WROTE),
        ((chosen("authorised", "Practitioner/d", patient="b"),), WROTE | ALL_OF_B),
        ((chosen("blocked", "Practitioner/d"),), NOTHING),
        ((chosen("blocked", "Practitioner/d"), TEAM, chosen("authorised", "Practitioner/d")), NOTHING),
        ((chosen("blocked", "Practitioner/d", end=LONG_AGO), TEAM), EVERYTHING),
        ((chosen("blocked", "Practitioner/e"), TEAM), EVERYTHING),
        ((chosen("btg-refused"), TEAM), EVERYTHING),
        (({"resourceType": "Patient", "id": "a", "active": False}, TEAM), NOTHING),
        (({"resourceType": "Patient", "id": "a", "active": True}, TEAM), EVERYTHING),
        ((practitioner("d", (HEALTH, "10"), active=False), TEAM), set()),
    ],
)
async def test_who_is_let_in(house: House, context: str | None, stored: Any, expected: set[str]) -> None:
    caller = replace(DOCTOR, patient=context)
    async with Situation(house, *stored):
        assert await seen(house, caller, *ASKED) == expected
        # The same with scopes of the patient in context, of whom alone something is seen; and with software's, which
        # says who asks through it.
        own = Grant((OWN,), subject="Practitioner/d", patient="a", client="app", traced=False)
        assert await seen(house, own, *ASKED) == {one for one in expected if one not in ALL_OF_B}
        assert await seen(house, replace(caller, scopes=(SYSTEM,)), *ASKED) == expected


@pytest.mark.parametrize("context", [None, "a"], ids=["no patient", "in context"])
@pytest.mark.parametrize(
    ("acting", "expected"),
    [
        (None, WROTE),
        ("PractitionerRole/d1", EVERYTHING),
        ("PractitionerRole/d2", WROTE),
        ("PractitionerRole/ended", set()),
        ("PractitionerRole/inactive", set()),
        ("PractitionerRole/another", set()),
    ],
)
async def test_a_team_may_name_a_role_and_a_role_ends(
    house: House, context: str | None, acting: str | None, expected: set[str]
) -> None:
    """Whoever has two roles is let in by the one they act in."""
    async with Situation(house, a_care_team("a", "PractitionerRole/d1")):
        assert await seen(house, replace(DOCTOR, role=acting, patient=context), *ASKED) == expected


@pytest.mark.parametrize(
    ("purpose", "stored", "context", "expected"),
    [
        ("TREAT", (), "a", WROTE),
        ("BTG", (), "a", EVERYTHING),
        ("ETREAT", (), "a", EVERYTHING),
        ("BTG", (chosen("btg-refused"),), "a", WROTE),
        ("ETREAT", (chosen("btg-refused"),), "a", EVERYTHING),
        ("ETREAT", (chosen("regulation-refused"),), "a", WROTE),
        ("BTG", (chosen("regulation-refused"),), "a", EVERYTHING),
        ("BTG", (chosen("btg-refused", end=LONG_AGO),), "a", EVERYTHING),
        ("BTG", (chosen("btg-refused"), TEAM), "a", EVERYTHING),
        ("BTG", (chosen("blocked", "Practitioner/d"),), "a", NOTHING),
        ("BTG", ({"resourceType": "Patient", "id": "a", "active": False},), "a", NOTHING),
        # Without a patient an emergency is nobody's.
        ("BTG", (), None, WROTE),
        ("ETREAT", (), None, WROTE),
        ("BTG", (TEAM,), None, EVERYTHING),
        ("ETREAT", (chosen("blocked", "Practitioner/d"),), None, NOTHING),
        # A glass that was broken for a opens nobody else's record.
        ("BTG", (), "b", WROTE | ALL_OF_B),
    ],
)
async def test_an_emergency_opens_what_the_patient_did_not_refuse(
    house: House, purpose: Purpose, stored: Any, context: str | None, expected: set[str]
) -> None:
    async with Situation(house, *stored):
        caller = replace(DOCTOR, purpose=purpose, reason="Coma", patient=context)
        assert await seen(house, caller, *ASKED) == expected


@pytest.mark.parametrize("purpose", ["BTG", "ETREAT"])
@pytest.mark.parametrize("context", ["a", None], ids=["in context", "no patient"])
@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ((), False),
        ((SHOWS,), True),
        ((SHOWS, chosen("btg-refused"), chosen("regulation-refused")), False),
        # In the team, but the emergency was refused: they are there as always, and masked stays masked.
        ((SHOWS, chosen("btg-refused"), chosen("regulation-refused"), TEAM), False),
        ((SHOWS, chosen("blocked", "Practitioner/d")), False),
        ((chosen("emergency-sees-masked", patient="b"),), False),
    ],
)
async def test_an_emergency_sees_what_is_masked_only_where_the_patient_said_so(
    house: House, purpose: Purpose, context: str | None, stored: Any, shown: bool
) -> None:
    async with Situation(house, MASKED, *stored):
        caller = replace(DOCTOR, purpose=purpose, reason="Coma", patient=context)
        assert (await seen(house, caller, "DocumentReference/masked") != set()) == (shown and context is not None)
        assert await seen(house, replace(caller, purpose="TREAT"), "DocumentReference/masked") == set()


@pytest.mark.parametrize(
    ("professions", "unread"),
    [
        # profession(s) of the directory                which of TYPES they do not read
        (((HEALTH, "10"),), {"residence"}),
        (((HEALTH, "21"),), {"residence"}),
        (((HEALTH, "40"),), {"residence", "directives", "psychiatric"}),
        (((HEALTH, "80"),), {"residence", "birth"}),
        (((HEALTH, "40"), (HEALTH, "10")), {"residence"}),
        (((SOCIAL, "41"),), set(TYPES) - {"social"}),
        (((OTHER, "R01"),), set(TYPES)),
        ((), {"residence"}),
    ],
)
async def test_a_profession_reads_the_types_of_its_rows(house: House, professions: Any, unread: set[str]) -> None:
    asked = [f"DocumentReference/{id}-of-a" for id in TYPES]
    caller = grant("Practitioner/m", ALL, patient="a")
    async with Situation(
        house, {"resourceType": "PractitionerRole", **role("m1", "m", *professions)}, a_care_team("a", "Practitioner/m")
    ):
        expected = {f"DocumentReference/{id}-of-a" for id in set(TYPES) - unread}
        for acting in (None, "PractitionerRole/m1"):
            assert await seen(house, replace(caller, role=acting), *asked) == expected
            assert await seen(house, replace(caller, role=acting, purpose="BTG", reason="x"), *asked) == expected


async def test_who_acts_in_no_role_reads_what_all_of_theirs_read(house: House) -> None:
    """The directory has them as a doctor and as a dentist; the software did not say which they are now."""
    asked = [f"DocumentReference/{id}-of-a" for id in TYPES]
    async with Situation(house, TEAM):
        caller = replace(DOCTOR, patient="a")
        for acting, unread in ((None, 3), ("PractitionerRole/d1", 1), ("PractitionerRole/d2", 3)):
            assert len(asked) - len(await seen(house, replace(caller, role=acting), *asked)) == unread, acting


async def test_what_they_wrote_they_read_whatever_the_matrix_says(house: House) -> None:
    own = document("certificate", type=coded(*TYPES["residence"]), author={"reference": "Practitioner/d"})
    async with Situation(house, own):
        assert await seen(house, DOCTOR, "DocumentReference/certificate") == {"DocumentReference/certificate"}


async def test_what_is_of_no_record_is_its_authors(house: House) -> None:
    asked = ("DocumentReference/of-nobody", "DocumentReference/logical")
    async with Situation(house, TEAM):
        assert await seen(house, DOCTOR, *asked) == {"DocumentReference/of-nobody"}
        assert await seen(house, grant("Practitioner/e", ALL), *asked) == set()


async def test_filing_needs_no_agreement_and_shows_nothing(house: House) -> None:
    """R1111-47: a professional who is blocked files, and does not see what they filed."""
    async with Situation(house, chosen("blocked", "Practitioner/d")):
        tree = {k: v for k, v in document("x", author={"reference": "Practitioner/d"}).items() if k != "id"}
        answer = await Caller(house, DOCTOR)("POST", "DocumentReference", tree)
        assert answer.status == 201, answer.json
        assert not await Caller(house, DOCTOR).sees("DocumentReference", answer.id)
        assert await Caller(house, OPEN).sees("DocumentReference", answer.id)


async def test_a_block_works_at_the_next_request(house: House) -> None:
    ask = Caller(house, DOCTOR)
    async with Situation(house, TEAM):
        assert await ask.sees("DocumentReference", "plain-of-a")
        async with Situation(house, chosen("blocked", "Practitioner/d")):
            assert not await ask.sees("DocumentReference", "plain-of-a")
        assert await ask.sees("DocumentReference", "plain-of-a")
    assert not await ask.sees("DocumentReference", "plain-of-a")


async def test_a_block_works_on_another_worker(house: House, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two servers over one store, as two workers are: what one wrote, the other goes by once it has heard."""
    async with opened(house.settings) as other, Situation(house, TEAM):
        asked = Caller(other, DOCTOR), Caller(other, replace(DOCTOR, patient="a"))
        assert [await one.sees("DocumentReference", "plain-of-a") for one in asked] == [True, True]
        async with Situation(house, chosen("blocked", "Practitioner/d")):
            assert [await one.sees("DocumentReference", "plain-of-a") for one in asked] == [False, False]


async def test_software_without_a_person_and_patients_pass_no_gate(house: House) -> None:
    software = Grant((Scope("system", "*", VERBS),), client="lab", traced=False)
    patient = grant("Patient/a", OWN, patient="a")
    async with Situation(house, chosen("blocked", "Practitioner/d")):
        assert await seen(house, software, PLAIN, OF_B) == {PLAIN, OF_B}
        assert await seen(house, patient, PLAIN, OF_B) == {PLAIN}


@pytest.mark.parametrize(
    ("caller", "stored", "status"),
    [
        (DOCTOR, (), 403),
        (replace(DOCTOR, purpose="BTG", reason="Coma"), (), 403),
        (replace(DOCTOR, patient="a"), (), 403),
        (DOCTOR, (chosen("authorised", "Practitioner/d", patient="b"),), 403),
        (DOCTOR, (chosen("authorised", "Practitioner/d"),), 201),
        (replace(DOCTOR, patient="a"), (TEAM,), 201),
        (DOCTOR, (TEAM, chosen("blocked", "Practitioner/d")), 403),
        (grant("Patient/a", OWN, patient="a"), (), 201),
        (grant(None, SYSTEM), (), 201),
        (grant("Practitioner/d", SYSTEM), (), 403),
    ],
)
async def test_nobody_lets_themselves_in_by_a_care_team(house: House, caller: Grant, stored: Any, status: int) -> None:
    async with Situation(house, *stored):
        tree = {k: v for k, v in TEAM.items() if k != "id"}
        answer = await Caller(house, caller)("POST", "CareTeam", tree)
        assert answer.status == status, answer.json
        if status == 201:
            await Caller(house, OPEN)("DELETE", f"CareTeam/{answer.id}")
