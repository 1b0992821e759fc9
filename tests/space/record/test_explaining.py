"""Why somebody may or may not read: https://fhir-server.example/OperationDefinition/Record-access-explain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.access.grant import OPEN, Grant
from fhir_server.app import House
from fhir_server.space.record.choices import choice_id
from tests.space.record.callers import OWN, SYSTEM, Caller, document, grant
from tests.space.record.gated import (
    DOCTOR,
    MASKED,
    SHOWS,
    TEAM,
    TYPES,
    Situation,
    chosen,
    coded,
    filled,
    practitioner,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENT = grant("Patient/a", OWN, patient="a")
SOFTWARE = grant(None, SYSTEM)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with filled(tmp_path_factory.mktemp("explained")) as found:
        yield found


async def why(house: House, caller: Grant, about: str, **parameters: str) -> Any:
    """(outcome, rule) and the row, or the status of a refusal."""
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    answer = await Caller(house, caller)("GET", f"{about}/$access-explain?{query}")
    if answer.status != 200:
        return answer.status
    found = {one["name"]: next(v for k, v in one.items() if k != "name") for one in answer.json["parameter"]}
    assert found["matrix"] and found["reason"]
    return found["outcome"], found["rule"], found.get("row", "")


CERTIFICATE = document("certificate", type=coded(*TYPES["residence"]), author={"reference": "Practitioner/x"})
MINE = document("own", "MASQUE_PS", type=coded(*TYPES["residence"]), author={"reference": "Practitioner/d"})
PLAIN = document("plain", author={"reference": "Practitioner/x"})
BLOCK = chosen("blocked", "Practitioner/d")
CLOSED = {"resourceType": "Patient", "id": "a", "active": False}


@pytest.mark.parametrize(
    ("stored", "asked", "purpose", "expected"),
    [
        # what is stored beside      what is asked about  purpose  outcome, rule, and what the row begins with
        ((), PLAIN, "TREAT", ("masked", "no-agreement", "")),
        ((TEAM,), PLAIN, "TREAT", ("allowed", "care-team", "CareTeam/team-a")),
        ((chosen("authorised", "Practitioner/d"),), PLAIN, "TREAT",
         ("allowed", "authorised", f"Consent/{choice_id('a', 'authorised', 'Practitioner/d')}")),
        ((TEAM, BLOCK), PLAIN, "TREAT", ("masked", "blocked", f"Consent/{BLOCK['id']}")),
        ((BLOCK,), MINE, "BTG", ("masked", "blocked", f"Consent/{BLOCK['id']}")),
        ((CLOSED,), MINE, "TREAT", ("masked", "closed", "Patient/a")),
        ((), MINE, "TREAT", ("allowed", "author", "Practitioner/d")),
        ((), PLAIN, "BTG", ("allowed", "emergency", "")),
        ((chosen("btg-refused"),), PLAIN, "BTG", ("masked", "emergency-refused", f"Consent/{choice_id('a', 'btg-refused')}")),
        ((chosen("btg-refused"),), PLAIN, "ETREAT", ("allowed", "emergency", "")),
        ((TEAM,), CERTIFICATE, "TREAT", ("masked", "matrix", "*,https://mos.esante.gouv.fr/")),
        ((), CERTIFICATE, "BTG", ("masked", "matrix", "*,https://mos.esante.gouv.fr/")),
        ((TEAM,), MASKED, "TREAT", ("masked", "masked", "")),
        ((SHOWS,), MASKED, "BTG", ("allowed", "emergency", "")),
        ((SHOWS, TEAM, chosen("btg-refused")), MASKED, "BTG", ("masked", "masked", "")),
        ((TEAM, practitioner("d", active=False)), PLAIN, "TREAT", ("masked", "ended", "")),
        ((TEAM,), {**PLAIN, "status": "entered-in-error"}, "TREAT", ("masked", "deleted", "")),
    ],
)  # fmt: skip
async def test_the_rule_and_the_row_are_those_by_which_it_is_read(
    house: House,
    stored: Any,
    asked: Any,
    purpose: Any,
    expected: tuple[str, str, str],
) -> None:
    about = f"DocumentReference/{asked['id']}"
    async with Situation(house, asked, *stored):
        outcome, rule, row = await why(house, OPEN, about, practitioner="Practitioner/d", purpose=purpose)
        assert (outcome, rule) == expected[:2] and row.startswith(expected[2])
        # What is said is what happens, and who is not let in is told nothing of the document.
        caller = replace(DOCTOR, patient="a", purpose=purpose, reason="Coma")
        sees = await Caller(house, caller).sees("DocumentReference", asked["id"])
        assert sees == (outcome == "allowed")
        assert await why(house, caller, about) == ((outcome, rule, row) if sees else 404)
        if rule != "deleted":
            told = await why(house, PATIENT, about, practitioner="Practitioner/d", purpose=purpose)
            # What is closed its holder does not consult either, and an operator is told why (above).
            assert told == (404 if rule == "closed" else (outcome, rule, row))


@pytest.mark.parametrize(
    ("caller", "parameters", "expected"),
    [
        (DOCTOR, {}, ("masked", "no-agreement", "")),
        (DOCTOR, {"practitioner": "Practitioner/d"}, ("masked", "no-agreement", "")),
        (DOCTOR, {"role": "PractitionerRole/d2"}, ("masked", "no-agreement", "")),
        (DOCTOR, {"purpose": "BTG"}, ("allowed", "emergency", "")),
        (DOCTOR, {"practitioner": "Practitioner/e"}, 403),
        (DOCTOR, {"role": "PractitionerRole/another"}, 403),
        (PATIENT, {}, ("allowed", "scopes", "")),
        (PATIENT, {"practitioner": "Practitioner/e"}, ("masked", "no-agreement", "")),
        (SOFTWARE, {"practitioner": "Practitioner/e"}, ("masked", "no-agreement", "")),
        (SOFTWARE, {"practitioner": "Practitioner/none"}, 400),
        (SOFTWARE, {"practitioner": "Patient/a"}, 400),
        (SOFTWARE, {"practitioner": "practitioner/e"}, 400),
        (SOFTWARE, {"role": "PractitionerRole/none"}, 400),
        (SOFTWARE, {"practitioner": "Practitioner/e", "purpose": "PATRQT"}, 400),
        (replace(SOFTWARE, referenced=True), {"practitioner": "Practitioner/e"}, 403),
        (grant("Patient/b", OWN, patient="b"), {}, 404),
    ],
)
async def test_who_asks_about_whom(house: House, caller: Grant, parameters: Any, expected: Any) -> None:
    async with Situation(house):
        assert await why(house, caller, "Patient/a", **parameters) == expected


async def test_a_document_hidden_from_its_patient_is_not_explained_to_them(house: House) -> None:
    hidden = document("announced", "INVISIBLE_PATIENT", author={"reference": "Practitioner/d"})
    async with Situation(house):
        made = await Caller(house, OPEN)("PUT", "DocumentReference/announced", hidden)
        assert made.status == 201
        asked = {"practitioner": "Practitioner/d"}
        absent = await Caller(house, PATIENT)(
            "GET", "DocumentReference/none/$access-explain?practitioner=Practitioner/d"
        )
        answer = await Caller(house, PATIENT)(
            "GET", "DocumentReference/announced/$access-explain?practitioner=Practitioner/d"
        )
        assert (answer.status, answer.json) == (404, absent.json)
        assert (await why(house, OPEN, "DocumentReference/announced", **asked))[1] == "author"
