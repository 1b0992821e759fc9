"""Equality, equivalence, order and singletons: how values meet.

http://hl7.org/fhirpath/N1/#equality, #comparison, #singleton-evaluation-of-collections. None is the empty answer.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from decimal import Decimal
from typing import Any

from fhir_server.fhir.fhirpath import quantities, temporal
from fhir_server.fhir.fhirpath.errors import EvaluationError
from fhir_server.fhir.fhirpath.nodes import Node, children, step
from fhir_server.fhir.fhirpath.quantities import Quantity
from fhir_server.fhir.fhirpath.temporal import Temporal

#: Counts work, and ends what is too much of it.
Spend = Callable[[int], None]
_NUMBERS = (int, Decimal)
#: Every white space is as good as another (N1 string equivalence, whitespace).
_SPACES = str.maketrans("\t\r\n", "   ")


def single(nodes: list[Node], what: str) -> Node | None:
    """The one node, None when there is none.

    Raises:
        EvaluationError: there are several.
    """
    if len(nodes) > 1:
        raise EvaluationError(f"{what} takes one item and got {len(nodes)}.")
    return nodes[0] if nodes else None


def truth(nodes: list[Node]) -> bool | None:
    """A collection as a boolean: a single item that is not a boolean counts as true.

    Raises:
        EvaluationError: there are several items.
    """
    if not nodes:
        return None
    if len(nodes) > 1:
        raise EvaluationError(f"A condition takes one item and got {len(nodes)}.")
    value = nodes[0].value
    return bool(value) if value.__class__ is bool else True


def scalar(nodes: list[Node], kind: type | tuple[type, ...], what: str) -> Any:
    """The System value of the one node, None when there is none.

    Raises:
        EvaluationError: several nodes, or a value that is not a `kind`.
    """
    node = single(nodes, what)
    value = None if node is None else node.system
    if value is None:
        return None
    if not isinstance(value, kind) or value.__class__ is bool:  # Python's booleans are integers, FHIRPath's are not
        raise EvaluationError(f"{what} cannot take a value of type {nodes[0].type}.")
    return value


def equal(left: Node, right: Node) -> bool | None:
    """`=` of two items."""
    a, b = left.system, right.system
    if a is None or b is None:
        return bool(left.value == right.value and left.extra == right.extra)
    if a.__class__ is b.__class__ and a.__class__ in (str, bool):
        return bool(a == b)
    if isinstance(a, Temporal) and isinstance(b, Temporal):
        return False if a.first != b.first else _answer(temporal.compare(a, b))
    a, b = _paired(a, b)
    if isinstance(a, Quantity) and isinstance(b, Quantity):
        return _answer(quantities.compare(a, b))
    if a.__class__ is bool or b.__class__ is bool:
        return False
    if isinstance(a, _NUMBERS) and isinstance(b, _NUMBERS):
        return a == b
    return a.__class__ is b.__class__ and bool(a == b)


def equal_all(left: list[Node], right: list[Node]) -> bool | None:
    """`=` of two collections: same length, equal one by one in order."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    answer: bool | None = True
    for a, b in zip(left, right, strict=True):
        same = equal(a, b)
        if same is False:
            return False
        answer = answer and same
    return answer


def equivalent(left: Node, right: Node, spend: Spend) -> bool:
    """`~` of two items; the work is counted with `spend`."""
    spend(1)
    a, b = _paired(left.system, right.system)
    if isinstance(a, str) and isinstance(b, str):
        return a.translate(_SPACES).casefold() == b.translate(_SPACES).casefold()
    if isinstance(a, Temporal) and isinstance(b, Temporal):
        return a.first == b.first and temporal.compare(a, b) == 0
    if isinstance(a, Quantity) and isinstance(b, Quantity):
        return quantities.equivalent(a, b)
    if a.__class__ is bool or b.__class__ is bool:
        return a is b
    if isinstance(a, _NUMBERS) and isinstance(b, _NUMBERS):
        digits = min(quantities.scale(Decimal(a)), quantities.scale(Decimal(b)))
        return round(Decimal(a), digits) == round(Decimal(b), digits)
    if left.value.__class__ is dict and right.value.__class__ is dict:
        return _equivalent_objects(left, right, spend)
    return a is None and b is None


