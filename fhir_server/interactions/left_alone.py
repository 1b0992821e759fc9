"""What a patch leaves alone: errors that were there before it, in elements that it does not change, only warn.

A resource may have been stored under other rules, or by a caller who is held to others. It can then be masked, or
corrected bit by bit; what a patch changes is judged as any write (https://hl7.org/fhir/R4/http.html#patch).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Issue
from fhir_server.interactions.exchange import Context
from fhir_server.store.protocol import Version

Judge = Callable[[Context, dict[str, Any], Sequence[str]], Awaitable[list[Issue]]]
_ERRORS = ("error", "fatal")
_ELEMENT = re.compile(r"\w+\.(\w+)")


async def said_of_patched(
    judge: Judge, context: Context, tree: dict[str, Any], profiles: Sequence[str], before: Version | None
) -> list[Issue]:
    """What is to be said of a resource; where a patch has made it, what the patch has not made only warns.

    Args:
        judge: says what is wrong with a resource, by `context` and by profiles that are asked for.
        context, profiles: for it.
        tree: as it would be.
        before: what was patched; None where there was no patch.
    """
    said = await judge(context, tree, profiles)
    if before is None or not any(one.severity in _ERRORS for one in said):
        return said
    was = parse(before.body)
    of_before = await judge(context, was, profiles)
    return [_told(one) if one in of_before and _is_same(one, tree, was) else one for one in said]


def _told(issue: Issue) -> Issue:
    return replace(issue, severity="warning") if issue.severity in _ERRORS else issue


def _is_same(issue: Issue, tree: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether an issue is of an element that is as it was; what is said of the whole resource is of none."""
    found = _ELEMENT.match(issue.expression or "")
    return found is not None and all(tree.get(one) == before.get(one) for one in (found[1], f"_{found[1]}"))
