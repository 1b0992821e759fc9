"""An indicator as a MeasureReport: https://hl7.org/fhir/R4/measure-operation-evaluate-measure.html.

Whoever may read a MeasureReport is told what everybody may see; the operator's administrators, and its software, the
rest. The period is the one that is published: others, taken together, would tell what small cells hide.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fhir_server.access.challenge import insufficient
from fhir_server.access.grant import Grant
from fhir_server.fhir.json import serialize
from fhir_server.fhir.outcome import Forbidden, InvalidParameter, NotFound
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Invocation, element
from fhir_server.space.indicators.definitions import BY_CODE
from fhir_server.space.indicators.hiding import TOTAL
from fhir_server.space.indicators.indicator import Indicator
from fhir_server.space.indicators.pages.words import called
from fhir_server.space.indicators.reach import MEASURE
from fhir_server.space.indicators.tables import COUNT, Table
from fhir_server.space.indicators.telling import table
from fhir_server.space.service import Surroundings

_POPULATION = "http://terminology.hl7.org/CodeSystem/measure-population"
#: https://hl7.org/fhir/R4/extension-data-absent-reason.html: it is known, and not told.
_MASKED = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}


def opened(around: Surroundings) -> Surroundings:
    """What the operation works with."""
    return around


async def evaluate(around: Surroundings, call: Invocation, context: Context) -> Response:
    """200 with a MeasureReport of type summary: a stratum for each row, or for each row and column.

    Raises:
        Forbidden: the token has no scope to read a MeasureReport (403).
        NotFound: there is no such measure, or not for this caller (404).
        InvalidParameter: the period is not the one that is published, or another kind of report is asked for (400).
    """
    grant = context.repository.grant
    # Of the token alone: a report is of nobody, and no rule about whose records one reads speaks of it.
    if not any(scope.covers("MeasureReport", "r") for scope in grant.scopes):
        refusal = insufficient(grant, "MeasureReport", "r")
        raise Forbidden("The token has no scope for this on MeasureReport.", headers=refusal)
    found = _asked(call, grant)
    said = call.inputs.one("reportType") or "summary"
    # R4 calls it population here, and summary in the report itself.
    if said not in ("summary", "population"):
        raise InvalidParameter("Reports are of everybody: reportType is population.", element("reportType"))
    for name in ("subject", "practitioner", "lastReceivedOn"):
        if call.inputs.one(name) is not None:
            raise InvalidParameter(f"Reports are of everybody: {name} is not supported.", element(name))
    now = datetime.now(UTC)
    made = await table(around.records, found, now)
    for name, day in (("periodStart", made.first), ("periodEnd", made.last)):
        if call.inputs.one(name) != day.isoformat():
            raise InvalidParameter(f"Counts are kept of a period whose {name} is {day.isoformat()}.", element(name))
    return Response(200, serialize(report(made, now)))


def _asked(call: Invocation, grant: Grant) -> Indicator:
    said = call.id or (call.inputs.one("measure") or "").removeprefix(MEASURE).removeprefix("Measure/")
    if not said:
        raise InvalidParameter("Which measure is asked for is said by measure.", element("measure"))
    found = BY_CODE.get(said)
    if found is None or not (found.public or _operates(grant)):
        raise NotFound("There is no such Measure.")
    return found


def _operates(grant: Grant) -> bool:
    """Whether the caller is an administrator, or software of the operator with nobody behind it."""
    software = grant.subject is None and grant.patient is None and not grant.referenced
    return grant.own or "administrator" in grant.duties or (software and grant.unrestricted)


def report(table: Table, now: datetime) -> dict[str, Any]:
    """The MeasureReport of a table."""
    one = table.indicator
    strata = [_stratum(table, row, column) for row in table.rows for column in table.columns]
    group: dict[str, Any] = {"code": {"text": one.title[0]}}
    if one.summed:
        group["population"] = [_population(table.values[TOTAL, TOTAL])]
    if strata:
        group["stratifier"] = [{"code": [{"text": name} for name in _dims(one)], "stratum": strata}]
    return {
        "resourceType": "MeasureReport",
        "status": "complete",
        "type": "summary",
        "measure": f"{MEASURE}{one.code}",
        "date": now.isoformat(timespec="seconds"),
        "period": {"start": table.first.isoformat(), "end": table.last.isoformat()},
        "group": [group],
    }


def _dims(one: Indicator) -> list[str]:
    return [one.rows, one.columns] if one.columns else [one.rows]


def _stratum(table: Table, row: str, column: str) -> dict[str, Any]:
    one, count = table.indicator, table.values[row, column]
    if column == COUNT:
        return {"value": _value(one.rows, row), "population": [_population(count)]}
    pairs = ((one.rows, row), (one.columns, column))
    components = [{"code": {"text": dim}, "value": _value(dim, key)} for dim, key in pairs]
    return {"component": components, "population": [_population(count)]}


def _value(dim: str, key: str) -> dict[str, Any]:
    text = called(dim, key, "fr")
    # A code is not empty.
    return {"coding": [{"code": key, "display": text}], "text": text} if key else {"text": text}


def _population(count: int | None) -> dict[str, Any]:
    code = {"coding": [{"system": _POPULATION, "code": "initial-population"}]}
    return {"code": code, **({"_count": {"extension": [_MASKED]}} if count is None else {"count": count})}
