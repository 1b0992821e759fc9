"""What a merge writes, all of it in one commit: each resource by its row of `fates`, and what makes it undoable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse, serialize
from fhir_server.space.accounts.life import patient_of
from fhir_server.space.accounts.life import to_basic as life_basic
from fhir_server.space.accounts.moving import Asked, Found, moved
from fhir_server.space.delegations.delegation import from_consent as delegation_of
from fhir_server.space.delegations.delegation import to_consent as delegation_consent
from fhir_server.space.delegations.ending import Asker
from fhir_server.space.delegations.ending import ended as delegation_ended
from fhir_server.space.identities.merging.fates import Fate, fate
from fhir_server.space.identities.merging.moving import Gathered, breathe, redirected
from fhir_server.space.identities.merging.restrictions import united
from fhir_server.space.record import choosing
from fhir_server.space.record.choices import to_consent
from fhir_server.store.protocol import Put, Version


@dataclass(slots=True)
class Written:
    """What is written, and what became of how many.

    Attributes:
        puts: new versions, in order.
        counts: (type, fate) → how many.
    """

    puts: list[Put] = field(default_factory=list)
    counts: dict[tuple[str, Fate], int] = field(default_factory=dict)

    def count(self, type: str, what: Fate) -> None:
        """Count one more of a type and a fate."""
        self.counts[type, what] = self.counts.get((type, what), 0) + 1

    @property
    def made(self) -> dict[str, int]:
        """Reference → the version that is made of it."""
        return {f"{one.type}/{one.id}": one.expected + 1 for one in self.puts}


async def resources(own: Repository, found: Gathered, source: str, target: str, now: datetime) -> Written:
    """What is moved and ended of what refers to a patient (id), for another."""
    written = Written()
    for number, version in enumerate(found.versions):
        await breathe(number)
        tree = parse(version.body)
        what = fate(tree, source)
        written.count(version.type, what)
        after = _after(tree, what, source, target, own.base, now)
        if after is not None and after is not tree:
            written.puts.append(await put(own, after, version))
    return written


async def choices(own: Repository, source: str, target: str, now: datetime, written: Written) -> None:
    """Add the choices that restrict the record that goes on as both were."""
    of_source, of_target = await choosing.of(own, source), await choosing.of(own, target)
    for one in united(of_source, of_target, target, now):
        tree = to_consent(one)
        written.puts.append(await put(own, tree, await own.current("Consent", one.id)))
        written.count("Consent", "united")


async def put(own: Repository, tree: dict[str, Any], before: Version | None) -> Put:
    """The write of one, its content left where it is."""
    content = before.content if before is not None else None
    return await own.put(tree["resourceType"], tree["id"], tree, serialize(tree), before, "PUT", content)


async def space(own: Repository, there: Found, patient: dict[str, Any], asked: Asked) -> Iterator[Put]:
    """The life of a space that something happened to, and its Patient, which is otherwise as given.

    Raises:
        Invalid: it cannot happen (422).
    """
    life = moved(there, asked)
    basic = life_basic(life)
    made = [await own.put("Basic", life.id, basic, serialize(basic), there.basic)]
    made.append(await put(own, patient_of(patient, life), there.patient))
    return iter(made)


def _after(
    tree: dict[str, Any], what: Fate, source: str, target: str, base: str, now: datetime
) -> dict[str, Any] | None:
    """A resource as it is then; None where it stays."""
    match what:
        case "kept" | "united":
            return None
        case "ended":
            return _over(tree, source, now)
        case "moved":
            after: dict[str, Any] = redirected(tree, source, target, base)
            return after
        case "left":
            return {**redirected(tree, source, target, base), "status": "inactive"}


def _over(tree: dict[str, Any], source: str, now: datetime) -> dict[str, Any] | None:
    """A delegation or a RelatedPerson that is over; None where it was already."""
    if tree["resourceType"] == "Consent":
        one = delegation_of(tree)
        if one is None or one.status not in ("proposed", "active"):
            return None
        # As the one whose record ends would: who was invited refuses, who invited or acts lets go.
        asker = Asker(source, one.by, is_operator=True, reason="Réunion de deux dossiers")
        return {**delegation_consent(delegation_ended(one, asker, now)), "id": tree["id"]}
    if tree.get("active") is False:
        return None
    end = now.astimezone(UTC).isoformat(timespec="seconds")
    return {**tree, "active": False, "period": {**tree.get("period", {}), "end": end}}
