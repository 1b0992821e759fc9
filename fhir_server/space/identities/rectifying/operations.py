"""Asking that something be put right, and the answer, over REST. https://hl7.org/fhir/R4/operations.html

https://fhir-server.example/OperationDefinition/Patient-rectify, Patient-rectifications, Patient-rectification-answer.
The holder, or who represents a minor, asks and takes back; the operator answers. An app of the catalogue does neither.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fhir_server.access.challenge import require_all
from fhir_server.fhir.outcome import Forbidden, Invalid, InvalidParameter
from fhir_server.fhir.references import parse as parse_reference
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Invocation, answered, element
from fhir_server.space.identities import steps
from fhir_server.space.identities.rectifying import acting
from fhir_server.space.identities.rectifying.request import ABOUTS, EVENTS, Request, Role
from fhir_server.space.identities.who import is_operator, require_operator
from fhir_server.space.notices.telling import Notices
from fhir_server.space.record import choosing
from fhir_server.space.service import Surroundings

#: Characters of what is asked, and of an answer.
LONGEST = 2_000


async def ask(here: Surroundings, call: Invocation, context: Context) -> Response:
    """200 with Parameters: the request.

    Raises:
        Forbidden: the caller does not decide for the patient, or has no scope (403).
        NotFound: no such patient, or not for this caller (404).
        InvalidParameter: what is said is not of its kind (400).
        Invalid, Conflict: as `acting.ask`; the document is none that the caller sees (422).
    """
    patient, now = str(call.id), datetime.now(UTC).replace(microsecond=0)
    grant = context.repository.grant
    await _require_holder(call, context)
    about, words = call.inputs.one("about"), (call.inputs.one("words") or "").strip()
    if about not in ABOUTS:
        raise InvalidParameter(f"It is about one of {', '.join(ABOUTS)}.", element("about"))
    if not 0 < len(words) <= LONGEST:
        raise InvalidParameter(f"What is asked has 1 to {LONGEST} characters.", element("words"))
    document = await _document(call, context, about)
    by = choosing.performer(grant, patient)
    one = Request("", patient, about, words, now, by, "asked", now, document)
    return answered([_row(await acting.ask(context.repository, one), now)])


async def listed(here: Surroundings, call: Invocation, context: Context) -> Response:
    """200 with Parameters: somebody's requests; without a patient, all that wait for an answer, to the operator.

    Raises:
        Forbidden: the caller does not decide for the patient, and is not the operator (403).
        NotFound: no such patient, or not for this caller (404).
    """
    own, now = context.repository.as_server(), datetime.now(UTC)
    if call.id is None:
        require_operator(context.repository.grant, "r")
        return answered([_row(one, now) for one in await acting.waiting(own)])
    await _require_side(call, context, "r")
    return answered([_row(one, now) for one in await acting.of(own, call.id)])


async def answer(here: Surroundings, call: Invocation, context: Context) -> Response:
    """200 with Parameters: the request, as it is then. The person is told that there is an answer.

    Raises:
        Forbidden: the caller is neither the operator nor who decides for the patient (403).
        NotFound: no such patient or request, or not for this caller (404).
        InvalidParameter: what is said is not of its kind (400).
        Invalid, Conflict: as `acting.move`.
    """
    role = await _require_side(call, context, "u")
    event, words = call.inputs.one("event"), (call.inputs.one("answer") or "").strip()
    if event not in EVENTS or event == "ask":
        raise InvalidParameter(f"The event is one of {', '.join(EVENTS[1:])}.", element("event"))
    if len(words) > LONGEST:
        raise InvalidParameter(f"An answer has at most {LONGEST} characters.", element("answer"))
    patient, now = str(call.id), datetime.now(UTC).replace(microsecond=0)
    by = steps.performer(context.repository.grant)
    id = call.inputs.one("request") or ""
    act = acting.Act(event, role, now, words, by)
    one = await acting.move(context.repository, patient, id, act)
    if role == "operator":
        notices: Notices = here.service("notices")
        await notices.tell(patient, "access", f"rectification {id} {one.state}", occasion="identity", at=now)
    return answered([_row(one, now)])


async def _require_holder(call: Invocation, context: Context) -> None:
    grant = context.repository.grant
    who = await choosing.decider(context.repository.as_server(), grant, str(call.id))
    require_all(grant, "Basic", "u")
    if who != "holder":
        raise Forbidden("The person, or who represents a minor, asks that something be put right.")
    if grant.referenced:
        raise Forbidden("An app of the catalogue asks for no rectification: the person does, in their space.")


async def _require_side(call: Invocation, context: Context, verb: str) -> Role:
    if is_operator(context.repository.grant):
        require_operator(context.repository.grant, verb)
        own = context.repository.as_server()
        await choosing.decider(own, own.grant, str(call.id))
        return "operator"
    if verb == "r":
        require_all(context.repository.grant, "Basic", "r")
        if await choosing.decider(context.repository.as_server(), context.repository.grant, str(call.id)) == "holder":
            return "holder"
        raise Forbidden("The person, or who represents a minor, reads what was asked.")
    await _require_holder(call, context)
    return "holder"


async def _document(call: Invocation, context: Context, about: str) -> str:
    said = call.inputs.complex.get("document")
    if said is None:
        if about == "document":
            raise InvalidParameter("It is said which document it is about.", element("document"))
        return ""
    named = parse_reference(str(said.get("reference", "")), context.base)
    version = None
    if named is not None and named.local and named.type == "DocumentReference" and not named.fragment:
        version = await context.repository.current("DocumentReference", named.target.partition("/")[2])
    if version is None or version.deleted:
        # Hidden and absent alike.
        raise Invalid("There is no such document.", element("document"), code="not-found")
    return f"DocumentReference/{version.id}"


def _row(one: Request, now: datetime) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"name": "id", "valueId": one.id},
        {"name": "patient", "valueReference": {"reference": f"Patient/{one.patient}"}},
        {"name": "about", "valueCode": one.about},
        {"name": "words", "valueString": one.words},
        {"name": "asked", "valueDateTime": one.asked.isoformat(timespec="seconds")},
        {"name": "due", "valueDateTime": one.due.isoformat(timespec="seconds")},
        {"name": "late", "valueBoolean": one.late(now)},
        {"name": "state", "valueCode": one.state},
        {"name": "at", "valueDateTime": one.at.isoformat(timespec="seconds")},
    ]
    if one.document:
        parts.append({"name": "document", "valueReference": {"reference": one.document}})
    if one.answer:
        parts.append({"name": "answer", "valueString": one.answer})
    return {"name": "request", "part": parts}
