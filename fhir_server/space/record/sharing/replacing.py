"""A document that replaces another: the other is superseded in the same commit, and can be replaced once only.

PDSm4DMP TD2.1: `relatesTo` with `replaces`, and the target superseded, by an entry of the lot or by the server itself.
R4 documentreference.html: what is replaced is of the same patient. Of two that replace one document at once, the second
is judged again and finds it superseded (409; error 900 of the mail guide).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from fhir_server.access.write_rules import people
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Conflict, Forbidden, Invalid
from fhir_server.fhir.references import parse as parse_reference
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Among, Change, Extra
from fhir_server.space.record.sharing.lots import LOOK
from fhir_server.space.record.sharing.words import is_filed, patient_of, replaced
from fhir_server.space.record.writers import caller_of
from fhir_server.store.protocol import Version
from fhir_server.work.budget import spend

#: How far back replacements are followed.
_LONGEST = 1000


async def complete(context: Context, changes: Sequence[Change], among: Among) -> Extra:
    """The targets of new replacements, superseded where nothing else of the commit does that.

    Raises:
        Invalid: what is to be replaced is of another patient, not there, or replaces this one (422).
        Conflict: it is replaced already (409).
        Forbidden: it is not this caller's to replace (403; error 901 of the mail guide).
    """
    extra: list[Change] = []
    for change in changes:
        if not is_filed(change, people(context.repository.grant)):
            continue
        seen: set[str] = set()
        for said, where in _new(change):
            named = parse_reference(said, context.base)
            if not named.local or named.type != "DocumentReference" or named.fragment or named.target in seen:
                continue
            spend(LOOK)
            seen.add(named.target)
            target = await _target(context, change, str(named.id), where)
            if named.target not in among.present:
                extra.append(superseded(target))
    return Extra(extra)


async def targets(context: Context, tree: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """What a document replaces, as far as it is here, as the server sees it: whether its writer may is judged later."""
    own = context.repository.as_server()
    for said in dict.fromkeys(said for said, _ in replaced(tree)):
        spend(LOOK)
        named = parse_reference(said, context.base)
        if named.local and named.type == "DocumentReference" and named.id and not named.fragment:
            version = await own.current("DocumentReference", named.id)
            if version is not None and not version.deleted:
                yield parse(version.body)


def superseded(target: Version) -> Change:
    """The server's own change that says a document is superseded."""
    tree = {**parse(target.body), "status": "superseded"}
    return Change(target.type, target.id, tree, target, "PATCH", as_server=True)


def _new(change: Change) -> list[tuple[str, str]]:
    """What the document is said to replace now, and was not before."""
    assert change.tree is not None
    stored = change.before is not None and not change.before.deleted
    before = {said for said, _ in replaced(parse(change.before.body))} if stored and change.before else set()
    return [(said, where) for said, where in replaced(change.tree) if said not in before]


async def _target(context: Context, change: Change, id: str, where: str) -> Version:
    """The document that is to be replaced."""
    assert change.tree is not None
    version = None
    if context.repository.allows("DocumentReference", "r"):
        version = await context.repository.current("DocumentReference", id)
    if id == change.id:
        raise Invalid("A document does not replace itself.", where, code="business-rule", key="document-replaced")
    if version is None or version.deleted:
        # Hidden is not there.
        raise Invalid("What it replaces is not here.", where, code="not-found", key="document-replaced")
    was = parse(version.body)
    caller = await caller_of(context.repository, patient_of(was))
    if caller.is_held and not caller.parts(was, context.base) & {"author", "colleague"}:
        words = "A document is replaced by who wrote it, or for the organisation that it was written for."
        raise Forbidden(words, where, key="document-author")
    if _subject(was) != _subject(change.tree):
        words = "What it replaces is a document of another patient."
        raise Invalid(words, where, code="business-rule", key="document-replaced")
    await _require_no_loop(context, change, was, where)
    if was.get("status") != "current":
        raise Conflict("What it replaces is not current: another has replaced it.", where)
    return version


async def _require_no_loop(context: Context, change: Change, tree: dict[str, Any], where: str) -> None:
    """Refuse a replacement of what replaces this document, however far back."""
    if change.before is None:
        return
    own, seen, waiting = context.repository.as_server(), {change.id}, [tree]
    while waiting and len(seen) < _LONGEST:
        for said, _ in replaced(waiting.pop()):
            named = parse_reference(said, context.base)
            if named.id == change.id and named.type == "DocumentReference" and not named.url:
                words = "What it replaces replaces this document."
                raise Invalid(words, where, code="business-rule", key="document-replaced")
            if named.local and named.type == "DocumentReference" and named.id not in seen:
                seen.add(str(named.id))
                version = await own.current("DocumentReference", str(named.id))
                if version is not None and not version.deleted:
                    waiting.append(parse(version.body))


def _subject(tree: dict[str, Any]) -> Any:
    subject = tree.get("subject")
    return subject.get("reference") if isinstance(subject, dict) else None
