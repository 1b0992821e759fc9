"""How strictly each profile is held to, by whom a resource comes from, and which of its rules only warn when lenient.

A national guide whose own examples break its rules is of use only where the rules can be relaxed one by one.
https://hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

import msgspec

from fhir_server.fhir.definitions import folder
from fhir_server.fhir.outcome import Issue

Level = Literal["strict", "lenient", "off"]

_INDEX = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels of profiles for one caller.

    Attributes:
        table: profile → level. A key is a canonical (with `|version` or not) or `*`, for one caller's system when
            `@` and its client id follow. The caller's own rows go before all others, and a canonical before `*`.
        client: the caller's client id; "" for none.
    """

    table: Mapping[str, Level] = field(default_factory=dict)
    client: str = ""

    def of(self, canonical: str) -> Level:
        """The level of a profile; strict where nothing is said."""
        return self.said(canonical) or "strict"

    def said(self, canonical: str) -> Level | None:
        """What is said of a profile; None for nothing."""
        if not self.table:
            return None
        names = (canonical, canonical.partition("|")[0], "*")
        keys = [*(f"{n}@{self.client}" for n in names), *names] if self.client else names
        return next((self.table[k] for k in keys if k in self.table), None)

    def for_client(self, client: str) -> Levels:
        """The same table, read for another caller."""
        return replace(self, client=client)


def relaxed(issues: Iterable[Issue], url: str, levels: Levels, rules: frozenset[str] = frozenset()) -> list[Issue]:
    """`issues` as the levels of their profiles have it: lenient rules made warnings, and those of a profile off gone.

    Args:
        issues: what a profile finds wrong, or base R4 with a resource that claims it.
        url: the profile's; an issue that names another, which the profile asks for, is held to that one's level.
        levels: how strictly each profile is held to.
        rules: more lenient rules than those `profiles/lenient.json` names: `key`, or `key@Type.element`.
    """
    found = []
    for issue in issues:
        whose = issue.profile or url
        level = levels.of(whose)
        if level == "off" and whose != url:
            continue
        named = rules | lenient_rules(whose) if level == "lenient" else rules
        found.append(replace(issue, severity="warning") if _is_named(issue, named) else issue)
    return found


def lenient_rules(url: str) -> frozenset[str]:
    """The rules of a profile that only warn when it is lenient: `key`, or `key@Type.element` at one element."""
    return _table().get(url, frozenset())


def _is_named(issue: Issue, rules: frozenset[str]) -> bool:
    if issue.severity != "error" or issue.key is None or not rules:
        return False
    where = _INDEX.sub("", issue.expression or "")
    return issue.key in rules or any(
        _stands_at(where, r.partition("@")) for r in rules if r.startswith(issue.key + "@")
    )


def _stands_at(where: str, rule: tuple[str, str, str]) -> bool:
    """Whether a path is the rule's, in the resource itself or in one that is an entry or contained."""
    inside = rule[2].partition(".")[2]
    return where == rule[2] or where.endswith((f".resource.{inside}", f".contained.{inside}"))


@cache
def _table() -> Mapping[str, frozenset[str]]:
    file = folder("profiles") / "lenient.json"
    return msgspec.json.decode(file.read_bytes(), type=dict[str, frozenset[str]])
