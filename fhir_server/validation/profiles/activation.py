"""How every worker comes to know the profiles that StructureDefinition resources add or take away.

https://hl7.org/fhir/R4/structuredefinition.html. The resources in the store are the truth, and each worker follows
their changes (`changes`). What did not change is not read again.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fhir_server.changes.follower import Follower
from fhir_server.changes.outdated import Name, Outdated
from fhir_server.fhir import definitions
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.protocol import Position, Store, Version
from fhir_server.validation.profiles.conformance import tried
from fhir_server.validation.profiles.registry import Profiles, check

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

    def __init__(self, profiles: Profiles, store: Store, follower: Follower) -> None:
        """Nothing is read before `refresh`, or before `follower` catches up."""
        self.profiles = profiles
        self._store = store
        self._follower = follower
        self._held: dict[str, tuple[int, str, str]] = {}
        self._outdated = Outdated()
        self._subscription = follower.subscribe(
            self._outdated.hear, types=("StructureDefinition",), then=self._take_over
        )

    async def refresh(self) -> None:
        """Look now, and take over what was written, by this worker or another.

        Raises:
            FhirError: the store did not answer; what was known stays in force.
        """
        await self._follower.look()
        await self._subscription.catch_up()

    async def _take_over(self) -> None:
        taken = self._outdated.take()
        try:
            held = await self._everything() if taken is None else await self._changed(sorted(taken))
        except BaseException:
            self._outdated.back(taken)
            raise
        wanted = {one[1:] for one in held.values()}
        for _, url, number in self._held.values():
            if (url, number) not in wanted:
                self.profiles.drop(url, number)
        self._held = held

    async def _everything(self) -> dict[str, tuple[int, str, str]]:
        found: dict[str, tuple[int, str, str]] = {}
        after: Position | None = None
        while True:
            page = await self._store.find({"StructureDefinition": EVERYTHING}, after=after, count=_PAGE)
            for version in page.versions:
                if held := self._known(version):
                    found[version.id] = held
            after = page.next
            if after is None:
                return found

    async def _changed(self, names: list[Name]) -> dict[str, tuple[int, str, str]]:
        found = dict(self._held)
        for (_, id), version in zip(names, await self._store.read_many(names), strict=True):
            held = self._known(version) if version is not None and not version.deleted else None
            found.pop(id, None)
            if held:
                found[id] = held
        return found

    def _known(self, version: Version) -> tuple[int, str, str] | None:
        known = self._held.get(version.id)
        return known if known and known[0] == version.version else self._took(version)

    def _took(self, version: Version) -> tuple[int, str, str] | None:
        head = _head(version.body)
        if not head.usable:
            return None
        self.profiles.hold(head.url, head.version, version.body)
        return version.version, head.url, head.version


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
