"""What is sent where, by criteria, payload and content: https://hl7.org/fhir/R4/subscription.html (channel.payload),
http://hl7.org/fhir/uv/subscriptions-backport, payloads; https://www.rfc-editor.org/rfc/rfc3986#section-5.3."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.subscriptions.kept import Queued
from fhir_server.subscriptions.telling import put_under
from tests.server.closed import BASE, Space
from tests.subscriptions.receiver import receiving
from tests.subscriptions.test_topics import to_topic
from tests.subscriptions.world import Tree, a_subscription, an_observation, attended, subscribed

pytestmark = pytest.mark.asyncio(loop_scope="module")
JSON, XML = "application/fhir+json", "application/fhir+xml"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def space(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Space]:
    async with attended(tmp_path_factory.mktemp("payloads")) as found:
        await found.put({"resourceType": "Patient", "id": "a"})
        await found.backend("lab")
        yield found


@pytest.mark.parametrize(
    ("endpoint", "put"),
    [
        ("https://a.test", "https://a.test/Slot/1"),
        ("https://a.test/", "https://a.test/Slot/1"),
        ("https://a.test/fhir", "https://a.test/fhir/Slot/1"),
        ("https://a.test/fhir/", "https://a.test/fhir/Slot/1"),
        ("https://a.test/fhir?key=a/b", "https://a.test/fhir/Slot/1?key=a/b"),
        ("https://a.test/fhir/?key=1&x=%2F", "https://a.test/fhir/Slot/1?key=1&x=%2F"),
        ("https://a.test?key=1", "https://a.test/Slot/1?key=1"),
        ("https://a.test:8443/a%20b?", "https://a.test:8443/a%20b/Slot/1"),
    ],
)
async def test_a_resource_is_put_under_the_path_and_the_query_stays(endpoint: str, put: str) -> None:
    assert put_under(endpoint, Queued("Slot", "1", 1, 0, "POST")) == put


def searched(payload: str | None) -> Tree:
    return a_subscription("", "Observation?code=sent", **({"payload": payload} if payload else {}))


def topical(payload: str | None, content: str) -> Tree:
    tree = to_topic("", content, "Observation?code=sent")
    if payload is None:
        del tree["channel"]["payload"]
    else:
        tree["channel"]["payload"] = payload
    return tree


#: The Subscription → method, whether it is under the endpoint, media type, and how much is sent: nothing, the resource,
#: or a Bundle that tells nothing, names it or has it.
SENT: dict[str, tuple[Tree, str, bool, str, str]] = {
    "search, none": (searched(None), "POST", False, "", "nothing"),
    "search, JSON": (searched(JSON), "PUT", True, JSON, "resource"),
    "search, JSON by its other name": (searched("application/json"), "PUT", True, JSON, "resource"),
    "search, XML": (searched(XML), "PUT", True, XML, "resource"),
    "topic, empty": (topical(JSON, "empty"), "POST", False, JSON, "empty"),
    "topic, id-only": (topical(JSON, "id-only"), "POST", False, JSON, "named"),
    "topic, full": (topical(JSON, "full-resource"), "POST", False, JSON, "whole"),
    "topic, XML": (topical(XML, "full-resource"), "POST", False, XML, "whole"),
    "topic, no payload said": (topical(None, "id-only"), "POST", False, JSON, "named"),
}


def much(body: bytes, media_type: str, id: str) -> str:
    text = body.decode()
    if not text:
        return "nothing"
    if "Bundle" not in text[:60]:
        return "resource" if id in text else "?"
    has = '"resourceType":"Observation"' if media_type == JSON else "<Observation"
    return "whole" if has in text else "named" if f"{BASE}/Observation/{id}" in text else "empty"


async def test_what_is_sent_where_by_payload_and_content(space: Space) -> None:
    token, wrong = await space.backend_token(), dict[str, Any]()
    for what, (tree, method, is_under, media_type, content) in SENT.items():
        async with receiving() as hook:
            channel = tree["channel"] | {"endpoint": f"{hook.address}?key=1"}
            await subscribed(space, token, tree | {"channel": channel})
            before = len(hook.got)
            made = (await space.fhir("POST", "Observation", token, json=an_observation("sent"))).json()
            got = (await hook.until(before + 1))[-1]
            path = f"/hook/Observation/{made['id']}?key=1" if is_under else "/hook?key=1"
            sent = got.headers.get("content-type", "")
            found = (got.method, got.path, sent, much(got.body, media_type, made["id"]))
            if found != (method, path, media_type, content):
                wrong[what] = found
    assert not wrong
