"""A space whose time has come is erased: all that is theirs, from every file, and nothing of anybody else.

CSP R1111-36 (deletion within three months of asking; ten years after closing), GDPR art. 17. What is planted stands in
every way in: resources and their past versions, content, traces, records.
"""

from __future__ import annotations

import asyncio
import json
import os
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import Grant, Scope
from fhir_server.app import House, opened
from fhir_server.audit.verifying import verify
from fhir_server.interactions.audited import audited
from fhir_server.interactions.exchange import Request
from fhir_server.settings import Settings
from fhir_server.smart.people.accounts import Account, Accounts
from fhir_server.space.accounts import moving
from fhir_server.space.accounts.erasing import belongings
from fhir_server.space.accounts.erasing.erasing import ERASED, ERASING, Erasing
from fhir_server.space.accounts.moving import Asked
from fhir_server.store.blobs.collecting import collected
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.protocol import Keep
from tests import engines
from tests.access.test_rules import ask, seen

BASE = "http://127.0.0.1/fhir"
MINE, OTHERS = "7vw3kq0zx5mine", "1hf8bn2ty9other"
P, Q = "p4kd82hs01", "q93jd7al20"
SOFTWARE = Grant((Scope("system", "*", frozenset("cruds")),), client="hospital", traced=True)
HOLDER = Grant((Scope("user", "*", frozenset("cruds")),), subject=f"Patient/{P}", patient=P, client="app", traced=True)
NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=93)


@asynccontextmanager
async def a_house(folder: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=folder, base_url=BASE)) as found:
        yield found


async def sent(house: House, method: str, url: str, tree: dict[str, Any] | None = None, by: Grant = SOFTWARE) -> Any:
    """As `ask`, and traced."""
    path, _, query = url.partition("?")
    pairs = tuple(tuple(one.split("=", 1)) for one in query.split("&")) if query else ()
    body = json.dumps(tree).encode() if tree else b""
    request = Request(method, tuple(path.split("/")), pairs, body, "application/fhir+json")  # type: ignore[arg-type]
    context = house.context_of(await house.seen_by(by, BASE), BASE, True, "representation", "")
    response = await audited(request, context)
    return json.loads(response.body) if response.body else response.status


def a_patient(id: str, mark: str) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": id,
        "active": True,
        "birthDate": "1980-01-01",
        "name": [{"family": f"family{mark}", "given": [f"given{mark}"]}],
        "identifier": [{"system": "urn:oid:1.2.250.1.213.1.4.11", "value": f"ins{mark}"}],
        "telecom": [{"system": "email", "value": f"{mark}@example.org"}],
        "address": [{"text": f"address{mark}"}],
    }


def an_observation(patient: str, id: str, mark: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"text": f"code{mark}", "coding": [{"system": "http://example.org/codes", "code": f"c{mark}"}]},
        "subject": {"reference": f"Patient/{patient}", "display": f"display{mark}"},
        "note": [{"text": f"note{mark} " * 30}],
        "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">narrative{mark}</div>'},
        **more,
    }


async def a_life(house: House, patient: str, mark: str) -> None:
    """Somebody's space as it was used: versions, deletions, content long and short, traces, an account, records."""
    refers = {"reference": f"Patient/{patient}"}
    await sent(house, "PUT", f"Patient/{patient}", a_patient(patient, f"old{mark}"))
    await sent(house, "PUT", f"Patient/{patient}", a_patient(patient, mark))
    for turn in range(3):
        await sent(house, "PUT", f"Observation/{patient}o", an_observation(patient, f"{patient}o", f"{turn}{mark}"))
    await sent(house, "PUT", f"Observation/{patient}gone", an_observation(patient, f"{patient}gone", mark))
    await sent(house, "DELETE", f"Observation/{patient}gone")
    for size in (3, 4_000):
        data = b64encode(f"content{mark}".encode() * size).decode()
        binary = {"resourceType": "Binary", "contentType": "text/plain", "securityContext": refers, "data": data}
        await sent(house, "PUT", f"Binary/{patient}b{size}", {**binary, "id": f"{patient}b{size}"})
    await sent(house, "PUT", f"Basic/{patient}x", {"resourceType": "Basic", "id": f"{patient}x", "code": {"text": mark}, "subject": refers})  # fmt: skip
    await sent(house, "PUT", f"RelatedPerson/{patient}r", {"resourceType": "RelatedPerson", "id": f"{patient}r", "patient": refers, "name": [{"text": mark}]})  # fmt: skip
    await sent(house, "GET", f"Observation?subject=Patient/{patient}&code:text=code{mark}")
    await sent(house, "GET", f"Patient/{patient}", by=replace(HOLDER, subject=f"Patient/{patient}", patient=patient))
    account = Account(f"{patient}account", f"login{mark}", f"name{mark}", f"Patient/{patient}")
    await Accounts(house.engine.records).add(account)
    kept = [
        Keep("session", f"s{mark}", json.dumps({"account": account.id, "seen": mark}).encode()),
        Keep("notice-due", f"202601010000 Patient/{patient}", mark.encode()),
        Keep("outbox", f"n{mark}", json.dumps({"to": f"{mark}@example.org", "text": mark}).encode()),
        Keep("at-hand", f"Patient/{patient}", mark.encode()),
        Keep("agenda-prevention", patient, mark.encode()),
        Keep("access", f"digest{patient[:2]}", json.dumps({"patient": patient, "subject": "Practitioner/d"}).encode()),
    ]
    await house.engine.records.apply(kept)


