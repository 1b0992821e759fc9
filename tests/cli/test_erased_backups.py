"""A backup made before somebody was erased does not bring them back, whichever list of who was erased is at hand.

`fhir-server backup`, `restore` and `space erased`; CSP R1111-36, GDPR art. 17.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fhir_server.cli.main import app
from fhir_server.space.accounts.erasing.erasing import Erasing
from tests import engines
from tests.space.accounts.erasing_scene import LATER, MINE, OTHERS, P, Q, a_house, a_life, closed


def run(data: Path, *words: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, [*words, "--data", str(data)])
    return found.exit_code, found.output


async def _used(data: Path) -> None:
    async with a_house(data) as house:
        await a_life(house, P, MINE)
        await a_life(house, Q, OTHERS)
        await closed(house, P)


async def _erased(data: Path) -> None:
    async with a_house(data) as house:
        await Erasing(house.services).run(LATER)


@pytest.mark.parametrize("list_", ["of the data folder", "named", "none"])
def test_a_backup_of_before_is_erased_again(tmp_path: Path, list_: str) -> None:
    engines.require_files()
    data, old, young = tmp_path / "data", tmp_path / "old.sqlite", tmp_path / "young.sqlite"
    asyncio.run(_used(data))
    assert run(data, "backup", str(old))[0] == 0
    asyncio.run(_erased(data))
    assert run(data, "backup", str(young))[0] == 0
    more = []
    if list_ != "of the data folder":
        # Another machine, which has the two backups.
        shutil.rmtree(data)
    if list_ == "named":
        more = ["--erasures", f"{young}.erasures"]
    code, said = run(data, "restore", str(old), "--force", *more)
    assert code == 0, said
    code, said = run(data, "space", "erased", P)
    if list_ == "none":
        # Nothing tells of it: who it has is back, as SECURITY.md says.
        assert (code, run(data, "space", "show", P)[1].split()[0]) == (1, "closed")
    else:
        assert code == 0 and "copy of the store" in said
        assert run(data, "space", "show", P)[0] == 1
    assert run(data, "space", "show", Q)[1].strip() == "open"


def test_a_list_of_another_store_is_refused(tmp_path: Path) -> None:
    engines.require_files()
    for name in ("here", "there"):
        asyncio.run(_used(tmp_path / name))
        assert run(tmp_path / name, "backup", str(tmp_path / f"{name}.sqlite"))[0] == 0
        asyncio.run(_erased(tmp_path / name))
    strange = str(tmp_path / "there" / "erasures")
    code, said = run(tmp_path / "here", "restore", str(tmp_path / "here.sqlite"), "--force", "--erasures", strange)
    assert code == 1 and "different stores" in said
