"""XML Patch: what it adds, replaces and removes, and what is no patch or does not apply.

https://www.rfc-editor.org/rfc/rfc5261, https://hl7.org/fhir/R4/http.html#patch
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.server.whole import whole

pytestmark = pytest.mark.asyncio(loop_scope="module")
TYPE = {"Content-Type": "application/xml-patch+xml"}
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">Anne <b>D.</b></div>'
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "text": {"status": "generated", "div": DIV},
    "extension": [
        {"url": "http://example.org/a", "valueDecimal": 1.0},
        {"url": "http://example.org/b/c", "valueBoolean": True},
    ],
    "active": True,
    "name": [{"family": "Durand", "given": ["Anne", "Zo\u00e9"]}],
    "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "a@example.org"}],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> Any:
    async with whole(Path(tmp_path_factory.mktemp("xml"))) as found:
        yield found


def diff(operations: str) -> bytes:
    return f'<diff xmlns:f="http://hl7.org/fhir">{operations}</diff>'.encode()


def changed(**members: Any) -> dict[str, Any]:
    found = {**PATIENT, **members}
    return {name: value for name, value in found.items() if value is not None}


#: Operations → the patient afterwards.
APPLIED: list[tuple[str, dict[str, Any]]] = [
    ('<replace sel="f:Patient/f:active/@value">false</replace>', changed(active=False)),
    ('<replace sel="/Patient/active/@value">false</replace>', changed(active=False)),
    ('<replace sel="f:Patient/f:name/f:given[2]"><given value="Lou"/></replace>', changed(name=[{"family": "Durand", "given": ["Anne", "Lou"]}])),
    ('<remove sel="f:Patient/f:name/f:given[1]"/>', changed(name=[{"family": "Durand", "given": ["Zo\u00e9"]}])),
    ('<remove sel="f:Patient/f:extension[@url=\'http://example.org/b/c\']"/>', changed(extension=[PATIENT["extension"][0]])),
    ('<replace sel="f:Patient/f:extension[@url=\'http://example.org/b/c\']/f:valueBoolean/@value">false</replace>', changed(extension=[PATIENT["extension"][0], {"url": "http://example.org/b/c", "valueBoolean": False}])),
    ('<replace sel="f:Patient/f:telecom[f:system/@value=\'email\']/f:value/@value">b@example.org</replace>', changed(telecom=[PATIENT["telecom"][0], {"system": "email", "value": "b@example.org"}])),
    ('<add sel="f:Patient"><f:birthDate value="1990-04-01"/></add>', changed(birthDate="1990-04-01")),
    ('<add sel="f:Patient/f:name" pos="prepend"><given value="Jo"/></add>', changed(name=[{"family": "Durand", "given": ["Jo", "Anne", "Zo\u00e9"]}])),
    ('<add sel="f:Patient/f:name/f:given[1]" pos="after"><given value="Jo"/></add>', changed(name=[{"family": "Durand", "given": ["Anne", "Jo", "Zo\u00e9"]}])),
    ('<remove sel="f:Patient/f:active"/><add sel="f:Patient"><gender value="female"/></add>', changed(active=None, gender="female")),
    ("", changed()),
]  # fmt: skip


@pytest.mark.parametrize(("operations", "after"), APPLIED, ids=[one for one, _ in APPLIED])
async def test_what_a_patch_changes(client: httpx.AsyncClient, operations: str, after: dict[str, Any]) -> None:
    id = (await client.post("Patient", json=PATIENT)).json()["id"]
    answer = await client.patch(f"Patient/{id}", content=diff(operations), headers=TYPE)
    assert answer.status_code == 200, answer.text
    assert {name: value for name, value in answer.json().items() if name not in ("id", "meta")} == after
    assert answer.json()["text"]["div"] == DIV


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><diff><add sel="Patient"><language value="&b;"/></add></diff>'
#: What is sent → the status.
REFUSED: list[tuple[bytes, int]] = [
    (b"<diff>", 400),
    (b"<Parameters/>", 400),
    (BOMB.encode(), 400),
    (diff('<move sel="f:Patient/f:active"/>'), 400),
    (diff("<remove/>"), 400),
    (diff('<remove sel="//f:given"/>'), 400),
    (diff('<remove sel="f:Patient/f:name[count(//*) > 1]"/>'), 400),
    (diff('<remove sel="f:Patient/f:name/namespace::x"/>'), 400),
    (diff(f'<remove sel="{"f:Patient/" * 40}f:x"/>'), 400),
    (diff('<add sel="f:Patient" pos="beside"><active value="true"/></add>'), 400),
    (diff("<remove sel='f:Patient/f:active'/>" * 1001), 400),
    (diff('<remove sel="f:Patient/f:photo"/>'), 422),
    (diff('<remove sel="f:Patient/f:telecom"/>'), 422),
    (diff('<remove sel="f:Patient/f:telecom[0]"/>'), 422),
    (diff('<remove sel="f:Patient"/>'), 422),
    (diff('<add sel="f:Patient" pos="before"><active value="true"/></add>'), 422),
    (diff('<add sel="f:Patient/f:active" type="@value">false</add>'), 422),
    (diff('<replace sel="f:Patient/f:active"/>'), 422),
    (diff('<replace sel="f:Patient/f:active/@value">perhaps</replace>'), 422),
    (diff('<add sel="f:Patient"><nothing value="x"/></add>'), 422),
    (diff('<replace sel="f:Observation/f:active/@value">false</replace>'), 422),
]


@pytest.mark.parametrize(("sent", "status"), REFUSED, ids=[one[:60].decode() for one, _ in REFUSED])
async def test_what_is_no_patch_or_does_not_apply_is_refused(
    client: httpx.AsyncClient, sent: bytes, status: int
) -> None:
    id = (await client.post("Patient", json=PATIENT)).json()["id"]
    answer = await client.patch(f"Patient/{id}", content=sent, headers=TYPE)
    assert answer.status_code == status, answer.text
    assert (await client.get(f"Patient/{id}")).json()["meta"]["versionId"] == "1"
