"""An app's way into the catalogue and out of it: files, versions, traces. CSP R1111-38 to R1111-40."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from fhir_server.fhir.outcome import Conflict, FhirError, NotFound
from fhir_server.space.catalogue.criteria import criteria
from fhir_server.space.catalogue.dossiers import Result
from fhir_server.space.catalogue.opening import of
from fhir_server.space.catalogue.referencing import RECONSENT
from fhir_server.space.catalogue.step_input import Act
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator
from tests.space.catalogue.filing import (
    ACTS,
    ALIZE,
    ANSWERS,
    APP,
    DPIA,
    MET,
    PEOPLE,
    STRANGER,
    SUIVI,
    TODAY,
    Desk,
)

KEPT = ("Task", "Device", "Binary", "AuditEvent")


async def counted(desk: Desk) -> dict[str, int]:
    return {type: len(await desk.all(type)) for type in KEPT}


async def test_a_new_app_is_filed_in_pre_series_with_all_that_tells_of_it(desk: Desk) -> None:
    made = await desk.file()
    kept = await desk.referencing.get(PEOPLE["publisher"], made.id)
    app = await desk.app(made)
    assert (kept.state, kept.answers, kept.publisher) == ("filed", ANSWERS, ALIZE)
    assert app == replace(APP, id=made.app, publisher=ALIZE, status="PRESERIE")
    assert kept.proposed.purposes == APP.purposes
    assert await counted(desk) == {"Task": 1, "Device": 1, "Binary": 1, "AuditEvent": 1}


async def test_what_a_publisher_says_of_status_publisher_and_convention_is_not_read(desk: Desk) -> None:
    day = date(2099, 1, 1)
    claims = replace(APP, publisher="Organization/other", convention_end=day, reconsent_by=day, status="EN_LIGNE")
    app = await desk.app(await desk.file(claims))
    assert (app.publisher, app.status, app.convention_end, app.reconsent_by) == (ALIZE, "PRESERIE", None, None)


async def test_only_publishers_file_apps(desk: Desk) -> None:
    for duty in ("verifier", "commission", "administrator"):
        with pytest.raises(FhirError) as refusal:
            await desk.file(actor=PEOPLE[duty])
        assert refusal.value.status == 403
    assert await counted(desk) == dict.fromkeys(KEPT, 0)


async def test_the_assessment_is_kept_beside_the_file_for_those_who_see_the_file(desk: Desk) -> None:
    made = await desk.file()
    attachment, data = await desk.referencing.assessment(PEOPLE["verifier"], made.id)
    assert (attachment["contentType"], attachment["title"], data) == ("application/pdf", DPIA.title, DPIA.data)
    assert "data" not in attachment and attachment["size"] == len(DPIA.data)
    with pytest.raises(NotFound):
        await desk.referencing.assessment(STRANGER, made.id)


async def test_an_app_has_one_file_under_way(desk: Desk) -> None:
    made = await desk.file()
    before = await counted(desk)
    with pytest.raises(Conflict):
        await desk.file(replace(APP, id=made.app, version="1.1.0"))
    assert await counted(desk) == before
    await desk.step(made, "abandon")
    assert (await desk.file(replace(APP, id=made.app, version="1.1.0"))).app == made.app


async def test_a_client_id_is_one_app_s_and_nothing_is_kept_of_a_second(desk: Desk) -> None:
    await desk.file()
    before = await counted(desk)
    with pytest.raises(Conflict):
        await desk.file()
    assert await counted(desk) == before


async def test_an_app_of_another_publisher_is_as_absent_as_none(desk: Desk) -> None:
    made = await desk.signed()
    for id in (made.app, "none"):
        with pytest.raises(NotFound):
            await desk.file(replace(APP, id=id, version="2"), STRANGER)


async def test_the_same_app_filed_twice_at_once_is_filed_once(desk: Desk) -> None:
    made = await desk.signed()
    newer = replace(APP, id=made.app, version="2.0.0")
    answers = await asyncio.gather(*(desk.file(newer) for _ in range(8)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in answers) == ["Conflict"] * 7 + ["Dossier"]
    assert len([one for one in await desk.referencing.files(PEOPLE["verifier"]) if one.state == "filed"]) == 1


async def test_of_two_apps_with_one_client_id_filed_at_once_one_is_kept(desk: Desk) -> None:
    answers = await asyncio.gather(*(desk.file() for _ in range(8)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in answers) == ["Conflict"] * 7 + ["Dossier"]
    assert await counted(desk) == {"Task": 1, "Device": 1, "Binary": 1, "AuditEvent": 1}


async def test_of_two_steps_at_once_one_is_refused_and_leaves_nothing(desk: Desk) -> None:
    made = await desk.walked(await desk.file(), "verify", "opine")
    before = await counted(desk)
    steps = ("accept", "refuse", "accept", "refuse", "accept")
    answers = await asyncio.gather(*(desk.step(made, step) for step in steps), return_exceptions=True)
    assert [type(one) for one in answers if isinstance(one, Exception)] == [Conflict] * 4
    assert await counted(desk) == {**before, "AuditEvent": before["AuditEvent"] + 1}
    kept = await desk.referencing.get(PEOPLE["administrator"], made.id)
    assert len(kept.steps) == len(made.steps) + 1


async def test_a_suspension_and_a_signature_at_once_never_leave_a_suspended_app_on_line(desk: Desk) -> None:
    old = await desk.signed()
    new = await desk.walked(await desk.file(replace(APP, id=old.app, version="2.0.0")), "verify", "opine", "accept")
    await asyncio.gather(desk.step(old, "suspend"), desk.step(new, "sign"), return_exceptions=True)
    states = {one.id: one.state for one in await desk.referencing.files(PEOPLE["administrator"])}
    status = (await desk.app(old)).status
    assert (states[old.id], states[new.id], status) in {
        ("suspended", "accepted", "SUSPENDUE"),
        ("superseded", "signed", "EN_LIGNE"),
    }


async def test_a_step_on_another_version_than_was_looked_at_is_refused(desk: Desk) -> None:
    made = await desk.file()
    await desk.walked(made, "verify")
    with pytest.raises(Conflict):
        await desk.step(made, "opine", act=replace(ACTS["opine"], expected=made.version))
    assert (await desk.step(made, "opine", act=replace(ACTS["opine"], expected=made.version + 1))).state == "opined"


async def test_a_returned_file_is_completed_and_verified_anew(desk: Desk) -> None:
    made = await desk.file()
    unmet = {"SEC-07": Result("not-met", "La procédure manque."), "INT-01": Result("met")}
    await desk.step(made, "return", act=Act("Voir SEC-07.", results=unmet))
    act = Act(proposed=replace(APP, description="Corrigé."), answers={**ANSWERS, "dpo": "Jo"})
    again = await desk.step(made, "complete", act=act)
    assert (again.state, again.answers["dpo"], again.dpia) == ("filed", "Jo", made.dpia)
    assert (await desk.app(again)).description == "Corrigé."
    assert again.results == unmet
    with pytest.raises(FhirError) as refusal:
        await desk.step(again, "verify", act=Act(results={k: v for k, v in MET.items() if k != "SEC-07"}))
    assert [one.expression for one in refusal.value.issues] == ["criterion.SEC-07"]
    assert (await desk.step(again, "verify")).state == "verified"


#: Results → (expression, rule) of what is wrong with them for "verify".
WRONG_RESULTS: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"SEC-01": None}, ("criterion.SEC-01", "criterion-open")),
    ({"SEC-01": Result("not-met", "Pas de certificat.")}, ("criterion.SEC-01", "criterion-unmet")),
    ({"ETH-04": Result("not-applicable")}, ("criterion.ETH-04", "comment-missing")),
    ({"XXX-01": Result("met")}, ("criterion.XXX-01", "unknown-criterion")),
    ({"SEC-01": Result("met", "x" * 4001)}, ("criterion.SEC-01", "too-long")),
]


@pytest.mark.parametrize(("change", "expected"), WRONG_RESULTS)
async def test_a_file_passes_when_each_criterion_is_answered_and_met(
    desk: Desk, change: dict[str, Any], expected: tuple[str, str]
) -> None:
    made = await desk.file()
    results = {code: result for code, result in {**MET, **change}.items() if result}
    with pytest.raises(FhirError) as refusal:
        await desk.step(made, "verify", act=Act(results=results))
    assert (refusal.value.status, [(one.expression, one.key) for one in refusal.value.issues]) == (422, [expected])


async def test_a_criterion_may_not_apply_and_an_app_without_exchange_has_fewer(desk: Desk) -> None:
    made = await desk.file(replace(APP, exchanges=False, purposes=()))
    fewer = {one.code: Result("not-applicable", "Sans objet.") for one in criteria(False)}
    assert 0 < len(fewer) < len(MET)
    assert (await desk.step(made, "verify", act=Act(results=fewer))).state == "verified"


#: What a convention is signed with → (expression, rule) of what is wrong with it.
WRONG_CONVENTIONS: list[tuple[Act, list[tuple[str, str]]]] = [
    (Act(), [("start", "missing"), ("end", "missing")]),
    (Act(start=TODAY), [("end", "missing")]),
    (Act(start=TODAY, end=TODAY - timedelta(days=1)), [("end", "past")]),
    (Act(start=TODAY - timedelta(days=9), end=TODAY - timedelta(days=1)), [("end", "past")]),
    (Act(start=TODAY + timedelta(days=1), end=TODAY + timedelta(days=9)), [("start", "not-begun")]),
    (Act(start=TODAY, end=TODAY, reconsent_by=TODAY - timedelta(days=1)), [("reconsent_by", "past")]),
    (Act(start=TODAY, end=TODAY, opinion="favourable"), [("opinion", "needless")]),
    (Act(start=TODAY, end=TODAY, results=MET), [("results", "needless")]),
]


@pytest.mark.parametrize(("act", "expected"), WRONG_CONVENTIONS)
async def test_a_convention_has_its_days(desk: Desk, act: Act, expected: list[tuple[str, str]]) -> None:
    made = await desk.standing("accepted")
    with pytest.raises(FhirError) as refusal:
        await desk.step(made, "sign", act=act)
    assert (refusal.value.status, [(one.expression, one.key) for one in refusal.value.issues]) == (422, expected)


async def test_a_signed_app_is_in_the_catalogue_until_its_convention_ends(desk: Desk) -> None:
    made = await desk.signed()
    app = await desk.app(made)
    assert (app.convention_start, app.convention_end) == (TODAY, TODAY + timedelta(days=1095))
    assert [one.id for one in await of(desk.house.services).catalogue.online()] == [made.app]
    await of(desk.house.services).catalogue.save(replace(app, convention_end=TODAY - timedelta(days=1)))
    assert await of(desk.house.services).catalogue.online() == []


WIDER = replace(SUIVI, retention="Dix ans")
#: Purposes of the new version, deadline given → deadline kept.
DEADLINES = [
    pytest.param((WIDER,), None, TODAY + RECONSENT, id="terms changed: 60 days"),
    pytest.param((WIDER,), TODAY + timedelta(days=7), TODAY + timedelta(days=7), id="terms changed: as the convention"),
    pytest.param((SUIVI,), None, None, id="same terms: none"),
    pytest.param((replace(SUIVI, label="Tension"),), TODAY, None, id="another label: none"),
    pytest.param((SUIVI, replace(WIDER, code="autre")), None, None, id="a purpose more is asked by itself: none"),
]


@pytest.mark.parametrize(("purposes", "given", "kept"), DEADLINES)
async def test_a_new_version_whose_purposes_changed_gives_patients_time_to_consent_anew(
    desk: Desk, purposes: Any, given: date | None, kept: date | None
) -> None:
    old = await desk.signed()
    newer = replace(APP, id=old.app, version="2.0.0", purposes=purposes, client="stolen")
    new = await desk.file(newer)
    assert (await desk.app(old)).version == "1.0.0"
    await desk.walked(new, "verify", "opine", "accept")
    await desk.step(new, "sign", act=replace(ACTS["sign"], reconsent_by=given))
    app = await desk.app(old)
    assert (app.version, app.purposes, app.client, app.reconsent_by) == ("2.0.0", purposes, "carnet", kept)
    states = {one.id: one.state for one in await desk.referencing.files(PEOPLE["administrator"])}
    assert states == {old.id: "superseded", new.id: "signed"}


async def test_a_new_file_is_for_a_new_version(desk: Desk) -> None:
    old = await desk.signed()
    with pytest.raises(FhirError) as refusal:
        await desk.file(replace(APP, id=old.app))
    assert [one.expression for one in refusal.value.issues] == ["app.version"]


async def test_a_new_version_does_not_end_a_suspension(desk: Desk) -> None:
    old = await desk.signed()
    new = await desk.walked(await desk.file(replace(APP, id=old.app, version="2.0.0")), "verify", "opine", "accept")
    await desk.step(old, "suspend")
    with pytest.raises(Conflict):
        await desk.step(new, "sign")
    assert (await desk.app(old)).status == "SUSPENDUE"
    await desk.step(old, "resume")
    assert (await desk.step(new, "sign")).state == "signed"


async def test_a_dereferenced_app_leaves_the_catalogue_of_people_and_of_machines(desk: Desk) -> None:
    made = await desk.signed()
    repository = desk.house.repository(desk.house.services.public)
    assert (await repository.read("Device", made.app)).version
    await desk.step(made, "dereference")
    assert await of(desk.house.services).catalogue.online() == []
    with pytest.raises(FhirError) as refusal:
        await repository.read("Device", made.app)
    assert refusal.value.status == 404


async def test_each_step_leaves_a_trace_of_who_did_what_when_and_why(desk: Desk) -> None:
    made = await desk.walked(await desk.file(), "verify", "opine", "accept", "sign", "suspend")
    traces = {one["subtype"][0]["code"]: one for one in await desk.all("AuditEvent")}
    assert traces.keys() == {"file", "verify", "opine", "accept", "sign", "suspend"}
    for version, taken in enumerate(made.steps, 1):
        trace = traces[taken.step]
        assert "Person/" + trace["agent"][0]["who"]["identifier"]["value"] == taken.by
        assert trace.get("outcomeDesc", "") == taken.reason
        about = [one["what"]["reference"] for one in trace["entity"]]
        assert about == [f"Task/{made.id}/_history/{version}", f"Device/{made.app}"]


async def test_a_newer_version_s_signature_traces_what_it_replaces(desk: Desk) -> None:
    old = await desk.signed()
    await desk.walked(await desk.file(replace(APP, id=old.app, version="2")), "verify", "opine", "accept", "sign")
    [trace] = [one for one in await desk.all("AuditEvent") if one["subtype"][0]["code"] == "supersede"]
    assert trace["entity"][0]["what"]["reference"].startswith(f"Task/{old.id}/")


async def test_what_is_kept_conforms_to_our_profiles_in_every_state(desk: Desk) -> None:
    made = await desk.walked(await desk.file(), "verify", "opine", "accept", "sign", "take-offline", "put-online")
    returned = await desk.file(replace(APP, client="other"))
    await desk.step(returned, "return", act=Act("SEC-07", results={"SEC-07": Result("not-met", "Absente.")}))
    validator = Validator(Profiles())
    for type in KEPT:
        for tree in await desk.all(type):
            issues = [one for one in validator.validate(tree) if one.severity in ("error", "fatal")]
            assert not issues, (type, issues)
    assert made.state == "signed"


async def test_files_of_one_app_or_state_are_found(desk: Desk) -> None:
    made, other = await desk.file(), await desk.file(replace(APP, client="other"))
    await desk.step(other, "verify")
    found = await desk.referencing.files(PEOPLE["verifier"], app=made.app)
    assert [one.id for one in found] == [made.id]
    assert [one.id for one in await desk.referencing.files(PEOPLE["verifier"], "verified")] == [other.id]


def test_an_app_s_terms_change_with_what_a_patient_accepts() -> None:
    assert WIDER.terms != SUIVI.terms
    assert replace(SUIVI, label="Autre").terms == SUIVI.terms
