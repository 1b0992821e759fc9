"""What an app is opened on besides the patient: the encounter, other resources, what it is to do, which establishment.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#launch-context-arrives-with-your-access_token.
Nothing is handed on that whoever opens the app could not read.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from fhir_server.access.grant import Grant, Scope
from fhir_server.access.policy import DIRECTORY
from fhir_server.access.record_owner import readable
from fhir_server.access.repository import Repository
from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.outcome import FhirError
from fhir_server.smart.people.accounts import Account
from fhir_server.store.filters import EVERYTHING, Id, both

#: Most resources in `fhirContext`.
MOST = 20
_REFERENCE = re.compile(r"([A-Z][A-Za-z]{2,40})/([A-Za-z0-9\-.]{1,64})")
_INTENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")


async def context(
    repository: Callable[[Grant], Awaitable[Repository]],
    account: Account,
    patient: str,
    *,
    encounter: str = "",
    intent: str = "",
    resources: Sequence[str] = (),
) -> dict[str, Any] | None:
    """The parameters of the token answer; None when something is not the patient's, is hidden, or is not understood.

    Args:
        repository: the store as a grant may see it.
        account: who opens the app.
        patient: id of the patient in context.
        encounter: id; "" without one.
        intent: agreed between the app and who opens it; "" without one.
        resources: references, "DocumentReference/1", of the patient's or of a directory.
    """
    found: dict[str, Any] = {}
    if encounter:
        if not await _of_patient(repository, account, patient, f"Encounter/{encounter}"):
            return None
        found["encounter"] = encounter
    if intent:
        if not _INTENT.fullmatch(intent):
            return None
        found["intent"] = intent
    if resources:
        # Patient and Encounter have parameters of their own, and are not permitted here.
        own = any(one.startswith(("Patient/", "Encounter/")) for one in resources)
        seen = [await _of_patient(repository, account, patient, one) for one in resources[:MOST]]
        if own or len(resources) > MOST or not all(seen):
            return None
        found["fhirContext"] = [{"reference": one} for one in dict.fromkeys(resources)]
    return found


async def tenant(
    repository: Callable[[Grant], Awaitable[Repository]], account: Account, role: str | None
) -> dict[str, Any]:
    """`tenant`: the establishment a professional acts in; nothing when it is not known."""
    if role is None or not role.startswith("PractitionerRole/"):
        return {}
    scope = Scope("user", "PractitionerRole", frozenset("rs"))
    try:
        version = await (await repository(Grant((scope,), subject=account.subject))).read(*role.split("/", 1))
    except FhirError:
        return {}
    organization = msgspec.json.decode(version.body, type=_Role).organization
    id = organization.reference.removeprefix("Organization/") if organization else ""
    return {"tenant": id} if id else {}


class _Reference(msgspec.Struct):
    reference: str = ""


class _Role(msgspec.Struct):
    organization: _Reference | None = None


async def _of_patient(
    repository: Callable[[Grant], Awaitable[Repository]], account: Account, patient: str, one: str
) -> bool:
    """Whether the account sees it, and it is the patient's or speaks of nobody."""
    match = _REFERENCE.fullmatch(one)
    if match is None or match[1] not in resource_types():
        return False
    type, id = match[1], match[2]
    scope = Scope("user", type, frozenset("rs"))
    role = account.roles[0] if len(account.roles) == 1 else None
    grant = Grant((scope,), subject=account.subject, role=role, wards=frozenset(account.patients))
    where = EVERYTHING if type in DIRECTORY else readable(patient, type)
    seen = await repository(grant)
    return bool((await seen.find({type: both(Id((id,)), where)}, count=1, want="head")).versions)
