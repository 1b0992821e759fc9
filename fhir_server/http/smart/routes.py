"""Every route of authorization.

https://hl7.org/fhir/smart-app-launch/
"""

from __future__ import annotations

from fastapi import APIRouter

from fhir_server.http.smart import oauth
from fhir_server.smart.authorization import Authorization


def routers(authorization: Authorization) -> list[APIRouter]:
    """The routes over one authorization server."""
    return [oauth.router(authorization)]
