"""What ends access stays ended, whatever a change that began before it writes afterwards: RFC 9700 §4.14, OWASP ASVS 3.3.

A change of password takes a tenth of a second: whoever repeats it must not undo that their account is closed.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import cast

import pytest

from fhir_server.smart.clients.governed import GovernedClients
from fhir_server.smart.clients.registered import Client
from fhir_server.smart.people.accounts import Account
from fhir_server.space.catalogue.governing import AppGovernance
from fhir_server.space.catalogue.opening import of
from fhir_server.store.protocol import Records
from tests.server.closed import Space
from tests.site.catalogue import CARNET

ANNA = Account("anna", "anna", "Anna Essai", "RelatedPerson/r", wards=("a", "b"), totp="S")
PASSWORD = "une phrase assez longue"

#: What begins with the account as it was.
CHANGES: dict[str, Callable[[Space], Awaitable[object]]] = {
    "password": lambda space: space.house.authorization.people.set_password(ANNA, PASSWORD),
    "reset": lambda space: space.house.authorization.people.reset(ANNA, PASSWORD, None),
    "code": lambda space: space.house.authorization.people.provisional(ANNA),
    "second factor": lambda space: space.house.authorization.accounts.revise(ANNA, replace(ANNA, totp=None)),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_that_began_before_undoes_no_end_of_an_account(space: Space, change: str) -> None:
    accounts = space.house.authorization.accounts
    assert await accounts.add(ANNA)
    await accounts.revise(ANNA, replace(ANNA, wards=("a",)))
    await accounts.close(ANNA.id)
    await CHANGES[change](space)
    found = await accounts.get(ANNA.id)
    assert found is not None and (found.open, found.wards) == (False, ("a",))
    assert (found.password, found.provisional, found.totp) != (None, None, "S")
    await accounts.reopen(ANNA.id)
    again = await accounts.get(ANNA.id)
    assert again == replace(found, open=True)


#: What a page that is under way while the session ends writes of it.
SEEN: dict[str, Callable[[Space, str, list[bytes | None]], Awaitable[object]]] = {
    "seen": lambda space, cookie, records: space.house.authorization.sessions.read(cookie, records),
    "role": lambda space, cookie, _: _chosen(space, cookie),
    "circumstances": lambda space, cookie, _: space.house.authorization.sessions.qualify(cookie, True, "Coma"),
}


async def _chosen(space: Space, cookie: str) -> None:
    sessions = space.house.authorization.sessions
    session = await sessions.of(await sessions.begin("anna", "password"))
    assert session is not None
    await sessions.choose(cookie, session, "PractitionerRole/r")


@pytest.mark.parametrize("page", SEEN)
@pytest.mark.parametrize("ended", [True, False])
async def test_a_session_that_ended_is_not_brought_back_by_a_page_under_way(
    space: Space, page: str, ended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions, records = space.house.authorization.sessions, space.house.engine.records
    cookie = await sessions.begin("anna", "password")
    read = await records.get_each(sessions.places(cookie))
    if ended:
        await sessions.end_all("anna")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 120)
    await SEEN[page](space, cookie, read)
    found = await sessions.of(cookie)
    assert (found is None) == ended
    if found is not None:
        assert (page != "role") or found.role == "PractitionerRole/r"
        assert (page != "circumstances") or found.reason == "Coma"


async def test_a_client_that_was_suspended_or_removed_is_not_let_in_by_what_a_worker_remembers(space: Space) -> None:
    catalogue = of(space.house.services).catalogue
    await catalogue.save(replace(CARNET, id="app", client="app", redirect_uris=("https://app.example/new",)))
    governing = AppGovernance(catalogue, of(space.house.services).consents)
    old = Client("app", "Carnet", "public", redirect_uris=("https://app.example/old",), device="app")

    class Stale:
        """The records as a worker has them that remembers the client: what it writes is of today."""

        def __getattribute__(self, name: str) -> object:
            return super().__getattribute__(name) if name == "get" else getattr(space.house.engine.records, name)

        async def get(self, kind: str, key: str) -> bytes | None:
            return value if kind == "client" else await space.house.engine.records.get(kind, key)

    assert await space.clients.add(old)
    value = await space.house.engine.records.get("client", "app")
    for end in (lambda: space.clients.set_status("app", "suspended"), lambda: space.clients.remove("app")):
        await end()
        await GovernedClients(cast(Records, Stale()), governing).get("app")
        found = await space.clients.get("app")
        assert found is None or found.status == "suspended"
    assert found is None
