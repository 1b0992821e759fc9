"""The ways that a profile's rules stand at the end of, as one tree: what several share is gone once.

https://hl7.org/fhir/R4/profiling.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from fhir_server.fhir.outcome import Issue
from fhir_server.validation.profiles.compiled_profile import Asked, Hop

#: Whether an element meets the condition of a slice.
Holds = Callable[[dict[str, Any], Any], bool]
#: What a rule finds wrong with an element, of which the FHIRPath is told.
Judge = Callable[[Asked, Any, str], Iterable[Issue]]


@dataclass(slots=True)
class Ways:
    """What is asked at one place, and further ways from there.

    Attributes:
        rules: asked there, of one way.
        number: of that way among all, in the order of the profile.
        further: the next hop → what is asked behind it.
    """

    rules: list[Asked] = field(default_factory=list)
    number: int = 0
    further: list[tuple[Hop, Ways]] = field(default_factory=list)


def by_way(rows: Iterable[Asked]) -> Ways:
    """`rows`, in their order, as one tree; two conditions of slices are the same when they are one object."""
    root, number = Ways(), 0
    known: dict[tuple[tuple[str, tuple[str, ...], int], ...], Ways] = {(): root}
    for asked in rows:
        ways = root
        key: tuple[tuple[str, tuple[str, ...], int], ...] = ()
        for hop in asked.way:
            key = (*key, (hop.name, hop.keys, id(hop.condition)))
            if key not in known:
                known[key] = Ways()
                ways.further.append((hop, known[key]))
            ways = known[key]
        if not ways.rules:
            ways.number = number = number + 1
        ways.rules.append(asked)
    return root


def judged(ways: Ways, value: Any, at: str, judge: Judge, holds: Holds) -> list[Issue]:
    """What the rules find wrong with a value and all that it has: way by way in their order, then by place.

    Args:
        ways: of a profile.
        value: a resource or element.
        at: its FHIRPath.
        judge: asks one rule.
        holds: judges conditions of slices.
    """
    walk = _Walk(judge, holds)
    walk.follow(ways, value, at)
    # Gone by the tree, ways take turns; those of one way come in the order of their places.
    return [issue for _, issue in sorted(walk.found, key=itemgetter(0))] if walk.found else []


class _Walk:
    """One walk; what is found on it, with the number of the way."""

    __slots__ = ("found", "holds", "judge")

    def __init__(self, judge: Judge, holds: Holds) -> None:
        self.judge = judge
        self.holds = holds
        self.found: list[tuple[int, Issue]] = []

    def follow(self, ways: Ways, value: Any, at: str) -> None:
        for asked in ways.rules:
            for issue in self.judge(asked, value, at):
                self.found.append((ways.number, issue))
        if isinstance(value, dict):
            for hop, further in ways.further:
                for key in hop.keys:
                    if (inner := value.get(key)) is not None:
                        self._each(hop, further, inner, f"{at}.{hop.name}")

    def _each(self, hop: Hop, further: Ways, inner: Any, at: str) -> None:
        items = [(inner, at)]
        if isinstance(inner, list):
            items = [(item, f"{at}[{n}]") for n, item in enumerate(inner) if item is not None]
        for item, here in items:
            if hop.condition is None or self.holds(hop.condition, item):
                self.follow(further, item, here)
