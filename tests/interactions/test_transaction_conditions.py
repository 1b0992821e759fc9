"""Conditions of the entries of one transaction: the same twice, one that another entry makes untrue, many at once.

https://hl7.org/fhir/R4/http.html#trules, https://hl7.org/fhir/R4/http.html#ccreate
"""

from __future__ import annotations

import pytest

from tests.interactions.test_batch import asks
from tests.interactions.test_transaction import (
    PATIENT,
    A,
    B,
    Json,
    an_observation,
    counted,
    named,
    place,
    statuses,
    transaction,
)
from tests.server.calls import Server


async def test_two_entries_with_the_same_condition_make_one_resource(server: Server) -> None:
    entry = asks("POST", "Patient", PATIENT, ifNoneExist="identifier=urn:ids|7")
    answer = await server.post(
        "", transaction(named(A, entry), named(B, entry), asks("POST", "Observation", an_observation(B)))
    )
    assert statuses(answer) == ["201", "200", "201"] and place(answer, 0) == place(answer, 1)
    assert (await server.get(place(answer, 2))).json["subject"]["reference"] == place(answer, 0)


async def test_the_same_condition_written_otherwise_is_the_same(server: Server) -> None:
    answer = await server.post(
        "",
        transaction(
            asks("POST", "Patient", PATIENT, ifNoneExist="identifier=urn:ids|7"),
            asks("POST", "Patient", PATIENT, ifNoneExist="Patient?identifier=urn%3Aids%7C7"),
        ),
    )
    assert statuses(answer) == ["201", "200"] and place(answer, 0) == place(answer, 1)


CONDITIONAL = asks("POST", "Patient", PATIENT, ifNoneExist="identifier=urn:ids|7")
BY_NAME = {**PATIENT, "name": [{"family": "Durand"}]}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (asks("PUT", "Patient?identifier=urn:ids|7", PATIENT), asks("PUT", "Patient?identifier=urn:ids|7", PATIENT)),
        (CONDITIONAL, asks("PUT", "Patient?identifier=urn:ids|7", PATIENT)),
        (CONDITIONAL, asks("POST", "Patient", PATIENT)),
        (CONDITIONAL, asks("POST", "Patient", BY_NAME, ifNoneExist="family=durand")),
        (asks("POST", "Patient", BY_NAME, ifNoneExist="family=durand"), asks("POST", "Patient", BY_NAME)),
        (CONDITIONAL, asks("PUT", "Patient/mine", {**PATIENT, "id": "mine"})),
    ],
)
async def test_a_condition_that_another_entry_makes_untrue_is_refused(
    server: Server, first: Json, second: Json
) -> None:
    """http.html#trules: identities that overlap fail the transaction, those resolved by criteria too."""
    for entries in ((first, second), (second, first)):
        answer = await server.post("", transaction(*entries))
        assert (answer.status, set(answer.codes)) == (412, {"multiple-matches"})
    assert await counted(server) == 0


async def test_many_conditions_are_held_against_each_other(server: Server) -> None:
    asked = [
        asks(
            "POST",
            "Patient",
            {"resourceType": "Patient", "identifier": [{"system": "urn:ids", "value": str(n)}]},
            ifNoneExist=f"identifier=urn:ids|{n}",
        )
        for n in range(300)
    ]
    assert set(statuses(await server.post("", transaction(*asked)))) == {"201"}
