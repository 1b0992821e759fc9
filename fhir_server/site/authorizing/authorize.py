"""An app asks: its request is read, and each step that is left has its page, until the app is answered.

https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-authorization-code
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from fastapi.responses import Response

from fhir_server.oauth.endpoints import form
from fhir_server.site.authorizing import consent, context, purpose_of_use, sign_in
from fhir_server.site.authorizing.answer import grant, refuse
from fhir_server.site.visit import Visit, see_other

if TYPE_CHECKING:
    from fhir_server.smart.authorizing.requests import AuthorizationRequest
    from fhir_server.smart.people.accounts import Account
    from fhir_server.smart.people.sessions import Session

ENDED = "The request has ended. Start again from the app."
#: Step → its page.
SHOWN: dict[str, Callable[[Visit, AuthorizationRequest, Session | None, Account | None], Awaitable[Response]]] = {
    "sign-in": sign_in.asked,
    "role": context.show_roles,
    "patient": context.show_patients,
    "encounter": context.show_encounters,
    "purpose": purpose_of_use.asked,
    "consent": consent.show,
}
#: Step that would need a person → the error when the app wants none asked (OpenID Connect Core §3.1.2.6).
_UNASKED = {"sign-in": "login_required", "consent": "consent_required"}


async def authorize(visit: Visit) -> Response:
    """An app's request comes in."""
    from fhir_server.smart.authlib_bridge import is_long
    from fhir_server.smart.authorizing.endpoint import Redirect, Unsafe, read

    request, server = visit.request, visit.authorization
    pairs: Sequence[tuple[str, str]] | None
    pairs = await form(request) if request.method == "POST" else request.query_params.multi_items()
    if pairs is None:
        return visit.refused("The body is not a form.", 400)
    owned = list(pairs)
    found = await server.bridge.run(
        lambda: read(server.server, server.requests, owned, visit.addresses, visit.browser), is_long(owned)
    )
    match found:
        case Unsafe():
            return visit.refused(found.reason, 400)
        case Redirect():
            return visit.known(see_other(found.location))
        case _:
            return visit.on(found)


async def go_on(visit: Visit) -> Response:
    """The page of the step that is next, or the answer to the app."""
    from fhir_server.smart.authorizing import endpoint

    ask, session, account = await visit.asked_by()
    if ask is None:
        return visit.refused(ENDED, 400)
    if account is not None and session is not None and not endpoint.allowed(ask, account):
        return await refuse(visit, ask, "access_denied", "This account cannot go on with the request.")
    ask = await _own(visit, ask, account)
    if account is not None and not await _admitted(visit, ask, account):
        return await refuse(visit, ask, "access_denied", "This account cannot go on with the request.")
    approved = await visit.authorization.consenting.granted(ask, account) if account is not None else None
    next_step = endpoint.step(ask, session, account, approved is not None)
    if next_step == "done" and session is not None and account is not None and approved is not None:
        return await grant(visit, ask, session, account, approved)
    if "none" in ask.prompt.split():
        return await refuse(visit, ask, _UNASKED.get(next_step, "interaction_required"), "A person must be asked.")
    return await SHOWN[next_step](visit, ask, session, account)


async def _admitted(visit: Visit, ask: AuthorizationRequest, account: Account) -> bool:
    """Whether the app is for this person; a professional's answer waits for the patient they choose."""
    if account.professional and ask.needs_patient and ask.patient is None:
        return True
    client = await visit.authorization.clients.get(ask.client)
    return client is not None and await visit.authorization.scopes.admits(client, account, ask.patient, ask.scope)


async def _own(visit: Visit, ask: AuthorizationRequest, account: Account | None) -> AuthorizationRequest:
    """Somebody who acts for one patient alone, or on one without encounters, has no choice to make."""
    ask = ask.settled(account.patients) if account is not None else ask
    if account is None or ask.patient is None or not ask.needs_encounter:
        return ask
    # Where there is none, nobody is asked which.
    found = await context.encounters(visit, ask, account)
    return ask if found else await visit.authorization.requests.meet(ask, None)
