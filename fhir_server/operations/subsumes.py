"""How two codes stand to one another.

https://hl7.org/fhir/R4/codesystem-operation-subsumes.html
"""

from __future__ import annotations

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.code_inputs import Given, answer, as_given, code_system, terminology
from fhir_server.operations.invocation import Inputs, Invocation
from fhir_server.store.concepts import Found
from fhir_server.terminology.canonicals import System, no_code
from fhir_server.terminology.service import Terminology

#: No concept of any code system known has more ancestors.
_MOST = 20_000


async def subsumes(call: Invocation, context: Context) -> Response:
    """200 with outcome: equivalent, subsumes, subsumed-by or not-subsumed.

    Raises:
        NotFound, Gone: the code system or a code is not known (404, 410).
        InvalidParameter: not two codes of one system (400).
    """
    known = await terminology(context, "CodeSystem")
    left, right = _side(call.inputs, "A"), _side(call.inputs, "B")
    if left.system != right.system:
        raise InvalidParameter("Both codes are of one code system.", "http.codingB")
    system = await code_system(call, context, known, left.system, call.inputs.one("version") or left.version)
    if call.id is not None and left.system not in ("", system.artifact.url):
        raise InvalidParameter("The codes are of another code system.", "http.system")
    first, second = (_found(known, system, one.code) for one in (left, right))
    return answer(("outcome", "valueCode", _outcome(known, system, first, second)))


def _side(inputs: Inputs, letter: str) -> Given:
    code, coding = inputs.one(f"code{letter}"), inputs.complex.get(f"coding{letter}")
    if (code is None) == (coding is None):
        raise InvalidParameter(f"One of code{letter} and coding{letter} is needed.", f"http.code{letter}")
    if code is None:
        return as_given(coding, f"coding{letter}")
    return Given(inputs.one("system") or "", inputs.one("version") or "", code, "")


def _found(known: Terminology, system: System, code: str) -> Found:
    found = known.concepts.concept(system.artifact.number, code, any_case=not system.case_sensitive)
    if found is None:
        raise no_code(system, code)
    return found


def _outcome(known: Terminology, system: System, first: Found, second: Found) -> str:
    if first.code == second.code:
        return "equivalent"
    number = system.artifact.number
    above, below = (
        upper.code in known.concepts.related(number, lower.code, "above", _MOST)
        for upper, lower in ((first, second), (second, first))
    )
    if above and below:
        return "equivalent"
    return "subsumes" if above else "subsumed-by" if below else "not-subsumed"
