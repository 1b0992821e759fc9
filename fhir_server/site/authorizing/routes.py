"""Every route of authorization, and of the pages behind it: the site's own and the services'.

https://hl7.org/fhir/smart-app-launch/
"""

from __future__ import annotations

from fastapi import APIRouter

from fhir_server.oauth import discovery, endpoints, registration
from fhir_server.site import signed_in
from fhir_server.site.authorizing import pages
from fhir_server.site.visit import Entrance


def routers(entrance: Entrance) -> list[APIRouter]:
    """The routes over one authorization server and its store."""
    return [
        discovery.router(entrance.authorization),
        endpoints.router(entrance.authorization),
        registration.router(entrance.authorization),
        pages.router(entrance),
        signed_in.router(entrance),
    ]
