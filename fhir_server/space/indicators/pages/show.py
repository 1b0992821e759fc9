"""All indicators, one of them with its definition, chart and table, and its series as a CSV file (RFC 4180)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi.responses import Response

from fhir_server.site.signed_in import Guest
from fhir_server.site.visit import Visit
from fhir_server.site.words import Language
from fhir_server.space.indicators.definitions import BY_CODE, INDICATORS
from fhir_server.space.indicators.hiding import TOTAL
from fhir_server.space.indicators.indicator import Indicator
from fhir_server.space.indicators.pages.charts import WIDTH, drawn
from fhir_server.space.indicators.pages.words import HEADS, called, number, scaled
from fhir_server.space.indicators.series import as_csv
from fhir_server.space.indicators.tables import COUNT, Table
from fhir_server.space.indicators.telling import published, table, tables
from fhir_server.space.service import Surroundings

_PUBLIC, _DESK = "/indicateurs", "/pilotage"
#: Documents a year that the nation aimed at for the end of 2023.
_GOAL = 250_000_000
#: Sectors whose share the national objective is about.
_WATCHED = ("biology", "hospital")


async def everything(visit: Visit, around: Surroundings) -> Response:
    """The key figures, documents by sector, and every public indicator."""
    return await _index(visit, around, _PUBLIC)


async def one(visit: Visit, around: Surroundings) -> Response:
    """A public indicator: what it counts, its chart and its table."""
    return await _one(visit, around, _PUBLIC)


async def series(visit: Visit, around: Surroundings) -> Response:
    """A public indicator as a file."""
    return await _series(visit, around, _PUBLIC)


async def desk(guest: Guest[Surroundings]) -> Response:
    """As `everything`, with what staff alone sees."""
    return await _index(guest.visit, guest.service, _DESK)


async def desk_one(guest: Guest[Surroundings]) -> Response:
    """As `one`, of any indicator."""
    return await _one(guest.visit, guest.service, _DESK)


async def desk_series(guest: Guest[Surroundings]) -> Response:
    """As `series`, of any indicator."""
    return await _series(guest.visit, guest.service, _DESK)


async def _index(visit: Visit, around: Surroundings, root: str) -> Response:
    records, now = around.records, datetime.now(UTC)
    asked = [BY_CODE[code] for code in ("documents", "states", "records-ever-fed", "documents-year-before")]
    documents, states, fed, before = await tables(records, asked, now)
    last = await published(records)
    values = {
        "at": root,
        "indicators": [one for one in INDICATORS if one.public or root == _DESK],
        "figures": _figures(documents, states, fed, before),
        "sectors": list(_by_sector(documents, states.values[TOTAL, TOTAL])),
        "month": documents.rows[-1],
        "day": last.day if last is not None else None,
        **_told(visit.language),
    }
    return visit.page("indicators/everything", values)


def _figures(
    documents: Table, states: Table, fed: Table, before: Table
) -> list[tuple[tuple[str, str], float | None, str]]:
    """(what it is, its value or None where it is not told, how it is written) of each key figure, of what is told."""
    everybody, total = states.values[TOTAL, TOTAL], documents.values[TOTAL, TOTAL]
    watched = [documents.values.get((TOTAL, one), 0) for one in _WATCHED]
    both = None if None in watched else sum(one or 0 for one in watched)
    activated = states.values.get(("activated", TOTAL), 0)
    opposed = states.values.get(("opposed", TOTAL), 0)
    last = documents.values[documents.rows[-1], TOTAL]
    rhythm = _over(None if last is None else 12 * last, everybody)
    reached = _over(fed.values.get(("ever", COUNT), 0), everybody)
    return [
        (("Documents déposés en douze mois", "Documents filed in twelve months"), total, "count"),
        (("Documents par habitant et par an", "Documents per inhabitant and year"), _over(total, everybody), "ratio"),
        (
            ("Rythme annuel par habitant, au dernier mois", "Per inhabitant, at the last month’s rhythm"),
            rhythm,
            "ratio",
        ),
        (("Part de la biologie et de l’hôpital", "Share of biology and hospitals"), _over(both, total), "share"),
        (("Évolution sur un an", "Change within a year"), _change(total, before.values[TOTAL, TOTAL]), "share"),
        (
            ("Part de l’objectif de 250 millions par an", "Share of the goal of 250 million a year"),
            _over(total, _GOAL),
            "share",
        ),
        (("Dossiers enregistrés", "Records on file"), everybody, "count"),
        (("Dossiers alimentés par un professionnel", "Records fed by a professional"), reached, "share"),
        (("Oppositions", "Objections"), opposed, "count"),
        (("Part des oppositions", "Share of objections"), _over(opposed, everybody), "share"),
        (("Espaces activés", "Spaces activated"), activated, "count"),
        (("Part des espaces activés", "Share of spaces activated"), _over(activated, everybody), "share"),
    ]


def _by_sector(
    fed: Table, everybody: int | None
) -> list[tuple[str, int | None, float | None, int | None, float | None]]:
    """Sector → documents of the last month, those per inhabitant, of twelve months, those per inhabitant."""
    month = fed.rows[-1]
    rows = []
    for one in fed.heads:
        last, year = fed.values[month, one], fed.values[TOTAL, one]
        rows.append((one, last, _over(last, everybody), year, _over(year, everybody)))
    return rows


def _change(now: int | None, before: int | None) -> float | None:
    return None if now is None or not before else now / before - 1


def _over(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


async def _one(visit: Visit, around: Surroundings, root: str) -> Response:
    found = _asked(visit, root)
    if found is None:
        return visit.refused("There is nothing at this address.", 404)
    shown = await table(around.records, found, datetime.now(UTC))
    values = {
        "at": root,
        "one": found,
        "table": shown,
        "chart": drawn(shown),
        "width": WIDTH,
        "hides": None in shown.values.values(),
        **_told(visit.language),
    }
    return visit.page("indicators/one", values)


async def _series(visit: Visit, around: Surroundings, root: str) -> Response:
    found = _asked(visit, root)
    if found is None:
        return visit.refused("There is nothing at this address.", 404)
    text = as_csv(await table(around.records, found, datetime.now(UTC)), visit.language)
    headers = {"Content-Disposition": f'attachment; filename="{found.code}.csv"', "Cache-Control": "no-store"}
    return visit.known(Response(text, media_type="text/csv; charset=utf-8; header=present", headers=headers))


def _asked(visit: Visit, root: str) -> Indicator | None:
    found = BY_CODE.get(str(visit.request.path_params["code"]))
    return found if found is not None and (found.public or root == _DESK) else None


def _told(language: Language) -> Mapping[str, Any]:
    """What templates say keys and numbers by."""
    return {
        "called": lambda dim, key: called(dim, key, language),
        "number": lambda value, decimals=0: number(value, language, decimals),
        "scaled": lambda value: scaled(value, language),
        "heads": HEADS,
    }
