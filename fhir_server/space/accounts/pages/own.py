"""Where one's space stands, and that of the minors one represents: close it, open it again, ask that it be deleted.

CSP R1111-36. The password is asked again before a space is closed or deletion is asked for, where there is one.
"""

from __future__ import annotations

from typing import Any

from fastapi.responses import Response

from fhir_server.access.grant import Grant, Scope
from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.accounts import moving
from fhir_server.space.accounts.moving import Found
from fhir_server.space.accounts.pages.deciding import moved
from fhir_server.space.accounts.states import ASKED, Event
from fhir_server.space.accounts.terms import TERMS
from fhir_server.space.record import choosing
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.service import Surroundings

#: What is hard to take back: the password is asked for.
_GRAVE: frozenset[Event] = frozenset({"close", "ask-deletion"})
_SCOPE = Scope("user", "*", frozenset("cruds"))


async def show(guest: Guest[Surroundings]) -> Response:
    """The spaces that the person decides for."""
    return await _page(guest, done=guest.query("done"))


async def move(guest: Guest[Surroundings]) -> Response:
    """Have something happen to one of them."""
    patient, said = guest.path("patient"), guest.field("event", 40)
    if patient not in guest.account.patients or said not in ASKED or not await _decides(guest, patient):
        return guest.nothing()
    event: Event = said
    if event == "activate" and guest.field("terms") != TERMS:
        return await _page(guest, wrong=(patient, event, "terms"), status=400)
    if event in _GRAVE and not await guest.proves():
        return await _page(guest, wrong=(patient, event, "password"), status=403)
    asking = Asking(guest.service, _grant(guest, patient), guest.visit.addresses.base)
    try:
        await moved(asking, event, f"terms {TERMS}" if event == "activate" else "")
        if event == "close" and guest.field("deletion") == "yes":
            await moved(asking, "ask-deletion")
    except FhirError as error:
        # Done meanwhile, elsewhere, or taken back by the other representative: the page says where it stands.
        what = "disagree" if error.issues[0].key == "REPRESENTATIVES_DISAGREE" else "refused"
        return await _page(guest, wrong=(patient, event, what), status=422)
    return guest.to(f"/mon-compte?done={event}")


async def _decides(guest: Guest[Surroundings], patient: str) -> bool:
    own = guest.service.repository()
    try:
        return await choosing.decider(own, _grant(guest, patient), patient) == "holder"
    except FhirError:
        return False


def _grant(guest: Guest[Surroundings], patient: str) -> Grant:
    account = guest.account
    return Grant((_SCOPE,), subject=account.subject, patient=patient, wards=frozenset(account.wards))


async def _page(
    guest: Guest[Surroundings], wrong: tuple[str, str, str] = ("", "", ""), done: str = "", status: int = 200
) -> Response:
    mine = [one for one in guest.account.patients if await _decides(guest, one)]
    spaces = await moving.found(guest.service.repository(), mine)
    rows = [await _row(guest, space) for space in spaces if space is not None]
    values = {
        "spaces": rows,
        "wrong": {"patient": wrong[0], "event": wrong[1], "what": wrong[2]},
        "done": done if done in ASKED else "",
        "terms": TERMS,
        "asks": guest.account.password is not None,
        "code": guest.account.totp is not None,
    }
    return guest.page("accounts/own", values, status)


async def _row(guest: Guest[Surroundings], space: Found) -> dict[str, Any]:
    patient, life = space.patient.id, space.life
    return {
        "patient": patient,
        "name": await guest.entrance.name_of(guest.account, patient),
        "own": guest.account.subject == f"Patient/{patient}",
        "state": space.state,
        "since": life.since if life is not None else None,
        "next": life.next if life is not None else None,
        "deletion": life is not None and life.deletion,
        "may": space.may("holder"),
    }
