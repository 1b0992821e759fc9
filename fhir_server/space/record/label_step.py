"""A document's labels on the way of every write: judged as they were sent, stored in one spelling, dated by the server.

What there is nothing to change of is stored as it came.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fhir_server.fhir.dates import moment
from fhir_server.fhir.json import instant, parse
from fhir_server.fhir.outcome import Invalid, Issue
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.space.label_places import misplaced
from fhir_server.space.record.invisible import (
    VISIBLE_FROM,
    a_month_after,
    invisible,
    is_invisible,
    said_of,
    saying,
    visible_from,
)
from fhir_server.space.record.labels import concepts, displayed, is_promise, issues, stored
from fhir_server.space.record.sharing.replacing import targets
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.protocol import Position

#: Versions looked at in one call of the store.
_PAGE = 50
_PLACE = "This label hides a document, in DocumentReference.securityLabel: here it would hide nothing from anybody."


async def validate(context: Context, tree: dict[str, Any], profiles: Sequence[str]) -> list[Issue]:
    """That each label is known."""
    return list(issues(tree))


async def places(context: Context, tree: dict[str, Any], profiles: Sequence[str]) -> list[Issue]:
    """That no label of a document stands where it hides nothing: in `meta.security`, of whatever type."""
    return misplaced(tree, is_promise, _PLACE)


async def arrange(context: Context, change: Change) -> Change:
    """A document whose labels are in their stored spelling, with the instant from which its patient sees it.

    Raises:
        Invalid: somebody else than the server says another instant.
    """
    tree = change.tree
    labels = concepts(tree) if tree is not None else []
    if tree is None or not labels:
        return change
    spelt = stored(labels)
    if change.method == "PATCH" and change.before is not None:
        # A patch says a code; what is filed, and what the patch left alone, stays as it came.
        spelt = displayed(spelt, concepts(parse(change.before.body)))
    made = await _dated(context, change, spelt, labels)
    return change if made == labels else change.arranged({**tree, "securityLabel": made})


async def _dated(
    context: Context, change: Change, made: list[dict[str, Any]], sent: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    concept = invisible(made)
    kept = await _kept(context, change) if concept is not None else None
    trusted = change.as_server or context.repository.grant.own
    if not trusted:
        _require_kept(sent, kept)
    if concept is None:
        return made
    said = next(said_of(concept), None) if trusted else None
    when = said or instant((kept or _first(datetime.now(UTC))) // 1000)
    if [*said_of(concept)] == [when]:
        return made
    return [saying(one, when) if one is concept else one for one in made]


def _first(now: datetime) -> int:
    return int(a_month_after(now).timestamp() * 1_000_000)


def _require_kept(sent: Sequence[Mapping[str, Any]], kept: int | None) -> None:
    for number, concept in enumerate(sent):
        for said in said_of(concept):
            if kept is None or not is_invisible(concept) or moment(said) // 1000 != kept // 1000:
                raise Invalid(
                    "The server says from when the patient sees the document.",
                    f"DocumentReference.securityLabel[{number}].extension.where(url='{VISIBLE_FROM}')",
                    code="business-rule",
                )


async def _kept(context: Context, change: Change) -> int | None:
    """The instant of the versions before, in µs, or of what is replaced: the first that any of them says.

    None of what was never invisible.
    """
    before = change.before
    if before is None:
        # A new version is no new month.
        told = [when async for one in targets(context, change.tree or {}) if (when := visible_from(one))]
        return min(told, default=None)
    if not before.deleted and (found := visible_from(parse(before.body))) is not None:
        return found
    said = [when async for tree in _versions(context, change.type, change.id) if (when := visible_from(tree))]
    return min(said, default=None)


async def _versions(context: Context, type: str, id: str) -> AsyncIterator[dict[str, Any]]:
    own = context.repository.as_server()
    after: Position | None = None
    while True:
        page = await own.history({type: EVERYTHING}, id, after=after, count=_PAGE)
        for version in page.versions:
            if not version.deleted:
                yield parse(version.body)
        after = page.next
        if after is None:
            return
