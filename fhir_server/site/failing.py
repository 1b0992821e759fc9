"""What is said where a route outside FHIR failed, or where there is none."""

from __future__ import annotations

from functools import cache

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from fhir_server.fhir.definitions import resource_types
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
        astray = isinstance(error, HTTPException) and _speaks_fhir(request)
        meant = self._pages.base(request) if astray else ""
        found = failure(_told(error, meant))
        headers = dict(found.headers)
        if not _reads_html(request):
            return Response(found.body, found.status, headers, media_type=found.media_type)
        chosen = language(request.query_params.get("lang"), request.headers.get("accept-language"))
        values = {"crumbs": [], "posted": request.method == "POST", "status": found.status, "meant": meant}
        values |= outcome(found.body)
        page = self._pages.rendered("outcome.html", request, values, chosen)
        shown = {**headers, "Content-Language": chosen, "Cache-Control": "no-store", "Vary": "Accept, Accept-Language"}
        return HTMLResponse(page, found.status, shown)


def _told(error: Exception, base: str) -> FhirError:
    """The same as one of ours.

    Args:
        error: what a route raised.
        base: of FHIR, where the request was meant for it; else "".
    """
    if isinstance(error, FhirError):
        return error
    if isinstance(error, HTTPException):
        headers, hint = dict(error.headers or {}), _HINT.format(base) if base else ""
        if error.status_code == 405:
            return MethodNotAllowed(f"This address has no such method.{hint}", headers=headers)
        if error.status_code == 404:
            return NotFound(f"There is nothing at this address.{hint}", "http.url", headers=headers)
        if error.status_code < 500:
            return Malformed(str(error.detail), headers=headers)
    return FhirError("The server failed.")


#: The service base URL (R4 http.html#root), which the address lacks; whatever is below it, or is not, is not said.
_HINT = " The FHIR base of this server is {}"
_WHOLE_SYSTEM = frozenset({"metadata", "_history", "_search"})


def _speaks_fhir(request: Request) -> bool:
    """Whether an address outside the FHIR base is of FHIR's form (R4 http.html#general), or what is sent is FHIR's."""
    steps = request.url.path.strip("/").split("/")
    named = any(one in _WHOLE_SYSTEM or one.startswith("$") or one in resource_types() for one in steps)
    return named or steps[0].lower() in _types() or "fhir" in request.headers.get("content-type", "")


@cache
def _types() -> frozenset[str]:
    """R4's types as people write them who do not mind case."""
    return frozenset(map(str.lower, resource_types()))


def _reads_html(request: Request) -> bool:
    """Whether a browser asks: it says that it reads pages, and software does not (RFC 9110 §12.5.1)."""
    return "text/html" in request.headers.get("accept", "")
