"""Who may take which step from which state: CSP R1111-38, R1111-39, order of 23 June 2022."""

from __future__ import annotations

from typing import get_args

import pytest

from fhir_server.fhir.outcome import FhirError
from fhir_server.space.catalogue.dossiers import State
from fhir_server.space.catalogue.step_input import Act
from tests.space.catalogue.filing import ACTS, PEOPLE, STRANGER, Desk

STATES: tuple[State, ...] = get_args(State)
#: (step, duty) → the states from which it may be taken; a duty that is not here never may.
OPEN: dict[tuple[str, str], set[str]] = {
    ("complete", "publisher"): {"incomplete"},
    ("abandon", "publisher"): {"filed", "incomplete", "verified", "opined", "accepted"},
    ("return", "verifier"): {"filed"},
    ("return", "commission"): {"verified"},
    ("verify", "verifier"): {"filed"},
    ("opine", "commission"): {"verified"},
    ("accept", "administrator"): {"opined"},
    ("refuse", "administrator"): {"opined"},
    ("sign", "administrator"): {"accepted"},
    ("suspend", "administrator"): {"signed", "offline"},
    ("resume", "administrator"): {"suspended"},
    ("take-offline", "publisher"): {"signed"},
    ("put-online", "publisher"): {"offline"},
    ("dereference", "administrator"): {"signed", "suspended", "offline"},
}
STEPS = sorted({step for step, _ in OPEN})


@pytest.mark.parametrize("duty", PEOPLE)
@pytest.mark.parametrize("step", STEPS)
async def test_a_step_is_taken_by_its_duty_where_the_file_stands(desk: Desk, step: str, duty: str) -> None:
    assert [await _answer(desk, step, duty, state) for state in STATES] == [
        (state, 403 if (step, duty) not in OPEN else "taken" if state in OPEN[step, duty] else 409) for state in STATES
    ]


async def _answer(desk: Desk, step: str, duty: str, state: State) -> tuple[State, int | str]:
    dossier = await desk.standing(state)
    try:
        await desk.referencing.step(PEOPLE[duty], dossier.id, step, ACTS.get(step))
    except FhirError as refusal:
        kept = await desk.referencing.get(PEOPLE[duty], dossier.id)
        assert kept.state == state
        return state, refusal.status
    return state, "taken"


#: (step, from) → (state, status of the app) after it.
EFFECTS = {
    ("complete", "incomplete"): ("filed", "PRESERIE"),
    ("abandon", "filed"): ("abandoned", "PRESERIE"),
    ("return", "filed"): ("incomplete", "PRESERIE"),
    ("verify", "filed"): ("verified", "PRESERIE"),
    ("opine", "verified"): ("opined", "PRESERIE"),
    ("accept", "opined"): ("accepted", "PRESERIE"),
    ("refuse", "opined"): ("refused", "PRESERIE"),
    ("sign", "accepted"): ("signed", "EN_LIGNE"),
    ("suspend", "signed"): ("suspended", "SUSPENDUE"),
    ("suspend", "offline"): ("suspended", "SUSPENDUE"),
    ("resume", "suspended"): ("signed", "EN_LIGNE"),
    ("take-offline", "signed"): ("offline", "HORS_LIGNE"),
    ("put-online", "offline"): ("signed", "EN_LIGNE"),
    ("dereference", "signed"): ("dereferenced", "DEREFERENCEE"),
    ("dereference", "suspended"): ("dereferenced", "DEREFERENCEE"),
    ("dereference", "offline"): ("dereferenced", "DEREFERENCEE"),
}


@pytest.mark.parametrize(("step", "before"), EFFECTS)
async def test_a_step_makes_this_of_file_and_app_and_is_kept_with_who_when_and_why(
    desk: Desk, step: str, before: State
) -> None:
    dossier = await desk.step(await desk.standing(before), step)
    kept = await desk.referencing.get(PEOPLE["administrator"], dossier.id)
    assert (kept.state, (await desk.app(kept)).status) == EFFECTS[step, before]
    last, act = kept.steps[-1], ACTS.get(step, Act())
    assert (last.step, last.before, last.after, last.reason) == (step, before, kept.state, act.reason)
    assert last.by == PEOPLE[last.duty].subject and (step, last.duty) in OPEN
    assert last.opinion == act.opinion and last.at >= kept.steps[0].at
    assert kept.version == dossier.version


REASONED = ["abandon", "return", "opine", "accept", "refuse", "suspend", "resume", "take-offline", "dereference"]


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 4001])
@pytest.mark.parametrize("step", REASONED)
async def test_a_step_on_which_rights_hang_needs_its_reason(desk: Desk, step: str, reason: str) -> None:
    dossier = await desk.standing(next(iter(OPEN[step, _duty(step)])))  # type: ignore[arg-type]
    act = Act(reason, opinion="reserved" if step == "opine" else None)
    with pytest.raises(FhirError) as refusal:
        await desk.referencing.step(PEOPLE[_duty(step)], dossier.id, step, act)
    assert (refusal.value.status, [one.expression for one in refusal.value.issues]) == (422, ["reason"])


def _duty(step: str) -> str:
    return next(duty for one, duty in OPEN if one == step)


@pytest.mark.parametrize("step", ["supersede", "file", "", "nothing", "x" * 200])
async def test_what_is_no_step_is_refused(desk: Desk, step: str) -> None:
    dossier = await desk.standing("filed")
    with pytest.raises(FhirError) as refusal:
        await desk.referencing.step(PEOPLE["administrator"], dossier.id, step)
    assert refusal.value.status == 422


@pytest.mark.parametrize("step", STEPS)
async def test_a_file_of_another_publisher_is_as_absent_as_none(desk: Desk, step: str) -> None:
    dossier = await desk.standing("filed")
    told = []
    for id in (dossier.id, "none"):
        with pytest.raises(FhirError) as refusal:
            await desk.referencing.step(STRANGER, id, step, ACTS.get(step))
        told.append((refusal.value.status, str(refusal.value)))
    assert told[0] == told[1] == (404, "There is no such file.")


async def test_each_sees_the_files_of_their_duty_and_what_may_be_done_with_them(desk: Desk) -> None:
    dossier = await desk.standing("filed")
    for duty, offered in {
        "publisher": {"abandon"},
        "verifier": {"verify", "return"},
        "commission": set[str](),
        "administrator": set[str](),
    }.items():
        [found] = await desk.referencing.files(PEOPLE[duty])
        assert found.id == dossier.id
        assert {row.step for row in desk.referencing.open_to(PEOPLE[duty], found)} == offered
    assert await desk.referencing.files(STRANGER) == []
    assert desk.referencing.open_to(STRANGER, dossier) == ()


async def test_a_resource_that_is_no_file_is_not_taken_for_one(desk: Desk) -> None:
    repository = desk.house.repository()
    tree = {"resourceType": "Task", "id": "t", "status": "draft", "intent": "order"}
    from fhir_server.fhir.json import serialize

    await repository.transact([await repository.put("Task", "t", tree, serialize(tree), None)])
    with pytest.raises(FhirError) as refusal:
        await desk.referencing.get(PEOPLE["administrator"], "t")
    assert refusal.value.status == 404
