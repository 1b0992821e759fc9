"""What one request may cost: steps of work, counted where it is done, whoever asked for it and however deep it lies.

A step is about five microseconds. Whatever a caller can make long (reading a body, evaluating an expression, the
entries of a Bundle) spends steps; all of a request share one budget, so that a thousand small pieces of work are
bounded like one large. Steps are the same on every machine; seconds are looked at besides, where the process does
nothing else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextvars import ContextVar, Token
from math import inf

#: Bytes of JSON that are read, judged and indexed in one step.
BYTES = 8
#: Bytes that are taken from the store and handed on, unread, in one step.
CARRIED = 2_048
#: Steps between two looks at the clock.
_OFTEN = 200


class Exhausted(Exception):
    """The budget is spent, and nothing has been written of what was being done.

    No `FhirError`: what forgives a rule that cannot be judged must not forgive this.
    """


class Budget:
    """Steps left to one request, or to a part of it.

    Attributes:
        spent: steps.
        carried: bytes of resources taken from the store.
        apart: seconds of the processor that parts of it have taken in another process.
        settled: something was written: from here on nothing is broken off, and steps are counted no more.
    """

    __slots__ = (
        "_clock",
        "_look",
        "_most",
        "_most_bytes",
        "_turn",
        "_until",
        "_whole",
        "apart",
        "carried",
        "settled",
        "spent",
    )

    def __init__(
        self,
        most: float = inf,
        seconds: float = inf,
        clock: Callable[[], float] = time.process_time,
        whole: Budget | None = None,
        most_bytes: float = inf,
    ) -> None:
        """Nothing is spent yet.

        Args:
            most: steps that may be spent.
            seconds: of `clock` that may pass from now on.
            clock: the processor time of what is limited.
            whole: the budget that this is a part of, which what is spent here is taken from as well.
            most_bytes: of resources that may be taken from the store.
        """
        self._most = most
        self._clock = clock
        self._until = inf if seconds == inf else clock() + seconds
        self._look = 0.0
        self._whole = whole
        self._most_bytes = most_bytes
        self.spent = 0
        self.carried = 0
        self.apart = 0.0
        self._turn: asyncio.Lock | None = None
        self.settled = False

    @property
    def turn(self) -> asyncio.Lock:
        """Held by the part that is in the process beside."""
        if self._turn is None:
            self._turn = asyncio.Lock()
        return self._turn

    def part(self) -> Budget:
        """A budget that shares these steps and is settled on its own: an entry of a batch."""
        return Budget(whole=self)

    def spend(self, steps: int) -> None:
        """Count work that is about to be done.

        Raises:
            Exhausted: it is more than the budget allows, and nothing was written yet.
        """
        if self.settled:
            return
        self.spent += steps
        if self._whole is not None:
            self._whole.spend(steps)
        if self.spent > self._most:
            raise Exhausted
        if self._until != inf and self.spent >= self._look:
            self._look = self.spent + _OFTEN
            if self._clock() > self._until:
                raise Exhausted

    def carry(self, size: int) -> None:
        """Count `size` bytes taken from the store. Raises as `spend`."""
        if self.settled:
            return
        self.carried += size
        if self._whole is not None:
            self._whole.carry(size)
        elif self.carried > self._most_bytes:
            raise Exhausted
        else:
            self.spend(size // CARRIED)


_CURRENT: ContextVar[Budget | None] = ContextVar("budget", default=None)


def current() -> Budget | None:
    """The budget of what is being done; None where nothing limits it."""
    return _CURRENT.get()


class within:
    """While the block runs, and in whatever it awaits, work is taken from `budget`."""

    __slots__ = ("_budget", "_token")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._token: Token[Budget | None]

    def __enter__(self) -> Budget:
        self._token = _CURRENT.set(self._budget)
        return self._budget

    def __exit__(self, *_: object) -> None:
        _CURRENT.reset(self._token)


def spend(steps: int) -> None:
    """Take `steps` from the budget of what is being done. Raises as `Budget.spend`."""
    budget = _CURRENT.get()
    if budget is not None:
        budget.spend(steps)


def carry(size: int) -> None:
    """Take bytes of resources from the budget of what is being done. Raises as `Budget.spend`."""
    budget = _CURRENT.get()
    if budget is not None:
        budget.carry(size)


def settle() -> None:
    """Something is about to be written: what is being done is broken off no more."""
    budget = _CURRENT.get()
    if budget is not None:
        budget.settled = True
