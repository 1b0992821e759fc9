"""`/mon-profil/…/…`: what people write of their own health, as resources of R4; changed, ended, deleted; nobody else's.

https://hl7.org/fhir/R4/fivews.html, https://hl7.org/fhir/R4/datatypes.html#dateTime; WCAG 2.1 §3.3.1; OWASP ASVS 4.2.1.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from fhir_server.space.profile.writing.kinds import KINDS
from fhir_server.space.record.clinical_writers import WRITER
from tests.server.closed import Space
from tests.site.accessible import check, document, errors
from tests.site.records import a_record, send, signed_in
from tests.space.notices.space import a_patient
from tests.space.record.callers import Caller

HOME = "/mon-profil/p1"
#: Kind → what is typed, and what of it stands in the line of the entry.
ENTRIES: dict[str, tuple[dict[str, str], str]] = {
    "allergies": ({"what": "Arachide", "category": "food", "criticality": "high", "reaction": "Urticaire",
                   "since": "2019", "note": "À l’école"}, "Arachide"),
    "maladies": ({"what": "Asthme", "since": "03/2019"}, "Asthme"),
    "antecedents": ({"what": "Rougeole", "since": "1975", "until": "1975"}, "Rougeole"),
    "interventions": ({"what": "Appendicectomie", "since": "12/03/2010"}, "Appendicectomie"),
    "traitements": ({"what": "Ventoline", "dosage": "2 bouffées si besoin", "since": "2020-01"}, "Ventoline"),
    "vaccinations": ({"vaccine": "vac-mmr", "since": "2021-05-04", "lot": "AB12"}, "Rougeole, oreillons, rubéole"),
    "mesures": ({"measure": "29463-7", "value": "71,5", "since": "2024-01-10"}, "Poids, 71,5 kg"),
    "famille": ({"relative": "MTH", "what": "Diabète", "age": "52"}, "Diabète"),
    "mode-de-vie": ({"habit": "72166-2", "what": "Jamais fumé", "since": "2024-01-10"}, "Jamais fumé"),
}  # fmt: skip


async def judged_right(space: Space, tree: dict[str, Any]) -> None:
    """No error, by base R4 and by the profiles that it claims."""
    judged = await Caller(space.house)("POST", f"{tree['resourceType']}/$validate", tree)
    assert [one for one in judged.json["issue"] if one["severity"] in ("error", "fatal")] == [], judged.json


async def stored(space: Space, name: str) -> list[dict[str, Any]]:
    """What is stored of a kind, as a doctor's software is given it, judged right."""
    kind = KINDS[name]
    found = await Caller(space.house)("GET", kind.type)
    return [one["resource"] for one in found.json.get("entry", ())]


@pytest.mark.parametrize("name", ENTRIES)
async def test_an_entry_is_added_shown_again_changed_and_deleted(space: Space, name: str) -> None:
    await a_record(space)
    browser = await signed_in(space)
    fields, words = ENTRIES[name]
    path = f"{HOME}/{name}"
    check(document(await browser.http.get(path)))
    page = await send(browser, path, path, **fields, number="")
    assert "C’est ajouté." in page.text and words in page.text, page.text
    document(page)
    [tree] = await stored(space, name)
    assert [one["code"] for one in tree["meta"]["tag"] if one["system"] == WRITER] == ["patient"]
    await judged_right(space, tree)
    one = f"{path}/{tree['id']}"
    form = document(await browser.http.get(one))
    for field in fields:
        [found] = form.xpath(f"//main//*[@name='{field}']")
        shown = found.xpath("./option[@selected]/@value") or [found.get("value") or found.text or ""]
        assert shown[0], field
    after = await send(browser, one, one, **{**fields, "note": "Relu"}, act="save")
    assert "C’est enregistré." in after.text
    [again] = await stored(space, name)
    assert again["id"] == tree["id"] and again["meta"]["versionId"] == "2"
    summary = (await browser.http.get(HOME)).text
    assert words.partition(",")[0] in summary
    gone = await send(browser, one, one, act="delete")
    assert "C’est supprimé." in gone.text and await stored(space, name) == []


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.ended[0]])
async def test_what_is_over_is_kept_and_said_to_be_over(space: Space, name: str) -> None:
    await a_record(space)
    browser = await signed_in(space)
    path = f"{HOME}/{name}"
    await send(browser, path, path, **ENTRIES[name][0])
    [tree] = await stored(space, name)
    one = f"{path}/{tree['id']}"
    page = await send(browser, one, one, act="end")
    assert "C’est noté comme terminé." in page.text
    [after] = await stored(space, name)
    assert after["meta"]["versionId"] == "2"
    shown = page.text if name != "maladies" else (await browser.http.get(f"{HOME}/antecedents")).text
    assert ENTRIES[name][1] in shown
    await judged_right(space, after)


