"""What services add to searching beside SearchParameters: names guides use, second hops of includes, rows of their own.

https://hl7.org/fhir/R4/search.html. A guide's CapabilityStatement may name a parameter otherwise than by its code
(`PDSm_isArchived`, `GAP_Appointment_earliestStart`): both are understood, and the code is published. And what a guide
means by a criterion may be more than R4 makes of it (`author.family`: of a role, the person in it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

import msgspec

from fhir_server.fhir.definitions import folder
from fhir_server.settings import Settings
from fhir_server.store.filters import Span, Word

#: The rows that a service finds a resource by, beside those of search parameters: (tree, the server's own base) → rows.
#: Their names begin with "_" or "~", as no search parameter's does; or they are further spellings of a parameter's own.
OwnRows = Callable[[dict[str, Any], str], Iterable[Word | Span]]
#: What of a resource is found: the same object where all of it is.
Found = Callable[[dict[str, Any]], dict[str, Any]]
#: Refuses a search of a type that leaves out what a guide demands: by the settings, the client's id ("" for none) and
#: the names and values of its parameters.
Demand = Callable[[Settings, str, Sequence[tuple[str, str]]], None]

#: The searchset of a type that a caller is given, where a guide has it otherwise than R4: by the settings, the client's
#: id ("" for none), the names and values of the search's parameters, and the Bundle there is.
Answered = Callable[[Settings, str, Sequence[tuple[str, str]], bytes], bytes]

#: A criterion: its name with modifier and chain, and its value.
Criterion = tuple[str, str]
T = TypeVar("T")


class Additions:
    """Those of all services.

    Attributes:
        second_hops: (type searched, type that refers, parameter) of includes that a guide writes without `:iterate`
            though they are second hops: alone they would do nothing.
        rows: resource type → what makes rows of its resources.
        demands: resource type → what a search of it must say.
        answers: resource type → what a search of it is answered.
        cited: types whose resources may be hidden so that nothing names them: references to them have further rows.
        found: resource type → what of its resources is found at all, wherever they stand; of other types all is.
    """

    def __init__(
        self,
        name_files: Sequence[str] = (),
        way_files: Sequence[str] = (),
        second_hops: Iterable[tuple[str, str, str]] = (),
        rows: Mapping[str, Sequence[OwnRows]] | None = None,
        demands: Mapping[str, Demand] | None = None,
        systems: Mapping[str, str] | None = None,
        cited: Iterable[str] = (),
        found: Mapping[str, Found] | None = None,
        answers: Mapping[str, Answered] | None = None,
    ) -> None:
        """`name_files` are JSON files of `profiles/`, read when they are first needed: type → name → code.

        `way_files` are others: type → criterion → the criteria of which one is to be met (`ways`).
        `systems` are code systems as a guide's examples misspell them, and how they are spelled.
        """
        self._name_files = tuple(name_files)
        self._way_files = tuple(way_files)
        self.second_hops = frozenset(second_hops)
        self.rows: Mapping[str, Sequence[OwnRows]] = rows or {}
        self.demands: Mapping[str, Demand] = demands or {}
        self.answers: Mapping[str, Answered] = answers or {}
        self.cited = frozenset(cited)
        self.found: Mapping[str, Found] = found or {}
        self._systems = tuple((f"{wrong}|", f"{right}|") for wrong, right in (systems or {}).items())

    def meant(self, value: str) -> str:
        """A criterion's value, code systems that a guide misspells put right."""
        for wrong, right in self._systems:
            if wrong in value:
                value = value.replace(wrong, right)
        return value

    def spelled(self, type: str, name: str) -> str:
        """A criterion's name (`PDSm_isArchived:missing`), the parameter's code in place of a guide's name for it."""
        known = self._names.get(type)
        if known is None:
            return name
        head = name.partition(".")[0].partition(":")[0]
        code = known.get(head)
        return code + name[len(head) :] if code else name

    def ways(self, type: str, name: str, value: str) -> list[Criterion]:
        """What a guide means by a criterion, where that is not what R4 makes of it: one of these is to be met.

        Args:
            type: a resource type.
            name: with its modifier and chain, as `spelled` has it.
            value: as it stands in the query.

        Returns:
            Names and values; none where the criterion means what it says.
        """
        known = self._ways.get(type)
        if known is None:
            return []
        said = [one.partition("=") for one in known.get(f"{name}={value}", ())]
        return [(way, meant) for way, _, meant in said] or [(way, value) for way in _named(known, name)]

    @cached_property
    def _names(self) -> Mapping[str, Mapping[str, str]]:
        """Resource type → a guide's name of a parameter → its code."""
        return _read(self._name_files, dict[str, dict[str, str]])

    @cached_property
    def _ways(self) -> Mapping[str, Mapping[str, list[str]]]:
        """Resource type → a criterion, with or without a value → those of which one is to be met."""
        return _read(self._way_files, dict[str, dict[str, list[str]]])


def _named(ways: Mapping[str, Sequence[str]], name: str) -> list[str]:
    """The ways of a criterion's name; a modifier behind it (`author.family:exact`) goes with each."""
    if name in ways:
        return list(ways[name])
    plain, _, modifier = name.rpartition(":")
    return [] if "." in modifier else [f"{way}:{modifier}" for way in ways.get(plain, ())]


def _read(files: Iterable[str], kind: type[dict[str, dict[str, T]]]) -> dict[str, dict[str, T]]:
    """What files of `profiles/` say of resource types, put together."""
    found: dict[str, dict[str, T]] = {}
    for file in files:
        read = msgspec.json.decode((folder("profiles") / file).read_bytes(), type=kind)
        for of, said in read.items():
            found.setdefault(of, {}).update(said)
    return found


#: A server without services.
NONE = Additions()
