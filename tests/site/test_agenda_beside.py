"""Beside the agenda's month: prevention by age, a professional's day, and other calendars.

CSP R1111-27 (the reason is shown, and one refuses at any time); R4 Slot; RFC 5545. Invented people only.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.server.closed import ROOT, Space
from tests.server.people import kept
from tests.site.accessible import document, said
from tests.site.records import send, signed_in
from tests.site.test_agenda_pages import MINE, PARIS, booked, nathalie, space
from tests.smart.browser import Browser

pytestmark = pytest.mark.asyncio(loop_scope="module")
__all__ = ["nathalie", "space"]


async def test_prevention_shows_why_and_is_answered_and_refused(space: Space, nathalie: Browser) -> None:
    born = datetime.now(PARIS).date() - timedelta(days=70)
    await kept(space.house, {"resourceType": "Patient", "id": "p2", "birthDate": born.isoformat(), "gender": "female",
                             "name": [{"family": "AUTRE", "given": ["Ana"]}]})  # fmt: skip
    here = "/mon-agenda/p2/prevention"
    page = document(await nathalie.http.get(here))
    assert "Examen de santé de l’enfant : 2 mois" in said(page) and "Certificat 1" in said(page)
    cards = page.xpath("//article")
    assert len(cards) > 20 and all("Pourquoi : " in one.text_content() for one in cards)
    [start] = page.xpath("//form[input[@value='exam-m2']]/input[@name='start']/@value")
    given = {"code": "exam-m2", "start": start}
    today = datetime.now(PARIS).date().isoformat()
    page = document(await send(nathalie, here, here, act="done", executed=today, **given))
    assert "C’est enregistré." in said(page) and "fait le" in said(page)
    page = document(await send(nathalie, here, here, act="refuse", **given))
    assert "Refusé" in said(page)
    assert "Refusé" not in said(document(await send(nathalie, here, here, act="accept", **given)))
    for wrong in ({"act": "done", "executed": "2199-01-01"}, {"act": "done", "executed": "x"}, {"act": "?"}):
        page = document(await send(nathalie, here, here, **{**given, **wrong}), 400)
        assert page.xpath("//div[@role='alert']//li") and not page.xpath("//div[@role='alert']//li[@lang='en']"), wrong
    assert (await nathalie.http.get("/mon-agenda/p3/prevention")).status_code == 404


async def test_a_professional_sees_their_day_by_hour(space: Space) -> None:
    """Named are those whom they may read; what is others' or of another day is not there."""
    schedule = {"resourceType": "Schedule", "id": "s1", "actor": [{"reference": "Practitioner/d1"}]}
    other = {**schedule, "id": "s2", "actor": [{"reference": "Practitioner/d2"}]}

    def slot(id: str, start: str, end: str, status: str, of: str = "s1") -> dict[str, Any]:
        times = {"start": f"2027-05-03T{start}:00+02:00", "end": f"2027-05-03T{end}:00+02:00"}
        return {
            "resourceType": "Slot",
            "id": id,
            "schedule": {"reference": f"Schedule/{of}"},
            "status": status,
            **times,
        }

    team = {"resourceType": "CareTeam", "id": "t1", "status": "active", "subject": {"reference": "Patient/p1"}}
    with_d2 = [{"actor": {"reference": "Practitioner/d2"}, "status": "accepted"}]
    await kept(
        space.house,
        {"resourceType": "Practitioner", "id": "d2", "name": [{"family": "AUTRE"}]},
        {**team, "participant": [{"member": {"reference": "Practitioner/d1"}}]},
        schedule,
        other,
        slot("v1", "09:00", "09:20", "busy"),
        slot("v2", "09:20", "09:40", "free"),
        slot("v3", "12:00", "14:00", "busy-unavailable"),
        slot("v4", "15:00", "15:20", "entered-in-error"),
        slot("v5", "16:00", "16:20", "free", of="s2"),
        booked("day", "2027-05-03T09:00:00+02:00", "2027-05-03T09:20:00+02:00", slot=[{"reference": "Slot/v1"}]),
        booked("unseen", "2027-05-03T10:00:00+02:00", "2027-05-03T10:20:00+02:00", patient="p9", status="pending"),
        booked("theirs2", "2027-05-03T11:00:00+02:00", "2027-05-03T11:20:00+02:00", participant=with_d2),
        booked("eve", "2027-05-04T00:00:00+02:00", "2027-05-04T00:20:00+02:00"),
    )
    doctor = await signed_in(space, "docteur", "Practitioner/d1")
    page = document(await doctor.http.get("/agenda?jour=2027-05-03"))
    rows = [" ".join(one.text_content().split()) for one in page.xpath("//tbody/tr")]
    assert len(rows) == 4
    assert rows[0] == "09:00 – 09:20Nathalie DEMO · Consultation"
    assert rows[1:] == [
        "09:20 – 09:40Créneau libre",
        "10:00 – 10:20Patient · Consultation À confirmer",
        "12:00 – 14:00Indisponible",
    ]
    for asked in ("", "?jour=x", "?jour=9999-12-31"):
        page = document(await doctor.http.get(f"/agenda{asked}"))
        assert datetime.now(PARIS).date().isoformat() in page.xpath("//h2/time/@datetime"), asked
    assert "Aucun rendez-vous" in said(document(await doctor.http.get("/agenda?jour=2031-01-01")))


async def test_the_agenda_is_taken_to_another_calendar_and_no_more(space: Space, nathalie: Browser) -> None:
    here = f"{MINE}/calendrier"
    await kept(space.house, booked("ics", "2027-06-01T09:00:00+02:00", "2027-06-01T09:20:00+02:00"))
    file = await nathalie.http.get(f"{MINE}/agenda.ics")
    assert file.headers["content-type"].startswith("text/calendar") and file.text.startswith("BEGIN:VCALENDAR")
    assert "no-store" in file.headers["cache-control"]
    assert "Créer l’adresse" in said(document(await nathalie.http.get(here)))
    made = document(await send(nathalie, here, here, act="make"))
    [url] = made.xpath("//div[@role='status']//a/@href")
    assert (await nathalie.http.get(url.removeprefix(ROOT))).text.startswith("BEGIN:VCALENDAR")
    page = document(await send(nathalie, here, here, act="change", content="yes"))
    assert "C’est enregistré." in said(page) and page.xpath("//input[@name='content'][@checked]")
    assert url not in said(page), "it is shown once"
    page = document(await send(nathalie, here, here, act="revoke"))
    assert "L’adresse ne répond plus." in said(page) and "Créer l’adresse" in said(page)
    assert (await nathalie.http.get(url.removeprefix(ROOT))).status_code == 404
    assert (await send(nathalie, here, here, act="revoke")).url.path == here
    assert (await send(nathalie, here, here, act="x")).status_code == 404
    assert (await nathalie.http.get("/mon-agenda/p3/agenda.ics")).status_code == 404
