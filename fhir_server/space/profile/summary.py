"""The international patient summary over REST. https://hl7.org/fhir/uv/ips/STU2/OperationDefinition-summary.html

Of a patient by id, or of the one who has an identifier. It is made when it is asked for, of what this caller may read
at that moment, and it is not kept.
"""

from __future__ import annotations

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import InvalidParameter, MultipleMatches, NotFound, NotSupported
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Invocation
from fhir_server.search.asking.query import parse as parse_query
from fhir_server.site.words import language
from fhir_server.space.profile.chosen import chosen
from fhir_server.space.profile.composing import composed
from fhir_server.space.profile.enclosed import enclosed
from fhir_server.store.protocol import Version

_IPS = "http://hl7.org/fhir/uv/ips/StructureDefinition"
#: What may be asked for by name: the one summary that there is.
PROFILES = frozenset({f"{_IPS}/Bundle-uv-ips", f"{_IPS}/Composition-uv-ips"})


async def summary(here: object, call: Invocation, context: Context) -> Response:
    """200 with a Bundle that is a document.

    Raises:
        NotFound, Gone: no such patient, or not for this caller (404, 410).
        Forbidden: there is no scope to read, or to find, Patients (403).
        InvalidParameter: an identifier is missing, or one too many is said (400).
        MultipleMatches: several patients have the identifier (412).
        NotSupported: another profile, or a graph (400).
    """
    _require_ours(call)
    patient = await _patient(call, context)
    parts = await chosen(patient.id, context)
    found = [version for part in parts for version, _ in part.found]
    in_sections = {(version.type, version.id) for version in found}
    beside = [
        row
        for row in await enclosed([patient, *found], patient.id, context)
        if (row[0].type, row[0].id) not in in_sections
    ]
    tree = parse(patient.body, context.settings.max_depth)
    tongue = language(None, call.request.headers.get("accept-language"))
    return Response(200, composed((patient, tree), parts, beside, context.base, tongue))


def _require_ours(call: Invocation) -> None:
    if call.inputs.one("graph") is not None:
        raise NotSupported("This server does not follow a GraphDefinition.", "http.graph")
    profile = call.inputs.one("profile")
    if profile is not None and profile.partition("|")[0] not in PROFILES:
        raise NotSupported(f"The summary is that of the IPS: {_IPS}/Bundle-uv-ips.", "http.profile")


async def _patient(call: Invocation, context: Context) -> Version:
    identifier = call.inputs.one("identifier")
    if call.id is not None:
        if identifier is not None:
            raise InvalidParameter("The parameter identifier is for the type level.", "http.identifier")
        return await context.repository.read("Patient", call.id)
    if identifier is None:
        raise InvalidParameter("Of whom is needed: identifier.", "http.identifier", code="required")
    context.repository.require("Patient", "s")
    query = await parse_query(
        ("Patient",),
        [("identifier", identifier)],
        context.repository.registry,
        strict=True,
        settings=context.settings,
        base=context.base,
        allows=context.repository.searches,
    )
    page = await context.repository.find(query.scope, count=2)
    if not page.versions:
        raise NotFound("There is no such Patient.")
    if len(page.versions) > 1:
        raise MultipleMatches("Several patients have the identifier.", "http.identifier")
    return page.versions[0]
