"""Access ends on every worker within two seconds: RFC 9700 §4.14, CSP R1111-39 (suspension, withdrawal)."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from fhir_server.smart.clients.registered import RecordedClients
from fhir_server.smart.people.accounts import Account
from fhir_server.space.catalogue.opening import of
from fhir_server.space.catalogue.withdrawal import withdraw
from tests.server import process
from tests.server.closed import BEARER, ROOT, TOKEN, Space, serving
from tests.site.catalogue import CARNET, a_patient, referenced
from tests.smart.browser import App, Browser, a_person, an_app, answered, launched

SCOPE = "launch/patient offline_access patient/*.rs"


@dataclass
class Held:
    """An app that reads a child's record for their representative, on two workers over one store."""

    here: Space
    there: Space
    app: App
    account: Account
    code: str
    body: dict[str, Any]


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncIterator[tuple[Space, Space]]:
    async with serving(tmp_path) as here, serving(tmp_path) as there:
        await a_patient(here, "child")
        document = {"resourceType": "DocumentReference", "id": "d1", "status": "current"}
        await here.put({**document, "subject": {"reference": "Patient/child"}})
        yield here, there


async def held(workers: tuple[Space, Space], catalogue: bool) -> Held:
    here, there = workers
    account = await a_person(here, subject="RelatedPerson/r1", wards=("child",))
    app = await referenced(here) if catalogue else await an_app(here, SCOPE)
    scope = "launch/patient offline_access patient/DocumentReference.rs" if catalogue else SCOPE
    browser = Browser(here)
    page = await browser.sign_in(await browser.open(app.request(scope)))
    choices = {"purpose-ordonnances": "yes", "special-offline_access": "yes"} if catalogue else {}
    code = answered(await browser.submit(page, decision="allow", **choices))["code"]
    body = (await here.http.post(TOKEN, data=app.exchange(code))).json()
    return Held(here, there, app, account, code, body)


async def suspend_app(it: Held) -> None:
    await of(it.here.house.services).catalogue.save(replace(CARNET, status="SUSPENDUE"))


async def withdraw_consent(it: Held) -> None:
    house = it.here.house
    await withdraw(house.engine.records, of(house.services).consents, "child", CARNET, None, "RelatedPerson/r1")


async def withdraw_one_purpose(it: Held) -> None:
    await of(it.here.house.services).consents.withdraw("child", CARNET, "ordonnances", "RelatedPerson/r1")


async def suspend_client(it: Held) -> None:
    await it.here.clients.set_status("app", "suspended")


async def remove_client(it: Held) -> None:
    await it.here.clients.remove("app")


async def end_delegation(it: Held) -> None:
    await it.here.house.authorization.accounts.revise(it.account, replace(it.account, wards=()))


async def close_account(it: Held) -> None:
    await it.here.house.authorization.accounts.close(it.account.id)


async def revoke(it: Held, token: str = "access_token") -> None:
    form = {"token": it.body[token], "client_id": it.app.id}
    assert (await it.here.http.post(f"{ROOT}/auth/revoke", data=form)).status_code == 200


async def revoke_all(it: Held) -> None:
    await revoke(it, "refresh_token")


async def redeem_again(it: Held) -> None:
    assert (await it.here.http.post(TOKEN, data=it.app.exchange(it.code))).status_code == 400


async def refresh_twice(it: Held) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": it.body["refresh_token"], "client_id": it.app.id}
    first = await it.here.http.post(TOKEN, data=form)
    # Whoever had the first went on with it: what comes now is somebody else.
    second = await it.here.http.post(TOKEN, data={**form, "refresh_token": first.json()["refresh_token"]})
    again = await it.here.http.post(TOKEN, data=form)
    assert [answer.status_code for answer in (first, second, again)] == [200, 200, 400]


#: What happens on one worker, and whether it is about an app of the catalogue.
ENDS: list[tuple[Callable[[Held], Awaitable[None]], bool]] = [
    (suspend_app, True),
    (withdraw_consent, True),
    (withdraw_one_purpose, True),
    (end_delegation, True),
    (suspend_client, False),
    (remove_client, False),
    (end_delegation, False),
    (close_account, False),
    (revoke, False),
    (revoke_all, False),
    (redeem_again, False),
    (refresh_twice, False),
]


@pytest.mark.parametrize(("end", "catalogue"), ENDS)
async def test_what_ends_access_on_one_worker_ends_it_on_the_other(
    workers: tuple[Space, Space], end: Callable[[Held], Awaitable[None]], catalogue: bool
) -> None:
    it = await held(workers, catalogue)
    token = it.body["access_token"]
    for worker in workers:
        assert (await worker.fhir("GET", "DocumentReference/d1", token)).status_code == 200
    await end(it)
    until = time.monotonic() + 120
    refused = {401, 403}
    for worker in reversed(workers):
        while (answer := await worker.fhir("GET", "DocumentReference/d1", token)).status_code not in refused:
            assert time.monotonic() < until
            await asyncio.sleep(0.05)
        assert answer.status_code in refused


async def test_a_code_and_a_refresh_token_are_of_use_once_whichever_worker_is_asked(
    workers: tuple[Space, Space],
) -> None:
    here, there = workers
    await a_person(here, subject="Patient/child")
    app = await an_app(here, SCOPE)
    browser = Browser(here)
    page = await browser.submit(await browser.sign_in(await browser.open(app.request(SCOPE))), decision="allow")
    exchange = app.exchange(answered(page)["code"])
    answers = await asyncio.gather(*[worker.http.post(TOKEN, data=exchange) for worker in (here, there) * 25])
    assert sum(answer.status_code == 200 for answer in answers) == 1
    body = (await launched(here, app, SCOPE, browser)).json()
    form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"], "client_id": "app"}
    answers = await asyncio.gather(*[worker.http.post(TOKEN, data=form) for worker in (here, there) * 25])
    # Those that came together are tabs of one app: all are given the one successor.
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


def test_a_suspension_reaches_every_process_of_a_served_server(tmp_path: Path) -> None:
    key = ECKey.generate_key("P-384")
    jwks = {"keys": [{**key.as_dict(private=False), "kid": "k1"}]}
    with process.serving(tmp_path, "--workers", "2") as server:
        more = {"jwks": jwks, "grants": ("client_credentials",), "kind": "confidential-asymmetric"}
        server.register("lab", "https://lab.example/", "system/*.rs", **more)
        now = int(time.time())
        claims = {
            "iss": "lab",
            "sub": "lab",
            "aud": f"{server.root}/auth/token",
            "exp": now + 60,
            "jti": uuid.uuid4().hex,
        }
        assertion = jwt.encode({"alg": "ES384", "kid": "k1"}, claims, key, algorithms=["ES384"])
        form = {"grant_type": "client_credentials", "scope": "system/*.rs", "client_assertion_type": BEARER}
        answer = httpx.post(f"{server.root}/auth/token", data={**form, "client_assertion": assertion})
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

        def statuses() -> set[int]:
            """Of many new connections: both processes are among those that answer."""
            return {httpx.get(f"{server.base}/Patient", headers=headers).status_code for _ in range(16)}

        assert statuses() == {200}
        server.operate(lambda house: RecordedClients(house.engine.records).set_status("lab", "suspended"))
        time.sleep(1)
        assert statuses() == {401}
