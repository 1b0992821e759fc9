"""The rest-hook channel: https://hl7.org/fhir/R4/subscription.html, valueset-subscription-channel-type."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.server.closed import Space
from tests.subscriptions.receiver import receiving
from tests.subscriptions.world import Tree, a_subscription, an_observation, attended, status, subscribed, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def space(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Space]:
    async with attended(tmp_path_factory.mktemp("subscriptions")) as found:
        for id in ("a", "b"):
            await found.put({"resourceType": "Patient", "id": id})
        await found.backend("lab")
        await found.backend("other", scopes="system/Subscription.cruds system/Observation.rs")
        yield found


async def test_what_matches_is_put_under_the_endpoint_with_its_headers(space: Space) -> None:
    """R4: with a payload the URL is a service base, and an update is made; without, it is posted to."""
    token = await space.backend_token()
    async with receiving() as full, receiving() as bare:
        header = {"header": ["Authorization: Bearer secret-word"]}
        one = await subscribed(space, token, a_subscription(full.address, payload="application/fhir+json", **header))
        await subscribed(space, token, a_subscription(bare.address))
        made = [(await space.fhir("POST", "Observation", token, json=an_observation(c))).json() for c in "yx"]
        (got,) = await full.until(1)
        assert (got.method, got.path) == ("PUT", f"/hook/Observation/{made[1]['id']}")
        assert got.json == made[1]
        assert got.headers["authorization"] == "Bearer secret-word"
        assert got.headers["content-type"] == "application/fhir+json"
        (empty,) = await bare.until(1)
        assert (empty.method, empty.path, empty.body) == ("POST", "/hook", b"")
        # What the headers say is a secret, of every version.
        for path in (f"Subscription/{one}", f"Subscription/{one}/_history", f"Subscription/{one}/_history/1"):
            assert "secret-word" not in (await space.fhir("GET", path, token)).text
        assert (await space.fhir("GET", f"Subscription/{one}", token)).json()["channel"]["header"] == ["Authorization"]
        # An update that names the header alone keeps its value; XML is sent where it is asked for.
        again = (await space.fhir("GET", f"Subscription/{one}", token)).json() | {"status": "requested"}
        again["channel"]["payload"] = "application/fhir+xml"
        assert (await space.fhir("PUT", f"Subscription/{one}", token, json=again)).status_code == 200
        await until(lambda: _is(space, token, one, "active"))
        await space.fhir("PUT", f"Observation/{made[1]['id']}", token, json=made[1] | {"status": "amended"})
        got = (await full.until(2))[1]
        assert got.headers["authorization"] == "Bearer secret-word"
        assert b"<Observation xmlns" in got.body


async def _is(space: Space, token: str, id: str, wanted: str) -> bool:
    return await status(space, token, id) == wanted


async def test_order_is_that_of_commits_and_a_slow_one_slows_nobody(space: Space) -> None:
    token = await space.backend_token()
    async with receiving() as slow, receiving() as quick:
        slow.answer = "wait"
        for one in (slow, quick):
            await subscribed(
                space, token, a_subscription(one.address, "Observation?code=order", payload="application/json")
            )
        ids = []
        for _ in range(12):
            ids.append((await space.fhir("POST", "Observation", token, json=an_observation("order"))).json()["id"])
        got = await quick.until(12)
        assert [one.path.rpartition("/")[2] for one in got] == ids
        await asyncio.sleep(0.3)
        assert {one.path.rpartition("/")[2] for one in slow.got} <= {ids[0]}


@pytest.mark.parametrize("answer", [500, 404, "close", "wait", "redirect"])
async def test_who_fails_is_tried_again_then_turned_off_and_on_when_asked(space: Space, answer: int | str) -> None:
    token = await space.backend_token()
    async with receiving() as hook:
        id = await subscribed(space, token, a_subscription(hook.address, "Observation?code=fails"))
        hook.answer = answer
        await space.fhir("POST", "Observation", token, json=an_observation("fails"))
        await until(lambda: _is(space, token, id, "off"))
        found = (await space.fhir("GET", f"Subscription/{id}", token)).json()
        assert found["error"]
        assert len(hook.got) == 4
        assert all(one.path == "/hook" for one in hook.got)
        history = (await space.fhir("GET", f"Subscription/{id}/_history", token)).json()["entry"]
        assert [one["resource"]["status"] for one in history] == ["off", "error", "active", "requested"]
        hook.answer = 202
        assert (await space.fhir("PUT", f"Subscription/{id}", token, json=found | {"status": "requested"})).is_success
        await until(lambda: _is(space, token, id, "active"))
        await space.fhir("POST", "Observation", token, json=an_observation("fails"))
        await hook.until(5)


async def test_an_answer_without_end_is_not_read(space: Space) -> None:
    token = await space.backend_token()
    async with receiving() as hook:
        hook.answer = "huge"
        await subscribed(space, token, a_subscription(hook.address, "Observation?code=huge"))
        for n in (1, 2):
            await space.fhir("POST", "Observation", token, json=an_observation("huge"))
            await hook.until(n)


async def test_whose_it_is_and_who_sees_it(space: Space) -> None:
    token = await space.backend_token()
    other = await space.backend_token("system/Subscription.cruds system/Observation.rs", "other")
    async with receiving() as hook:
        mine = await subscribed(space, other, a_subscription(hook.address, "Observation?code=own"))
        theirs = await subscribed(space, token, a_subscription(hook.address, "Observation?code=own"))
        assert (await space.fhir("GET", f"Subscription/{mine}", token)).status_code == 200
        for method in ("GET", "DELETE"):
            assert (await space.fhir(method, f"Subscription/{theirs}", other)).status_code == 404
        found = (await space.fhir("GET", "Subscription", other)).json()
        assert [one["resource"]["id"] for one in found["entry"]] == [mine]
        # What it may not search it is not told of.
        refused = await space.fhir("POST", "Subscription", other, json=a_subscription(hook.address, "Patient?_id=a"))
        assert refused.status_code == 403


#: What is wrong → the Subscription, and the element that is named.
REFUSED: dict[str, tuple[Tree, str]] = {
    "unknown parameter": ({"criteria": "Observation?nonsense=1"}, "criteria"),
    "unknown type": ({"criteria": "Nonsense?code=1"}, "criteria"),
    "no search": ({"criteria": "?"}, "criteria"),
    "a search of all": ({"criteria": "Observation?_sort=date"}, "criteria"),
    "traces": ({"criteria": "AuditEvent?_id=1"}, "criteria"),
    "itself": ({"criteria": "Subscription"}, "criteria"),
    "unknown channel": ({"channel": {"type": "sms", "endpoint": "tel:1"}}, "channel.type"),
    "no endpoint": ({"channel": {"type": "rest-hook"}}, "channel.endpoint"),
    "past": ({"end": "2020-01-01T00:00:00Z"}, "end"),
    "in error": ({"status": "error"}, "status"),
    **{
        f"address {url}": ({"channel": {"type": "rest-hook", "endpoint": url}}, "channel.endpoint")
        for url in (
            "http://example.com/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest",
            "https://[fd00::1]/",
            "https://user:word@example.com/",
            "https://intranet/",
            "https://service.internal/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "https://2130706433/",
        )
    },
    **{
        f"header {line!r}": (
            {"channel": {"type": "rest-hook", "endpoint": "http://127.0.0.1/", "header": [line]}},
            "channel.header[0]",
        )
        for line in ("Host: x", "Content-Length: 3", "no name", ": x", "Authorization", "A: b\u0000c")
    },
    "payload": (
        {"channel": {"type": "rest-hook", "endpoint": "http://127.0.0.1/", "payload": "image/png"}},
        "channel.payload",
    ),
}


async def test_what_cannot_be_is_refused_with_the_element(space: Space) -> None:
    token, wrong = await space.backend_token(), {}
    for what, (changed, element) in REFUSED.items():
        tree = a_subscription("http://127.0.0.1:9/") | changed
        answer = await space.fhir("POST", "Subscription", token, json=tree)
        named = [name for issue in answer.json()["issue"] for name in issue.get("expression", ())]
        if answer.status_code not in (400, 422) or f"Subscription.{element}" not in named:
            wrong[what] = (answer.status_code, named)
    assert not wrong


async def test_rights_are_those_of_now(space: Space) -> None:
    """A client that is suspended is told of nothing more; its Subscription is turned off."""
    await space.backend("leaving")
    token, leaving = await space.backend_token(), await space.backend_token(id="leaving")
    async with receiving() as hook:
        id = await subscribed(space, leaving, a_subscription(hook.address, "Observation?code=rights"))
        await space.fhir("POST", "Observation", token, json=an_observation("rights"))
        await hook.until(1)
        await space.clients.set_status("leaving", "suspended")
        await space.fhir("POST", "Observation", token, json=an_observation("rights"))
        await space.fhir("POST", "Observation", token, json=an_observation("rights"))
        await asyncio.sleep(0.6)
        assert len(hook.got) == 1
        await until(lambda: _is(space, token, id, "off"))


async def test_it_ends_when_it_says(space: Space) -> None:
    from datetime import UTC, datetime, timedelta

    token = await space.backend_token()
    end = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    async with receiving() as hook:
        tree = a_subscription(hook.address, "Observation?code=end") | {"end": end}
        id = await subscribed(space, token, tree)
        await until(lambda: _is(space, token, id, "off"))
        await space.fhir("POST", "Observation", token, json=an_observation("end"))
        await asyncio.sleep(0.4)
        assert not hook.got


async def test_what_waits_for_who_fails_has_a_bound(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhir_server.subscriptions.delivery.MOST_WAITING", 3)
    token = await space.backend_token()
    async with receiving() as hook:
        hook.answer = 500
        id = await subscribed(space, token, a_subscription(hook.address, "Observation?code=bound"))
        entries = [{"resource": an_observation("bound"), "request": {"method": "POST", "url": "Observation"}}] * 4
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        assert (await space.fhir("POST", "", token, json=bundle)).is_success
        await until(lambda: _is(space, token, id, "off"))
        assert len(hook.got) == 1
