"""A closed server with software that subscribes, and the engine that attends to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fhir_server.space.events.narrowing import narrowed
from fhir_server.subscriptions import engine
from fhir_server.subscriptions.delivery import Pace
from tests.server.closed import Space, serving

#: Failures are followed by others at once; the fourth turns a Subscription off.
QUICK = Pace((0.01, 0.01, 0.01), 0.5)
Tree = dict[str, Any]


@asynccontextmanager
async def attended(folder: Path, pace: Pace = QUICK, **settings: Any) -> AsyncIterator[Space]:
    """A server whose subscriptions are attended to."""
    async with serving(folder, subscription_loopback=True, **settings) as space:
        task = asyncio.create_task(engine.attend(space.house.services, pace, narrowed))
        try:
            yield space
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def a_subscription(endpoint: str, criteria: str = "Observation?code=x", **channel: Any) -> Tree:
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "A test",
        "criteria": criteria,
        "channel": {"type": "rest-hook", "endpoint": endpoint, **channel},
    }


def an_observation(code: str = "x", subject: str = "Patient/a", **more: Any) -> Tree:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"code": code}]},
        "subject": {"reference": subject},
        **more,
    }


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    for _ in range(int(seconds * 50)):
        if await holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("It did not come to pass.")


async def status(space: Space, token: str, id: str) -> str:
    return str((await space.fhir("GET", f"Subscription/{id}", token)).json()["status"])


async def subscribed(space: Space, token: str, tree: Tree) -> str:
    """The id of a Subscription that has become active."""
    answer = await space.fhir("POST", "Subscription", token, json=tree)
    assert answer.status_code == 201, answer.text
    id = str(answer.json()["id"])

    async def active() -> bool:
        return await status(space, token, id) == "active"

    await until(active)
    return id
