"""What calendar programs are answered at a private address: the calendar, or that they have it already.

No cookie and no token: the address is the right. An address that was never made, was revoked, is of an account that
was closed or of somebody who acts for the patient no more leads nowhere, always in the same words. RFC 9110 §13.1.2
(`If-None-Match`), RFC 9111 §5.2.2.7 (private: no cache on the way may keep it). Logs have the route and no address.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import formatdate

from fastapi.responses import PlainTextResponse, Response

from fhir_server.access.grant import Grant, Scope
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError
from fhir_server.interactions.exchange import Request
from fhir_server.site.visit import Visit
from fhir_server.smart.people.accounts import acts_for
from fhir_server.space.agenda.calendar.addresses import Address, at
from fhir_server.space.agenda.calendar.feed import Calendars
from fhir_server.space.agenda.calendar.operations import TYPE
from fhir_server.space.agenda.calendar.rows import Subscribing
from fhir_server.space.record.pages.people import SITE

_SCOPES = (Scope("patient", "Appointment", frozenset("rs")), Scope("patient", "Patient", frozenset("rs")))
_CACHING = {"Cache-Control": "private, no-cache", "X-Robots-Tag": "noindex", "Referrer-Policy": "no-referrer"}
_TAG = re.compile(r'(?:W/)?("[^"]*")')


async def answer(visit: Visit, here: Subscribing) -> Response:
    """200 with the calendar, 304 where it is as the client has it, 404 where the address leads nowhere, 429."""
    secret = str(visit.request.path_params["secret"])
    if not here.admits(secret, visit.source):
        return PlainTextResponse("Too many requests.", 429, {"Retry-After": "60", "Cache-Control": "no-store"})
    found = await at(here.around.records, secret)
    grant = await _grant(visit, here, found) if found is not None else None
    if found is None or grant is None:
        return _nothing()
    base = visit.addresses.base
    calendars: Calendars = here.around.service("agenda/calendar")
    had = visit.request.headers.get("if-none-match")
    if had is not None:
        # Nothing is given, so that nothing is traced.
        seen = await here.around.seen_by(replace(grant, traced=False), base)
        tag = await calendars.tag(seen, found.patient, found.shown, datetime.now(UTC))
        if had.strip() == "*" or tag in _TAG.findall(had):
            return Response(status_code=304, headers={"ETag": tag, **_CACHING})
    # As an export that the person asks for, traces included.
    query = [("content", str(found.shown.content).lower()), *(("alarm", str(one)) for one in found.shown.alarms)]
    try:
        made = await here.around.exchange(
            Request("GET", ("Patient", found.patient, "$export-agenda"), tuple(query)), grant, base
        )
    except FhirError as error:
        if error.status >= 500:
            raise
        return _nothing()
    changed = formatdate(max(made.at or 0, found.changed) / 1000, usegmt=True)
    headers = {"ETag": made.headers["ETag"], "Last-Modified": changed, "Content-Disposition": _NAMED, **_CACHING}
    return Response(made.body, 200, headers, media_type=TYPE)


_NAMED = 'inline; filename="agenda.ics"'


async def _grant(visit: Visit, here: Subscribing, found: Address) -> Grant | None:
    """What the person of an address may see now; None where they may not act, or the record is closed."""
    account = await visit.authorization.accounts.of_subject(found.person)
    if account is None or not account.open or account.professional or not acts_for(account, found.patient):
        return None
    grant = Grant(
        _SCOPES,
        subject=account.subject,
        client=SITE,
        patient=found.patient,
        wards=frozenset(account.wards),
        purpose="PATRQT",
    )
    seen = await here.around.seen_by(grant, visit.addresses.base)
    try:
        patient = await seen.current("Patient", found.patient)
    except FhirError:
        return None
    if patient is None or patient.deleted or parse(patient.body).get("active") is False:
        return None
    return grant


def _nothing() -> Response:
    return PlainTextResponse("There is nothing at this address.", 404, {"Cache-Control": "no-store"})
