"""A merge that was a mistake is taken back: what it moved goes back, unless it was changed since.

What was changed since stays where it is, or goes back as it is now, as the operator says; what was written since stays,
but for what they name. Restrictions that were chosen since hold for both: nothing that was blocked is opened again.
Leave that was given to a caregiver stays ended, since two people give it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Conflict, Invalid
from fhir_server.space.accounts.moving import Asked, Found
from fhir_server.space.acting import cares
from fhir_server.space.delegations.delegation import from_consent as delegation_of
from fhir_server.space.identities.identity import in_force
from fhir_server.space.identities.links import is_into
from fhir_server.space.identities.merging import doing, patients, writing
from fhir_server.space.identities.merging.doing import Done, Wanted
from fhir_server.space.identities.merging.ledger import Merge
from fhir_server.space.identities.merging.moving import breathe, redirected, same
from fhir_server.space.identities.merging.restrictions import united
from fhir_server.space.identities.merging.writing import Written
from fhir_server.space.record import choosing
from fhir_server.space.record.choices import CHOICE, to_consent
from fhir_server.space.record.choices import from_consent as choice_of
from fhir_server.store.filters import Id, Refers, both
from fhir_server.store.protocol import Stale, Version

#: For how long a merge can be taken back.
BOUND = timedelta(days=366)
#: Where what was changed since goes.
Later = Literal["target", "source"]
_ATTEMPTS, _PAGE, _BYTES = 20, 500, 64_000_000
#: What stays ended or as it is, whoever changed it: linked and told of apart.
_APART = frozenset({"Patient", "AuditEvent", "Provenance", "Consent", "RelatedPerson", "Basic"})


@dataclass(frozen=True, slots=True)
class Back:
    """What goes back beside what was moved.

    Attributes:
        later: where what was changed since goes.
        also: references of what was written since and goes too.
    """

    later: Later = "target"
    also: tuple[str, ...] = ()


async def unmerge(repository: Repository, wanted: Wanted, back: Back, now: datetime) -> Done:
    """Make one record two again; as `doing.merge`.

    Raises:
        NotFound: one of the two is not there (404).
        Invalid: they were not merged, it was too long ago, or the record was merged into another since (422).
        Conflict: others kept changing the same (409).
    """
    own = repository.as_server()
    for _ in range(_ATTEMPTS):
        source, target = await doing.both(own, wanted)
        ledger = await doing.kept(own, wanted.source, wanted.target)
        if ledger is not None and ledger.status == "undone" and source.state != "merged":
            return Done(source.tree, before=True)
        if ledger is None or not is_into(source.tree, f"Patient/{wanted.target}"):
            raise _refused("These two records were not made one.")
        _require_possible(source, target, ledger, now)
        written = await _going_back(own, ledger, back)
        await _restricted(own, ledger, written, now)
        await _also(own, wanted, back, written)
        tree = patients.parted(source.tree, wanted.target, "replaced-by")
        done = Done(tree, written.counts)
        if wanted.preview:
            return done
        other = patients.without(patients.parted(target.tree, wanted.source, "replaces"), ledger.identifiers)
        undone = replace(ledger, status="undone", at=now, reason=wanted.reason, by=wanted.by, made={}, identifiers=())
        asked = Asked("unmerge", "operator", now, reason=wanted.reason)
        puts = [
            *written.puts,
            *await writing.space(own, source, tree, asked),
            await writing.put(own, other, target.patient),
            *await doing.noted(own, undone, "unmerged"),
        ]
        try:
            await repository.transact(puts)
        except Stale:
            continue
        return done
    raise Conflict("Others keep changing the same records; try again.", headers={"Retry-After": "1"})


def _require_possible(source: Found, target: Found, ledger: Merge, now: datetime) -> None:
    """Refuse what is too late, or what something else comes before."""
    if now - ledger.at > BOUND:
        raise _refused(f"A merge is taken back within {BOUND.days} days.")
    if target.state in ("merged", "erased"):
        raise _refused("The record that went on was merged into another, or erased: that comes first.")
    if _shares_number(source.tree, target.tree):
        raise _refused("Both would have one INS: that of the record that went on is changed before.")


def _shares_number(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two Patients have one INS in force."""
    mine, theirs = in_force(one), in_force(other)
    return mine is not None and theirs is not None and mine["value"] == theirs["value"]


