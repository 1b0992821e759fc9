"""How many mails one sender, and one server, may send within a minute: buckets that fill again as time passes.

Kept by each process for itself: a limit against floods, not an account of who sent what.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

#: Senders that are remembered; who was silent longest is forgotten first, and begins anew.
_MOST = 10_000


class Floods:
    """One limit, counted for each name apart."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = monotonic) -> None:
        """`per_minute` at once, and as many again over each minute; 0 for no limit."""
        self._most = per_minute
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> bool:
        """Whether one more of `name` is within the limit; then it is counted."""
        if not self._most:
            return True
        now = self._clock()
        left, since = self._buckets.pop(name, (float(self._most), now))
        left = min(float(self._most), left + (now - since) * self._most / 60)
        allowed = left >= 1
        self._buckets[name] = (left - 1 if allowed else left, now)
        if len(self._buckets) > _MOST:
            self._buckets.popitem(last=False)
        return allowed
