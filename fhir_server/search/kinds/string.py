"""String parameters: the start of the text, without regard to case, accents or punctuation.

https://hl7.org/fhir/R4/search.html#string
"""

from __future__ import annotations

from fhir_server.search.reading import Asked, Modifier, Modifiers
from fhir_server.search.text import fold, words
from fhir_server.search.values import unescape
from fhir_server.store.filters import NOTHING, Filter, String, both


def starts(asked: Asked, value: str) -> Filter:
    """The text starts with `value`, both folded."""
    return folded(asked.rows, unescape(value), "starts")


def folded(rows: str, text: str, how: str) -> Filter:
    """A row that starts with, or contains, `text` once folded; nothing when folding leaves nothing of it."""
    wanted = fold(text)
    # An empty start would be every resource with a value: punctuation alone asks for none of them.
    return String(rows, wanted, "contains" if how == "contains" else "starts") if wanted else NOTHING


def _contains(asked: Asked, value: str) -> Filter:
    return folded(asked.rows, unescape(value), "contains")


def _exact(asked: Asked, value: str) -> Filter:
    return String(asked.rows, unescape(value), "exact")


def _text(asked: Asked, value: str) -> Filter:
    # "advanced text handling": every word somewhere, in any order.
    found = words(unescape(value))
    return both(*(String(asked.rows, word, "contains") for word in found)) if found else NOTHING


MODIFIERS: Modifiers = {
    "": Modifier(starts),
    "exact": Modifier(_exact),
    "contains": Modifier(_contains),
    "text": Modifier(_text),
}