def _equivalent_objects(left: Node, right: Node, spend: Spend) -> bool:
    # The same elements, each equivalent, their ids aside; codings by system and code, concepts by any coding they share
    # (https://hl7.org/fhir/R4/fhirpath.html#changes).
    if left.type == right.type == "Coding":
        return all(left.value.get(name) == right.value.get(name) for name in ("system", "code"))
    if left.type == right.type == "CodeableConcept":
        others = step([right], "coding")
        return any(equivalent(one, other, spend) for one in step([left], "coding") for other in others)
    a, b = ({name: kids for name, kids in _by_name(node).items() if name != "id"} for node in (left, right))
    return a.keys() == b.keys() and all(equivalent_all(kids, b[name], spend) for name, kids in a.items())


def equivalent_all(left: list[Node], right: list[Node], spend: Spend) -> bool:
    """`~` of two collections, in any order."""
    if len(left) != len(right):
        return False
    if len(left) > 100:
        return sorted(map(repr, map(key, left))) == sorted(map(repr, map(key, right)))
    rest = list(right)
    for node in left:
        at = next((i for i, other in enumerate(rest) if equivalent(node, other, spend)), None)
        if at is None:
            return False
        del rest[at]
    return True


def compare(left: Node, right: Node) -> int | None:
    """-1, 0, 1, or None where the order cannot be told.

    Raises:
        EvaluationError: values of types that have no order with each other.
    """
    a, b = left.system, right.system
    if a is None or b is None:
        return None
    a, b = _paired(a, b)
    try:
        if isinstance(a, Temporal) and isinstance(b, Temporal):
            return temporal.compare(a, b)
        if isinstance(a, Quantity) and isinstance(b, Quantity):
            return quantities.compare(a, b)
        if bool not in (a.__class__, b.__class__) and not isinstance(a, dict):
            return int(a > b) - int(a < b)
    except TypeError:
        pass
    raise EvaluationError(f"{left.type} and {right.type} cannot be compared.")


def key(node: Node) -> Hashable:
    """The same for equal nodes, for sets: `union`, `distinct`, `intersect` take no time squared."""
    value = node.system
    if value.__class__ is str:
        return str(value)
    if value is None:
        return ("none", frozen(node.value), frozen(node.extra))
    if isinstance(value, Temporal):
        return ("time", value.first, value.zone is None, temporal.universal(value))
    if isinstance(value, Quantity):
        return ("quantity", quantities.key(value))
    return ("true", value) if value.__class__ is bool else ("value", frozen(value))


def frozen(value: Any) -> Hashable:
    """JSON as something that can stand in a set."""
    if value.__class__ is dict:
        return frozenset((name, frozen(item)) for name, item in value.items())
    if value.__class__ is list:
        return tuple(map(frozen, value))
    return (value,) if value.__class__ is bool else value


def distinct(nodes: list[Node]) -> list[Node]:
    """`nodes` without repeats, the first of each kept."""
    if len(nodes) < 2:
        return nodes
    seen: dict[Hashable, Node] = {}
    for node in nodes:
        seen.setdefault(key(node), node)
    return list(seen.values())


def _paired(a: Any, b: Any) -> tuple[Any, Any]:
    # Integer and Decimal become Quantity where the other is one (N1 §conversion).
    if isinstance(a, Quantity) and isinstance(b, _NUMBERS) and b.__class__ is not bool:
        return a, Quantity(Decimal(b))
    if isinstance(b, Quantity) and isinstance(a, _NUMBERS) and a.__class__ is not bool:
        return Quantity(Decimal(a)), b
    return a, b


def _answer(order: int | None) -> bool | None:
    return None if order is None else order == 0


def _by_name(node: Node) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for child in children(node):
        found.setdefault(child.name, []).append(child)
    return found
