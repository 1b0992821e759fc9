"""Mon espace: where somebody begins who signed in, with the ways that are open to them and how much waits at each."""

from __future__ import annotations

from fastapi.responses import Response

from fhir_server.site.signed_in import greet
from fhir_server.site.visit import OWN_SPACE, Route, Visit


async def show(visit: Visit) -> Response:
    """The page of whoever is signed in: a patient, who acts for one, a professional, staff; others sign in first."""
    session, account = await visit.session()
    if session is None or account is None or not account.open:
        return visit.to_sign_in()
    await greet(visit, session, account)
    return visit.page("smart/own-space", {"account": account})


ROUTES: tuple[Route, ...] = (("GET", OWN_SPACE, show),)
