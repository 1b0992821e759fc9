"""An appointment's life: booked by software, on the page and in a calendar, moved, reminded of, called off.

Guide GAP 3.0.0 (flows 4a, 6a, 6b), RFC 5545, domain file §2.8 and §2.11. Two calendar libraries read what is subscribed to.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import icalendar
import pytest
import recurring_ical_events
import vobject
from playwright.async_api import expect

from tests.server.closed import BEARER, Space
from tests.site.test_browser import CHROMIUM
from tests.site.test_record_story import Visitors, space, visitors

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")
__all__ = ["space", "visitors"]

PARIS = ZoneInfo("Europe/Paris")
#: Ten days ahead, at nine, and the day after at ten: within what a calendar has and a job tells of.
NINE = datetime.now(PARIS).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=10)
TEN = NINE + timedelta(days=1, hours=1)
RDV = ("https://editor.example/rdv", "1")


def lasting(start: datetime) -> dict[str, str]:
    return {"start": start.isoformat(), "end": (start + timedelta(minutes=20)).isoformat()}


def slot(id: str, start: datetime) -> dict[str, Any]:
    schedule = {"reference": "Schedule/d1"}
    return {"resourceType": "Slot", "id": id, "schedule": schedule, "status": "free", **lasting(start)}


def booking(slot: str, start: datetime, status: str = "booked") -> dict[str, Any]:
    actors = ("Patient/p1", "Practitioner/d1", "Location/l1")
    return {
        "resourceType": "Appointment",
        "identifier": [{"system": RDV[0], "value": RDV[1]}],
        "status": status,
        "description": "Consultation de suivi",
        "slot": [{"reference": f"Slot/{slot}"}],
        "participant": [{"actor": {"reference": one}, "status": "accepted"} for one in actors],
        **lasting(start),
    }


class Software:
    """What books: a backend service of the practice, over the wire."""

    def __init__(self, root: str, token: str) -> None:
        self._root, self._headers = root, {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}

    async def books(self, tree: dict[str, Any]) -> int:
        """The status of a conditional update by the appointment's identifier (flow 6b)."""
        url = f"{self._root}/fhir/Appointment?identifier={RDV[0]}|{RDV[1]}"
        async with httpx.AsyncClient() as wire:
            answer = await wire.put(url, content=json.dumps(tree), headers=self._headers)
        assert answer.status_code in (200, 201), answer.text
        return answer.status_code

    async def finds(self, query: str) -> list[str]:
        """Ids of what a search finds (flow 4a)."""
        async with httpx.AsyncClient() as wire:
            found = (await wire.get(f"{self._root}/fhir/{query}", headers=self._headers)).json()
        return [one["resource"]["id"] for one in found.get("entry", ())]


async def admitted(space: Space, root: str) -> Software:
    """Software with keys, that has asked for a token by them."""
    await space.backend("agenda")
    form = {
        "grant_type": "client_credentials",
        "scope": "system/*.cruds",
        "client_assertion_type": BEARER,
        "client_assertion": space.assertion("agenda", aud=f"{root}/auth/token"),
    }
    async with httpx.AsyncClient() as wire:
        answer = await wire.post(f"{root}/auth/token", data=form)
    assert answer.status_code == 200, answer.text
    return Software(root, answer.json()["access_token"])


async def job(space: Space, name: str, at: datetime) -> int:
    [one] = [one for one in space.house.services.jobs() if one.name == name]
    return await one.run(at)


async def calendar_of(address: str, had: str | None = None) -> tuple[int, str, bytes]:
    """Status, entity-tag and content: what a calendar program is answered, who had a version before or none."""
    async with httpx.AsyncClient() as program:
        answer = await program.get(address, headers={"If-None-Match": had} if had else {})
    return answer.status_code, answer.headers["etag"], answer.content


def read(content: bytes, day: datetime) -> list[tuple[str, datetime, str]]:
    """(title, start, status) of what is on a day, as both libraries read it."""
    one = recurring_ical_events.of(icalendar.Calendar.from_ical(content)).at(day.date())
    found = [(str(event["SUMMARY"]), event["DTSTART"].dt, str(event["STATUS"])) for event in one]
    every = getattr(vobject.readOne(content.decode()), "vevent_list", [])
    same = [(event.summary.value, event.dtstart.value, event.status.value) for event in every]
    assert [one for one in same if one[1].astimezone(PARIS).date() == day.date()] == found
    return found


