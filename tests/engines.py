"""The engine that tests keep their data in: the embedded one, or one of the tests' own that is far away.

`FHIR_TEST_STORE=memory` puts the latter in its place, `memory:5` with calls that take up to 5 ms each way: what passes on
both relies on nothing but `fhir_server/store/protocol.py`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from fhir_server.store import opening
from fhir_server.store.engine import Engine
from tests.store.memory.engine import reopened

KIND, _, MILLISECONDS = os.environ.get("FHIR_TEST_STORE", "embedded").partition(":")


def require_files() -> None:
    """Skip a test of a server in a process of its own: what is in this one's memory is not there."""
    if KIND != "embedded":
        pytest.skip("a server in a process of its own keeps its data in a file")


def an_engine(folder: Path, name: str = "fhir.sqlite") -> Engine:
    """The engine of a store in `folder`, with what was left in it."""
    return at(f"sqlite:///{folder / name}")


def at(url: str, **limits: Any) -> Engine:
    """The engine of a store's URL: what a server opens, as `store.opening.open_engine`."""
    if KIND == "memory":
        return reopened(url, float(MILLISECONDS or 0) / 1000)
    return opening.open_engine(url, **{"max_pending": 2_000, "deadline_seconds": 30, **limits})
