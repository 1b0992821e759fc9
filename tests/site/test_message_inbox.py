"""The inbox and conversations of people who have many: unread first, words looked for, documents of the record, ends.

CSP R1111-26 and following; R4 `Communication.payload.contentReference`. Invented people only.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.space.messages.model import CLOSED, communication
from tests.server.closed import Space, serving
from tests.server.people import kept
from tests.site.accessible import document, said
from tests.site.records import PDF, a_document, a_record, send, signed_in
from tests.site.test_message_pages import MINE
from tests.site.test_practice_pages import doctor, patient
from tests.smart.browser import Browser

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOCTOR, CLINIC, PATIENT = "Practitioner/d1", "Organization/o1", "Patient/p1"


def a_message(id: str, sender: str, to: str, minute: int, topic: str = "Suivi", read: bool = True, **more: Any) -> Any:
    """A message of a day in March, at a minute of it, as it is stored."""
    text = [{"contentString": more.pop("text", "Bonjour")}, *more.pop("parts", ())]
    made = communication(PATIENT, sender, [to], topic, text)
    sent = f"2026-03-{1 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:00Z"
    return {**made, "id": id, "sent": sent, **({"received": sent} if read else {}), **more}


def in_thread(first: str) -> dict[str, Any]:
    named = [{"reference": f"Communication/{first}"}]
    return {"partOf": named, "inResponseTo": named}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def space(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Space]:
    async with serving(tmp_path_factory.mktemp("inbox")) as found:
        await a_record(found)
        await patient(found)
        role = {"resourceType": "PractitionerRole", "id": "r1", "practitioner": {"reference": DOCTOR}}
        await found.put({"resourceType": "Organization", "id": "o1", "name": "Clinique du Lac"})
        await found.put({**role, "organization": {"reference": CLINIC}})
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nathalie(space: Space) -> Browser:
    return await signed_in(space)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def zoe(space: Space) -> Browser:
    return await doctor(space)


def headings(page: Any) -> list[str]:
    """Under each h2 the subjects of the conversations, the h2 before them."""
    return [" ".join(one.text_content().split()) for one in page.xpath("//main//h2 | //main//h3")]


async def test_what_is_not_read_comes_first_of_all_there_is(space: Space, nathalie: Browser, zoe: Browser) -> None:
    """Twenty later messages are read: the one that is not would stand on the third page."""
    await kept(
        space.house,
        a_message("old", DOCTOR, PATIENT, 0, "Oublié", read=False),
        a_message("mine", PATIENT, CLINIC, 1, "À la clinique", read=False),
        *(a_message(f"n{n}", DOCTOR, PATIENT, 10 + n, f"Numéro {n}") for n in range(50)),
    )
    shown = headings(document(await nathalie.http.get(MINE)))
    assert shown[:3] == ["1 message non lu", "Oublié", "Les autres messages"]
    assert shown[3:] == [f"Numéro {n}" for n in range(49, 29, -1)]
    theirs = headings(document(await zoe.http.get("/messages")))
    assert theirs[:3] == ["1 message non lu", "À la clinique", "Les autres messages"], "of the clinic they act for"


async def test_words_are_looked_for_in_ones_own_messages_and_stand_in_no_address(
    space: Space, nathalie: Browser, zoe: Browser
) -> None:
    other = {"resourceType": "Patient", "id": "p2"}
    theirs = {**a_message("w9", DOCTOR, "Patient/p2", 60), "subject": {"reference": "Patient/p2"}}
    await kept(
        space.house,
        other,
        {**theirs, "payload": [{"contentString": "Hémoglobine d’une autre"}]},
        a_message("w1", DOCTOR, PATIENT, 61, "Analyse", text="Votre hémoglobine est normale."),
        a_message("w2", DOCTOR, PATIENT, 62, "Hémoglobine", text="À surveiller."),
        a_message("w3", DOCTOR, PATIENT, 63, "Autre chose", parts=[{"contentReference": {"display": "Hémoglobine"}}]),
    )
    answer = await send(nathalie, f"{MINE}/recherche", MINE, text="HEMOGLOBINE")
    assert "hemoglobine" not in str(answer.url).lower()
    found = headings(document(answer))
    assert found == ["Messages qui ont ces mots", "Hémoglobine", "Analyse"]
    both = await send(nathalie, f"{MINE}/recherche", MINE, text="hémoglobine normale")
    assert headings(document(both))[1:] == ["Analyse"]
    none = document(await send(nathalie, f"{MINE}/recherche", MINE, text="NOT (absent OR"))
    assert "Aucun message n’a ces mots" in said(none)
    everywhere = document(await send(zoe, "/messages/recherche", "/messages", text="hémoglobine"))
    assert set(headings(everywhere)[1:]) == {"Hémoglobine", "Analyse", "Suivi"}


async def test_a_long_conversation_is_read_page_by_page(space: Space, nathalie: Browser) -> None:
    first = a_message("long", DOCTOR, PATIENT, 100, "Long", text="Le tout premier.")
    later = [a_message(f"l{n}", DOCTOR, PATIENT, 101 + n, "Long", text=f"Suite {n}.", **in_thread("long")) for n in range(104)]  # fmt: skip
    end = a_message("lend", DOCTOR, PATIENT, 300, "Long", text="Fin.", **in_thread("long"))
    await kept(space.house, first, *later, {**end, "extension": [{"url": CLOSED, "valueBoolean": True}]})
    latest = document(await nathalie.http.get(f"{MINE}/long"))
    assert "Suite 103." in said(latest) and "Le tout premier." not in said(latest)
    assert "L’échange a été clos par Zoé EXEMPLE" in said(latest)
    [older] = latest.xpath("//a[@rel='prev']/@href")
    page = document(await nathalie.http.get(older))
    assert "Le tout premier." in said(page) and "Suite 103." not in said(page)
    assert not page.xpath("//textarea"), "an answer is to the latest message"
    assert [one for one in page.xpath("//main//nav//a/@href") if one.endswith(f"{MINE}/long")]
    assert (await nathalie.http.get(f"{MINE}/long?suite=x")).headers["location"] == f"{MINE}/long"


async def test_documents_of_the_record_are_shown_as_far_as_the_reader_sees_them(
    space: Space, nathalie: Browser, zoe: Browser
) -> None:
    await a_document(space, "seen", "Bilan sanguin")
    await a_document(space, "hidden", "Annonce difficile", label="INVISIBLE_PATIENT")
    named = [{"contentReference": {"reference": f"DocumentReference/{id}"}} for id in ("hidden", "absent", "seen")]
    await kept(space.house, {"resourceType": "Binary", "id": "f1", "contentType": "application/pdf", "data": b64encode(PDF).decode(),
                             "securityContext": {"reference": "Communication/docs"}})  # fmt: skip
    file = {"contentType": "application/pdf", "url": "Binary/f1", "size": len(PDF), "title": "ordonnance.pdf"}
    parts = [*named, {"contentAttachment": file}]
    await kept(space.house, a_message("docs", DOCTOR, PATIENT, 400, "Documents", parts=parts))
    page = document(await nathalie.http.get(f"{MINE}/docs"))
    [link] = page.xpath("//main//article//a[contains(@href, '/mon-dossier/')]")
    assert link.text_content() == "Document du dossier : Bilan sanguin"
    assert "Bilan sanguin" in said(document(await nathalie.http.get(link.get("href"))))
    assert "Annonce" not in said(page)
    [download] = page.xpath("//main//article//a[contains(@href, '/mes-messages/')]/@href")
    assert (await nathalie.http.get(download)).content == PDF
    # By its place among what is shown, not among what is there.
    saved = await send(nathalie, download, f"{MINE}/docs", type="EXPPAT_1")
    assert "Le fichier est enregistré" in said(document(saved))
    theirs = document(await zoe.http.get("/messages/docs"))
    links = theirs.xpath("//main//article//a[contains(@href, '/patients/p1/document/')]")
    assert len(links) == 2, "a doctor sees the one that is hidden from the patient"


async def test_a_professional_answers_as_the_mailbox_that_was_written_to(
    space: Space, nathalie: Browser, zoe: Browser
) -> None:
    await kept(
        space.house,
        a_message("box", CLINIC, PATIENT, 500, "Secrétariat"),
        a_message("box2", PATIENT, CLINIC, 501, "Secrétariat", **in_thread("box")),
    )
    document(await send(zoe, "/messages/box", "/messages/box", {}, text="Le secrétariat vous répond."))
    page = document(await nathalie.http.get(f"{MINE}/box"))
    [answer] = [one for one in page.iter("article") if "Le secrétariat vous répond." in one.text_content()]
    assert "Clinique du Lac" in answer.findtext("h2")
