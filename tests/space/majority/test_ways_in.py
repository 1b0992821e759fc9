"""At eighteen every way in of who represented a minor ends: by the clock of Paris, whatever was handed over by then.

Code civil, art. 388, 414; domain file §2.2; https://hl7.org/fhir/R4/security.html. A test in which nobody may pass would
pass with a server that lets in nobody: each way is gone before and after.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import Grant, Scope
from fhir_server.app import House
from fhir_server.space.acting import of_age_from
from fhir_server.space.paris import PARIS
from tests.access.test_rules import ask
from tests.server.people import kept
from tests.space.delegations.people import a_house, a_patient, as_caregiver, does, identity

TODAY = datetime.now(UTC).astimezone(PARIS).date()
OPERATOR = Grant((Scope("system", "*", frozenset("cruds")),), client="backend")
BY_CONTEXT = as_caregiver(1, 20)
BY_WARD = Grant((Scope("user", "*", frozenset("cruds")),), subject="Patient/p1", client="app", wards=frozenset({"p20"}))  # fmt: skip


def born(days_before_majority: int) -> str:
    """A birth date with which somebody is of age so many days from today."""
    day = TODAY + timedelta(days=days_before_majority)
    day = day.replace(day=28) if (day.month, day.day) == (2, 29) else day
    return day.replace(year=day.year - 18).isoformat()


def the_child(days: int) -> dict[str, Any]:
    return a_patient(20, birthDate=born(days))


OBSERVATION = {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"},
               "subject": {"reference": "Patient/p20"}}  # fmt: skip


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as found:
        await kept(found, the_child(1), OBSERVATION)
        await does(found, OPERATOR, "delegation-attach", "p20", **identity(1))
        yield found


@pytest.mark.parametrize(
    ("birth", "majority"),
    [
        ("2008-11-30", "2026-11-29T23:00:00"),
        ("2008-07-01", "2026-06-30T22:00:00"),
        ("2008-02-29", "2026-02-28T23:00:00"),
        ("2008-02", "2026-02-28T23:00:00"),
        ("2007", "2025-12-30T23:00:00"),
        ("", None),
    ],
)
def test_one_comes_of_age_at_midnight_in_paris(birth: str, majority: str | None) -> None:
    found = of_age_from({"birthDate": birth})
    assert (found.astimezone(UTC).isoformat()[:19] if found else None) == majority


#: What is asked for in the space of somebody.
READS = [
    "Patient/p20",
    "Patient/p20/_history",
    "Patient?_id=p20",
    "Observation/o",
    "Observation?patient=p20",
    "Observation?_id=o&_include=Observation:subject",
    "Patient?_id=p20&_revinclude=Observation:subject",
    "Consent?patient=p20",
    "RelatedPerson?patient=p20",
]


@pytest.mark.parametrize("caller", [BY_CONTEXT, BY_WARD], ids=["context", "ward"])
@pytest.mark.parametrize("url", READS)
async def test_what_was_read_the_day_before_is_read_no_more(house: House, caller: Grant, url: str) -> None:
    async def found() -> bool:
        answer = await ask(house, caller, "GET", url)
        return isinstance(answer, dict) and (answer["resourceType"] != "Bundle" or bool(answer.get("entry")))

    assert await found()
    await kept(house, the_child(0))
    assert not await found()


#: Operations of a Patient that change something of it, or tell of it: what they are given.
GIVEN: dict[str, dict[str, Any]] = {
    "delegation-match": identity(3),
    "delegation-invite": {"transaction": "x", "kind": "LEGAL_REPRESENTATION", "declaration": True},
    "delegation-answer": {"delegation": "x", "accept": True},
    "delegation-end": {"delegation": "x"},
    "delegation-attach": identity(3),
    "space-move": {"event": "close"},
    "not-concerned": {"section": "allergies"},
    "share-profile": {"withdrawn": False},
    "attending-doctor": {"withdrawn": True},
    "notice-prefer": {"kind": "message", "channel": "email", "wanted": False},
    "prevention-mark": {"code": "x", "mark": "done"},
    "calendar-address": {"action": "show"},
    "export-record": {"action": "start"},
    "import-agenda": {"file": "x"},
    "record-choose": {"choice": "btg-refused"},
    "change-identity": {"how": "x"},
    "rectify": {"about": "identity", "words": "x"},
    "rectification-answer": {"request": "x", "event": "accept"},
    "refile": {"to": "Patient/p3", "resource": "Observation/o", "reason": "x"},
}


def operations() -> list[str]:
    folder = Path(__file__).parents[3] / "capability"
    trees = [json.loads(file.read_text()) for file in folder.glob("OperationDefinition-Patient-*.json")]
    return sorted(str(tree["code"]) for tree in trees if tree["instance"])


@pytest.mark.parametrize("code", operations())
async def test_no_operation_answers_who_represented_somebody(house: House, code: str) -> None:
    await kept(house, the_child(0))
    for caller in (BY_CONTEXT, BY_WARD):
        found = await does(house, caller, code, "p20", **GIVEN.get(code, {}))
        # Of a patient who is hidden no message waits.
        assert found == [0] if code == "unread" else found in (400, 403, 404), caller
    given = {"resourceType": "Parameters", "parameter": []}
    for caller in (BY_CONTEXT, BY_WARD):
        assert (
            await ask(house, caller, "POST", f"Patient/p20/${code}", given) in (400, 403, 404, 405) or code == "unread"
        )


async def test_nothing_is_written_by_who_represented_somebody(house: House) -> None:
    another = {name: value for name, value in OBSERVATION.items() if name != "id"}
    assert isinstance(await ask(house, BY_CONTEXT, "POST", "Observation", another), dict)
    await kept(house, the_child(0))
    for caller in (BY_CONTEXT, BY_WARD):
        assert await ask(house, caller, "POST", "Observation", another) in (403, 404, 422)
        assert await ask(house, caller, "PUT", "Observation/o", OBSERVATION) in (403, 404)
        assert await ask(house, caller, "DELETE", "Observation/o") in (403, 404)
        assert await ask(house, caller, "PUT", "Patient/p20", the_child(0)) in (403, 404)


#: Who writes another birth date, from → to in days before majority → the answer.
MOVED: list[tuple[Grant, int, int, Any]] = [
    (BY_CONTEXT, 1, 400, 403),
    (BY_WARD, 1, 0, 422),
    (Grant((Scope("user", "*", frozenset("cruds")),), subject="Patient/p20", client="app"), 1, 0, 422),
    (Grant((Scope("user", "*", frozenset("cruds")),), subject="Practitioner/d", client="practice"), 1, 0, 422),
    (Grant((Scope("user", "*", frozenset("cruds")),), subject="Practitioner/d", client="practice"), 0, 1, 422),
    (Grant((Scope("user", "*", frozenset("cruds")),), subject="Practitioner/d", client="practice"), 5, 3, 403),
    (Grant((Scope("system", "*", frozenset("cruds")),), client="app", referenced=True), 0, 1, 403),
    (OPERATOR, 1, 0, dict),
    (OPERATOR, 0, 1, dict),
]


@pytest.mark.parametrize(("caller", "before", "after", "status"), MOVED)
async def test_a_birth_date_is_moved_across_majority_by_the_operator_alone(
    house: House, caller: Grant, before: int, after: int, status: Any
) -> None:
    await kept(house, the_child(before))
    found = await ask(house, caller, "PUT", "Patient/p20", the_child(after))
    assert (dict if isinstance(found, dict) else found) == status
    there = await ask(house, OPERATOR, "GET", "Patient/p20")
    assert there["birthDate"] == born(after if status is dict else before)
