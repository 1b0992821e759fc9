"""Topic-based subscriptions in R4: http://hl7.org/fhir/uv/subscriptions-backport, 1.1.0."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.subscriptions.model import CONTENT, FILTER, HEARTBEAT, MAX_COUNT, TIMEOUT
from fhir_server.subscriptions.notification import NOTIFICATION, STATUS
from fhir_server.subscriptions.topics import TOPICS
from tests.server.closed import BASE, Space
from tests.subscriptions.receiver import receiving
from tests.subscriptions.world import Tree, a_subscription, an_observation, attended, status, subscribed, until

pytestmark = pytest.mark.asyncio(loop_scope="module")
TOPIC = "https://fhir-server.example/SubscriptionTopic/observation"
PROFILE = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def space(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Space]:
    async with attended(tmp_path_factory.mktemp("topics")) as found:
        for id in ("a", "b"):
            await found.put({"resourceType": "Patient", "id": id})
        await found.backend("lab")
        await found.backend("other", scopes="system/Subscription.cruds system/Observation.rs")
        yield found


def to_topic(endpoint: str, content: str = "id-only", *filters: str, **numbers: int) -> Tree:
    """`numbers`: heartbeat, timeout, count."""
    urls = {"heartbeat": (HEARTBEAT, "Unsigned"), "timeout": (TIMEOUT, "Unsigned"), "count": (MAX_COUNT, "Positive")}
    said = [{"url": urls[name][0], f"value{urls[name][1]}Int": one} for name, one in numbers.items()]
    found = a_subscription(endpoint, TOPIC, payload="application/fhir+json")
    found["meta"] = {"profile": [PROFILE]}
    found["channel"] |= {"_payload": {"extension": [{"url": CONTENT, "valueCode": content}]}}
    found["channel"] |= {"extension": said} if said else {}
    rows = [{"url": FILTER, "valueString": one} for one in filters]
    return found | ({"_criteria": {"extension": rows}} if rows else {})


def said(bundle: Any) -> dict[str, Any]:
    """What the status of a notification says, by name; events as dictionaries in a list."""
    first = bundle["entry"][0]
    assert first["resource"]["meta"]["profile"] == [STATUS]
    found: dict[str, Any] = {"event": []}
    for row in first["resource"]["parameter"]:
        parts = {part["name"]: _value(part) for part in row.get("part", ())}
        if parts:
            found["event"].append(parts)
        else:
            found[row["name"]] = _value(row)
    return found


def _value(row: dict[str, Any]) -> Any:
    return next(value for name, value in row.items() if name.startswith("value"))


async def test_a_handshake_then_numbered_events_as_much_of_each_as_was_asked(space: Space) -> None:
    token = await space.backend_token()
    for content in ("empty", "id-only", "full-resource"):
        async with receiving() as hook:
            mine = f"Observation?code={content}&patient=Patient/a"
            id = await subscribed(space, token, to_topic(hook.address, content, mine, "Observation?status=final"))
            (hand,) = await hook.until(1)
            assert (hand.method, hand.path, hand.headers["content-type"]) == ("POST", "/hook", "application/fhir+json")
            assert hand.json["type"] == "history" and hand.json["meta"]["profile"] == [NOTIFICATION]
            assert said(hand.json)["type"] == "handshake"
            assert said(hand.json)["events-since-subscription-start"] == "0"
            made = []
            for subject, state in (("b", "final"), ("a", "amended"), ("a", "final"), ("a", "final")):
                tree = an_observation(content, f"Patient/{subject}", status=state)
                made.append((await space.fhir("POST", "Observation", token, json=tree)).json())
            got = [one.json for one in (await hook.until(3))[1:3]]
            for n, (bundle, one) in enumerate(zip(got, made[2:], strict=True), 1):
                words = said(bundle)
                assert words["subscription"] == {"reference": f"{BASE}/Subscription/{id}"}
                assert (words["topic"], words["status"], words["type"]) == (TOPIC, "active", "event-notification")
                assert words["events-since-subscription-start"] == str(n)
                (event,) = words["event"]
                assert event["event-number"] == str(n) and event["timestamp"] == one["meta"]["lastUpdated"]
                url = f"{BASE}/Observation/{one['id']}"
                assert event.get("focus") == (None if content == "empty" else {"reference": url})
                rest = bundle["entry"][1:]
                assert [entry["fullUrl"] for entry in rest] == ([] if content == "empty" else [url])
                assert [entry.get("resource") for entry in rest] == {
                    "empty": [],
                    "id-only": [None],
                    "full-resource": [one],
                }[content]
                # R4's own rules of a history Bundle and of Parameters hold.
                for resource in (bundle, bundle["entry"][0]["resource"]):
                    type = resource["resourceType"]
                    judged = await space.fhir("POST", f"{type}/$validate", token, json=resource)
                    wrong = [one for one in judged.json()["issue"] if one["severity"] in ("error", "fatal")]
                    assert not wrong


async def test_status_and_events_are_asked_for_by_who_may(space: Space) -> None:
    token = await space.backend_token()
    other = await space.backend_token("system/Subscription.cruds system/Observation.rs", "other")
    async with receiving() as hook:
        id = await subscribed(space, token, to_topic(hook.address, "id-only", "Observation?code=replay"))
        ids = []
        for _ in range(3):
            tree = an_observation("replay")
            ids.append((await space.fhir("POST", "Observation", token, json=tree)).json()["id"])
        await hook.until(4)
        found = (await space.fhir("GET", f"Subscription/{id}/$status", token)).json()
        assert found["type"] == "searchset"
        words = said(found)
        assert (words["type"], words["events-since-subscription-start"]) == ("query-status", "3")
        several = (await space.fhir("GET", f"Subscription/$status?id={id}&status=active", token)).json()
        assert several["total"] == 1
        assert (await space.fhir("GET", f"Subscription/$status?id={id}", other)).json()["total"] == 0
        for name in ("$status", "$events"):
            assert (await space.fhir("GET", f"Subscription/{id}/{name}", other)).status_code == 404
        url = f"Subscription/{id}/$events?eventsSinceNumber=2&eventsUntilNumber=3&content=full-resource"
        replayed = (await space.fhir("GET", url, token)).json()
        assert said(replayed)["type"] == "query-event"
        assert [one["event-number"] for one in said(replayed)["event"]] == ["2", "3"]
        assert [one["resource"]["id"] for one in replayed["entry"][1:]] == ids[1:]
        # What is there no more, or hidden now, is not told again.
        await space.fhir("DELETE", f"Observation/{ids[1]}", token)
        replayed = (await space.fhir("GET", f"Subscription/{id}/$events", token)).json()
        assert [one["event-number"] for one in said(replayed)["event"]] == ["1", "3"]
        for wrong in ("eventsSinceNumber=x", "content=all", "nonsense=1"):
            answer = await space.fhir("GET", f"Subscription/{id}/$events?{wrong}", token)
            assert answer.status_code == 400, wrong


async def test_a_handshake_that_is_not_taken_activates_nothing(space: Space) -> None:
    token = await space.backend_token()
    async with receiving() as hook:
        hook.answer = 403
        answer = await space.fhir("POST", "Subscription", token, json=to_topic(hook.address))
        id = answer.json()["id"]

        async def off() -> bool:
            return await status(space, token, id) == "off"

        await until(off)
        history = (await space.fhir("GET", f"Subscription/{id}/_history", token)).json()["entry"]
        assert [one["resource"]["status"] for one in history] == ["off", "requested"]


async def test_events_that_wait_are_told_together_up_to_the_count(space: Space) -> None:
    token = await space.backend_token()
    async with receiving() as hook:
        await subscribed(space, token, to_topic(hook.address, "empty", "Observation?code=many", count=10))
        entries = [
            {"resource": an_observation("many"), "request": {"method": "POST", "url": "Observation"}} for _ in range(25)
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        assert (await space.fhir("POST", "", token, json=bundle)).status_code == 200
        got = [said(one.json)["event"] for one in (await hook.until(4))[1:]]
        assert [len(one) for one in got] == [10, 10, 5]
        assert [int(event["event-number"]) for one in got for event in one] == list(range(1, 26))


#: What is wrong → what is changed of a Subscription, and the element that is named.
REFUSED: dict[str, tuple[Tree, str]] = {
    "unknown topic": ({"criteria": "https://fhir-server.example/SubscriptionTopic/none"}, "criteria"),
    "filter of another type": (
        {"_criteria": {"extension": [{"url": FILTER, "valueString": "Patient?_id=a"}]}},
        "criteria.extension[0]",
    ),
    "filter that the topic has not": (
        {"_criteria": {"extension": [{"url": FILTER, "valueString": "Observation?_content=x"}]}},
        "criteria.extension[0]",
    ),
    "filter that is none": (
        {"_criteria": {"extension": [{"url": FILTER, "valueString": "Observation?status"}]}},
        "criteria.extension[0]",
    ),
    "filter of a search": (
        {"criteria": "Observation", "_criteria": {"extension": [{"url": FILTER, "valueString": "status=final"}]}},
        "criteria.extension[0]",
    ),
    "without content": ({"channel": a_subscription("http://127.0.0.1:9/")["channel"]}, "channel.payload"),
    "unknown content": ({"channel": to_topic("http://127.0.0.1:9/", "some")["channel"]}, "channel.payload"),
    "heartbeats that flood": (
        {"channel": to_topic("http://127.0.0.1:9/", heartbeat=1)["channel"]},
        "channel.extension",
    ),
}


async def test_what_the_guide_does_not_have_is_refused_with_the_element(space: Space) -> None:
    token, wrong = await space.backend_token(), {}
    for what, (changed, element) in REFUSED.items():
        tree = to_topic("http://127.0.0.1:9/") | changed
        answer = await space.fhir("POST", "Subscription", token, json=tree)
        named = [name for issue in answer.json()["issue"] for name in issue.get("expression", ())]
        if answer.status_code != 422 or f"Subscription.{element}" not in named:
            wrong[what] = (answer.status_code, named)
    assert not wrong


async def test_the_statement_lists_each_topic_and_each_can_be_subscribed_to(space: Space) -> None:
    found = (await space.fhir("GET", "metadata")).json()["rest"][0]["resource"]
    (row,) = [one for one in found if one["type"] == "Subscription"]
    assert [one["valueCanonical"] for one in row["extension"]] == [*TOPICS]
    token, wrong = await space.backend_token(), []
    for one in TOPICS.values():
        filters = [f"{one.type}?{name}:missing=true" for name in sorted(one.filters) if name != "_id"]
        tree = to_topic("http://127.0.0.1:9/", "empty", *filters) | {"criteria": one.url, "status": "off"}
        answer = await space.fhir("POST", "Subscription", token, json=tree)
        if answer.status_code != 201:
            wrong.append((one.url, answer.json()["issue"]))
    assert not wrong


async def test_a_heartbeat_tells_that_it_is_attended_to(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhir_server.subscriptions.writing._BOUNDS", ())
    token = await space.backend_token()
    async with receiving() as hook:
        await subscribed(space, token, to_topic(hook.address, "empty", "Observation?code=beat", heartbeat=1))
        got = await hook.until(3)
        assert [said(one.json)["type"] for one in got[:3]] == ["handshake", "heartbeat", "heartbeat"]
        await asyncio.sleep(0)


async def test_of_a_deletion_who_could_read_what_it_ended_is_told_by_a_topic_of_deletions(space: Space) -> None:
    """R5's SubscriptionTopic.resourceTrigger.supportedInteraction "delete"; 1.1.0 notifications: nothing of it is sent."""
    token = await space.backend_token()
    wanted = {"all": "Observation?code=gone", "none": "Observation?code=other"}
    async with receiving() as hook, receiving() as other:
        ids = {}
        for to, mine in zip((hook, other), wanted.values(), strict=True):
            tree = to_topic(to.address, "full-resource", mine) | {"criteria": f"{TOPIC}-deleted"}
            ids[to.address] = await subscribed(space, token, tree)
            await to.until(1)
        made = (await space.fhir("POST", "Observation", token, json=an_observation("gone"))).json()
        # An update is none, nor is what is there still.
        await space.fhir("PUT", f"Observation/{made['id']}", token, json=made | {"status": "amended"})
        assert (await space.fhir("DELETE", f"Observation/{made['id']}", token)).status_code in (200, 204)
        got = (await hook.until(2))[1].json
        url = f"{BASE}/Observation/{made['id']}"
        (event,) = said(got)["event"]
        assert event["focus"] == {"reference": url}
        (entry,) = got["entry"][1:]
        assert entry["fullUrl"] == url and "resource" not in entry
        assert entry["request"] == {"method": "DELETE", "url": f"Observation/{made['id']}"}
        assert entry["response"]["status"] == "204"
        judged = await space.fhir("POST", "Bundle/$validate", token, json=got)
        assert not [one for one in judged.json()["issue"] if one["severity"] in ("error", "fatal")]
        replayed = (await space.fhir("GET", f"Subscription/{ids[hook.address]}/$events", token)).json()
        assert [one["focus"]["reference"] for one in said(replayed)["event"]] == [url]
        await asyncio.sleep(0.5)
        assert len(other.got) == 1 and len(hook.got) == 2
