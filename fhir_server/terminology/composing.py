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
from fhir_server.terminology.canonicals import Catalogue, System, Unexpandable, ValueSet, agrees
from fhir_server.terminology.filters import conditions, properties
from fhir_server.terminology.grammars import GRAMMARS, filtered
from fhir_server.work.budget import spend

#: Value sets that import one another, one inside the other.
MAX_IMPORTS = 20
#: Members of one expansion; a national catalogue of acts or drugs is a fifth of it.
MAX_MEMBERS = 500_000

#: Steps of looking at one include, or at one value set that it imports.
INCLUDE = 30

#: System URL → the version to take where a value set names none; `!URL` → even where it names another; `=URL` → that of
#: the code asked about, which must not be another; `AT` → the date whose versions to take where none is named.
Pins = dict[str, str]
AT = "@"
#: What is noted with an expansion; what was kept under another form is made again.
_FORM = "2 "


@dataclass(frozen=True, slots=True)
class Expansion:
    """A value set expanded: the store's number, and the code systems and value sets it was made from."""

    number: int
    systems: tuple[str, ...]
    value_sets: tuple[str, ...] = ()


#: The code systems and value sets an expansion is made from, in order.
_Used = tuple[dict[str, None], dict[str, None]]


class Composer:
    """Reads what value sets are composed of, and expands them."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Code systems and imported value sets are found in `catalogue`."""
        self._catalogue = catalogue

    def expansion(self, value_set: ValueSet, pins: Pins, within: tuple[str, ...] = ()) -> Expansion:
        """The value set expanded, or found expanded already.

        Args:
            value_set: what to expand.
            pins: versions to take.
            within: keys of the value sets that import this one.

        Raises:
            Unexpandable: it needs a code system or value set that is not here, imports itself, or is too large (422).
        """
        if value_set.key in within or len(within) > MAX_IMPORTS:
            raise Unexpandable("The value set imports itself.", "ValueSet.compose", code="processing")
        pins = _locked(value_set, pins)
        concepts = self._catalogue.concepts
        key = _FORM + value_set.key + (f" {sorted(pins.items())}" if pins else "")
        known = concepts.expansion(key)
        if known is None:
            used: _Used = ({}, {})
            parts = list(self._parts(value_set, pins, (*within, value_set.key), used))
            note = msgspec.msgpack.encode((tuple(used[0]), tuple(used[1])))
            active_only = _compose(value_set.tree).get("inactive") is False
            number = concepts.expand(key, parts, note, MAX_MEMBERS, active_only=active_only)
            if number is None:
                raise Unexpandable(f"The value set has more than {MAX_MEMBERS} codes.", code="too-costly")
            known = number, note
        systems, value_sets = msgspec.msgpack.decode(known[1], type=tuple[tuple[str, ...], tuple[str, ...]])
        return Expansion(known[0], systems, value_sets)

    def _parts(self, value_set: ValueSet, pins: Pins, within: tuple[str, ...], used: _Used) -> Iterator[Part]:
        if "compose" not in value_set.tree:
            yield from _expanded(value_set.tree)
            return
        for row, exclude in _rows(value_set.tree):
            spend(INCLUDE)
            imports = tuple(self._imported(value_set, url, pins, within, used) for url in _texts(row, "valueSet"))
            yield self._part(row, pins, imports, exclude, used)

    def _imported(self, own: ValueSet, url: str, pins: Pins, within: tuple[str, ...], used: _Used) -> int:
        spend(INCLUDE)
        found = self._import(own, url, pins)
        if found is None:
            beside = self._catalogue.beside("ValueSet", url)
            said = f"It imports {url[:200]}, which is not here{beside and f': {beside}'}."
            raise Unexpandable(said, code="not-found")
        expansion = self.expansion(found, pins, within)
        used[0].update(dict.fromkeys(expansion.systems))
        used[1].update(dict.fromkeys([*([found.canonical] if found.url else []), *expansion.value_sets]))
        return expansion.number

    def _import(self, own: ValueSet, url: str, pins: Pins) -> ValueSet | None:
        """A value set that `own` imports: by canonical, or (`#id`) contained in it."""
        if not url.startswith("#"):
            return self._catalogue.value_set(url, at=pins.get(AT, ""))
        contained = own.tree.get("contained", [])
        for one in contained if isinstance(contained, list) else ():
            if isinstance(one, dict) and one.get("resourceType") == "ValueSet" and f"#{one.get('id')}" == url:
                return ValueSet({**one, "contained": contained}, own.key + url)
        return None

    def _part(self, row: dict[str, Any], pins: Pins, imports: tuple[int, ...], exclude: bool, used: _Used) -> Part:
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
            beside = self._catalogue.beside("CodeSystem", str(url), self._version(row, pins)) if system is None else ""
            said = f"The codes of {str(url)[:200]} are not here{beside and f': {beside}'}."
            raise Unexpandable(said, code="not-found")
        if system is None or system.content == "not-present":
            return Part(url, (), (), listed, imports, exclude)
        self._require_properties(system, row)
        used[0][system.canonical] = None
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
        return self._catalogue.system(str(row.get("system", "")), self._version(row, pins), pins.get(AT, ""))

    @staticmethod
    def _version(row: dict[str, Any], pins: Pins) -> str:
        url = str(row.get("system", ""))
        version = pins.get("!" + url) or row.get("version") or pins.get("=" + url) or pins.get(url) or ""
        return "" if version == "*" else str(version)

    def contains(
        self, value_set: ValueSet, system: str, code: str, pins: Pins | None = None, within: tuple[str, ...] = ()
    ) -> bool | None:
        """Whether a code is in a value set; None where that cannot be told. `system` "" asks of every system there.

        Args:
            value_set: what is asked about.
            system: of the code.
            code: itself.
            pins: versions to take.
            within: keys of the value sets that import this one.

        Raises:
            Unexpandable: the value set imports itself.
        """
        if value_set.key in within or len(within) > MAX_IMPORTS:
            raise Unexpandable("The value set imports itself.", "ValueSet.compose", code="processing")
        tree, within = value_set.tree, (*within, value_set.key)
        if "compose" not in tree:
            return any(_is_listed(part, system, code) for part in _expanded(tree))
        pins = _locked(value_set, pins or {})
        rows = list(_rows(tree))
        included = _any(self._in(value_set, row, system, code, pins, within) for row, exclude in rows if not exclude)
        if included is False:
            return False
        excluded = _any(self._in(value_set, row, system, code, pins, within) for row, exclude in rows if exclude)
        inactive = _compose(tree).get("inactive") is False and self._is_inactive(rows, system, code, pins)
        return False if inactive else _all((included, None if excluded is None else not excluded))

    def systems(self, value_set: ValueSet, code: str, pins: Pins) -> list[str]:
        """The code systems in which the value set has a code of that name: what a code without system may be of."""
        named = dict.fromkeys(url for url, _ in self._includes(value_set, pins) if url)
        return [system for system in named if self.contains(value_set, system, code, pins)]

    def listed(self, value_set: ValueSet, system: str, code: str, pins: Pins) -> Listed | None:
        """What the value set itself, or one it imports, calls a code; None where no include names the code."""
        rows = (one for url, listed in self._includes(value_set, pins) if url == system for one in listed)
        return next((one for one in rows if one.code == code and (one.display or one.extra)), None)

    def _includes(self, value_set: ValueSet, pins: Pins) -> Iterator[tuple[str, tuple[Listed, ...]]]:
        """The systems of all includes and the codes they name, those of imported value sets after them."""
        waiting, seen = [value_set], {value_set.key}
        while waiting:
            own = waiting.pop(0)
            if "compose" not in own.tree:
                yield from ((part.system, part.listed or ()) for part in _expanded(own.tree))
                continue
            for row, exclude in _rows(own.tree):
                if exclude:
                    continue
                yield row.get("system", ""), _listed(row) if "concept" in row else ()
                found = (self._import(own, url, pins) for url in _texts(row, "valueSet"))
                new = [one for one in found if one is not None and one.key not in seen]
                seen.update(one.key for one in new)
                waiting += new

    def _in(
        self, own: ValueSet, row: dict[str, Any], system: str, code: str, pins: Pins, within: tuple[str, ...]
    ) -> bool | None:
        url = row.get("system", "")
        if url and system and url != system:
            return False
        imported = (self._in_import(own, one, system, code, pins, within) for one in _texts(row, "valueSet"))
        return _all([self._in_system(row, code, pins) if url else True, *imported])

    def _in_import(
        self, own: ValueSet, url: str, system: str, code: str, pins: Pins, within: tuple[str, ...]
    ) -> bool | None:
        found = self._import(own, url, pins)
        return None if found is None else self.contains(found, system, code, pins, within)

    def _in_system(self, row: dict[str, Any], code: str, pins: Pins) -> bool | None:
        url = row["system"]
        own, asked = str(pins.get("!" + url) or row.get("version") or ""), pins.get("=" + url, "")
        if own not in ("", "*") and asked and not (agrees(own, asked) or agrees(asked, own)):
            return False
        system = self.system(row, pins)
        if "concept" in row:
            return _among({one.code for one in _listed(row)}, code, system is None or system.case_sensitive)
        if system is None or system.content == "not-present":
            grammar = GRAMMARS.get(url)
            holds = grammar(code) if grammar else None
            return filtered(url, code, row["filter"]) if holds and row.get("filter") else holds
        found = self._catalogue.concepts.concept(system.artifact.number, code, any_case=not system.case_sensitive)
        if found is None:
            return False if system.content == "complete" else None
        part = Part(url, system.numbers, conditions(row.get("filter", [])))
        return self._catalogue.concepts.holds(part, found.code) if part.conditions else True

    def _is_inactive(self, rows: list[tuple[dict[str, Any], bool]], system: str, code: str, pins: Pins) -> bool:
        for row, exclude in rows:
            if exclude or (system and row.get("system") != system):
                continue
            known = self.system(row, pins)
            found = known and self._catalogue.concepts.concept(known.artifact.number, code)
            if found:
                return found.inactive
        return False


def _compose(tree: dict[str, Any]) -> dict[str, Any]:
    found = tree.get("compose")
    return found if isinstance(found, dict) else {}


def _locked(value_set: ValueSet, pins: Pins) -> Pins:
    """`pins` with the date that the value set itself is locked to."""
    locked = _compose(value_set.tree).get("lockedDate")
    return {AT: locked, **pins} if isinstance(locked, str) else pins


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
        if designations is not None and not _are_designations(designations):
            raise Invalid("A designation has a value.", "ValueSet.compose.include.concept.designation")
        extra = msgspec.json.encode({"designation": designations}) if designations else b""
        found.append(Listed(one["code"], str(one.get("display", "")), extra))
    return tuple(found)


def _are_designations(rows: Any) -> bool:
    return isinstance(rows, list) and all(
        isinstance(row, dict) and isinstance(row.get("value"), str) and isinstance(row.get("use", {}), dict)
        for row in rows
    )


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
