"""A store with the records of many people, filled by copies of a few documents: ids, patients and names are written over.

What is written is what the server itself would write: bodies stamped, and indexed with the rows of every service.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fhir_server.app import House, opened
from fhir_server.fhir.json import serialize, stamped
from fhir_server.interactions.exchange import FHIR_JSON, Request
from fhir_server.interactions.routes import dispatch
from fhir_server.population.generation import population
from fhir_server.settings import Settings
from fhir_server.smart.clients.registered import Client, RecordedClients
from fhir_server.smart.people.accounts import Account
from fhir_server.smart.tokens.storage import Family
from fhir_server.store.filters import Index, Word
from fhir_server.store.protocol import Put
from tests.profiles import resources

#: People whose record a professional reads: half of them with a tenth of their documents masked.
READ = 100
#: Documents of 200 KB.
LARGE, LARGE_BYTES = 50, 200_000
#: Of those people who have masked documents, one in so many is.
MASKED = 10
_TOGETHER = 1_000
_ID, _PATIENT, _NAME = "bench-d-00000000", "bench-p-00000000", "00000000-0000-4000-8000-000000000000"
_MASK = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"


@dataclass(frozen=True, slots=True)
class Records:
    """What was filled.

    Attributes:
        documents, patients: how many; `rate` documents/s at which they were written.
        plain, masked: a professional's tokens, by patient id: of people without masked documents, and with some.
        system: a token of software that files.
        large: ids of Binaries of 200 KB.
    """

    documents: int
    patients: int
    rate: float
    plain: dict[str, str]
    masked: dict[str, str]
    system: str
    large: list[str]


@dataclass(frozen=True, slots=True)
class _Copied:
    """One resource that is copied: its bytes, where the instant stands, its index."""

    type: str
    body: bytes
    stamp: int
    index: Index

    def copy(self, id: str, patient: str, number: int) -> Put:
        """Of the same length as the copied one, so that all stays where it is."""
        name = f"{number:08d}{_NAME[8:]}"
        body = self.body.replace(_ID.encode(), id.encode()).replace(_PATIENT.encode(), patient.encode())
        words = tuple(
            Word(word.param, word.value.replace(_PATIENT, patient).replace(_NAME, name), word.qualifier, word.group)
            if _PATIENT in word.value or _NAME in word.value
            else word
            for word in self.index.words
        )
        index = Index(words, self.index.spans, self.index.narrative, self.index.content)
        return Put(self.type, id, 0, body.replace(_NAME.encode(), name.encode()), self.stamp, index, "POST")


async def filled(folder: Path, base: str, documents: int, patients: int) -> Records:
    """A store in `folder` with so many documents of so many people, and who may read and file there."""
    async with opened(Settings(data=folder, base_url=base)) as house:
        invented = list(population(60, 9))
        await _directory(house, invented)
        began = time.monotonic()
        for puts in batches(house, invented, documents, patients):
            await house.engine.store.transact(puts)
        rate = documents / (time.monotonic() - began)
        role = next(one for one in invented if one["resourceType"] == "PractitionerRole")
        read = [f"bench-p-{n:08d}" for n in range(min(READ, patients))]
        tokens = await _reading(house, base, role, read)
        await RecordedClients(house.engine.records).add(
            Client("service", "Service", "public", scopes=("system/*.cruds",))
        )
        system = await house.authorization.tokens.issue("service", base, ("system/*.cruds",), None)
        large = await _large(house)
    plain = {id: token for n, (id, token) in enumerate(tokens.items()) if n % 2 == 0}
    masked = {id: token for n, (id, token) in enumerate(tokens.items()) if n % 2}
    return Records(documents, patients, rate, plain, masked, system, large)


async def _directory(house: House, invented: list[dict[str, Any]]) -> None:
    """Professionals and places, and the patient whom lots are about."""
    kinds = ("Organization", "Location", "Practitioner", "PractitionerRole", "HealthcareService")
    some = [one for one in invented if one["resourceType"] in kinds]
    for one in (*some, {**resources.PATIENT, "id": "1"}):
        await _put(house, one)


async def _put(house: House, tree: dict[str, Any]) -> None:
    asked = Request("PUT", (tree["resourceType"], tree["id"]), (), serialize(tree), FHIR_JSON)
    await dispatch(asked, house.own_context())


def batches(house: House, invented: list[dict[str, Any]], documents: int, patients: int) -> Iterator[list[Put]]:
    """The writes of patients, then of documents, some of each time; the same ones for the same numbers."""
    person = next(one for one in invented if one["resourceType"] == "Patient")
    sheets = [
        one
        for one in invented
        if one["resourceType"] == "DocumentReference"
        and one["status"] == "current"
        and "relatesTo" not in one
        and one["securityLabel"][0]["coding"][0]["code"] == "N"
    ]
    people = _copied(house, {**person, "link": [], "generalPractitioner": []} | {"id": _PATIENT})
    open_ones = [_copied(house, _sheet(sheet, masked=False)) for sheet in sheets]
    masked_ones = [_copied(house, _sheet(sheet, masked=True)) for sheet in sheets]
    batch: list[Put] = []
    for number in range(patients):
        id = f"bench-p-{number:08d}"
        batch.append(people.copy(id, id, number))
        if len(batch) == _TOGETHER:
            yield batch
            batch = []
    for number in range(documents):
        owner, turn = number % patients, number // patients
        hidden = owner % 2 == 1 and turn % MASKED == 0
        # A number that the other people's documents do not have: of each patient every kind.
        made = (masked_ones if hidden else open_ones)[(owner + turn) % len(sheets)]
        batch.append(made.copy(f"bench-d-{number:08d}", f"bench-p-{owner:08d}", number))
        if len(batch) == _TOGETHER:
            yield batch
            batch = []
    yield batch


def _sheet(sheet: dict[str, Any], masked: bool) -> dict[str, Any]:
    """A document of nobody yet."""
    name = {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{_NAME}"}
    made = {**sheet, "id": _ID, "masterIdentifier": name, "subject": {"reference": f"Patient/{_PATIENT}"}}
    if masked:
        made["securityLabel"] = [{"coding": [{"system": _MASK, "code": "MASQUE_PS"}]}]
    return made


def _copied(house: House, tree: dict[str, Any]) -> _Copied:
    plain = {name: value for name, value in tree.items() if value != []}
    body, stamp = stamped(serialize(plain), plain["id"], 1)
    return _Copied(plain["resourceType"], body, stamp, house.repository().index(plain["resourceType"], plain))


async def _reading(house: House, base: str, role: dict[str, Any], patients: list[str]) -> dict[str, str]:
    """A professional's tokens, one for each patient, who have them in their care team."""
    who = role["practitioner"]["reference"]
    account = Account("bench-doctor", "bench-doctor", "Docteur DEMO", who, roles=(f"PractitionerRole/{role['id']}",))
    await house.authorization.accounts.add(account)
    scope = ("patient/DocumentReference.rs", "patient/Binary.rs")
    await RecordedClients(house.engine.records).add(Client("tool", "Tool", "public", scopes=scope))
    found: dict[str, str] = {}
    for patient in patients:
        team = {
            "resourceType": "CareTeam",
            "id": f"team-{patient}",
            "status": "active",
            "subject": {"reference": f"Patient/{patient}"},
            "participant": [{"member": {"reference": who}}],
        }
        await _put(house, team)
        family = Family(f"bench-{patient}", "tool", account.id, base, scope, patient, account.roles[0], purpose="TREAT")
        await house.authorization.tokens.begin(family, "http://127.0.0.1/x", "", None, house.engine.records.apply)
        found[patient] = await house.authorization.tokens.issue("tool", base, scope, family.id)
    return found


async def _large(house: House) -> list[str]:
    """Scans of the first people's documents."""
    ids = [f"bench-b-{n:08d}" for n in range(LARGE)]
    for n, id in enumerate(ids):
        context = {"reference": f"DocumentReference/bench-d-{n:08d}"}
        body = b"%PDF-1.4\n" + os.urandom(LARGE_BYTES - 15) + b"%%EOF\n"
        tree = {"resourceType": "Binary", "id": id, "contentType": "application/pdf", "securityContext": context}
        await _put(house, {**tree, "data": base64.b64encode(body).decode()})
    return ids
