"""The line of each request: as the settings say, written soon after it, and never lost at a stop."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from fhir_server.http import logs
from fhir_server.settings import Settings


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(logs, "_requests", logs._Requests())
    yield
    structlog.reset_defaults()


def configured(form: Literal["console", "json"], level: Literal["info", "warning"] = "info") -> None:
    logs.configure(Settings(log_format=form, log_level=level))


def a_request() -> None:
    logs.request("abc-1", "GET", "Patient/{id}", "read", 200, 0.00123)


async def test_a_line_for_machines_is_json_and_comes_within_a_moment(capsys: pytest.CaptureFixture[str]) -> None:
    configured("json")
    a_request()
    a_request()
    said = ""
    async with asyncio.timeout(120):
        while said.count("\n") < 2:
            await asyncio.sleep(logs._Requests.LONGEST_WAIT)
            said += capsys.readouterr().err
    first, second = map(json.loads, said.splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", first.pop("timestamp")) and second
    assert first == {
        "part": "http", "request_id": "abc-1", "method": "GET", "path": "Patient/{id}", "interaction": "read",
        "status": 200, "ms": 1.23, "event": "request", "level": "info",
    }  # fmt: skip


async def test_a_line_for_people_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    configured("console")
    a_request()
    logs._requests.flush()
    said = capsys.readouterr().err
    assert "[info     ] request part=http request_id=abc-1 method=GET path=Patient/{id} interaction=read" in said
    assert said.endswith(" status=200 ms=1.23\n")


def test_addresses_that_the_server_asks_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configured("console")
    logging.getLogger("httpx").info("HTTP Request: GET http://idp.example/?code=secret")
    assert "secret" not in capsys.readouterr().err


async def test_many_lines_do_not_wait(capsys: pytest.CaptureFixture[str]) -> None:
    configured("json")
    for _ in range(logs._Requests.MOST):
        a_request()
    assert len(capsys.readouterr().err.splitlines()) == logs._Requests.MOST


async def test_requests_are_not_said_when_only_warnings_are_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    configured("json", "warning")
    a_request()
    logs._requests.flush()
    assert capsys.readouterr().err == ""
