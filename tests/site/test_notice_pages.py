"""The centre of notifications, and the choice of what one is told of, as people meet them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from fhir_server.space.notices.preferences import preferences
from tests.server.closed import Space, serving
from tests.site.accessible import document, said
from tests.site.records import a_record, send, signed_in

HERE, CHOICES = "/mes-notifications", "/mes-notifications/preferences"
AT = datetime(2026, 12, 1, 11, tzinfo=UTC)


@pytest_asyncio.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with serving(tmp_path) as found:
        await a_record(found)
        yield found


async def tell(space: Space, count: int = 1, kind: str = "document", patient: str = "p1") -> None:
    notices = space.house.services.service("notices")
    for number in range(count):
        at = AT + timedelta(minutes=number)
        assert await notices.tell(patient, kind, f"{kind}/{patient}/{number}", at=at)


async def test_what_was_told_is_dated_unread_and_leads_to_its_place(space: Space) -> None:
    await tell(space)
    browser = await signed_in(space)
    page = document(await browser.http.get(HERE))
    assert "Vous avez un nouveau document" in said(page) and "1 notification non lue" in said(page)
    assert "1er décembre 2026, 12:00" in said(page)
    [notice] = page.xpath("//input[@name='notice']/@value")
    answer = await send(browser, f"{HERE}/ouvrir", HERE, notice=notice)
    assert answer.url.path == "/mon-dossier/p1"
    page = document(await browser.http.get(HERE))
    assert "non lue" not in said(page)
    [leads] = page.xpath("//article//a/@href")
    assert leads.endswith("/mon-dossier/p1")


async def test_all_are_marked_as_read_at_once(space: Space) -> None:
    await tell(space, 3)
    browser = await signed_in(space)
    page = document(await send(browser, f"{HERE}/lues", HERE))
    assert "C’est noté comme lu" in said(page) and "Non lue" not in said(page)


async def test_many_are_on_pages_the_newest_first(space: Space) -> None:
    await tell(space, 45)
    browser = await signed_in(space)
    counts, where = [], HERE
    while where:
        page = document(await browser.http.get(where))
        counts.append(len(page.xpath("//article")))
        where = next(iter(page.xpath("//a[@rel='next']/@href")), "")
    assert counts == [20, 20, 5]
    assert "45 notifications non lues" in said(document(await browser.http.get(HERE)))


async def test_nobody_sees_or_opens_what_another_was_told(space: Space) -> None:
    await tell(space)
    own = await signed_in(space)
    [notice] = document(await own.http.get(HERE)).xpath("//input[@name='notice']/@value")
    await space.put({"resourceType": "Patient", "id": "p2"})
    other = await signed_in(space, "other", "Patient/p2")
    assert "Rien ne vous a encore été signalé" in said(document(await other.http.get(HERE)))
    absent = notice[:-1] + ("0" if notice[-1] != "0" else "1")
    answers = [await send(other, f"{HERE}/ouvrir", CHOICES, notice=one) for one in (notice, absent, "x", "")]
    assert {one.status_code for one in answers} == {404}
    assert "1 notification non lue" in said(document(await own.http.get(HERE)))


async def test_who_acts_for_somebody_reads_for_whom_it_is(space: Space) -> None:
    await space.put({"resourceType": "Patient", "id": "child", "birthDate": "2018-01-01", "name": [{"text": "Lou"}]})
    browser = await signed_in(space, wards=("child",))
    await tell(space, patient="child")
    page = document(await browser.http.get(HERE))
    assert "Un proche a un nouveau document" in said(page) and "pour Lou" in said(page)


async def test_what_one_is_told_of_is_chosen(space: Space) -> None:
    browser = await signed_in(space)
    page = document(await browser.http.get(CHOICES))
    assert len(page.xpath("//input[@name='email'][@checked]")) == 6
    assert not page.xpath("//input[@name='sms']"), "this server sends none"
    page = document(await send(browser, CHOICES, CHOICES, email=["message", "access"]))
    assert "Vos choix sont enregistrés" in said(page)
    assert page.xpath("//input[@name='email'][@checked]/@value") == ["message", "access"]
    chosen = await preferences(space.house.engine.records, "Patient/p1")
    assert chosen.without_email == ("document", "appointment", "service", "screening")


@pytest.mark.parametrize("where", [HERE, CHOICES])
@pytest.mark.parametrize("language", ["fr", "en"])
async def test_the_pages_are_for_everybody(space: Space, where: str, language: str) -> None:
    await tell(space, 2)
    await tell(space, 1, "message")
    browser = await signed_in(space)
    assert document(await browser.http.get(f"{where}?lang={language}")).get("lang") == language


@pytest.mark.parametrize("path", [f"{HERE}/ouvrir", f"{HERE}/lues", CHOICES])
async def test_a_form_of_another_site_changes_nothing(space: Space, path: str) -> None:
    browser = await signed_in(space)
    answer = await browser.http.post(path, data={"notice": "x"})
    assert answer.status_code == 403
