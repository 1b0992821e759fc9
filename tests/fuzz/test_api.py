"""Every operation that `/openapi.json` describes, asked at random: the answer is one FHIR allows, and never a failure.

https://spec.openapis.org/oas/v3.1.0, https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok

from fhir_server.fhir.json import parse
from fhir_server.http import openapi
from tests.server.whole import whole

#: One of each kind: the record, a large search surface, content of its own, bundles, and what changes searching itself.
TYPES = ("Patient", "Observation", "Binary", "Bundle", "SearchParameter", "Composition")
CASES = 120
OUTCOME = "OperationOutcome"


@pytest.mark.parametrize("type", [None, *TYPES])
def test_whatever_is_asked_is_answered_or_refused_with_an_outcome(type: str | None, tmp_path: Path) -> None:
    described = schemathesis.openapi.from_dict(parse(openapi.document(type or TYPES[0])) if type else _system())
    operations = [found.ok() for found in described.get_all_operations() if isinstance(found, Ok)]
    with asyncio.Runner() as runner:
        server = whole(tmp_path)
        client = runner.run(server.__aenter__())

        @settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.sampled_from(operations).flatmap(lambda operation: operation.as_strategy()))
        def ask(case: schemathesis.Case[Any]) -> None:
            runner.run(_held(client, case))

        try:
            ask()
        finally:
            runner.run(server.__aexit__(None, None, None))


def _system() -> dict[str, Any]:
    """What the description says of the whole system, without the types."""
    whole_description = parse(openapi.document())
    paths = {path: item for path, item in whole_description["paths"].items() if not path[1:2].isupper()}
    return {**whole_description, "paths": paths}


async def _held(client: httpx.AsyncClient, case: schemathesis.Case[Any]) -> None:
    sent = requests.Request(**case.as_transport_kwargs(base_url="http://fhir.test/fhir")).prepare()
    body = sent.body.encode() if isinstance(sent.body, str) else sent.body
    assert sent.method is not None and sent.url is not None and isinstance(body, bytes | None)
    answer = await client.request(sent.method, sent.url, content=body, headers=_headers(sent))
    assert answer.status_code < 500, (sent.method, sent.url, answer.text)
    if answer.status_code >= 400:
        assert OUTCOME in answer.text or "text/html" in answer.headers["content-type"], (sent.method, sent.url)


def _headers(sent: requests.PreparedRequest) -> list[tuple[bytes, bytes]]:
    return [(_raw(name), _raw(value)) for name, value in sent.headers.items()]


def _raw(text: str | bytes) -> bytes:
    return text.encode("latin-1", "replace") if isinstance(text, str) else text