async def closed(house: House, patient: str) -> None:
    own = house.repository()
    for event in ("close", "ask-deletion"):
        await moving.move(own, patient, Asked(event, "holder", NOW - timedelta(minutes=1)))  # type: ignore[arg-type]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    engines.require_files()
    async with a_house(tmp_path) as found:
        await a_life(found, P, MINE)
        await a_life(found, Q, OTHERS)
        parent = an_observation(Q, "measured", f"child{OTHERS}", performer=[{"reference": f"Patient/{P}"}])
        await sent(found, "PUT", "Observation/measured", parent)
        yield found


def where(folder: Path, *marks: str) -> list[str]:
    """The files of a data folder that say one of these."""
    files = [one for one in folder.rglob("*") if one.is_file()]
    return sorted({one.name for one in files for mark in marks if mark.encode() in one.read_bytes()})


def aged(folder: Path) -> None:
    """All content came two hours ago."""
    for path in folder.rglob("*"):
        if path.is_file() and "blobs" in str(path):
            os.utime(path, (path.stat().st_mtime - 7_200,) * 2)


async def scoured(house: House) -> None:
    """What the hourly look at content does two hours later, and the next turns of the job."""
    aged(house.settings.data)
    await collected(house.engine.store, house.engine.records, house.blobs, datetime.now(UTC))
    for _ in range(100):
        if await house.engine.store.scour():
            return


async def everything_of(house: House, patient: str) -> int:
    return len((await house.repository().history(belongings.scope_of(patient))).versions)


async def test_of_an_erased_space_no_file_says_anything_and_of_others_all_is_there(
    house: House, tmp_path: Path
) -> None:
    assert len(where(tmp_path, MINE, P)) >= 2
    before = await everything_of(house, Q)
    await closed(house, P)
    assert await Erasing(house.services).run(LATER) == 1
    await scoured(house)
    assert where(tmp_path, MINE, f"Patient/{P}/", f"{P}o") == []
    left = [one for one in await house.engine.records.sweep(None, 5_000) if P in one[1] or P.encode() in one[2]]
    assert left == []
    assert before == await everything_of(house, Q) > 5
    for url in (f"Patient/{P}", f"Observation/{P}o", f"Observation/{P}o/_history/1", f"Observation/{P}gone"):
        assert await ask(house, SOFTWARE, "GET", url) == 404
    assert await seen(house, SOFTWARE, f"Observation?subject=Patient/{Q}") == {f"{Q}o", "measured"}
    assert await seen(house, SOFTWARE, f"AuditEvent?patient=Patient/{P}") == set()
    assert (await sent(house, "GET", f"Binary/{Q}b4000"))["data"]
    assert await Accounts(house.engine.records).by_login(f"login{MINE}") is None
    assert await Accounts(house.engine.records).by_login(f"login{OTHERS}") is not None
    assert {kind for kind, key, _ in await house.engine.records.sweep(None, 1_000) if OTHERS in key} >= {"session"}
    assert [one async for one in house.engine.maintenance.check()] == []  # type: ignore[union-attr]
    assert [one async for one in house.content_defects()] == []


async def test_what_stays_says_when_and_why_and_of_nobody(house: House) -> None:
    await closed(house, P)
    erasing = Erasing(house.services)
    await erasing.run(LATER)
    kept = await erasing.kept_of(P)
    assert kept is not None
    assert (kept.why, kept.erased) == ("its holder asked for it", f"{LATER:%Y-%m-%d}")
    assert kept.resources > 5 and kept.traces > 5
    assert await erasing.kept_of(Q) is None
    found = await verify(house.engine)
    assert (found.broken, found.erased) == ("", kept.traces)


async def test_nothing_is_erased_before_its_time_or_once_it_was_taken_back(house: House) -> None:
    await closed(house, P)
    erasing = Erasing(house.services)
    assert await erasing.run(NOW + timedelta(days=80)) == 0
    await moving.move(house.repository(), P, Asked("cancel-deletion", "holder", NOW))
    assert await erasing.run(LATER) == 0
    await moving.move(house.repository(), P, Asked("ask-deletion", "holder", NOW))
    await moving.move(house.repository(), P, Asked("reopen", "holder", NOW))
    assert await erasing.run(LATER) == 0
    assert await seen(house, SOFTWARE, f"Patient/{P}") == P
    assert not erasing.ledger.lines()


