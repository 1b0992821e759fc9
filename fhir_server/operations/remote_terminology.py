"""Operations on codes that are not here: asked of the terminology server of the settings, when there is one.

https://hl7.org/fhir/R4/terminology-service.html. Only parameters that speak of codes are passed on, by name. Where that
server knows no better, the answer is the error this server had; where it does not answer, 503.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_server.fhir.json import serialize
from fhir_server.fhir.outcome import FhirError
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Inputs, Invocation, Operation
from fhir_server.terminology import external, remote_requests
from fhir_server.terminology.canonicals import Unknown, ValueSet, given
from fhir_server.terminology.service import Terminology, is_elsewhere

Row = dict[str, Any]
_CODED = ("uri", "system"), ("code", "code"), ("string", "version"), ("string", "display")
_LANGUAGE = ("code", "displayLanguage")
#: Operation → the types and names of the parameters that are passed on.
_PASSED: dict[external.Operation, tuple[tuple[str, str], ...]] = {
    "ValueSet/$expand": (
        ("string", "filter"), ("integer", "offset"), ("integer", "count"), ("boolean", "activeOnly"), _LANGUAGE,
        ("boolean", "includeDesignations"), ("string", "designation"), ("boolean", "excludeNested"),
        ("boolean", "excludeNotForUI"), ("canonical", "exclude-system"), ("canonical", "system-version"),
        ("canonical", "check-system-version"), ("canonical", "force-system-version"), ("dateTime", "date"),
    ),
    "ValueSet/$validate-code": (
        *_CODED, _LANGUAGE, ("string", "systemVersion"), ("boolean", "abstract"), ("dateTime", "date")
    ),
    "CodeSystem/$validate-code": (
        ("uri", "url"), *_CODED[1:], _LANGUAGE, ("boolean", "abstract"), ("dateTime", "date")
    ),
    "CodeSystem/$lookup": (*_CODED[:3], ("dateTime", "date"), _LANGUAGE, ("code", "property")),
    "CodeSystem/$subsumes": (("uri", "system"), ("string", "version"), ("code", "codeA"), ("code", "codeB")),
    "ConceptMap/$translate": (
        ("uri", "url"), ("string", "conceptMapVersion"), *_CODED[:3], ("uri", "source"), ("uri", "target"),
        ("uri", "targetsystem"), ("boolean", "reverse"),
    ),
}  # fmt: skip


class Untold(Unknown):
    """What is here does not say, and `answer` is what this server would answer by itself."""

    def __init__(self, answer: Response) -> None:
        super().__init__("This cannot be told from what is here.")
        self.answer = answer


_CODINGS = ("coding", "codingA", "codingB")


def or_elsewhere(operation: Operation, name: external.Operation) -> Operation:
    """`operation`, and where what it asks about is not here, what the other server answers."""

    async def asked(call: Invocation, context: Context) -> Response:
        try:
            return await operation(call, context)
        except FhirError as error:
            known = context.terminology
            if not isinstance(known, Terminology) or known.outside is None or not _is_passed(call, error):
                raise
            rows = [*_subject(call, known, name), *_rows(call.inputs, name)]
            try:
                return Response(200, serialize(await known.outside.external.ask(name, rows)))
            except external.Declined:
                if isinstance(error, Untold):
                    return error.answer
                raise error from None

    return asked


def _is_passed(call: Invocation, error: FhirError) -> bool:
    return is_elsewhere(error) and (call.id is None or (call.type == "ValueSet" and call.version is None))


def _subject(call: Invocation, known: Terminology, name: external.Operation) -> list[Row]:
    if not name.startswith("ValueSet/"):
        return []
    inputs = call.inputs
    own = inputs.complex.get("valueSet")
    if own is not None:
        return remote_requests.whole(known.catalogue, given(own))
    if call.id is not None:
        found = known.catalogue.value_set(f"ValueSet/{call.id}")
        return remote_requests.whole(known.catalogue, found or ValueSet({}, ""))
    return remote_requests.subject(known.catalogue, inputs.one("url") or "", inputs.one("valueSetVersion") or "")


def _rows(inputs: Inputs, name: external.Operation) -> Iterator[Row]:
    for type, parameter in _PASSED[name]:
        for value in inputs.values.get(parameter, ()):
            yield remote_requests.text(parameter, type, _typed(value, type))
    for parameter in _CODINGS:
        if parameter in inputs.complex:
            yield {"name": parameter, "valueCoding": _coding(inputs.complex[parameter])}
    concept = inputs.complex.get("codeableConcept")
    if concept is not None:
        codings = [_coding(one) for one in concept.get("coding", ()) if isinstance(one, dict)]
        yield {"name": "codeableConcept", "valueCodeableConcept": {"coding": codings}}


def _typed(value: str, type: str) -> Any:
    return value == "true" if type == "boolean" else int(value) if type == "integer" else value


def _coding(coding: Row) -> Row:
    return {key: coding[key] for key in ("system", "version", "code", "display") if isinstance(coding.get(key), str)}
