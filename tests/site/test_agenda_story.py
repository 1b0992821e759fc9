"""An agenda kept by the keyboard alone on a phone, in a real browser: WCAG 2.1 §2.1.1, §1.4.10, §3.3.1."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.server.closed import Space
from tests.site.test_browser import CHROMIUM
from tests.site.test_message_story import NARROW, tab_to, whole
from tests.site.test_record_story import Visitors, space, visitors
from tests.space.agenda.calendar.test_import import calendar, event

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")
__all__ = ["space", "visitors"]


async def test_an_entry_is_noted_moved_and_deleted_without_a_mouse(space: Space, visitors: Visitors) -> None:
    page = await visitors.enter("nathalie", NARROW)
    await page.goto(f"{visitors.root}/mon-agenda/p1?mois=2027-03")
    await whole(page)
    await tab_to(page, "main a.button")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/nouveau")
    await whole(page)
    await page.get_by_label("Titre").fill("Vaccin antigrippe")
    await page.get_by_label("Jour", exact=True).fill("2027-03-15")
    await page.get_by_label("Début").fill("10:00")
    await page.get_by_label("Fin (facultatif)", exact=True).fill("09:00")
    await tab_to(page, "button[value=save]")
    await page.keyboard.press("Enter")
    end = page.get_by_label("Fin (facultatif)", exact=True)
    await expect(end).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_role("alert")).to_contain_text("La fin est avant le début.")
    await whole(page)
    await end.fill("10:30")
    await end.press("Enter")
    await expect(page.get_by_role("status")).to_have_text("L’entrée est notée.")
    await whole(page)
    # The grid leads to the list, and the list to the entry.
    day = page.get_by_role("link", name="15 1 entrée")
    await day.focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**#j2027-03-15")
    await page.get_by_role("link", name="Vaccin antigrippe").press("Enter")
    await expect(page.get_by_label("Début")).to_have_value("10:00")
    await tab_to(page, "main summary")
    await page.keyboard.press("Enter")
    await whole(page)
    await tab_to(page, "button[value=delete]")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_have_text("L’entrée est supprimée.")
    await expect(page.get_by_text("Rien ce mois-ci.")).to_be_visible()
    await page.get_by_role("link", name="Prévention").click()
    await page.wait_for_url("**/prevention")
    await whole(page)
    await page.get_by_role("link", name="L’agenda").click()
    await page.get_by_role("link", name="Dans un autre calendrier").click()
    await whole(page)
    await page.get_by_role("button", name="Créer l’adresse").press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("/calendar/")
    await whole(page)
    doctor = await visitors.enter("zoe", NARROW)
    await doctor.goto(f"{visitors.root}/agenda?jour=2027-03-15")
    await whole(doctor)


@pytest.mark.parametrize("scripted", [True, False])
async def test_a_calendar_file_is_brought_by_a_form_with_a_script_and_without(
    space: Space, visitors: Visitors, scripted: bool
) -> None:
    page = await visitors.enter("nathalie", NARROW, script=scripted)
    await page.goto(f"{visitors.root}/mon-agenda/p1?mois=2027-07")
    await page.get_by_role("link", name="Importer un calendrier").press("Enter")
    await page.wait_for_url("**/importer")
    await whole(page)
    field, press = page.get_by_label("Fichier de calendrier"), page.get_by_role("button", name="Importer")
    backwards = calendar(event("DTEND;TZID=Europe/Paris:20270701T080000", uid="back@x"))
    await field.set_input_files({"name": "a.ics", "mimeType": "text/calendar", "buffer": backwards})
    await press.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("Rendez-vous n° 1 du fichier : sa fin est avant son début.")
    await whole(page)
    title = f"Kiné {scripted}"
    right = calendar(event(f"SUMMARY:{title}", uid=f"{scripted}@x"))
    await field.set_input_files({"name": "b.ics", "mimeType": "text/calendar", "buffer": right})
    await press.press("Enter")
    await expect(page.locator("main .done")).to_contain_text("1 entrée est dans votre agenda.")
    await page.goto(f"{visitors.root}/mon-agenda/p1?mois=2027-07")
    await expect(page.get_by_role("link", name=title)).to_be_visible()
