"""Mailboxes are written by FHIRPath Patch of `telecom`, by id or by identifier, each as its model says.

https://interop.esante.gouv.fr/ig/fhir/mss ("alimentation", four logical models), https://hl7.org/fhir/R4/fhirpatch.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.space.mailboxes.holders import holders
from fhir_server.space.mailboxes.model import EMAIL_TYPE, MSSANTE, mailboxes
from tests.space.mailboxes.directory import (
    FINESS,
    OPERATOR,
    RPPS,
    Tree,
    attribute,
    mailbox,
    operation,
    organization,
    patch,
    practitioner,
    role,
)
from tests.space.record.callers import ALL, BASE, Caller, grant

pytestmark = pytest.mark.asyncio(loop_scope="module")
HAD = "anne.martin@medecin.mssante.fr"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path_factory.mktemp("mailboxes"), base_url=BASE)) as house:
        yield house


@pytest_asyncio.fixture(loop_scope="module")
async def operator(house: House) -> Caller:
    """The operator, of a directory as it was."""
    own = Caller(house)
    for tree in (practitioner("2"), organization("1"), practitioner("1", mailbox(HAD)), role("1", "1")):
        await own.put(tree)
    return Caller(house, OPERATOR)


def where(type: str, address: str) -> str:
    return f"{type}.telecom.where(value = '{address}')"


def said(tree: Tree) -> list[tuple[str, str, bool]]:
    return [(one.address, one.type, one.red) for one in mailboxes(tree)]


@pytest.mark.parametrize(
    "url, operations, expected",
    [
        (
            "Practitioner/1",
            [operation("replace", attribute("Practitioner", HAD, "listeRouge"), {"valueBoolean": True})],
            [(HAD, "PER", True)],
        ),
        (
            "Practitioner/1",
            [operation("replace", where("Practitioner", HAD), {"valueContactPoint": mailbox(HAD, red=True, coded=True)})],
            [(HAD, "PER", True)],
        ),
        (
            f"Practitioner?identifier={RPPS}|81",
            [operation("insert", "Practitioner.telecom", {"valueContactPoint": mailbox("b@x.mssante.fr", coded=True)}, 0)],
            [("b@x.mssante.fr", "PER", False), (HAD, "PER", False)],
        ),
        (
            f"Organization?identifier={FINESS}|91",
            [
                operation(
                    "insert",
                    "Organization.telecom",
                    {"valueContactPoint": mailbox("o@x.mssante.fr", "ORG", description="Accueil", service="x")},
                    0,
                )
            ],
            [("o@x.mssante.fr", "ORG", False)],
        ),
        (
            "PractitionerRole?identifier=urn:role|71",
            [operation("insert", "PractitionerRole.telecom", {"valueContactPoint": mailbox("r@x.mssante.fr")}, 0)],
            [("r@x.mssante.fr", "PER", False)],
        ),
        ("Practitioner/1", [operation("delete", where("Practitioner", HAD))], []),
        (
            "Practitioner/1",
            [
                operation("delete", where("Practitioner", HAD)),
                operation("insert", "Practitioner.telecom", {"valueContactPoint": mailbox("c@x.mssante.fr", "CAB")}, 0),
                operation("replace", attribute("Practitioner", "c@x.mssante.fr", "listeRouge"), {"valueBoolean": True}),
            ],
            [("c@x.mssante.fr", "CAB", True)],
        ),
    ],
    ids=["an attribute", "all of it", "by RPPS", "by FINESS", "of a role", "taken away", "one after the other"],
)  # fmt: skip
async def test_a_mailbox_is_written_as_the_guide_does(
    operator: Caller, url: str, operations: list[Tree], expected: list[Any]
) -> None:
    answer = await operator("PATCH", url, patch(*operations))
    assert (answer.status, said(answer.json)) == (200, expected), answer.json
    for one in mailboxes(answer.json):
        assert "valueCodeableConcept" in one.attributes("type")[0], "the type is stored as the structure has it"
        assert {"url": EMAIL_TYPE, "valueCoding": MSSANTE} in one.point["extension"]


PUT = "PUT"
REFUSED: dict[str, tuple[str, str, Any, int, str]] = {
    "another type": (
        "PATCH",
        "Practitioner/1",
        patch(operation("replace", where("Practitioner", HAD), {"valueContactPoint": mailbox(HAD, "CAB")})),
        422,
        "Practitioner.telecom[0].extension",
    ),
    "another address": (
        "PATCH",
        "Practitioner/1",
        patch(operation("replace", f"{where('Practitioner', HAD)}.value", {"valueString": "d@x.mssante.fr"})),
        422,
        "Parameters.parameter[0]",
    ),
    "another address, all of it": (
        "PATCH",
        "Practitioner/1",
        patch(
            operation("replace", attribute("Practitioner", HAD, "listeRouge"), {"valueBoolean": True}),
            operation("replace", where("Practitioner", HAD), {"valueContactPoint": mailbox("d@x.mssante.fr")}),
        ),
        422,
        "Parameters.parameter[1]",
    ),
    "of a structure, a professional's": (
        PUT, "Organization/1", organization("1", mailbox("d@x.mssante.fr", "PER")), 422, "Organization.telecom[0].extension"
    ),
    "of a professional, a structure's": (
        PUT, "Practitioner/1", practitioner("1", mailbox(HAD, "APP")), 422, "Practitioner.telecom[0].extension"
    ),
    "of a role, a practice's": (
        PUT, "PractitionerRole/1", role("1", "1", mailbox("d@x.mssante.fr", "CAB")), 422, "PractitionerRole.telecom[0].extension"
    ),
    "no type": (PUT, "Practitioner/2", practitioner("2", mailbox("d@x.mssante.fr", "")), 422, "Practitioner.telecom[0].extension"),
    "unknown type": (PUT, "Practitioner/2", practitioner("2", mailbox("d@x.mssante.fr", "XXX", coded=True)), 422, "Practitioner.telecom[0].extension"),
    "a personal one with a service": (
        PUT, "Practitioner/2", practitioner("2", mailbox("d@x.mssante.fr", service="x")), 422, "Practitioner.telecom[0].extension"
    ),
    "no address": (PUT, "Practitioner/2", practitioner("2", mailbox("nobody")), 422, "Practitioner.telecom[0].value"),
    "a header in it": (
        PUT, "Practitioner/2", practitioner("2", mailbox("d@x.mssante.fr\nBcc: e@x.mssante.fr")), 422, "Practitioner.telecom[0].value"
    ),
    "a telephone": (
        PUT, "Practitioner/2", practitioner("2", mailbox("d@x.mssante.fr") | {"system": "phone"}), 422, "Practitioner.telecom[0].value"
    ),
    "twice": (
        PUT, "Practitioner/2", practitioner("2", mailbox("d@x.mssante.fr"), mailbox("D@X.mssante.fr")), 422, "Practitioner.telecom[1].value"
    ),
    "somebody else's": (PUT, "Practitioner/2", practitioner("2", mailbox(HAD.upper())), 409, "Practitioner.telecom[0].value"),
    "somebody else's, of another type": (PUT, "PractitionerRole/1", role("1", "1", mailbox(HAD)), 409, "PractitionerRole.telecom[0].value"),
}  # fmt: skip


@pytest.mark.parametrize("method, url, body, status, element", REFUSED.values(), ids=REFUSED)
async def test_what_no_model_has_is_refused_and_changes_nothing(
    operator: Caller, method: str, url: str, body: Any, status: int, element: str
) -> None:
    before = (await operator("GET", url)).response.body
    answer = await operator(method, url, body)
    assert (answer.status, answer.json["issue"][0].get("expression")) == (status, [element]), answer.json
    assert (await operator("GET", url)).response.body == before


async def test_a_patch_of_other_elements_is_read_as_any(operator: Caller) -> None:
    active = operation("add", "Practitioner", {"valueBoolean": True})
    active["part"].append({"name": "name", "valueString": "active"})
    assert (await operator("PATCH", "Practitioner/1", patch(active))).json["active"] is True
    answer = await operator("PATCH", "Practitioner/1", b"[]", "application/json-patch+json")
    assert answer.status == 200, answer.json


async def test_a_mailbox_of_a_practice_is_of_several(operator: Caller) -> None:
    for id in ("1", "2"):
        await operator.put(practitioner(id, mailbox("cabinet@x.mssante.fr", "CAB")))
    found = await holders(operator.house.repository(), "Cabinet@X.mssante.fr")
    assert [one.reference for one in found] == ["Practitioner/1", "Practitioner/2"]


async def test_an_address_that_is_let_go_may_be_anothers(operator: Caller) -> None:
    await operator.put(practitioner("1"))
    await operator.put(practitioner("2", mailbox(HAD)))
    assert [one.reference for one in await holders(operator.house.repository(), HAD)] == ["Practitioner/2"]


async def test_nobody_but_the_operator_writes_mailboxes(operator: Caller, house: House) -> None:
    """The directory is closed to people, also to whose mailbox it is."""
    body = patch(operation("replace", attribute("Practitioner", HAD, "listeRouge"), {"valueBoolean": True}))
    for who in (grant("Practitioner/1", ALL), grant("Patient/a", ALL)):
        answer = await Caller(house, who)("PATCH", "Practitioner/1", body)
        assert answer.status in (403, 404), answer.json


async def test_an_entry_of_a_transaction_is_held_to_the_same(operator: Caller) -> None:
    change = patch(operation("replace", f"{where('Practitioner', HAD)}.value", {"valueString": "d@x.mssante.fr"}))
    entry = {"request": {"method": "PATCH", "url": "Practitioner/1"}, "resource": change}
    answer = await operator("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert answer.status == 422, answer.json
