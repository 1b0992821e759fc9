"""The words of a resource: those of its narrative for `_text`, those of all of it for `_content`.

https://hl7.org/fhir/R4/search.html#content
"""

from __future__ import annotations

import re
from typing import Any

from fhir_server.search.text import without_markup, words

#: Members whose strings are for machines: addresses, links and raw bytes are not words anyone looks for.
_MACHINE = frozenset(
    {"id", "reference", "system", "url", "fullUrl", "data", "hash", "div", "resourceType", "versionId"}
)
#: A date, or a URI: found by their own parameters.
_not_words = re.compile(r"\d{4}-\d\d|[a-z][a-z0-9+.-]*:[^\s]+$").match


def content(tree: dict[str, Any]) -> str:
    """The folded words of every string in a resource, its narrative included; each once, one space between them."""
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
    found += _narratives(tree)
    return " ".join(words("\n".join([text for text in found if not _not_words(text)])))


def narrative(tree: dict[str, Any]) -> str:
    """The folded words of a resource's narrative; each once, one space between them."""
    return " ".join([word for text in _narratives(tree) for word in words(text)])


def _narratives(tree: dict[str, Any]) -> list[str]:
    text = tree.get("text")
    div = text.get("div") if isinstance(text, dict) else None
    return [without_markup(div)] if isinstance(div, str) else []
