"""Mes notifications: what somebody was told, the newest first, unread ones marked, each with the way to its place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from fhir_server.site.signed_in import Guest
from fhir_server.space.notices import centre
from fhir_server.space.notices.centre import COUNTED, Line
from fhir_server.space.notices.occasions import OCCASIONS
from fhir_server.space.notices.wording import words
from fhir_server.space.service import Surroundings

#: Notices of one page.
SHOWN = 20
_ID = re.compile(r"[0-9]{16}-[0-9a-f]{24}")
#: Places that are of one patient's, so that a notice leads to whom it is about.
_OF_PATIENTS = ("/mon-dossier", "/mes-acces", "/mes-messages", "/mon-agenda")


@dataclass(frozen=True, slots=True)
class Shown:
    """A notice as the page shows it.

    Attributes:
        id: names it among the person's.
        said: what it says, in French and in English.
        day, time: when, of the server's zone.
        unread: whether it is.
        whom: name of whom it is about; "" where it is about the person themself.
        place: address of where it leads, from the root; "" for nowhere.
    """

    id: str
    said: tuple[str, str]
    day: str
    time: str
    unread: bool
    whom: str
    place: str


async def show(guest: Guest[Surroundings]) -> Response:
    """A page of them."""
    after = guest.query("suite")
    if after and not _ID.fullmatch(after):
        return guest.to("/mes-notifications")
    records, person = guest.service.records, guest.account.subject
    found = await centre.lines(records, person, after, SHOWN + 1)
    unread = await centre.unread(records, person)
    values = {
        "notices": [await _shown(guest, one) for one in found[:SHOWN]],
        "next": found[SHOWN - 1].id if len(found) > SHOWN else "",
        "first": not after,
        "unread": unread,
        "many": unread > COUNTED,
        "counted": COUNTED,
        "done": guest.query("done"),
    }
    return guest.page("notices/centre", values)


async def waiting(guest: Guest[Surroundings]) -> int:
    """How many are unread, for the head of every page."""
    return await centre.unread(guest.service.records, guest.account.subject)


async def open_one(guest: Guest[Surroundings]) -> Response:
    """One is read; on to its place. By a form, since looking at an address changes nothing (RFC 9110 §9.2.1)."""
    id = guest.field("notice", 64)
    found = await centre.line(guest.service.records, guest.account.subject, id) if _ID.fullmatch(id) else None
    if found is None:
        return guest.nothing()
    await centre.mark_read(guest.service.records, guest.account.subject, [id])
    return guest.to((await _shown(guest, found)).place or "/mes-notifications?done=read")


async def read_all(guest: Guest[Surroundings]) -> Response:
    """Mark all notices of this person as read, and show them again."""
    await centre.mark_all_read(guest.service.records, guest.account.subject)
    return guest.to("/mes-notifications?done=read")


async def _shown(guest: Guest[Surroundings], one: Line) -> Shown:
    told = one.told
    occasion = OCCASIONS[told.occasion]
    at = told.when.astimezone(ZoneInfo(guest.service.settings.default_timezone))
    said = (words(occasion, told.acts, "fr")[0], words(occasion, told.acts, "en")[0])
    acts = told.acts and told.patient in guest.account.patients
    whom = await guest.entrance.name_of(guest.account, told.patient) if acts else ""
    leads = occasion.path in _OF_PATIENTS and told.patient in guest.account.patients
    place = f"{occasion.path}/{told.patient}" if leads else occasion.path
    here = "" if place == "/mes-notifications" else place
    return Shown(one.id, said, at.date().isoformat(), f"{at:%H:%M}", one.unread, whom, here)
