"""An indicator as a MeasureReport. https://hl7.org/fhir/R4/measure-operation-evaluate-measure.html, measurereport.html"""

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
from fhir_server.space.indicators.definitions import BY_CODE, INDICATORS
from fhir_server.space.indicators.indicator import Indicator
from fhir_server.space.indicators.reach import MEASURE
from fhir_server.space.indicators.recounting import Indicators
from fhir_server.space.indicators.tables import months_before
from fhir_server.space.indicators.telling import table
from fhir_server.space.paris import PARIS
from tests.server.people import kept
from tests.space.indicators.test_counting import filed, person

READS = (Scope("user", "MeasureReport", frozenset("rs")),)
#: Who asks → what they are answered of a public indicator, and of one for staff.
CALLERS: dict[str, tuple[Grant, int, int]] = {
    "open": (OPEN, 200, 200),
    "administrator": (Grant(READS, subject="Person/a", client="x", duties=frozenset({"administrator"})), 200, 200),
    "publisher": (Grant(READS, subject="Person/p", client="x", duties=frozenset({"publisher"})), 200, 404),
    "professional": (Grant(READS, subject="Practitioner/d", client="x"), 200, 404),
    "patient": (
        Grant((Scope("patient", "*", frozenset("rs")),), subject="Patient/p1", client="x", patient="p1"),
        200,
        404,
    ),
    "operator": (Grant((Scope("system", "*", frozenset("cruds")),), client="x"), 200, 200),
    "app": (Grant((Scope("system", "*", frozenset("cruds")),), client="x", referenced=True), 200, 404),
    "elsewhere": (
        Grant((Scope("user", "Observation", frozenset("rs")),), subject="Practitioner/d", client="x"),
        403,
        403,
    ),
}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path)) as found:
        month = months_before(datetime.now(UTC).astimezone(PARIS).date())[-1]
        await kept(found, *(person(f"p{n}") for n in range(20)))
        many = (filed(f"h{n}", "p1", "SA01", "11490-0", f"{month}-10T10:00:00Z") for n in range(30))
        few = (filed(f"f{n}", "p1", "SA33", "57833-6", f"{month}-10T10:00:00Z") for n in range(3))
        more = (filed(f"c{n}", "p1", "SA07", "57833-6", f"{month}-10T10:00:00Z") for n in range(14))
        await kept(found, *many, *few, *more)
        await Indicators(found.services).recount(datetime.now(UTC))
        yield found


async def asked(house: House, grant: Grant, one: Indicator, **more: str) -> tuple[int, Any]:
    """Status and resource of a GET, of the period that is published where none is given."""
    made = await table(house.engine.records, one, datetime.now(UTC))
    period = {"periodStart": made.first.isoformat(), "periodEnd": made.last.isoformat()}
    given = {**period, "measure": f"{MEASURE}{one.code}", **more}
    query = tuple((name, value) for name, value in given.items() if value)
    request = Request("GET", ("Measure", "$evaluate-measure"), query=query)
    try:
        answer = await house.services.exchange(request, grant)
    except FhirError as error:
        return error.status, error.issues[0]
    return answer.status, json.loads(answer.body)


@pytest.mark.parametrize("caller", CALLERS)
async def test_who_is_told_what(house: House, caller: str) -> None:
    grant, public, staff = CALLERS[caller]
    assert (await asked(house, grant, BY_CODE["documents"]))[0] == public
    assert (await asked(house, grant, BY_CODE["unusual-accesses"]))[0] == staff


async def test_each_report_is_a_valid_resource_and_tells_the_table(house: House) -> None:
    for code, one in BY_CODE.items():
        _, tree = await asked(house, OPEN, one)
        checked = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": tree}]}
        body = json.dumps(checked).encode()
        request = Request("POST", ("MeasureReport", "$validate"), body=body, content_type="application/fhir+json")
        outcome = json.loads((await house.services.exchange(request, OPEN)).body)
        assert not [issue for issue in outcome["issue"] if issue["severity"] in ("error", "fatal")], (code, outcome)
        made = await table(house.engine.records, one, datetime.now(UTC))
        strata = [s for group in tree["group"] for row in group.get("stratifier", ()) for s in row["stratum"]]
        counts = [s["population"][0].get("count") for s in strata]
        assert counts == [made.values[row, column] for row in made.rows for column in made.columns], code
        assert (tree["type"], tree["status"], tree["measure"]) == ("summary", "complete", f"{MEASURE}{code}")


async def test_few_are_masked(house: House) -> None:
    _, tree = await asked(house, OPEN, BY_CODE["documents"])
    strata = tree["group"][0]["stratifier"][0]["stratum"]
    found = {s["component"][1]["value"]["coding"][0]["code"]: s["population"][0] for s in strata[-3:]}
    assert found["hospital"]["count"] == 30
    assert found["pharmacy"]["_count"]["extension"][0]["valueCode"] == "masked" and "count" not in found["pharmacy"]


@pytest.mark.parametrize(
    ("more", "status", "at"),
    [
        ({"periodStart": "2001-01-01"}, 400, "periodStart"),
        ({"periodEnd": "2001-01-31"}, 400, "periodEnd"),
        ({"periodEnd": ""}, 400, ""),
        ({"periodStart": "x"}, 400, ""),
        ({"reportType": "subject"}, 400, "reportType"),
        ({"reportType": "population"}, 200, ""),
        ({"subject": "Patient/p1"}, 400, "subject"),
        ({"practitioner": "Practitioner/d"}, 400, "practitioner"),
        ({"lastReceivedOn": "2026-01-01"}, 400, "lastReceivedOn"),
        ({"measure": ""}, 400, "measure"),
        ({"measure": "nothing"}, 404, ""),
        ({"measure": "Measure/documents"}, 200, ""),
    ],
)
async def test_what_is_asked_otherwise_is_refused_with_the_reason(
    house: House, more: dict[str, str], status: int, at: str
) -> None:
    found, said = await asked(house, OPEN, BY_CODE["documents"], **more)
    assert found == status
    if at:
        assert at in str(said.expression) and said.diagnostics


async def test_a_measure_may_be_asked_of_itself(house: House) -> None:
    made = await table(house.engine.records, BY_CODE["ages"], datetime.now(UTC))
    query = (("periodStart", made.first.isoformat()), ("periodEnd", made.last.isoformat()))
    request = Request("GET", ("Measure", "ages", "$evaluate-measure"), query=query)
    answer = await house.services.exchange(request, OPEN)
    assert json.loads(answer.body)["measure"] == f"{MEASURE}ages"
    assert len(INDICATORS) == len(BY_CODE)
