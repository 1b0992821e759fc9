"""The feed of what was committed: versions named without their content, in the order of commits."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.store.protocol import Method, Position


@dataclass(frozen=True, slots=True)
class Changed:
    """A version that was committed, named without its content.

    Attributes:
        type, id, version: which.
        at: its instant, ms since 1970 UTC.
        method: "DELETE" for a deletion.
    """

    type: str
    id: str
    version: int
    at: int
    method: Method


@dataclass(frozen=True, slots=True)
class Changes:
    """Some of what was committed.

    Attributes:
        changed: in the order of commits.
        position: where to ask from next; given back even when nothing changed.
    """

    changed: tuple[Changed, ...]
    position: Position
