"""Two records of one person are made one: judged, and then of one commit, or not at all.

R5 Patient/$merge. Two operators at once make one merge: the second finds it done. What is filed meanwhile in the record
that ends makes the commit begin again; once it is there, nothing is filed in that record any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import Conflict, Invalid, NotFound
from fhir_server.space.accounts.moving import Asked, Found, found
from fhir_server.space.identities import steps
from fhir_server.space.identities.links import is_into
from fhir_server.space.identities.merging import judging, patients, writing
from fhir_server.space.identities.merging.fates import Fate
from fhir_server.space.identities.merging.judging import Pair, against
from fhir_server.space.identities.merging.ledger import Merge, merge_id, to_basic
from fhir_server.space.identities.merging.moving import gathered
from fhir_server.space.identities.steps import Step
from fhir_server.store.protocol import Put, Stale

_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """A merge, or an undoing, that is asked for.

    Attributes:
        source: id of the patient whose record ends; target: of the one that goes on.
        reason: in words; by: "Person/1", "" for the operator's software.
        preview: whether it is only said what would be.
        said: how the person is reached from then on, as a Patient; None where that stays.
    """

    source: str
    target: str
    reason: str
    by: str
    preview: bool = False
    said: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it, or would come.

    Attributes:
        result: the Patient that goes on, or of an undoing the one that is there again.
        counts: (type, what became of it) → how many.
        differing: traits that the two do not agree on.
        before: whether it was so already.
    """

    result: dict[str, Any]
    counts: Mapping[tuple[str, Fate], int] = field(default_factory=dict)
    differing: tuple[str, ...] = ()
    before: bool = False


async def merge(repository: Repository, wanted: Wanted, now: datetime) -> Done:
    """Make two records one.

    Args:
        repository: of the caller, as whom it is traced.
        wanted: what is asked for.
        now: when it is done; aware.

    Raises:
        NotFound: one of the two is not there (404).
        Invalid: something stands against it (422).
        Conflict: others kept changing the same (409).
    """
    own = repository.as_server()
    for _ in range(_ATTEMPTS):
        source, target = await both(own, wanted)
        if is_into(source.tree, f"Patient/{wanted.target}"):
            return Done(target.tree, before=True)
        acting = wanted.source != wanted.target and await judging.acting(own, wanted.source, wanted.target)
        if issue := against(Pair(source, target, acting)):
            raise Invalid(issues=[issue])
        there = await gathered(own, wanted.source)
        written = await writing.resources(own, there, wanted.source, wanted.target, now)
        await writing.choices(own, wanted.source, wanted.target, now, written)
        after, given = patients.joined(target.tree, source.tree, wanted.said, _written(now))
        done = Done(after, written.counts, tuple(judging.differing(source.tree, target.tree)))
        if wanted.preview:
            return done
        ledger = Merge(wanted.source, wanted.target, "merged", now, wanted.reason, wanted.by, written.made, given)
        asked = Asked("merge", "operator", now, reason=wanted.reason)
        puts = [
            *written.puts,
            *await writing.space(own, source, patients.ended(source.tree, wanted.target), asked),
            await writing.put(own, after, target.patient),
            *await noted(own, ledger, "merged"),
        ]
        try:
            await repository.transact(puts, there.guards)
        except Stale:
            continue
        return done
    raise Conflict("Others keep changing the same records; try again.", headers={"Retry-After": "1"})


async def both(own: Repository, wanted: Wanted) -> tuple[Found, Found]:
    """The two records.

    Raises:
        NotFound: one of them is not there (404).
    """
    source, target = await found(own, [wanted.source, wanted.target])
    if source is None or target is None:
        raise NotFound("There is no such Patient.", "source-patient" if source is None else "target-patient")
    return source, target


async def noted(own: Repository, ledger: Merge, event: steps.Event) -> list[Put]:
    """What is kept of it: the ledger, and a step in the history of each of the two identities."""
    tree = to_basic(ledger)
    puts = [await own.put("Basic", ledger.id, tree, serialize(tree), await own.current("Basic", ledger.id))]
    for one in dict.fromkeys((ledger.source, ledger.target)):
        puts.append(await steps.put(own, Step(one, event, ledger.at, ledger.reason, ledger.by)))
    return puts


async def kept(own: Repository, source: str, target: str) -> Merge | None:
    """What is kept of the merge of two records (ids); None where there was none."""
    from fhir_server.space.identities.merging.ledger import from_basic

    version = await own.current("Basic", merge_id(source, target))
    return None if version is None or version.deleted else from_basic(parse(version.body))


def _written(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="seconds")
