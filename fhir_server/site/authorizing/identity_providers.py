"""Sign in with an identity provider: the way there, and what is done with who comes back.

OpenID Connect Core §3.1, RFC 9700 §4.7. The way there is a link, not a form: a form's answer may lead nowhere but here.
"""

from __future__ import annotations

from fastapi.responses import Response

from fhir_server.site.visit import Route, Visit, see_other
from fhir_server.smart import lifetimes
from fhir_server.smart.authorizing.requests import AuthorizationRequest
from fhir_server.smart.people.attempts import admitted, network

#: Errands begun within `lifetimes.ASK`, from one network address (of a hospital, it may be) and in all.
FROM_ADDRESS, IN_ALL = 1_000, 20_000


async def begin(visit: Visit) -> Response:
    """Off to the provider."""
    federation = visit.authorization.federation
    provider = federation.provider(visit.request.path_params["provider"]) if federation else None
    if federation is None or provider is None:
        return visit.refused("There is nothing at this address.", 404)
    if not await _has_room(visit):
        return visit.refused("Too many people are signing in at once. Try again in a few minutes.", 429)
    ask = await visit.ask()
    location = await federation.begin(provider, visit.browser, ask.id if ask else "", visit.after, visit.addresses)
    return _down(visit, ask, provider.name) if location is None else visit.known(see_other(location))


async def finish(visit: Visit) -> Response:
    """Back from the provider, signed in or not."""
    federation = visit.authorization.federation
    provider = federation.provider(visit.request.path_params["provider"]) if federation else None
    if federation is None or provider is None:
        return visit.refused("There is nothing at this address.", 404)
    pairs = visit.request.query_params.multi_items()
    people, source = visit.authorization.people, visit.source
    if not await people.may_try(source):
        return _lost(visit, None, 429)
    arrival = await federation.finish(provider, pairs, visit.browser, visit.addresses)
    ask = await visit.authorization.requests.of(arrival.ask, visit.browser) if arrival.ask else None
    account = arrival.account
    subject, client = account.subject if account else None, ask.client if ask else None
    await visit.record("sign-in", subject=subject, client=client, failed=account is None, why=arrival.why)
    if arrival.down:
        # It was no failure of whoever came.
        await people.did_right(source)
        return _down(visit, ask, provider.name)
    if account is None:
        return _lost(visit, ask)
    await people.did_right(source)
    # A new session has a new cookie, whatever the browser had (session fixation); the old one ends.
    if visit.cookie:
        await visit.authorization.sessions.end(visit.cookie)
    on = f"/auth/continue?ask={ask.id}" if ask else arrival.after
    return visit.signed_in(visit.known(see_other(on)), arrival.cookie)


async def _has_room(visit: Visit) -> bool:
    """Whether one more errand may be kept: anyone can begin one."""
    records = visit.authorization.records
    limits = ((network(visit.source), FROM_ADDRESS), ("all", IN_ALL))
    for key, most in limits:
        if not await admitted(records, "errands", key, most, lifetimes.ASK):
            return False
    return True


def _down(visit: Visit, ask: AuthorizationRequest | None, name: str) -> Response:
    """The provider did not answer: nothing was learned of the person, who may try again or come another way."""
    again = f"/auth/continue?ask={ask.id}" if ask else "/auth/sign-in"
    answer = visit.page("smart/provider-down", {"again": again, "provider": name}, ask, 503)
    answer.headers["Retry-After"] = "60"
    return answer


def _lost(visit: Visit, ask: AuthorizationRequest | None, status: int = 403) -> Response:
    """The same words whatever was wrong: they tell nobody who is known here."""
    again = f"/auth/continue?ask={ask.id}" if ask else "/auth/sign-in"
    return visit.page("smart/not-recognised", {"again": again}, ask, status)


ROUTES: tuple[Route, ...] = (
    ("GET", "/auth/with/{provider}", begin),
    ("GET", "/auth/with/{provider}/callback", finish),
)
