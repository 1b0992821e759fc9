"""What is said where a route outside FHIR failed, or where there is none."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from fhir_server.fhir.outcome import FhirError, Malformed, MethodNotAllowed, NotFound
from fhir_server.http.answers import failure
from fhir_server.site.rendering import Pages
from fhir_server.site.views import outcome
from fhir_server.site.words import language


class Failing:
    """Answers for routes that raise."""

    def __init__(self, pages: Pages) -> None:
        """`pages` are made by it."""
        self._pages = pages

    async def __call__(self, request: Request, error: Exception) -> Response:
        """What is said where a route failed, or there is none: a page to a browser, an OperationOutcome to others."""
        found = failure(_told(error))
        headers = dict(found.headers)
        if not _reads_html(request):
            return Response(found.body, found.status, headers, media_type=found.media_type)
        chosen = language(request.query_params.get("lang"), request.headers.get("accept-language"))
        values = {"crumbs": [], "posted": request.method == "POST", "status": found.status, **outcome(found.body)}
        page = self._pages.rendered("outcome.html", request, values, chosen)
        shown = {**headers, "Content-Language": chosen, "Cache-Control": "no-store", "Vary": "Accept, Accept-Language"}
        return HTMLResponse(page, found.status, shown)


def _told(error: Exception) -> FhirError:
    """The same as one of ours."""
    if isinstance(error, FhirError):
        return error
    if isinstance(error, HTTPException):
        headers = dict(error.headers or {})
        if error.status_code == 405:
            return MethodNotAllowed("This address has no such method.", headers=headers)
        if error.status_code == 404:
            return NotFound("There is nothing at this address.", "http.url", headers=headers)
        if error.status_code < 500:
            return Malformed(str(error.detail), headers=headers)
    return FhirError("The server failed.")


def _reads_html(request: Request) -> bool:
    """Whether a browser asks: it says that it reads pages, and software does not (RFC 9110 §12.5.1)."""
    return "text/html" in request.headers.get("accept", "")
