"""Open an app on a patient, already signed in: https://hl7.org/fhir/smart-app-launch/app-launch.html#launch-app-ehr-launch"""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi.responses import Response

from fhir_server.http.smart import purposes
from fhir_server.http.smart.tracing import trace
from fhir_server.http.smart.visit import Visit, first, see_other
from fhir_server.smart.asks import Launch


async def launch(visit: Visit) -> Response:
    """To the app, with a launch it can use once; a purpose of use and its reason are the professional's to give."""
    given = await visit.posted()
    session, account = await visit.session()
    client = await visit.authorization.clients.get(first(given or {}, "client"))
    if given is None or session is None or account is None or client is None:
        return visit.foreign()
    patient = first(given, "patient")
    if not client.launch_uri or client.status != "active" or not await visit.entrance.may_choose(account, patient):
        return visit.foreign()
    said = purposes.read(given, session) if account.professional and "purpose" in given else None
    if isinstance(said, str):
        return visit.refused("The purpose of the access is not said as it must be.", 400)
    purpose, reason = said or (None, None)
    asks = visit.authorization.asks
    secret = await asks.launch(Launch(client.id, account.id, patient, {}, purpose, reason))
    await trace(
        visit, "launch", subject=account.subject, client=client.id, patient=patient, role=session.role, purpose=purpose
    )
    query = urlencode({"iss": visit.addresses.base, "launch": secret})
    return visit.known(see_other(f"{client.launch_uri}{'&' if '?' in client.launch_uri else '?'}{query}"))
