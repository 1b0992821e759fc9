"""Open an app on a patient, already signed in: https://hl7.org/fhir/smart-app-launch/app-launch.html#launch-app-ehr-launch"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from fastapi.responses import Response

from fhir_server.site.authorizing import purpose_of_use
from fhir_server.site.visit import Form, Visit, first, see_other
from fhir_server.smart.authorizing.requests import Launch

if TYPE_CHECKING:
    from fhir_server.smart.people.accounts import Account
    from fhir_server.smart.people.sessions import Session


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
    said = purpose_of_use.read(given, session) if account.professional and "purpose" in given else None
    if isinstance(said, str):
        return visit.refused("The purpose of the access is not said as it must be.", 400)
    purpose, reason = said or (None, None)
    opened = await _context(visit, account, session, patient, given)
    if opened is None:
        return visit.foreign()
    requests = visit.authorization.requests
    secret = await requests.launch(Launch(client.id, account.id, patient, opened, purpose, reason))
    await visit.record(
        "launch",
        subject=account.subject,
        client=client.id,
        patient=patient,
        role=account.acting_as(session.role),
        purpose=purpose,
    )
    query = urlencode({"iss": visit.addresses.base, "launch": secret})
    return visit.known(see_other(f"{client.launch_uri}{'&' if '?' in client.launch_uri else '?'}{query}"))


async def _context(
    visit: Visit, account: Account, session: Session, patient: str, given: Form
) -> dict[str, Any] | None:
    """What the app is opened on besides the patient, as the form says; None when it is not as it must be."""
    from fhir_server.smart.authorizing import launch_context

    repository = visit.entrance.repository
    found = await launch_context.context(
        repository,
        account,
        patient,
        encounter=first(given, "encounter"),
        intent=first(given, "intent"),
        resources=given.get("context", ()),
    )
    role = account.acting_as(session.role)
    return None if found is None else {**found, **await launch_context.tenant(repository, account, role)}
