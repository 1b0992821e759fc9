"""What reads cost lately, by their shape: which parameters are asked for and sorted by, whatever the values.

A guess for where to run the next one of the same shape. A wrong one costs little: a short read waits for a thread, or a
long one is begun a second time.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import islice

from fhir_server.store.embedded.held_filters import OfHeld
from fhir_server.store.filters import And, Filter, Not, Or, Together
from fhir_server.store.protocol import Scope, Sort

#: Shapes remembered; there are as many as queries that somebody wrote, but whoever attacks makes more.
_MOST = 2_000
#: How much of a filter counts: the first types, and the first parts of each.
_PARTS = 8
#: Weight of the newest cost.
_NEWEST = 0.3


class Costs:
    """What reads of each shape cost lately, in seconds of processor time."""

    def __init__(self) -> None:
        """Nothing is known: everything is expected to be short."""
        self._seconds: dict[Hashable, float] = {}

    def expected(self, shape: Hashable) -> float:
        """Seconds of processor time that a read of this shape takes."""
        return self._seconds.get(shape, 0.0)

    def note(self, shape: Hashable, seconds: float) -> None:
        """A read of this shape took so many seconds of processor time."""
        before = self._seconds.pop(shape, None)
        if before is None and len(self._seconds) >= _MOST:
            self._seconds.pop(next(iter(self._seconds)))
        self._seconds[shape] = seconds if before is None else before + _NEWEST * (seconds - before)


def shape(kind: str, scope: Scope, sort: Sequence[Sort] = ()) -> Hashable:
    """What two reads have in common that cost about the same."""
    asked = tuple([(type, _form(where)) for type, where in islice(scope.items(), _PARTS)])
    return kind, len(scope), asked, tuple([(one.param, one.descending) for one in sort])


def _form(where: Filter) -> Hashable:
    match where:
        case And(parts) | Or(parts) | Together(parts):
            return type(where).__name__, frozenset([_form(part) for part in parts[:_PARTS]])
        case Not():
            return _form_of_not(where)
    return type(where).__name__, getattr(where, "param", "")


#: Of what rules withhold, mostly.
_form_of_not = OfHeld[Hashable](lambda where: ("Not", _form(where.part)))  # type: ignore[union-attr]
