"""A closed server with a holder, their child and its parent, a caregiver; what they ask for, and what they are given."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as XML

from fhir_server.access.grant import Grant
from fhir_server.space.portability.manifest import NAMESPACE
from tests.server.calls import Answer
from tests.server.closed import Space
from tests.server.people import a_person
from tests.site.records import a_document
from tests.space.notices.space import a_patient, related
from tests.space.record.callers import ALL, Caller, grant

NOW = datetime.now(UTC)


async def people(space: Space) -> None:
    """An adult "a", whom "c" cares for; a minor "m", whom "r" represents; somebody else, "b"."""
    for tree in (
        a_patient("a", name=[{"family": "ALPHA"}]),
        a_patient("b", name=[{"family": "BETA"}]),
        a_patient("m", born=f"{NOW.year - 9}-01-01"),
        related("c", "a", code="CAREGIVER"),
        related("r", "m"),
        {"resourceType": "Practitioner", "id": "d1", "name": [{"family": "EXEMPLE", "given": ["Zoé"]}]},
    ):
        await space.put(tree)
    await a_person(space.house, "a", "A", "Patient/a")
    await a_person(space.house, "m", "M", "Patient/m")
    await a_person(space.house, "c", "C", "RelatedPerson/c", wards=("a",))
    await a_person(space.house, "r", "R", "RelatedPerson/r", wards=("m",))


GRANTS: dict[str, Grant] = {
    "a": grant("Patient/a", ALL),
    "m": grant("Patient/m", ALL),
    "r": grant("RelatedPerson/r", ALL, wards=frozenset({"m"})),
    "c": grant("RelatedPerson/c", ALL, wards=frozenset({"a"})),
    "doctor": grant("Practitioner/d1", ALL),
}


async def ask(space: Space, who: str, patient: str, operation: str = "record", **headers: str) -> Answer:
    """What somebody is answered."""
    caller = Caller(space.house, GRANTS[who])
    method = "POST" if operation.startswith("record") else "GET"
    return await caller(method, f"Patient/{patient}/$export-{operation}", **headers)


async def look(space: Space, at: datetime | None = None) -> int:
    """The job, done at an instant."""
    (job,) = [job for job in space.house.services.jobs() if job.name == "record-exports"]
    return await job.run(at or datetime.now(UTC))


async def bytes_of(answer: Answer) -> bytes:
    """What is sent."""
    stream = answer.response.stream
    assert stream is not None and stream.opened is not None
    return b"".join([piece async for piece in stream.opened.pieces()])


async def taken(space: Space, who: str, patient: str) -> zipfile.ZipFile:
    """The archive that somebody asked for, prepared and downloaded."""
    assert (await ask(space, who, patient)).status == 202
    assert await look(space) == 1
    answer = await ask(space, who, patient, "archive")
    assert answer.status == 200
    return zipfile.ZipFile(io.BytesIO(await bytes_of(answer)))


def all_of(archive: zipfile.ZipFile) -> bytes:
    """Every byte of every file, one after the other."""
    return b"\n".join(archive.read(name) for name in archive.namelist())


def listed(archive: zipfile.ZipFile) -> dict[str, dict[str, str]]:
    """The manifest's files: path → what it says of each."""
    root = XML.fromstring(archive.read("MANIFEST.XML"))
    names = {"m": NAMESPACE}
    rows = [{one.tag.partition("}")[2]: one.text or "" for one in row} for row in root.findall("m:files/m:file", names)]
    return {row["path"]: row for row in rows}


def resources(archive: zipfile.ZipFile, type: str) -> list[Any]:
    """The resources of a type."""
    path = f"FHIR/{type}.ndjson"
    return [json.loads(line) for line in archive.read(path).splitlines()] if path in archive.namelist() else []


async def a_text(space: Space, id: str, label: str = "N", patient: str = "a", **more: Any) -> str:
    """A document whose words say which it is, and the words."""
    words = f"content-of-{id}"
    body = words.encode()
    await a_document(
        space, id, f"title-of-{id}", label=label, patient=patient, media_type="text/plain", body=body, **more
    )
    return words
