"""All that is known of a code.

https://hl7.org/fhir/R4/codesystem-operation-lookup.html
"""

from __future__ import annotations

from typing import Any

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.code_inputs import Given, answer, code_system, codings, language, terminology
from fhir_server.operations.invocation import Invocation
from fhir_server.terminology.canonicals import System, no_code, unknown
from fhir_server.terminology.designations import Spoken, speaks, spoken
from fhir_server.terminology.grammars import GRAMMARS
from fhir_server.terminology.service import Terminology

#: Parents and children named; those of one concept of a national nomenclature are fewer.
_MOST = 1_000


async def lookup(call: Invocation, context: Context) -> Response:
    """200 with name, version, display, designations and properties.

    Raises:
        NotFound: the code system or the code is not known (404).
        InvalidParameter: no code, or one without its system (400).
    """
    known = await terminology(context, "CodeSystem")
    [one] = codings(call.inputs)
    if not one.system:
        raise InvalidParameter("A code needs its system.", "http.system", code="required")
    version = call.inputs.one("version") or one.version
    if one.system in GRAMMARS and known.catalogue.system(one.system, version) is None:
        return _by_grammar(one)
    system = await code_system(call, context, known, one.system, version)
    found = known.concepts.concept(system.artifact.number, one.code, any_case=not system.case_sensitive)
    if found is None:
        raise no_code(system, one.code)
    said = spoken(known.concepts, system, found)
    wanted = frozenset(call.inputs.all("property"))
    return answer(
        ("name", "valueString", system.head.get("name") or system.artifact.url),
        ("version", "valueString", system.artifact.version),
        ("display", "valueString", said.called(language(call)) or found.code),
        *(("designation", "part", _designation(d)) for d in said.designation if _is_asked(d, wanted)),
        *(("property", "part", _property(code, key, v)) for code, key, v in _properties(known, system, said, wanted)),
    )


def _by_grammar(one: Given) -> Response:
    if not GRAMMARS[one.system](one.code):
        raise unknown("code", one.code, "http.code")
    return answer(("name", "valueString", one.system), ("display", "valueString", one.code))


def _is_asked(designation: dict[str, Any], wanted: frozenset[str]) -> bool:
    if not wanted or "designation" in wanted:
        return True
    return any(one.startswith("lang.") and speaks(designation, one[5:]) for one in wanted)


def _designation(row: dict[str, Any]) -> list[dict[str, Any]]:
    keys = (("language", "valueCode"), ("use", "valueCoding"), ("value", "valueString"))
    return [{"name": name, key: row[name]} for name, key in keys if name in row]


def _properties(known: Terminology, system: System, said: Spoken, wanted: frozenset[str]) -> list[tuple[str, str, Any]]:
    found = said.concept
    parents, children = known.concepts.neighbours(system.artifact.number, found.code)
    rows: list[tuple[str, str, Any]] = []
    if said.definition:
        rows.append(("definition", "valueString", said.definition))
    if not any(row.get("code") == "inactive" for row in said.property):
        rows.append(("inactive", "valueBoolean", found.inactive))
    rows += [("parent", "valueCode", code) for code in parents[:_MOST]]
    rows += [("child", "valueCode", code) for code in children[:_MOST]]
    for row in said.property:
        key = next((key for key in row if key.startswith("value")), None)
        if key is not None and row.get("code") not in ("parent", "child"):
            rows.append((str(row.get("code")), key, row[key]))
    if "system" in wanted:
        rows.append(("system", "valueUri", system.artifact.url))
    return [row for row in rows if not wanted or row[0] in wanted]


def _property(code: str, key: str, value: Any) -> list[dict[str, Any]]:
    return [{"name": "code", "valueCode": code}, {"name": "value", key: value}]
