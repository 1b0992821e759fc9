"""What was filed about somebody else is moved; homonyms are told of. RNIV; RGPD art. 16.

https://fhir-server.example/OperationDefinition/Patient-refile and Patient-homonyms
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_server.access.grant import Grant
from fhir_server.app import House
from fhir_server.space.accounts.moving import Asked, move
from tests.access.test_rules import ask, seen
from tests.server.people import kept
from tests.space.identities.people import (
    DEMO,
    DOCTOR,
    OPERATOR,
    PUBLISHED,
    STAFF,
    VERIFIER,
    a_patient,
    call,
    holder,
    ins,
)
from tests.space.identities.records import a_document, an_observation, chooses, everything, merges, refers, row


async def refiles(
    house: House, caller: Grant, *references: str, to: str = "other", of: str = "s", reason: str = "x"
) -> Any:
    rows = [row("resource", one) for one in references]
    said = {"name": "reason", "valueString": reason}
    answer = await call(house, caller, f"Patient/{of}/$refile", row("to", f"Patient/{to}"), said, *rows)
    return answer if isinstance(answer, int) else {one["valueReference"]["reference"] for one in answer["parameter"]}


async def test_what_is_moved_is_of_the_other_with_all_that_goes_with_it(house: House) -> None:
    newer = a_document("newer", "s", relatesTo=[{"code": "replaces", "target": refers("DocumentReference/plain")}])
    await kept(house, newer)
    assert await refiles(house, OPERATOR, "DocumentReference/plain") == {
        "DocumentReference/plain",
        "DocumentReference/newer",
    }
    assert await seen(house, holder("s"), "DocumentReference") == {"masked"}
    assert await seen(house, holder("other"), "DocumentReference") == {"plain", "newer"}
    # Nor its past: a version is read by those who may read it as it is now.
    assert await seen(house, holder("s"), "DocumentReference/plain/_history/1") == 404
    assert await seen(house, DOCTOR, "DocumentReference/plain") == 404


async def test_the_content_goes_with_the_document_that_it_is_of(house: House) -> None:
    """R4 Binary.securityContext: content that software puts under the Patient is read as theirs, by its id alone."""
    base = "http://127.0.0.1/fhir/"
    urls = ["Binary/b", f"{base}Binary/b", "Binary/apart", "http://elsewhere.example/Binary/c", "Binary/none", "x"]
    content = [{"attachment": {"contentType": "text/plain", "url": url}} for url in urls]
    bodies = [
        {"resourceType": "Binary", "id": id, "contentType": "text/plain", "data": "eA==", "securityContext": refers(to)}
        for id, to in (("apart", "Patient/t"), ("c", "Patient/s"))
    ]
    await kept(house, a_document("papers", "s", content=content), *bodies)
    assert await refiles(house, OPERATOR, "DocumentReference/papers") == {"DocumentReference/papers"}
    found = {
        patient: {id for id in ("b", "apart", "c") if await seen(house, holder(patient), f"Binary/{id}") == id}
        for patient in ("s", "other", "t")
    }
    assert found == {"s": {"c"}, "other": {"b"}, "t": {"apart"}}
    assert (await ask(house, holder("other"), "GET", "Binary/b"))["data"] == "eA=="


async def test_a_mask_stays_and_who_masks_by_default_has_it_masked(house: House) -> None:
    await chooses(house, "other", "masked-by-default")
    await refiles(house, OPERATOR, "DocumentReference/plain", "DocumentReference/masked")
    for id in ("plain", "masked"):
        labels = (await ask(house, OPERATOR, "GET", f"DocumentReference/{id}"))["securityLabel"]
        assert "MASQUE_PS" in {coding["code"] for one in labels for coding in one["coding"]}, id


async def test_both_people_read_that_something_was_put_right_and_neither_of_the_other(house: House) -> None:
    await refiles(house, STAFF, "DocumentReference/plain", reason="wrong patient at the desk")
    for patient, event in (("s", "moved-away"), ("other", "moved-here")):
        answer = await call(house, holder(patient), f"Patient/{patient}/$identity-history", method="GET")
        [step] = answer["parameter"]
        said = {part["name"]: part for part in step["part"]}
        assert said["event"]["valueCode"] == event
        assert "Patient/" not in str(step)
    # Who read it meanwhile stays told where they read it.
    assert await seen(house, OPERATOR, "AuditEvent?patient=s") >= {"trace"}


@pytest.mark.parametrize(
    ("references", "to", "status"),
    [
        ((), "other", 400),
        (("DocumentReference/plain",), "s", 422),
        (("DocumentReference/plain",), "nobody", 404),
        (("DocumentReference/plain",), "closed", 422),
        (("DocumentReference/nothing",), "other", 422),
        (("DocumentReference/theirs",), "other", 422),
        (("Appointment/rdv",), "other", 422),
        (("CareTeam/nothing",), "other", 422),
        (("Patient/s",), "other", 422),
        (("AuditEvent/trace",), "other", 422),
        (("Binary/b",), "other", 422),
        # The patient did it: what somebody says of themself is no mistake of identity.
        (("Observation/o",), "other", 422),
        (("#x",), "other", 400),
        (("Nothing/x",), "other", 400),
    ],
)
async def test_what_is_not_of_the_record_stays(house: House, references: tuple[str, ...], to: str, status: int) -> None:
    await kept(house, a_patient("closed", 5))
    await move(house.repository(), "closed", Asked("close", "operator", datetime.now(UTC)))
    before = await everything(house)
    assert await refiles(house, OPERATOR, *references, to=to) in (status, 422)
    assert await everything(house) == before


@pytest.mark.parametrize(
    ("caller", "status"),
    [(OPERATOR, 200), (STAFF, 200), (VERIFIER, 403), (DOCTOR, 403), (PUBLISHED, 403), (holder("s"), 403), (holder("other"), 403)],
)  # fmt: skip
async def test_who_moves_what_was_misfiled(house: House, caller: Grant, status: int) -> None:
    answer = await refiles(house, caller, "DocumentReference/plain")
    assert (answer if isinstance(answer, int) else 200) == status
    assert await refiles(house, caller, "DocumentReference/masked", reason=" ") == (400 if status == 200 else 403)


async def shares(house: House, caller: Grant, patient: str) -> Any:
    answer = await call(house, caller, f"Patient/{patient}/$homonyms", method="GET")
    if isinstance(answer, int):
        return answer
    rows = answer["parameter"]
    parts = [{part["name"]: part for part in one["part"]} for one in rows[1:]]
    others = {one["patient"]["valueReference"]["reference"]: one["kind"]["valueCode"] for one in parts}
    return (rows[0]["valueUnsignedInt"], others)


async def test_who_shares_the_traits_is_told_as_a_number_and_to_the_operator_by_whom(house: House) -> None:
    same = {"name": [{"use": "official", "family": "EXEMPLE", "given": ["Eve", "Marie"]}]}
    await kept(house, a_patient("without", **same), a_patient("elsewhere", 8, gender="male"), an_observation("x", "s"))
    expected = {"Patient/t": "homonym", "Patient/without": "duplicate"}
    assert await shares(house, OPERATOR, "s") == (2, expected)
    assert await shares(house, STAFF, "s") == (2, expected)
    assert await shares(house, DOCTOR, "s") == (2, {})
    for caller in (holder("s"), VERIFIER, PUBLISHED):
        assert await shares(house, caller, "s") == 403
    assert await shares(house, OPERATOR, "nobody") == 404
    assert await shares(house, OPERATOR, "other") == (0, {})
    # Of two that were made one there is one.
    await merges(house, OPERATOR, "without", "s")
    assert await shares(house, OPERATOR, "s") == (1, {"Patient/t": "homonym"})
    assert DEMO
    assert ins(1)
