"""Several ranges of one parameter as one look at one row: a resource mostly has one span of a parameter.

From when until when, said to the second, is four or more ranges; each would be looked up for itself. Where a resource
has several spans each range may be met by another of them, as `store/matching.py` says: `span.many` tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fhir_server.store.embedded.sql import FALSE, Sql, conjunction, disjunction
from fhir_server.store.filters import And, Filter, Or, Range
from fhir_server.store.matching import OWN


@dataclass(frozen=True, slots=True)
class Spans:
    """Filters that must all hold, made of several ranges of one parameter."""

    param: str
    parts: tuple[Filter, ...]


def joined(parts: Sequence[Filter]) -> list[Filter | Spans]:
    """The parts of an `And`, with those made one that are of ranges of one parameter alone."""
    by_param: dict[str, list[Filter]] = {}
    rest: list[Filter | Spans] = []
    for part in parts:
        params = _params(part)
        if len(params) == 1 and params.isdisjoint(OWN) and "" not in params:
            by_param.setdefault(min(params), []).append(part)
        else:
            rest.append(part)
    for param, some in by_param.items():
        if len(some) > 1 or not isinstance(some[0], Range):
            rest.append(Spans(param, tuple(some)))
        else:
            rest += some
    return rest


def condition(where: Spans, row: str, param: Sql, judged: Callable[[Range], Sql]) -> Sql:
    """`where`, of the resource whose `resource` row has that alias.

    Args:
        where: what is demanded.
        row: the alias.
        param: that a row `w` of `span` is of the parameter.
        judged: what a range demands of such a row.
    """
    if param == FALSE:
        return FALSE

    def exists(demanded: Sql) -> Sql:
        text = f"EXISTS(SELECT 1 FROM span w WHERE w.rid={row}.rid AND {param.text} AND {demanded.text})"
        return FALSE if demanded == FALSE else Sql(text, demanded.values)

    one = _made(And(where.parts), judged)
    alone = exists(conjunction([Sql("NOT w.many"), one]))
    each = _made(And(where.parts), lambda range: exists(judged(range)))
    return disjunction([alone, conjunction([exists(Sql("w.many")), each])])


def _made(where: Filter, leaf: Callable[[Range], Sql]) -> Sql:
    match where:
        case And():
            return conjunction([_made(part, leaf) for part in where.parts])
        case Or():
            return disjunction([_made(part, leaf) for part in where.parts])
        case Range():
            return leaf(where)
    raise TypeError(where)


def _params(where: Filter) -> set[str]:
    """The parameters of the ranges that a filter is made of; with "" where it is made of anything else."""
    match where:
        case Range():
            return {where.param}
        case And() | Or():
            # Of no parts it holds, or does not, whatever rows there are.
            return set().union(*[_params(part) for part in where.parts]) if where.parts else {""}
    return {""}