TOMORROW = (date.today() + timedelta(days=2)).isoformat()  # noqa: DTZ011 - two days ahead in every zone
#: What is typed → the field that is wrong. The patient was born on 2 May 1969.
WRONG: list[tuple[str, dict[str, str], str]] = [
    ("allergies", {"what": ""}, "what"),
    ("allergies", {"what": "x" * 201}, "what"),
    ("allergies", {"category": "metal"}, "category"),
    ("allergies", {"since": TOMORROW}, "since"),
    ("allergies", {"since": "2999"}, "since"),
    ("allergies", {"since": "1968"}, "since"),
    ("allergies", {"since": "04/1969"}, "since"),
    ("allergies", {"since": "1er mai 1969"}, "since"),
    ("allergies", {"since": "31/02/2019"}, "since"),
    ("allergies", {"since": "13/2019"}, "since"),
    ("allergies", {"since": "hier"}, "since"),
    ("antecedents", {"since": "2019", "until": "2018"}, "until"),
    ("antecedents", {"since": "2019-05", "until": "2019-04-02"}, "until"),
    ("vaccinations", {"vaccine": "", "what": ""}, "what"),
    ("vaccinations", {"since": ""}, "since"),
    ("mesures", {"value": "4000"}, "value"),
    ("mesures", {"value": "0"}, "value"),
    ("mesures", {"value": "-3"}, "value"),
    ("mesures", {"value": "1e3"}, "value"),
    ("mesures", {"value": "NaN"}, "value"),
    ("mesures", {"value": "٣٣"}, "value"),
    ("mesures", {"measure": "8302-2", "value": "1,75"}, "value"),
    ("mesures", {"measure": "85354-9", "value": "12"}, "second"),
    ("mesures", {"measure": "85354-9", "value": "80", "second": "120"}, "value"),
    ("mesures", {"measure": "2339-0"}, "measure"),
    ("mesures", {"since": "2024-01"}, "since"),
    ("mesures", {"since": TOMORROW}, "since"),
    ("famille", {"age": "131"}, "age"),
    ("famille", {"age": "²"}, "age"),
    ("famille", {"relative": "DOG"}, "relative"),
    ("mode-de-vie", {"habit": ""}, "habit"),
]


@pytest.mark.parametrize(("name", "typed", "field"), WRONG)
async def test_what_is_wrong_is_said_at_its_field_and_nothing_is_kept(
    space: Space, name: str, typed: dict[str, str], field: str
) -> None:
    await a_record(space)
    await space.put({"resourceType": "Patient", "id": "p1", "birthDate": "1969-05-02"})
    browser = await signed_in(space)
    path = f"{HOME}/{name}"
    answer = await send(browser, path, path, **{**ENTRIES[name][0], **typed})
    page = document(answer, 400)
    assert list(errors(page)) == [field]
    assert await stored(space, name) == []


async def test_the_same_form_sent_twice_makes_one_entry(space: Space) -> None:
    await a_record(space)
    browser = await signed_in(space)
    path, number = f"{HOME}/allergies", "5c2f0c5e-8f6c-4f0a-9d0f-6f0c2b6a1e11"
    for _ in range(2):
        await send(browser, path, path, **ENTRIES["allergies"][0], number=number)
    assert len(await stored(space, "allergies")) == 1


async def test_a_version_that_was_overtaken_is_not_written_over(space: Space) -> None:
    await a_record(space)
    browser = await signed_in(space)
    path = f"{HOME}/maladies"
    await send(browser, path, path, **ENTRIES["maladies"][0])
    [tree] = await stored(space, "maladies")
    one = f"{path}/{tree['id']}"
    await send(browser, one, one, what="Asthme léger", act="save", version="1")
    late = await send(browser, one, one, what="Asthme grave", act="save", version="1")
    assert late.status_code == 412 and "entre-temps" in late.text
    assert (await stored(space, "maladies"))[0]["code"]["text"] == "Asthme léger"


async def test_what_a_professional_wrote_is_shown_and_has_no_form(space: Space) -> None:
    await a_record(space)
    await space.put({"resourceType": "Condition", "id": "hers", "subject": {"reference": "Patient/p1"},
                     "code": {"text": "Diabète"}, "recorder": {"reference": "Practitioner/d1"}})  # fmt: skip
    browser = await signed_in(space)
    page = (await browser.http.get(f"{HOME}/maladies")).text
    assert "Diabète" in page and "Saisi par un professionnel" in page and "/maladies/hers" not in page
    assert (await browser.http.get(f"{HOME}/maladies/hers")).status_code == 404
    assert (await send(browser, f"{HOME}/maladies/hers", f"{HOME}/maladies", act="delete")).status_code == 404


@pytest.mark.parametrize("path", ["p2/allergies", "absent/allergies", "p1/inconnu", "p2/allergies/x", "p1/allergies/x"])
async def test_what_is_another_s_and_what_is_not_there_are_answered_alike(space: Space, path: str) -> None:
    await a_record(space)
    await space.put(a_patient("p2"))
    await space.put({"resourceType": "AllergyIntolerance", "id": "x", "patient": {"reference": "Patient/p2"},
                     "code": {"text": "Noix"}, "asserter": {"reference": "Patient/p2"}})  # fmt: skip
    browser = await signed_in(space)
    assert (await browser.http.get(f"/mon-profil/{path}")).status_code == 404
    for act in ("save", "end", "delete"):
        answer = await send(browser, f"/mon-profil/{path}", HOME, act=act, what="x")
        assert answer.status_code == 404


async def test_a_parent_writes_in_a_child_s_profile_and_it_says_so(space: Space) -> None:
    await a_record(space)
    await space.put({"resourceType": "Patient", "id": "child", "active": True, "birthDate": "2020-01-01"})
    browser = await signed_in(space, wards=("child",))
    path = "/mon-profil/child/allergies"
    page = await send(browser, path, path, what="Œuf")
    assert "Vous agissez au nom de" in page.text and "Saisi par un représentant" in page.text
    [tree] = await stored(space, "allergies")
    assert tree["patient"] == {"reference": "Patient/child"} and tree["recorder"] == {"reference": "Patient/p1"}
