"""Whoever asks for long work takes turns with the others, whatever the work is: reading a body, a calendar, a document."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from fhir_server.access.grant import Grant
from fhir_server.app import opened
from fhir_server.settings import Settings
from fhir_server.work import beside
from fhir_server.work.beside import EACH, Busy, aside
from tests import engines


@pytest.mark.parametrize("other", [{"client": "another"}, {"subject": "Patient/2"}, {"patient": "2"}], ids=str)
async def test_one_callers_queue_is_not_anothers(tmp_path: Path, other: dict[str, str]) -> None:
    engines.require_files()
    many = Grant(subject="Patient/1", client="app", patient="1")
    one = Grant(**{"subject": "Patient/1", "client": "app", "patient": "1"} | other)
    done: list[str] = []
    async with opened(Settings(store=f"sqlite:///{tmp_path}/fhir.sqlite", data=tmp_path)) as house:
        with beside.opened():

            async def ask(grant: Grant, name: str) -> None:
                await house.seen_by(grant)
                await aside(time.sleep, 0.01)
                done.append(name)

            asked = [asyncio.create_task(ask(many, "many")) for _ in range(4 * EACH)]
            asked.append(asyncio.create_task(ask(one, "one")))
            found = await asyncio.gather(*asked, return_exceptions=True)
    refused = [one for one in found if one is not None]
    assert refused and all(isinstance(one, Busy) for one in refused), "so many of one caller wait, and no more"
    assert "one" in done and done.index("one") < EACH // 2
