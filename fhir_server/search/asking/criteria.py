"""One criterion of a query, `name[:modifier][.chain]=value`, as a filter on one resource type.

https://hl7.org/fhir/R4/search.html#parameters
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from fhir_server.fhir.definitions import SearchParameter
from fhir_server.fhir.outcome import FhirError, InvalidParameter, NotSupported, TooCostly
from fhir_server.fhir.references import parse as parse_reference
from fhir_server.search.asking.chains import chained, reverse
from fhir_server.search.asking.filter_expression import expression
from fhir_server.search.kinds.reading import Asked, Reading
from fhir_server.search.kinds.table import ALSO, modifier_of, modifiers_of
from fhir_server.search.kinds.text import text
from fhir_server.search.kinds.values import split, unescape
from fhir_server.store.filters import (
    EVERYTHING,
    NOTHING,
    Filter,
    Id,
    LinkedFrom,
    Missing,
    Not,
    both,
    either,
)

#: Values one criterion may list. A page of ids to fetch at once fits; ten thousand values are a mistake or an attack.
MAX_VALUES = 5_000
#: Characters of one value; the longest URLs and names met are a tenth of it.
MAX_LENGTH = 4_096


def criterion(reading: Reading, type: str, name: str, value: str, steps: int = 0) -> Filter:
    """What `name=value` asks of resources of `type`.

    Args:
        reading: what is known.
        type: resource type the criterion is about.
        name: the parameter with its modifier and chain, as it stands in the query.
        value: with escapes, percent-encoding undone; not empty.
        steps: links followed so far.

    Raises:
        NotSupported: no such parameter, modifier or way of asking.
        InvalidParameter: a value that is not of the parameter's type.
        TooCostly: over a limit.
    """
    if name.startswith("_has:"):
        return reverse(reading, type, name, value, steps, partial(criterion, reading))
    additions = reading.registry.additions
    name = additions.spelled(type, name)
    ways = additions.ways(type, name, value)
    return _any(reading, type, ways, steps) if ways else _as_written(reading, type, name, value, steps)


def _any(reading: Reading, type: str, ways: Sequence[tuple[str, str]], steps: int) -> Filter:
    """One of `ways` is met; those that cannot be asked are left out, unless none can."""
    found: list[Filter] = []
    problem: FhirError | None = None
    for name, value in ways:
        try:
            found.append(_as_written(reading, type, name, value, steps))
        except TooCostly:
            raise
        except FhirError as error:
            problem = problem or error
    if problem is not None and not found:
        raise problem
    return either(found)


def _as_written(reading: Reading, type: str, name: str, value: str, steps: int) -> Filter:
    if "." in name:
        return chained(reading, type, name, value, steps, partial(criterion, reading))
    code, _, modifier = name.partition(":")
    own = OWN.get(code)
    if own is not None:
        return own(reading, type, modifier, value)
    param = reading.registry.get(type, code)
    if param is None:
        raise NotSupported(f"{type} has no search parameter {code[:64]!r}.")
    return _of_parameter(reading, type, param, modifier, value)


def _of_parameter(reading: Reading, type: str, param: SearchParameter, modifier: str, value: str) -> Filter:
    if modifier == "missing" and param.type != "composite":
        return missing(param, value)
    found = modifier_of(param, type, modifier)
    if found is None:
        raise _no_modifier(param, modifier)
    asked = Asked(param, param.code, type, reading)
    said = reading.registry.additions.meant(value) if "|" in value else value
    filters = [found.meaning(asked, one) for one in values(reading, said)]
    wanted = filters[0] if len(filters) == 1 else either(filters)
    return Not(wanted) if found.negated else wanted


def values(reading: Reading, value: str) -> list[str]:
    """The alternatives of a value, blank ones left out.

    Raises:
        InvalidParameter: all are blank, or one is too long.
        TooCostly: more than `MAX_VALUES`.
    """
    found = [one for one in split(value, ",") if one] if "," in value else [value]
    if not found:
        raise InvalidParameter("The value is empty.")
    if len(found) > MAX_VALUES:
        raise TooCostly(f"More than {MAX_VALUES} values in one parameter.")
    if len(value) > MAX_LENGTH and any(len(one) > MAX_LENGTH for one in found):
        raise InvalidParameter(f"A value is longer than {MAX_LENGTH} characters.")
    reading.spend(len(found))
    return found


def missing(param: SearchParameter, value: str) -> Filter:
    """Resources without (`true`) or with (`false`) a value of `param`."""
    rows = (param.code, *(f"{param.code}:{other}" for other in ALSO.get(param.type, ())))
    absent = both(*(Missing(row) for row in rows))
    if value not in ("true", "false"):
        raise InvalidParameter(":missing is true or false.")
    return absent if value == "true" else Not(absent)


def _no_modifier(param: SearchParameter, modifier: str) -> NotSupported:
    known = ", ".join(f":{name}" for name in modifiers_of(param)[:20])
    if not modifier:
        return NotSupported(f"{param.code} cannot be searched by this server.")
    return NotSupported(f"{param.code} has no modifier :{modifier[:64]}; it has {known or 'none'}.")


def _unmodified(code: str, modifier: str) -> None:
    if modifier:
        raise NotSupported(f"{code} has no modifier :{modifier[:64]}.")


def _id(reading: Reading, type: str, modifier: str, value: str) -> Filter:
    if modifier == "missing" and value in ("true", "false"):
        return NOTHING if value == "true" else EVERYTHING
    found = Id(tuple(dict.fromkeys(unescape(one) for one in values(reading, value))))
    if modifier == "not":
        return Not(found)
    _unmodified("_id", modifier)
    return found


def _type(reading: Reading, type: str, modifier: str, value: str) -> Filter:
    _unmodified("_type", modifier)
    return EVERYTHING if type in values(reading, value) else NOTHING


def _narrative(reading: Reading, type: str, modifier: str, value: str) -> Filter:
    _unmodified("_text", modifier)
    return either([text("narrative", unescape(one)) for one in values(reading, value)])


def _content(reading: Reading, type: str, modifier: str, value: str) -> Filter:
    _unmodified("_content", modifier)
    return either([text("content", unescape(one)) for one in values(reading, value)])


def _list(reading: Reading, type: str, modifier: str, value: str) -> Filter:
    _unmodified("_list", modifier)
    reading.require("List")
    ids = tuple(_list_id(reading, unescape(one)) for one in values(reading, value))
    return LinkedFrom("List", "item", Id(ids))


def _list_id(reading: Reading, value: str) -> str:
    if value.startswith("$"):
        raise NotSupported("Lists by function, such as $current-allergies, are not kept by this server.")
    named = parse_reference(value, reading.base)
    return named.id if named.local and named.type == "List" and named.id else value


def _filter(reading: Reading, type: str, modifier: str, value: str) -> Filter:
    _unmodified("_filter", modifier)
    return expression(reading, type, value)


def _has(reading: Reading, type: str, modifier: str, value: str) -> Filter:
    raise InvalidParameter("_has is written _has:[type]:[reference parameter]:[parameter].")


#: Parameters that are not rows of the index, by code.
OWN: Mapping[str, Callable[[Reading, str, str, str], Filter]] = {
    "_id": _id,
    "_type": _type,
    "_text": _narrative,
    "_content": _content,
    "_list": _list,
    "_filter": _filter,
    "_has": _has,
}
