"""`Patient/$merge`, and `Patient/$unmerge` that takes it back. https://hl7.org/fhir/R5/patient-operation-merge.html

R5's parameters, and `reason`. What R5 does where a merge is long, a Task, is not needed: it is of one commit.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Conflict, InvalidParameter, NotFound
from fhir_server.fhir.references import parse as parse_reference
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Invocation, answered, element
from fhir_server.search.parameters.codes import spelling
from fhir_server.space.identities import steps
from fhir_server.space.identities.changing import require_valid
from fhir_server.space.identities.merging import doing, undoing
from fhir_server.space.identities.merging.aftermath import settled
from fhir_server.space.identities.merging.doing import Done, Wanted
from fhir_server.space.identities.merging.fates import Fate
from fhir_server.space.identities.merging.ledger import merge_id
from fhir_server.space.identities.merging.undoing import Back
from fhir_server.space.identities.who import LONGEST, require_operator
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import Token, both

#: The reason of who says none, as R5's clients do not.
_UNSAID = "Doublon"
_WORDS: dict[Fate, str] = {
    "moved": "moved",
    "left": "moved, and ended",
    "ended": "ended where it is",
    "united": "chosen for both",
    "kept": "kept where it is",
}


async def merge(here: Surroundings, call: Invocation, context: Context) -> Response:
    """200 with Parameters: input, outcome and, unless it is a preview, result.

    Raises:
        Forbidden: the caller is not the operator (403).
        InvalidParameter: the patients are not said, or by what does not name one (400).
        NotFound, Invalid, Conflict: as `doing.merge`.
    """
    wanted = await _wanted(call, context)
    if wanted.said is not None:
        await require_valid(context, dict(wanted.said))
        if wanted.said.get("id", wanted.target) != wanted.target:
            raise InvalidParameter("The result has the id of the target.", element("result-patient"))
    return await _done(here, call, context, wanted, None)


async def unmerge(here: Surroundings, call: Invocation, context: Context) -> Response:
    """200 with Parameters, as `merge`: the result is the Patient that is there again.

    Raises:
        Forbidden, InvalidParameter: as `merge`.
        NotFound, Invalid, Conflict: as `undoing.unmerge`.
    """
    wanted, later = await _wanted(call, context), call.inputs.one("later") or "target"
    if later not in ("target", "source"):
        raise InvalidParameter("What was changed since goes to the target or the source.", element("later"))
    also = tuple(_local(one, context, "also", "") for one in call.inputs.several.get("also", ()))
    return await _done(here, call, context, wanted, Back("source" if later == "source" else "target", also))


async def _done(here: Surroundings, call: Invocation, context: Context, wanted: Wanted, back: Back | None) -> Response:
    now = datetime.now(UTC).replace(microsecond=0)

    async def do() -> Done:
        if back is None:
            return await doing.merge(context.repository, wanted, now)
        return await undoing.unmerge(context.repository, wanted, back, now)

    if wanted.preview:
        return _answer(call, wanted, await do())
    async with settled(here, merge_id(wanted.source, wanted.target), now):
        done = await do()
    own = context.repository.as_server()
    version = await own.current("Patient", wanted.target if back is None else wanted.source)
    return _answer(call, wanted, done, parse(version.body) if version is not None else done.result)


async def _wanted(call: Invocation, context: Context) -> Wanted:
    require_operator(context.repository.grant, "u")
    own = context.repository.as_server()
    source, target = [await _patient(call, context, own, one) for one in ("source", "target")]
    reason = (call.inputs.one("reason") or _UNSAID).strip()
    if not 0 < len(reason) <= LONGEST:
        raise InvalidParameter(f"A reason has {LONGEST} characters at most.", element("reason"))
    return Wanted(
        source,
        target,
        reason,
        steps.performer(context.repository.grant),
        call.inputs.one("preview") == "true",
        call.inputs.complex.get("result-patient"),
    )


async def _patient(call: Invocation, context: Context, own: Repository, side: str) -> str:
    """Id of the one patient that is said, by a reference, by identifiers or by both.

    Raises:
        InvalidParameter: neither is said, or it is no Patient of this server (400).
        NotFound, Conflict: nobody or several people have all the identifiers (404, 409).
    """
    name = f"{side}-patient"
    said, numbers = call.inputs.complex.get(name), call.inputs.several.get(f"{name}-identifier", [])
    if said is None and not numbers:
        raise InvalidParameter("A patient is said by a reference or by identifiers.", element(name))
    named = _local(said, context, name, "Patient") if said is not None else ""
    if not numbers:
        return named
    where = []
    for one in numbers:
        system, value = one.get("system"), one.get("value")
        if not isinstance(value, str) or not isinstance(system, str) or not value or not system:
            raise InvalidParameter("An identifier has a system and a value.", element(f"{name}-identifier"))
        where.append(Token("identifier", spelling(value, system), system))
    page = await own.find({"Patient": both(*where)}, count=2, want="head")
    found = [one.id for one in page.versions if named in ("", one.id)]
    if not found:
        raise NotFound("There is no such Patient.", name)
    if len(found) > 1:
        raise Conflict("Several patients have these identifiers.", name, code="multiple-matches")
    return found[0]


def _local(said: Any, context: Context, name: str, type: str) -> str:
    """The id of a Patient that a reference names; the reference itself of what may be of any type."""
    text = said.get("reference") if isinstance(said, dict) else None
    found = parse_reference(text, context.base) if isinstance(text, str) else None
    if found is None or not found.local or found.fragment or (type and found.type != type):
        raise InvalidParameter(f"This is a literal reference to a {type or 'resource'} of this server.", element(name))
    return found.target.removeprefix("Patient/") if type else found.target


def _answer(call: Invocation, wanted: Wanted, done: Done, result: dict[str, Any] | None = None) -> Response:
    rows: list[dict[str, Any]] = [
        {"name": "input", "resource": _input(wanted)},
        {"name": "outcome", "resource": {"resourceType": "OperationOutcome", "issue": [*_issues(wanted, done)]}},
    ]
    if result is not None:
        rows.append({"name": "result", "resource": result})
    return answered(rows)


def _input(wanted: Wanted) -> dict[str, Any]:
    rows = [
        {"name": "source-patient", "valueReference": {"reference": f"Patient/{wanted.source}"}},
        {"name": "target-patient", "valueReference": {"reference": f"Patient/{wanted.target}"}},
        {"name": "preview", "valueBoolean": wanted.preview},
        {"name": "reason", "valueString": wanted.reason},
    ]
    return {"resourceType": "Parameters", "parameter": rows}


def _issues(wanted: Wanted, done: Done) -> Iterator[dict[str, Any]]:
    """What came of it, or would: one row for each type and what became of it."""
    words = "It was so already." if done.before else "It would be done." if wanted.preview else "It was done."
    yield {"severity": "information", "code": "informational", "diagnostics": words}
    for trait in done.differing:
        said = f"The two do not agree on this: {trait}."
        yield {"severity": "warning", "code": "business-rule", "diagnostics": said, "expression": [f"Patient.{trait}"]}
    for (type, what), count in sorted(done.counts.items()):
        said = f"{type}: {count} {_WORDS[what]}."
        yield {"severity": "information", "code": "informational", "diagnostics": said}
