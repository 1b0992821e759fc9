"""Where in a resource's JSON a FHIRPath element stands, and how to put, take and move content there.

https://hl7.org/fhir/R4/json.html: a primitive's id and extensions stand in a sibling `_name`, arrays side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fhir_server.fhir.fhirpath.nodes import Node
from fhir_server.fhir.fhirpath.shapes import Shape
from fhir_server.interactions.patching.content import Content, repeats, shapes_of


class Misfit(Exception):
    """An operation does not apply to the resource; the message says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """An element of one object: where its values stand, or would.

    Attributes:
        holder: the node whose child it is.
        name: as FHIRPath says it.
        shapes: JSON key → shape, for each type it may have.
        many: whether it is an array.
    """

    holder: Node
    name: str
    shapes: dict[str, Shape]
    many: bool

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and self.name == other.name and _members(self.holder) is _members(other.holder)

    __hash__ = None  # type: ignore[assignment]

    def add(self, content: Content) -> None:
        """Append to an array, or set what is not there yet."""
        if self.many:
            values, extras = self._lists(content.key)
            self._store(content.key, [*values, content.value], [*extras, content.extra])
        elif self._key() is not None:
            raise Misfit("the element is there already, and does not repeat.")
        else:
            _set(_made(self.holder), content)

    def insert(self, index: int, content: Content) -> None:
        """Put before the element at `index`, or at the end when that is how many there are."""
        if not self.many:
            raise Misfit("the element does not repeat.")
        values, extras = self._lists(content.key)
        if index > len(values):
            raise Misfit("the index is beyond the end of the list.")
        values.insert(index, content.value)
        extras.insert(index, content.extra)
        self._store(content.key, values, extras)

    def move(self, source: int, destination: int) -> None:
        """Take the element at `source` out and put it where it will stand at `destination`."""
        key = self._key()
        if not self.many or key is None:
            raise Misfit("the path gives no list.")
        values, extras = self._lists(key)
        if source >= len(values) or destination >= len(values):
            raise Misfit("the index is beyond the end of the list.")
        values.insert(destination, values.pop(source))
        extras.insert(destination, extras.pop(source))
        self._store(key, values, extras)

    def replace(self, node: Node, content: Content) -> None:
        """Put in the place of `node`, which stands here; a choice may change its type."""
        if node.index < 0:
            self._clear()
            _set(_made(self.holder), content)
            return
        values, extras = self._lists(content.key)
        values[node.index], extras[node.index] = content.value, content.extra
        self._store(content.key, values, extras)

    def delete(self, node: Node) -> None:
        """Take `node` out, and with it each element above that is left empty: FHIR has no empty elements."""
        key = self._key()
        if node.index < 0 or key is None:
            self._clear()
        else:
            values, extras = self._lists(key)
            del values[node.index], extras[node.index]
            self._store(key, values, extras)
        above = self.holder
        if not _members(above) and not (above.shape.primitive and above.value is not None) and above.parent is not None:
            of(above).delete(above)

    def _key(self) -> str | None:
        members = _members(self.holder)
        return next((key for key in self.shapes if key in members or "_" + key in members), None)

    def _clear(self) -> None:
        members = _members(self.holder)
        for key in self.shapes:
            members.pop(key, None)
            members.pop("_" + key, None)

    def _lists(self, key: str) -> tuple[list[Any], list[Any]]:
        members = _members(self.holder)
        values, extras = list(members.get(key) or ()), list(members.get("_" + key) or ())
        length = max(len(values), len(extras))
        return values + [None] * (length - len(values)), extras + [None] * (length - len(extras))

    def _store(self, key: str, values: list[Any], extras: list[Any]) -> None:
        members = _made(self.holder)
        for name, items in ((key, values), ("_" + key, extras)):
            if any(item is not None for item in items):
                members[name] = items
            else:
                members.pop(name, None)


def of(node: Node) -> Place:
    """The place `node` stands in.

    Raises:
        Misfit: it is the resource itself.
    """
    if node.parent is None:
        raise Misfit("the path gives the resource itself.")
    return child(node.parent, node.name)


def child(holder: Node, name: str) -> Place:
    """The place of the element called `name` of `holder`, whether anything stands there or not.

    Raises:
        Misfit: the type of `holder` has no such element.
    """
    shapes = shapes_of(holder.shape, name)
    if not shapes:
        raise Misfit("there is no such element there.")
    return Place(holder, name, shapes, repeats(holder.shape, name))


def root_of(node: Node) -> Any:
    """The JSON object of the resource the node stands in; None for a value that was computed."""
    while node.parent is not None:
        node = node.parent
    return None if node.shape.system else node.value


def _members(holder: Node) -> dict[str, Any]:
    members = holder.extra if holder.shape.primitive else holder.value
    return members if isinstance(members, dict) else {}


def _made(holder: Node) -> dict[str, Any]:
    """The object that holds the children; made beside a primitive that had none."""
    members = holder.extra if holder.shape.primitive else holder.value
    if isinstance(members, dict):
        return members
    if not holder.shape.primitive or holder.parent is None:
        raise Misfit("the element is not an object.")
    made: dict[str, Any] = {}
    holder.extra = made
    place, above = of(holder), _members(holder.parent)
    key = next(key for key in place.shapes if key in above)
    if holder.index < 0:
        above["_" + key] = made
    else:
        extras = list(above.get("_" + key) or ())
        extras.extend([None] * (len(above[key]) - len(extras)))
        extras[holder.index] = made
        above["_" + key] = extras
    return made


def _set(members: dict[str, Any], content: Content) -> None:
    if content.value is not None:
        members[content.key] = content.value
    if content.extra is not None:
        members["_" + content.key] = content.extra
