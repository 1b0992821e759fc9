"""What a value set's `compose` means: expanded by the store of concepts, or asked of one code.

https://hl7.org/fhir/R4/valueset.html#compositions. Includes are joined, conditions inside one include all hold, and
excludes take away. What is not known here is never guessed: membership is then neither true nor false.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from fhir_server.fhir.outcome import Invalid
from fhir_server.store.concepts import Listed, Part
from fhir_server.terminology.catalogue import Catalogue, System, Unexpandable, ValueSet, unknown
from fhir_server.terminology.filters import conditions, properties
from fhir_server.terminology.grammars import GRAMMARS

#: Value sets that import one another, one inside the other.
MAX_IMPORTS = 20
#: Members of one expansion; a national catalogue of acts or drugs is a fifth of it.
MAX_MEMBERS = 500_000

#: System URL → the version to take; `AT` → the date whose versions to take where none is named.
Pins = dict[str, str]
AT = "@"


@dataclass(frozen=True, slots=True)
class Expansion:
    """A value set expanded: the store's number, the code systems it was made from, and whether inactive are wanted."""

    number: int
    systems: tuple[str, ...]
    inactive: bool


class Composer:
    """Reads compositions."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Code systems and imported value sets are found in `catalogue`."""
        self._catalogue = catalogue

    def expansion(self, value_set: ValueSet, pins: Pins, within: tuple[str, ...] = ()) -> Expansion:
        """The value set expanded, or found expanded already.

        Args:
            value_set: what to expand.
            pins: versions to take where the value set names none, and (key `!url`) even where it does.
            within: keys of the value sets that import this one.

        Raises:
            Unexpandable: it needs a code system or value set that is not here, imports itself, or is too large (422).
        """
        if value_set.key in within or len(within) > MAX_IMPORTS:
            raise Unexpandable("The value set imports itself.", "ValueSet.compose", code="processing")
        locked = _compose(value_set.tree).get("lockedDate")
        if isinstance(locked, str):
            pins = {AT: locked, **pins}
        concepts = self._catalogue.concepts
        key = value_set.key + (f" {sorted(pins.items())}" if pins else "")
        known = concepts.expansion(key)
        if known is None:
            used: dict[str, None] = {}
            parts = list(self._parts(value_set, pins, (*within, value_set.key), used))
            note = msgspec.msgpack.encode((tuple(used), _compose(value_set.tree).get("inactive") is not False))
            number = concepts.expand(key, parts, note, MAX_MEMBERS)
            if number is None:
                raise Unexpandable(f"The value set has more than {MAX_MEMBERS} codes.", code="too-costly")
            known = number, note
        systems, inactive = msgspec.msgpack.decode(known[1], type=tuple[tuple[str, ...], bool])
        return Expansion(known[0], systems, inactive)

    def _parts(self, value_set: ValueSet, pins: Pins, within: tuple[str, ...], used: dict[str, None]) -> Iterator[Part]:
        if "compose" not in value_set.tree:
            yield from _expanded(value_set.tree)
            return
        for row, exclude in _rows(value_set.tree):
            imports = tuple(self._imported(url, pins, within, used) for url in _texts(row, "valueSet"))
            yield self._part(row, pins, imports, exclude, used)

    def _imported(self, url: str, pins: Pins, within: tuple[str, ...], used: dict[str, None]) -> int:
        found = self._catalogue.value_set(url, at=pins.get(AT, ""))
        if found is None:
            raise Unexpandable(f"It imports {url[:200]}, which is not here.", code="not-found")
        expansion = self.expansion(found, pins, within)
        used.update(dict.fromkeys(expansion.systems))
        return expansion.number

    def _part(
        self, row: dict[str, Any], pins: Pins, imports: tuple[int, ...], exclude: bool, used: dict[str, None]
    ) -> Part:
        url = row.get("system", "")
        if not url:
            if not imports:
                raise Invalid("An include has a system or a value set.", "ValueSet.compose")
            return Part("", imports=imports, exclude=exclude)
        listed = _listed(row) if "concept" in row else None
        system = self.system(row, pins)
        needed = listed is None and (not exclude or row.get("filter"))
        if needed and (system is None or system.content == "not-present"):
            if url in GRAMMARS:
                raise Unexpandable(f"The codes of {url} cannot be listed.", code="too-costly")
            raise Unexpandable(f"The codes of {str(url)[:200]} are not here.", code="not-found")
        if system is None or system.content == "not-present":
            return Part(url, (), (), listed, imports, exclude)
        self._require_properties(system, row)
        used[system.canonical] = None
        partial = system.content in ("example", "fragment")
        return Part(url, system.numbers, conditions(row.get("filter", [])), listed, imports, exclude, partial)

    def _require_properties(self, system: System, row: dict[str, Any]) -> None:
        """A filter by what no concept has would be an empty expansion, where the author meant something."""
        for name in properties(row.get("filter")) - system.properties if system.content == "complete" else ():
            if not self._catalogue.concepts.uses(system.numbers, name):
                text = f"{system.artifact.url[:200]} has no property {name[:64]}."
                raise Unexpandable(text, "ValueSet.compose.include.filter.property", code="not-supported")

    def system(self, row: dict[str, Any], pins: Pins) -> System | None:
        """The code system an include speaks of, in the version it or the pins name; None where it is not here."""
        url = str(row.get("system", ""))
        version = pins.get("!" + url) or row.get("version") or pins.get(url) or ""
        return self._catalogue.system(url, "" if version == "*" else str(version), pins.get(AT, ""))

    def contains(self, value_set: ValueSet, system: str, code: str, within: tuple[str, ...] = ()) -> bool | None:
        """Whether a code is in a value set; None where that cannot be told. `system` "" asks of every system there.

        Raises:
            Unexpandable: the value set imports itself.
        """
        if value_set.key in within or len(within) > MAX_IMPORTS:
            raise Unexpandable("The value set imports itself.", "ValueSet.compose", code="processing")
        tree, within = value_set.tree, (*within, value_set.key)
        if "compose" not in tree:
            return any(_is_listed(part, system, code) for part in _expanded(tree))
        rows = list(_rows(tree))
        included = _any(self._in(row, system, code, within) for row, exclude in rows if not exclude)
        if included is False:
            return False
        excluded = _any(self._in(row, system, code, within) for row, exclude in rows if exclude)
        inactive = _compose(tree).get("inactive") is False and self._is_inactive(rows, system, code)
        return False if inactive else _all((included, None if excluded is None else not excluded))

    def _in(self, row: dict[str, Any], system: str, code: str, within: tuple[str, ...]) -> bool | None:
        url = row.get("system", "")
        if url and system and url != system:
            return False
        imported = (self._in_import(one, system, code, within) for one in _texts(row, "valueSet"))
        return _all([self._in_system(row, code) if url else True, *imported])

    def _in_import(self, url: str, system: str, code: str, within: tuple[str, ...]) -> bool | None:
        found = self._catalogue.value_set(url)
        return None if found is None else self.contains(found, system, code, within)

    def _in_system(self, row: dict[str, Any], code: str) -> bool | None:
        system = self.system(row, {})
        if "concept" in row:
            return _among({one.code for one in _listed(row)}, code, system is None or system.case_sensitive)
        if system is None or system.content == "not-present":
            grammar = GRAMMARS.get(row["system"])
            holds = grammar(code) if grammar else None
            return None if holds and row.get("filter") else holds
        found = self._catalogue.concepts.concept(system.artifact.number, code, any_case=not system.case_sensitive)
        if found is None:
            return False if system.content == "complete" else None
        part = Part(row["system"], system.numbers, conditions(row.get("filter", [])))
        return self._catalogue.concepts.holds(part, found.code) if part.conditions else True

    def _is_inactive(self, rows: list[tuple[dict[str, Any], bool]], system: str, code: str) -> bool:
        for row, exclude in rows:
            if exclude or (system and row.get("system") != system):
                continue
            known = self.system(row, {})
            found = known and self._catalogue.concepts.concept(known.artifact.number, code)
            if found:
                return found.inactive
        return False


