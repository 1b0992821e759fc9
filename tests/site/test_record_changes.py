"""What a patient does with documents from pages: adds, masks, pins, arranges, deletes. CSP R1111-26 and following."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.fhir.json import parse
from fhir_server.store.filters import EVERYTHING
from tests.server.closed import Space, serving
from tests.server.people import kept
from tests.site.accessible import document, errors, said
from tests.site.catalogue import a_patient
from tests.site.records import PDF, PNG, TYPES, a_document, a_record, send, signed_in
from tests.site.test_record_pages import titles
from tests.smart.browser import Browser, an_app, launched

HERE = "/mon-dossier/p1"
FORM = {"title": "Lunettes", "type": "DOCPAT02", "number": "5b1f6f57-54c2-4b5c-9d2c-0f6b0a1f0a11"}


@pytest_asyncio.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with serving(tmp_path) as found:
        await a_record(found)
        yield found


async def add(browser: Browser, body: bytes = PDF, name: str = "a.pdf", **fields: str) -> Any:
    files = {"file": (name, body, "application/octet-stream")}
    return await send(browser, f"{HERE}/ajouter", f"{HERE}/ajouter", files, **{**FORM, **fields})


async def stored(space: Space, type: str = "DocumentReference", where: Any = EVERYTHING) -> list[dict[str, Any]]:
    return [parse(one.body) for one in (await space.house.repository().find({type: where})).versions]


def labels(tree: dict[str, Any]) -> list[str]:
    return [coding["code"] for one in tree["securityLabel"] for coding in one["coding"]]


#: File → the media type it is kept under: by what it is, whatever it is called.
ADDED = [
    ("a.pdf", PDF, "application/pdf"),
    ("a.txt", "Déjà vu".encode(), "text/plain"),
    ("a.rtf", b"{\\rtf1 x}", "application/rtf"),
    ("a.png", PNG, "image/png"),
    ("a.jpg", b"\xff\xd8\xff\xe0", "image/jpeg"),
    ("a.tif", b"II*\0", "image/tiff"),
    ("C:\\photos\\a.exe", PNG, "image/png"),
]


@pytest.mark.parametrize(("name", "body", "media_type"), ADDED)
async def test_a_patient_adds_a_document_and_finds_it(space: Space, name: str, body: bytes, media_type: str) -> None:
    browser = await signed_in(space)
    page = document(await add(browser, body, name, day="2 mars 2026", description="Vue de loin"))
    assert titles(page) == ["Lunettes"] and "Le document est ajouté" in said(page)
    [tree] = await stored(space)
    assert tree["author"][0]["reference"] == "Patient/p1"
    assert tree["type"]["coding"][0] == {
        "system": TYPES,
        "code": "DOCPAT02",
        "display": "Traitement ou document de soins déposé par le patient",
    }
    assert tree["context"]["period"]["start"] == "2026-03-02" and labels(tree) == ["N"]
    opened = await browser.http.get(f"{HERE}/document/{tree['id']}/contenu")
    assert (opened.content, opened.headers["content-type"].partition(";")[0]) == (body, media_type)


#: What is sent → the field at which it is said what is wrong.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"body": b""}, "file"),
    ({"body": b"MZ\x90\0"}, "file"),
    ({"body": b"<html><script>alert(1)</script>"}, "file"),
    ({"body": b"PK\x03\x04"}, "file"),
    ({"body": PDF + b" " * (5 * 1024 * 1024)}, "file"),
    ({"title": ""}, "title"),
    ({"title": "x" * 51}, "title"),
    ({"type": ""}, "type"),
    ({"type": "REMB"}, "type"),
    ({"type": "11502-2"}, "type"),
    ({"day": "32/01/2026"}, "day"),
    ({"day": "2999-01-01"}, "day"),
    ({"description": "x" * 501}, "description"),
]


@pytest.mark.parametrize(("changes", "field"), WRONG)
async def test_what_is_wrong_is_said_at_its_field_and_nothing_is_kept(
    space: Space, changes: dict[str, Any], field: str
) -> None:
    browser = await signed_in(space)
    page = document(await add(browser, **changes), 400)
    assert errors(page).keys() == {field}
    assert page.xpath(f"//div[@role='alert']//a[@href='#{field}']")
    assert page.get_element_by_id("title").get("value", "") == changes.get("title", "Lunettes")[:51]
    assert await stored(space) == []


async def test_a_form_sent_twice_makes_one_document(space: Space) -> None:
    browser = await signed_in(space)
    for _ in range(2):
        document(await add(browser))
    assert len(await stored(space)) == 1


async def test_a_document_masked_from_the_beginning_is_never_seen_unmasked(space: Space) -> None:
    browser = await signed_in(space)
    document(await add(browser, masked="yes"))
    [tree] = await stored(space)
    assert labels(tree) == ["MASQUE_PS"] and tree["meta"]["versionId"] == "1"


async def test_a_document_is_masked_and_shown_again_and_its_other_labels_stay(space: Space) -> None:
    await a_document(space, label="INVISIBLE_REPRESENTANTS_LEGAUX")
    browser = await signed_in(space)
    one = f"{HERE}/document/d1"
    page = document(await send(browser, f"{one}/visibilite", one, masked="yes"))
    assert "masqué aux professionnels" in said(page)
    [tree] = await stored(space)
    assert sorted(labels(tree)) == ["INVISIBLE_REPRESENTANTS_LEGAUX", "MASQUE_PS"]
    document(await send(browser, f"{one}/visibilite", one, masked="no"))
    [tree] = await stored(space)
    assert labels(tree) == ["INVISIBLE_REPRESENTANTS_LEGAUX"]


async def test_a_pinned_document_stands_first_until_it_is_unpinned(space: Space) -> None:
    await a_document(space)
    await a_document(space, "d2", "Radio")
    browser = await signed_in(space)
    one = f"{HERE}/document/d2"
    assert "épinglé" in said(document(await send(browser, f"{one}/epingler", one, pin="yes")))
    page = document(await browser.http.get(HERE))
    assert page.xpath("//section[h2/@id='pinned']//h3/a/text()") == ["Radio"]
    document(await send(browser, f"{one}/epingler", one, pin="no"))
    assert not document(await browser.http.get(HERE)).xpath("//section[h2/@id='pinned']")


async def test_documents_are_put_into_folders_of_one_s_own(space: Space) -> None:
    await a_document(space)
    await a_document(space, "d2", "Radio")
    browser = await signed_in(space)
    for name in ("Cœur", "Genou"):
        document(await send(browser, f"{HERE}/dossier", HERE, name=name))
    page = document(await browser.http.get(f"{HERE}/document/d2"))
    ids = {
        label.text_content(): page.get_element_by_id(label.get("for")).get("value")
        for label in page.xpath("//fieldset//label")
    }
    one = f"{HERE}/document/d2"
    document(await send(browser, f"{one}/classer", one, folder=ids["Genou"]))
    inside = document(await browser.http.get(HERE, params={"dossier": ids["Genou"]}))
    assert titles(inside) == ["Radio"]
    assert titles(document(await browser.http.get(HERE, params={"dossier": ids["Cœur"]}))) == []
    document(await send(browser, f"{one}/classer", one, folder=ids["Cœur"]))
    assert titles(document(await browser.http.get(HERE, params={"dossier": ids["Genou"]}))) == []
    document(await send(browser, f"{HERE}/dossier/{ids['Cœur']}/supprimer", HERE))
    assert len(titles(document(await browser.http.get(HERE)))) == 2


@pytest.mark.parametrize("name", ["", " ", "x" * 51, "genou"])
async def test_a_folder_needs_a_name_of_its_own(space: Space, name: str) -> None:
    browser = await signed_in(space)
    document(await send(browser, f"{HERE}/dossier", HERE, name="Genou"))
    page = document(await send(browser, f"{HERE}/dossier", HERE, name=name), 400)
    assert errors(page).keys() == {"name"}
    assert len(await stored(space, "List")) == 1


async def test_folders_of_one_s_own_are_nobody_else_s(space: Space) -> None:
    await a_document(space)
    browser = await signed_in(space)
    document(await send(browser, f"{HERE}/dossier", HERE, name="Mon secret"))
    document(await send(browser, f"{HERE}/document/d1/epingler", HERE, pin="yes"))
    app = await an_app(space, "launch/patient patient/*.rs user/*.rs")
    doctor = await signed_in(space, "docteur", "Practitioner/d1")
    token = (await launched(space, app, "user/List.rs", doctor)).json()["access_token"]
    assert "Mon secret" not in (await space.fhir("GET", "List", token)).text
    for one in await stored(space, "List"):
        assert (await space.fhir("GET", f"List/{one['id']}", token)).status_code == 404
    await a_patient(space, "p2")
    other = await signed_in(space, "other", "Patient/p2")
    for one in await stored(space, "List"):
        document(await send(other, f"/mon-dossier/p2/dossier/{one['id']}/supprimer", "/mon-dossier/p2"), 404)


async def test_one_s_own_documents_are_deleted_once_it_is_said_again(space: Space) -> None:
    browser = await signed_in(space)
    await add(browser)
    [tree] = await stored(space)
    sure = await send(browser, f"{HERE}/supprimer", f"{HERE}/supprimer", document=tree["id"])
    assert "êtes-vous sûr" in said(document(sure)) and "Lunettes" in said(document(sure))
    assert [one["status"] for one in await stored(space)] == ["current"]
    done = await send(browser, f"{HERE}/supprimer", HERE, document=tree["id"], sure="yes")
    assert titles(document(done)) == [] and "supprimés" in said(document(done))
    assert [one["status"] for one in await stored(space)] == ["entered-in-error"]


async def test_no_more_than_ten_are_deleted_at_once_and_none_that_a_professional_filed(space: Space) -> None:
    await a_document(space)
    browser = await signed_in(space)
    for documents in ([], ["d1"], [f"x{number}" for number in range(11)], ["d1,d2"]):
        page = document(await send(browser, f"{HERE}/supprimer", HERE, document=documents, sure="yes"), 400)
        assert "Choisissez" in said(page) or "n’a pas été ajouté par vous" in said(page)
    assert [one["status"] for one in await stored(space)] == ["current"]


async def test_of_several_all_are_deleted_or_none(space: Space) -> None:
    browser = await signed_in(space)
    await add(browser)
    await add(browser, title="Radio", number="5b1f6f57-54c2-4b5c-9d2c-0f6b0a1f0a12")
    trees = sorted(await stored(space), key=lambda tree: str(tree["masterIdentifier"]["value"]))
    ids = [tree["id"] for tree in trees]
    # One that an earlier server let in is wrong in what the deletion changes, and cannot be written so.
    await kept(space.house, {**trees[1], "_status": {"extension": [{"url": "http://example.org/x"}]}})
    page = document(await send(browser, f"{HERE}/supprimer", HERE, document=ids, sure="yes"), 422)
    assert said(page).count("Rien n’a été changé") == 1 and "Tous n’ont pas" not in said(page)
    assert {one["status"] for one in await stored(space)} == {"current"}
    await kept(space.house, trees[1])
    document(await send(browser, f"{HERE}/supprimer", HERE, document=ids, sure="yes"))
    assert {one["status"] for one in await stored(space)} == {"entered-in-error"}


#: Form → fields of it, each sent for another's record, and without the word of this browser.
FORMS = [
    ("document/d1/visibilite", {"masked": "yes"}),
    ("document/d1/epingler", {"pin": "yes"}),
    ("document/d1/classer", {"folder": "x"}),
    ("dossier", {"name": "x"}),
    ("dossier/x/supprimer", {}),
    ("ajouter", FORM),
    ("supprimer", {"document": "d1", "sure": "yes"}),
]


@pytest.mark.parametrize(("path", "fields"), FORMS)
async def test_a_form_changes_nothing_of_another_s_and_nothing_from_another_page(
    space: Space, path: str, fields: dict[str, str]
) -> None:
    await a_patient(space, "p2")
    await a_document(space)
    before = await stored(space)
    browser = await signed_in(space, "other", "Patient/p2")
    document(await send(browser, f"{HERE}/{path}", "/auth/me", **fields), 404)
    browser = await signed_in(space)
    answer = await browser.http.post(f"{HERE}/{path}", data=fields)
    assert answer.status_code == 403
    assert await stored(space) == before and await stored(space, "List") == []
