"""What indicators count, as Measures. https://hl7.org/fhir/R4/measure.html, https://hl7.org/fhir/R4/measurereport.html"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import OPEN, Grant, Scope
from fhir_server.app import House, opened
from fhir_server.fhir.outcome import FhirError
from fhir_server.interactions.exchange import Request
from fhir_server.settings import Settings
from fhir_server.space.indicators import measures, reach
from fhir_server.space.indicators.definitions import INDICATORS
from fhir_server.space.indicators.reach import MEASURE
from fhir_server.space.indicators.recounting import Indicators
from fhir_server.space.indicators.telling import table
from tests.server.people import kept
from tests.space.indicators.test_counting import filed, person

PUBLIC = [one for one in INDICATORS if one.public]
MANAGER = Grant((Scope("user", "*", frozenset("cruds")),), subject="Practitioner/d", client="x")
JSON = "application/fhir+json"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path)) as found:
        month = f"{datetime.now(UTC):%Y-%m}"
        many = (filed(f"h{n}", "p1", "SA01", "11490-0", f"{month}-10T10:00:00Z") for n in range(30))
        await kept(found, *(person(f"p{n}") for n in range(20)), *many)
        await Indicators(found.services).recount(datetime.now(UTC))
        yield found


async def asked(house: House, grant: Grant, method: str, *path: str, **more: Any) -> tuple[int, Any]:
    try:
        answer = await house.services.exchange(Request(method, path, **more), grant)
    except FhirError as refused:
        return refused.status, refused.issues
    return answer.status, json.loads(answer.body or b"null")


async def test_everybody_reads_and_finds_what_each_indicator_counts(house: House) -> None:
    nobody = Grant(reach.PUBLIC)
    status, found = await asked(house, nobody, "GET", "Measure", query=(("_count", "100"), ("status", "active")))
    assert status == 200
    assert {one["resource"]["url"] for one in found["entry"]} == {f"{MEASURE}{one.code}" for one in PUBLIC}
    for one in PUBLIC:
        status, tree = await asked(house, nobody, "GET", "Measure", one.code)
        assert (status, tree["title"]) == (200, one.title[0])
        assert one.definition[0] in tree["description"]
    staff = next(one for one in INDICATORS if not one.public)
    assert (await asked(house, nobody, "GET", "Measure", staff.code))[0] == 404


async def test_measures_and_their_reports_are_valid(house: House) -> None:
    async def issues(tree: Any) -> list[Any]:
        parameters = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": tree}]}
        body, type = json.dumps(parameters).encode(), tree["resourceType"]
        _, said = await asked(house, OPEN, "POST", type, "$validate", body=body, content_type=JSON)
        return [one for one in said["issue"] if one["severity"] in ("error", "fatal")]

    for one in PUBLIC:
        _, tree = await asked(house, OPEN, "GET", "Measure", one.code)
        assert await issues(tree) == [], one.code
        made = await table(house.engine.records, one, datetime.now(UTC))
        query = (("periodStart", made.first.isoformat()), ("periodEnd", made.last.isoformat()))
        status, report = await asked(house, OPEN, "GET", "Measure", one.code, "$evaluate-measure", query=query)
        assert (status, report["measure"]) == (200, tree["url"])
        assert await issues(report) == [], one.code


async def test_the_operation_is_posted_as_well(house: House) -> None:
    made = await table(house.engine.records, PUBLIC[0], datetime.now(UTC))
    named = {"periodStart": made.first.isoformat(), "periodEnd": made.last.isoformat()}
    rows = [{"name": name, "valueDate": day} for name, day in named.items()]
    rows.append({"name": "measure", "valueString": f"{MEASURE}{PUBLIC[0].code}"})
    body = json.dumps({"resourceType": "Parameters", "parameter": rows}).encode()
    status, report = await asked(house, OPEN, "POST", "Measure", "$evaluate-measure", body=body, content_type=JSON)
    assert (status, report["resourceType"], report["type"]) == (200, "MeasureReport", "summary")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_nobody_changes_them(house: House, method: str) -> None:
    code = PUBLIC[0].code
    _, tree = await asked(house, OPEN, "GET", "Measure", code)
    body = json.dumps({**tree, "title": "Autre"}).encode() if method == "PUT" else b""
    assert (await asked(house, MANAGER, method, "Measure", code, body=body, content_type=JSON))[0] == 403
    assert (await asked(house, OPEN, "GET", "Measure", code))[1] == tree


async def test_what_is_kept_is_written_once_and_again_where_it_is_otherwise(house: House) -> None:
    assert await measures.keep(house.repository()) == 0
    await kept(house, {**measures.to_measure(PUBLIC[0]), "title": "Autre"})
    assert await measures.keep(house.repository()) == 1