def _compose(tree: dict[str, Any]) -> dict[str, Any]:
    found = tree.get("compose")
    return found if isinstance(found, dict) else {}


def _rows(tree: dict[str, Any]) -> Iterator[tuple[dict[str, Any], bool]]:
    compose = tree["compose"]
    if not isinstance(compose, dict):
        raise Invalid("compose is an object.", "ValueSet.compose")
    for name in ("include", "exclude"):
        rows = compose.get(name, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Invalid(f"{name} is an array of objects.", f"ValueSet.compose.{name}")
        for row in rows:
            if not isinstance(row.get("system", ""), str):
                raise Invalid("system is a URL.", f"ValueSet.compose.{name}.system")
            yield row, name == "exclude"


def _texts(row: dict[str, Any], name: str) -> list[str]:
    found = row.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise Invalid(f"{name} is an array of canonicals.", f"ValueSet.compose.include.{name}")
    return found


def _listed(row: dict[str, Any]) -> tuple[Listed, ...]:
    found = []
    rows = row.get("concept", [])
    for one in rows if isinstance(rows, list) else [None]:
        if not isinstance(one, dict) or not isinstance(one.get("code"), str):
            raise Invalid("A concept has a code.", "ValueSet.compose.include.concept")
        designations = one.get("designation")
        extra = msgspec.json.encode({"designation": designations}) if designations else b""
        found.append(Listed(one["code"], str(one.get("display", "")), extra))
    return tuple(found)


def _expanded(tree: dict[str, Any]) -> Iterator[Part]:
    """A value set that only says its expansion: its codes as they stand there."""
    expansion = tree.get("expansion")
    rows = expansion.get("contains", []) if isinstance(expansion, dict) else []
    stack = [row for row in reversed(rows if isinstance(rows, list) else []) if isinstance(row, dict)]
    while stack:
        row = stack.pop()
        below = row.get("contains", [])
        stack += [one for one in reversed(below if isinstance(below, list) else []) if isinstance(one, dict)]
        if isinstance(row.get("code"), str) and not row.get("abstract"):
            yield Part(str(row.get("system", "")), listed=(Listed(row["code"], str(row.get("display", ""))),))


def _is_listed(part: Part, system: str, code: str) -> bool:
    return (not system or part.system == system) and any(one.code == code for one in part.listed or ())


def _among(codes: set[str], code: str, case_sensitive: bool) -> bool:
    if case_sensitive:
        return code in codes
    return code.casefold() in {one.casefold() for one in codes}


def _any(answers: Iterable[bool | None]) -> bool | None:
    unsure = False
    for answer in answers:
        if answer:
            return True
        unsure = unsure or answer is None
    return None if unsure else False


def _all(answers: Iterable[bool | None]) -> bool | None:
    unsure = False
    for answer in answers:
        if answer is False:
            return False
        unsure = unsure or answer is None
    return None if unsure else True


def known(found: System | None, url: str) -> System:
    """The code system.

    Raises:
        Unknown: it is not here.
    """
    if found is None:
        raise unknown("code system", url)
    return found
