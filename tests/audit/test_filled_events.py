"""Traces that are filled into what was made of earlier ones say, and are found by, what they would if made anew.

https://hl7.org/fhir/R4/auditevent.html, https://hl7.org/fhir/R4/search.html; CSP R1111-43.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import Grant
from fhir_server.access.party import Named, Party
from fhir_server.access.repository import Repository
from fhir_server.access.touched import Touched
from fhir_server.app import House, opened
from fhir_server.audit.exchanges import exchange_event
from fhir_server.audit.filled_events import MOST_THINGS, PLACE, exchange_puts
from fhir_server.audit.recording import WITNESSED
from fhir_server.fhir.definitions import SearchParameter
from fhir_server.fhir.json import PLACEHOLDER, instant, parse
from fhir_server.search.indexing.extract import extract
from fhir_server.settings import Settings
from fhir_server.store.filters import Index, Word
from fhir_server.store.protocol import Put

BASE = "https://own.example/fhir"
PARTY = Party(Named("Practitioner/d", "Zoé DEMO"), None, Named("Organization/o", "Cabinet"))
GRANTS = {
    "a patient": (Grant(subject="Patient/1", client="app", patient="1", purpose="PATRQT"), None),
    "a professional": (Grant(subject="Practitioner/d", client="tool", role="PractitionerRole/r"), PARTY),
    "an emergency": (
        Grant(subject="Practitioner/d", client="tool", purpose="BTG", reason='100 % "sûr"\n%b %s 2000-01-01'), PARTY,
    ),
    "who knows what stands for instants": (
        Grant(subject="Practitioner/d", client="tool", purpose="BTG", reason="2000-01-01T00:00:00.000Z"), PARTY,
    ),
    "software": (Grant(client="lab"), None),
}  # fmt: skip
#: What is touched → whose it is: what fits, and what does not.
TOUCHED: dict[str, dict[str, tuple[str, ...]]] = {
    "a document": {"DocumentReference/a.b-C/_history/12": ("Patient/1",)},
    "another document": {"DocumentReference/0/_history/1": ("Patient/1",)},
    "a document of another patient": {"DocumentReference/2/_history/1": ("Patient/2",)},
    "an observation": {"Observation/1/_history/3": ("Patient/1",)},
    "what is nobody's": {"Location/1/_history/1": ()},
    "what several are named by": {"Observation/2/_history/1": ("Patient/1", "Patient/2")},
    "the patient": {"Patient/1/_history/3": ("Patient/1",)},
    "who reads": {"Practitioner/d/_history/1": ()},
    "two documents": {f"DocumentReference/{n}/_history/1": ("Patient/1",) for n in range(2)},
    "two others": {f"DocumentReference/{'1' * n}/_history/{n}": ("Patient/1",) for n in (2, 1)},
    "a lot": {f"{kind}/a/_history/1": ("Patient/1",) for kind in ("List", "DocumentReference", "Binary")},
    "another lot": {f"{kind}/00b/_history/1": ("Patient/1",) for kind in ("List", "DocumentReference", "Binary")},
    "a lot in another order": {f"{kind}/c/_history/1": ("Patient/1",) for kind in ("Binary", "List")},
    "a lot that is nobody's": {f"{kind}/d/_history/2": () for kind in ("List", "DocumentReference")},
    "a lot that supersedes": {
        "List/e/_history/1": ("Patient/1",),
        "DocumentReference/e/_history/1": ("Patient/1",),
        "DocumentReference/f/_history/7": ("Patient/1",),
    },
    "documents and their patient": {
        "DocumentReference/g/_history/1": ("Patient/1",),
        "Patient/1/_history/3": ("Patient/1",),
    },
    "two versions": {f"DocumentReference/h/_history/{n}": ("Patient/1",) for n in (1, 2)},
    "as many as there are places": {f"DocumentReference/{n}/_history/{n}": ("Patient/1",) for n in range(MOST_THINGS)},
    "one more": {f"DocumentReference/{n}/_history/{n}": ("Patient/1",) for n in range(MOST_THINGS + 1)},
    "several patients'": {f"DocumentReference/{n}/_history/1": (f"Patient/{n % 2}",) for n in range(5)},
    "a document and more": {"DocumentReference/3/_history/1": ("Patient/1",), "List/3/_history/1": ("Patient/1",)},
    "nothing": {},
}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path, base_url=BASE)) as found:
        yield found


def touched(what: str) -> Touched:
    found = Touched(noting=True)
    found.objects = dict(TOUCHED[what])
    found.patients = {patient: None for patients in TOUCHED[what].values() for patient in patients}
    return found


def seen_by(house: House, grant: Grant, party: Party | None) -> Repository:
    repository = house.repository(grant, BASE)
    repository.touched.party = party
    return repository


def rows(index: Index) -> tuple[Any, ...]:
    return set(index.words), set(index.spans), index.narrative, set(index.content.split())


def whole(repository: Repository, part: Touched, interaction: str, status: int, put: Put) -> dict[str, Any]:
    at = datetime.fromisoformat(parse(put.body)["recorded"])
    return exchange_event(
        repository.grant, part, interaction, "List", status, BASE, repository.touched.party, at
    )  # fmt: skip


@pytest.mark.parametrize("who", GRANTS)
@pytest.mark.parametrize(("interaction", "status"), [("read", 200), ("search-type", 403), ("$everything", 500)])
async def test_what_is_filled_in_is_what_would_be_made(house: House, who: str, interaction: str, status: int) -> None:
    repository = seen_by(house, *GRANTS[who])
    # Twice: what was made of the first of its kind is there for the second, whatever came between.
    for what, _ in product(TOUCHED, range(2)):
        parts = touched(what).apart()
        puts = list(exchange_puts(repository, touched(what), interaction, "List", status, BASE))
        assert len(puts) == len(parts)
        for part, put in zip(parts, puts, strict=True):
            told = parse(put.body)
            meta = {"versionId": "1", "lastUpdated": PLACEHOLDER}
            expected = whole(repository, part, interaction, status, put)
            assert told == {"resourceType": "AuditEvent", "id": put.id, "meta": meta, **expected}
            assert put.body[put.stamp : put.stamp + 24] == PLACEHOLDER.encode()
            found = extract("AuditEvent", expected, repository.registry, BASE)
            made = Index((*found.words, Word(WITNESSED, "1")), found.spans, found.narrative, found.content)
            assert rows(put.index) == rows(made)
            assert len(put.index.words) == len(set(put.index.words))


#: What was touched before, and after → how often an event was made that others are filled into.
FORMS = {
    ("a document", "another document"): 1,
    ("two documents", "two others"): 1,
    ("a lot", "another lot"): 1,
    ("a lot", "a lot that is nobody's"): 2,
    ("a lot", "a document"): 2,
    ("as many as there are places", "as many as there are places"): 1,
    ("one more", "one more"): 0,
    ("two versions", "documents and their patient"): 0,
    ("several patients'", "several patients'"): 2,
}


@pytest.mark.parametrize("what", FORMS)
async def test_one_is_made_for_all_that_are_alike(house: House, what: tuple[str, str]) -> None:
    repository = seen_by(house, *GRANTS["software"])
    for one in what:
        assert list(exchange_puts(repository, touched(one), "transaction", None, 200, BASE))
    assert len(repository.registry.compiled.get(PLACE, ())) == FORMS[what]


async def test_each_has_its_own_id_and_instant(house: House) -> None:
    repository = seen_by(house, *GRANTS["a patient"])
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    asked = [exchange_puts(repository, touched("a document"), "read", "List", 200, BASE) for _ in range(4)]
    puts = [put for some in asked for put in some]
    assert len({put.id for put in puts}) == len(puts)
    for put in puts:
        recorded = parse(put.body)["recorded"]
        assert before <= datetime.fromisoformat(recorded) <= datetime.now(UTC)
        assert recorded == instant(int(datetime.fromisoformat(recorded).timestamp() * 1000 + 0.5))


async def test_a_parameter_that_is_added_counts_for_what_was_made_before(house: House) -> None:
    repository = seen_by(house, *GRANTS["a patient"])
    for _ in range(2):
        list(exchange_puts(repository, touched("a document"), "read", "List", 200, BASE))
    expression = "AuditEvent.entity.first().what.reference.length().toString()"
    repository.registry.activate(
        SearchParameter("https://own.example/p", "long", "string", ("AuditEvent",), expression=expression)
    )
    for what in ("a document", "another document"):
        (put,) = exchange_puts(repository, touched(what), "read", "List", 200, BASE)
        length = str(len(next(iter(TOUCHED[what]))))
        assert [word.value for word in put.index.words if word.param == "long"] == [length]