async def test_from_booking_to_calling_off(space: Space, visitors: Visitors) -> None:
    await space.put({"resourceType": "Location", "id": "l1", "name": "Cabinet du Lac"})
    await space.put({"resourceType": "Schedule", "id": "d1", "actor": [{"reference": "Practitioner/d1"}]})
    await space.put(slot("nine", NINE))
    await space.put(slot("ten", TEN))
    software = await admitted(space, visitors.root)
    # As the clock has them done every few seconds.
    for name in ("appointments", "agenda-reminders"):
        await job(space, name, datetime.now(PARIS))
    page = await visitors.enter("nathalie")
    month, next_month = (f"{visitors.root}/mon-agenda/p1?mois={start:%Y-%m}" for start in (NINE, TEN))
    # The person's calendar program, which knows an address and nothing else.
    await page.goto(f"{visitors.root}/mon-agenda/p1/calendrier")
    await page.get_by_label("Dire aussi de quoi il s’agit").check()
    await page.get_by_role("button", name="Créer l’adresse").click()
    address = await page.locator("main .done a").get_attribute("href")
    assert address is not None
    status, tag, content = await calendar_of(address)
    assert (status, b"BEGIN:VEVENT" in content) == (200, False)

    assert await software.finds("Slot?schedule.actor=Practitioner/d1&status=free&_sort=start") == ["nine", "ten"]
    assert await software.books(booking("nine", NINE)) == 201
    assert await software.finds("Slot?status=free") == ["ten"]
    await page.goto(month)
    line = page.get_by_role("listitem").filter(has_text="Consultation de suivi")
    await expect(line).to_contain_text("09:00")
    await expect(line).to_contain_text("Zoé EXEMPLE, Cabinet du Lac")
    status, tag, content = await calendar_of(address, tag)
    assert status == 200 and read(content, NINE) == [("Consultation de suivi", NINE, "CONFIRMED")]
    assert b"LOCATION:Cabinet du Lac" in content
    assert (await calendar_of(address, tag))[0] == 304
    assert await job(space, "appointments", datetime.now(PARIS)) == 1

    await line.get_by_role("link").click()
    await page.get_by_label("1 jour avant").check()
    await page.get_by_role("button", name="Enregistrer").click()
    await expect(page.get_by_role("status")).to_have_text("Les rappels sont enregistrés.")

    assert await software.books(booking("ten", TEN)) == 200
    assert await software.finds("Slot?status=free") == ["nine"]
    await page.goto(next_month)
    await expect(page.get_by_role("listitem").filter(has_text="Consultation de suivi")).to_contain_text("10:00")
    status, tag, content = await calendar_of(address, tag)
    assert status == 200 and read(content, TEN) == [("Consultation de suivi", TEN, "CONFIRMED")]
    assert read(content, NINE) == []
    assert await job(space, "appointments", datetime.now(PARIS)) == 1
    # Of its new time they are reminded, at the minute, and not of the old one.
    day = timedelta(days=1)
    assert await job(space, "agenda-reminders", datetime.now(PARIS)) == 0
    assert await job(space, "agenda-reminders", NINE - day) == 0
    assert await job(space, "agenda-reminders", TEN - day - timedelta(seconds=1)) == 0
    assert await job(space, "agenda-reminders", TEN - day) == 1
    await page.goto(f"{visitors.root}/mes-notifications")
    await expect(page.locator("main")).to_contain_text("Rappel de votre agenda")
    await expect(page.locator("main")).not_to_contain_text("Consultation")

    assert await software.books(booking("ten", TEN, "cancelled")) == 200
    assert await software.finds("Slot?status=free&_sort=start") == ["nine", "ten"]
    await page.goto(next_month)
    await expect(page.get_by_role("listitem").filter(has_text="Consultation de suivi")).to_contain_text("Annulé")
    status, tag, content = await calendar_of(address, tag)
    assert status == 200 and [one[2] for one in read(content, TEN)] == ["CANCELLED"]
    assert await job(space, "appointments", datetime.now(PARIS)) == 1
