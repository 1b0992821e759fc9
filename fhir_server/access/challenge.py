"""What a caller whose token does not reach far enough is told: RFC 6750 §3 and §3.1, `insufficient_scope`.

The scope named is the smallest that would do, at the level of those the token has:
https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html.
"""

from __future__ import annotations

from fhir_server.access.grant import Grant


def insufficient(grant: Grant, type: str, verb: str) -> dict[str, str]:
    """The header of a refusal: `verb` (a letter of `cruds`) on `type` is not among the scopes of `grant`."""
    return {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{_level(grant)}/{type}.{verb}"'}


def _level(grant: Grant) -> str:
    if grant.scopes:
        return grant.scopes[0].level
    return "patient" if grant.patient else "user" if grant.subject else "system"
