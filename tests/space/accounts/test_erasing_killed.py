"""A process that is killed with -9 in the middle of erasing, again and again: whoever comes next ends it, once.

CSP R1111-36; `fhir_server/space/accounts/erasing`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fhir_server.audit.verifying import verify
from fhir_server.space.accounts.erasing.erasing import ERASING, Erasing
from tests import engines
from tests.access.test_rules import seen
from tests.space.accounts.erasing_scene import (
    LATER,
    MINE,
    OTHERS,
    SOFTWARE,
    P,
    Q,
    a_house,
    a_life,
    closed,
    everything_of,
    scoured,
    where,
)


@pytest.mark.parametrize("steps", [(1, 2, 4), (5, 9), (12, 7)])
async def test_whoever_is_killed_is_gone_on_from(tmp_path: Path, steps: tuple[int, ...]) -> None:
    engines.require_files()
    async with a_house(tmp_path) as house:
        await a_life(house, P, MINE)
        await a_life(house, Q, OTHERS)
        before = await everything_of(house, Q)
        await closed(house, P)
    died = 0
    for count in steps:
        command = [sys.executable, "-m", "tests.space.accounts.killed", str(tmp_path), str(count)]
        ended = subprocess.run(command, capture_output=True, timeout=60, check=False)  # noqa: ASYNC221
        assert ended.returncode in (0, -signal.SIGKILL), ended.stderr.decode()[-2_000:]
        died += ended.returncode == -signal.SIGKILL
    assert died
    async with a_house(tmp_path) as house:
        erasing = Erasing(house.services)
        await erasing.run(LATER)
        await scoured(house)
        assert where(tmp_path, MINE) == []
        assert await erasing.kept_of(P) is not None
        assert len(erasing.ledger.lines()) == 1
        assert await house.engine.records.get(ERASING, P) is None
        assert (await verify(house.engine)).broken == ""
        assert (await everything_of(house, Q), await seen(house, SOFTWARE, f"Patient/{P}")) == (before, 404)
        assert [one async for one in house.engine.maintenance.check()] == []  # type: ignore[union-attr]
