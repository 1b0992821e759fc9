"""The page "Mes proches": caregivers invited, invitations answered and ended by forms. Domain file §2.2; WCAG 3.3.1, OWASP ASVS 4.2."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.fhir.nos import ROLE_CLASS
from fhir_server.space.delegations.delegation import delegation_id
from tests.server.closed import Space, serving
from tests.site.accessible import document
from tests.site.records import send, signed_in
from tests.smart.browser import Browser
from tests.space.delegations.people import INS, a_patient, identity

PAGE = "/mes-proches"


@pytest_asyncio.fixture
async def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Space]:
    monkeypatch.setenv("FHIR_CAREGIVERS", "on")
    async with serving(tmp_path) as found:
        for n in range(3):
            await found.put(a_patient(n))
        yield found


def form(n: int, **more: str) -> dict[str, str]:
    said = identity(n)
    return {"ins": said["ins"], "given": said["given"], "family": said["family"], "born": said["birthDate"], **more}


async def where(browser: Browser) -> str:
    found = re.search(r'action="[^"]*(/mes-proches/[0-9a-f]{32})"', (await browser.http.get(PAGE)).text)
    assert found is not None
    return found[1]


async def test_two_people_agree_and_one_of_them_ends_it(space: Space) -> None:
    holder = await signed_in(space, "holder", "Patient/p0")
    caregiver = await signed_in(space, "caregiver", "Patient/p1")
    page = await holder.http.get(PAGE)
    document(page)
    assert "Personne n’agit pour vous" in page.text
    done = await send(holder, PAGE, PAGE, **form(1))
    assert "L’invitation est faite" in done.text and "invitation en attente" in done.text
    # The invited sees who invites, and accepts.
    assert "Ève Exemplea" in (await caregiver.http.get(PAGE)).text
    done = await send(caregiver, await where(caregiver), PAGE, act="accept")
    assert "Vous êtes maintenant son aidant" in done.text
    document(done)
    assert (await space.house.authorization.accounts.by_login("caregiver")).wards == ("p0",)  # type: ignore[union-attr]
    done = await send(holder, await where(holder), PAGE, act="end")
    assert "terminée" in done.text
    assert (await space.house.authorization.accounts.by_login("caregiver")).wards == ()  # type: ignore[union-attr]
    english = await holder.http.get(PAGE, headers={"Accept-Language": "en"})
    assert "Who acts for me" in english.text


#: What is sent → the status, and what the page says.
WRONG: list[tuple[dict[str, str], int, str]] = [
    (form(1, ins="1"), 422, "Aucune personne de cette identité"),
    (form(0), 422, "Aucune personne de cette identité"),
    (form(1, born="1968"), 400, "Un champ manque"),
    (form(1, family=""), 400, "Un champ manque"),
    (form(1, end="2020-01-01"), 422, "à venir"),
]


@pytest.mark.parametrize(("given", "status", "words"), WRONG)
async def test_what_is_wrong_is_said_and_what_was_typed_stays(
    space: Space, given: dict[str, Any], status: int, words: str
) -> None:
    holder = await signed_in(space, "holder", "Patient/p0")
    answer = await send(holder, PAGE, PAGE, **given)
    assert answer.status_code == status
    assert words in answer.text and f'value="{given["given"]}"' in answer.text
    document(answer, status)
    assert "invitation en attente" not in answer.text


async def test_others_delegations_are_not_there(space: Space) -> None:
    holder = await signed_in(space, "holder", "Patient/p0")
    other = await signed_in(space, "other", "Patient/p2")
    await send(holder, PAGE, PAGE, **form(1))
    path = await where(holder)
    for act in ("accept", "refuse", "end", "x"):
        assert (await send(other, path, PAGE, act=act)).status_code == 404
    assert "invitation en attente" in (await holder.http.get(PAGE)).text
    doctor = await signed_in(space, "docteur", "Practitioner/d1", roles=("PractitionerRole/r1",))
    assert (await doctor.http.get(PAGE)).status_code == 403


async def test_a_parent_invites_the_other_who_accepts_and_does_not_end_the_first(space: Space) -> None:
    year = datetime.now(UTC).year
    await space.put(a_patient(9, birthDate=f"{year - 9}-01-01"))
    first = await signed_in(space, "mother", "Patient/p0", wards=("p9",))
    second = await signed_in(space, "father", "Patient/p1")
    document(await first.http.get(PAGE))
    refused = await send(first, PAGE, PAGE, **form(1, child="p9"))
    assert refused.status_code == 422 and "sur l’honneur" in refused.text
    done = await send(first, PAGE, PAGE, **form(1, child="p9", declaration="yes"))
    assert "L’invitation est faite" in done.text and "représentant légal" in done.text
    document(done)
    assert "Inviter le second" not in done.text
    accepted = await send(second, await where(second), PAGE, act="accept")
    assert "Qui agit pour" in accepted.text
    document(accepted)
    # The other's representation is a judge's to end; a form that asks for it changes nothing.
    (mine,) = set(re.findall(r"/mes-proches/[0-9a-f]{32}", (await second.http.get(PAGE)).text))
    other = f"/mes-proches/{delegation_id('p9', 'p0', 'representation')}"
    tried = await send(second, other, PAGE, act="end", child="p9")
    assert tried.status_code == 422 and "Seul un jugement" in tried.text
    assert (await send(second, mine, PAGE, act="end", child="p2")).status_code == 404
    left = await send(second, mine, PAGE, act="end")
    assert "C’est terminé" in left.text
    english = await first.http.get(PAGE, headers={"Accept-Language": "en"})
    assert "Invite the second legal representative" in english.text


async def test_who_has_no_space_of_their_own_sees_the_children_they_represent(space: Space) -> None:
    year = datetime.now(UTC).year
    await space.put(a_patient(9, birthDate=f"{year - 9}-01-01"))
    relation = {
        "resourceType": "RelatedPerson",
        "id": "guardian",
        "patient": {"reference": "Patient/p9"},
        "identifier": [{"system": INS, "value": "269054958815780"}],
        "relationship": [{"coding": [{"system": ROLE_CLASS, "code": "GUARD"}]}],
        "name": [{"family": "Tutrice"}],
    }
    await space.put(relation)
    guardian = await signed_in(space, "guardian", "RelatedPerson/guardian", wards=("p9",))
    page = await guardian.http.get(PAGE)
    document(page)
    assert "Tutrice" in page.text and "Inviter le second représentant légal" in page.text
    # What others registered is theirs to end.
    assert "Ne plus représenter" not in page.text
    cares = [{"coding": [{"system": ROLE_CLASS, "code": "CAREGIVER"}]}]
    whom = {"reference": "Patient/p0"}
    await space.put({**relation, "id": "helper", "patient": whom, "relationship": cares})
    helper = await signed_in(space, "helper", "RelatedPerson/helper", wards=("p0",))
    page = await helper.http.get(PAGE)
    document(page)
    assert "rien à décider ici" in page.text
