"""Messages begun, kept as drafts, gone on with and sent, with files and documents: whom patients may write to, and as whom.

CSP R1111-26 and following; domain rules of MSSanté citoyenne as `messages.rules` has them. Invented people only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.space.messages.model import CLOSED, communication
from tests.server.closed import ROOT, Space, serving
from tests.server.people import kept
from tests.site.accessible import document, errors, said
from tests.site.records import NOS, PDF, PNG, a_document, a_record, send, signed_in
from tests.site.test_message_pages import MINE
from tests.site.test_practice_pages import TRAITS, patient
from tests.smart.browser import Browser
from tests.space.record.callers import OWN, Caller, grant

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOCTOR, CLINIC, PATIENT = "Practitioner/d1", "Organization/o1", "Patient/p1"
FINESS = "https://finess.esante.gouv.fr"


def ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")


def written(id: str, sender: str, days: int = 10, ends: bool = False) -> dict[str, Any]:
    made = communication(PATIENT, sender, [PATIENT], "Suivi", [{"contentString": "Bonjour"}])
    closed = {"extension": [{"url": CLOSED, "valueBoolean": True}]} if ends else {}
    return {**made, "id": id, "sent": ago(days), "received": ago(days), **closed}


def dispensed(id: str, by: str, days: int, status: str = "completed") -> dict[str, Any]:
    return {
        "resourceType": "MedicationDispense",
        "id": id,
        "status": status,
        "medicationCodeableConcept": {"text": "x"},
        "subject": {"reference": PATIENT},
        "performer": [{"actor": {"reference": by}}],
        "whenHandedOver": ago(days),
    }


#: Reference → (what happened, whether the patient may begin to write to them).
KNOWN: dict[str, tuple[list[dict[str, Any]], bool]] = {
    DOCTOR: ([written("m1", DOCTOR, 400)], True),
    CLINIC: ([written("m2", CLINIC, 3), written("m2b", CLINIC, 20, ends=True)], True),
    "Practitioner/ended": ([written("m3", "Practitioner/ended", 9), written("m3b", "Practitioner/ended", 8, True)], False),
    "Practitioner/many": ([written(f"many{n}", "Practitioner/many", 1) for n in range(101)], True),
    "Practitioner/gone": ([written("m4", "Practitioner/gone")], False),
    "Practitioner/silent": ([], False),
    "Organization/pharmacy": ([dispensed("x1", "Organization/pharmacy", 300)], True),
    "Organization/old": ([dispensed("x2", "Organization/old", 370)], False),
    "Organization/none": ([dispensed("x3", "Organization/none", 3, "cancelled")], False),
    "Organization/paper": ([], True),
    "PractitionerRole/chemist": ([dispensed("x4", "PractitionerRole/chemist", 3)], False),
    "Organization/ofrole": ([], True),
    "Practitioner/blocked": ([written("m5", "Practitioner/blocked")], False),
}  # fmt: skip


#: What the directory has of some beside their name.
MORE: dict[str, dict[str, Any]] = {
    "Practitioner/d1": {"name": [{"family": "EXEMPLE", "given": ["Zoé"]}]},
    "Practitioner/gone": {"active": False},
    "Organization/o1": {"name": "Clinique du Lac"},
    "Organization/paper": {"identifier": [{"system": FINESS, "value": "750000009"}]},
    "PractitionerRole/chemist": {"organization": {"reference": "Organization/ofrole"}},
}
ROLE = {
    "resourceType": "PractitionerRole",
    "id": "r1",
    "practitioner": {"reference": DOCTOR},
    "organization": {"reference": CLINIC},
}


def somebody(reference: str) -> dict[str, Any]:
    type, id = reference.split("/")
    name: Any = {"Practitioner": [{"family": id}], "Organization": id}.get(type)
    return {"resourceType": type, "id": id, **({"name": name} if name else {}), **MORE.get(reference, {})}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def space(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Space]:
    async with serving(tmp_path_factory.mktemp("writing")) as found:
        await a_record(found)
        await patient(found)
        await kept(found.house, *map(somebody, KNOWN), ROLE, *(one for some, _ in KNOWN.values() for one in some))
        by = {"reference": "#o", "type": "Organization"}
        inside = {"resourceType": "Organization", "id": "o", "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.2", "value": "1750000009"}]}  # fmt: skip
        sector = [{"system": f"{NOS}/TRE_R02-SecteurActivite/FHIR/TRE-R02-SecteurActivite", "code": "SA33"}]
        about = {"facilityType": {"coding": sector}}
        await a_document(found, "paper", "Délivrance", contained=[inside], context=about, date=ago(5))
        await found.put({**(await _current(found, "DocumentReference", "paper")), "author": [by]})
        choice = {"resourceType": "Parameters", "parameter": [{"name": "choice", "part": [
            {"name": "kind", "valueCode": "blocked"}, {"name": "practitioner", "valueReference": {"reference": "Practitioner/blocked"}},
        ]}]}  # fmt: skip
        assert (await over(found)("POST", "Patient/p1/$record-choose", choice)).status == 200
        yield found


async def _current(space: Space, type: str, id: str) -> dict[str, Any]:
    from fhir_server.fhir.json import parse

    version = await space.house.repository().current(type, id)
    assert version is not None
    return parse(version.body)


def over(space: Space) -> Caller:
    """The patient's own software."""
    return Caller(space.house, grant(PATIENT, OWN, patient="p1"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nathalie(space: Space) -> Browser:
    return await signed_in(space)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def zoe(space: Space) -> Browser:
    browser = await signed_in(space, "docteur", DOCTOR, roles=("PractitionerRole/r1",))
    await send(browser, "/patients/recherche", "/patients", **TRAITS)
    return browser


def last(answer: Any) -> str:
    return str(answer.url).partition("?")[0].rpartition("/")[2]


async def sent(space: Space, answer: Any) -> dict[str, Any]:
    assert "done=sent" in str(answer.url), said(document(answer))
    return await _current(space, "Communication", last(answer))


async def test_a_patient_is_offered_exactly_those_to_whom_a_message_is_taken(space: Space, nathalie: Browser) -> None:
    page = document(await nathalie.http.get(f"{MINE}/ecrire"))
    offered = {one.get("value") for one in page.xpath("//select[@name='to']/option") if one.get("value")}
    assert offered == {one for one, (_, may) in KNOWN.items() if may}
    names = [one.text for one in page.xpath("//select[@name='to']/option")]
    assert names[1:3] == ["many", "Clinique du Lac"], "who wrote last comes first, and hides nobody by writing much"
    for one, (_, may) in KNOWN.items():
        tree = communication(PATIENT, PATIENT, [one], "Question", [{"contentString": "Bonjour"}])
        answer = await over(space)("POST", "Communication", tree)
        assert answer.status == (201 if may else 422), one


async def test_what_is_wrong_stands_beside_its_field(nathalie: Browser) -> None:
    here = f"{MINE}/ecrire"
    page = document(await send(nathalie, here, here, {"file": ("x", b"MZ\0", "x/y")}, to="Practitioner/ended", document="absent"), 400)  # fmt: skip
    assert set(errors(page)) >= {"to", "topic", "text", "file"}
    assert "n’est plus là" in said(page)


async def test_documents_go_as_references_and_what_professionals_do_not_see_as_a_copy(
    space: Space, nathalie: Browser
) -> None:
    await a_document(space, "plain", "Bilan")
    await a_document(space, "masked", "Lettre", label="MASQUE_PS")
    await a_document(space, "secret", "Annonce", label="INVISIBLE_PATIENT")
    here = f"{MINE}/ecrire"
    page = document(await nathalie.http.get(here))
    labels = [" ".join(one.text_content().split()) for one in page.xpath("//details//label")]
    assert any("Lettre" in one and "Masqué aux professionnels" in one for one in labels)
    assert not any("Annonce" in one for one in labels)
    answer = await send(nathalie, here, here, {"file": ("photo.png", PNG, "image/png")}, to=DOCTOR, topic="Mes documents",
                        text="Les voici.", document=["plain", "masked"])  # fmt: skip
    payload = (await sent(space, answer))["payload"]
    assert payload[1]["contentReference"] == {"reference": "DocumentReference/plain", "display": "Bilan"}
    assert [part["contentAttachment"]["title"] for part in payload[2:]] == ["Lettre", "photo.png"]
    assert payload[2]["contentAttachment"]["size"] == len(PDF)
    refused = document(await send(nathalie, here, here, {}, to=DOCTOR, topic="a", text="b", document="secret"), 400)
    assert "n’est plus là" in said(refused)


async def test_a_draft_is_kept_gone_on_with_and_sent(space: Space, nathalie: Browser, zoe: Browser) -> None:
    here = f"{MINE}/ecrire"
    kept_as = await send(nathalie, here, here, {"file": ("a.pdf", PDF, "application/pdf")}, to=DOCTOR, topic="Plus tard",
                         text="Je réfléchis.", act="draft")  # fmt: skip
    assert "Le brouillon est gardé" in said(document(kept_as))
    id = last(kept_as)
    path = f"{MINE}/brouillons/{id}"
    assert "Plus tard" in said(document(await nathalie.http.get(f"{MINE}/brouillons")))
    assert "Plus tard" not in said(document(await nathalie.http.get(MINE)))
    assert (await zoe.http.get(f"/messages/brouillons/{id}")).status_code == 404
    page = document(await nathalie.http.get(path))
    assert page.findtext(".//textarea").strip() == "Je réfléchis."
    version = page.xpath("//input[@name='version']/@value")[0]
    more = {"to": DOCTOR, "topic": "Plus tard", "text": "J’ai réfléchi.", "version": version}
    second = await send(nathalie, path, path, {"file": ("b.png", PNG, "image/png")}, kept="1", act="draft", **more)
    boxes = document(second).xpath("//input[@name='kept']/@value")
    assert boxes == ["1", "2"], "each file is added to what is there"
    stale = await send(nathalie, path, path, {}, kept=["1", "2"], **more)
    assert "Cela a changé entre-temps" in said(document(stale, 412))
    more["version"] = document(await nathalie.http.get(path)).xpath("//input[@name='version']/@value")[0]
    made = await sent(space, await send(nathalie, path, path, {}, kept="2", **more))
    assert [part["contentAttachment"]["title"] for part in made["payload"][1:]] == ["b.png"], (
        "what is unticked is left out"
    )
    again = await nathalie.http.get(path)
    assert again.status_code == 404, "it is a message now"


async def test_a_draft_of_an_answer_stays_in_its_conversation_or_is_thrown_away(
    space: Space, nathalie: Browser
) -> None:
    here = f"{MINE}/m1"
    answer = await send(nathalie, here, here, {}, text="Je vous réponds plus tard.", act="draft")
    path = f"{MINE}/brouillons/{last(answer)}"
    assert "Je vous réponds" not in said(document(await nathalie.http.get(here)))
    assert document(await nathalie.http.get(path)).xpath("//a[contains(@href, '/mes-messages/p1/m1')]")
    gone = await send(nathalie, path, path, {}, act="discard")
    assert "Le brouillon est supprimé" in said(document(gone))
    assert (await nathalie.http.get(path)).status_code == 404
    answer = await send(nathalie, here, here, {}, text="Encore à finir.", act="draft")
    path = f"{MINE}/brouillons/{last(answer)}"
    done = await send(nathalie, path, path, {}, text="Voilà.")
    assert str(done.url).endswith(f"{MINE}/m1?done=sent")
    assert "Voilà." in said(document(done))


async def test_a_form_that_is_sent_twice_at_once_makes_one_message(space: Space, nathalie: Browser) -> None:
    for page, fields in ((f"{MINE}/ecrire", {"to": DOCTOR, "topic": "Une fois"}), (f"{MINE}/m1", {})):
        shown = document(await nathalie.http.get(page))
        word, number = (shown.xpath(f"//input[@name='{name}']/@value")[0] for name in ("word", "number"))
        data = {"word": word, "number": number, "text": f"Une seule fois de {page}", **fields}
        headers = {"Origin": ROOT}
        answers = await asyncio.gather(*(nathalie.http.post(page, data=data, headers=headers) for _ in range(4)))
        assert {one.status_code for one in answers} == {303}
        found = await over(space)("GET", "Communication?subject=Patient/p1&_count=200")
        texts = [one["resource"]["payload"][0].get("contentString") for one in found.json["entry"]]
        assert texts.count(data["text"]) == 1


async def test_a_professional_writes_as_their_mailbox_and_is_told_of_a_minor(space: Space, zoe: Browser) -> None:
    here = "/messages/ecrire/p1"
    page = document(await zoe.http.get(here))
    senders = {one.get("value"): one.text for one in page.xpath("//select[@name='sender']/option")}
    assert senders[CLINIC] == "Clinique du Lac" and next(iter(senders)) == DOCTOR
    assert "mineur" not in said(page)
    made = await sent(space, await send(zoe, here, here, {}, sender=CLINIC, topic="Secrétariat", text="Bonjour."))
    assert made["sender"] == {"reference": CLINIC}
    forged = document(await send(zoe, here, here, {}, sender="Organization/pharmacy", topic="a", text="b"), 400)
    assert "Choisissez sous quel nom" in said(forged)
    await patient(space, birthDate=datetime.now(UTC).date().replace(day=1).isoformat())
    for path in (here, f"/messages/{made['id']}"):
        assert "ses représentants légaux lisent" in said(document(await zoe.http.get(path))), path
    await patient(space)


async def test_a_professional_sends_along_what_both_see_of_the_record_they_have_open(
    space: Space, zoe: Browser
) -> None:
    team = {"resourceType": "CareTeam", "id": "t1", "status": "active", "subject": {"reference": PATIENT}}
    await space.put({**team, "participant": [{"member": {"reference": DOCTOR}}]})
    await a_document(space, "both", "Compte rendu")
    await a_document(space, "untold", "Annonce à venir", label="INVISIBLE_PATIENT")
    here = "/messages/ecrire/p1"
    offered = document(await zoe.http.get(here)).xpath("//input[@name='document']/@value")
    assert "both" in offered and "untold" not in offered
    answer = await send(zoe, here, here, {}, topic="Compte rendu", text="Le voici.", document="both")
    assert (await sent(space, answer))["payload"][1]["contentReference"]["reference"] == "DocumentReference/both"
    forged = document(await send(zoe, here, here, {}, topic="a", text="b", document="untold"), 400)
    assert "n’est plus là" in said(forged)


async def test_who_acts_for_another_is_told_that_what_they_write_is_marked(space: Space, nathalie: Browser) -> None:
    await space.put({"resourceType": "Patient", "id": "child", "name": [{"family": "DEMO", "given": ["Tom"]}], "birthDate": "2015-01-01"})  # fmt: skip
    mother = await signed_in(space, "mere", PATIENT, wards=("child",))
    first = written("c1", DOCTOR)
    child = {"reference": "Patient/child"}
    await kept(space.house, {**first, "subject": child, "recipient": [child]})
    page = document(await mother.http.get("/mes-messages/child/ecrire"))
    assert "Vous agissez au nom de" in said(page) and "Tom DEMO" in said(page)
    document(await send(mother, "/mes-messages/child/c1", "/mes-messages/child/c1", {}, text="Il va mieux."))
    shown = said(document(await mother.http.get("/mes-messages/child/c1")))
    assert "Écrit par un aidant ou un représentant : vous" in shown
