"""Whether a caller may write what a resource would say: by the rule before and after, and by whose it says it is.

https://hl7.org/fhir/R4/security.html#authorization.access
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fhir_server.access import binaries
from fhir_server.access.ownership import elsewhere, with_owner
from fhir_server.access.record_owner import Owner
from fhir_server.access.write_rules import asks_whose, closed, people
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Forbidden
from fhir_server.store.filters import EVERYTHING, Index
from fhir_server.store.protocol import Version

if TYPE_CHECKING:
    from fhir_server.access.judging import Judge
    from fhir_server.access.repository import Repository


@dataclass(frozen=True, slots=True)
class Written:
    """A resource as it would be written.

    Attributes:
        type, id: of the resource.
        tree: the resource.
        index: what can be searched of it.
        before: the version it follows.
        verb: "c" or "u".
    """

    type: str
    id: str
    tree: dict[str, Any]
    index: Index
    before: Version | None
    verb: str


async def require_written(caller: Repository, judge: Judge, wanted: Written) -> None:
    """Refuse what the caller may not write as it would be, or may not make of what it was.

    Raises:
        Forbidden: with the element that says so, where one does.
    """
    grant, type, tree, before = caller.grant, wanted.type, wanted.tree, wanted.before
    allowed = caller.rule_of(type, wanted.verb, wanted.index, made=True)
    if type == "Binary" and not grant.unrestricted and binaries.is_named(wanted.index):
        # What it names may be written with it: that is judged when all writes of the commit are known.
        allowed = binaries.constraint(grant, wanted.verb)
    if allowed == EVERYTHING and not people(grant):
        return
    found, index = None, wanted.index
    if asks_whose(allowed):
        found, index = await _owned(caller, judge, wanted)
    if not await judge.satisfies(allowed, type, wanted.id, index):
        raise Forbidden(f"The token does not allow this {type} to be written.", found.element if found else None)
    if found is not None and found.named:
        await _require_named(caller, judge, type, found, before)
    if type == "Binary":
        return
    was = parse(before.body) if before is not None and not before.deleted else None
    if people(grant) and (element := closed(type, was, tree)) is not None:
        raise Forbidden(f"A person's token does not change this of a {type}.", element)


async def refuse_seen(caller: Repository, stored: Version, verb: str) -> None:
    """Refuse with the reason to change what the caller sees: that it is there is no secret to them.

    Raises:
        Forbidden: it is not the patient's, or a rule of a service says whose it is to change.
    """
    if verb not in "ud" or not await caller.shows(stored):
        return
    if asks_whose(caller.rule(stored.type, verb)):
        raise Forbidden(f"This {stored.type} is not in the record of the token's patient.")
    decided = await caller.sight.decided(stored, verb)
    if any(one.name == decided.rule for one in caller.policy.rules):
        raise Forbidden(f"This {stored.type} is {decided.reason}.")


async def _owned(caller: Repository, judge: Judge, wanted: Written) -> tuple[Owner, Index]:
    """Whose what is to be written says it is, and the index with the row that says so."""
    type, index, before = wanted.type, wanted.index, wanted.before
    found = judge.said_by(type, wanted.tree)
    if found.patient and (param := elsewhere(type, index, before, (found.patient, caller.grant.subject))):
        raise Forbidden(f"By {param} this {type} would stand in another patient's compartment.", type)
    # From one of a person's patients to another of them is as little theirs to say as to a stranger.
    kept = before is None or (await judge.said_of(before)).patient == found.patient
    return found, with_owner(index, found) if kept else index


async def _require_named(caller: Repository, judge: Judge, type: str, found: Owner, before: Version | None) -> None:
    past = None if before is None else await judge.said_of(before)
    named = await judge.misnamed(found, past, caller.shows, caller.grant.subject)
    if named is not None:
        raise Forbidden(f"The token does not allow this {type} to be written.", named.element)
