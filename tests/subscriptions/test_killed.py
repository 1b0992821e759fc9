"""A server killed while it tells subscribers: all that it acknowledged is told, in the order of commits.

https://hl7.org/fhir/R4/subscription.html. What was sent and not yet kept as told is told again: never less than once.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import httpx
import pytest

from tests.server.process import Served, open_serving
from tests.subscriptions.receiver import Receiver, receiving
from tests.subscriptions.world import a_subscription, until

#: Answers to wait for before the process is killed.
ACKNOWLEDGED = 40


async def _active(http: httpx.AsyncClient, url: str) -> bool:
    return bool((await http.get(url)).json()["status"] == "active")


async def _written(served: Served, name: str) -> list[str]:
    """Write from four hands until the server is gone; what it acknowledged."""
    done: list[str] = []

    async def hand(http: httpx.AsyncClient, number: int) -> None:
        n = 0
        while True:
            n, id = n + 1, f"{name}-{number}-{n}"
            tree = {"resourceType": "Basic", "id": id, "code": {"coding": [{"code": "told"}]}}
            made = await http.put(f"{served.base}/Basic/{id}", json=tree)
            assert made.status_code == 201, made.text
            done.append(id)
            if len(done) >= ACKNOWLEDGED and served.process.poll() is None:
                served.process.send_signal(signal.SIGKILL)

    async with httpx.AsyncClient(timeout=60) as http:
        ended = await asyncio.gather(*(hand(http, n) for n in range(4)), return_exceptions=True)
    assert all(isinstance(error, httpx.TransportError) for error in ended), ended
    return done


async def _told(folder: Path, hook: Receiver) -> None:
    acknowledged: list[str] = []
    with open_serving(folder, FHIR_SUBSCRIPTION_LOOPBACK="true") as served:
        async with httpx.AsyncClient(timeout=60) as http:
            # To itself it would write what it is told of, and be told again.
            itself = await http.post(f"{served.base}/Subscription", json=a_subscription(served.base, "Basic"))
            assert itself.status_code == 422
            named = [one for issue in itself.json()["issue"] for one in issue.get("expression", ())]
            assert "Subscription.channel.endpoint" in named
            tree = a_subscription(hook.address, "Basic?code=told", payload="application/json")
            id = (await http.post(f"{served.base}/Subscription", json=tree)).json()["id"]
            await until(lambda: _active(http, f"{served.base}/Subscription/{id}"))
        acknowledged += await _written(served, "first")
        assert await asyncio.to_thread(served.process.wait, 30) == -signal.SIGKILL
    with open_serving(folder, FHIR_SUBSCRIPTION_LOOPBACK="true") as served:
        async with httpx.AsyncClient(timeout=60) as http:
            found = (await http.get(f"{served.base}/Basic?_sort=_lastUpdated&_count=1000")).json()["entry"]
            stamps = {one["resource"]["id"]: one["resource"]["meta"]["lastUpdated"] for one in found}
            assert set(acknowledged) <= set(stamps)

            async def all_told() -> bool:
                # What was committed and not acknowledged any more is told too.
                return set(stamps) <= {one.path.rpartition("/")[2] for one in hook.got}

            await until(all_told, 60)
            first = list(dict.fromkeys(one.path.rpartition("/")[2] for one in hook.got))
            assert [stamps[id] for id in first] == sorted(stamps[id] for id in first)
            assert set(first) == set(stamps)


@pytest.mark.asyncio
async def test_what_was_acknowledged_is_told_after_a_kill(tmp_path: Path) -> None:
    async with receiving() as hook:
        await _told(tmp_path / "data", hook)
