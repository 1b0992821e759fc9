"""The public catalogue: apps on line, what each reads and writes, and why.

CSP R1111-38: the catalogue is public; an app that is not on line is not in it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi.responses import Response

from fhir_server.site.visit import Visit
from fhir_server.space.catalogue.opened import Apps
from fhir_server.space.catalogue.pages.words import CATEGORIES, category, done_with
from fhir_server.space.catalogue.registry import matches
from fhir_server.space.catalogue.rights import opens


async def show(visit: Visit, service: Apps) -> Response:
    """The apps on line, by text and category."""
    query = visit.request.query_params
    text, chosen = query.get("text", "")[:100].strip(), query.get("category", "")[:64]
    everything = await service.catalogue.online()
    found = [app for app in everything if matches(app, chosen, text)]
    publishers = await service.catalogue.publishers(found)
    known = sorted({code for app in everything for code in app.categories}, key=_rank)
    values = {
        "apps": [(app, publishers[app.publisher], [category(code) for code in app.categories]) for app in found],
        "categories": [(code, category(code)) for code in known],
        "text": text,
        "chosen": chosen,
    }
    return visit.page("catalogue/catalogue", values)


async def show_app(visit: Visit, service: Apps) -> Response:
    """One app on line."""
    app = await service.catalogue.get(str(visit.request.path_params["app"]))
    if app is None or app.status != "EN_LIGNE" or not opens(app, datetime.now(UTC)):
        return visit.refused("There is nothing at this address.", 404)
    values = {
        "app": app,
        "publisher": await service.catalogue.publisher(app),
        "purposes": [(one, done_with(one)) for one in app.purposes],
        "categories": [category(code) for code in app.categories],
    }
    return visit.page("catalogue/app", values)


def _rank(code: str) -> tuple[int, str]:
    known = list(CATEGORIES)
    return (known.index(code) if code in known else len(known), code)
