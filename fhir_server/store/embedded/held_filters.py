"""What is made of a filter that is held on to, by the object: a policy gives each of a caller's searches the same.

To look up what a rule's filter is equal to, all of it would be gone through, which is what is spared here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from fhir_server.store.filters import Filter

T = TypeVar("T")
#: Filters remembered; beyond, all are made anew.
_MOST = 1_000


class OfHeld(Generic[T]):
    """What `make` makes of a filter, and of nothing else: once for each object."""

    def __init__(self, make: Callable[[Filter], T]) -> None:
        """Nothing is made yet."""
        self._make = make
        # The filter too: while it is here no other has its number.
        self._made: dict[int, tuple[Filter, T]] = {}

    def __call__(self, where: Filter) -> T:
        """What is made of `where`."""
        found = self._made.get(id(where))
        if found is None:
            if len(self._made) >= _MOST:
                self._made.clear()
            found = self._made[id(where)] = (where, self._make(where))
        return found[1]
