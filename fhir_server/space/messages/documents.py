"""Documents that are sent along with a message: the patient's, and seen by who sends it, or filed in the same commit.

Judged when all of the commit is known: a mail files its documents and names them in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fhir_server.access.write_rules import people
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError, Invalid, Issue
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.lots import Lot
from fhir_server.interactions.pipeline import Among, Change, Extra
from fhir_server.space.messages.model import SENT, local

_WORDS = "A document sent along is the patient's, and seen by the sender."
_KEY = "message-document"


async def together(context: Context, lot: Lot) -> list[tuple[int, FhirError]]:
    """What is wrong with documents that are filed in the same transaction as their message."""
    changes = {f"{one.change.type}/{one.change.id}": one.change for one in lot.parts if one.change is not None}
    found: list[tuple[int, FhirError]] = []
    for part in lot.parts:
        if part.change is None or part.change.type != "Communication" or part.change.tree is None:
            continue
        patient = local(part.change.tree.get("subject"), context.base)
        for target, where in _named(part.change.tree, context.base):
            filed = changes.get(target)
            if filed is not None and filed.tree is not None and _subject(filed.tree, context) != patient:
                found.append((part.number, Invalid(issues=[_issue(where)])))
    return found


async def complete(context: Context, changes: Sequence[Change], among: Among) -> Extra:
    """Nothing is added: messages with documents that their sender does not see are refused.

    Raises:
        Invalid: naming each document (422).
    """
    for change in changes:
        if change.tree is None or change.as_server or not people(context.repository.grant) or _was_sent(change):
            continue
        patient = local(change.tree.get("subject"), context.base)
        issues = [
            _issue(where)
            for target, where in _named(change.tree, context.base)
            if target not in among.present and await _seen_of(context, target) != patient
        ]
        if issues:
            raise Invalid(issues=issues)
    return Extra()


def _named(tree: Mapping[str, Any], base: str) -> Iterator[tuple[str, str]]:
    payload = tree.get("payload")
    for n, part in enumerate(payload if isinstance(payload, list) else ()):
        if isinstance(part, dict) and "contentReference" in part:
            yield local(part["contentReference"], base), f"Communication.payload[{n}].contentReference"


async def _seen_of(context: Context, target: str) -> str:
    """Whose a document is that the caller sees; "" of anything else."""
    type, _, id = target.partition("/")
    may = type == "DocumentReference" and context.repository.allows(type, "r")
    version = await context.repository.current(type, id) if may else None
    return "" if version is None or version.deleted else _subject(parse(version.body), context)


def _subject(tree: Mapping[str, Any], context: Context) -> str:
    return local(tree.get("subject"), context.base) if tree.get("resourceType") == "DocumentReference" else ""


def _was_sent(change: Change) -> bool:
    before = change.before
    return before is not None and not before.deleted and parse(before.body).get("status") == SENT


def _issue(where: str) -> Issue:
    return Issue("error", "business-rule", _WORDS, where, _KEY)
