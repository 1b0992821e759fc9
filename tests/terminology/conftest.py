from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server.changes.engine import followed
from fhir_server.changes.follower import Follower
from fhir_server.interactions.exchange import Context
from fhir_server.search.parameters.registry import Registry
from fhir_server.settings import Settings
from fhir_server.store.embedded.concepts import EmbeddedConcepts
from fhir_server.store.engine import Engine
from fhir_server.terminology.service import Terminology
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator
from tests.engines import an_engine
from tests.server.calls import Server


class Speaking(Server):
    """A server that knows what codes mean."""

    def __init__(self, engine: Engine, terminology: Terminology) -> None:
        super().__init__(engine, Settings(), Registry())
        self.terminology = terminology
        self.validator = Validator(Profiles(), codes=terminology)

    def context(self, **changed: Any) -> Context:
        return super().context(**{"terminology": self.terminology, "validator": self.validator, **changed})

    async def said(self, url: str, body: Any = None) -> dict[str, Any]:
        """Parameters of an answer by name; a parameter that may repeat as a list of its parts by name."""
        answer = await (self.get(url) if body is None else self.post(url, body))
        assert answer.status == 200, answer.json
        found: dict[str, Any] = {}
        for row in answer.json.get("parameter", ()):
            if "part" in row:
                parts = {part["name"]: _value(part) for part in row["part"]}
                found.setdefault(row["name"], []).append(parts)
            else:
                found[row["name"]] = _value(row)
        return found

    async def codes_of(self, url: str, body: Any = None) -> list[str]:
        """The codes of an expansion, in order."""
        answer = await (self.get(url) if body is None else self.post(url, body))
        assert answer.status == 200, answer.json
        return [row["code"] for row in answer.json["expansion"].get("contains", ())]


def _value(row: dict[str, Any]) -> Any:
    return next((value for key, value in row.items() if key.startswith("value")), None)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """R4's own concepts, made ready once for all tests."""
    folder = tmp_path_factory.mktemp("concepts")

    async def prepare() -> None:
        engine = an_engine(folder)
        terminology = Terminology(lambda: EmbeddedConcepts(folder / "concepts.sqlite"), engine.store, Follower(engine))
        await terminology.refresh()
        terminology.library.close()
        await engine.close()

    asyncio.run(prepare())
    return folder / "concepts.sqlite"


@pytest.fixture
async def server(tmp_path: Path, prepared: Path) -> AsyncIterator[Speaking]:
    shutil.copy(prepared, tmp_path / "concepts.sqlite")
    engine, follower = followed(an_engine(tmp_path))
    terminology = Terminology(lambda: EmbeddedConcepts(tmp_path / "concepts.sqlite"), engine.store, follower)
    try:
        yield Speaking(engine, terminology)
    finally:
        terminology.library.close()
        await engine.close()
