"""The code systems that come with the server, read straight from their files: enough to know a code.

What is asked more of (value sets, subsumption), or with what was stored, is asked of the store of concepts, which takes
most of a second to make ready: a server that nothing was stored in, and nobody asked, can do without.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache

import msgspec

from fhir_server.fhir.definitions import folder
from fhir_server.terminology.canonicals import agrees
from fhir_server.terminology.code_status import Known, known, there
from fhir_server.terminology.resources import concepts

#: Folders of `profiles/` beside R4's own, a resource a file.
FOLDERS = ("national", "ens", "iso")
_CORE = "hl7.fhir.r4.core"


class _Head(msgspec.Struct, frozen=True):
    url: str = ""
    version: str = ""
    content: str = "complete"
    caseSensitive: bool = True
    supplements: str = ""


class _Designation(msgspec.Struct, frozen=True):
    value: str = ""


class _Extra(msgspec.Struct, frozen=True):
    designation: list[_Designation] = []


class Codes:
    """A code system whose codes are read from its file when the first is asked for.

    Attributes:
        content: how much of it is here.
        version: its business version.
        is_r4_copy: it is as R4 published it; so is all that is kept elsewhere and comes with the server.
    """

    is_r4_copy = True

    def __init__(self, body: bytes, head: _Head, more: tuple[bytes, ...]) -> None:
        """From its JSON, and that of its supplements."""
        self.content, self.version = "supplement" if head.supplements else head.content, head.version
        self._exact = head.caseSensitive
        self._codes = _codes((body, *more), head.caseSensitive)

    def named(self, code: str) -> Known | None:
        """The code as it is known."""
        return self._codes.get(code) or (None if self._exact else self._codes.get(code.casefold()))


def lines(kind: str) -> Iterator[bytes]:
    """The JSON of each CodeSystem or ValueSet that comes with the server, ours after R4's own."""
    name = {"CodeSystem": "code-systems", "ValueSet": "value-sets", "ConceptMap": "concept-maps"}[kind]
    with gzip.open(folder("profiles") / _CORE / f"{name}.ndjson.gz") as core:
        yield from core
    for one in FOLDERS:
        for file in sorted((folder("profiles") / one).glob(f"{kind}-*.json")):
            yield file.read_bytes()


def known_code(system: str, version: str, code: str) -> Known | None:
    """What is known of a code by the code systems that come with the server."""
    found = _system(system)
    if found is not None and version and not agrees(found.version, version):
        found = None
    return known(found, lambda: system in _value_sets(), system, code)


def is_r4_copy(system: str, version: str) -> bool:
    """Whether a code system of this version is the one that comes with the server."""
    found = _heads().get(system)
    return found is not None and found[0].version == version


@lru_cache(maxsize=128)
def _system(url: str) -> Codes | None:
    heads = _heads()
    if url not in heads:
        return None
    head, body = heads[url]
    return Codes(body, head, _supplements().get(url, ()))


@cache
def _heads() -> Mapping[str, tuple[_Head, bytes]]:
    decode = msgspec.json.Decoder(_Head, strict=False).decode
    return {head.url: (head, line) for line in lines("CodeSystem") if (head := decode(line)).url}


@cache
def _supplements() -> Mapping[str, tuple[bytes, ...]]:
    found: dict[str, tuple[bytes, ...]] = {}
    for head, body in _heads().values():
        if head.supplements:
            url = head.supplements.partition("|")[0]
            found[url] = (*found.get(url, ()), body)
    return found


@cache
def _value_sets() -> frozenset[str]:
    decode = msgspec.json.Decoder(_Head, strict=False).decode
    return frozenset(decode(line).url for line in lines("ValueSet"))


def _codes(bodies: tuple[bytes, ...], exact: bool) -> dict[str, Known]:
    names: dict[str, list[str]] = {}
    flags: dict[str, tuple[bool, bool]] = {}
    for number, body in enumerate(bodies):
        for one in concepts(body):
            if number and one.code not in names:
                continue  # a supplement adds no codes
            more = msgspec.json.decode(one.extra, type=_Extra).designation if one.extra else ()
            names.setdefault(one.code, []).extend((one.display, *(d.value for d in more)))
            flags.setdefault(one.code, (one.inactive, one.abstract))
    found = {code: there(names[code], inactive=flags[code][0], abstract=flags[code][1]) for code in names}
    return found if exact else {**{code.casefold(): one for code, one in found.items()}, **found}
