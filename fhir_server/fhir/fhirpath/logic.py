"""Three-valued logic: what is certain whatever the unknown side may be is answered, the rest is unknown (None).

http://hl7.org/fhirpath/N1/#boolean-logic
"""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.fhir.fhirpath.environment import Environment
from fhir_server.fhir.fhirpath.nodes import Node
from fhir_server.fhir.fhirpath.registry import Truth


def same(parts: list[Truth], wanted: bool) -> Truth:
    """`=` (or `!=` when not `wanted`) of two booleans."""
    left, right = parts

    def equal(env: Environment, this: list[Node]) -> bool | None:
        a, b = left(env, this), right(env, this)
        return None if a is None or b is None else (a is b) is wanted

    return equal


def negated(part: Truth) -> Truth:
    """`not()` of what answers a boolean or nothing."""

    def unlike(env: Environment, this: list[Node]) -> bool | None:
        answer = part(env, this)
        return None if answer is None else not answer

    return unlike


def _and(parts: list[Truth]) -> Truth:
    def every(env: Environment, this: list[Node]) -> bool | None:
        answer: bool | None = True
        for part in parts:
            value = part(env, this)
            if value is False:
                return False
            if value is None:
                answer = None
        return answer

    return every


def _or(parts: list[Truth]) -> Truth:
    def some(env: Environment, this: list[Node]) -> bool | None:
        answer: bool | None = False
        for part in parts:
            value = part(env, this)
            if value:
                return True
            if value is None:
                answer = None
        return answer

    return some


def _xor(parts: list[Truth]) -> Truth:
    left, right = parts

    def either(env: Environment, this: list[Node]) -> bool | None:
        a, b = left(env, this), right(env, this)
        return None if a is None or b is None else a is not b

    return either


def _implies(parts: list[Truth]) -> Truth:
    left, right = parts

    def implied(env: Environment, this: list[Node]) -> bool | None:
        a = left(env, this)
        if a is False:
            return True
        b = right(env, this)
        return True if b is True else b if a else None

    return implied


#: Operator → its closure over those of its operands (two, or more of `and` and `or`).
CONNECTIVES: dict[str, Callable[[list[Truth]], Truth]] = {"and": _and, "or": _or, "xor": _xor, "implies": _implies}
