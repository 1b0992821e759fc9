"""One's relatives: caregivers and a minor's second representative are invited, invitations answered, agreements ended.

All of it happens by the operations, as if the person's own software had asked: judged and traced alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi.responses import Response

from fhir_server.access.grant import Grant, Scope
from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.delegations import listing
from fhir_server.space.delegations.bonds import BONDS
from fhir_server.space.delegations.listing import Row
from fhir_server.space.record import choosing
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


@dataclass(frozen=True, slots=True)
class Child:
    """A minor whom the person represents.

    Attributes:
        id, name: of their Patient.
        rows: who acts for them.
        full: whether two represent them, or may yet accept it.
    """

    id: str
    name: str
    rows: Sequence[Row]
    full: bool


async def show(guest: Guest[Surroundings]) -> Response:
    """Who acts for the person and the minors whom they represent, and for whom they act."""
    done = guest.query("done")
    return await _page(guest, done=done if done in (*_ACTS, "invite") else "")


async def invite(guest: Guest[Surroundings]) -> Response:
    """Name somebody and ask them to care, or to represent a minor as the second."""
    given = {name: guest.field(name) for name in (*_NAMED, "end", "child")}
    named = [{"name": name, type: given[field]} for field, (name, type) in _NAMED.items()]
    patient = _of_whom(guest)
    if patient is None:
        return guest.nothing()
    more: list[dict[str, Any]] = [{"name": "end", "valueDate": given["end"]}] if given["end"] else []
    if given["child"]:
        kind = {"name": "kind", "valueCode": "LEGAL_REPRESENTATION"}
        named.append(kind)
        more = [kind, {"name": "declaration", "valueBoolean": guest.field("declaration") == "yes"}]
    try:
        answer = await _asked(guest, patient, "$delegation-match", named)
        word = next(one["valueString"] for one in answer["parameter"] if one["name"] == "transaction")
        await _asked(guest, patient, "$delegation-invite", [{"name": "transaction", "valueString": word}, *more])
    except FhirError as error:
        return await _page(guest, given, _why(error), status=error.status)
    return guest.to("/mes-proches?done=invite")


async def decide(guest: Guest[Surroundings]) -> Response:
    """Accept or refuse an invitation, or end what was agreed on."""
    act, patient = guest.field("act", 20), _of_whom(guest)
    if act not in _ACTS or patient is None:
        return guest.nothing()
    operation, more = _ACTS[act]
    try:
        await _asked(guest, patient, operation, [{"name": "delegation", "valueId": guest.path("delegation")}, *more])
    except FhirError as error:
        return guest.nothing() if error.status == 404 else await _page(guest, error=_why(error), status=error.status)
    return guest.to(f"/mes-proches?done={act}")


def _why(error: FhirError) -> str:
    """The published code of a refusal; what the page has no words for is "OTHER"."""
    return error.issues[0].key or {400: "INVALID", 429: "TOO_MANY"}.get(error.status, "OTHER")


async def _asked(
    guest: Guest[Surroundings], patient: str, operation: str, given: list[dict[str, Any]]
) -> dict[str, Any]:
    asking = Asking(guest.service, _grant(guest, patient), guest.visit.addresses.base)
    return await asking.operate(("Patient", patient, operation), parameters(given))


def _grant(guest: Guest[Surroundings], patient: str) -> Grant:
    account = guest.account
    return Grant((_SCOPE,), subject=account.subject, patient=patient, wards=frozenset(account.wards))


def _of_whom(guest: Guest[Surroundings]) -> str | None:
    """Of whom a form speaks (id): the child that it names, or the person themself; None for somebody else's child."""
    child = guest.field("child")
    if child:
        return child if child in guest.account.wards else None
    return _own(guest)


def _own(guest: Guest[Surroundings]) -> str | None:
    type, _, id = guest.account.subject.partition("/")
    return id if type == "Patient" else None


def _is_over(one: Row) -> bool:
    return one.kind == "LEGAL_REPRESENTATION" and one.status in ("ENDED", "EXPIRED")


async def _children(guest: Guest[Surroundings], now: datetime) -> list[Child]:
    """The minors whom the person represents."""
    own, found = guest.service.repository(), []
    for id in guest.account.wards:
        try:
            await choosing.decider(own, _grant(guest, id), id)
        except FhirError:
            continue
        rows = [one for one in await listing.of(own, id, now) if one.direction == "OUTGOING"]
        known = [one for one in rows if one.kind == "LEGAL_REPRESENTATION" and one.status in ("PENDING", "ACCEPTED")]
        name = await guest.entrance.name_of(guest.account, id)
        found.append(Child(id, name, rows, len(known) >= BONDS["representation"].most[0]))
    return found


async def _page(
    guest: Guest[Surroundings],
    given: Mapping[str, str] | None = None,
    error: str = "",
    done: str = "",
    status: int = 200,
) -> Response:
    now, own = datetime.now(UTC), _own(guest)
    rows = await listing.of(guest.service.repository(), own, now) if own is not None else []
    values = {
        "sides": [(side, [one for one in rows if one.direction == side]) for side in ("OUTGOING", "INCOMING")],
        "own": own is not None,
        # Somebody represented them once, which is over.
        "grown": any(one.direction == "OUTGOING" and _is_over(one) for one in rows),
        "children": await _children(guest, now),
        "given": given or {},
        "error": error,
        "done": done,
        "invites": own is not None and guest.service.settings.caregivers == "on",
    }
    return guest.page("delegations/relatives", values, status)
