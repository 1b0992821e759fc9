"""What a store of concepts promises: code systems, value sets and maps made ready for questions, kept out of memory.

Everything here is derived from CodeSystem, ValueSet and ConceptMap resources and may be thrown away: the resources are
the truth, and no backup needs it. Reading is synchronous and short; `load` and `expand` are for a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import msgspec

Kind = Literal["CodeSystem", "ValueSet", "ConceptMap"]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A terminology resource.

    Attributes:
        number: the store's own.
        kind: its resource type.
        url: canonical URL without version.
        version: its business version, "" for none.
        source: where it comes from, "CodeSystem/id" of the server or "core/CodeSystem/id" of R4 itself.
        stamp: changes with its content.
        supplements: canonical of the code system it adds to, "" for none.
        body: the resource's JSON; a CodeSystem's without `concept`.
    """

    number: int
    kind: Kind
    url: str
    version: str
    source: str
    stamp: str
    supplements: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Concept:
    """A concept as it is loaded; `parents` are codes, `extra` the JSON of definition, designations and properties."""

    code: str
    display: str
    parents: tuple[str, ...] = ()
    inactive: bool = False
    abstract: bool = False
    properties: tuple[tuple[str, str], ...] = ()
    words: str = ""
    extra: bytes = b""


@dataclass(frozen=True, slots=True)
class Found:
    """A concept as it is found: `number` is the store's own, `artifact` the number of its code system."""

    number: int
    artifact: int
    system: str
    code: str
    display: str
    inactive: bool
    abstract: bool
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Below:
    """The concept `code` and all it subsumes; without `itself` only the others."""

    code: str
    itself: bool = True


@dataclass(frozen=True, slots=True)
class Above:
    """The concept `code` and all that subsume it."""

    code: str


@dataclass(frozen=True, slots=True)
class Has:
    """A property (or `code`, `display`, `parent`, `child`) with one of `values`."""

    property: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Carries:
    """A property with any value at all."""

    property: str


@dataclass(frozen=True, slots=True)
class Matches:
    """A property whose whole value satisfies `test`."""

    property: str
    test: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Not:
    """Whatever `condition` does not hold for."""

    condition: Condition


Condition = Below | Above | Has | Carries | Matches | Not


@dataclass(frozen=True, slots=True)
class Listed:
    """A concept a value set names itself; `extra` is JSON of its own designations."""

    code: str
    display: str = ""
    extra: bytes = b""

    @property
    def designations(self) -> dict[str, Any]:
        """`extra` as it is read."""
        return msgspec.json.decode(self.extra, type=dict[str, Any]) if self.extra else {}


@dataclass(frozen=True, slots=True)
class Part:
    """One include or exclude of a value set: all conditions hold, and the concept is in one expansion of each import.

    Attributes:
        system: URL; "" takes whatever the imports hold.
        artifact: its code system and that one's supplements; empty where it is not known.
        conditions: of the code system's concepts.
        listed: when not None, only these.
        imports: expansions the concept must be in, every one.
        exclude: whether this takes away.
        partial: whether the code system here has only some of its codes, so that others may be listed.
    """

    system: str
    artifact: tuple[int, ...] = ()
    conditions: tuple[Condition, ...] = ()
    listed: tuple[Listed, ...] | None = None
    imports: tuple[int, ...] = ()
    exclude: bool = False
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A concept in an expansion, with what the value set itself calls it."""

    concept: Found
    display: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of an expansion is wanted: words begun by `text`, only active ones, without some systems."""

    text: str = ""
    active_only: bool = False
    selectable_only: bool = False
    without: tuple[str, ...] = ()


class Concepts(Protocol):
    """Terminology made ready for questions."""

    def mark(self) -> str:
        """What the last `load` that finished was marked with; "" before the first."""

    def stamps(self) -> dict[str, str]:
        """The stamp of everything loaded, by source."""

    def load(self, artifacts: Iterable[tuple[Artifact, Iterable[Concept]]], gone: Sequence[str], mark: str) -> None:
        """Take artifacts (their `number` is not looked at) in place of those of the same source; forget `gone` sources.

        All or nothing. Every expansion is forgotten.
        """

    def artifacts(self, kind: Kind, url: str) -> Sequence[Artifact]:
        """Those of a canonical URL; the server's own before R4's, then by version, latest first."""

    def artifact(self, source: str) -> Artifact | None:
        """The one of a source."""

    def all(self, kind: Kind) -> Sequence[Artifact]:
        """Every one of a kind."""

    def supplements(self, url: str) -> Sequence[Artifact]:
        """The code systems that add to one, whatever its version."""

    def concept(self, artifact: int, code: str, *, any_case: bool = False) -> Found | None:
        """A concept of a code system."""

    def related(self, artifact: int, code: str, direction: Literal["above", "below"], limit: int) -> Sequence[str]:
        """Codes that subsume (or are subsumed by) a concept, itself first; `limit` at most."""

    def neighbours(self, artifact: int, code: str) -> tuple[Sequence[str], Sequence[str]]:
        """The direct parents and children of a concept."""

    def uses(self, artifacts: Sequence[int], property: str) -> bool:
        """Whether a concept of these code systems has a property."""

    def holds(self, part: Part, code: str) -> bool:
        """Whether a concept of `part`'s code system satisfies its conditions (list and imports are not looked at)."""

    def expansion(self, key: str) -> tuple[int, bytes] | None:
        """Number of an expansion made before, and what was noted with it."""

    def expand(
        self, key: str, parts: Sequence[Part], note: bytes, limit: int, *, active_only: bool = False
    ) -> int | None:
        """Make an expansion and keep it; None when it has more than `limit` members."""

    def page(self, expansion: int, wanted: Wanted, offset: int, count: int) -> tuple[int, Sequence[Member]]:
        """How many members are wanted in all, and those from `offset`."""

    def codings(self, expansion: int, limit: int) -> Sequence[tuple[str, str]]:
        """(system, code) of the members."""

    def answer(self, key: str) -> tuple[int, bytes] | None:
        """When an answer of another server was kept (Unix seconds), and the answer; None where there is none."""

    def keep(self, key: str, at: int, value: bytes) -> None:
        """Keep an answer of another server; those that are too many or too large are let go. For a thread."""

    def close(self) -> None:
        """Let go of the file."""
