"""The file of an app on its way into the catalogue: the `Task` it is kept as, read and written.

https://hl7.org/fhir/R4/task.html under our profile https://fhir-server.example/StructureDefinition/ens-task-referencing.
The app as proposed and the questionnaire's answers are contained; each step taken is an extension, so that one version
of the Task tells the whole story, and its history keeps every version of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, cast, get_args

from fhir_server.fhir.dates import UNSAID, begins
from fhir_server.fhir.json import parse
from fhir_server.space.catalogue import apps
from fhir_server.space.catalogue.apps import OWN, App
from fhir_server.space.paris import PARIS

State = Literal[
    "filed",
    "incomplete",
    "verified",
    "opined",
    "accepted",
    "refused",
    "abandoned",
    "signed",
    "suspended",
    "offline",
    "dereferenced",
    "superseded",
]
Verdict = Literal["met", "not-met", "not-applicable"]
Opinion = Literal["favourable", "reserved", "unfavourable"]

PROFILE = f"{OWN}/StructureDefinition/ens-task-referencing"
KIND = f"{OWN}/CodeSystem/ens-task"
STATES = f"{OWN}/CodeSystem/ens-referencing-state"
INPUTS = f"{OWN}/CodeSystem/ens-referencing-input"
CRITERIA = f"{OWN}/CodeSystem/ens-criterion"
VERDICTS = f"{OWN}/CodeSystem/ens-criterion-result"
STEP = f"{OWN}/StructureDefinition/ens-task-step"
QUESTIONNAIRE = f"{OWN}/Questionnaire/ens-referencing"
#: Files that a worker remembers as they were read.
REMEMBERED = 256
#: System of the identifier of a file.
FILES = f"{OWN}/referencing"

#: State of the file → (Task.status, in words). http://hl7.org/fhir/task-status
STATUSES: dict[State, tuple[str, str]] = {
    "filed": ("requested", "Déposé, à vérifier"),
    "incomplete": ("on-hold", "À compléter par l'éditeur"),
    "verified": ("in-progress", "Vérifié, avis attendu"),
    "opined": ("in-progress", "Avis rendu, décision attendue"),
    "accepted": ("accepted", "Accepté, convention à signer"),
    "refused": ("rejected", "Refusé"),
    "abandoned": ("cancelled", "Abandonné par l'éditeur"),
    "signed": ("completed", "Référencé"),
    "suspended": ("completed", "Suspendu"),
    "offline": ("completed", "Hors ligne"),
    "dereferenced": ("completed", "Déréférencé"),
    "superseded": ("completed", "Remplacé par une version plus récente"),
}
#: Task statuses of a file that is under way: an app has one such file at most.
UNDER_WAY = ("requested", "on-hold", "in-progress", "accepted")


@dataclass(frozen=True, slots=True)
class Result:
    """What verification found of one criterion."""

    verdict: Verdict
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """One step as it was taken.

    Attributes:
        step: its code.
        at: aware, UTC.
        by: who ("Person/1"); duty: as what.
        before, after: state of the file; `before` is "" for the first.
        reason: in words, "" where none was asked.
        opinion: of the commission.
    """

    step: str
    at: datetime
    by: str
    duty: str
    before: str
    after: State
    reason: str = ""
    opinion: Opinion | None = None


@dataclass(frozen=True, slots=True)
class Dossier:
    """One file.

    Attributes:
        id: of its Task.
        app: id of the Device it is about.
        publisher: "Organization/1".
        state: where it stands.
        proposed: the app as it is to be referenced; its status says nothing.
        answers: to the questionnaire, by linkId.
        dpia: Attachment of the data protection impact assessment.
        results: of verification, by criterion.
        steps: taken, oldest first.
        version: of the Task, for `expected`; 0 when it is not kept yet.
    """

    id: str
    app: str
    publisher: str
    state: State
    proposed: App
    answers: Mapping[str, str] = field(default_factory=dict)
    dpia: Mapping[str, Any] | None = None
    results: Mapping[str, Result] = field(default_factory=dict)
    steps: tuple[Taken, ...] = ()
    version: int = 0

    @property
    def words(self) -> str:
        """The state, in French."""
        return STATUSES[self.state][1]

    @property
    def opinion(self) -> Opinion | None:
        """The commission's last opinion."""
        return next((one.opinion for one in reversed(self.steps) if one.opinion), None)


@lru_cache(maxsize=REMEMBERED)
def from_body(body: bytes) -> Dossier:
    """The file that the body of a Task under our profile holds; what a desk lists again is not read again."""
    return from_task(parse(body))


