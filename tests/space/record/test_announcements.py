"""Patients are asked to consult the professional after two weeks, and told of a document after a month: CSP R1111-53."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from fhir_server.app import House, opened
from fhir_server.fhir.dates import moment
from fhir_server.fhir.json import instant
from fhir_server.settings import Settings
from fhir_server.space.record.announcements import visible_between
from fhir_server.space.record.invisible import VISIBLE_FROM, a_month_after, hidden_since
from tests.space.record.callers import Caller, Tree, document, grant, labelled

LINK = "https://fhir.example/mon-dossier"
AUTHOR = grant("Practitioner/author")
MINUTES, DAYS, WEEKS = (timedelta(**{unit: 1}) for unit in ("minutes", "days", "weeks"))
CONSULT, VISIBLE = "Pensez à consulter votre professionnel de santé", "Un document est disponible"
PHONE = [{"system": "phone", "value": "0199000000"}]


def patient(id: str = "a", **more: Any) -> Tree:
    email = [{"system": "email", "value": f"{id}@example.org"}]
    return {"resourceType": "Patient", "id": id, "birthDate": "1970-01-01", "telecom": email, **more}


def hidden(id: str, start: datetime, *codes: str, of: str = "a", **more: Any) -> Tree:
    """A document that was made invisible at an instant, as an export says it."""
    said = {"url": VISIBLE_FROM, "valueInstant": instant(int(a_month_after(start).timestamp() * 1000))}
    first, *rest = labelled("INVISIBLE_PATIENT", *codes)
    return document(id, patient=of) | more | {"securityLabel": [{"extension": [said]} | first, *rest]}


class Space:
    """A store, and what its jobs send as the clock is moved."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house, self.folder = house, folder
        self.put = Caller(house).put

    async def sent(self, at: datetime) -> list[tuple[str, str]]:
        """(address, subject) of each message that the jobs send at an instant."""
        outbox = self.folder / "outbox"
        known = set(outbox.glob("*.eml"))
        await self.house.clock(lambda: at).as_of_now()
        messages = [message_from_bytes(one.read_bytes(), policy=default) for one in set(outbox.glob("*.eml")) - known]
        for one in messages:
            # The way out of it is encrypted, and may have any letters.
            text = re.sub(r"/notifications/arret/\S+", "", one.get_content())  # type: ignore[attr-defined]
            assert (LINK in text) == str(one["Subject"]).startswith(VISIBLE)
            said = f"{one['Subject']} {text}"
            assert not any(word in said for word in ("Patient/", "Binary/", "DocumentReference", "d1", "DEMO"))
        return sorted((str(one["To"]), str(one["Subject"])) for one in messages)


@pytest.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with opened(Settings(data=tmp_path, base_url="https://fhir.example/fhir", notices_quiet="")) as house:
        found = Space(house, tmp_path)
        await found.put(patient())
        yield found


CONSULTED = [("a@example.org", CONSULT)]
SEEN = [("a@example.org", "Un document est disponible dans votre espace santé")]


async def test_each_is_told_once_as_the_clock_goes_on(space: Space) -> None:
    begun = moment((await space.put(document("d1", "INVISIBLE_PATIENT")))["meta"]["lastUpdated"])
    start = datetime.fromtimestamp(begun / 1_000_000, UTC)
    month = a_month_after(start)
    told = [
        (start, []),
        (start + 2 * WEEKS - MINUTES, []),
        (start + 2 * WEEKS, CONSULTED),
        (start + 2 * WEEKS + DAYS, []),
        (month - 2 * MINUTES, []),
        (month + MINUTES, SEEN),
        (month + DAYS, []),
        (month + 400 * DAYS, []),
    ]
    assert [(at, await space.sent(at)) for at, _ in told] == told
    # And nobody's hand was on the document.
    tree = (await Caller(space.house)("GET", "DocumentReference/d1")).json
    assert tree["meta"]["versionId"] == "1"


async def test_what_is_said_and_what_is_seen_are_of_the_same_minute(space: Space) -> None:
    start = datetime(2026, 3, 2, 9, 30, 20, tzinfo=UTC)
    await space.put(hidden("d1", start))
    at = a_month_after(start)
    assert await space.sent(at - DAYS) == CONSULTED
    assert await space.sent(at.replace(second=50)) == [], "the rule hides it until the next minute"
    assert await space.sent((at + MINUTES).replace(second=0)) == SEEN


async def test_a_lot_is_told_of_in_one_notice_and_another_day_in_another(space: Space) -> None:
    start = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    for number in range(3):
        await space.put(hidden(f"d{number}", start + timedelta(seconds=number + 1)))
    await space.put(hidden("d9", start + DAYS))
    assert await space.sent(start + 2 * WEEKS + MINUTES) == CONSULTED
    assert await space.sent(start + 2 * WEEKS + DAYS) == CONSULTED
    assert await space.sent(a_month_after(start) + MINUTES) == SEEN
    assert await space.sent(a_month_after(start) + DAYS + MINUTES) == SEEN


async def test_the_reminder_of_a_worker_that_was_away_comes_late_until_the_document_is_there(space: Space) -> None:
    start = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    await space.put(hidden("d1", start))
    assert await space.sent(a_month_after(start) - DAYS) == CONSULTED
    assert await space.sent(a_month_after(start) + 6 * DAYS) == SEEN


