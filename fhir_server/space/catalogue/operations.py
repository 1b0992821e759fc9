"""The way of an app into the catalogue, over REST: its file, and each step by whoever has the duty.

https://fhir-server.example/OperationDefinition/Task-referencing-file and Task-referencing-step; `space.catalogue` has
the rules. The same steps are taken on the server's pages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, TypeVar, cast, get_args

from fhir_server.access.challenge import insufficient
from fhir_server.fhir.outcome import Forbidden, InvalidParameter
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Invocation
from fhir_server.space.catalogue import apps, dossiers
from fhir_server.space.catalogue.apps import App
from fhir_server.space.catalogue.dossiers import Dossier, Opinion, Result, Verdict
from fhir_server.space.catalogue.impact_assessment import Attached, sent
from fhir_server.space.catalogue.opened import Apps
from fhir_server.space.catalogue.step_input import Act, Actor

T = TypeVar("T")


async def file(here: Apps, call: Invocation, context: Context) -> Response:
    """201 with the new file (Task).

    Raises:
        Forbidden: the token has no scope to create Tasks, or the caller is no publisher (403).
        NotFound: the app is another publisher's, or is not there (404).
        Conflict: a file of the app is under way (409).
        Invalid: all that is missing or wrong (422).
    """
    actor = _actor(context, "c")
    given = call.inputs.complex
    app, answers = await _app(context, given["app"]), await _answers(context, given["answers"])
    dpia = _dpia(given["dpia"]) if "dpia" in given else None
    made = await here.referencing.file(actor, app, answers, dpia)
    return await _answer(here, made, 201)


async def step(here: Apps, call: Invocation, context: Context) -> Response:
    """200 with the file (Task) after the step.

    Raises:
        Forbidden: the token has no scope to update Tasks, or the step is not of the caller's duties (403).
        NotFound: no such file, or another publisher's (404).
        Conflict: not possible where the file stands, or another step came first (409).
        Invalid: a reason or something else is missing or wrong (422).
    """
    actor = _actor(context, "u")
    given, text = call.inputs.complex, call.inputs.one
    act = Act(
        reason=text("reason") or "",
        results=dict(_result(one) for one in call.inputs.values.get("criterion", ())),
        opinion=_opinion(text("opinion")),
        start=_read(text("start"), "start", date.fromisoformat),
        end=_read(text("end"), "end", date.fromisoformat),
        reconsent_by=_read(text("reconsentBy"), "reconsentBy", date.fromisoformat),
        proposed=await _app(context, given["app"]) if "app" in given else None,
        answers=await _answers(context, given["answers"]) if "answers" in given else None,
        dpia=_dpia(given["dpia"]) if "dpia" in given else None,
        expected=_read(text("version"), "version", int),
    )
    taken = await here.referencing.step(actor, call.id or "", text("step") or "", act)
    return await _answer(here, taken, 200)


def _actor(context: Context, verb: str) -> Actor:
    grant = context.repository.grant
    if not any(scope.covers("Task", verb) for scope in grant.scopes):
        raise Forbidden("The token has no scope for this on Task.", headers=insufficient(grant, "Task", verb))
    return Actor.of(grant)


async def _app(context: Context, tree: dict[str, Any]) -> App:
    """The app that a Device is: right by R4 first, so that it can be read."""
    if tree.get("resourceType") != "Device":
        raise InvalidParameter("The app is a Device under the profile ens-app.", "Parameters.parameter")
    await context.pipeline.judged(context, tree)
    if not apps.is_app(tree):
        raise InvalidParameter("The app is a Device under the profile ens-app.", "Parameters.parameter")
    return apps.from_device(tree)


async def _answers(context: Context, tree: dict[str, Any]) -> dict[str, str]:
    if tree.get("resourceType") != "QuestionnaireResponse":
        raise InvalidParameter("The answers are a QuestionnaireResponse.", "Parameters.parameter")
    await context.pipeline.judged(context, tree)
    return dossiers.answers_of(tree)


def _dpia(tree: Mapping[str, Any]) -> Attached:
    found = sent(tree)
    if found is None:
        raise InvalidParameter("The assessment is an Attachment with its title and data.", "Parameters.parameter")
    return found


def _result(text: str) -> tuple[str, Result]:
    """`code|verdict|comment`, the comment optional."""
    code, _, rest = text.partition("|")
    verdict, _, comment = rest.partition("|")
    if not code or verdict not in get_args(Verdict):
        raise InvalidParameter(f"A criterion is code|{'|'.join(get_args(Verdict))}|comment.", "http.criterion")
    return code, Result(cast(Verdict, verdict), comment.strip())


def _opinion(text: str | None) -> Opinion | None:
    if text is not None and text not in get_args(Opinion):
        raise InvalidParameter(f"An opinion is one of {', '.join(get_args(Opinion))}.", "http.opinion")
    return cast(Opinion | None, text)


def _read(text: str | None, name: str, how: Callable[[str], T]) -> T | None:
    try:
        return None if text is None else how(text)
    except ValueError:
        raise InvalidParameter(f"The parameter {name} is of another type.", f"http.{name}") from None


async def _answer(here: Apps, dossier: Dossier, status: int) -> Response:
    version = await here.catalogue.repository.current("Task", dossier.id)
    assert version is not None
    location = f"Task/{version.id}/_history/{version.version}"
    return Response(status, version.body, version=version.version, at=version.at, location=location)
