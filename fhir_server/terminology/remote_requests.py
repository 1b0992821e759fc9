"""Questions as another terminology server is asked them: canonicals, codes and displays, and nothing else.

https://hl7.org/fhir/R4/valueset-operation-validate-code.html, https://hl7.org/fhir/R4/valueset-operation-expand.html. A
value set that is known here is sent whole, with those it imports (`tx-resource`): the other server need not have it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fhir_server.fhir.outcome import Unavailable
from fhir_server.terminology.canonicals import Catalogue, Unexpandable, ValueSet

Tree = dict[str, Any]
Coding = tuple[str, str]
_PART = {
    "system": None,
    "version": None,
    "concept": {"code": None, "display": None},
    "filter": {"property": None, "op": None, "value": None},
    "valueSet": None,
}
#: What is sent of a value set, at each level; a dict goes on inside, None takes the value.
_SHAPE: Mapping[str, Any] = {
    "resourceType": None,
    "url": None,
    "version": None,
    "status": None,
    "compose": {
        "lockedDate": None,
        "inactive": None,
        "include": _PART,
        "exclude": _PART,
    },
}
#: Value sets sent beside one that imports them.
_MOST = 50


def text(name: str, type: str, value: Any) -> Tree:
    """A row of Parameters: `uri`, `code`, `string`, `boolean`, `integer`."""
    return {"name": name, f"value{type[0].upper()}{type[1:]}": value}


def coding(name: str, system: str, code: str, display: str = "", version: str = "") -> Tree:
    """A row with a coding."""
    parts = {"system": system, "version": version, "code": code, "display": display}
    return {"name": name, "valueCoding": {key: value for key, value in parts.items() if value}}


def subject(catalogue: Catalogue, url: str, version: str = "") -> list[Tree]:
    """The rows that say which value set is meant: by canonical, or whole where it is known here."""
    found = catalogue.value_set(url, version)
    if found is not None:
        return whole(catalogue, found)
    bare, _, own = url.partition("|")
    said = own or version
    return [text("url", "uri", bare), *([text("valueSetVersion", "string", said)] if said else [])]


def whole(catalogue: Catalogue, value_set: ValueSet) -> list[Tree]:
    """The rows that hold a value set and those it imports."""
    rows = [{"name": "valueSet", "resource": _kept(value_set.tree, _SHAPE)}]
    seen, waiting = {value_set.key}, [value_set]
    while waiting and len(rows) <= _MOST:
        for url in _imports(waiting.pop().tree):
            found = catalogue.value_set(url)
            if found is not None and found.key not in seen:
                seen.add(found.key)
                waiting.append(found)
                rows.append({"name": "tx-resource", "resource": _kept(found.tree, _SHAPE)})
    return rows


def filtered(system: str, operator: str, code: str) -> list[Tree]:
    """The rows of a value set with the codes that stand so to a code."""
    include = {"system": system, "filter": [{"property": "concept", "op": operator, "value": code}]}
    return [{"name": "valueSet", "resource": {**_HEAD, "compose": {"include": [include]}}}]


_HEAD = {"resourceType": "ValueSet", "status": "active"}


def verdict(answer: Tree) -> bool:
    """What `$validate-code` says.

    Raises:
        Unavailable: it says nothing.
    """
    said = next((row.get("valueBoolean") for row in answer["parameter"] if row.get("name") == "result"), None)
    if not isinstance(said, bool):
        raise Unavailable("The terminology server answers without a result.")
    return said


def codings(answer: Tree) -> list[Coding]:
    """The codings of an expansion.

    Raises:
        Unexpandable: the answer holds only some of them.
    """
    found = [(str(row.get("system", "")), row["code"]) for row in _rows(answer["expansion"]) if "code" in row]
    total = answer["expansion"].get("total")
    if isinstance(total, int) and total > len(found):
        raise Unexpandable(f"The value set has {total} codes.", code="too-costly")
    return found


def _rows(expansion: Tree) -> Iterator[Tree]:
    waiting: list[Any] = [expansion.get("contains", [])]
    while waiting:
        rows = waiting.pop()
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict):
                waiting.append(row.get("contains"))
                if isinstance(row.get("code"), str):
                    yield row


def _imports(tree: Tree) -> Iterator[str]:
    compose = tree.get("compose")
    for name in ("include", "exclude"):
        for row in _dicts(compose.get(name) if isinstance(compose, dict) else None):
            yield from (one for one in row.get("valueSet") or () if isinstance(one, str))


def _dicts(rows: Any) -> Iterable[Tree]:
    return (row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()


def _kept(value: Any, shape: Any) -> Any:
    if shape is None:
        return value if not isinstance(value, dict) else None
    if isinstance(value, list):
        return [_kept(one, shape) for one in value]
    if not isinstance(value, dict):
        return None
    found = {key: _kept(value[key], inner) for key, inner in shape.items() if key in value}
    return {key: one for key, one in found.items() if one is not None}