def from_task(tree: Mapping[str, Any]) -> Dossier:
    """The file that a Task under our profile is."""
    contained = {one.get("id"): one for one in tree.get("contained", ())}
    inputs = {_code(one.get("type")): one for one in tree.get("input", ())}
    state = _code(tree.get("businessStatus"))
    version = str(tree.get("meta", {}).get("versionId", ""))
    return Dossier(
        id=str(tree.get("id", "")),
        app=tree.get("focus", {}).get("reference", "").removeprefix("Device/"),
        publisher=tree.get("requester", {}).get("reference", ""),
        state=state if state in STATUSES else "refused",
        proposed=apps.from_device(contained.get("proposed", {})),
        answers=answers_of(contained.get("answers", {})),
        dpia=inputs.get("dpia", {}).get("valueAttachment"),
        results={_code(one.get("type")): _result(one) for one in tree.get("output", ())},
        steps=tuple(_taken(one) for one in tree.get("extension", ()) if one.get("url") == STEP),
        version=int(version) if version.isdecimal() else 0,
    )


def to_task(dossier: Dossier) -> dict[str, Any]:
    """The Task of a file."""
    status, words = STATUSES[dossier.state]
    proposed = {**apps.to_device(dossier.proposed), "id": "proposed"}
    inputs = [
        {"type": _concept(INPUTS, "app"), "valueReference": {"reference": "#proposed"}},
        {"type": _concept(INPUTS, "answers"), "valueReference": {"reference": "#answers"}},
    ]
    if dossier.dpia:
        inputs.append({"type": _concept(INPUTS, "dpia"), "valueAttachment": dict(dossier.dpia)})
    found = {
        "resourceType": "Task",
        "id": dossier.id,
        "meta": {"profile": [PROFILE]},
        "contained": [proposed, {**response(dossier.answers), "id": "answers"}],
        "extension": [_extension(one) for one in dossier.steps],
        "identifier": [{"system": FILES, "value": dossier.id}],
        "status": status,
        "businessStatus": {**_concept(STATES, dossier.state), "text": words},
        "intent": "order",
        "code": _concept(KIND, "referencing"),
        "focus": {"reference": f"Device/{dossier.app}"},
        "authoredOn": _text(dossier.steps[0].at),
        "lastModified": _text(dossier.steps[-1].at),
        "requester": {"reference": dossier.publisher},
        "input": inputs,
    }
    output = [_output(code, result) for code, result in dossier.results.items()]
    return {**found, "output": output} if output else found


def answers_of(response: Mapping[str, Any]) -> dict[str, str]:
    """The answers of a QuestionnaireResponse, by linkId; nested items too, the first answer of each, as text."""
    found: dict[str, str] = {}
    pending = list(response.get("item", ()))
    while pending:
        item = pending.pop(0)
        pending += item.get("item", ())
        for answer in item.get("answer", ())[:1]:
            found[str(item.get("linkId", ""))] = _plain(answer)
    return found


def response(answers: Mapping[str, str]) -> dict[str, Any]:
    """The QuestionnaireResponse of answers."""
    items = [{"linkId": link, "answer": [{"valueString": text}]} for link, text in answers.items() if text]
    found = {"resourceType": "QuestionnaireResponse", "questionnaire": QUESTIONNAIRE, "status": "completed"}
    return {**found, "item": items} if items else found


def _plain(answer: Mapping[str, Any]) -> str:
    value = next((value for key, value in answer.items() if key.startswith("value")), "")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value.get("code", "")) if isinstance(value, dict) else str(value)


def _taken(extension: Mapping[str, Any]) -> Taken:
    parts = {}
    for part in extension.get("extension", ()):
        value = next((value for key, value in part.items() if key.startswith("value")), "")
        parts[part.get("url", "")] = value.get("reference", "") if isinstance(value, dict) else str(value)
    return Taken(
        step=parts.get("step", ""),
        at=begins(parts.get("at"), PARIS) or UNSAID,
        by=parts.get("by", ""),
        duty=parts.get("duty", ""),
        before=parts.get("before", ""),
        after=cast(State, parts.get("after", "filed")),
        reason=parts.get("reason", ""),
        opinion=cast(Opinion, parts["opinion"]) if parts.get("opinion") in get_args(Opinion) else None,
    )


def _extension(taken: Taken) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"url": "step", "valueCode": taken.step},
        {"url": "at", "valueInstant": _text(taken.at)},
        {"url": "by", "valueReference": {"reference": taken.by}},
        {"url": "duty", "valueCode": taken.duty},
        {"url": "after", "valueCode": taken.after},
    ]
    optional = (
        ("before", "valueCode", taken.before),
        ("reason", "valueString", taken.reason),
        ("opinion", "valueCode", taken.opinion),
    )
    return {"url": STEP, "extension": [*parts, *({"url": url, key: value} for url, key, value in optional if value)]}


def _output(code: str, result: Result) -> dict[str, Any]:
    said = _concept(VERDICTS, result.verdict)
    return {
        "type": _concept(CRITERIA, code),
        "valueCodeableConcept": {**said, "text": result.comment} if result.comment else said,
    }


def _result(output: Mapping[str, Any]) -> Result:
    said = output.get("valueCodeableConcept", {})
    return Result(cast(Verdict, _code(said)), said.get("text", ""))


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def _code(concept: Any) -> str:
    codings = concept.get("coding", ()) if isinstance(concept, dict) else ()
    return next((str(c.get("code", "")) for c in codings), "")


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
