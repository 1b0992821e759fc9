"""The public catalogue: apps on line, what each reads and writes, and why.

CSP R1111-38: the catalogue is public; an app that is not on line is not in it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi.responses import Response

from fhir_server.site.visit import Visit
from fhir_server.space.catalogue.pages.words import CATEGORIES, category, done_with
from fhir_server.space.catalogue.rights import opens


async def show(visit: Visit) -> Response:
    """The apps on line, by text and category."""
    query = visit.request.query_params
    text, chosen = query.get("text", "")[:100].strip(), query.get("category", "")[:64]
    catalogue = visit.entrance.catalogue
    everything = await catalogue.online()
    found = await catalogue.online(chosen or None, text or None) if text or chosen else everything
    known = sorted({code for app in everything for code in app.categories}, key=_rank)
    values = {
        "apps": [
            (app, await visit.entrance.publisher(app), [category(code) for code in app.categories]) for app in found
        ],
        "categories": [(code, category(code)) for code in known],
        "text": text,
        "chosen": chosen,
    }
    return visit.page("space/catalogue", values)


async def show_app(visit: Visit) -> Response:
    """One app on line."""
    app = await visit.entrance.catalogue.get(str(visit.request.path_params["app"]))
    if app is None or app.status != "EN_LIGNE" or not opens(app, datetime.now(UTC)):
        return visit.refused("There is nothing at this address.", 404)
    values = {
        "app": app,
        "publisher": await visit.entrance.publisher(app),
        "purposes": [(one, done_with(one)) for one in app.purposes],
        "categories": [category(code) for code in app.categories],
    }
    return visit.page("space/app", values)


ROUTES = (("/catalogue", show), ("/catalogue/{app}", show_app))


def _rank(code: str) -> tuple[int, str]:
    known = list(CATEGORIES)
    return (known.index(code) if code in known else len(known), code)
