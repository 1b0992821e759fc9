"""Whether this worker lives, whether it should be sent requests, and how it stops.

https://kubernetes.io/docs/concepts/workloads/pods/probes/
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

#: Says what is wrong with the store, or None.
Check = Callable[[], Awaitable[str | None]]


class Health(BaseModel):
    """What a probe reads."""

    status: Literal["ok", "stopping", "failing"]
    detail: str | None = None


class Readiness:
    """Whether requests are wanted.

    Attributes:
        stopping: set when the process has been asked to stop: requests in progress finish, no new ones are wanted.
    """

    def __init__(self, check: Check | None = None) -> None:
        """`check` is asked at each probe; None when there is nothing to ask."""
        self.stopping = False
        self._check = check

    async def state(self) -> Health:
        """The state now."""
        if self.stopping:
            return Health(status="stopping")
        detail = await self._check() if self._check else None
        return Health(status="failing", detail=detail) if detail else Health(status="ok")


def router(readiness: Readiness) -> APIRouter:
    """`/health/live` and `/health/ready`."""
    routes = APIRouter(prefix="/health", tags=["operation"])

    @routes.get("/live")
    async def live() -> Health:
        """200 while the process answers at all."""
        return Health(status="ok")

    @routes.get("/ready", responses={503: {"model": Health}})
    async def ready(response: Response) -> Health:
        """200 when requests are wanted, 503 when they are not: while stopping, or while the store fails."""
        state = await readiness.state()
        if state.status != "ok":
            response.status_code = 503
        return state

    return routes
