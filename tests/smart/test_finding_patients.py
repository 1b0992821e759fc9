"""A professional finds the patient before them by INS or by traits, and reads through nobody else.

Référentiel national d'identitovigilance (search by INS or by traits); GDPR article 5.1.c (the least that is needed).
"""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from fhir_server.fhir.nos import ROLE_CLASS
from fhir_server.smart.people.patients import known_enough
from tests.server.closed import Space
from tests.site.catalogue import INS_DEMO
from tests.smart.browser import Browser, a_person, an_app

PEOPLE: list[dict[str, Any]] = [
    {"id": "p1", "name": [{"family": "DURAND", "given": ["Zoé", "Anne-Marie"]}], "birthDate": "1990-04-01"},
    {"id": "p2", "name": [{"family": "DURANDEAU", "given": ["Zoé"]}], "birthDate": "1990-04-01"},
    {"id": "p3", "name": [{"family": "D'ARTOIS", "given": ["Paul"]}], "birthDate": "1960-12-31"},
]
NUMBERS = {"p1": "290045954900100", "p2": "290045954900201", "p3": "160125954900302"}

#: What is typed → who is shown.
TYPED: list[tuple[str, set[str]]] = [
    ("", set()),
    (" ", set()),
    ("*", set()),
    ("%", set()),
    ("d", set()),
    ("d z", set()),
    ("durand", set()),
    ("dur zo", set()),
    ("durand zoé", {"p1"}),
    ("DURAND ZOE", {"p1"}),
    ("Zoé Durand", {"p1"}),
    ("durand anne-marie", {"p1"}),
    ("durandeau zoe", {"p2"}),
    ("durand paul", set()),
    ("d'artois paul", {"p3"}),
    ("durand 01/04/1990", {"p1"}),
    ("durand 1990-04-01", {"p1"}),
    ("durand 02/04/1990", set()),
    ("durand 1/4/1990", {"p1"}),
    ("durand 01.04.1990", {"p1"}),
    ("durand 01-04-1990", {"p1"}),
    ("durand 1990-4-1", {"p1"}),
    ("durand zoé 1/4/1990", {"p1"}),
    ("durand zoé 2/4/1990", set()),
    ("durand 31/02/1990", set()),
    ("durand zoé 31/02/1990", set()),
    ("durand 1990-13-01", set()),
    ("01/04/1990", set()),
    ("290045954900100", {"p1"}),
    ("2 90 04 59549 001 00", {"p1"}),
    ("29004595490010", set()),
    ("299999999999999", set()),
    ("durand, zoé", {"p1"}),
    ("id:p1", {"p1"}),
]


@pytest.fixture
async def filled(space: Space) -> Space:
    for one in PEOPLE:
        identifier = [{"system": INS_DEMO, "value": NUMBERS[one["id"]]}]
        await space.put({"resourceType": "Patient", "identifier": identifier, **one})
    return space


@pytest.mark.parametrize(("typed", "shown"), TYPED)
async def test_only_whoever_is_named_is_shown(filled: Space, typed: str, shown: set[str]) -> None:
    from fhir_server.smart.people.patients import find

    account = await a_person(filled, "docteur", "Practitioner/d1")
    place = filled.house.authorization.verifier.place("http://server.test/fhir")
    found = await find(filled.house.seen_by, place, account, typed)
    assert {id for id, _ in found} == shown


async def test_somebody_who_acts_for_others_sees_those_without_typing_anything(filled: Space) -> None:
    from fhir_server.smart.people.patients import find

    for id in ("p2", "p3"):
        # Of age: who acts for them is their caregiver.
        related = {"patient": {"reference": f"Patient/{id}"}, "identifier": [{"system": INS_DEMO, "value": "r"}]}
        cares = {"relationship": [{"coding": [{"system": ROLE_CLASS, "code": "CAREGIVER"}]}]}
        await filled.put({"resourceType": "RelatedPerson", "id": f"of-{id}", **related, **cares})
    account = await a_person(filled, "carer", "RelatedPerson/of-p2", wards=("p2", "p3"))
    place = filled.house.authorization.verifier.place("http://server.test/fhir")
    found = await find(filled.house.seen_by, place, account, "")
    assert {id for id, _ in found} == {"p2", "p3"}


@pytest.mark.parametrize("typed", ["", "durand", "d z", "01/04/1990", "durand 31/02/1990", "durand zoé 1990-02-30"])
async def test_the_page_says_what_is_missing(filled: Space, typed: str) -> None:
    await a_person(filled, "docteur", "Practitioner/d1")
    browser, scope = Browser(filled), "launch/patient patient/Patient.rs"
    page = await browser.open((await an_app(filled, scope)).request(scope))
    page = await browser.sign_in(page, "docteur")
    [form] = re.findall(r'action="([^"]+/auth/find[^"]+)"', page.text)
    word = re.search(r'name="word" value="([^"]+)"', page.text)
    assert word, page.text
    answer = await browser.http.post(html.unescape(form), data={"word": word[1], "name": typed})
    page = await browser._followed(answer)
    assert not known_enough(typed)
    # Nothing typed is nothing asked.
    assert ("Il faut deux de ces traits" in page.text) is bool(typed) and "DURAND" not in page.text
