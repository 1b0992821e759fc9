"""https://hl7.org/fhir/R4/codesystem.html: a table becomes a CodeSystem that is asked like any other."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from typer.testing import CliRunner

from fhir_server.app import opened
from fhir_server.cli.terminology import terminology
from fhir_server.settings import Settings

TABLE = """code;display;definition;parent;inactive;display:fr;chapter
A;Alpha;;;;Alphe;I
B;Beta;second;A;oui;;I
C;Gamma;;A|B;;;II
;nameless;;;;;
"""
URL = "http://example.org/letters"


def _run(folder: Path, *given: str) -> tuple[int, str]:
    result = CliRunner().invoke(terminology, ["import", *given, "--data", str(folder)])
    return result.exit_code, result.output


def test_a_table_is_imported_and_asked(tmp_path: Path) -> None:
    (tmp_path / "letters.csv").write_text(TABLE)
    for _ in range(2):
        code, said = _run(tmp_path, str(tmp_path / "letters.csv"), "--url", URL, "--version", "7")
        assert code == 0 and "3 concepts" in said, said

    async def asked() -> None:
        async with opened(Settings(data=tmp_path)) as house:
            known = house.terminology
            assert set(await known.below(URL, "A")) == {(URL, "A"), (URL, "B"), (URL, "C")}
            assert known.subsumes(URL, "B", "C") is True
            system = known.catalogue.system(URL, "7")
            assert system is not None
            found = known.concepts.concept(system.artifact.number, "B")
            assert found is not None and found.inactive and found.extra["definition"] == "second"

    asyncio.run(asked())


def test_what_is_no_code_system_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"resourceType": "Patient"}))
    (tmp_path / "x.csv").write_text("name\nx\n")
    (tmp_path / "ok.csv").write_text("code\nx\n")
    assert _run(tmp_path, str(tmp_path / "x.json"))[0] == 2
    assert _run(tmp_path, str(tmp_path / "x.csv"), "--url", URL)[0] == 2
    assert _run(tmp_path, str(tmp_path / "ok.csv"))[0] == 2
