"""Running the command line in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.examples import ROOT


def command(*arguments: str | Path) -> list[str]:
    """`fhir-server` with these arguments."""
    return [sys.executable, "-m", "fhir_server.cli.main", *map(str, arguments)]


def environment(**variables: str) -> dict[str, str]:
    """This process's, without settings of the person who runs the tests."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_")}
    return clean | {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1"} | variables


def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command run to its end."""
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, env=environment(**variables), timeout=600, check=False
    )


def until(holds: Callable[[], bool], seconds: float = 240) -> None:
    """Wait until something holds; fail when it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to hold"
        time.sleep(0.02)


def fetched(address: str) -> bytes:
    """The body at an address."""
    with urllib.request.urlopen(address, timeout=120) as answer:
        return bytes(answer.read())
