"""A message to one of many correspondents, page by page, and with several files: by links and fields alone, no script.

WCAG 2.2 §2.1.1 (keyboard), §3.3.1 (what is wrong stands beside its field); RFC 7578 §4.3 (several files of one field);
domain file §2.7 (5 MB of files from a patient, together).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.access.grant import OPEN
from fhir_server.space.messages.contacts import SHOWN, contacts
from tests.server.closed import Space, serving
from tests.server.people import kept
from tests.site.accessible import document, errors, said
from tests.site.records import a_record, send, signed_in
from tests.site.test_message_pages import MINE
from tests.site.test_message_writing import PATIENT, last, over, written
from tests.site.test_practice_pages import TRAITS, patient
from tests.smart.browser import Browser

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANY = SHOWN * 2 + 7
DOCTOR = "Practitioner/d1"
TEXT = b"Une ordonnance.\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def space(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Space]:
    async with serving(tmp_path_factory.mktemp("many")) as found:
        await a_record(found)
        await patient(found)
        people = [{"resourceType": "Practitioner", "id": f"w{n}", "name": [{"family": f"W{n}"}]} for n in range(MANY)]
        # Every tenth has ended it: they are on no page.
        lines = [written(f"m{n}", f"Practitioner/w{n}", n + 1, ends=n % 10 == 9) for n in range(MANY)]
        await kept(found.house, *people, *lines)
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nathalie(space: Space) -> Browser:
    return await signed_in(space)


def offered(page: Any) -> list[str]:
    return [one for one in page.xpath("//select[@name='to']/option/@value") if one]


def onward(page: Any) -> str | None:
    found = page.xpath("//nav[@class='pager']//a[@rel='next']/@href")
    return str(found[0]) if found else None


OPEN_TO = [f"Practitioner/w{n}" for n in range(MANY) if n % 10 != 9]


async def test_all_who_may_be_written_to_are_offered_page_by_page_each_once(nathalie: Browser) -> None:
    address: str | None = f"{MINE}/ecrire"
    pages: list[list[str]] = []
    while address is not None and len(pages) < 10:
        page = document(await nathalie.http.get(address))
        pages.append(offered(page))
        assert bool(page.xpath("//nav[@class='pager']//a[not(@rel)]")) == (len(pages) > 1), "back to the latest"
        address = onward(page)
    assert [one for some in pages for one in some] == OPEN_TO
    assert [len(one) for one in pages] == [SHOWN, len(OPEN_TO) - SHOWN]


async def test_what_is_written_to_one_of_a_later_page_is_sent(space: Space, nathalie: Browser) -> None:
    later = f"{MINE}/ecrire?depuis={MANY - 10}"
    to = OPEN_TO[-1]
    refused = document(await send(nathalie, f"{MINE}/ecrire", later, to=to, depuis=str(MANY - 10), text="Bonjour"), 400)
    assert set(errors(refused)) == {"topic"}
    assert refused.xpath("//select[@name='to']/option[@selected]/@value") == [to]
    assert refused.xpath("//input[@name='depuis']/@value") == [str(MANY - 10)]
    answer = await send(nathalie, f"{MINE}/ecrire", later, to=to, topic="Question", text="Bonjour")
    assert "done=sent" in str(answer.url)


async def test_who_ended_it_or_never_wrote_is_chosen_on_no_page(nathalie: Browser) -> None:
    here = f"{MINE}/ecrire"
    for to in ("Practitioner/w9", "Practitioner/nobody", "Organization/none", "nonsense", "a/b/c"):
        page = document(await send(nathalie, here, here, to=to, topic="a", text="b"), 400)
        assert set(errors(page)) == {"to"}, to


@pytest.mark.parametrize("place", ["-1", "x", "99999", "１２", "0"])
async def test_a_page_that_there_is_not_is_empty_or_the_first(nathalie: Browser, place: str) -> None:
    page = document(await nathalie.http.get(f"{MINE}/ecrire?depuis={place}"))
    assert offered(page) == ([] if place == "99999" else OPEN_TO[:SHOWN])


async def test_a_draft_offers_whom_it_is_to_on_whichever_page(space: Space, nathalie: Browser) -> None:
    here, to = f"{MINE}/ecrire", OPEN_TO[-2]
    kept_as = await send(nathalie, here, here, to=to, topic="Plus tard", text="x", act="draft")
    page = document(await nathalie.http.get(f"{MINE}/brouillons/{last(kept_as)}"))
    assert page.xpath("//select[@name='to']/option[@selected]/@value") == [to]
    assert len(offered(page)) == SHOWN + 1
    assert (onward(page) or "").endswith(f"{MINE}/brouillons/{last(kept_as)}?depuis=55")


async def test_a_page_judges_a_bounded_number_and_goes_on(space: Space) -> None:
    repository = space.house.repository(OPEN)
    found = await contacts(repository, PATIENT, MANY - 3)
    assert found.next is None and len(found.references) <= 3


def a_file(name: str, length: int = len(TEXT)) -> tuple[str, tuple[str, bytes, str]]:
    return "file", (name, (TEXT * (length // len(TEXT) + 1))[:length], "text/plain")


#: What is chosen → what is wrong with it, for a patient and for a professional; "" for nothing.
FILES: dict[str, tuple[Sequence[tuple[str, tuple[str, bytes, str]]], str, str]] = {
    "none": ((), "", ""),
    "one": ((a_file("a.txt"),), "", ""),
    "several": ((a_file("a.txt"), a_file("b.txt"), a_file("c.txt")), "", ""),
    "two of one name": ((a_file("a.txt"), a_file("a.txt")), "", ""),
    "an empty one among them": ((a_file("a.txt"), ("file", ("", b"", "text/plain"))), "", ""),
    "5 MB in two": ((a_file("a.txt", 2_500_000), a_file("b.txt", 2_500_000)), "", ""),
    "more than 5 MB in two": ((a_file("a.txt", 2_500_001), a_file("b.txt", 2_500_000)), "dépassent 5 Mo", ""),
    "more than 20 MB in five": (tuple(a_file(f"{n}.txt", 4_100_000) for n in range(5)), "dépassent 5 Mo", "dépassent 20 Mo"),
    "one of more than 5 MB": ((a_file("a.txt"), a_file("b.txt", 5_000_001)), "Un fichier dépasse 5 Mo", "Un fichier dépasse 5 Mo"),
    "one of no kind": ((a_file("a.txt"), ("file", ("x.exe", b"MZ\0", "x/y"))), "ni un PDF", "ni un PDF"),
    "twenty-one": (tuple(a_file(f"{n}.txt") for n in range(21)), "20 fichiers au plus", "20 fichiers au plus"),
}  # fmt: skip


@pytest.mark.parametrize("side", ["patient", "professional"])
@pytest.mark.parametrize("chosen", FILES)
async def test_several_files_go_with_one_message_within_their_bounds(
    space: Space, nathalie: Browser, zoe: Browser, chosen: str, side: str
) -> None:
    files, *wrong = FILES[chosen]
    told = wrong[side == "professional"]
    browser, here, to = (
        (nathalie, f"{MINE}/ecrire", OPEN_TO[0]) if side == "patient" else (zoe, "/messages/ecrire/p1", "")
    )
    answer = await send(browser, here, here, list(files) or None, to=to, topic="Fichiers", text="Les voici.")
    if told:
        page = document(answer, 400)
        assert set(errors(page)) == {"file"} and told in said(page)
        return
    assert "done=sent" in str(answer.url), said(document(answer))
    found = await over(space)("GET", "Communication?_sort=-_lastUpdated&_count=1&status=completed")
    names = [one["contentAttachment"]["title"] for one in found.json["entry"][0]["resource"]["payload"][1:]]
    assert names == [name for _, (name, body, _) in files if body]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def zoe(space: Space) -> Browser:
    browser = await signed_in(space, "docteur", DOCTOR)
    await send(browser, "/patients/recherche", "/patients", **TRAITS)
    return browser


async def test_files_of_a_draft_count_with_those_that_are_added(nathalie: Browser) -> None:
    here = f"{MINE}/ecrire"
    files = [a_file("a.txt", 3_000_000)]
    kept_as = await send(nathalie, here, here, files, to=OPEN_TO[0], topic="Plus tard", text="x", act="draft")
    path = f"{MINE}/brouillons/{last(kept_as)}"
    more = [a_file("b.txt", 2_500_000)]
    page = document(await send(nathalie, path, path, more, to=OPEN_TO[0], topic="a", text="x", kept="1"), 400)
    assert set(errors(page)) == {"file"}
    answer = await send(nathalie, path, path, more, to=OPEN_TO[0], topic="a", text="x")
    assert "done=sent" in str(answer.url), "without the first"


async def test_the_field_takes_several_files_by_itself(nathalie: Browser) -> None:
    page = document(await nathalie.http.get(f"{MINE}/ecrire"))
    [field] = page.xpath("//input[@type='file']")
    assert field.get("multiple") is not None and field.get("name") == "file"
    assert page.xpath("//label[@for='file']") and "plusieurs à la fois" in said(page)
