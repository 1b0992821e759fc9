"""Records are found by what they say, without looking through all of them, and those of earlier servers too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from fhir_server.fhir.outcome import Unavailable
from fhir_server.store import registry as registering
from fhir_server.store.protocol import Drop, Keep, Put, Records
from fhir_server.store.registry import BUILT, Registry
from tests.engines import an_engine


@dataclass(frozen=True, slots=True)
class Session:
    """What is kept."""

    account: str
    patient: str | None = None


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    engine = an_engine(tmp_path)
    yield engine.records
    await engine.close()


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registering, "PAGE", 3)


def sessions(records: Records) -> Registry[Session]:
    by = {"account": lambda _, one: one.account, "patient": lambda _, one: one.patient}
    return Registry(records, "session", Session, by, 3_600)


async def kept(records: Records, **accounts: str) -> None:
    for key, account in accounts.items():
        await records.apply(sessions(records).kept(key, Session(account), 3_600))


async def found(records: Records, account: str) -> list[str]:
    return [key async for key, _ in sessions(records).of("account", account)]


async def test_all_of_an_account_are_found_page_by_page_and_no_others(records: Records) -> None:
    mine = {f"s{n}": "anna" for n in range(8)}
    await kept(records, **mine, other="ann", another="anna2")
    assert await found(records, "anna") == sorted(mine)
    assert await found(records, "ann") == ["other"]
    assert await found(records, "nobody") == []


async def test_what_says_nothing_is_found_by_nothing(records: Records) -> None:
    await kept(records, s="anna")
    assert [key async for key, _ in sessions(records).of("patient", "None")] == []
    await records.apply(sessions(records).kept("t", Session("anna", "p1")))
    assert [key async for key, _ in sessions(records).of("patient", "p1")] == ["t"]


async def test_what_is_dropped_is_found_no_more_and_given_once(records: Records) -> None:
    await kept(records, s="anna", t="anna")
    given = await asyncio.gather(*[sessions(records).drop("s") for _ in range(8)])
    assert [one for one in given if one is not None] == [Session("anna")]
    assert await found(records, "anna") == ["t"]
    assert len(await records.list("session by account")) == 1


async def test_all_may_be_dropped_while_they_are_found(records: Records) -> None:
    await kept(records, **{f"s{n}": "anna" for n in range(10)})
    async for key, _ in sessions(records).of("account", "anna"):
        await sessions(records).drop(key)
    assert await found(records, "anna") == []
    assert [key async for key, _ in sessions(records).everything()] == []


async def test_a_row_that_leads_to_nothing_does_no_harm(records: Records) -> None:
    await kept(records, s="anna", t="anna")
    # As by a server that died in the middle of a drop, or by a record that expired first.
    await records.take("session", "s")
    assert await found(records, "anna") == ["t"]


async def by_an_earlier_server(records: Records, **accounts: str) -> None:
    for key, account in accounts.items():
        await records.put("session", key, msgspec.json.encode(Session(account)))


async def test_what_an_earlier_server_kept_is_found_and_looked_through_once(records: Records) -> None:
    await by_an_earlier_server(records, **{f"s{n}": "anna" for n in range(7)}, other="bert")
    await kept(records, new="anna")
    assert await found(records, "anna") == ["new", *(f"s{n}" for n in range(7))]
    assert await records.get(BUILT, "session by account") is not None
    await by_an_earlier_server(records, late="anna")
    assert "late" not in await found(records, "anna")


async def test_looking_through_that_was_cut_short_is_done_again(records: Records) -> None:
    await by_an_earlier_server(records, **{f"s{n}": "anna" for n in range(7)})

    class Failing:
        """Records that fail at the second write."""

        def __init__(self) -> None:
            self.writes = 0

        def __getattr__(self, name: str) -> object:
            return getattr(records, name)

        async def apply(self, changes: list[Keep | Drop], appended: Sequence[Put] = ()) -> bool:
            self.writes += 1
            if self.writes == 2:
                raise Unavailable("The store is locked.")
            return await records.apply(changes, appended)

    with pytest.raises(Unavailable):
        await found(Failing(), "anna")  # type: ignore[arg-type]
    assert await found(records, "anna") == [f"s{n}" for n in range(7)]
