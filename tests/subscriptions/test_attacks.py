"""What strangers try with Subscriptions: secrets of another's, rights of another's, more than anybody may have.

R4 subscription.html, "Safety and Security"; OWASP ASVS 12.6.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.subscriptions.kept import HOLDERS
from fhir_server.subscriptions.model import HOLDER, OWNER
from fhir_server.subscriptions.sending import Failed, Sent, send
from fhir_server.subscriptions.writing import origin
from tests.server.closed import Space
from tests.subscriptions.receiver import receiving
from tests.subscriptions.world import Tree, a_subscription, an_observation, attended, status, subscribed, until

pytestmark = pytest.mark.asyncio(loop_scope="module")
SCOPES = "system/Subscription.cruds system/Observation.rs"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def space(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Space]:
    async with attended(tmp_path_factory.mktemp("attacks")) as found:
        await found.put({"resourceType": "Patient", "id": "a"})
        await found.backend("lab")
        await found.backend("one", scopes=SCOPES)
        await found.backend("many", scopes=SCOPES)
        yield found


async def read(space: Space, token: str, id: str) -> Tree:
    return dict((await space.fhir("GET", f"Subscription/{id}", token)).json())


async def active(space: Space, token: str, id: str) -> None:
    async def is_active() -> bool:
        return await status(space, token, id) == "active"

    await until(is_active)


async def test_secrets_go_to_the_endpoint_that_they_were_given_for(space: Space) -> None:
    """Whoever changes the endpoint, an administrator or who stole a token, says the headers anew."""
    lab, one = await space.backend_token(), await space.backend_token(SCOPES, "one")
    async with receiving() as hook, receiving() as evil:
        tree = a_subscription(hook.address, "Observation?code=moved", header=["X-Key: secret-word"])
        id = await subscribed(space, one, tree)
        for token in (lab, one):
            moved = await read(space, token, id) | {"status": "requested"}
            moved["channel"] = {**moved["channel"], "endpoint": evil.address}
            answer = await space.fhir("PUT", f"Subscription/{id}", token, json=moved)
            assert answer.status_code == 422
            assert answer.json()["issue"][0]["expression"] == ["Subscription.channel.header[0]"]
        # What else is changed leaves them.
        same = await read(space, lab, id) | {"status": "requested", "reason": "Moved"}
        assert (await space.fhir("PUT", f"Subscription/{id}", lab, json=same)).status_code == 200
        await active(space, lab, id)
        await space.fhir("POST", "Observation", lab, json=an_observation("moved"))
        assert (await hook.until(1))[0].headers["x-key"] == "secret-word"
        assert not evil.got


async def test_nobody_lends_another_their_rights(space: Space) -> None:
    """What its owner turned off, and whose rights are not kept any more, is turned on by its owner alone."""
    lab, one = await space.backend_token(), await space.backend_token(SCOPES, "one")
    async with receiving() as hook:
        tree = a_subscription(hook.address, "Observation?code=lent") | {"status": "off"}
        id = (await space.fhir("POST", "Subscription", one, json=tree)).json()["id"]
        for said in ("off", "requested"):
            found = await read(space, lab, id)
            [name] = [tag["code"] for tag in found["meta"]["tag"] if tag["system"] == HOLDER]
            await space.house.engine.records.take(HOLDERS, name)
            answer = await space.fhir("PUT", f"Subscription/{id}", lab, json=found | {"status": said, "reason": said})
            assert answer.status_code == (200 if said == "off" else 422), answer.text
        again = await read(space, one, id) | {"status": "requested"}
        assert (await space.fhir("PUT", f"Subscription/{id}", one, json=again)).status_code == 200


async def test_whose_it_is_is_said_by_nobody_else(space: Space) -> None:
    """By a body, a patch, `$meta-add` or `$meta-delete`, the tags that the server sets stay its own."""
    lab, one = await space.backend_token(), await space.backend_token(SCOPES, "one")

    def tags(tree: Any) -> dict[str, str]:
        return {tag["system"]: tag["code"] for tag in tree["meta"]["tag"]}

    theirs = (await space.fhir("POST", "Subscription", lab, json=a_subscription("http://127.0.0.1:9/") | OFF)).json()
    meta = {"meta": {"tag": theirs["meta"]["tag"]}}
    mine = (
        await space.fhir("POST", "Subscription", one, json=a_subscription("http://127.0.0.1:9/") | OFF | meta)
    ).json()
    path = f"Subscription/{mine['id']}"
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta["meta"]}]}
    patch = [{"op": "replace", "path": "/meta/tag", "value": meta["meta"]["tag"]}]
    kind = {"Content-Type": "application/json-patch+json"}
    for how in ("create", "$meta-add", "$meta-delete", "patch", "put"):
        if how.startswith("$"):
            await space.fhir("POST", f"{path}/{how}", one, json=parameters)
        elif how == "put":
            await space.fhir("PUT", path, one, json=mine | meta)
        elif how == "patch":
            headers = {"Authorization": f"Bearer {one}", **kind}
            await space.http.patch(f"http://server.test/fhir/{path}", json=patch, headers=headers)
        found = tags(await read(space, one, mine["id"]))
        assert found[OWNER] == tags(mine)[OWNER] != tags(theirs)[OWNER], how
        assert found[HOLDER] != tags(theirs)[HOLDER], how


OFF = {"status": "off"}


async def test_a_transaction_makes_no_more_than_anybody_may_have(space: Space) -> None:
    many = await space.backend_token(SCOPES, "many")
    tree = a_subscription("http://127.0.0.1:9/") | OFF

    async def sent(count: int) -> Any:
        entry = {"resource": tree, "request": {"method": "POST", "url": "Subscription"}}
        lot = {"resourceType": "Bundle", "type": "transaction", "entry": [entry] * count}
        return await space.fhir("POST", "", many, json=lot)

    for count, expected in ((101, 422), (99, 200), (2, 422), (1, 200), (1, 422)):
        assert (await sent(count)).status_code == expected, count
    assert (await space.fhir("GET", "Subscription?_summary=count", many)).json()["total"] == 100


async def test_posts_at_once_make_no_more_than_anybody_may_have(space: Space) -> None:
    """Each is of one commit with the condition that there are as many as were counted."""
    await space.backend("racing", scopes=SCOPES)
    racing = await space.backend_token(SCOPES, "racing")
    tree = a_subscription("http://127.0.0.1:9/") | OFF
    entry = {"resource": tree, "request": {"method": "POST", "url": "Subscription"}}
    lot = {"resourceType": "Bundle", "type": "transaction", "entry": [entry] * 90}
    assert (await space.fhir("POST", "", racing, json=lot)).status_code == 200
    made = await asyncio.gather(
        *(space.fhir("POST", "Subscription", racing, json=tree) for _ in range(20)),
        *(space.fhir("POST", "", racing, json=lot | {"type": "batch", "entry": [entry] * 5}) for _ in range(2)),
    )
    batched = [int(row["response"]["status"][:3]) for one in made[20:] for row in one.json()["entry"]]
    assert sorted([*(one.status_code for one in made[:20]), *batched]) == [201] * 10 + [422] * 20
    assert (await space.fhir("GET", "Subscription?_summary=count", racing)).json()["total"] == 100


_MANY = ",".join(f"x{n}" for n in range(201))
#: Criteria that are judged of each version of anybody's, and take long → whether they are refused.
COSTLY: dict[str, bool] = {
    f"Observation?code={_MANY}": True,
    f"Observation?_id={_MANY}": True,
    f"Observation?code:not={_MANY}": True,
    f"Observation?subject:Patient.identifier={_MANY}": True,
    f"Observation?_filter={' or '.join(f'code eq x{n}' for n in range(201))}": True,
    "Observation?" + "&".join(f"code=x{n}" for n in range(201)): True,
    "Observation?" + "&".join(["_has:Provenance:target:_id=x"] * 30): True,
    f"Observation?code={_MANY.rpartition(',')[0]}": False,
}


async def test_criteria_that_take_long_of_each_version_are_refused(space: Space) -> None:
    lab, wrong = await space.backend_token(), {}
    for criteria, refused in COSTLY.items():
        tree = a_subscription("http://127.0.0.1:9/", criteria) | OFF
        answer = await space.fhir("POST", "Subscription", lab, json=tree)
        said = [(one["code"], one.get("expression")) for one in answer.json().get("issue", ())]
        if refused != (answer.status_code == 422 and ("too-costly", ["Subscription.criteria"]) in said):
            wrong[criteria[:60]] = (answer.status_code, said)
    assert not wrong


async def test_a_name_that_leads_here_tells_nothing_of_it() -> None:
    """Of the network here, what is there and what is not is answered alike."""
    said = set()
    for url in ("https://localhost/", "https://10.0.0.1/", "https://absent.invalid/", "http://8.8.8.8/"):
        with pytest.raises(Failed) as failed:
            await send(Sent("POST", url))
        said.add(str(failed.value))
    assert len(said) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://fhir.example/fhir",
        "https://fhir.example:443/fhir",
        "https://FHIR.Example/fhir/Observation",
        "HTTPS://fhir.example./x",
        "https://fhir.example:/",
    ],
)
async def test_a_server_knows_itself_whichever_way_its_address_is_written(url: str) -> None:
    """Told to itself it would write, be told of it, and write again: RFC 3986 §6.2, RFC 1034 §3.1 (the last dot)."""
    assert origin(url) == origin("https://fhir.example/fhir")
    assert origin(url) not in (origin("https://other.example/fhir"), origin("https://fhir.example:8443/fhir"))
