"""How every worker comes to know the profiles that StructureDefinition resources add or take away.

https://hl7.org/fhir/R4/structuredefinition.html. The resources in the store are the truth; a mark in `Records` changes
with them, and each worker looks at it at most once a second. What did not change is not read again.
"""

from __future__ import annotations

import secrets
from time import monotonic
from typing import Any, Literal

import msgspec

from fhir_server.fhir import definitions
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.protocol import Position, Records, Store, Version
from fhir_server.validation.profiles.conformance import tried
from fhir_server.validation.profiles.registry import Profiles, check

#: Kind and key of the record that changes with them.
MARK = ("profiles", "mark")
_PAGE = 200


class _Head(msgspec.Struct, frozen=True):
    """What of a StructureDefinition says whether and how it is used."""

    url: str = ""
    version: str = ""
    status: str = ""
    type: str = ""
    kind: str = ""
    derivation: str = ""
    fhirVersion: str = ""

    @property
    def usable(self) -> bool:
        """Whether resources can be judged by it: a constraint on a type of R4, and not retired."""
        return (
            bool(self.url)
            and self.status != "retired"
            and self.kind != "logical"
            and self.derivation == "constraint"
            and self.fhirVersion in ("", "4.0", definitions.FHIR_VERSION)
            and self.type in definitions.types()
        )


_head = msgspec.json.Decoder(_Head, strict=False).decode


class Following:
    """Keeps one worker's profiles in step with the store.

    Attributes:
        profiles: what is kept in step.
    """

    def __init__(self, profiles: Profiles, store: Store, records: Records, every_seconds: float = 1.0) -> None:
        """Looks at the mark at most every `every_seconds`."""
        self.profiles = profiles
        self._store = store
        self._records = records
        self._every = every_seconds
        self._due = 0.0
        self._mark: bytes | None = None
        self._held: dict[str, tuple[int, str, str]] = {}

    @property
    def due(self) -> bool:
        """Whether it is time to look."""
        return monotonic() >= self._due

    async def refresh(self, *, now: bool = False, seen: bytes | Literal[False] | None = False) -> bool:
        """Take over what was written since, by this worker or another; says whether there was anything.

        Cheap enough for every exchange: between two looks it costs a clock reading.

        Args:
            now: look although it is not time yet.
            seen: the record at `MARK`, where the caller has just read it.
        """
        if not self.due and not now:
            return False
        self._due = monotonic() + self._every
        mark = await self._records.get(*MARK) if seen is False else seen
        if mark == self._mark:
            return False
        await self._take_over()
        # Only now: what failed half-way is done again at the next look.
        self._mark = mark
        return True

    async def announce(self) -> None:
        """Say to all workers that a StructureDefinition was written, and take it over here."""
        await announce(self._records)
        await self.refresh(now=True)

    async def _take_over(self) -> None:
        seen: dict[str, tuple[int, str, str]] = {}
        after: Position | None = None
        while True:
            page = await self._store.find({"StructureDefinition": EVERYTHING}, after=after, count=_PAGE)
            for version in page.versions:
                known = self._held.get(version.id)
                held = known if known and known[0] == version.version else self._took(version)
                if held:
                    seen[version.id] = held
            after = page.next
            if after is None:
                break
        wanted = {held[1:] for held in seen.values()}
        for _, url, number in self._held.values():
            if (url, number) not in wanted:
                self.profiles.drop(url, number)
        self._held = seen

    def _took(self, version: Version) -> tuple[int, str, str] | None:
        head = _head(version.body)
        if not head.usable:
            return None
        self.profiles.hold(head.url, head.version, version.body)
        return version.version, head.url, head.version


async def announce(records: Records) -> None:
    """Change the mark that every worker looks at."""
    await records.put(*MARK, secrets.token_bytes(12))


def refuse(tree: dict[str, Any], profiles: Profiles) -> None:
    """Refuse, before it is written, a StructureDefinition that says it is used and that nothing could be judged by.

    Raises:
        Invalid: with the element and the reason (422).
    """
    try:
        head = msgspec.convert({k: v for k, v in tree.items() if k in _Head.__struct_fields__}, _Head, strict=False)
    except msgspec.ValidationError:
        return  # the base type's own rules have said so
    if not head.usable:
        return
    check(tree, profiles)
    tried(tree, profiles)
