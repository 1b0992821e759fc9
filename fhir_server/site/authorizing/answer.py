"""The answer to the app, once each request: a code, or an error.

RFC 6749 §4.1.2, RFC 9207
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastapi.responses import Response

from fhir_server.site.visit import Visit, see_other

if TYPE_CHECKING:
    from fhir_server.smart.authorizing.requests import AuthorizationRequest
    from fhir_server.smart.people.accounts import Account
    from fhir_server.smart.people.sessions import Session
    from fhir_server.store.protocol import Keep


async def grant(
    visit: Visit,
    ask: AuthorizationRequest,
    session: Session,
    account: Account,
    scope: Sequence[str],
    also: Sequence[Keep] = (),
) -> Response:
    """To the app with a code for `scope`, and `also` kept; refused when the request was decided already."""
    from fhir_server.smart.authorizing.endpoint import granted

    # Of the same commit as the decision: no code is given that no AuditEvent tells of, and none is told of for nothing.
    traces = await visit.trace(
        "authorization-granted",
        subject=account.subject,
        client=ask.client,
        patient=ask.patient,
        scopes=tuple(one for one in ask.scope if one in scope),
        role=account.acting_as(session.role),
        purpose=ask.purpose or session.purpose,
        reason=ask.reason or session.reason,
    )

    async def decided(changes: Sequence[Keep]) -> bool:
        return await visit.authorization.requests.decide(ask, [*also, *changes], traces)

    if not visit.cookie:
        return visit.foreign()
    found = await granted(visit.authorization.server, ask, account, session, visit.cookie, scope, decided)
    return visit.foreign() if found is None else visit.known(see_other(found.location))


async def refuse(visit: Visit, ask: AuthorizationRequest, error: str, description: str) -> Response:
    """To the app with an error; refused when the request was decided already."""
    from fhir_server.smart.authorizing.endpoint import refused

    _, account = await visit.session()
    # Where nobody is signed in nobody decided anything: nothing is kept of it, and it may be asked again.
    if account is not None:
        traces = await visit.trace(
            "authorization-refused",
            subject=account.subject,
            client=ask.client,
            patient=ask.patient,
            scopes=ask.scope,
            failed=True,
            why=description,
        )
        if not await visit.authorization.requests.decide(ask, traces=traces):
            return visit.foreign()
    return visit.known(see_other(refused(ask, error, description).location))


async def name_of(visit: Visit, ask: AuthorizationRequest) -> str:
    """What the app that asks is called."""
    client = await visit.authorization.clients.get(ask.client)
    return client.name if client else ask.client
