"""JSON Patch: a list of operations on paths, all applied or none.

https://www.rfc-editor.org/rfc/rfc6902, with the pointers of https://www.rfc-editor.org/rfc/rfc6901
"""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal
from typing import Any

from fhir_server.fhir.json import BOM, parse
from fhir_server.fhir.outcome import Invalid, Malformed
from fhir_server.work.budget import spend

#: The most operations in one patch: each may copy what it moves.
MAX_OPERATIONS = 1000
#: The most values `copy` operations may make in all: each could double what is there.
MAX_COPIED = 100_000

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_ESCAPE = re.compile(r"~(?![01])")

Pointer = tuple[str, ...]


def read(body: bytes, max_depth: int = 64, *, of_resource: bool = False) -> Callable[[dict[str, Any]], Any]:
    """The change a JSON Patch document asks for, checked as far as it can be without the resource.

    Args:
        body: the patch.
        max_depth: the deepest nesting of it.
        of_resource: whether what it changes is a resource of FHIR, in which nothing is empty, and not any JSON.

    Raises:
        Malformed: not a JSON Patch (400).
    """
    # The document is an array, and `parse` reads objects.
    operations = parse(b'{"patch":%s}' % body.removeprefix(BOM), max_depth + 1)
    if set(operations) != {"patch"} or not isinstance(operations["patch"], list):
        raise Malformed("A JSON Patch is an array of operations.", "patch")
    if len(operations["patch"]) > MAX_OPERATIONS:
        raise Malformed(f"A patch has at most {MAX_OPERATIONS} operations.", "patch", code="too-long")
    steps = [_step(operation, n) for n, operation in enumerate(operations["patch"])]

    def change(tree: dict[str, Any]) -> Any:
        document: list[Any] = [tree]
        copied, emptied = 0, list[Any]()
        for n, (apply, operation) in enumerate(steps):
            try:
                source = _source(document, operation)
                copied += apply(document, operation) or 0
            except _Failed as failed:
                raise Invalid(f"{operation['op']}: {failed}.", f"patch[{n}]", code="processing") from None
            if copied > MAX_COPIED:
                raise Invalid("The patch copies too much.", f"patch[{n}]", code="too-costly")
            if of_resource and source is not None and not source:
                emptied.append(source)
        return _without(document[0], {id(one) for one in emptied if not one}) if emptied else document[0]

    return change


def pointer(text: Any) -> Pointer:
    """The steps of a JSON Pointer; none is the whole document.

    Raises:
        ValueError: not a pointer.
    """
    if not isinstance(text, str) or (text and not text.startswith("/")) or _ESCAPE.search(text):
        raise ValueError("not a JSON Pointer")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:])


class _Failed(Exception):
    """An operation does not apply to the document."""


def _step(operation: Any, n: int) -> tuple[Callable[[list[Any], dict[str, Any]], int | None], dict[str, Any]]:
    where = f"patch[{n}]"
    if not isinstance(operation, dict):
        raise Malformed("An operation is an object.", where)
    name = operation.get("op")
    if not isinstance(name, str) or name not in _OPERATIONS:
        raise Malformed("op is add, remove, replace, move, copy or test.", f"{where}.op", code="value")
    apply, members = _OPERATIONS[name]
    read = {"op": name, "path": _pointer(operation, "path", where)}
    if "value" in members:
        if "value" not in operation:
            raise Malformed("The operation needs a value.", f"{where}.value", code="required")
        read["value"] = operation["value"]
    if "from" in members:
        read["from"] = _pointer(operation, "from", where)
    return apply, read


def _pointer(operation: dict[str, Any], member: str, where: str) -> Pointer:
    if member not in operation:
        raise Malformed(f"The operation needs a {member}.", f"{where}.{member}", code="required")
    try:
        return pointer(operation[member])
    except ValueError as error:
        raise Malformed(f"{member} is {error}.", f"{where}.{member}", code="value") from None


def _source(document: list[Any], operation: dict[str, Any]) -> Any:
    """What an operation takes something out of; None of one that takes nothing out."""
    path = {"remove": operation["path"], "move": operation.get("from")}.get(operation["op"])
    return _get(document, path[:-1]) if path else None


