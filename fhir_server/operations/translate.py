"""A code in another code system.

https://hl7.org/fhir/R4/conceptmap-operation-translate.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Invalid, InvalidParameter
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.coded import Given, answer, codings, flag, terminology
from fhir_server.operations.invocation import Inputs, Invocation
from fhir_server.terminology.catalogue import unknown
from fhir_server.terminology.library import tree
from fhir_server.terminology.service import Terminology

#: Maps that stand in for one another where a code is not mapped.
_MAPS = 10
#: What an equivalence is when it is read from target to source.
_REVERSED = {"wider": "narrower", "narrower": "wider", "subsumes": "specializes", "specializes": "subsumes"}
#: Equivalences that say that there is no translation.
_NONE = frozenset({"unmatched", "disjoint"})

Match = dict[str, Any]


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
    backwards = bool(flag(call.inputs, "reverse"))

    def matches() -> list[Match]:
        wanted = call.inputs.one("targetsystem")
        return [m for found in maps for one in asked for m in _matches(known, found, one, backwards, wanted, 0)]

    found = await known.aside(matches)
    result = any(one["equivalence"] not in _NONE for one in found)
    return answer(
        ("result", "valueBoolean", result),
        ("message", "valueString", "" if result else "There is no translation."),
        *(("match", "part", list(_parts(one))) for one in found),
    )


async def _maps(call: Invocation, context: Context, known: Terminology) -> list[dict[str, Any]]:
    inputs = call.inputs
    if call.id is not None:
        stored = await context.repository.read("ConceptMap", call.id)
        return [parse(stored.body, context.settings.max_depth)]
    given, url = inputs.complex.get("conceptMap"), inputs.one("url")
    if given is not None:
        return [given]
    if url is not None:
        found = known.catalogue.artifact("ConceptMap", url, inputs.one("conceptMapVersion") or "")
        if found is None:
            raise unknown("concept map", url)
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


def _matches(
    known: Terminology, map: dict[str, Any], one: Given, backwards: bool, target: str | None, depth: int
) -> Iterator[Match]:
    near, far = ("target", "source") if backwards else ("source", "target")
    for group in _rows(map, "group"):
        if group.get(near, one.system) != one.system or (target and group.get(far) != target):
            continue
        found = list(_backwards(group, one) if backwards else _forwards(group, one))
        for match in found:
            yield {**match, "source": map.get("url"), "system": group.get(far)}
        if not found and not backwards:
            yield from _unmapped(known, map, group, one, target, depth)


def _forwards(group: dict[str, Any], one: Given) -> Iterator[Match]:
    for element in _rows(group, "element"):
        if element.get("code") == one.code:
            for row in _rows(element, "target"):
                yield {**row, "equivalence": row.get("equivalence", "equivalent")}


def _backwards(group: dict[str, Any], one: Given) -> Iterator[Match]:
    for element in _rows(group, "element"):
        for row in _rows(element, "target"):
            if row.get("code") == one.code:
                said = row.get("equivalence", "equivalent")
                turned = _REVERSED.get(said, said)
                yield {"code": element.get("code"), "display": element.get("display"), "equivalence": turned}


def _unmapped(
    known: Terminology, map: dict[str, Any], group: dict[str, Any], one: Given, target: str | None, depth: int
) -> Iterator[Match]:
    """R4 conceptmap.html#unmapped."""
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
                yield from _matches(known, tree(other), one, False, target, depth + 1)


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
