"""Every route of authorization, and of the pages behind it.

https://hl7.org/fhir/smart-app-launch/
"""

from __future__ import annotations

from fastapi import APIRouter

from fhir_server.http.smart import oauth, people, published, registering
from fhir_server.http.smart.visit import Entrance
from fhir_server.http.space.routes import router as space


def routers(entrance: Entrance) -> list[APIRouter]:
    """The routes over one authorization server and its store."""
    return [
        published.router(entrance.authorization),
        oauth.router(entrance.authorization),
        registering.router(entrance.authorization),
        people.router(entrance),
        space(entrance),
    ]
