"""A calendar file taken into one's own agenda by a form, with and without a script: RFC 5545, WCAG 2.1 §3.3.1."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from fhir_server.space.agenda.calendar import bounds
from fhir_server.space.agenda.calendar.reading import read
from fhir_server.space.agenda.calendar.recurrence import Unreadable
from fhir_server.space.agenda.pages.brought import OF_EVENTS, OF_FILES, french
from tests.server.closed import ROOT, Space
from tests.site.accessible import document, said
from tests.site.records import send, signed_in
from tests.site.test_agenda_pages import MINE, entries, listed, nathalie, space
from tests.smart.browser import Browser
from tests.space.agenda.calendar.test_import import REFUSED, calendar, event

pytestmark = pytest.mark.asyncio(loop_scope="module")
__all__ = ["nathalie", "space"]
HERE = f"{MINE}/importer"


def file(data: bytes, name: str = "agenda.ics") -> dict[str, Any]:
    return {"file": (name, data, "text/calendar")}


async def test_a_file_is_taken_in_and_again_changes_its_entries(space: Space, nathalie: Browser) -> None:
    month = document(await nathalie.http.get(f"{MINE}?mois=2027-07"))
    assert f"{ROOT}{HERE}" in month.xpath("//main//a/@href")
    data = calendar(event("SUMMARY:Kiné"), event(f"SUMMARY:{'x' * 101}", uid="2@x", start=":20270702T070000Z"))
    page = document(await send(nathalie, HERE, HERE, files=file(data)))
    assert "2 entrées sont dans votre agenda." in said(page) and "1 entrée était trop longue" in said(page)
    assert [one for one in listed(document(await nathalie.http.get(f"{MINE}?mois=2027-07"))) if "Kiné" in one]
    page = document(await send(nathalie, HERE, HERE, files=file(data.replace("Kiné".encode(), b"Dentiste"))))
    assert "2 entrées sont dans votre agenda." in said(page)
    titles = [one["description"][:8] for one in await entries(space)]
    assert titles == ["Dentiste", "xxxxxxxx"]


async def test_what_is_wrong_is_said_in_french_and_of_which_event(space: Space, nathalie: Browser) -> None:
    before = await entries(space)
    wrong = []
    # A long one is read in the process beside: three tell whether what it says comes through.
    for name in ("an end before its start", "no calendar", "one of many that is wrong"):
        answer = await send(nathalie, HERE, HERE, files=file(REFUSED[name][0]))
        shown = document(answer, 422)
        reasons = shown.xpath("//div[@role='alert']//li")
        if not reasons or shown.xpath("//div[@role='alert']//li[@lang='en']"):
            wrong.append((name, said(shown)))
    assert not wrong
    assert "Rendez-vous n° 10 du fichier : sa fin est avant son début." in said(shown)
    for data, words in ((b"", "Choisissez un fichier."), (b"x" * (bounds.LARGEST + 1), "Ce fichier dépasse 1 Mo.")):
        page = document(await send(nathalie, HERE, HERE, files=file(data)), 400)
        assert words in said(page) and page.xpath("//input[@name='file'][@aria-invalid='true']")
        assert page.xpath("//title")[0].text.startswith("Erreur : ")
    assert words and "Choisissez un fichier." in said(document(await send(nathalie, HERE, HERE), 400))
    assert await entries(space) == before


async def test_each_reason_for_which_a_file_is_refused_has_its_french() -> None:
    """Of those that the table of files meets, and of each sentence that the modules have."""
    met = set()
    for name, (data, _) in REFUSED.items():
        with pytest.raises(Unreadable) as refused:
            read(data)
        words = str(refused.value)
        assert french(words) and french(words) != words, (name, words)
        met.add(words.partition(": ")[2] if words.startswith("Event ") else words)
    assert met <= {*OF_FILES, *OF_EVENTS}
    folder = Path(bounds.__file__).parent
    known = {*OF_FILES, *OF_EVENTS}
    sentences = [one for name in ("reading", "recurrence") for one in raised(folder / f"{name}.py")]
    assert len(sentences) > 20
    assert not [one for one in sentences if not any(fits(one, text) for text in known)]


def raised(module: Path) -> list[list[str]]:
    """The sentences of a module's refusals, each as the pieces between its values."""
    calls = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call)]
    given = [one.args[0] for one in calls if isinstance(one.func, ast.Name) and one.func.id == "Unreadable"]
    pieces = [
        [one.value if isinstance(one, ast.Constant) else "" for one in text.values]
        if isinstance(text, ast.JoinedStr)
        else [text.value]  # type: ignore[attr-defined]
        for text in given
    ]
    return [some for some in pieces if not some[0].startswith("Event ")]


def fits(pieces: list[str], text: str) -> bool:
    """Whether a text has the pieces, in their order."""
    at = 0
    for piece in pieces:
        at = text.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return True


async def test_counts_that_an_address_makes_up_are_not_shown(nathalie: Browser) -> None:
    for query in ("imported=x&left=0&shortened=0", "imported=1", "imported=99999&left=0&shortened=0", ""):
        page = document(await nathalie.http.get(f"{HERE}?{query}"))
        assert not page.xpath("//div[@role='status'][@class='done']"), query


async def test_it_is_theirs_whom_the_account_acts_for(space: Space, nathalie: Browser) -> None:
    """Brought for p2, it stands in the agenda of p2 alone; of p3 nothing is said."""
    there = "/mon-agenda/p2/importer"
    data = calendar(event("SUMMARY:Pédiatre", uid="child@x"))
    assert "1 entrée est dans votre agenda." in said(document(await send(nathalie, there, there, files=file(data))))
    assert "Pédiatre" not in said(document(await nathalie.http.get(f"{MINE}?mois=2027-07")))
    assert "Pédiatre" in said(document(await nathalie.http.get("/mon-agenda/p2?mois=2027-07")))
    assert (await nathalie.http.get("/mon-agenda/p3/importer")).status_code == 404
    assert (await send(nathalie, "/mon-agenda/p3/importer", HERE, files=file(data))).status_code == 404
    doctor = await signed_in(space, "docteur", "Practitioner/d1")
    assert (await doctor.http.get(HERE)).status_code == 403
