"""What stands in an archive, and in which order it is put there: what tells of the rest is made last."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from markupsafe import Markup

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError
from fhir_server.interactions.binary_answers import disposition
from fhir_server.space.accesses.exporting import Log
from fhir_server.space.portability import readable
from fhir_server.space.portability.gathering import Gathered, attached, inside
from fhir_server.space.portability.manifest import Told, manifest
from fhir_server.space.portability.packing import Packed, Packing, lines, one
from fhir_server.space.record.showing.shown import shown_apart
from fhir_server.store.blobs.protocol import Blobs
from fhir_server.store.protocol import Version

_JSON, _NDJSON, _HTML = "application/fhir+json", "application/fhir+ndjson", "text/html"
#: Longer documents are given as they are, and not as a page too; bytes.
_READ = 4_000_000
#: What is short already.
_SHORT = ("image/jpeg", "image/png", "image/gif", "application/pdf", "application/zip", "video/", "audio/")
#: (documents in it by now, of how many)
Progress = Callable[[int, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Sources:
    """What an archive is made from.

    Attributes:
        seen: the store as who takes it may see it.
        blobs: where long content is.
        calendar: the agenda as iCalendar, RFC 5545.
        log: who looked at the record.
        zone: IANA name of the zone in which people read.
    """

    seen: Repository
    blobs: Blobs
    calendar: bytes
    log: Log
    zone: str


@dataclass(slots=True)
class Filed:
    """The files of a Binary: as it is, and as a page where it is one that people cannot read as it is."""

    original: Packed
    page: Packed | None = None


async def fill(packing: Packing, sources: Sources, found: Gathered, id: str, at: datetime, told: Progress) -> None:
    """Put everything in, `MANIFEST.XML` last.

    Args:
        packing: the archive.
        sources: what it is made from.
        found: the resources.
        id: of the export.
        at: when the data were looked at.
        told: is told how far it is.
    """
    for type, (first, end) in found.places.items():
        await packing.add(f"FHIR/{type}.ndjson", _NDJSON, lines(found.path, first, end))
    await packing.add("FHIR/BUNDLE.json", _JSON, _bundle(found, sources.seen.base, at))
    filed: dict[str, Filed] = {}
    lacking: list[str] = []
    for n, binary in enumerate(found.contents):
        await told(n, len(found.contents))
        await _content(packing, sources, binary, len(filed) + 1, filed, lacking)
    await _inline(packing, sources, found, filed, lacking)
    await packing.add("AGENDA.ICS", "text/calendar", one(sources.calendar))
    await packing.add("TRACES/TRACES.ndjson", _NDJSON, sources.log.lines())
    await packing.add("TRACES/TRACES.CSV", "text/csv", one(await sources.log.table()))
    await packing.add("MESSAGES.HTM", _HTML, readable.messages(found, filed, sources.seen))
    await packing.add("INDEX.HTM", _HTML, readable.index(found, filed, at))
    whole = Told(id, at, not lacking, found.counts, lacking)
    await packing.add("MANIFEST.XML", "application/xml", one(manifest(whole, packing.files)))


async def _content(
    packing: Packing, sources: Sources, id: str, number: int, filed: dict[str, Filed], lacking: list[str]
) -> None:
    """The bytes of a Binary, as they were sent."""
    version = await _shown(sources.seen, id)
    if version is None:
        # Not for this person, or not here: the resource that names it says so already.
        return
    tree = parse(version.body)
    media_type, name = str(tree.get("contentType", "application/octet-stream")), f"DOCUMENTS/{number:05d}"
    source = f"Binary/{id}"
    pieces: AsyncIterator[bytes]
    whole: bytes | None = None
    try:
        if version.content is None:
            whole = b64decode(str(tree.get("data", "")))
        elif version.content.size <= _READ:
            opened = await sources.blobs.open(version.content)
            whole = b"".join([piece async for piece in opened.pieces()])
        else:
            pieces = (await sources.blobs.open(version.content)).pieces()
    except FhirError:
        lacking.append(source)
        return
    if whole is not None:
        filed[id] = await _filed(packing, name, media_type, whole, source, sources.zone)
        return
    filed[id] = Filed(await packing.add(_file(name, media_type), media_type, pieces, source, _packs(media_type)))


async def _inline(
    packing: Packing, sources: Sources, found: Gathered, filed: dict[str, Filed], lacking: list[str]
) -> None:
    """Files that stand inside resources."""
    with found.path.open("rb") as file:
        for reference, at in found.inline.items():
            file.seek(at)
            for n, (media_type, data) in enumerate(attached(parse(file.readline())), 1):
                name, source = f"DOCUMENTS/{len(filed) + 1:05d}", inside(reference, n)
                try:
                    content = b64decode(data)
                except ValueError:
                    lacking.append(source)
                    continue
                filed[source] = await _filed(packing, name, media_type, content, source, sources.zone)


async def _filed(packing: Packing, name: str, media_type: str, content: bytes, source: str, zone: str) -> Filed:
    """A file that is in memory, and its page where it is one of data."""
    path = _file(name, media_type)
    made = Filed(await packing.add(path, media_type, one(content), source, _packs(media_type)))
    page = await _page(content, media_type, zone)
    if page is not None:
        made.page = await packing.add(f"{name}.HTM", _HTML, one(page))
    return made


def _file(name: str, media_type: str) -> str:
    return name + "." + disposition(media_type)["Content-Disposition"].rpartition(".")[2].strip('"')


def _packs(media_type: str) -> bool:
    return not media_type.startswith(_SHORT)


async def _shown(seen: Repository, id: str) -> Version | None:
    try:
        return await seen.read("Binary", id, want="bare")
    except FhirError:
        return None


async def _page(content: bytes, media_type: str, zone: str) -> str | None:
    """A document of data as people read it; None where it is read as it is, or cannot be."""
    try:
        shown = await shown_apart(content, media_type, "fr", zone)
    except FhirError:
        return None
    if shown is None:
        return None
    return readable.page(shown.title, Markup("<h1>{}</h1>{}").format(shown.title, shown.markup), shown.language)


async def _bundle(found: Gathered, base: str, at: datetime) -> AsyncIterator[bytes]:
    """The same resources as one collection: https://hl7.org/fhir/R4/bundle.html."""
    instant = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    yield f'{{"resourceType":"Bundle","type":"collection","timestamp":"{instant}","entry":['.encode()
    first = True
    with found.path.open("rb") as file:
        for line in file:
            body = line.rstrip(b"\n")
            tree: dict[str, Any] = parse(body)
            full = msgspec.json.encode(f"{base}/{tree['resourceType']}/{tree['id']}")
            yield b'%s{"fullUrl":%s,"resource":%s}' % (b"" if first else b",", full, body)
            first = False
    yield b"]}"