async def _going_back(own: Repository, ledger: Merge, back: Back) -> Written:
    written = Written()
    keys = [
        (reference.partition("/")[0], reference.partition("/")[2], version)
        for reference, version in ledger.made.items()
    ]
    for first in range(0, len(keys), _PAGE):
        part = keys[first : first + _PAGE]
        now = await _current(own, [(type, id) for type, id, _ in part])
        made = await own.vread_many(part, _BYTES)
        before = await own.vread_many([(type, id, max(version - 1, 1)) for type, id, version in part], _BYTES)
        for number, ((type, id, version), then, past) in enumerate(zip(part, made, before, strict=True)):
            await breathe(number)
            current = now.get((type, id))
            if current is None or then is None or past is None:
                continue
            after = _before(
                parse(current.body), parse(then.body), parse(past.body) if version > 1 else None, ledger, back, own.base
            )
            if after is not None:
                written.puts.append(await writing.put(own, after, current))
                written.count(type, "moved")
            else:
                written.count(type, "kept")
    return written


def _before(
    current: dict[str, Any], made: dict[str, Any], past: dict[str, Any] | None, ledger: Merge, back: Back, base: str
) -> dict[str, Any] | None:
    """A resource as it goes back; None where it stays."""
    delegation = delegation_of(current)
    if _is_caregivers(current, ledger) or (delegation is not None and delegation.kind == "caregiving"):
        return None
    if same(current, made):
        if past is None:
            choice = choice_of(current)
            # It was chosen by the merge alone.
            return None if choice is None else to_consent(replace(choice, chosen=False, until=None))
        return past
    if back.later == "target" or choice_of(current) is not None:
        return None
    after: dict[str, Any] = redirected(current, ledger.target, ledger.source, base)
    return after


def _is_caregivers(tree: Mapping[str, Any], ledger: Merge) -> bool:
    """Whether it is as whom a caregiver acts by leave that the merge ended."""
    return tree["resourceType"] == "RelatedPerson" and f"Consent/{tree['id']}" in ledger.made and cares(tree)


async def _current(own: Repository, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Version]:
    types: dict[str, list[str]] = {}
    for type, id in keys:
        types.setdefault(type, []).append(id)
    scopes = [{type: Id(tuple(sorted(ids)))} for type, ids in types.items()]
    pages = await own.find_each(scopes, count=_PAGE, want="bare") if scopes else []
    return {(one.type, one.id): one for page in pages for one in page.versions}


async def _restricted(own: Repository, ledger: Merge, written: Written, now: datetime) -> None:
    """What was blocked, refused or masked since holds for the record that is there again too."""
    merged, made = await own.current("Basic", ledger.id, want="head"), {one.id for one in written.puts}
    page = await own.find({"Consent": both(CHOICE, Refers("patient", f"Patient/{ledger.target}"))}, count=_PAGE)
    since = [one for one in page.versions if merged is not None and one.at >= merged.at and one.id not in made]
    chosen = [one for version in since if (one := choice_of(parse(version.body))) is not None]
    for one in united(chosen, await choosing.of(own, ledger.source), ledger.source, now):
        # What opens the record stays as it was chosen for it.
        if one.chosen:
            tree = to_consent(one)
            written.puts.append(await writing.put(own, tree, await own.current("Consent", one.id)))
            written.count("Consent", "united")


async def _also(own: Repository, wanted: Wanted, back: Back, written: Written) -> None:
    """What was written since and goes too, as the operator names it.

    Raises:
        Invalid: it is not there, or says nothing of the patient (422).
    """
    known = {f"{one.type}/{one.id}" for one in written.puts}
    for reference in dict.fromkeys(back.also):
        type, _, id = reference.partition("/")
        version = await own.current(type, id) if reference not in known else None
        if reference in known:
            continue
        tree = parse(version.body) if version is not None and not version.deleted else {}
        after = redirected(tree, wanted.target, wanted.source, own.base) if type not in _APART else tree
        if version is None or after is tree:
            raise _refused("What goes too names the patient of the record that went on.", "also")
        written.puts.append(await writing.put(own, after, version))
        written.count(type, "moved")


def _refused(words: str, part: str = "source-patient") -> Invalid:
    return Invalid(words, f"Parameters.parameter.where(name='{part}')", code="business-rule", key="unmerge")
