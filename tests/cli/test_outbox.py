"""`fhir-server outbox`: what could not be sent is seen without whom it was for, and tried again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from typer.testing import CliRunner

from fhir_server.app import opened
from fhir_server.cli.main import app
from fhir_server.jobs.outbox import Notice
from fhir_server.settings import Settings


def asked(folder: Path, *arguments: str) -> str:
    answer = CliRunner().invoke(app, ["outbox", *arguments, "--data", str(folder)])
    assert answer.exit_code == 0, answer.output
    return answer.output


def test_what_was_given_up_is_listed_without_its_address_and_sent_when_it_is_tried_again(tmp_path: Path) -> None:
    async def arranged() -> None:
        async with opened(Settings(data=tmp_path)) as house:
            for number in range(2):
                key = f"notice/{number}"
                dead = Notice(key, "secret@example.org", "Bonjour", "Texte", 11, failed="SMTPDataError", since=1)
                await house.engine.records.put("outbox-dead", key, msgspec.json.encode(dead))

    asyncio.run(arranged())
    listed = asked(tmp_path, "list")
    assert "notice/0  email  11  SMTPDataError  1970-01-01" in listed and "secret" not in listed
    assert asked(tmp_path, "retry", "notice/0").strip() == "1"
    assert asked(tmp_path, "retry", "notice/0").strip() == "0"
    assert asked(tmp_path, "retry").strip() == "1"
    assert asked(tmp_path, "list") == ""
    assert CliRunner().invoke(app, ["jobs", "run", "--data", str(tmp_path)]).exit_code == 0
    assert len(list((tmp_path / "outbox").glob("*.eml"))) == 2
