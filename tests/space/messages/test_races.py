"""What is blocked, closed or ended at the instant at which a message is sent: the message is before it, or refused.

Two clients of a served server, each on a connection of its own; instants follow commits, so that what was first is told
by `meta.lastUpdated`. https://hl7.org/fhir/R4/http.html#transactional-integrity; domain file §2.7.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.smart.clients.registered import Client, RecordedClients
from fhir_server.smart.people.accounts import Account
from fhir_server.smart.tokens.storage import Family
from tests.server.listening import listening
from tests.server.people import kept
from tests.space.messages.exchange import DOCTOR, A, a_patient, message
from tests.space.record.callers import Tree
from tests.space.record.writers import a_practitioner

pytestmark = pytest.mark.asyncio(loop_scope="module")

BASE = "http://127.0.0.1/fhir"
#: How often each race is run: enough that without the conditions of the commit some message comes too late.
ROUNDS = 8
SCOPE = ("user/*.cruds", "patient/*.cruds")


@dataclass
class Clients:
    """Those of a doctor, of a patient and of an administrator, by name."""

    by: Mapping[str, httpx.AsyncClient]

    async def __call__(self, who: str, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Content-Type": "application/fhir+json"}
        return await self.by[who].request(method, f"/fhir/{path}", json=body, headers=headers)


async def token(house: House, subject: str, patient: str | None) -> str:
    """As somebody has it who signed in."""
    if subject == "operator":
        return await house.authorization.tokens.issue("software", BASE, ("system/*.cruds",), None)
    professional = subject.startswith("Practitioner/")
    account = Account(subject.replace("/", "-"), subject, subject, subject)
    assert await house.authorization.accounts.add(account)
    purpose = "TREAT" if professional else "PATRQT"
    family = Family(account.id, "app", account.id, BASE, SCOPE, patient, None, purpose=purpose)
    await house.authorization.tokens.begin(family, "http://127.0.0.1/x", "", None, house.engine.records.apply)
    return await house.authorization.tokens.issue("app", BASE, SCOPE, family.id)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clients]:
    settings = Settings(data=tmp_path_factory.mktemp("races"), base_url=BASE)
    async with opened(settings) as house:
        await kept(house, a_patient("a", "1970-01-01"), a_practitioner("doctor", "99700218890"))
        registered = RecordedClients(house.engine.records)
        await registered.add(Client("app", "App", "public", scopes=SCOPE))
        await registered.add(Client("software", "S", "confidential-symmetric", scopes=("system/*.cruds",)))
        people = {"doctor": (DOCTOR, None), "patient": (A, "a"), "operator": ("operator", None)}
        async with listening(house.asgi, settings) as port:
            made = {
                who: httpx.AsyncClient(
                    base_url=f"http://127.0.0.1:{port}",
                    timeout=60,
                    headers={"Authorization": f"Bearer {await token(house, subject, patient)}", "Host": "127.0.0.1"},
                )
                for who, (subject, patient) in people.items()
            }
            yield Clients(made)
            for one in made.values():
                await one.aclose()


def a_block(kind: str) -> Tree:
    parts = [
        {"name": "kind", "valueCode": "blocked"},
        {"name": "practitioner", "valueReference": {"reference": DOCTOR}},
        *([{"name": "chosen", "valueBoolean": False}] if kind == "free" else []),
    ]
    return {"resourceType": "Parameters", "parameter": [{"name": "choice", "part": parts}]}


async def test_nobody_is_written_to_by_whom_they_block_at_the_same_instant(clients: Clients) -> None:
    late = []
    for _ in range(ROUNDS):
        sends = [clients("doctor", "POST", "Communication", message()) for _ in range(6)]
        *sent, blocked = await asyncio.gather(
            *sends, clients("patient", "POST", "Patient/a/$record-choose", a_block(""))
        )
        assert blocked.status_code == 200, blocked.text
        [consent] = await found(clients, "Consent?patient=Patient/a&category=blocked")
        late += [one for one in came(sent, "message-blocked") if one > consent["meta"]["lastUpdated"]]
        assert (await clients("patient", "POST", "Patient/a/$record-choose", a_block("free"))).status_code == 200
    assert late == []


async def test_nobody_is_written_to_whose_space_is_closed_at_the_same_instant(clients: Clients) -> None:
    late = []
    for _ in range(ROUNDS):
        sends = [clients("doctor", "POST", "Communication", message()) for _ in range(6)]
        closing = clients("operator", "PUT", "Patient/a", a_patient("a", "1970-01-01", active=False))
        *sent, closed = await asyncio.gather(*sends, closing)
        assert closed.status_code == 200, closed.text
        late += [one for one in came(sent, "message-closed-account") if one > closed.json()["meta"]["lastUpdated"]]
        reopened = await clients("operator", "PUT", "Patient/a", a_patient("a", "1970-01-01"))
        assert reopened.status_code == 200
    assert late == []


async def test_a_patient_does_not_write_anew_to_who_ends_at_the_same_instant(clients: Clients) -> None:
    late = []
    for _ in range(ROUNDS):
        first = await clients("doctor", "POST", "Communication", message())
        assert first.status_code == 201, first.text
        sends = [clients("patient", "POST", "Communication", message(A, DOCTOR)) for _ in range(6)]
        *sent, end = await asyncio.gather(*sends, clients("doctor", "POST", f"Communication/{first.json()['id']}/$end"))
        assert end.status_code == 201, end.text
        late += [one for one in came(sent, "message-start") if one > end.json()["meta"]["lastUpdated"]]
    assert late == []


def came(answers: list[httpx.Response], rule: str) -> list[str]:
    """When those that were sent were committed; the others were refused by that rule."""
    for one in answers:
        assert one.status_code in (201, 422), one.text
        if one.status_code == 422:
            codes = {each["details"]["coding"][0]["code"] for each in one.json()["issue"] if "details" in each}
            assert rule in codes, one.text
    return [one.json()["meta"]["lastUpdated"] for one in answers if one.status_code == 201]


async def found(clients: Clients, query: str) -> list[Tree]:
    answer = await clients("operator", "GET", query)
    assert answer.status_code == 200, answer.text
    return [one["resource"] for one in answer.json()["entry"]]
