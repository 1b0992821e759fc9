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
        if not self.table:
            return "strict"
        names = (canonical, canonical.partition("|")[0], "*")
        keys = [*(f"{n}@{self.client}" for n in names), *names] if self.client else names
        return next((self.table[k] for k in keys if k in self.table), "strict")

    def for_client(self, client: str) -> Levels:
        """The same table, read for another caller."""
        return replace(self, client=client)


def relaxed(issues: Iterable[Issue], canonical: str, rules: frozenset[str] = frozenset()) -> list[Issue]:
    """`issues` of a profile with those of its lenient rules made warnings.

    Args:
        issues: what the profile finds wrong.
        canonical: the profile's, with version or without.
        rules: more lenient rules than those `profiles/lenient.json` names: `key`, or `key@Type.element`.
    """
    named = rules | lenient_rules(canonical.partition("|")[0])
    return [replace(issue, severity="warning") if _is_named(issue, named) else issue for issue in issues]


def lenient_rules(url: str) -> frozenset[str]:
    """The rules of a profile that only warn when it is lenient: `key`, or `key@Type.element` at one element."""
    return _table().get(url, frozenset())


def _is_named(issue: Issue, rules: frozenset[str]) -> bool:
    where = _INDEX.sub("", issue.expression or "")
    return issue.severity == "error" and (issue.key in rules or f"{issue.key}@{where}" in rules)


@cache
def _table() -> Mapping[str, frozenset[str]]:
    file = folder("profiles") / "lenient.json"
    return msgspec.json.decode(file.read_bytes(), type=dict[str, frozenset[str]])