def _without(value: Any, emptied: set[int]) -> Any:
    """`value` without what the patch has taken the last member of, and without what then has none.

    https://hl7.org/fhir/R4/json.html: an array or object is never empty. While operations follow one another it may be:
    the next one may fill it.
    """
    if isinstance(value, dict):
        for name in [name for name, one in value.items() if _is_emptied(_without(one, emptied), emptied)]:
            del value[name]
            emptied.add(id(value))
    elif isinstance(value, list):
        kept = [one for one in value if not _is_emptied(_without(one, emptied), emptied)]
        if len(kept) < len(value):
            value[:] = kept
            emptied.add(id(value))
    return value


def _is_emptied(value: Any, emptied: set[int]) -> bool:
    return id(value) in emptied and not value


def _add(document: list[Any], operation: dict[str, Any]) -> None:
    _put(document, operation["path"], deepcopy(operation["value"]))


def _remove(document: list[Any], operation: dict[str, Any]) -> None:
    _take(document, operation["path"])


def _replace(document: list[Any], operation: dict[str, Any]) -> None:
    path = operation["path"]
    _get(document, path)
    if not path:
        document[0] = deepcopy(operation["value"])
        return
    parent = _get(document, path[:-1])
    key = _index(path[-1], len(parent) - 1) if isinstance(parent, list) else path[-1]
    parent[key] = deepcopy(operation["value"])


def _move(document: list[Any], operation: dict[str, Any]) -> None:
    path, source = operation["path"], operation["from"]
    if path == source:
        _get(document, source)
        return
    if path[: len(source)] == source:
        # RFC 6902 §4.4: a location cannot be moved into one of its children.
        raise _Failed("a value cannot be moved into itself")
    _put(document, path, _take(document, source))


def _copy(document: list[Any], operation: dict[str, Any]) -> int:
    found = _get(document, operation["from"])
    size = _size(found)
    spend(size // 2)
    _put(document, operation["path"], deepcopy(found))
    return size


def _test(document: list[Any], operation: dict[str, Any]) -> None:
    if not _equal(_get(document, operation["path"]), operation["value"]):
        raise _Failed("the value is another")


#: op → (what does it, which members it needs beside `path`).
_OPERATIONS: dict[str, tuple[Callable[[list[Any], dict[str, Any]], int | None], frozenset[str]]] = {
    "add": (_add, frozenset({"value"})),
    "remove": (_remove, frozenset()),
    "replace": (_replace, frozenset({"value"})),
    "move": (_move, frozenset({"from"})),
    "copy": (_copy, frozenset({"from"})),
    "test": (_test, frozenset({"value"})),
}


def _get(document: list[Any], path: Pointer) -> Any:
    node = document[0]
    for step in path:
        if isinstance(node, dict):
            if step not in node:
                raise _Failed("there is nothing at the path")
            node = node[step]
        elif isinstance(node, list):
            node = node[_index(step, len(node) - 1)]
        else:
            raise _Failed("there is nothing at the path")
    return node


def _put(document: list[Any], path: Pointer, value: Any) -> None:
    if not path:
        document[0] = value
        return
    parent = _get(document, path[:-1])
    if isinstance(parent, dict):
        parent[path[-1]] = value
    elif isinstance(parent, list):
        parent.insert(len(parent) if path[-1] == "-" else _index(path[-1], len(parent)), value)
    else:
        raise _Failed("the path leads into a value without members")


def _take(document: list[Any], path: Pointer) -> Any:
    value = _get(document, path)
    if not path:
        raise _Failed("the whole resource cannot be removed")
    parent = _get(document, path[:-1])
    if isinstance(parent, list):
        return parent.pop(_index(path[-1], len(parent) - 1))
    del parent[path[-1]]
    return value


def _index(step: str, last: int) -> int:
    # RFC 6901 §4: digits without a leading zero; "-" is past the end, where only add can go.
    if not _INDEX.fullmatch(step):
        raise _Failed("an array index is digits without a leading zero")
    if int(step) > last:
        raise _Failed("the array has no such index")
    return int(step)


def _equal(a: Any, b: Any) -> bool:
    """RFC 6902 §4.6: of the same JSON type and value, numbers by their value."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int | Decimal) and isinstance(b, int | Decimal):
        return a == b
    return type(a) is type(b) and bool(a == b)


def _size(value: Any) -> int:
    waiting, count = [value], 0
    while waiting:
        count += 1
        node = waiting.pop()
        waiting.extend(node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
    return count
