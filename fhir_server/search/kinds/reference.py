"""Reference parameters: `[id]`, `[type]/[id]`, an absolute or canonical URL, each perhaps with a version.

https://hl7.org/fhir/R4/search.html#reference, https://hl7.org/fhir/R4/search.html#versions,
https://hl7.org/fhir/R4/search.html#recursive
"""

from __future__ import annotations

import re

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.fhir.references import Reference, parse, parse_canonical
from fhir_server.search.kinds import token
from fhir_server.search.kinds.reading import Asked, Modifier, Modifiers, Reading
from fhir_server.search.kinds.string import folded
from fhir_server.search.kinds.values import unescape
from fhir_server.search.parameters.targets import targets_of
from fhir_server.store.filters import Filter, Id, Linked, LinkedFrom, Refers, either

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
#: Parameters by which a resource says what it is part of, where that is of its own type: a strict hierarchy.
PARTS = ("partof", "part-of")
#: Levels followed up or down a hierarchy: region, hospital, site, building, wing, ward, room, bed.
LEVELS = 8


def _refers(asked: Asked, value: str) -> Filter:
    named = _named(asked, unescape(value))
    return either([Refers(asked.rows, one.target, one.version or None) for one in named])


def typed(type: str) -> Modifier:
    """The modifier `:[type]`: the value is the id of a resource of `type` on this server."""

    def refers(asked: Asked, value: str) -> Filter:
        one = _of_type(asked, type, unescape(value))
        return Refers(asked.rows, one.target, one.version or None)

    return Modifier(refers)


def _of_type(asked: Asked, type: str, text: str) -> Reference:
    if _ID.fullmatch(text):
        return Reference(type, text)
    found = parse(text, asked.reading.base)
    if not found.local or found.type != type:
        # R4: the modifier cannot be used with a reference to another server.
        raise InvalidParameter(f"Behind :{type} stands the id of a {type} of this server.")
    return found


def _named(asked: Asked, text: str) -> list[Reference]:
    """What `text` may mean: one reference, or one for each type when it is only an id."""
    if _ID.fullmatch(text):
        types = targets_of(asked.param, asked.type)
        asked.reading.spend(len(types))
        return [Reference(type, text) for type in types]
    found = parse_canonical(text) if "|" in text else parse(text, asked.reading.base)
    if found.contained:
        raise InvalidParameter("A contained resource cannot be searched for by reference.")
    if not found.local and ":" not in found.url:
        raise InvalidParameter("A reference is [id], [type]/[id] or an absolute URL.")
    return [found]


def _below(asked: Asked, value: str) -> Filter:
    text = unescape(value)
    if _is_canonical(asked, text):
        return _of_business_version(asked, text)
    return either([_hierarchy(asked, one, down=True) for one in _in_hierarchies(asked, text)])


def _above(asked: Asked, value: str) -> Filter:
    return either([_hierarchy(asked, one, down=False) for one in _in_hierarchies(asked, unescape(value))])


def _is_canonical(asked: Asked, text: str) -> bool:
    return "|" in text or (":" in text and not parse(text, asked.reading.base).local)


def _of_business_version(asked: Asked, text: str) -> Filter:
    """`url|1` is 1, 1.0 and 1.2.3; `url` is any version, or none."""
    found = parse_canonical(text)
    if not found.version:
        return Refers(asked.rows, found.url)
    return Refers(f"{asked.rows}:below", found.url, found.version)


def _in_hierarchies(asked: Asked, text: str) -> list[Reference]:
    """What `text` may mean among the types that are parts of one another.

    Raises:
        InvalidParameter: no type the parameter refers to is.
    """
    found = [one for one in _named(asked, text) if one.type and hierarchy(asked.reading, one.type)]
    if not found:
        raise InvalidParameter(f"{asked.param.code} refers to nothing that has parts: :above and :below mean nothing.")
    return found


def hierarchy(reading: Reading, type: str) -> str | None:
    """The parameter by which a `type` says which other `type` it is part of; None when there is none."""
    for code in PARTS:
        param = reading.registry.get(type, code)
        if param is not None and param.type == "reference" and type in param.target:
            return code
    return None


def _hierarchy(asked: Asked, one: Reference, *, down: bool) -> Filter:
    """A reference to `one`, or to what is part of it (`down`) or what it is part of, `LEVELS` deep."""
    type, id = one.type or "", one.id or ""
    part = hierarchy(asked.reading, type) or ""
    found: Filter = Id((id,))
    for _ in range(LEVELS - 1):
        further = Linked(part, type, found) if down else LinkedFrom(type, part, found)
        found = either([Id((id,)), further])
    asked.reading.spend(LEVELS)
    return either([Refers(asked.rows, one.target), Linked(asked.rows, type, found)])


def _identifier(asked: Asked, value: str) -> Filter:
    return token.coded(f"{asked.rows}:identifier", value)


def _text(asked: Asked, value: str) -> Filter:
    return folded(f"{asked.rows}:text", unescape(value), "starts")


MODIFIERS: Modifiers = {
    "": Modifier(_refers),
    "identifier": Modifier(_identifier),
    "text": Modifier(_text),
    "below": Modifier(_below),
    "above": Modifier(_above),
}
