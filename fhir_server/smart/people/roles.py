"""The exercises a professional may act in, in words: the profession or specialty, and where.

https://hl7.org/fhir/R4/practitionerrole.html; what the national directory says of each exercise of a professional.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from fhir_server.access.grant import Grant, Scope
from fhir_server.access.repository import Repository
from fhir_server.fhir.outcome import FhirError
from fhir_server.smart.people.accounts import Account

_READS = frozenset("rs")
_SCOPES = (Scope("user", "PractitionerRole", _READS), Scope("user", "Organization", _READS))


async def find(repository: Callable[[Grant], Awaitable[Repository]], account: Account) -> Sequence[tuple[str, str]]:
    """(reference, label) of each of the account's roles, same order.

    Args:
        repository: the store as a grant may see it.
        account: a professional.
    """
    seen = await repository(Grant(_SCOPES, subject=account.subject))
    return [(role, await _label(seen, role)) for role in account.roles]


async def name(repository: Callable[[Grant], Awaitable[Repository]], account: Account, role: str) -> str:
    """The label of one role."""
    return await _label(await repository(Grant(_SCOPES, subject=account.subject)), role)


async def _label(seen: Repository, role: str) -> str:
    tree = await _read(seen, role)
    specialty = _words(tree.get("specialty"))
    profession = _words(tree.get("code"))
    organization = tree.get("organization") or {}
    place = organization.get("display") or (await _read(seen, organization.get("reference") or "")).get("name")
    found = " – ".join(
        part for part in (", ".join(dict.fromkeys(filter(None, (profession, specialty)))), place) if part
    )
    # What the directory does not know is told apart by its reference, which is all there is.
    return found or role


async def _read(seen: Repository, reference: str) -> dict[str, Any]:
    type, _, id = reference.partition("/")
    if type not in ("PractitionerRole", "Organization") or not id:
        return {}
    try:
        version = await seen.read(type, id)
    except FhirError:
        return {}
    found: dict[str, Any] = msgspec.json.decode(version.body)
    return found


def _words(concepts: Any) -> str:
    """What the first concept is called."""
    for concept in concepts or ():
        codings = [coding.get("display") or coding.get("code") for coding in concept.get("coding") or ()]
        if found := concept.get("text") or next(filter(None, codings), None):
            return str(found)
    return ""
