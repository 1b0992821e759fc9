"""Accounts are found by whom they act for, as delegations begin and end, and in stores of earlier servers too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from fhir_server.smart.people.accounts import Account, Accounts
from fhir_server.store.protocol import Records
from tests.engines import an_engine

PARENT = Account("p", "parent", "Pat EXEMPLE", "RelatedPerson/p", wards=("child",))


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    engine = an_engine(tmp_path)
    yield engine.records
    await engine.close()


async def acting(records: Records, patient: str) -> list[str]:
    return [one.id for one in await Accounts(records).acting_for(patient)]


async def test_who_acts_is_found_from_the_first_day_to_the_last(records: Records) -> None:
    accounts = Accounts(records)
    assert await accounts.add(PARENT)
    assert await acting(records, "child") == ["p"]
    both = await accounts.revise(PARENT, replace(PARENT, wards=("child", "other")))
    assert await acting(records, "other") == ["p"]
    await accounts.revise(both, replace(both, wards=("other",)))
    assert (await acting(records, "child"), await acting(records, "other")) == ([], ["p"])


async def test_accounts_of_an_earlier_server_are_found_too(records: Records) -> None:
    await records.put("account", "p", msgspec.json.encode(PARENT))
    assert await acting(records, "child") == ["p"]


async def test_a_patient_whose_id_begins_alike_is_another(records: Records) -> None:
    await Accounts(records).add(replace(PARENT, wards=("child2",)))
    assert await acting(records, "child") == []
