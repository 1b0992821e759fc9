"""The codes of a value set.

https://hl7.org/fhir/R4/valueset-operation-expand.html. Codes come flat and in the order of the value set;
`excludeNested=false` nests those of a hierarchy, where the whole expansion is on one page. `date` takes the versions
that were the latest at that date. Without `displayLanguage` the request's `Accept-Language` counts.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

from fhir_server.fhir.json import instant, serialize
from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.code_inputs import composer, flag, language, pins, terminology, value_set, versioned
from fhir_server.operations.expansion_members import Row, Shown, nested, rows
from fhir_server.operations.invocation import Inputs, Invocation
from fhir_server.store.concepts import Wanted
from fhir_server.terminology.canonicals import Unexpandable, ValueSet
from fhir_server.terminology.composing import Expansion

#: Codes in one answer; more are asked for in pages.
MOST = 10_000
_HEAD = ("url", "identifier", "version", "name", "title", "status", "experimental", "date", "publisher")
#: Parameters that change what the expansion is, and are said in it.
_SAID = (
    ("filter", "valueString"), ("activeOnly", "valueBoolean"), ("displayLanguage", "valueCode"),
    ("includeDesignations", "valueBoolean"), ("excludeNested", "valueBoolean"), ("excludeNotForUI", "valueBoolean"),
    ("offset", "valueInteger"), ("count", "valueInteger"), ("designation", "valueString"),
    ("exclude-system", "valueUri"), ("system-version", "valueUri"), ("check-system-version", "valueUri"),
    ("force-system-version", "valueUri"), ("date", "valueDateTime"), ("includeDefinition", "valueBoolean"),
    ("excludePostCoordinated", "valueBoolean"), ("context", "valueUri"), ("contextDirection", "valueCode"),
    ("property", "valueString"),
)  # fmt: skip


async def expand(call: Invocation, context: Context) -> Response:
    """200 with the value set and its expansion.

    Raises:
        NotFound, Gone: there is no such value set (404, 410).
        Unexpandable: it has too many codes for one answer, or codes that are not here (422).
    """
    known = await terminology(context, "ValueSet")
    _direction(call.inputs)
    found = await value_set(call, context, known)
    inputs = call.inputs
    reading, mark = composer(call, known)
    expansion = await known.aside(lambda: reading.expansion(found, pins(inputs) | mark))
    _require_versions(expansion, inputs)
    offset, count = _number(inputs, "offset"), _number(inputs, "count")
    wanted = Wanted(
        text=inputs.one("filter") or "",
        active_only=bool(flag(inputs, "activeOnly")),
        selectable_only=bool(flag(inputs, "excludeNotForUI")),
        without=tuple(inputs.all("exclude-system")),
    )
    shown = Shown(
        language(call), bool(flag(inputs, "includeDesignations")), inputs.all("designation"), inputs.all("property")
    )
    most = MOST if count is None else min(count, MOST)
    total, members = await known.aside(lambda: known.concepts.page(expansion.number, wanted, offset or 0, most))
    if count is None and total - (offset or 0) > MOST:
        raise Unexpandable(f"There are {total} codes: ask for pages with count, or use filter.", code="too-costly")
    nests = flag(inputs, "excludeNested") is False and len(members) == total and not wanted.text

    def contained() -> list[Row]:
        flat = rows(known, expansion.systems, members, shown)
        return nested(known, members, flat) if nests else flat

    contains = await known.aside(contained)
    body = _value_set(found, inputs)
    body["expansion"] = {
        "identifier": _identifier(found, expansion, call, wanted),
        "timestamp": instant(time.time_ns() // 1_000_000),
        "total": total,
        **({} if offset is None and count is None else {"offset": offset or 0}),
        "parameter": [*_said(inputs), *_used(expansion)],
        "contains": contains,
    }
    body["expansion"] = {key: value for key, value in body["expansion"].items() if value != []}
    return Response(200, serialize(body))


def _identifier(found: ValueSet, expansion: Expansion, call: Invocation, wanted: Wanted) -> str:
    """The same for every page of an expansion, and another where a code system, the value set or the question is."""
    asked = (found.key, expansion.number, expansion.systems, wanted, language(call))
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, repr(asked))}"


def _used(expansion: Expansion) -> Iterator[dict[str, Any]]:
    """What was used, under R4's name for it and under those of later releases."""
    for one in expansion.systems:
        yield {"name": "version", "valueUri": one}
    for name, canonicals in (("used-codesystem", expansion.systems), ("used-valueset", expansion.value_sets)):
        yield from ({"name": name, "valueUri": one} for one in canonicals)


def _direction(inputs: Inputs) -> None:
    # Both directions have the same codes here: what may be sent is what may be received.
    if inputs.one("contextDirection") not in (None, "incoming", "outgoing"):
        raise InvalidParameter("contextDirection is incoming or outgoing.", "http.contextDirection")


def _require_versions(expansion: Expansion, inputs: Inputs) -> None:
    for url, version in versioned(inputs, "check-system-version"):
        other = [one for one in expansion.systems if one.startswith(url + "|") and one != f"{url}|{version}"]
        if other:
            raise Unexpandable(f"The value set uses {other[0]}.", "http.check-system-version", code="exception")


def _number(inputs: Inputs, name: str) -> int | None:
    text = inputs.one(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise InvalidParameter(f"{name} is a whole number from 0.", f"http.{name}")
    return int(text)


def _value_set(found: ValueSet, inputs: Inputs) -> dict[str, Any]:
    if flag(inputs, "includeDefinition"):
        return {key: value for key, value in found.tree.items() if key not in ("text", "expansion", "meta")}
    head = {key: found.tree[key] for key in _HEAD if key in found.tree}
    return {"resourceType": "ValueSet", "status": "active", **head}


def _said(inputs: Inputs) -> Iterator[dict[str, Any]]:
    for name, key in _SAID:
        for text in inputs.values.get(name, ()):
            value: Any = text
            if key == "valueBoolean":
                value = text == "true"
            elif key == "valueInteger":
                value = int(text)
            yield {"name": name, key: value}
