"""Mon agenda: a month of what software booked and of what people note; domain file §2.8, R4 Appointment, RGAA 4.1."""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from fhir_server.space.agenda.model import AUTHOR, EDITOR, tags
from fhir_server.space.agenda.pages.refusals import WORDS, french
from tests.server.closed import ROOT, Space, serving
from tests.server.people import kept
from tests.site.accessible import document, errors, said
from tests.site.records import a_record, send, signed_in
from tests.smart.browser import Browser

pytestmark = pytest.mark.asyncio(loop_scope="module")

PARIS = ZoneInfo("Europe/Paris")
MINE = "/mon-agenda/p1"
ENTRY: Mapping[str, str] = {"title": "Prise de sang", "day": "2027-03-01", "start": "08:30"}


def booked(id: str, start: str, end: str, patient: str = "p1", status: str = "booked", **more: Any) -> dict[str, Any]:
    """What a doctor's software made."""
    actors = (f"Patient/{patient}", "Practitioner/d1", "Location/l1")
    return {
        "resourceType": "Appointment",
        "id": id,
        "meta": {"tag": [{"system": AUTHOR, "code": EDITOR}]},
        "status": status,
        "description": "Consultation",
        "start": start,
        "end": end,
        "participant": [{"actor": {"reference": one}, "status": "accepted"} for one in actors],
        **more,
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def space(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Space]:
    async with serving(tmp_path_factory.mktemp("agenda")) as found:
        await a_record(found)
        doctor = {"resourceType": "Practitioner", "id": "d1", "name": [{"family": "EXEMPLE", "given": ["Zoé"]}]}
        phone = [{"system": "phone", "value": "01 99 00 12 34"}]
        await kept(
            found.house,
            {"resourceType": "Patient", "id": "p2", "name": [{"family": "AUTRE", "given": ["Ana"]}]},
            {**doctor, "telecom": phone},
            {"resourceType": "Location", "id": "l1", "name": "Cabinet du Lac"},
        )
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nathalie(space: Space) -> Browser:
    return await signed_in(space, wards=("p2",))


def grid(page: Any) -> dict[str, str]:
    """Day of the month → how many entries the grid counts on it."""
    cells = page.xpath("//table[contains(@class, 'month')]//td/a")
    return {one.text.strip(): one.findtext("span[@class='count']") for one in cells}


def listed(page: Any) -> list[str]:
    """The list: its days, and under each the entries' first lines."""
    found = page.xpath("//main//h3 | //main//li[@class='card']/p[1]")
    return [" ".join(one.text_content().split()) for one in found]


async def entries(space: Space) -> list[dict[str, Any]]:
    """Own entries as they are stored, by the title."""
    found = await space.house.repository().find({"Appointment": _all()}, count=200)
    from fhir_server.fhir.json import parse

    trees = [parse(one.body) for one in found.versions]
    return sorted((one for one in trees if tags(one, AUTHOR) == ["PATIENT"]), key=lambda one: str(one["description"]))


def _all() -> Any:
    from fhir_server.store.filters import EVERYTHING

    return EVERYTHING


async def test_a_month_shows_its_own_entries_alone_on_the_days_of_paris(space: Space, nathalie: Browser) -> None:
    """Midnight in Paris ends a month, not midnight in UTC; what lasts into a month is of it."""
    await kept(
        space.house,
        booked("late", "2026-06-30T22:30:00Z", "2026-06-30T23:00:00Z"),
        booked("before", "2026-06-30T21:30:00Z", "2026-06-30T22:00:00Z"),
        booked("stay", "2026-06-28T10:00:00+02:00", "2026-07-02T10:00:00+02:00", description="Séjour"),
        booked("last", "2026-07-31T23:30:00+02:00", "2026-08-01T00:00:00+02:00", status="pending"),
        booked("next", "2026-08-01T00:00:00+02:00", "2026-08-01T00:30:00+02:00"),
        booked("off", "2026-07-14T10:00:00+02:00", "2026-07-14T10:30:00+02:00", status="cancelled"),
        booked("wrong", "2026-07-15T10:00:00+02:00", "2026-07-15T10:30:00+02:00", status="entered-in-error"),
        booked("other", "2026-07-16T10:00:00+02:00", "2026-07-16T10:30:00+02:00", patient="p2"),
    )
    page = document(await nathalie.http.get(f"{MINE}?mois=2026-07"))
    assert grid(page) == {"1": "2", "2": "1", "31": "1"}
    assert listed(page) == [
        "Mercredi 1er juillet 2026",
        "du 28 juin 2026 à 10:00 au 2 juillet 2026 à 10:00 · Séjour",
        "00:30 – 01:00 · Consultation",
        "Mardi 14 juillet 2026",
        "10:00 – 10:30 · Consultation Annulé",
        "Vendredi 31 juillet 2026",
        "du 31 juillet 2026 à 23:30 au 1er août 2026 à 00:00 · Consultation À confirmer",
    ]
    assert "Zoé EXEMPLE, Cabinet du Lac" in said(page)
    ways = {one.get("rel"): one.get("href") for one in page.xpath("//main//nav//a")}
    assert ways["next"].endswith("mois=2026-08") and ways["prev"].endswith("mois=2026-06")
    english = document(await nathalie.http.get(f"{MINE}?mois=2026-07&lang=en"))
    assert "Tuesday 14 July 2026" in said(english)
    await nathalie.http.get(f"{MINE}?lang=fr")


async def test_a_month_that_is_none_is_the_one_of_today(space: Space, nathalie: Browser) -> None:
    today = datetime.now(PARIS).date()
    for asked in ("", "?mois=", "?mois=2026-13", "?mois=0000-01", "?mois=9999-12", "?mois=x"):
        page = document(await nathalie.http.get(f"{MINE}{asked}"))
        [now] = page.xpath("//td[@aria-current='date']")
        assert now.text_content().split()[0] == str(today.day), asked
    assert document(await nathalie.http.get(f"{MINE}?mois=1920-01")).xpath("//a[@rel='prev']") == []


async def test_what_software_made_is_read_and_says_whom_to_ask(space: Space, nathalie: Browser) -> None:
    made = booked("theirs", "2026-09-01T10:00:00+02:00", "2026-09-01T10:20:00+02:00", patientInstruction="À jeun.")
    await kept(space.house, made, booked("p2s", "2026-09-01T10:00:00Z", "2026-09-01T10:20:00Z", patient="p2"))
    page = document(await nathalie.http.get(f"{MINE}/theirs"))
    assert "Demandez à Zoé EXEMPLE, Cabinet du Lac." in said(page) and "À jeun." in said(page)
    assert page.xpath("//a[starts-with(@href, 'tel:')]/@href") == ["tel:0199001234"]
    assert not page.xpath("//main//form")
    # Of another patient's agenda, of nobody's, and of an agenda that is not theirs: the same answer.
    for path in ("p1/p2s", "p1/absent", "p3/theirs", "p3/nouveau"):
        assert (await nathalie.http.get(f"/mon-agenda/{path}")).status_code == 404, path
    for act in ("save", "cancel", "delete"):
        answer = await send(nathalie, f"{MINE}/theirs", f"{MINE}/nouveau", act=act, **ENTRY)
        assert answer.status_code == 404, act
    stored = await space.house.repository().current("Appointment", "theirs")
    assert stored is not None and not stored.deleted and stored.version == 1


async def test_an_entry_is_noted_changed_cancelled_restored_and_deleted(space: Space, nathalie: Browser) -> None:
    new = f"{MINE}/nouveau"
    given = {
        **ENTRY,
        "end": "09:15",
        "with": "Laboratoire du Lac",
        "notes": "À jeun.\r\nOrdonnance.",
        "kind": "reminder",
    }
    page = document(await send(nathalie, new, new, **given))
    assert listed(page) == ["Lundi 1er mars 2027", "08:30 – 09:15 · Prise de sang Rappel"]
    assert "L’entrée est notée." in said(page) and "Laboratoire du Lac" in said(page)
    [tree] = await entries(space)
    assert (tree["start"], tree["end"]) == ("2027-03-01T08:30:00+01:00", "2027-03-01T09:15:00+01:00")
    assert (tree["comment"], tree["status"]) == ("À jeun.\nOrdonnance.", "booked")
    one = f"{MINE}/{tree['id']}"
    form = document(await nathalie.http.get(one))
    shown = {field.get("name"): field.get("value") for field in form.xpath("//input[@id]")}
    assert (shown["title"], shown["day"], shown["start"], shown["end"]) == (
        "Prise de sang",
        "2027-03-01",
        "08:30",
        "09:15",
    )
    version = form.xpath("//input[@name='version']/@value")[0]
    page = document(
        await send(nathalie, one, one, version=version, **ENTRY, kind="appointment", until="2027-03-02", end="07:00")
    )
    assert "L’entrée est modifiée." in said(page)
    [tree] = await entries(space)
    assert tree["end"] == "2027-03-02T07:00:00+01:00"
    assert not {"comment", "appointmentType"} & tree.keys() and len(tree["participant"]) == 1
    # The form of a version that is no more.
    late = document(await send(nathalie, one, one, version=version, **ENTRY), 412)
    assert "Cela a changé entre-temps" in said(late) and "lang=" not in said(late)
    page = document(await send(nathalie, one, one, act="cancel"))
    assert "Annulé" in said(page) and grid(page) == {}
    page = document(await send(nathalie, one, one, act="restore"))
    assert grid(page) == {"1": "1", "2": "1"}
    page = document(await send(nathalie, one, one, act="delete"))
    assert "Rien ce mois-ci." in said(page)
    assert await entries(space) == []
    assert (await nathalie.http.get(one)).status_code == 404


#: Fields of a form → the field that is wrong, and what is said beside it.
WRONG: list[tuple[dict[str, str], str, str]] = [
    ({"title": " "}, "title", "Donnez un titre."),
    ({"title": "x" * 101}, "title", "100 caractères au plus."),
    ({"with": "x" * 101}, "with", "100 caractères au plus."),
    ({"notes": "x" * 1001}, "notes", "1 000 caractères au plus."),
    *(({"day": day}, "day", "Donnez un jour") for day in ("", "2027-02-29", "20270301", "2027-W01-1", "0001-01-01", "9999-12-31")),
    *(({"start": start}, "start", "Donnez une heure") for start in ("", "24:00", "08:60", "8h30", "-1:00")),
    ({"end": "x"}, "end", "Donnez une heure"),
    ({"until": "2027-03-02"}, "end", "Donnez l’heure à laquelle il finit"),
    ({"until": "x", "end": "09:00"}, "until", "Donnez un jour"),
    ({"end": "08:30"}, "end", "La fin est avant le début."),
    ({"end": "08:00", "until": "2027-02-28"}, "end", "La fin est avant le début."),
    ({"end": "08:31", "until": "2027-04-02"}, "until", "31 jours au plus."),
    ({"day": "2027-03-28", "start": "02:30"}, "start", "Cette heure n’existe pas ce jour-là"),
    ({"day": "2027-03-28", "start": "01:30", "end": "02:30"}, "end", "Cette heure n’existe pas ce jour-là"),
]  # fmt: skip


async def test_what_is_wrong_with_a_form_is_said_beside_the_field_and_kept(space: Space, nathalie: Browser) -> None:
    new = f"{MINE}/nouveau"
    for change, field, words in WRONG:
        answer = await send(nathalie, new, new, **{**ENTRY, **change})
        page = document(answer, 400)
        found = errors(page)
        assert found.get(field, "").startswith(words), (change, found)
        assert page.xpath("//div[@role='alert']//a/@href")[0] == f"#{next(iter(found))}"
        assert page.findtext(".//title").startswith("Erreur : ")
    assert await entries(space) == []


async def test_the_longest_texts_are_kept_whole_and_shown_as_words(space: Space, nathalie: Browser) -> None:
    new = f"{MINE}/nouveau"
    title, notes = "é<b>" + "🩺" * 96, "<script>" + "é" * 992
    page = document(await send(nathalie, new, new, **{**ENTRY, "title": title, "notes": notes, "day": "2027-04-01"}))
    assert title in said(page) and not page.xpath("//main//b | //main//script")
    [tree] = await entries(space)
    assert (tree["description"], tree["comment"]) == (title, notes)
    await send(nathalie, f"{MINE}/{tree['id']}", f"{MINE}/{tree['id']}", act="delete")


async def test_an_entry_in_the_hour_that_comes_twice_ends_after_it_starts(space: Space, nathalie: Browser) -> None:
    new = f"{MINE}/nouveau"
    await send(nathalie, new, new, **{**ENTRY, "day": "2026-10-25", "start": "02:45"})
    [tree] = await entries(space)
    start, end = (datetime.fromisoformat(tree[name]) for name in ("start", "end"))
    assert end - start == timedelta(minutes=30)
    await send(nathalie, f"{MINE}/{tree['id']}", f"{MINE}/{tree['id']}", act="delete")


async def test_a_form_sent_twice_at_once_makes_one_entry(space: Space, nathalie: Browser) -> None:
    new = f"{MINE}/nouveau"
    page = document(await nathalie.http.get(new))
    given = {name: page.xpath(f"//input[@name='{name}']/@value")[0] for name in ("word", "number")}
    post = [nathalie.http.post(new, data={**ENTRY, **given}, headers={"Origin": ROOT}) for _ in range(4)]
    assert {answer.status_code for answer in await asyncio.gather(*post)} == {303}
    [tree] = await entries(space)
    await send(nathalie, f"{MINE}/{tree['id']}", f"{MINE}/{tree['id']}", act="delete")


async def test_who_acts_for_somebody_is_told_so_and_chooses_whose_agenda(space: Space, nathalie: Browser) -> None:
    page = document(await nathalie.http.get("/mon-agenda"))
    ways = {one.removeprefix(ROOT) for one in page.xpath("//main//a/@href")}
    assert ways == {"/mon-agenda/p1", "/mon-agenda/p2"}
    page = document(await nathalie.http.get("/mon-agenda/p2"))
    assert "Vous agissez au nom de Ana AUTRE" in said(page)
    new = "/mon-agenda/p2/nouveau"
    await send(nathalie, new, new, **ENTRY)
    [tree] = await entries(space)
    assert tree["participant"][0]["actor"]["reference"] == "Patient/p2"
    assert (await nathalie.http.get(f"{MINE}/{tree['id']}")).status_code == 404
    other = await signed_in(space, "ailleurs", "Patient/p9")
    assert (await other.http.get("/mon-agenda/p2")).status_code == 404


async def test_every_page_leads_to_the_agenda(space: Space, nathalie: Browser) -> None:
    page = document(await nathalie.http.get("/mon-espace"))
    assert page.xpath("//header//a[text()='Mon agenda']")
    assert "Rendez-vous et rappels de santé" in said(page)


#: What no page sends: a slot, an end without a start, a slot of others.
NOT_SENT = (
    "The space is no booking tool",
    "An appointment names a slot ",
    "An entry of the patient's has",
    "A Slot ",
    "The appointment starts ",
    "The appointment ends ",
    "A reminder is ",
    "Reminders of an appointment ",
    "The token has no scope",
    "Prevention is shown ",
    "The status is one of ",
    "Whether it is refused ",
    "A day of execution ",
)


async def test_what_the_rules_of_entries_refuse_with_is_said_in_french() -> None:
    room = Path(__file__).parents[2] / "fhir_server" / "space" / "agenda"
    rules = {
        text
        for name in ("writing.py", "reminders/operations.py", "prevention/operations.py")
        for text in _sentences(room / name)
    }
    met = {one for one in rules if not one.startswith(NOT_SENT)}
    assert {one for one in met if not french(one)} == set()
    assert set(WORDS) <= met


def _sentences(module: Path) -> set[str]:
    """What a module refuses with."""
    tree = ast.parse(module.read_text())
    given = [one for node in ast.walk(tree) if isinstance(node, ast.Call) for one in node.args]
    given += [node.value for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    texts = [_text(one) for one in given]
    return {one for one in texts if re.fullmatch(r"[A-Z][^\n]* [^\n]*\.", one)}


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.IfExp):
        return _text(node.body)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(one.value) if isinstance(one, ast.Constant) else "10" for one in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


async def test_when_one_is_reminded_is_chosen_of_what_is_to_come_whoever_made_it(
    space: Space, nathalie: Browser
) -> None:
    coming = datetime.now(PARIS) + timedelta(days=60)
    times = [(coming + timedelta(minutes=more)).isoformat(timespec="seconds") for more in (0, 20)]
    await kept(space.house, booked("soon", *times), booked("gone", "2026-01-05T10:00:00Z", "2026-01-05T10:20:00Z"))
    one = f"{MINE}/soon"
    page = document(await send(nathalie, one, one, act="remind", remind=["60", "45", "x", "99999999"]))
    assert "Les rappels sont enregistrés." in said(page)
    page = document(await nathalie.http.get(one))
    assert page.xpath("//input[@name='remind'][@checked]/@value") == ["45", "60"]
    assert "45 minutes avant" in said(page)
    many = document(await send(nathalie, one, one, act="remind", remind=[str(n) for n in range(11)]), 400)
    assert "10 rappels au plus." in said(many)
    assert not document(await nathalie.http.get(f"{MINE}/gone")).xpath("//input[@name='remind']")
    assert (await send(nathalie, f"{MINE}/gone", one, act="remind", remind="60")).status_code == 404
    new = f"{MINE}/nouveau"
    given = {**ENTRY, "day": coming.date().isoformat(), "kind": "reminder"}
    await send(nathalie, new, new, **given)
    await send(nathalie, new, new, **given, remind=["0", "1440"])
    chosen = []
    for tree in [one for one in await entries(space) if one["start"].startswith(given["day"])]:
        page = document(await nathalie.http.get(f"{MINE}/{tree['id']}"))
        chosen.append(page.xpath("//input[@name='remind'][@checked]/@value"))
    assert sorted(chosen) == [["0"], ["0", "1440"]], "a reminder reminds"


async def test_a_notice_leads_to_the_agenda_it_is_of(space: Space, nathalie: Browser) -> None:
    notices = space.house.services.service("notices")
    await notices.tell("p1", "appointment", "a key", occasion="reminder")
    page = document(await nathalie.http.get("/mes-notifications"))
    assert "Rappel de votre agenda" in said(page)
    id = page.xpath("//input[@name='notice']/@value")[0]
    action = page.xpath("//form[.//input[@name='notice']]/@action")[0]
    answer = await send(nathalie, action, "/mes-notifications", notice=id)
    assert answer.url.path == MINE
