"""New documents are masked where the patient chose that they are by default: R1111-49 and the national product's rule."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.access.grant import OPEN, Grant
from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.space.record.labels import codes
from tests.server.people import a_care_team, kept
from tests.space.record.callers import ALL, BASE, SYSTEM, Caller, Tree, document, grant
from tests.space.record.gated import LONG_AGO, chosen, practitioner

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOCTOR, SOFTWARE = grant("Practitioner/d", ALL), grant(None, SYSTEM)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path_factory.mktemp("masks"), base_url=BASE)) as found:
        await kept(
            found,
            *({"resourceType": "Patient", "id": id} for id in ("a", "b", "c")),
            *(practitioner(id) for id in ("d", "e")),
            *(a_care_team(id, "Practitioner/d", "Practitioner/e") for id in ("a", "b", "c")),
            chosen("masked-by-default"),
            chosen("masked-by-default", patient="c", end=LONG_AGO),
            base=BASE,
        )
        yield found


@pytest.mark.parametrize(
    ("caller", "patient", "author", "masked"),
    [
        (DOCTOR, "a", {"reference": "Practitioner/d"}, True),
        (DOCTOR, "a", {"reference": "#w", "contained": "Practitioner"}, True),
        (DOCTOR, "a", {"type": "Practitioner", "display": "x"}, True),
        (SOFTWARE, "a", {"reference": "Practitioner/d"}, True),
        (SOFTWARE, "a", {"reference": "#w", "contained": "Device"}, False),
        (SOFTWARE, "a", {"reference": "Patient/a"}, False),
        (SOFTWARE, "b", {"reference": "Practitioner/d"}, False),
        (SOFTWARE, "c", {"reference": "Practitioner/d"}, False),
        (OPEN, "a", {"reference": "Practitioner/d"}, False),
    ],
)
@pytest.mark.parametrize("label", ["", "N", "MASQUE_PS", "R"])
async def test_a_new_document_is_masked(
    house: House, caller: Grant, patient: str, author: dict[str, Any], masked: bool, label: str
) -> None:
    kind = author.get("contained")
    named = {key: value for key, value in author.items() if key != "contained"}
    more: Tree = {"contained": [{"resourceType": kind, "id": "w"}]} if kind else {}
    tree = document("x", *([label] if label else []), patient=patient, author=named, **more)
    answer = await Caller(house, caller)("POST", "DocumentReference", {k: v for k, v in tree.items() if k != "id"})
    assert answer.status == 201, answer.json
    stored = (await Caller(house)("GET", f"DocumentReference/{answer.id}")).json
    assert ("MASQUE_PS" in codes(stored)) == (masked or label == "MASQUE_PS")
    assert not {"N", "MASQUE_PS"} <= set(codes(stored)) and (label != "R" or "R" in codes(stored))
    if masked:
        # Its author goes on seeing it, a colleague does not.
        sees = [
            await Caller(house, grant(f"Practitioner/{id}", ALL)).sees("DocumentReference", answer.id) for id in "de"
        ]
        assert sees == [author.get("reference") == "Practitioner/d", False]


async def test_what_is_there_already_is_not_masked_by_a_later_version(house: House) -> None:
    tree = document("there", patient="a", author={"reference": "Practitioner/d"})
    await kept(house, tree, base=BASE)
    answer = await Caller(house, SOFTWARE)("PUT", "DocumentReference/there", {**tree, "description": "x"})
    assert answer.status == 200 and codes(answer.json) == ()
