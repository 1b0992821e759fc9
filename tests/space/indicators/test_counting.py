"""The counts of the space, kept as things are committed, counted from scratch, and counted again in plain Python.

Definitions: the national feeding figures (documents by month and sector of the author, persons with a document), TRE_R02
for sectors, https://hl7.org/fhir/R4/documentreference.html for what a status means.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import Grant
from fhir_server.access.touched import Touched
from fhir_server.app import House, opened
from fhir_server.audit.erasures import telling
from fhir_server.audit.exchanges import exchange_event
from fhir_server.audit.recording import record
from fhir_server.settings import Settings
from fhir_server.space.accounts.life import Life, to_basic
from fhir_server.space.indicators.counting import MARK, cells, generation
from fhir_server.space.indicators.facts import FACTS, FORMAT
from fhir_server.space.indicators.recounting import Indicators
from fhir_server.space.indicators.sectors import SECTORS, sector
from fhir_server.space.messages.model import CATEGORY, CLOSED
from tests.server.people import kept
from tests.space.record.callers import document

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
Tree = dict[str, Any]


def filed(id: str, patient: str, facility: str, type: str, date: str, *labels: str, **more: Any) -> Tree:
    """A document of a patient, from a place of that kind."""
    about = {"facilityType": {"coding": [{"code": facility}]}}
    return document(id, *labels, patient=patient, type={"coding": [{"code": type}]}, date=date, context=about, **more)


def person(id: str, **more: Any) -> Tree:
    return {"resourceType": "Patient", "id": id, "birthDate": "1970-01-01", **more}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path, base_url="https://fhir.example/fhir")) as found:
        yield found


async def shown(house: House) -> dict[str, dict[tuple[str, ...], int]]:
    """Fact → its cells, as they are kept."""
    return {fact: await cells(house.engine.records, fact) for fact in FACTS}


async def count(house: House) -> int:
    [job] = [one for one in house.services.jobs() if one.name == "indicators"]
    return await job.run(NOW)


async def delete(house: House, type: str, id: str) -> None:
    repository = house.repository()
    version = await repository.current(type, id)
    assert version is not None
    await repository.transact([await repository.delete(version)])


@pytest.mark.parametrize(
    ("facility", "type", "category", "found"),
    [
        *((code, "11502-2", "", "biology") for code in ("SA25", "SA29", "SA59")),
        *((code, "", "", "hospital") for code in ("SA01", "SA02", "SA03", "SA04", "SA36", "SA12", "SA34")),
        *((code, "", "", "community") for code in ("SA05", "SA07", "SA08", "SA09", "SA52", "SA50", "SA64")),
        *((code, "", "", "pharmacy") for code in ("SA33", "SA38", "SA39", "SA65")),
        *((code, "", "", "care-home") for code in ("SA16", "SA17", "SA18", "SA20", "SA21", "SA41")),
        # Imaging is what the town files of it: a hospital's is the hospital's.
        ("SA09", "18748-4", "", "radiology"),
        ("SA07", "", "31", "radiology"),
        ("SA01", "18748-4", "31", "hospital"),
        ("SA24", "", "", "insurance"),
        ("EXP_PATIENT", "DOCPAT04", "31", "patient"),
        ("SNR", "", "", "app"),
        ("SA99", "", "", "other"),
        ("", "18748-4", "", "other"),
    ],
)
def test_a_sector_is_where_the_author_works(facility: str, type: str, category: str, found: str) -> None:
    assert sector(facility, type, category) == found
    assert found in SECTORS


JUNE, JULY = "2026-06-15T10:00:00+02:00", "2026-07-15T10:00:00+02:00"
ONE = filed("d", "p", "SA25", "11502-2", JUNE)


@pytest.mark.parametrize(
    ("after", "documents", "fed"),
    [
        (None, {}, {}),
        (ONE, {("2026-06", "biology", "current"): 1}, {("ever",): 1, ("2026-06",): 1}),
        ({**ONE, "status": "superseded"}, {("2026-06", "biology", "replaced"): 1}, {("ever",): 1, ("2026-06",): 1}),
        ({**ONE, "status": "entered-in-error"}, {}, {}),
        (
            filed("d", "p", "SA25", "11502-2", JUNE, "MASQUE_PS"),
            {("2026-06", "biology", "masked"): 1},
            {("ever",): 1, ("2026-06",): 1},
        ),
        (filed("d", "q", "SA01", "x", JULY), {("2026-07", "hospital", "current"): 1}, {("ever",): 1, ("2026-07",): 1}),
        # What a person files themself does not feed their record.
        (filed("d", "p", "EXP_PATIENT", "x", JULY), {("2026-07", "patient", "current"): 1}, {}),
        # The month is of Paris, and the one that the document says.
        (
            filed("d", "p", "SA25", "x", "2026-06-30T23:30:00Z"),
            {("2026-07", "biology", "current"): 1},
            {("ever",): 1, ("2026-07",): 1},
        ),
    ],
)
async def test_what_changes_moves_the_counts_it_was_in(
    house: House, after: Tree | None, documents: dict[tuple[str, ...], int], fed: dict[tuple[str, ...], int]
) -> None:
    await kept(house, person("p"), person("q"))
    await count(house)
    await kept(house, ONE)
    await count(house)
    if after is None:
        await delete(house, "DocumentReference", "d")
    else:
        await kept(house, after)
    await count(house)
    found = await shown(house)
    assert (found["documents"], found["fed"]) == (documents, fed)


async def test_a_person_is_counted_once_and_by_no_name(house: House) -> None:
    await kept(house, person("p"), person("q"))
    await count(house)
    await kept(house, *(filed(f"d{n}", "p", "SA25", "11502-2", JUNE) for n in range(3)))
    await kept(house, filed("e", "q", "SA01", "x", JUNE))
    await count(house)
    assert (await shown(house))["fed"] == {("ever",): 2, ("2026-06",): 2}
    marks = await house.engine.records.list(MARK)
    assert len(marks) == 4 and not any("Patient" in key or key.endswith(("|p", "|q")) for key, _ in marks)
    await delete(house, "DocumentReference", "d0")
    await delete(house, "DocumentReference", "e")
    await count(house)
    assert (await shown(house))["fed"] == {("ever",): 1, ("2026-06",): 1}


async def trace(house: House, subject: str, status: int = 200, purpose: Any = None, *, own: bool = True) -> None:
    """What the trace says of somebody who opened a document of p, made by this server or sent by somebody."""
    noted = Touched(noting=True)
    noted.patients["Patient/p"] = None
    noted.objects = {"DocumentReference/d/_history/1": ("Patient/p",)}
    grant = Grant(subject=subject, purpose=purpose)
    tree = exchange_event(grant, noted, "read", "DocumentReference", status, "https://fhir.example/fhir")
    tree["recorded"] = "2026-06-30T23:30:00Z"
    await (record(house.repository(), [tree]) if own else kept(house, {**tree, "id": "x"}))


async def test_accesses_are_counted_by_who_came(house: House) -> None:
    await kept(house, person("p"))
    await count(house)
    for _ in range(2):
        await trace(house, "Patient/p")
    await trace(house, "RelatedPerson/r")
    await trace(house, "Practitioner/d")
    await trace(house, "Practitioner/d", purpose="BTG")
    await trace(house, "Practitioner/d", 403)
    # Anybody's word is no access.
    await trace(house, "Practitioner/other", own=False)
    await count(house)
    expected = {
        "reads": {
            ("2026-07", "patient", "opened"): 2,
            ("2026-07", "close", "opened"): 1,
            ("2026-07", "professional", "opened"): 1,
            ("2026-07", "professional", "emergency"): 1,
            ("2026-07", "professional", "refused"): 1,
        },
        "users": {("2026-07",): 2, ("2026-W27",): 2},
        "read": {("2026-07",): 1},
    }
    assert {fact: (await shown(house))[fact] for fact in expected} == expected
    await Indicators(house.services).recount(NOW)
    assert {fact: (await shown(house))[fact] for fact in expected} == expected


FACILITIES = {"SA25": "biology", "SA01": "hospital", "SA07": "community", "EXP_PATIENT": "patient"}


def plain(there: dict[tuple[str, str], Tree]) -> dict[str, dict[tuple[str, ...], int]]:
    """The same counts in plain Python, from all that is there."""
    found: dict[str, Counter[tuple[str, ...]]] = {fact: Counter() for fact in FACTS}
    once: set[tuple[str, str, str]] = set()
    for (type, _), tree in there.items():
        if type == "Patient":
            found["births"]["1970",] += 1
            found["patients"]["open", tree.get("address", [{"postalCode": ""}])[0]["postalCode"][:2]] += 1
        elif type == "Basic":
            found["lives"][tree["extension"][0]["valueCode"], "2026-06"] += 1
        elif type != "DocumentReference":
            _exchanged(type, tree, found, once)
        elif tree["status"] != "entered-in-error":
            place = FACILITIES[tree["context"]["facilityType"]["coding"][0]["code"]]
            state = "replaced" if tree["status"] == "superseded" else "masked" if "securityLabel" in tree else "current"
            month, by = tree["date"][:7], "patient" if place == "patient" else "professional"
            found["documents"][month, place, state] += 1
            found["types"][month, tree["type"]["coding"][0]["code"], by] += 1
            if by == "professional":
                once |= {("fed", one, tree["subject"]["reference"]) for one in ("ever", month)}
            if place == "hospital" and "custodian" in tree:
                once.add(("houses", month, tree["custodian"]["reference"]))
    for fact, month, _ in once:
        found[fact][month,] += 1
    return {fact: dict(one) for fact, one in found.items()}


def _exchanged(
    type: str, tree: Tree, found: dict[str, Counter[tuple[str, ...]]], once: set[tuple[str, str, str]]
) -> None:
    if type == "Communication" and tree["status"] == "completed":
        side = "patient" if tree["sender"]["reference"].startswith("Patient") else "professional"
        found["messages"][tree["sent"][:7], "end" if "extension" in tree else side] += 1
        thread = tree["partOf"][0]["reference"] if "partOf" in tree else f"Communication/{tree['id']}"
        once.add(("threads", tree["sent"][:7], thread))
    elif type == "Appointment":
        found["appointments"][tree["start"][:7], tree["status"]] += 1
    elif type == "Observation" and tree["performer"][0]["reference"].startswith("Patient"):
        found["measures"][tree["effectiveDateTime"][:7],] += 1
        once.add(("measured", "ever", tree["subject"]["reference"]))


def invented(rng: random.Random) -> Tree:
    """Some resource, of few ids, so that most of them have versions."""
    kind, id = rng.randrange(12), str(rng.randrange(6))
    if kind == 0:
        return person(f"p{id[-1:]}", **({"address": [{"postalCode": "75001"}]} if rng.random() < 0.5 else {}))
    if kind == 1:
        state: Any = rng.choice(("open", "activated"))
        at = datetime(2026, 6, 3, tzinfo=UTC)
        return to_basic(Life(f"p{id}", state, at, "activate", at, "holder"))
    date = rng.choice((JUNE, JULY))
    if kind in (2, 3, 4):
        return exchanged(rng, kind, id, date)
    labels = ("MASQUE_PS",) if rng.random() < 0.3 else ()
    status = rng.choice(("current", "current", "superseded", "entered-in-error"))
    facility, type = rng.choice(list(FACILITIES)), rng.choice(("11502-2", "57833-6"))
    more = {"custodian": {"reference": f"Organization/{rng.randrange(2)}"}} if rng.random() < 0.7 else {}
    return filed(id, f"p{rng.randrange(6)}", facility, type, date, *labels, status=status, **more)


def exchanged(rng: random.Random, kind: int, id: str, date: str) -> Tree:
    """A message, an appointment or a measure."""
    patient, doctor = {"reference": f"Patient/p{rng.randrange(6)}"}, {"reference": "Practitioner/d"}
    if kind == 2:
        sender = rng.choice((patient, doctor))
        ends = [{"url": CLOSED, "valueBoolean": True}] if rng.random() < 0.2 else []
        return {
            **{"resourceType": "Communication", "id": id, "category": [CATEGORY], "subject": patient, "sent": date},
            **{"status": rng.choice(("completed", "preparation")), "sender": sender, "recipient": [doctor]},
            **({"extension": ends} if ends else {}),
            **({"partOf": [{"reference": f"Communication/{rng.randrange(6)}"}]} if rng.random() < 0.5 else {}),
        }
    if kind == 3:
        status = rng.choice(("booked", "cancelled", "noshow"))
        return {"resourceType": "Appointment", "id": id, "status": status, "start": date}
    by = rng.choice((patient, doctor))
    said = {"resourceType": "Observation", "id": id, "status": "final", "subject": patient, "performer": [by]}
    return {**said, "effectiveDateTime": date}


class History:
    """What is there after random writes."""

    def __init__(self, house: House, seed: int) -> None:
        self.house = house
        self.rng = random.Random(seed)
        self.there: dict[tuple[str, str], Tree] = {}

    async def steps(self, many: int) -> None:
        for _ in range(many):
            await self.step()

    async def step(self) -> None:
        if self.there and self.rng.random() < 0.2:
            key = self.rng.choice(sorted(self.there))
            await delete(self.house, *key)
            del self.there[key]
        else:
            tree = invented(self.rng)
            await kept(self.house, tree)
            self.there[tree["resourceType"], tree["id"]] = tree


@pytest.mark.parametrize("seed", range(4))
async def test_followed_recounted_and_counted_by_hand_are_the_same(house: House, seed: int) -> None:
    history = History(house, seed)
    for number in range(60):
        await history.step()
        if history.rng.random() < 0.2:
            await count(house)
        if number == 30:
            # While others write: what is committed meanwhile is counted once, whenever the walk came by.
            await asyncio.gather(Indicators(house.services).recount(NOW), history.steps(5))
    await count(house)
    followed = await shown(house)
    assert followed == plain(history.there)
    await Indicators(house.services).recount(NOW)
    assert await shown(house) == followed


async def test_what_was_there_before_anything_was_counted_is_counted_first(house: House) -> None:
    await kept(house, person("p"), ONE)
    assert await generation(house.engine.records) is None
    await count(house)
    assert (await shown(house))["documents"] == {("2026-06", "biology", "current"): 1}
    now = await generation(house.engine.records)
    assert now is not None and (now.number, now.format) == (1, FORMAT)
    await count(house)
    assert await generation(house.engine.records) == now


ERASED = Life("q", "erased", NOW, "due", NOW, "clock")


@pytest.mark.parametrize("by", ["the trace that tells of it", "the life of the space"])
async def test_what_was_erased_in_all_versions_is_counted_until_a_week_is_over(house: House, by: str) -> None:
    await kept(house, person("p"), person("q"), ONE, filed("e", "q", "SA01", "x", JUNE))
    await Indicators(house.services).recount(NOW)
    await delete(house, "DocumentReference", "d")
    # Before the job hears of it, nothing of it is left: it hears that something was erased.
    if by == "the life of the space":
        await kept(house, to_basic(ERASED))
    else:
        await record(house.repository(), [telling("https://fhir.example/fhir", 1)])
    assert await house.engine.store.purge([("DocumentReference", "d")])
    indicators = Indicators(house.services)
    await indicators.count(NOW)
    both = {("2026-06", "biology", "current"): 1, ("2026-06", "hospital", "current"): 1}
    assert (await shown(house))["documents"] == both
    await indicators.count(NOW + timedelta(days=6))
    assert (await shown(house))["documents"] == both
    await indicators.count(NOW + timedelta(days=8))
    assert (await shown(house))["documents"] == {("2026-06", "hospital", "current"): 1}
    now = await generation(house.engine.records)
    await indicators.count(NOW + timedelta(days=30))
    assert await generation(house.engine.records) == now
