"""Mon espace: where somebody begins who signed in, and the head of every page of theirs. RGAA 4.1 criteria 12.2, 12.6."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.closed import ROOT, Space
from tests.site.accessible import document, said
from tests.site.records import a_record, send, signed_in
from tests.smart.browser import Browser

CATEGORY = {
    "coding": [{"system": "https://fhir-server.example/CodeSystem/ens-communication-category", "code": "message"}]
}
#: Who is told how many messages wait: login → whose account, and the count, when p1 has two that nobody read, p2 one
#: and the doctor one of p1's.
WAITING: dict[str, tuple[str, dict[str, Any], str]] = {
    "nathalie": ("Patient/p1", {}, "2"),
    "parent": ("Patient/p1", {"wards": ("p2",)}, "3"),
    "aidante": ("RelatedPerson/r1", {"wards": ("p2",)}, "1"),
    "docteur": ("Practitioner/d1", {}, "1"),
    "autre": ("Practitioner/d2", {}, ""),
    "etranger": ("Patient/p3", {}, ""),
}


async def a_message(space: Space, id: str, sender: str, recipient: str, patient: str, **more: Any) -> None:
    await space.put(
        {
            "resourceType": "Communication",
            "id": id,
            "status": "completed",
            "category": [CATEGORY],
            "subject": {"reference": f"Patient/{patient}"},
            "sender": {"reference": sender},
            "recipient": [{"reference": recipient}],
            "sent": "2026-03-04T09:00:00Z",
            "topic": {"text": "Suivi"},
            "payload": [{"contentString": "Bonjour."}],
            **more,
        }
    )


async def written(space: Space) -> None:
    await a_record(space)
    for id in ("p2", "p3"):
        await space.put({"resourceType": "Patient", "id": id, "name": [{"family": "AUTRE", "given": ["Ana"]}]})
    await space.put({"resourceType": "Practitioner", "id": "d2", "name": [{"family": "AUTRE", "given": ["Yves"]}]})
    await space.put({"resourceType": "RelatedPerson", "id": "r1", "patient": {"reference": "Patient/p2"}})
    for n, patient in enumerate(("p1", "p1", "p2")):
        await a_message(space, f"m{n}", "Practitioner/d1", f"Patient/{patient}", patient)
    await a_message(space, "read", "Practitioner/d1", "Patient/p1", "p1", received="2026-03-05T09:00:00Z")
    await a_message(space, "draft", "Practitioner/d1", "Patient/p1", "p1", status="preparation", sent=None)
    await a_message(space, "answer", "Patient/p1", "Practitioner/d1", "p1")


def counts(page: Any, where: str = "header") -> dict[str, str]:
    """Path → how much is told to wait there."""
    found = page.xpath(f"//{where}//a[.//span[@class='count' or @class='tag']]")
    return {
        one.get("href").removeprefix(ROOT): one.xpath("string(.//span[@class='count' or @class='tag'])").split()[0]
        for one in found
    }


async def test_every_page_tells_what_waits_for_those_it_waits_for(space: Space) -> None:
    await written(space)
    for login, (subject, more, expected) in WAITING.items():
        browser = await signed_in(space, login, subject, **more)
        messages = "/messages" if subject.startswith("Practitioner/") else "/mes-messages"
        for path in ("/mon-espace", "/auth/me", "/catalogue", "/mes-notifications"):
            found = counts(document(await browser.http.get(path)))
            assert found.get(messages, "") == expected, (login, path)
        tiles = counts(document(await browser.http.get("/mon-espace")), "main")
        assert tiles.get(messages, "") == expected, login


async def test_notices_count_until_they_are_read(space: Space) -> None:
    await a_record(space)
    browser = await signed_in(space)
    await space.house.services.service("notices").tell("p1", "access", "key/holder", occasion="emergency")
    assert counts(document(await browser.http.get("/mon-dossier/p1"))) == {"/mes-notifications": "1"}
    page = document(await send(browser, "/mes-notifications/lues"))
    assert counts(page) == {}


async def test_who_is_not_signed_in_is_shown_the_way_in_and_comes_back(space: Space) -> None:
    await a_record(space)
    browser = Browser(space)
    page = document(await browser.http.get("/"))
    assert [one for one in page.xpath("//header//a/@href") if one.endswith("/mon-espace")]
    answer = await browser.http.get("/mon-espace")
    assert answer.headers["location"] == "/auth/sign-in?then=%2Fmon-espace"
    page = document(await browser.http.get("/catalogue"))
    assert not counts(page) and not page.xpath("//header//a[contains(@href, '/mes-messages')]")


@pytest.mark.parametrize("path", ["/mon-espace", "/mes-messages/p1", "/auth/me"])
async def test_the_page_one_is_on_is_said(space: Space, path: str) -> None:
    await a_record(space)
    page = document(await (await signed_in(space)).http.get(path))
    current = page.xpath("//header/nav[1]//a[@aria-current='page']/@href")
    assert [one.removeprefix(ROOT) for one in current] == ([] if path.endswith("p1") else [path])
    assert "Se connecter" not in said(page)


async def test_an_account_that_is_closed_has_no_space(space: Space) -> None:
    await a_record(space)
    browser = await signed_in(space)
    account = await space.house.authorization.accounts.by_login("nathalie")
    assert account is not None
    await space.house.authorization.accounts.close(account.id)
    assert (await browser.http.get("/mon-espace")).status_code == 303
    assert not counts(document(await browser.http.get("/catalogue")))
