"""A simulation that is killed: another goes on where it was, and what is there then is as if nobody had been."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.stores import facts_in, lived_in

SCALE, LAST = 800_000.0, "2022-03"


@pytest.mark.parametrize(("times", "processes"), [((2, 6, 13), 1), ((9,), 2)])
def test_who_is_killed_goes_on_to_the_same(tmp_path: Path, times: tuple[int, ...], processes: int) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    asyncio.run(lived_in(whole, SCALE, LAST))
    for dies_at in times:
        command = [sys.executable, "-m", "tests.simulation.killed", str(broken), str(SCALE), LAST]
        done = subprocess.run([*command, str(dies_at), str(processes)], capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
    done_at_last = asyncio.run(lived_in(broken, SCALE, LAST))
    assert done_at_last.refused == []
    assert done_at_last.resources > 0
    assert asyncio.run(facts_in(broken)) == asyncio.run(facts_in(whole))


def test_the_processes_of_who_is_killed_end_too(tmp_path: Path) -> None:
    """Nobody is left to tell them to: each watches the one that started it."""
    script = (
        "import asyncio, os, signal, sys\n"
        "from pathlib import Path\n"
        "from fhir_server.app import opened\n"
        "from fhir_server.loading.pump import preparing\n"
        "from fhir_server.loading.sources import Part\n"
        "from fhir_server.settings import Settings\n"
        "async def main() -> None:\n"
        "    async with opened(Settings(data=Path(sys.argv[1]))) as house, preparing(house, 2) as prepare:\n"
        "        await prepare(Part(b'{\"resourceType\":\"Patient\"}', True, 1, 1, 0), 'key')\n"
        "        import multiprocessing\n"
        "        print(len(multiprocessing.active_children()), flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(main())\n"
    )
    file = tmp_path / "killed_script.py"
    file.write_text(script)
    # They have the pipe of its output: this ends when the last of them has.
    done = subprocess.run([sys.executable, str(file), str(tmp_path)], capture_output=True, check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stdout.split() == [b"2"]
