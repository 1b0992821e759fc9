"""A code in another code system.

https://hl7.org/fhir/R4/conceptmap-operation-translate.html. A target that depends on other elements is a translation
only where the caller says that they have those values: https://hl7.org/fhir/R4/conceptmap-definitions.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Invalid, InvalidParameter
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.code_inputs import Given, answer, as_given, codings, flag, terminology
from fhir_server.operations.invocation import Inputs, Invocation
from fhir_server.terminology.canonicals import unknown
from fhir_server.terminology.library import tree
from fhir_server.terminology.service import Terminology

#: Maps that stand in for one another where a code is not mapped.
_MAPS = 10
#: What an equivalence is when it is read from target to source.
_REVERSED = {"wider": "narrower", "narrower": "wider", "subsumes": "specializes", "specializes": "subsumes"}
#: Equivalences that say that there is no translation.
_NONE = frozenset({"unmatched", "disjoint"})

Match = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """How a code is to be translated.

    Attributes:
        backwards: from target to source.
        target: the code system wanted, None for any.
        dependencies: element, system and code of what the caller says holds besides.
    """

    backwards: bool
    target: str | None
    dependencies: frozenset[tuple[str, str, str]]


async def translate(call: Invocation, context: Context) -> Response:
    """200 with result and matches, best map first.

    Raises:
        NotFound, Gone: there is no such map (404, 410).
        InvalidParameter: no code, or one without its system (400).
    """
    known = await terminology(context, "ConceptMap")
    asked = codings(call.inputs)
    if any(not one.system for one in asked):
        raise InvalidParameter("A code needs its system.", "http.system", code="required")
    maps = await _maps(call, context, known)
    inputs = call.inputs
    question = Question(bool(flag(inputs, "reverse")), inputs.one("targetsystem"), frozenset(_dependencies(inputs)))

    def matches() -> list[Match]:
        return [m for found in maps for one in asked for m in _matches(known, found, one, question, 0)]

    every = await known.aside(matches)
    found = [one for one in every if _holds(one, question)]
    result = any(one["equivalence"] not in _NONE for one in found)
    return answer(
        ("result", "valueBoolean", result),
        ("message", "valueString", "" if result else _why(every)),
        *(("match", "part", list(_parts(one))) for one in found),
    )


def _dependencies(inputs: Inputs) -> Iterator[tuple[str, str, str]]:
    for row in inputs.parts.get("dependency", ()):
        element, concept = row.get("element"), row.get("concept")
        codings = concept.get("coding") if isinstance(concept, dict) else None
        if not isinstance(element, str) or not isinstance(codings, list):
            raise InvalidParameter("A dependency has an element and a concept with codings.", "http.dependency")
        for one in codings:
            given = as_given(one, "dependency")
            yield element, given.system, given.code


def _holds(match: Match, question: Question) -> bool:
    return all(
        any(
            element == row.get("property") and code == row.get("value") and row.get("system", system) == system
            for element, system, code in question.dependencies
        )
        for row in _rows(match, "dependsOn")
    )


def _why(every: list[Match]) -> str:
    """Why there is none: nothing is mapped, or what is depends on elements that were not given so."""
    needed = dict.fromkeys(str(row.get("property")) for one in every for row in _rows(one, "dependsOn"))
    return f"The translation depends on {', '.join(needed)[:200]}." if needed else "There is no translation."


async def _maps(call: Invocation, context: Context, known: Terminology) -> list[dict[str, Any]]:
    inputs = call.inputs
    if call.id is not None:
        stored = await call.stored(context)
        return [parse(stored.body, context.settings.max_depth)]
    given, url = inputs.complex.get("conceptMap"), inputs.one("url")
    if given is not None:
        return [given]
    if url is not None:
        version = inputs.one("conceptMapVersion") or ""
        found = known.catalogue.artifact("ConceptMap", url, version)
        if found is None:
            raise unknown("concept map", url, "http.url", known.catalogue.beside("ConceptMap", url, version))
        return [tree(found)]
    if not any(inputs.one(name) for name in ("source", "target", "targetsystem")):
        raise InvalidParameter("Which map is needed: url, source, target or targetsystem.", "http.url", code="required")
    return await known.aside(lambda: [m for m in map(tree, known.concepts.all("ConceptMap")) if _is_between(m, inputs)])


def _is_between(map: dict[str, Any], inputs: Inputs) -> bool:
    for name in ("source", "target"):
        wanted = inputs.one(name)
        said = map.get(f"{name}Canonical") or map.get(f"{name}Uri") or ""
        if wanted and str(said).partition("|")[0] != wanted.partition("|")[0]:
            return False
    return True


def _matches(known: Terminology, map: dict[str, Any], one: Given, question: Question, depth: int) -> Iterator[Match]:
    near, far = ("target", "source") if question.backwards else ("source", "target")
    for group in _rows(map, "group"):
        if group.get(near, one.system) != one.system or (question.target and group.get(far) != question.target):
            continue
        if one.version and group.get(f"{near}Version", one.version) != one.version:
            continue
        found = list(_backwards(group, one) if question.backwards else _forwards(group, one))
        for match in found:
            yield {**match, "source": map.get("url"), "system": group.get(far)}
        if not found and not question.backwards:
            yield from _unmapped(known, map, group, one, question, depth)


def _forwards(group: dict[str, Any], one: Given) -> Iterator[Match]:
    for element in _rows(group, "element"):
        if element.get("code") == one.code:
            for row in _rows(element, "target"):
                yield {**row, "equivalence": _equivalence(row)}


def _equivalence(row: dict[str, Any]) -> str:
    said = row.get("equivalence", "equivalent")
    if not isinstance(said, str):
        raise Invalid("equivalence is a code.", "ConceptMap.group.element.target.equivalence")
    return said


def _backwards(group: dict[str, Any], one: Given) -> Iterator[Match]:
    for element in _rows(group, "element"):
        for row in _rows(element, "target"):
            if row.get("code") == one.code:
                said = _equivalence(row)
                turned = _REVERSED.get(said, said)
                both = {"dependsOn": row["dependsOn"]} if "dependsOn" in row else {}
                yield {"code": element.get("code"), "display": element.get("display"), "equivalence": turned, **both}


def _unmapped(
    known: Terminology, map: dict[str, Any], group: dict[str, Any], one: Given, question: Question, depth: int
) -> Iterator[Match]:
    """Matches of a code that no element of the group maps (R4 conceptmap.html#unmapped): by the group's own mode."""
    rule = group.get("unmapped")
    if not isinstance(rule, dict):
        return
    about = {"source": map.get("url"), "system": group.get("target")}
    match rule.get("mode"):
        case "provided":
            yield {"code": one.code, "equivalence": "equal", **about}
        case "fixed":
            yield {"code": rule.get("code"), "display": rule.get("display"), "equivalence": "wider", **about}
        case "other-map" if depth < _MAPS:
            other = known.catalogue.artifact("ConceptMap", str(rule.get("url", "")))
            if other is not None:
                yield from _matches(known, tree(other), one, question, depth + 1)


def _parts(match: Match) -> Iterable[dict[str, Any]]:
    yield {"name": "equivalence", "valueCode": match["equivalence"]}
    coding = {key: match[key] for key in ("system", "code", "display") if match.get(key)}
    if coding.get("code"):
        yield {"name": "concept", "valueCoding": coding}
    for row in _rows(match, "product"):
        value = {"system": row.get("system"), "code": row.get("value"), "display": row.get("display")}
        parts = [
            {"name": "element", "valueUri": row.get("property")},
            {"name": "concept", "valueCoding": {key: text for key, text in value.items() if text}},
        ]
        yield {"name": "product", "part": parts}
    if match.get("source"):
        yield {"name": "source", "valueUri": match["source"]}


def _rows(parent: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = parent.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Invalid(f"{name} is an array of objects.", f"ConceptMap.{name}")
    return rows
