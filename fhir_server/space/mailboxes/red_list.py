"""Mailboxes on the red list: shown to those who keep the directory and to whose they are, and found by nobody.

MSSanté guide, logical models (`listeRouge`: "true: la BAL ne doit pas être publiée"). A past version shows a mailbox as
long as the current one publishes it: what was taken off the list of those published is not read in the history.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.access.rules import Asked, Cut, Rule
from fhir_server.space.mailboxes.model import HOLDERS, METADATA, Mailbox, compared, mailboxes, metadata_of
from fhir_server.store.filters import NOTHING, Filter, Id, Refers

Json = Any


def published(tree: dict[str, Any]) -> dict[str, Any]:
    """A resource without its own mailboxes of the red list, and without the narrative, which may tell the same."""
    return _without(tree, _red(tree))


def shown(tree: dict[str, Any], now: dict[str, Any] | None) -> dict[str, Any]:
    """What third parties are shown of a version, at whatever depth a resource of the directory stands in it.

    Args:
        tree: the version.
        now: the current version, `tree` itself where it is that; None where it was deleted.
    """
    if now is not tree and tree.get("resourceType") in HOLDERS:
        public = {one.name for one in mailboxes(now or {})} - _red(now or {})
        gone = {one.name for one in mailboxes(tree)} - public
        tree = _without(tree, gone | _red(now or {}))
    made = _shown(tree)
    return made if isinstance(made, dict) else tree


def _shown(node: Json) -> Json:
    """The same object where nothing is left out of it."""
    if isinstance(node, list):
        parts = [_shown(one) for one in node]
        return node if all(one is other for one, other in zip(parts, node, strict=True)) else parts
    if not isinstance(node, dict):
        return node
    changed = {name: left for name, one in node.items() if (left := _shown(one)) is not one}
    made = _without({**node, **changed} if changed else node, _red(node))
    # What it holds is told by its narrative too.
    if changed and "resourceType" in node and node["resourceType"] not in ("Bundle", "Parameters"):
        made = {name: one for name, one in made.items() if name != "text"}
    return made


def _red(tree: Mapping[str, Any]) -> set[str]:
    """The addresses of a resource that are on the red list."""
    return {one.name for one in mailboxes(tree) if one.red}


def _without(tree: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """A resource without ways to reach somebody at these addresses, whichever ContactPoint says them."""
    points = tree.get("telecom")
    if not names or not isinstance(points, list):
        return tree
    left = [one for one in points if not (isinstance(one, dict) and _tells(one, names))]
    if len(left) == len(points):
        return tree
    made = {name: value for name, value in tree.items() if name not in ("text", "telecom", "_telecom")}
    return {**made, "telecom": left} if left else made


def _tells(point: dict[str, Any], names: set[str]) -> bool:
    value = point.get("value")
    if isinstance(value, str) and compared(value) in names:
        return True
    metadata = metadata_of(point)
    return metadata is not None and Mailbox(0, point, metadata).name in names


def _own(asked: Asked) -> Filter:
    """Professionals see what is theirs, by themselves and in their roles."""
    subject = asked.grant.subject or ""
    type, _, id = subject.partition("/")
    if type == asked.type:
        return Id((id,))
    return Refers("practitioner", subject) if (asked.type, type) == ("PractitionerRole", "Practitioner") else NOTHING


RULE = Rule(
    "mailbox-red-list",
    "with mailboxes that are not published",
    frozenset(HOLDERS),
    cut=Cut(METADATA.rpartition("/")[2].encode(), shown, _own),
)
