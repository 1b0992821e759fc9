"""String parameters: the start of the text, without regard to case, accents or punctuation.

https://hl7.org/fhir/R4/search.html#string
"""

from __future__ import annotations

from typing import Literal

from fhir_server.search.kinds.reading import Asked, Modifier, Modifiers
from fhir_server.search.kinds.values import unescape
from fhir_server.search.parameters.text import fold, words
from fhir_server.store.filters import NOTHING, Filter, String, both


def starts(asked: Asked, value: str) -> Filter:
    """The text starts with `value`, both folded."""
    return folded(asked.rows, unescape(value), "starts")


Place = Literal["starts", "contains", "ends"]


def folded(rows: str, text: str, how: Place) -> Filter:
    """A row that starts with, contains or ends with `text` once folded; nothing when folding leaves nothing of it."""
    wanted = fold(text)
    # An empty start would be every resource with a value: punctuation alone asks for none of them.
    return String(rows, wanted, how) if wanted else NOTHING


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
