"""Which resources or records changed since they were last read."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.changes.follower import Change
from fhir_server.store.notes import Noted

#: A resource's type and id, or a record's kind and key.
Name = tuple[str, str]


class Outdated:
    """What is to be read anew: at first everything."""

    def __init__(self) -> None:
        """Nothing was read yet."""
        self._names: set[Name] | None = None

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return self._names is None or bool(self._names)

    def hear(self, changes: Sequence[Change] | None) -> None:
        """As `follower.Hears`."""
        if changes is None:
            self._names = None
        elif self._names is not None:
            self._names.update((c.kind, c.key) if isinstance(c, Noted) else (c.type, c.id) for c in changes)

    def take(self) -> set[Name] | None:
        """What is to be read now, None for everything; given `back` where that fails."""
        taken, self._names = self._names, set()
        return taken

    def back(self, taken: set[Name] | None) -> None:
        """Read it the next time."""
        self._names = None if taken is None or self._names is None else self._names | taken
