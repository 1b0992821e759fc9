"""That a document's master identifier is one document's alone.

PDSm, DocumentReference.masterIdentifier: globally unique (XDS uniqueId). It is a claim of the write: of two that
file it at once one is refused; what was stored before claims were kept is found by a search first. That a name
is taken is told to whoever says it, in the same words whoever has it: not whose it is, nor whether they may see it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Conflict
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.store.filters import Token

#: Documents looked at that have the identifier in one way or another: those of one series share one.
_MOST = 20
TAKEN = "Another document has this identifier, which is one document's alone."
WHERE = "DocumentReference.masterIdentifier"


async def arrange(context: Context, change: Change) -> Change:
    """The change with the name it claims."""
    assert change.tree is not None
    name = _name(change.tree)
    if name is None:
        return change if change.before is None else replace(change, claims=frozenset())
    return replace(change, claims=frozenset({"|".join(name)}))


async def judge(context: Context, change: Change) -> None:
    """Refuse a master identifier that another document has.

    Raises:
        Conflict: (409).
    """
    if change.tree is None:
        return
    name = _name(change.tree)
    if name is None or (change.before is not None and not change.before.deleted and _is_kept(change, name)):
        return
    system, value = name
    where = Token("identifier", value, system)
    page = await context.repository.as_server().find({"DocumentReference": where}, count=_MOST)
    for version in page.versions:
        if version.id != change.id and _name(parse(version.body)) == name:
            raise Conflict(TAKEN, WHERE, code="duplicate")


def _is_kept(change: Change, name: tuple[str, str]) -> bool:
    return change.before is not None and _name(parse(change.before.body)) == name


def _name(tree: dict[str, Any]) -> tuple[str, str] | None:
    master = tree.get("masterIdentifier")
    value = master.get("value") if isinstance(master, dict) else None
    return (str(master.get("system", "")), value) if isinstance(master, dict) and isinstance(value, str) else None
