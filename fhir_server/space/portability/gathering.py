"""The resources of a space, as its holder sees them: what is of the patient, and who and what that names.

https://hl7.org/fhir/R4/compartmentdefinition-patient.html. They are written to a file beside the archive, type by type,
so that all that is made of them is of one look, and none of it has to be in memory.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from fhir_server.access.repository import Repository
from fhir_server.access.trees import tree_of
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import FhirError
from fhir_server.interactions import statement
from fhir_server.search.asking.compartments import compartment_filter, compartment_types
from fhir_server.store.filters import NOTHING, Filter
from fhir_server.store.protocol import Page, Position, Version

#: Resources read at once, and bytes of them.
_PAGE, _MOST_BYTES = 200, 4_000_000
#: Beside the patient's own: who took part, where, and with what.
_BESIDE = ("Device", "HealthcareService", "Location", "Medication", "Organization", "Practitioner", "PractitionerRole")
#: Of a group others are members; of accesses the log tells, without what is hidden.
_LEFT = frozenset({"AuditEvent", "Group"})
_STEPS = 3
_REFERENCE = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/.*)?", re.ASCII)


@dataclass(slots=True)
class Gathered:
    """What was written down.

    Attributes:
        path: of the file, a resource a line.
        places: type → the bytes of it where the type begins and ends.
        counts: type → how many.
        contents: ids of Binaries that these resources name, in order, each once.
        inline: resources with files inside them, as references → where the line of each begins.
        documents: the DocumentReferences, in short.
    """

    path: Path
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    contents: dict[str, None] = field(default_factory=dict)
    inline: dict[str, int] = field(default_factory=dict)
    documents: list[Document] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Document:
    """A document, as the list at the archive's beginning tells of it.

    Attributes:
        id: of the DocumentReference.
        title: what it is called; "" where it is not.
        date: YYYY-MM-DD; "" where none is said.
        binaries: ids of what its content is in, and names (`inside`) of what is in itself.
    """

    id: str
    title: str
    date: str
    binaries: tuple[str, ...]


async def gathered(seen: Repository, patient: str, path: Path) -> Gathered:
    """Write down what `seen`, the store as somebody may see it, shows of a patient (id)."""
    found = Gathered(path)
    named: dict[tuple[str, str], None] = {}
    with path.open("wb") as file:
        for type in compartment_types("Patient"):
            where = compartment_filter("Patient", patient, type)
            if type in _LEFT or where == NOTHING or not statement.supports(type) or not seen.searches(type):
                continue
            first, after = file.tell(), None
            while True:
                page = await _page(seen, type, where, after)
                for version in page.versions:
                    tree = parse(version.body)
                    named |= dict.fromkeys(_noted(found, tree, seen.base, file.tell()))
                    file.write(_line(version, tree))
                after = page.next
                if after is None:
                    break
            _placed(found, type, first, file.tell())
        await _beside(seen, found, named, file)
    return found


async def _page(seen: Repository, type: str, where: Filter, after: Position | None) -> Page:
    # What the store answers at once gives nobody a turn, and a record is read for seconds.
    await asyncio.sleep(0)
    return await seen.find({type: where}, after=after, count=_PAGE, most_bytes=_MOST_BYTES)


async def _beside(seen: Repository, found: Gathered, named: dict[tuple[str, str], None], file: IO[bytes]) -> None:
    """Who and what these resources name, and what these name in turn."""
    known: dict[tuple[str, str], bytes] = {}
    asked = [one for one in named if one[0] in _BESIDE]
    for _ in range(_STEPS):
        further: dict[tuple[str, str], None] = {}
        for key in asked:
            version = await _shown(seen, *key)
            tree = tree_of(version)
            if version is not None and tree:
                known[key] = _line(version, tree)
                further |= dict.fromkeys(one for one in _references(tree, seen.base) if one[0] in _BESIDE)
        asked = [one for one in further if one not in known]
    for type in _BESIDE:
        rows = [line for key, line in sorted(known.items()) if key[0] == type]
        if rows and type not in found.counts:
            first = file.tell()
            file.writelines(rows)
            found.counts[type] = len(rows)
            found.places[type] = (first, file.tell())


async def _shown(seen: Repository, type: str, id: str) -> Version | None:
    await asyncio.sleep(0)
    try:
        return await seen.current(type, id) if seen.allows(type, "r") else None
    except FhirError:
        return None


def _placed(found: Gathered, type: str, first: int, end: int) -> None:
    if end > first:
        found.places[type] = (first, end)


def _line(version: Version, tree: dict[str, Any]) -> bytes:
    """One line, whatever was sent: https://github.com/ndjson/ndjson-spec."""
    body = version.body
    return (serialize(tree) if b"\n" in body or b"\r" in body else body) + b"\n"


def attached(tree: Any) -> Iterator[tuple[str, str]]:
    """Media type and base64 of each attachment that is inside a resource, in order."""
    if isinstance(tree, list):
        for one in tree:
            yield from attached(one)
    elif isinstance(tree, dict):
        if isinstance(tree.get("data"), str) and isinstance(tree.get("contentType"), str):
            yield tree["contentType"], tree["data"]
        for value in tree.values():
            if isinstance(value, dict | list):
                yield from attached(value)


def inside(reference: str, number: int) -> str:
    """What a file inside a resource is called: "DocumentReference/1#1" for the first."""
    return f"{reference}#{number}"


def _noted(found: Gathered, tree: dict[str, Any], base: str, at: int) -> list[tuple[str, str]]:
    """Note what a resource names, whose line begins at a byte; gives the references."""
    type = str(tree.get("resourceType"))
    reference = f"{type}/{tree.get('id')}"
    found.counts[type] = found.counts.get(type, 0) + 1
    named = list(_references(tree, base))
    binaries = tuple(dict.fromkeys(id for kind, id in named if kind == "Binary"))
    found.contents |= dict.fromkeys(binaries)
    own = tuple(inside(reference, n) for n, _ in enumerate(attached(tree), 1))
    if own:
        found.inline[reference] = at
    if type == "DocumentReference":
        found.documents.append(
            Document(str(tree.get("id")), _title(tree), str(tree.get("date", ""))[:10], binaries + own)
        )
    return named


def _references(tree: Any, base: str) -> Iterator[tuple[str, str]]:
    """What a tree names of this server, by references and by addresses of attachments."""
    if isinstance(tree, list):
        for one in tree:
            yield from _references(one, base)
    elif isinstance(tree, dict):
        for name, value in tree.items():
            if isinstance(value, dict | list):
                yield from _references(value, base)
            elif name in ("reference", "url") and isinstance(value, str):
                yield from _here(value, base)


def _here(address: str, base: str) -> Iterator[tuple[str, str]]:
    told = _REFERENCE.fullmatch(address.removeprefix(f"{base}/") if base else address)
    if told is not None and "://" not in address.removeprefix(f"{base}/"):
        yield told[1], told[2]


def _title(tree: dict[str, Any]) -> str:
    attached = (one.get("attachment", {}).get("title") for one in tree.get("content", ()))
    kind = tree.get("type", {})
    displays = (one.get("display") for one in kind.get("coding", ()))
    called = next((str(one) for one in (*attached, tree.get("description"), kind.get("text"), *displays) if one), "")
    return " ".join(called.split())[:200]
