"""Bouquet de services: the tools open to a professional, opened on the patient at hand with no new sign-in.

https://hl7.org/fhir/smart-app-launch/app-launch.html#launch-app-ehr-launch. The patient at hand is the one whose record
was opened last: nobody is looked for here, and no list of patients shown. Kept with the session (`space.at_hand`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi.responses import Response

from fhir_server.site.authorizing import purpose_of_use
from fhir_server.site.signed_in import Guest
from fhir_server.site.visit import Entrance
from fhir_server.smart.clients.registered import Client
from fhir_server.space.at_hand import at_hand
from fhir_server.space.catalogue.apps import App
from fhir_server.space.catalogue.opened import Apps
from fhir_server.space.catalogue.registry import Catalogue


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    Attributes:
        client: as governed by the catalogue, when it is of it.
        description, publisher: of the catalogue; "" for other software.
    """

    client: Client
    description: str = ""
    publisher: str = ""


async def show(guest: Guest[Apps]) -> Response:
    """The exercise, the patient at hand, the tools."""
    from fhir_server.smart.people import roles

    account, entrance = guest.account, guest.entrance
    if len(account.roles) > 1 and guest.session.role is None:
        found = await roles.find(entrance.repository, account)
        return guest.visit.page("smart/role", {"roles": found, "client": "", "then": "/outils"})
    role = guest.session.role or next(iter(account.roles), None)
    hand = await at_hand(guest)
    tools = await open_to_professionals(entrance, guest.service.catalogue)
    values = {
        "role": await roles.name(entrance.repository, account, role) if role else "",
        "patient": hand.patient,
        "whom": await entrance.name_of(account, hand.patient) if hand.patient else "",
        "tools": tools,
        "regulation": guest.session.regulation,
        "shortest": purpose_of_use.SHORTEST,
        "longest": purpose_of_use.LONGEST,
    }
    leads = [uri for tool in tools for uri in (tool.client.launch_uri or "", *tool.client.redirect_uris)]
    return guest.page("catalogue/tools", values, leads=leads)


async def open_to_professionals(entrance: Entrance, catalogue: Catalogue) -> Sequence[Tool]:
    """Referenced apps for professionals that are on line and can be launched, and other active clients that can."""
    clients, apps = entrance.authorization.clients, {app.id: app for app in await catalogue.online()}
    recorded = {one.id: one for one in await clients.all()}
    filed = [app.client for app in apps.values() if app.audience == "professional" and app.client not in recorded]
    new = [client for id in filed if (client := await clients.get(id)) is not None]
    launched = [one for one in (*recorded.values(), *new) if one.status == "active" and one.launch_uri]
    publishers = await catalogue.publishers(apps[one.device] for one in launched if one.device in apps)
    found = [_tool(one, apps.get(one.device or ""), publishers) for one in launched]
    return sorted((one for one in found if one is not None), key=lambda tool: tool.client.name.casefold())


def _tool(client: Client, app: App | None, publishers: Mapping[str, str]) -> Tool | None:
    """The client as a tool; None when the app that it is is not for professionals, or not on line."""
    if client.device is None:
        return Tool(client)
    if app is None or app.status != "EN_LIGNE" or app.audience != "professional":
        return None
    return Tool(client, app.description, publishers[app.publisher])
