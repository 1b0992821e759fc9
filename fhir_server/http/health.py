"""Whether this worker lives, whether it should be sent requests, and how it stops.

https://kubernetes.io/docs/concepts/workloads/pods/probes/. A probe asks before anything else does: it is answered
without the routes behind, which need not be there yet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

#: Says what is wrong with the store, or None.
Check = Callable[[], Awaitable[str | None]]

#: What is asked of a worker.
PROBES = ("/health/live", "/health/ready")


class Health(msgspec.Struct, frozen=True):
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
        """Whether requests are wanted now; the check is asked each time."""
        if self.stopping:
            return Health("stopping")
        detail = await self._check() if self._check else None
        return Health("failing", detail) if detail else Health("ok")

    async def answered(self, path: str) -> tuple[int, bytes] | None:
        """Status and JSON body of a probe: 503 when requests are not wanted; None when the path is no probe's."""
        if path not in PROBES:
            return None
        # A worker lives while it answers at all.
        state = Health("ok") if path == "/health/live" else await self.state()
        return 200 if state.status == "ok" else 503, msgspec.json.encode(state)