@pytest.mark.parametrize("years", [9, 10])
async def test_a_closed_space_is_kept_for_ten_years(house: House, years: int) -> None:
    await moving.move(house.repository(), P, Asked("close", "holder", NOW))
    assert await Erasing(house.services).run(NOW + timedelta(days=365 * years + 3)) == (years == 10)


class Killed(Exception):
    """As if the process had died."""


@pytest.mark.parametrize("calls", [1, 2, 3, 4])
async def test_what_was_begun_is_ended_by_who_comes_next(house: House, tmp_path: Path, calls: int) -> None:
    await closed(house, P)
    dying = Erasing(house.services)
    left = calls

    class Purging:
        async def purge(self, *args: Any) -> int:
            nonlocal left
            left -= 1
            if not left:
                raise Killed
            return await house.engine.store.purge(*args)

        async def scour(self) -> bool:
            return True

    class Around:
        purging = Purging()

        def __getattr__(self, name: str) -> Any:
            return getattr(house.services, name)

    dying.around = Around()  # type: ignore[assignment]
    with pytest.raises(Killed):
        await dying.run(LATER)
        await dying.run(LATER)
        raise Killed
    # There is no way back.
    with pytest.raises(Exception, match="cannot happen"):
        await moving.move(house.repository(), P, Asked("reopen", "holder", NOW))
    erasing = Erasing(house.services)
    await erasing.run(LATER)
    await scoured(house)
    assert where(tmp_path, MINE) == []
    assert len(erasing.ledger.lines()) == 1
    assert await house.engine.records.get(ERASING, P) is None
    assert (await verify(house.engine)).broken == ""


async def test_two_who_erase_at_once_do_it_once(house: House, tmp_path: Path) -> None:
    await closed(house, P)
    await asyncio.gather(*[Erasing(house.services).run(LATER) for _ in range(2)])
    await scoured(house)
    assert where(tmp_path, MINE) == []
    assert (await verify(house.engine)).broken == ""
    kept = [one for one in await house.engine.records.sweep(None, 5_000) if one[0] == ERASED]
    assert len(kept) <= 2


async def test_a_shared_appointment_stays_for_the_others(house: House) -> None:
    both = [{"actor": {"reference": f"Patient/{one}"}, "status": "accepted"} for one in (P, Q)]
    shared = {"resourceType": "Appointment", "id": "shared", "status": "proposed", "participant": both}
    await sent(house, "PUT", "Appointment/shared", shared)
    await sent(house, "PUT", "Appointment/alone", {**shared, "id": "alone", "participant": both[:1]})
    await closed(house, P)
    await Erasing(house.services).run(LATER)
    assert await seen(house, SOFTWARE, "Appointment") == {"shared"}
    found = await ask(house, SOFTWARE, "GET", "Appointment/shared")
    assert [one["actor"]["reference"] for one in found["participant"]] == [f"Patient/{Q}"]


async def test_a_copy_made_before_is_erased_again_before_it_is_served(tmp_path: Path) -> None:
    engines.require_files()
    data = tmp_path / "data"
    async with a_house(data) as house:
        await a_life(house, P, MINE)
        await a_life(house, Q, OTHERS)
        await house.engine.maintenance.backup(tmp_path / "copy.sqlite")  # type: ignore[union-attr]
        await house.blobs.copy(tmp_path / "copy.blobs")
        await closed(house, P)
        await Erasing(house.services).run(LATER)
    for end in ("-wal", "-shm"):
        (data / f"fhir.sqlite{end}").unlink(missing_ok=True)
    (tmp_path / "copy.sqlite").replace(data / "fhir.sqlite")
    async with a_house(data) as house:
        assert await ask(house, SOFTWARE, "GET", f"Patient/{P}") == 404
        assert await seen(house, SOFTWARE, f"Patient/{Q}") == Q
        kept = await Erasing(house.services).kept_of(P)
        assert kept is not None and "copy" in kept.why
        await scoured(house)
        assert [name for name in where(data, MINE) if "sqlite" in name] == []
    async with a_house(data) as house:
        # Whoever is made under the same id since is somebody else.
        await sent(house, "PUT", f"Patient/{P}", a_patient(P, OTHERS))
        await house.engine.records.apply([Keep(ERASED, "list", b"1")])
    async with a_house(data) as house:
        assert await seen(house, SOFTWARE, f"Patient/{P}") == P
        assert len((await house.repository().history({"Patient": EVERYTHING}, P)).versions) == 1
