"""Every route of authorization.

https://hl7.org/fhir/smart-app-launch/
"""

from __future__ import annotations

from fastapi import APIRouter

from fhir_server.http.pages.routes import Pages
from fhir_server.http.smart import oauth, people
from fhir_server.smart.authorization import Authorization


def routers(authorization: Authorization, find: people.Find) -> list[APIRouter]:
    """The routes over one authorization server; `find` looks for patients as a professional may see them."""
    return [oauth.router(authorization), people.router(authorization, Pages(authorization.settings), find)]
