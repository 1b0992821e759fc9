"""The server's own steps of a write: what it must be able to follow, resolve and judge by.

https://hl7.org/fhir/R4/http.html#integrity, https://hl7.org/fhir/R4/references.html#canonical
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_server.access.citing import restored
from fhir_server.fhir.outcome import FhirError, Issue
from fhir_server.interactions import canonicals, hooks, integrity
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Among, Change, Extra, Step
from fhir_server.store.protocol import Guard
from fhir_server.validation.validator import Validator

_BASE = Validator()


def _not_shipped(context: Context, tree: dict[str, Any]) -> None:
    if not context.administers:
        canonicals.refuse(tree)


async def _content(context: Context, tree: dict[str, Any], profiles: Sequence[str]) -> list[Issue]:
    validator = context.validator or _BASE
    return await hooks.informed(context, lambda: validator.validate(tree, profiles=profiles))


async def _followed(context: Context, tree: dict[str, Any], profiles: Sequence[str]) -> list[Issue]:
    try:
        hooks.judge(context, tree)
    except FhirError as error:
        return list(error.issues)
    return []


async def _put_back(context: Context, change: Change) -> Change:
    """What the version before says of resources that its writer may not see was not theirs to take away."""
    before = change.before
    if before is None or before.deleted or change.as_server or change.tree is None:
        return change
    unsaid = await context.repository.sight.unsaid(before)
    made = change.tree if unsaid is None else restored(*unsaid, change.tree)
    return change if made == change.tree else change.arranged(made)


async def _targets(context: Context, changes: Sequence[Change], among: Among) -> Extra:
    """That what is referred to is there when it is written, and that nothing refers to what is deleted."""
    guards: list[Guard] = []
    for change in changes:
        if change.tree is not None:
            guards += await integrity.guards(context, change.tree, among.present, among.ended)
    ids = frozenset(change.id for change in changes if change.tree is None)
    if ids:
        guards += await integrity.unreferenced(context, changes[0].type, ids, among.ended | among.present)
    return Extra(guards=guards)


#: In this order: what comes before the content says that nothing is to be judged, what comes after builds on it.
SERVER: tuple[Step, ...] = (
    Step("references", receive=integrity.require_resolvable),
    Step("canonicals", permit=_not_shipped),
    Step("content", validate=_content),
    Step("definitions", frozenset({"SearchParameter", "StructureDefinition"}), validate=_followed),
    Step("unsaid", arrange=_put_back),
    Step("targets", complete=_targets, when=lambda settings: settings.referential_integrity),
)
