"""What one command at a time does to a store: a second says who is at it and changes nothing; a killed one holds up none
for long. `fhir_server/store/leases.py`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fhir_server.app import opened
from fhir_server.settings import Settings
from fhir_server.store.leases import HOLDER, Lease
from tests.server.command import run

#: Command → what else it is given, and what is there when it was done.
COMMANDS: dict[str, tuple[tuple[str, ...], str]] = {
    "reindex": ((), ""),
    "load": (("FILE",), "Patient/p1"),
    "terminology import": (("TABLE", "--url", "http://a.example/codes"), "CodeSystem/a.example-codes"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_second_one_says_who_is_at_it_and_does_nothing(tmp_path: Path, name: str) -> None:
    more, made = COMMANDS[name]
    places = {"FILE": tmp_path / "file.json", "TABLE": tmp_path / "table.csv"}
    places["FILE"].write_text('{"resourceType": "Patient", "id": "p1"}')
    places["TABLE"].write_text("code,display\na,A\n")
    line = [*name.split(), *(str(places.get(one, one)) for one in more), "--data", str(tmp_path / "data")]

    async def arranged() -> None:
        async with opened(Settings(data=tmp_path / "data")) as house:

            async def second() -> bool:
                done = await asyncio.to_thread(run, *line)
                assert done.returncode == 1, done.stdout + done.stderr
                assert f"Another `{name}` is at work" in done.stderr and HOLDER in done.stderr
                return not made or await house.engine.store.read(*made.split("/")) is None

            assert await Lease(house.engine.records, f"command {name}").hold(second)

    asyncio.run(arranged())
    done = run(*line)
    assert done.returncode == 0, done.stdout + done.stderr

    async def there() -> bool:
        async with opened(Settings(data=tmp_path / "data")) as house:
            return not made or await house.engine.store.read(*made.split("/")) is not None

    assert asyncio.run(there())
