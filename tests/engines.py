"""The engine that tests keep their data in: the embedded one, one of the tests' own that is far away, or MongoDB.

`FHIR_TEST_STORE=memory` puts the second in its place, `memory:5` with calls that take up to 5 ms each way, and `mongo` the
third: what passes on all relies on nothing but `fhir_server/store/protocol.py`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from fhir_server.store import opening
from fhir_server.store.engine import Engine
from tests import mongod
from tests.store.memory.engine import reopened

LIMITS: dict[str, Any] = {"max_pending": 2_000, "deadline_seconds": 30}
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
    if KIND == "mongo":
        # A database for each place, as a file would be.
        return opening.open_engine(mongod.url_of(Path(url.removeprefix("sqlite:///"))), **{**LIMITS, **limits})
    if KIND == "memory":
        return reopened(url, float(MILLISECONDS or 0) / 1000)
    return opening.open_engine(url, **{**LIMITS, **limits})
