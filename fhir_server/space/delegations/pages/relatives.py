"""One's relatives: caregivers are invited, invitations answered, and what was agreed on ended, from either side.

All of it happens by the operations, as if the person's own software had asked: judged and traced alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi.responses import Response

from fhir_server.access.grant import Grant, Scope
from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.delegations import listing
from fhir_server.space.record.pages.asking import Asking, parameters
from fhir_server.space.service import Surroundings

_SCOPE = Scope("user", "*", frozenset("cruds"))
#: What a form asks for → the operation, and what it is told besides which one.
_ACTS: Mapping[str, tuple[str, tuple[dict[str, Any], ...]]] = {
    "accept": ("$delegation-answer", ({"name": "accept", "valueBoolean": True},)),
    "refuse": ("$delegation-answer", ({"name": "accept", "valueBoolean": False},)),
    "end": ("$delegation-end", ()),
}
#: What names somebody: field of the form → parameter, and its type.
_NAMED: Mapping[str, tuple[str, str]] = {
    "ins": ("ins", "valueString"),
    "given": ("given", "valueString"),
    "family": ("family", "valueString"),
    "born": ("birthDate", "valueDate"),
}


async def show(guest: Guest[Surroundings]) -> Response:
    """Who acts for the person, and for whom they act."""
    done = guest.query("done")
    return await _page(guest, done=done if done in (*_ACTS, "invite") else "")


async def invite(guest: Guest[Surroundings]) -> Response:
    """Name somebody and ask them to care."""
    given = {name: guest.field(name) for name in (*_NAMED, "end")}
    named = [{"name": name, type: given[field]} for field, (name, type) in _NAMED.items()]
    try:
        answer = await _asked(guest, "$delegation-match", named)
        word = next(one["valueString"] for one in answer["parameter"] if one["name"] == "transaction")
        end = [{"name": "end", "valueDate": given["end"]}] if given["end"] else []
        await _asked(guest, "$delegation-invite", [{"name": "transaction", "valueString": word}, *end])
    except FhirError as error:
        return await _page(guest, given, _why(error), status=error.status)
    return guest.to("/mes-proches?done=invite")


async def decide(guest: Guest[Surroundings]) -> Response:
    """Accept or refuse an invitation, or end what was agreed on."""
    act = guest.field("act", 20)
    if act not in _ACTS:
        return guest.nothing()
    operation, more = _ACTS[act]
    try:
        await _asked(guest, operation, [{"name": "delegation", "valueId": guest.path("delegation")}, *more])
    except FhirError as error:
        return guest.nothing() if error.status == 404 else await _page(guest, error=_why(error), status=error.status)
    return guest.to(f"/mes-proches?done={act}")


def _why(error: FhirError) -> str:
    """The published code of a refusal; what the page has no words for is "OTHER"."""
    return error.issues[0].key or {400: "INVALID", 429: "TOO_MANY"}.get(error.status, "OTHER")


async def _asked(guest: Guest[Surroundings], operation: str, given: list[dict[str, Any]]) -> dict[str, Any]:
    patient = _own(guest)
    grant = Grant((_SCOPE,), subject=guest.account.subject, patient=patient)
    asking = Asking(guest.service, grant, guest.visit.addresses.base)
    return await asking.operate(("Patient", patient, operation), parameters(given))


def _own(guest: Guest[Surroundings]) -> str:
    return guest.account.subject.removeprefix("Patient/")


async def _page(
    guest: Guest[Surroundings],
    given: Mapping[str, str] | None = None,
    error: str = "",
    done: str = "",
    status: int = 200,
) -> Response:
    rows = await listing.of(guest.service.repository(), _own(guest), datetime.now(UTC))
    values = {
        "sides": [(side, [one for one in rows if one.direction == side]) for side in ("OUTGOING", "INCOMING")],
        "given": given or {},
        "error": error,
        "done": done,
        "invites": guest.service.settings.caregivers == "on",
    }
    return guest.page("delegations/relatives", values, status)
