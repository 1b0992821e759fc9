"""To say that one is not concerned by a section, and to take it back. https://hl7.org/fhir/R4/operations.html

https://fhir-server.example/OperationDefinition/Patient-not-concerned. It is a create or a delete by the caller, under
the caller's scopes and rules: who may write the resource may say so.
"""

from __future__ import annotations

import time
from urllib.parse import urlencode

from fhir_server.fhir.json import instant, serialize
from fhir_server.fhir.outcome import Invalid, InvalidParameter
from fhir_server.interactions.create import create
from fhir_server.interactions.delete import conditional_delete
from fhir_server.interactions.exchange import FHIR_JSON, Context, Request, Response
from fhir_server.operations.invocation import Invocation, returned
from fhir_server.space.profile.assertions import ASSERTIONS, Assertion, is_none
from fhir_server.space.profile.chosen import chosen

#: Who may be named as saying something of a patient, in each of the types.
_SAYS = ("Patient/", "RelatedPerson/", "Practitioner/", "PractitionerRole/")


async def not_concerned(here: object, call: Invocation, context: Context) -> Response:
    """200 with Parameters: whether it is now said that there is none. What was said before is not said twice.

    Raises:
        NotFound, Gone: no such patient, or not for this caller (404, 410).
        Forbidden: there is no scope for the section's type (403).
        InvalidParameter: there is no such section (400).
        Invalid: something stands in the section (422).
    """
    patient, withdrawn = str(call.id), call.inputs.one("withdrawn") or "false"
    assertion = ASSERTIONS.get(call.inputs.one("section") or "")
    if assertion is None:
        raise InvalidParameter(f"The section is one of {', '.join(ASSERTIONS)}.", "http.section")
    if withdrawn not in ("true", "false"):
        raise InvalidParameter("Whether it is withdrawn is true or false.", "http.withdrawn")
    await context.repository.read("Patient", patient)
    if withdrawn == "true":
        asked = Request("DELETE", (assertion.type,), query=tuple(assertion.search(patient)))
        await conditional_delete(asked, context)
    else:
        await _say(assertion, patient, context)
    return returned("notConcerned", "valueBoolean", withdrawn == "false")


async def _say(assertion: Assertion, patient: str, context: Context) -> None:
    context.repository.require(assertion.type, "c")
    parts = [part for part in await chosen(patient, context) if part.section.code == assertion.section]
    if any(not is_none(tree) for part in parts for _, tree in part.found):
        raise Invalid("Something stands in the section: it is deleted, or ended, first.", "http.section")
    subject = context.repository.grant.subject or ""
    by = subject if subject.startswith(_SAYS) else ""
    tree = assertion.said(patient, by, instant(time.time_ns() // 1_000_000))
    # Conditional, so that two at once say it once: https://hl7.org/fhir/R4/http.html#ccreate
    headers = {"if-none-exist": urlencode(assertion.search(patient))}
    await create(
        Request("POST", (assertion.type,), body=serialize(tree), content_type=FHIR_JSON, headers=headers), context
    )
