"""A store that is looked after with its own tools: the commands that would do it say so, and end with 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fhir_server import app as house
from fhir_server.cli.main import app
from tests.store.memory.engine import MemoryEngine


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check"], "This kind of store is looked through with its own tools."),
        (["backup", "{}/copy.sqlite"], "This kind of store is copied with its own tools."),
    ],
)
def test_what_a_store_does_not_offer_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.setattr(house, "open_engine", lambda *_, **__: MemoryEngine())
    monkeypatch.chdir(tmp_path)
    given = [one.format(tmp_path) for one in arguments]
    done = CliRunner().invoke(app, [*given, "--data", str(tmp_path / "data"), "--store", "far://away/fhir"])
    assert (done.exit_code, done.stderr.strip()) == (2, said)
    # Neither a copy, nor a folder that is called as the store is.
    assert list(tmp_path.iterdir()) == []
