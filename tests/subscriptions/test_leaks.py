"""What a subscriber may not see they are not told of, nor that it was hidden: rights are judged when it is sent.

R4 subscription.html, "Safety and Security"; https://hl7.org/fhir/R4/security.html.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from fhir_server.smart.people.accounts import Account
from fhir_server.smart.tokens.storage import Family
from fhir_server.store.protocol import Keep
from tests.server.closed import BASE, Space
from tests.subscriptions.receiver import receiving
from tests.subscriptions.test_topics import TOPIC, to_topic
from tests.subscriptions.world import a_subscription, an_observation, attended, status, subscribed, until

pytestmark = pytest.mark.asyncio(loop_scope="module")
SCOPES = ("patient/Subscription.cruds", "patient/Observation.rs", "patient/DocumentReference.rs")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def space(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Space]:
    async with attended(tmp_path_factory.mktemp("leaks")) as found:
        for id in ("a", "b"):
            await found.put({"resourceType": "Patient", "id": id})
        await found.backend("lab")
        await found.backend("app")
        yield found


async def a_person(space: Space, patient: str, scopes: tuple[str, ...] = SCOPES) -> tuple[str, str]:
    """The token of an app of a patient's, and the authorization that it is of."""
    accounts, tokens = space.house.authorization.accounts, space.house.authorization.tokens
    account = Account(f"account-{patient}", patient, f"Personne {patient}", f"Patient/{patient}")
    if await accounts.get(account.id) is None:
        await accounts.add(account)
    family = Family(f"family-{patient}-{time.time_ns()}", "app", account.id, BASE, scopes, patient, purpose="PATRQT")
    await space.house.engine.records.apply([Keep("family", family.id, msgspec.json.encode(family))])
    return await tokens.issue("app", BASE, scopes, family.id), family.id


async def test_a_patients_app_is_told_of_that_patient_alone(space: Space) -> None:
    lab = await space.backend_token()
    token, family = await a_person(space, "a")
    async with receiving() as hook:
        tree = a_subscription(hook.address, "Observation?code=leak", payload="application/json")
        id = await subscribed(space, token, tree)
        made = []
        for who in ("b", "a"):
            tree = an_observation("leak", f"Patient/{who}")
            made.append((await space.fhir("POST", "Observation", lab, json=tree)).json())
        # Handed over to another patient, it would say whose it was.
        moved = made[1] | {"subject": {"reference": "Patient/b"}}
        (got,) = await hook.until(1)
        assert got.json == made[1]
        await space.fhir("PUT", f"Observation/{made[1]['id']}", lab, json=moved)
        await asyncio.sleep(0.6)
        assert len(hook.got) == 1
        # Another person with the same app neither sees nor changes it.
        other, _ = await a_person(space, "b")
        for method in ("GET", "DELETE"):
            assert (await space.fhir(method, f"Subscription/{id}", other)).status_code == 404
        # When the authorization ends, it ends.
        await space.house.authorization.tokens.end(family)
        await space.fhir("POST", "Observation", lab, json=an_observation("leak"))
        await until(lambda: _off(space, lab, id))
        assert len(hook.got) == 1


async def test_a_deletion_is_told_to_who_could_read_what_it_ended_and_to_nobody_else(space: Space) -> None:
    """Also where the same id is somebody else's since: what is read now is not what was."""
    lab = await space.backend_token()
    token, _ = await a_person(space, "a")
    async with receiving() as hook:
        tree = to_topic(hook.address, "id-only", "Observation?code=ended") | {"criteria": f"{TOPIC}-deleted"}
        id = await subscribed(space, token, tree)
        await hook.until(1)
        made = {}
        for who in ("b", "a"):
            tree = an_observation("ended", f"Patient/{who}")
            made[who] = (await space.fhir("POST", "Observation", lab, json=tree)).json()
        for who in ("b", "a"):
            await space.fhir("DELETE", f"Observation/{made[who]['id']}", lab)
        await hook.until(2)
        await asyncio.sleep(0.5)
        got = "".join(one.body.decode() for one in hook.got)
        assert len(hook.got) == 2 and made["a"]["id"] in got and made["b"]["id"] not in got
        again = made["a"] | {"subject": {"reference": "Patient/b"}}
        await space.fhir("PUT", f"Observation/{made['a']['id']}", lab, json=again)
        assert made["a"]["id"] not in (await space.fhir("GET", f"Subscription/{id}/$events", token)).text


async def _off(space: Space, token: str, id: str) -> bool:
    return await status(space, token, id) == "off"


async def test_what_is_hidden_while_it_waits_is_not_told_and_leaves_no_trace(space: Space) -> None:
    lab = await space.backend_token()
    token, _ = await a_person(space, "a")
    async with receiving() as hook:
        hook.answer = "wait"
        await subscribed(space, token, a_subscription(hook.address, "Observation?code=w", payload="application/json"))
        made = [(await space.fhir("POST", "Observation", lab, json=an_observation("w"))).json() for _ in range(3)]
        await hook.until(1)
        # The first is on its way; the second is moved to somebody else, and deleted, before its turn.
        moved = made[1] | {"subject": {"reference": "Patient/b"}}
        assert (await space.fhir("PUT", f"Observation/{made[1]['id']}", lab, json=moved)).is_success
        hook.answer = 200
        await hook.until(3)
        told = [one.path.rpartition("/")[2] for one in hook.got]
        assert list(dict.fromkeys(told)) == [made[0]["id"], made[2]["id"]]


async def test_what_a_person_may_not_search_they_cannot_subscribe_to(space: Space) -> None:
    token, _ = await a_person(space, "a")
    for criteria in ("Condition", "Observation?patient.name=x", "Observation?_has:Provenance:target:agent=x"):
        answer = await space.fhir("POST", "Subscription", token, json=a_subscription("http://127.0.0.1:9/", criteria))
        assert answer.status_code == 403, (criteria, answer.text)
