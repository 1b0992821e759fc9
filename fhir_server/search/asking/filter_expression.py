"""What a `_filter` expression means, as a filter.

https://hl7.org/fhir/R4/search_filter.html. Values are compared without case, as that page says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fhir_server.fhir.outcome import InvalidParameter, NotSupported, TooCostly
from fhir_server.search.asking.chains import reference_parameter, through
from fhir_server.search.asking.filter_grammar import Logical, Negation, Node, Step, Test, read
from fhir_server.search.kinds import date, number, quantity, reference, token, uri
from fhir_server.search.kinds.composite import components, in_one_group
from fhir_server.search.kinds.reading import MAX_CHAIN, Asked, Modifiers, Reading
from fhir_server.search.kinds.string import Place, folded
from fhir_server.search.kinds.table import ALSO
from fhir_server.search.kinds.text import text
from fhir_server.search.parameters.targets import targets_of
from fhir_server.search.parameters.text import fold
from fhir_server.store.filters import NOTHING, Filter, Id, Missing, Not, String, Token, both, either

#: Characters of an expression; a screenful and more.
MAX_LENGTH = 16_384


def expression(reading: Reading, type: str, source: str) -> Filter:
    """The filter of a `_filter` value on resources of `type`.

    Raises:
        InvalidParameter: not of the grammar (says at which character), or an operator that its parameter cannot have.
        NotSupported: an unknown parameter.
        TooCostly: too long, too deep or too many tests.
    """
    if len(source) > MAX_LENGTH:
        raise TooCostly(f"_filter is longer than {MAX_LENGTH} characters.")
    return _node(reading, type, read(source))


def _node(reading: Reading, type: str, node: Node) -> Filter:
    match node:
        case Logical():
            parts = [_node(reading, type, part) for part in node.parts]
            return both(*parts) if node.operator == "and" else either(parts)
        case Negation():
            return Not(_node(reading, type, node.part))
        case Test():
            return _test(reading, type, node)


def _test(reading: Reading, type: str, test: Test) -> Filter:
    if len(test.path) > MAX_CHAIN:
        raise TooCostly(f"A chain has at most {MAX_CHAIN} steps.")
    reading.spend()
    try:
        return _path(reading, type, test.path, test)
    except (InvalidParameter, NotSupported) as error:
        said = error.issues[0].diagnostics
        if said.startswith("_filter"):
            raise
        raise error.__class__(f"_filter, the test at character {test.at}: {said}") from None


def _path(reading: Reading, type: str, path: tuple[Step, ...], test: Test) -> Filter:
    step, *rest = path
    code, _, modifier = step.name.partition(":")
    if not rest:
        if modifier or step.where is not None:
            raise InvalidParameter("a filter in brackets or a type is followed by a point and a further name.")
        return _leaf(reading, type, code, test)
    param = reading.registry.get(type, code)
    if param is not None and param.type == "composite":
        return _element(Asked(param, code, type, reading), step, tuple(rest), test)
    types = targets_of(reference_parameter(reading, type, code), type)
    if modifier and modifier not in types:
        raise InvalidParameter(f"{code} does not refer to {modifier}.")
    return through(
        reading, code, (modifier,) if modifier else types, lambda target: _behind(reading, target, step, rest, test)
    )


def _behind(reading: Reading, target: str, step: Step, rest: list[Step], test: Test) -> Filter:
    # The brackets and what follows them speak of the same resource: that is what chains cannot say.
    found = _path(reading, target, tuple(rest), test)
    return found if step.where is None else both(_node(reading, target, step.where), found)


def _element(asked: Asked, step: Step, rest: tuple[Step, ...], test: Test) -> Filter:
    """`composite[part op value].part op value`: one element meeting both."""
    if len(rest) > 1 or rest[0].where is not None:
        raise InvalidParameter("a composite is followed by the name of one of its parts.")
    last = Test((Step(rest[0].name),), test.operator, test.value, test.at)
    parts = [_of_part(asked, node) for node in (step.where, last) if node is not None]
    return in_one_group(asked, parts)


def _of_part(asked: Asked, node: Node) -> Filter:
    match node:
        case Logical():
            parts = [_of_part(asked, part) for part in node.parts]
            return both(*parts) if node.operator == "and" else either(parts)
        case Negation():
            return Not(_of_part(asked, node.part))
        case Test(path=(Step(where=None),)):
            for position, param in enumerate(components(asked), start=1):
                if param.code == node.path[0].name:
                    return _compared(asked.part(param, position), node)
    raise InvalidParameter("inside a composite, tests name its own parts.")


def _leaf(reading: Reading, type: str, code: str, test: Test) -> Filter:
    if code == "_id":
        return _id(test)
    if code in ("_text", "_content"):
        if test.operator not in ("eq", "co"):
            raise InvalidParameter(f"{code} is asked with co.")
        return text("narrative" if code == "_text" else "content", test.value)
    param = reading.registry.get(type, code)
    if param is None or param.type not in _OPERATORS:
        raise NotSupported(f"{type} has no search parameter {code[:64]!r} that _filter can ask for.")
    return _compared(Asked(param, code, type, reading), test)


def _id(test: Test) -> Filter:
    match test.operator:
        case "eq":
            return Id((test.value,))
        case "ne":
            return Not(Id((test.value,)))
        case _:
            raise InvalidParameter("_id is asked with eq or ne.")


def _compared(asked: Asked, test: Test) -> Filter:
    if test.operator == "pr":
        return _present(asked, test.value)
    known = _OPERATORS.get(asked.param.type, {})
    compare = known.get(test.operator)
    if compare is not None:
        return compare(asked, test.value)
    if test.operator == "ne" and "eq" in known:
        return both(Not(known["eq"](asked, test.value)), Not(_absent(asked)))
    raise InvalidParameter(f"{asked.param.code} is of type {asked.param.type}, which has no operator {test.operator}.")


def _present(asked: Asked, value: str) -> Filter:
    if value not in ("true", "false"):
        raise InvalidParameter("pr takes true or false.")
    return Not(_absent(asked)) if value == "true" else _absent(asked)


def _absent(asked: Asked) -> Filter:
    return both(Missing(asked.rows), *(Missing(f"{asked.rows}:{o}") for o in ALSO.get(asked.param.type, ())))


Compare = Callable[[Asked, str], Filter]


def _as_searched(modifiers: Modifiers, modifier: str = "", prefix: str = "") -> Compare:
    """The comparison that a search parameter of that type makes; a value of `_filter` has no escapes of its own."""
    meaning = modifiers[modifier].meaning
    return lambda asked, value: meaning(asked, prefix + value.replace("\\", "\\\\"))


def _equal_text(asked: Asked, value: str) -> Filter:
    wanted = fold(value)
    return Token(asked.rows, wanted) if wanted else NOTHING


def _in_text(how: Place) -> Compare:
    return lambda asked, value: folded(asked.rows, value, how)


def _in_code(how: Place) -> Compare:
    """On a code, and on the text or display beside it."""

    def compare(asked: Asked, value: str) -> Filter:
        on_code: list[Filter] = [String(asked.rows, spelling, how) for spelling in token.spelled(None, value)]
        return either([*on_code, folded(f"{asked.rows}:text", value, how)])

    return compare


def _none_in(asked: Asked, value: str) -> Filter:
    return Not(_as_searched(token.MODIFIERS, "in")(asked, value))


_PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb")


def _ordered(modifiers: Modifiers) -> dict[str, Compare]:
    return {prefix: _as_searched(modifiers, prefix=prefix) for prefix in _PREFIXES}


#: Type of parameter → operator → comparison. `pr` is everyone's; `ne` of words is: there is a value, and none is equal.
_OPERATORS: Mapping[str, Mapping[str, Compare]] = {
    "string": {"eq": _equal_text, "co": _in_text("contains"), "sw": _in_text("starts"), "ew": _in_text("ends")},
    "token": {
        "eq": _as_searched(token.MODIFIERS),
        "co": _in_code("contains"),
        "sw": _in_code("starts"),
        "ew": _in_code("ends"),
        "in": _as_searched(token.MODIFIERS, "in"),
        "ni": _none_in,
        # The value subsumes a concept of the resource: the concept is at or below it.
        "ss": _as_searched(token.MODIFIERS, "below"),
        "sb": _as_searched(token.MODIFIERS, "above"),
    },
    "reference": {"eq": _as_searched(reference.MODIFIERS), "re": _as_searched(reference.MODIFIERS)},
    "uri": {
        "eq": _as_searched(uri.MODIFIERS),
        "sw": lambda asked, value: String(asked.rows, value, "starts"),
        "co": lambda asked, value: String(asked.rows, value, "contains"),
        "ew": lambda asked, value: String(asked.rows, value, "ends"),
        "ss": _as_searched(uri.MODIFIERS, "below"),
        "sb": _as_searched(uri.MODIFIERS, "above"),
    },
    "date": {**_ordered(date.MODIFIERS), "po": date.overlapping},
    "number": _ordered(number.MODIFIERS),
    "quantity": _ordered(quantity.MODIFIERS),
}
