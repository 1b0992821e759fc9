"""What a caller whose token does not reach far enough is told: RFC 6750 §3 and §3.1, `insufficient_scope`.

The scope named is the smallest that would do, at the level of those the token has:
https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html.
"""

from __future__ import annotations

from fhir_server.access.grant import Grant
from fhir_server.access.record_owner import CLOSED, rows
from fhir_server.fhir.outcome import Forbidden
from fhir_server.store.filters import EVERYTHING

#: What each letter of `cruds` is called in a refusal.
_WORDS = {"c": "create", "r": "read", "u": "update", "d": "delete", "s": "search"}


def refusal(grant: Grant, type: str, verb: str) -> Forbidden:
    """Why a caller may `verb` nothing of `type`; they know their token, so this is no secret."""
    if verb in "cud" and rows()[type].kind in CLOSED and any(s.covers(type, verb) for s in grant.scopes):
        return Forbidden(f"A person's token does not {_WORDS[verb]} {type}: it is the space's own to write.")
    words = f"The token has no scope to {_WORDS[verb]} {type}."
    return Forbidden(words, headers=insufficient(grant, type, verb))


def require_all(grant: Grant, type: str, verb: str) -> None:
    """Refuse a grant that may not `verb` (a letter of `cruds`) all of a type, as what is no plain interaction asks.

    A scope with a constraint speaks of some resources, and not of whichever may be made.

    Raises:
        Forbidden: no scope is for all of them (403).
    """
    if not any(scope.covers(type, verb) and scope.where == EVERYTHING for scope in grant.scopes):
        raise Forbidden(f"The token has no scope for this on {type}.", headers=insufficient(grant, type, verb))


def insufficient(grant: Grant, type: str, verb: str) -> dict[str, str]:
    """The header of a refusal: `verb` (a letter of `cruds`) on `type` is not among the scopes of `grant`."""
    return {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{_level(grant)}/{type}.{verb}"'}


def _level(grant: Grant) -> str:
    if grant.scopes:
        return grant.scopes[0].level
    return "patient" if grant.patient else "user" if grant.subject else "system"