async def test_documents_of_long_ago_are_announced_no_more(space: Space) -> None:
    start = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    await space.put(hidden("d1", start))
    assert await space.sent(a_month_after(start) + 8 * DAYS) == []


START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


async def nothing(space: Space) -> None:
    """Nothing happens to it."""


async def unlabelled(space: Space) -> None:
    await space.put(document("d1", "N"))


async def deleted(space: Space) -> None:
    await space.put(hidden("d1", START, status="entered-in-error"))


async def replaced(space: Space) -> None:
    await space.put(hidden("d1", START, status="superseded"))


async def closed(space: Space) -> None:
    await space.put(patient(active=False))


async def dead(space: Space) -> None:
    await space.put(patient(deceasedBoolean=True))


async def without_address(space: Space) -> None:
    await space.put(patient(telecom=PHONE))


async def minor(space: Space) -> None:
    await space.put(patient(birthDate="2015-01-01"))


async def kept_from_representatives(space: Space) -> None:
    await space.put(patient(birthDate="2015-01-01"))
    await space.put(hidden("d1", START, "INVISIBLE_REPRESENTANTS_LEGAUX"))


async def grown(space: Space) -> None:
    await space.put(hidden("d1", START, "INVISIBLE_REPRESENTANTS_LEGAUX"))


async def named_by_address(space: Space) -> None:
    await space.put(hidden("d1", START, subject={"reference": "https://fhir.example/fhir/Patient/a"}))


async def of_nobody_here(space: Space) -> None:
    await space.put(hidden("d1", START, subject={"identifier": {"system": "urn:ins", "value": "1"}}))


async def masked(space: Space) -> None:
    await space.put(hidden("d1", START, "MASQUE_PS"))


@pytest.mark.parametrize(
    "happens, is_told",
    [
        (nothing, True),
        (unlabelled, False),
        (deleted, False),
        (replaced, False),
        (closed, False),
        (dead, False),
        (without_address, False),
        (minor, True),
        (kept_from_representatives, False),
        (grown, True),
        (masked, True),
        (named_by_address, True),
        (of_nobody_here, False),
    ],
)
async def test_who_is_told_of_it_and_nobody_keeps_others_from_it(space: Space, happens: Any, is_told: bool) -> None:
    await space.put(hidden("d1", START))
    await space.put(patient("z"))
    await space.put(hidden("other", START, of="z"))
    await happens(space)
    for at, told in ((START + 2 * WEEKS + DAYS, CONSULTED), (a_month_after(START) + DAYS, SEEN)):
        others = [("z@example.org", subject) for _, subject in told]
        assert await space.sent(at) == ([*told, *others] if is_told else others)


async def test_a_label_that_is_put_on_again_tells_nobody_again(space: Space) -> None:
    first = await space.put(document("d1", "INVISIBLE_PATIENT"))
    start = datetime.fromtimestamp(moment(first["meta"]["lastUpdated"]) / 1_000_000, UTC)
    assert await space.sent(start + 2 * WEEKS) == CONSULTED
    await space.put(document("d1", "N"))
    assert await space.sent(start + 2 * WEEKS + DAYS) == []
    await space.put(document("d1", "INVISIBLE_PATIENT"))
    assert await space.sent(start + 2 * WEEKS + 2 * DAYS) == []
    assert await space.sent(a_month_after(start) + DAYS) == SEEN


async def test_an_address_that_comes_late_is_written_to_in_time(space: Space) -> None:
    await space.put(patient(telecom=PHONE))
    await space.put(hidden("d1", START))
    assert await space.sent(START + 2 * WEEKS) == []
    await space.put(patient())
    assert await space.sent(START + 2 * WEEKS + DAYS) == CONSULTED


async def test_a_server_that_is_opened_again_tells_no_more(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, base_url="https://fhir.example/fhir", notices_quiet="")
    for expected in (CONSULTED, []):
        async with opened(settings) as house:
            space = Space(house, tmp_path)
            await space.put(patient())
            await space.put(hidden("d1", START))
            assert await space.sent(START + 2 * WEEKS + DAYS) == expected


@pytest.mark.parametrize(
    "start, latest",
    [
        ("2026-01-15T10:00:00+01:00", "2026-01-15T10:00:00+01:00"),
        # Four days of January end their month with February: the last of them.
        ("2026-01-28T10:00:00+01:00", "2026-01-31T10:00:00+01:00"),
        ("2026-01-31T10:00:00+01:00", "2026-01-31T10:00:00+01:00"),
        ("2026-02-28T10:00:00+01:00", "2026-02-28T10:00:00+01:00"),
        ("2026-12-31T23:30:00+01:00", "2026-12-31T23:30:00+01:00"),
        ("2026-03-15T10:00:00+01:00", "2026-03-15T10:00:00+01:00"),
    ],
)
def test_when_a_document_was_hidden_is_told_by_when_it_is_visible(start: str, latest: str) -> None:
    visible = int(a_month_after(datetime.fromisoformat(start)).timestamp() * 1_000_000)
    assert hidden_since(visible) == moment(latest)


async def test_due_documents_are_found_by_the_index_however_many_others_there_are(space: Space) -> None:
    for number in range(60):
        await space.put(document(f"n{number}"))
    await space.put(hidden("d1", START))
    visible = int(a_month_after(START).timestamp() * 1_000_000)
    plan = await space.house.engine.store.explain({"DocumentReference": visible_between(visible, visible)})
    assert plan[0].startswith("DocumentReference: 1 candidates by index span"), plan
