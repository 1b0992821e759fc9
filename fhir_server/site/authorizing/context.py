"""A professional says in which exercise they act; a person says for which patient, and on which encounter.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastapi.responses import Response

from fhir_server.site.authorizing.answer import name_of
from fhir_server.site.visit import Visit, first
from fhir_server.smart.people.patients import known_enough

if TYPE_CHECKING:
    from fhir_server.smart.authorizing.encounters import Encounter
    from fhir_server.smart.authorizing.requests import AuthorizationRequest
    from fhir_server.smart.people.accounts import Account
    from fhir_server.smart.people.sessions import Session


async def show_roles(
    visit: Visit, ask: AuthorizationRequest, _session: Session | None, account: Account | None
) -> Response:
    """The exercises of the person, in words."""
    from fhir_server.smart.people import roles

    found = await roles.find(visit.entrance.repository, account) if account is not None else ()
    return visit.page("smart/role", {"roles": found, "client": await name_of(visit, ask)}, ask)


async def role(visit: Visit) -> Response:
    """Take the exercise that was chosen, if it is theirs, and go on."""
    given, ask = await visit.posted(), await visit.ask()
    session, account = await visit.session()
    if given is None or session is None or account is None or not visit.cookie:
        return visit.foreign()
    chosen = first(given, "role")
    if chosen in account.roles:
        await visit.authorization.sessions.choose(visit.cookie, session, chosen)
    return visit.on(ask)


async def show_patients(
    visit: Visit, ask: AuthorizationRequest, _session: Session | None, account: Account | None
) -> Response:
    """The patients the person may choose, those of a name when one is given."""
    found = await visit.entrance.patients(account, ask.asked) if account is not None else ()
    enough = not ask.asked or account is None or not account.professional or known_enough(ask.asked)
    client = await name_of(visit, ask)
    values: dict[str, Any] = {"patients": found, "account": account, "client": client, "enough": enough}
    return visit.page("smart/patient", values, ask)


async def look_for(visit: Visit) -> Response:
    """The patients of a name, in a form's body: a name is in no address."""
    given, ask = await visit.posted(), await visit.ask()
    _, account = await visit.session()
    if given is None or account is None or ask is None or not account.professional:
        return visit.foreign()
    return visit.on(await visit.authorization.requests.look_for(ask, first(given, "name", 100)))


async def patient(visit: Visit) -> Response:
    """Take the patient that was chosen, if they may be, and go on."""
    given, ask = await visit.posted(), await visit.ask()
    _, account = await visit.session()
    if given is None or account is None or ask is None or ask.patient is not None:
        return visit.foreign()
    chosen = first(given, "patient")
    if await visit.entrance.may_choose(account, chosen):
        await visit.authorization.requests.choose(ask, chosen)
    return visit.on(ask)


async def encounters(visit: Visit, ask: AuthorizationRequest, account: Account) -> Sequence[Encounter]:
    """The encounters of the patient chosen that the person may choose; none of a patient they may not act for."""
    from fhir_server.smart.authorizing import encounters as known

    if ask.patient is None or not await visit.entrance.may_choose(account, ask.patient):
        return ()
    session, _ = await visit.session()
    role = (session.role if session is not None else None) or next(iter(account.roles), None)
    return await known.find(visit.entrance.repository, account, ask.patient, role)


async def show_encounters(
    visit: Visit, ask: AuthorizationRequest, _session: Session | None, account: Account | None
) -> Response:
    """The encounters of the patient, and none in particular."""
    found = await encounters(visit, ask, account) if account is not None else ()
    return visit.page("smart/encounter", {"encounters": found, "client": await name_of(visit, ask)}, ask)


async def encounter(visit: Visit) -> Response:
    """The encounter chosen, or none in particular."""
    given, ask = await visit.posted(), await visit.ask()
    _, account = await visit.session()
    if given is None or account is None or ask is None or not ask.needs_encounter:
        return visit.foreign()
    ask = ask.settled(account.patients)
    chosen = first(given, "encounter") if "encounter" in given else None
    known = {one.id for one in await encounters(visit, ask, account)}
    if chosen == "" or chosen in known:
        ask = await visit.authorization.requests.meet(ask, chosen or None)
    return visit.on(ask)
