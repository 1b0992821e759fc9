"""The websocket channel: https://hl7.org/fhir/R4/subscription.html (websocket), valueset-subscription-channel-type;
http://hl7.org/fhir/uv/subscriptions-backport, channels and $get-ws-binding-token, 1.1.0."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.server.closed import BASE, Space
from tests.subscriptions.sockets import (
    binding_token,
    bundle,
    by_socket,
    closed,
    heard,
    on_wire,
    opened,
    topic_by_socket,
)
from tests.subscriptions.test_topics import said
from tests.subscriptions.world import an_observation, attended, subscribed

pytestmark = pytest.mark.asyncio(loop_scope="module")
URL = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-websocket"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def space(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Space]:
    async with attended(tmp_path_factory.mktemp("sockets")) as found:
        await found.put({"resourceType": "Patient", "id": "a"})
        await found.backend("lab")
        await found.backend("other", scopes="system/Subscription.cruds system/Observation.rs")
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def port(space: Space) -> AsyncIterator[int]:
    async with on_wire(space.house) as found:
        yield found


async def test_bind_is_answered_bound_and_each_event_is_a_ping(space: Space, port: int) -> None:
    token = await space.backend_token()
    one, two = [await subscribed(space, token, by_socket(f"Observation?code={code}")) for code in ("r4", "r4,other")]
    async with opened(port, token) as socket:
        for id in (one, two):
            await socket.send(f"bind {id}")
            assert await heard(socket) == f"bound {id}"
        for code in ("elsewhere", "r4", "other"):
            await space.fhir("POST", "Observation", token, json=an_observation(code))
        assert sorted([await heard(socket) for _ in range(3)]) == sorted([f"ping {one}", f"ping {two}", f"ping {two}"])
        # Bound again it goes on: nothing is told twice.
        await socket.send(f"bind {one}")
        assert await heard(socket) == f"bound {one}"
        await space.fhir("POST", "Observation", token, json=an_observation("r4"))
        assert sorted([await heard(socket) for _ in range(2)]) == sorted([f"ping {one}", f"ping {two}"])


async def test_several_sockets_are_told_and_what_came_before_is_not(space: Space, port: int) -> None:
    token = await space.backend_token()
    id = await subscribed(space, token, by_socket("Observation?code=several"))
    await space.fhir("POST", "Observation", token, json=an_observation("several"))
    async with opened(port, token) as first, opened(port, token) as second:
        for socket in (first, second):
            # What is numbered by then was told to nobody, and is in $events of a topic.
            await asyncio.sleep(0.5)
            await socket.send(f"bind {id}")
            assert await heard(socket) == f"bound {id}"
        await space.fhir("POST", "Observation", token, json=an_observation("several"))
        for socket in (first, second):
            assert await heard(socket) == f"ping {id}"


async def test_a_token_binds_to_topics_with_handshakes_and_notifications(space: Space, port: int) -> None:
    token = await space.backend_token()
    ids = {}
    for content in ("empty", "id-only", "full-resource"):
        tree = topic_by_socket(content, "Observation?code=ws-topic")
        ids[await subscribed(space, token, tree)] = content
    found = (await space.fhir("GET", "metadata")).json()["rest"][0]["extension"]
    assert {"url": URL, "valueUri": "ws://server.test/websocket"} in found
    path = f"Subscription/$get-ws-binding-token?{'&'.join(f'id={id}' for id in ids)}"
    answer = await space.fhir("GET", path, token)
    assert answer.status_code == 200, answer.text
    assert "no-store" in answer.headers["cache-control"]
    names = [row["name"] for row in answer.json()["parameter"]]
    assert names == ["token", "expiration", "subscription", "subscription", "subscription", "websocket-url"]
    rows = answer.json()["parameter"]
    assert rows[-1]["valueUrl"] == "ws://server.test/websocket"
    async with opened(port) as socket:
        await socket.send(f"bind-with-token {rows[0]['valueString']}")
        hands = [said(await bundle(socket)) for _ in ids]
        assert [one["type"] for one in hands] == ["handshake"] * 3
        assert sorted(one["subscription"]["reference"] for one in hands) == sorted(
            f"{BASE}/Subscription/{i}" for i in ids
        )
        made = (await space.fhir("POST", "Observation", token, json=an_observation("ws-topic"))).json()
        for _ in ids:
            got = await bundle(socket)
            words = said(got)
            content = ids[words["subscription"]["reference"].rpartition("/")[2]]
            assert (words["type"], words["events-since-subscription-start"]) == ("event-notification", "1")
            focus = {"reference": f"{BASE}/Observation/{made['id']}"}
            assert words["event"][0].get("focus") == (None if content == "empty" else focus)
            rest = [one.get("resource") for one in got["entry"][1:]]
            assert rest == {"empty": [], "id-only": [None], "full-resource": [made]}[content]


async def test_the_format_is_the_subscriptions_and_events_come_together_up_to_the_count(
    space: Space, port: int
) -> None:
    token = await space.backend_token()
    tree = topic_by_socket("empty", "Observation?code=ws-many", payload="application/fhir+xml", count=10)
    id = await subscribed(space, token, tree)
    async with opened(port, token) as socket:
        await socket.send(f"bind {id}")
        assert '<Bundle xmlns="http://hl7.org/fhir">' in await heard(socket)
        entry = {"resource": an_observation("ws-many"), "request": {"method": "POST", "url": "Observation"}}
        lot = {"resourceType": "Bundle", "type": "transaction", "entry": [entry] * 15}
        assert (await space.fhir("POST", "", token, json=lot)).status_code == 200
        got = [await heard(socket) for _ in range(2)]
        assert [one.count("event-number") for one in got] == [10, 5]


async def test_heartbeats_of_a_topic(space: Space, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhir_server.subscriptions.writing._BOUNDS", ())
    token = await space.backend_token()
    id = await subscribed(space, token, topic_by_socket("empty", "Observation?code=ws-beat", heartbeat=1))
    async with opened(port, token) as socket:
        await socket.send(f"bind {id}")
        assert [said(await bundle(socket))["type"] for _ in range(3)] == ["handshake", "heartbeat", "heartbeat"]


async def test_when_the_subscription_ends_so_does_the_socket(space: Space, port: int) -> None:
    token = await space.backend_token()
    for how in ("off", "delete"):
        id = await subscribed(space, token, by_socket("Observation?code=ws-ends"))
        async with opened(port, token) as socket:
            await socket.send(f"bind {id}")
            assert await heard(socket) == f"bound {id}"
            if how == "delete":
                await space.fhir("DELETE", f"Subscription/{id}", token)
            else:
                found = (await space.fhir("GET", f"Subscription/{id}", token)).json()
                await space.fhir("PUT", f"Subscription/{id}", token, json=found | {"status": "off"})
            assert await closed(socket) == (1008, "The subscription has ended.")


async def test_what_is_not_told_by_websocket_is_refused_with_the_element(space: Space) -> None:
    token, wrong = await space.backend_token(), {}
    refused = {
        "headers": (by_socket(), {"header": ["A: b"]}, "channel.header"),
        "payload of a search": (by_socket(), {"payload": "application/fhir+json"}, "channel.payload"),
        "no content of a topic": (topic_by_socket("empty"), {"_payload": {}}, "channel.payload"),
    }
    for what, (tree, channel, element) in refused.items():
        answer = await space.fhir("POST", "Subscription", token, json=tree | {"channel": tree["channel"] | channel})
        named = [name for issue in answer.json()["issue"] for name in issue.get("expression", ())]
        if answer.status_code != 422 or f"Subscription.{element}" not in named:
            wrong[what] = (answer.status_code, named)
    assert not wrong


async def test_whom_a_binding_token_is_given_to(space: Space) -> None:
    """At the instance, and of the caller's own: absent and another's are answered alike."""
    token = await space.backend_token()
    other = await space.backend_token("system/Subscription.cruds system/Observation.rs", "other")
    mine = await subscribed(space, token, by_socket("Observation?code=ws-whose"))
    theirs = await subscribed(space, other, by_socket("Observation?code=ws-whose"))
    off = (await space.fhir("POST", "Subscription", token, json=by_socket() | {"status": "off"})).json()["id"]
    hook = {"channel": {"type": "rest-hook", "endpoint": "http://127.0.0.1:9/"}, "status": "off"}
    told = (await space.fhir("POST", "Subscription", token, json=by_socket() | hook)).json()["id"]
    expected = {
        (token, f"Subscription/{mine}"): 200,
        # An administrator sees it, and listens to none of others'.
        (token, f"Subscription/{theirs}"): 404,
        (other, f"Subscription/{mine}"): 404,
        (other, "Subscription/absent"): 404,
        (token, f"Subscription/{off}"): 422,
        (token, f"Subscription/{told}"): 422,
        (other, "Subscription"): 200,
        ("", "Subscription"): 401,
    }
    got = {}
    for who, path in expected:
        got[who, path] = (await space.fhir("POST", f"{path}/$get-ws-binding-token", who)).status_code
    assert got == expected
    for ids, status in ((mine, 200), (theirs, 404), (f"{mine}&id={theirs}", 404), (f"{mine}&id=absent", 404)):
        answer = await space.fhir("GET", f"Subscription/$get-ws-binding-token?id={ids}", token)
        assert answer.status_code == status, (ids, answer.text)
    assert (await binding_token(space, other, "Subscription"))["subscription"] == theirs
