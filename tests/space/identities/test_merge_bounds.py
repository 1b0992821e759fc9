"""Who makes two records one, what stands against it, and what follows it. R5 Patient/$merge; R4 Patient.link.

https://hl7.org/fhir/R5/patient-operation-merge.html
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fhir_server.access.grant import OPEN, Grant
from fhir_server.app import House
from fhir_server.space.accounts.moving import Asked, move
from fhir_server.space.delegations.delegation import delegation_id
from fhir_server.space.identities.merging import undoing
from fhir_server.space.identities.merging.ledger import merge_id
from tests.access.test_rules import ask, seen
from tests.server.people import a_person, kept
from tests.space.identities.people import (
    DEMO,
    DOCTOR,
    OPERATOR,
    PUBLISHED,
    READER,
    STAFF,
    VERIFIER,
    a_patient,
    call,
    changes,
    holder,
    ins,
)
from tests.space.identities.records import (
    a_document,
    an_observation,
    chooses,
    everything,
    merges,
    refers,
    row,
    undone,
)


@pytest.mark.parametrize(
    ("caller", "status"),
    [
        (OPERATOR, 200),
        (STAFF, 200),
        (OPEN, 200),
        (VERIFIER, 403),
        (DOCTOR, 403),
        (PUBLISHED, 403),
        (replace(STAFF, referenced=True), 403),
        (READER, 403),
        (holder("s"), 403),
        (holder("t"), 403),
    ],
)
async def test_who_makes_two_records_one(house: House, caller: Grant, status: int) -> None:
    for what in ("merge", "unmerge"):
        answer = await merges(house, caller, "s", "t", what=what)
        assert (answer if isinstance(answer, int) else 200) == status
    ledger = f"Basic/{merge_id('s', 't')}"
    if status == 200:
        # It names what the person does not see.
        assert await seen(house, holder("t"), ledger) == 404
        assert await seen(house, DOCTOR, ledger) == 404
        assert await ask(house, OPERATOR, "DELETE", ledger) == 403


async def test_what_stands_against_a_merge(house: House) -> None:
    delegation = {
        "resourceType": "RelatedPerson",
        "id": "helper",
        "active": True,
        "patient": refers("Patient/s"),
        "identifier": [{"system": DEMO, "value": ins(4)}],
    }
    await kept(
        house, a_patient("acts", 4), delegation, a_patient("closed", 5), a_patient("dead", 6), a_patient("third", 7)
    )
    for patient, event in (("closed", "close"), ("dead", "die")):
        await move(house.repository(), patient, Asked(event, "operator", datetime.now(UTC)))  # type: ignore[arg-type]
    before = await everything(house)
    for source, target in (
        ("s", "s"),
        ("s", "acts"),
        ("acts", "s"),
        ("closed", "t"),
        ("t", "closed"),
        ("dead", "t"),
        ("t", "dead"),
        # Each has an INS of its own, and another birth date: homonyms, or a mistake that is corrected before.
        ("s", "other"),
    ):
        assert await merges(house, OPERATOR, source, target) == 422, (source, target)
    assert await merges(house, OPERATOR, "s", "nobody") == 404
    assert await undone(house, "s", "t") == 422
    assert await everything(house) == before
    # In no circle, and the last is taken back first.
    await merges(house, OPERATOR, "third", "t")
    assert not isinstance(await merges(house, OPERATOR, "t", "s"), int)
    assert await merges(house, OPERATOR, "s", "third") == 422
    assert await merges(house, OPERATOR, "third", "s") == 422
    assert await undone(house, "third", "t") == 422
    assert not isinstance(await undone(house, "t", "s"), int)
    assert not isinstance(await undone(house, "third", "t"), int)
    assert await everything(house) == before


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row("source-patient", "Patient/s")],
        [row("source-patient", "Practitioner/d"), row("target-patient", "Patient/t")],
        [row("source-patient", "http://elsewhere.example/Patient/s"), row("target-patient", "Patient/t")],
        [row("source-patient", "#s"), row("target-patient", "Patient/t")],
        [{"name": "source-patient-identifier", "valueIdentifier": {"value": "1"}}, row("target-patient", "Patient/t")],
        [{"name": "source-patient-identifier", "valueIdentifier": {"system": 1, "value": []}}, row("target-patient", "Patient/t")],
        [row("source-patient", "Patient/s"), row("target-patient", "Patient/t"), {"name": "reason", "valueString": "x" * 501}],
        [row("source-patient", "Patient/s"), row("target-patient", "Patient/t"), {"name": "result-patient", "resource": {"resourceType": "Patient", "id": "s"}}],
    ],
)  # fmt: skip
async def test_what_is_not_said_as_it_should_be_is_refused(house: House, rows: list[dict[str, Any]]) -> None:
    assert await call(house, OPERATOR, "Patient/$merge", *rows) == 400
    assert await seen(house, OPERATOR, "Basic?_summary=count") == 0


async def test_patients_are_said_by_identifiers_and_the_result_by_who_asks(house: House) -> None:
    rows = [
        {"name": f"{side}-patient-identifier", "valueIdentifier": {"system": DEMO, "value": ins(number)}}
        for side, number in (("source", 1), ("target", 2))
    ]
    phone = {"system": "phone", "value": "+33199000001"}
    result = {"resourceType": "Patient", "id": "t", "telecom": [phone], "gender": "male", "active": False}
    answer = await call(house, OPERATOR, "Patient/$merge", *rows, {"name": "result-patient", "resource": result})
    found = answer["parameter"][2]["resource"]
    # How they are reached, and no trait: an identity changes by an operation of its own.
    assert (found["telecom"], found["gender"], found["active"]) == ([phone], "female", True)
    # Both numbers are the one's by now.
    assert await call(house, OPERATOR, "Patient/$merge", *rows) == 422


async def test_the_account_its_sessions_and_tokens_end_and_are_there_again(house: House) -> None:
    account = await a_person(house, "s@example.org", "Ève", "Patient/s")
    caregiver = await a_person(house, "c@example.org", "Ada", "Patient/other", wards=("s",))
    accounts, records = house.authorization.accounts, house.services.records
    cookie = await house.authorization.sessions.begin(account.id, "password")
    assert await house.authorization.sessions.of_account(account.id)
    await merges(house, OPERATOR, "s", "t")
    found = await accounts.get(account.id)
    assert found is not None
    assert not found.open
    assert not await house.authorization.sessions.of_account(account.id)
    assert cookie
    # Who acts for the record that ended sees nothing of it, nor of the other.
    acting = await accounts.get(caregiver.id)
    assert acting is not None
    grant = Grant(holder("x").scopes, subject="Patient/other", wards=frozenset(acting.wards), client="app", patient="s")
    assert await seen(house, grant, "Observation/o") == 404
    await undone(house)
    again = await accounts.get(account.id)
    assert again is not None
    assert again.open
    assert await records.list("identity-due", count=5) == []
    # One that was closed before is not opened by an undoing.
    await accounts.close(account.id)
    await merges(house, OPERATOR, "s", "t")
    await undone(house)
    last = await accounts.get(account.id)
    assert last is not None
    assert not last.open


async def test_a_merge_that_was_interrupted_is_followed_to_its_end(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fhir_server.space.identities.merging import aftermath

    account = await a_person(house, "s@example.org", "Ève", "Patient/s")

    async def killed(*given: Any) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(aftermath, "_settle", killed)
        with pytest.raises(RuntimeError):
            await merges(house, OPERATOR, "s", "t")
    found = await house.authorization.accounts.get(account.id)
    assert found is not None
    assert found.open
    # Nobody sees anything of it until then.
    assert await seen(house, holder("s"), "Observation/o") == 404
    [job] = [one for one in aftermath.jobs(house.services) if one.name == "identities-settled"]
    assert await job.run(datetime.now(UTC)) == 0
    assert await job.run(datetime.now(UTC) + timedelta(minutes=6)) == 1
    found = await house.authorization.accounts.get(account.id)
    assert found is not None
    assert not found.open


async def test_a_merge_is_taken_back_within_a_year(house: House) -> None:
    await merges(house, OPERATOR, "s", "t")
    wanted = undoing.Wanted("s", "t", "x", "")
    late = datetime.now(UTC) + undoing.BOUND + timedelta(days=1)
    with pytest.raises(undoing.Invalid):
        await undoing.unmerge(house.repository(), wanted, undoing.Back(), late)
    assert not isinstance(await undone(house), int)


async def test_no_undoing_gives_two_people_one_number(house: House) -> None:
    await merges(house, OPERATOR, "s", "t")
    first = {"identifier": [{"system": DEMO, "value": ins(1)}]}
    assert not isinstance(await changes(house, OPERATOR, "t", "corrected", **first), int)
    assert await undone(house) == 422
    await changes(house, OPERATOR, "t", "corrected", identifier=[{"system": DEMO, "value": ins(2)}])
    assert not isinstance(await undone(house), int)
    assert [one["value"] for one in (await ask(house, OPERATOR, "GET", "Patient/t"))["identifier"]] == [ins(2)]
    assert await seen(house, OPERATOR, f"Patient?identifier={DEMO}|{ins(1)}") == {"s"}


async def test_leave_that_was_given_ends_and_is_for_two_people_to_give_again(house: House) -> None:
    from tests.space.delegations.people import does

    said = {"ins": ins(3), "given": "Eve", "family": "EXEMPLE", "birthDate": "1990-01-01"}
    transaction = await does(house, holder("s"), "delegation-match", "s", **said)
    made = await does(house, holder("s"), "delegation-invite", "s", transaction=transaction[0])
    await does(house, holder("other"), "delegation-answer", "other", delegation=made[0]["id"], accept=True)
    id = delegation_id("s", "other")
    assert (await ask(house, OPERATOR, "GET", f"Consent/{id}"))["status"] == "active"
    # Two people of a delegation are two.
    assert await merges(house, OPERATOR, "s", "other") == 422
    await merges(house, OPERATOR, "s", "t")
    assert (await ask(house, OPERATOR, "GET", f"Consent/{id}"))["status"] == "inactive"
    assert (await ask(house, OPERATOR, "GET", f"RelatedPerson/{id}"))["active"] is False
    await undone(house)
    assert (await ask(house, OPERATOR, "GET", f"Consent/{id}"))["status"] == "inactive"
    assert (await ask(house, OPERATOR, "GET", f"RelatedPerson/{id}"))["active"] is False


@pytest.mark.parametrize("seed", range(8))
async def test_no_sequence_of_merges_and_undoings_loses_or_opens_anything(house: House, seed: int) -> None:
    """Whatever is made one and two again: everything is there once, what is hidden stays so, and all of it goes back."""
    draw = random.Random(seed)
    people = ("s", "t", "u", "v")
    await kept(house, a_patient("u"), a_patient("v"), a_document("of-u", "u", "MASQUE_PS"), an_observation("of-v", "v"))
    team = {"resourceType": "CareTeam", "status": "active", "participant": [{"member": refers("Practitioner/d")}]}
    await kept(house, *({**team, "id": f"team-{one}", "subject": refers(f"Patient/{one}")} for one in people))
    blocking = draw.choice(people)
    await chooses(house, blocking, "blocked", "Practitioner/d")
    of_blocking = {"s": "plain", "t": "theirs", "u": "of-u", "v": ""}[blocking]
    before = await everything(house)
    made: list[tuple[str, str]] = []
    for _ in range(10):
        if made and draw.random() < 0.4:
            assert not isinstance(await undone(house, *made.pop()), int)
        else:
            source, target = draw.sample(people, 2)
            merged = {one for one, _ in made}
            answer = await merges(house, OPERATOR, source, target)
            # Nobody is in two merges as who ends, and nothing goes to who ended.
            assert isinstance(answer, int) is bool({source, target} & merged and (source, target) not in made)
            if not isinstance(answer, int) and (source, target) not in made:
                made.append((source, target))
        after = await everything(house)
        assert {one for one in after if not one.startswith("Consent/")} == {
            one for one in before if not one.startswith("Consent/")
        }
        for hidden in ("masked", "of-u", *([of_blocking] if of_blocking else [])):
            assert await seen(house, DOCTOR, f"DocumentReference/{hidden}") == 404, (hidden, made)
    while made:
        assert not isinstance(await undone(house, *made.pop()), int)
    left = await everything(house)
    # Choices that a merge alone made are taken back, and stay to be told of.
    assert {name: tree for name, tree in left.items() if name in before} == before
    assert all(tree["status"] == "inactive" for name, tree in left.items() if name not in before)
