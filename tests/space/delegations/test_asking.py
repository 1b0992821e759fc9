"""What is asked of delegations amiss: answers that are neither yes nor no, and more names at once than may be given.

Domain file §2.2; https://hl7.org/fhir/R4/operations.html#executing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server.app import House
from fhir_server.space.delegations.matching import MOST
from tests.space.delegations.people import a_house, does, holder, identity, invited


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as found:
        yield found


@pytest.mark.parametrize("said", ["oui", "yes", "1", "TRUE", "true ", "True"])
async def test_what_is_neither_yes_nor_no_refuses_no_invitation(house: House, said: str) -> None:
    made = await invited(house, 0, 1)
    given: dict[str, Any] = {"delegation": made["id"], "accept": said}
    assert await does(house, holder(1), "delegation-answer", "p1", **given) == 400
    (one,) = await does(house, holder(1), "delegations", "p1")
    assert one["status"] == "PENDING"


async def test_of_many_named_at_once_no_more_are_than_one_after_the_other(house: House) -> None:
    asked = (does(house, holder(0), "delegation-match", "p0", **identity(n % 9)) for n in range(4 * MOST))
    found = await asyncio.gather(*asked)
    words = [one[0] for one in found if isinstance(one, list)]
    assert (len(words), found.count(429)) == (MOST, 3 * MOST)
