"""What a resource says of others that a caller may not see is left out, and put back when the caller writes it.

A document that is hidden is not named either: not as an entry of a list, as what another replaces, as the object of a
trace. The smallest element of a list that holds such a reference is left out, else the property; the narrative with it,
which may tell the same in words. https://hl7.org/fhir/R4/references.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from fhir_server.fhir.references import parse as parsed

Json = Any
#: (type, id).
Key = tuple[str, str]

#: A letter, digit or slash that is written as an escape.
_escaped = re.compile(rb"\\u00[2-7]").search
#: What was left out, in the place of what held it.
_OUT = object()


class Citing:
    """Finds what resources of some types are referred to."""

    def __init__(self, types: Collection[str]) -> None:
        """`types`: those that may be hidden."""
        self.types = frozenset(types)
        names = "|".join(sorted(types)).encode() or b"(?!)"
        # As JSON has it: a slash may be written as an escape, and so may letters, which are looked at closely.
        self._cited = re.compile(rb"(%s)\\?/([A-Za-z0-9\-.]{1,64})" % names).findall
        # One by one: a pattern that begins with a word is looked for as fast as bytes are, one of several words is not.
        self._begins = tuple(re.compile(type.encode() + rb"\\?/").search for type in sorted(types))

    def perhaps(self, body: bytes) -> set[Key] | None:
        """What a resource refers to at most, without reading it; None where that cannot be told so."""
        if b"\\" in body and _escaped(body):
            return None
        # Most bodies name none, which costs a hundredth of finding what they name.
        if not any([begins(body) for begins in self._begins]):
            return set()
        return {(type.decode(), id.decode()) for type, id in self._cited(body)}

    def cited(self, tree: Json, base: str) -> set[Key]:
        """What is referred to, by whatever string of the resource."""
        return {key for text in _strings(tree) if (key := self.key(text, base)) is not None}

    def key(self, text: str, base: str) -> Key | None:
        """What a string refers to; None where it is no reference to one of them on this server."""
        if len(text) > _LONGEST or not any(one in text for one in self.types):
            return None
        found = parsed(text, base)
        return (found.type, found.id) if found.local and found.type in self.types and found.id else None

    def without(self, tree: dict[str, Any], hidden: Collection[Key], base: str) -> dict[str, Any]:
        """The resource without what it says of `hidden`; the same object where it says nothing."""
        left = self._root(tree, hidden, base)
        if left is tree or "text" not in left:
            return left
        return {name: value for name, value in left.items() if name != "text"}

    def _root(self, tree: dict[str, Any], hidden: Collection[Key], base: str) -> dict[str, Any]:
        left: dict[str, Any] = {}
        for name, value in tree.items():
            kept = self._contained(value, hidden, base) if name == "contained" else self._left(value, hidden, base)
            if kept is not _OUT:
                left[name] = kept
        same = len(left) == len(tree) and all(left[name] is value for name, value in tree.items())
        return tree if same else left

    def _contained(self, value: Json, hidden: Collection[Key], base: str) -> Json:
        """A contained resource stays, since others of its container refer to it; what it says goes."""
        if not isinstance(value, list):
            return value
        left = [self._root(one, hidden, base) if isinstance(one, dict) else one for one in value]
        return value if all(a is b for a, b in zip(left, value, strict=True)) else left

    def _left(self, value: Json, hidden: Collection[Key], base: str) -> Json:
        """What is left of a value: itself, less, or `_OUT`."""
        if isinstance(value, str):
            return _OUT if self.key(value, base) in hidden else value
        if isinstance(value, list):
            kept = [left for one in value if (left := self._left(one, hidden, base)) is not _OUT]
            if len(kept) == len(value) and all(a is b for a, b in zip(kept, value, strict=True)):
                return value
            return kept or _OUT
        if not isinstance(value, dict):
            return value
        made: dict[str, Any] = {}
        for name, one in value.items():
            left = self._left(one, hidden, base)
            if left is _OUT and not isinstance(one, list):
                # It stands in no list of its own: what holds it goes, up to the element of a list or the property.
                return _OUT
            if left is not _OUT:
                made[name] = left
        same = len(made) == len(value) and all(made[name] is one for name, one in value.items())
        # An element without content is none: https://hl7.org/fhir/R4/json.html#null.
        return value if same else made or _OUT


def has(marker: bytes, body: bytes) -> bool:
    """Whether a resource may say `marker`, without reading it: letters may be written as escapes."""
    return marker in body or (b"\\" in body and _escaped(body) is not None)


#: A reference on this server is shorter, its base included.
_LONGEST = 4096


def _strings(node: Json) -> Iterator[str]:
    pending = [node]
    while pending:
        one = pending.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            pending += one.values()
        elif isinstance(one, list):
            pending += one


def restored(whole: Mapping[str, Any], shown: Mapping[str, Any], written: dict[str, Any]) -> dict[str, Any]:
    """What a caller wrote, with what they were not shown put back where it stood.

    Args:
        whole: the version before.
        shown: the same as the caller sees it.
        written: what they wrote.

    Returns:
        `written`, or a copy. What they took away whole takes what was hidden in it along.
    """
    made = dict(written)
    for name, value in whole.items():
        if name in shown and shown[name] is value:
            continue
        if name not in shown:
            made.setdefault(name, value)
        elif name in made:
            made[name] = _put_back(value, shown[name], made[name])
    return made


def _put_back(whole: Json, shown: Json, written: Json) -> Json:
    if isinstance(whole, dict) and isinstance(shown, dict) and isinstance(written, dict):
        return restored(whole, shown, written)
    if not (isinstance(whole, list) and isinstance(shown, list) and isinstance(written, list)):
        return written
    made, place = list(written), 0
    for number, one in enumerate(whole):
        left = shown[place] if place < len(shown) else _OUT
        if left is one:
            place += 1
        elif left is not _OUT and _is_part(left, one):
            at = _same(left, written, place)
            if at is not None:
                index = next(i for i, each in enumerate(made) if each is written[at])
                made[index] = _put_back(one, left, made[index])
            place += 1
        else:
            made.insert(min(number, len(made)), one)
    return made


def _is_part(left: Json, whole: Json) -> bool:
    """Whether an element is what is left of another: something inside it was left out."""
    return (
        isinstance(left, dict)
        and isinstance(whole, dict)
        and left.keys() <= whole.keys()
        and any(left[name] is whole[name] for name in left)
    )


def _same(left: Json, written: list[Json], place: int) -> int | None:
    """Where the element that was shown stands in what was written: at its place, where it is about the same."""
    if place < len(written) and isinstance(written[place], dict):
        return place
    return next((number for number, one in enumerate(written) if one == left), None)
