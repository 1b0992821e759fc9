"""The words of a resource: those of its narrative for `_text`, those of all of it for `_content`.

https://hl7.org/fhir/R4/search.html#content
"""

from __future__ import annotations

import re
from typing import Any

from fhir_server.search.parameters.text import without_markup, words

#: Members whose strings are for machines: addresses, links and raw bytes are not words anyone looks for.
_MACHINE = frozenset(
    {"id", "reference", "system", "url", "fullUrl", "data", "hash", "div", "resourceType", "versionId"}
)
#: A date, or a URI: found by their own parameters. All strings are looked at in one pass, each between line ends.
_without_dates = re.compile(r"\n(?:\d{4}-\d\d[^\n]*|[a-z][a-z0-9+.-]*:\S+(?=\n))").sub


def texts(tree: dict[str, Any]) -> tuple[str, str]:
    """The folded words of a resource's narrative, and of every string in it; each once, one space between them."""
    narrative = _narrative(tree)
    return " ".join(words(narrative)), " ".join(words(f"{_strings(tree)}\n{narrative}"))


def _strings(tree: dict[str, Any]) -> str:
    """Every string in a resource that is for people, a line each."""
    found: list[str] = []
    pending: list[Any] = [tree]
    while pending:
        for key, value in pending.pop().items():
            kind = value.__class__
            if kind is str:
                if key not in _MACHINE:
                    found.append(value)
            elif kind is dict:
                pending.append(value)
            elif kind is list:
                pending += [one for one in value if one.__class__ is dict]
                found += [one for one in value if one.__class__ is str]
    return _without_dates("\n", "\n".join(["", *found, ""]))


def _narrative(tree: dict[str, Any]) -> str:
    text = tree.get("text")
    div = text.get("div") if isinstance(text, dict) else None
    return without_markup(div) if isinstance(div, str) else ""
